"""Ways to damage bytes: of any file, of DICOM elements, and of npz archives.

A mutation is a function (data, rng) -> bytes; those of one element look for elements themselves.
"""

import io
import struct
import zipfile

import numpy as np
from pydicom.datadict import dictionary_has_tag, dictionary_VR

VRS = [b"DS", b"IS", b"UI", b"SQ", b"OW", b"UN", b"US", b"FD", b"PN", b"AT", b"ZZ", b"\0\0", b"UT"]
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")
IMPLICIT, BIG_ENDIAN = b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.2\0"
UNDEFINED, ITEM, PIXELS = 0xFFFFFFFF, 0xFFFEE000, 0x7FE00010


def elements(data):
    """(start, value's start, end) of each element of a valid file, those in sequences too."""
    implicit, order = IMPLICIT in data[:400], "<"
    found, at = [], 132
    while at + 8 <= len(data):
        if data[at : at + 2] != b"\2\0" and BIG_ENDIAN in data[:400]:
            order = ">"
        group, number = struct.unpack_from(order + "HH", data, at)
        tag, vr = group << 16 | number, data[at + 4 : at + 6]
        if group == 0xFFFE or (implicit and group != 2):
            start, (length,) = at + 8, struct.unpack_from(order + "I", data, at + 4)
            vr = dictionary_VR(tag).encode() if dictionary_has_tag(tag) else b""
        elif vr in LONG:
            start, (length,) = at + 12, struct.unpack_from(order + "I", data, at + 8)
        else:
            start, (length,) = at + 8, struct.unpack_from(order + "H", data, at + 6)
        inside = tag == ITEM or vr == b"SQ"
        found.append((at, start, start if length == UNDEFINED else min(start + length, len(data))))
        if tag == PIXELS and length == UNDEFINED:  # fragments are no elements
            break
        at = start if inside or length == UNDEFINED else start + length
    return found


def any_element(data, rng):
    places = elements(data)
    return places[rng.integers(len(places))]


# of any file


def truncated(data, rng):
    return data[: rng.integers(len(data))]


def bits_flipped(data, rng):
    data = bytearray(data)
    start = 132 if data[128:132] == b"DICM" else 0
    header = min(len(data), 1500)  # where a flip does most harm
    for at in rng.integers(start, rng.choice([header, len(data)]), size=rng.integers(1, 9)):
        data[at] ^= 1 << rng.integers(8)
    return bytes(data)


def piece_repeated(data, rng):
    start, end = sorted(rng.integers(len(data), size=2))
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def tail_random(data, rng):
    """Garbage from somewhere on, where compressed pixels lie."""
    at = int(rng.integers(len(data) // 2, len(data)))
    return data[:at] + rng.bytes(len(data) - at)


# of one DICOM element


def tag_deleted(data, rng):
    start, _, end = any_element(data, rng)
    return data[:start] + data[end:]


def vr_swapped(data, rng):
    start = any_element(data, rng)[0]
    return data[: start + 4] + VRS[rng.integers(len(VRS))] + data[start + 6 :]


def length_huge(data, rng):
    start, value, _ = any_element(data, rng)
    width = 4 if value - start == 12 or rng.integers(2) else 2
    length = int(rng.choice([0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0xFFFF, 0, 1, 2**20]))
    new = (length & (256**width - 1)).to_bytes(width, "little")
    return data[: value - width] + new + data[value:]


def value_replaced(data, rng):
    _, value, end = any_element(data, rng)
    junk = [b"\xff", b"\0", b"9", b"-", b"1e", b"\\", b"nan ", b"0,5 ", rng.bytes(7)]
    new = (junk[rng.integers(len(junk))] * (end - value))[: end - value]
    return data[:value] + new + data[end:]


def digits_changed(data, rng):
    """Other numbers in a text of numbers: contours elsewhere, counts and sizes that are not."""
    data = bytearray(data)
    _, value, end = any_element(data, rng)
    places = [at for at in range(value, min(end, value + 4000)) if 48 <= data[at] < 58]
    for at in rng.permutation(places)[: rng.integers(1, 9)].astype(int):
        data[at] = 48 + rng.integers(10)
    return bytes(data)


# of an npz archive: written anew with another header, or with other words in its directory

SHAPES = ["()", "(3,)", "(3, 32)", "(0, 32, 32)", "(-3, 32, 32)", "(3, 32, 32, 1)", "(True, 9, 9)"]
SHAPES += ["(99999, 99999, 999)", "(2**60, 2**60, 9)", "(4, 1024, 1024)", "(3, 32, 32)", "'3'"]
SHAPES += [f"({2**62}, {2**62}, {2**62})", "(1.0, 2, 3)", "[3, 32, 32]", "(" * 300, "(3, 32, None)"]
TYPES = ["'|u1'", "'|b1'", "'<f8'", "'>f2'", "'|O'", "'<c16'", "'|S999999999'", "'<U2147483647'"]
TYPES += ["'|V8'", "'<M8[ns]'", "[('a', '<i4')]", "('<u1', (999, 999))", "'no type'", "7", "'|i1'"]


def header_hostile(data, rng):
    """Another shape, type or order than the bytes that follow have; now and then true."""
    order = "True" if rng.integers(3) == 0 else "False"
    shape, kind = SHAPES[rng.integers(len(SHAPES))], TYPES[rng.integers(len(TYPES))]
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    version = bytes([rng.choice([1, 1, 1, 2, 3, 9]), 0])
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    body = bytes(int(rng.choice([0, 1, 3 * 32 * 32, 3 * 32 * 32 * 8])))
    return npz_of(b"\x93NUMPY" + version + length + header + body)


def objects_inside(data, rng):
    """An array of Python objects, of which one would end the process if it were unpickled."""
    array = np.array([Deadly()] * int(rng.integers(1, 5)), object)
    content = io.BytesIO()
    np.lib.format.write_array(content, array.reshape(-1, 1, 1), allow_pickle=True)
    return npz_of(content.getvalue())


class Deadly:
    def __reduce__(self):
        import os

        return os._exit, (66,)


def bomb(data, rng):
    """A small file that unpacks to very much: zeros, in what its header claims or beyond it."""
    true = 2**14 * int(2 ** rng.uniform(2, 13))
    shape = (true // 2**14, 128, 128) if rng.integers(2) else (3, 32, 32)
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    start = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    return npz_of(start, zeros=true)


def directory_lies(data, rng):
    """Sizes, offsets, methods and flags in the zip's directory that are not true."""
    data = bytearray(data)
    at = data.find(b"PK\1\2" if rng.integers(4) else b"PK\5\6")
    field = int(rng.choice([4, 6, 8, 10, 16, 20, 24, 28, 30, 32, 42]))
    word = [
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\1\0",
        b"\x0c\0",
        b"\x0e\0",
        b"\x63\0",
        rng.bytes(4),
    ]
    new = word[rng.integers(len(word))]
    data[at + field : at + field + len(new)] = new
    return bytes(data)


def npz_of(content, zeros=0):
    """A zip with the one member masks.npy."""
    file = io.BytesIO()
    compressed = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(file, "w", compressed) as archive,
        archive.open("masks.npy", "w") as member,
    ):
        member.write(content)
        for _ in range(0, zeros, 2**14):
            member.write(bytes(2**14))
    return file.getvalue()


def word_replaced(data, rng):
    """Another number at the start of an image: its sizes, types, offsets, scales, directions."""
    data = bytearray(data)
    words = [
        b"\xff\xff",
        b"\0\0",
        b"\1\0",
        b"\0\x80",
        b"\xff\x7f",
        b"99",
        b"-1",
        b" 0",
        b"na",
        b"1e",
    ]
    for at in rng.integers(min(len(data), 700), size=rng.integers(1, 4)):
        data[at : at + 2] = words[rng.integers(len(words))]
    return bytes(data)


GENERAL = (truncated, bits_flipped, piece_repeated, tail_random)
DICOM = (*GENERAL, tag_deleted, vr_swapped, length_huge, value_replaced, digits_changed)
ZIP = (*GENERAL, directory_lies)
IMAGE = (*GENERAL, word_replaced)
NPZ = (*GENERAL, header_hostile, objects_inside, bomb, directory_lies)
