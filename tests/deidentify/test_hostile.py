"""Headers made to hurt: a sentence within seconds, no traceback, and nothing half-written."""

import struct
import time

import pytest
from dicom_factory import expected_hu, replace_bytes, write_series
from identity_builders import remaining_identifiers
from numpy.testing import assert_array_equal

from utils.deidentify.__main__ import main
from utils.dicom import read_series

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom wonders at such files
PIXELS, PATIENT = b"\xe0\x7f\x10\0OW", b"\x10\0\x10\0PN"
FOREVER = b"\xff" * 4
SEQUENCES = {
    "listed": b"\x08\0\x40\x11",
    "unknown": b"\x40\0\x75\x02",
    "private": b"\x29\0\x10\x10",
}


def nested(depth, tag, open_ended):
    """`depth` sequences of one item each, the next within it; of stated or of open length."""
    if open_ended:
        start = tag + b"SQ\0\0" + FOREVER + b"\xfe\xff\0\xe0" + FOREVER
        return (
            start * depth
            + (b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)) * depth
        )
    data = b""
    for _ in range(depth):
        data = b"\xfe\xff\0\xe0" + struct.pack("<I", len(data)) + data
        data = tag + b"SQ\0\0" + struct.pack("<I", len(data)) + data
    return data


def put_before(path, start, data):
    content = path.read_bytes()
    assert content.count(start) == 1
    path.write_bytes(content.replace(start, data + start))


def element(tag, vr, value):
    return tag + vr + struct.pack("<H", len(value)) + value


def told(folder, capsys):
    """(exit code, what was said) of de-identification, which took no five seconds."""
    began = time.process_time()
    code = main([str(folder / "in"), "--out", str(folder / "copy")])
    assert time.process_time() - began < 5
    said = capsys.readouterr()
    left = {path.name for path in folder.iterdir()}
    assert left == ({"in", "copy"} if said.out else {"in"}), "whole or not at all"
    assert "Traceback" not in said.err + said.out
    return code, said.err + said.out


@pytest.mark.parametrize("open_ended", [True, False])
@pytest.mark.parametrize("tag", SEQUENCES.values(), ids=SEQUENCES)
@pytest.mark.parametrize("depth", [90, 110, 1000, 10_000])
def test_nested_sequences_are_searched_or_refused(tmp_path, capsys, depth, tag, open_ended):
    files = write_series(tmp_path / "in")
    put_before(files[2], PATIENT if tag < b"\x10" else PIXELS, nested(depth, tag, open_ended))
    code, said = told(tmp_path, capsys)
    if depth == 90:
        assert code == 0
        assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))
    else:
        assert code == 1 and "1-003.dcm" in said and len(said) < 400
        assert "more than 100 sequences deep" in said or (open_ended and "parsed" in said)


@pytest.mark.parametrize("codec", ["zlib_codec", "rot13", "hex", "bz2", "uu", "base64"])
def test_a_character_set_that_decodes_no_text_is_refused(tmp_path, capsys, codec):
    """What a name says is not known then, and the check could not look for it."""
    for path in write_series(tmp_path / "in"):
        replace_bytes(path, b"Test^Patient", b"M\xfcller^Pat. ")
        charset = element(b"\x08\0\x05\0", b"CS", codec.ljust(10).encode())
        put_before(path, b"\x08\0\x08\0CS", charset)
    code, said = told(tmp_path, capsys)
    assert code == 1 and "in: 1-001.dcm: PatientName cannot be read" in said


@pytest.mark.parametrize("codec", ["undefined", "idna", "unicode_escape", "utf_7", "ISO_IR 999"])
def test_other_codecs_are_of_no_account(tmp_path, capsys, codec):
    for path in write_series(tmp_path / "in"):
        charset = element(b"\x08\0\x05\0", b"CS", codec.ljust(14).encode())
        put_before(path, b"\x08\0\x08\0CS", charset)
    assert told(tmp_path, capsys)[0] == 0


NUMBERS = {
    "three bytes": (b"US", b"abc"),
    "five": (b"FD", b"abcde"),
    "too large": (b"IS", b"1e9999"),
    "no whole number": (b"IS", b"12.5"),
    "no number": (b"DS", b"abcd"),
}


@pytest.mark.parametrize("tag", [b"\x29\0\x10\x10", b"\x20\0\x02\x10"], ids=["private", "listed"])
@pytest.mark.parametrize("fault", NUMBERS)
def test_numbers_that_are_none_are_left_out(tmp_path, capsys, fault, tag):
    """They name nobody, and are no reason to lose a case."""
    put_before(write_series(tmp_path / "in")[1], PIXELS, element(tag, *NUMBERS[fault]))
    assert told(tmp_path, capsys)[0] == 0
    assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))


def item(inner):
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(inner)) + inner


def sequence(tag, inner):
    return tag + b"SQ\0\0" + struct.pack("<I", len(item(inner))) + item(inner)


PRIVATE, IMAGES = b"\x29\0\x10\x10", b"\x08\0\x40\x11"
UNKNOWN = element(b"\x29\0\x11\x10", b"ZZ", b"Zebedee ")
IMAGE = element(b"\x08\0\x50\x11", b"UI", b"1.2.840.10008.5.1.4.1.1.2\0") + element(
    b"\x08\0\x55\x11", b"UI", b"1.2.3\0"
)
UNREAD = {  # bytes of an element that no reader understands -> where it stands
    "unknown VR": (UNKNOWN, "(0029,1011)"),
    "of odd length": (element(PRIVATE, b"ZZ", b"Zebedee"), "(0029,1010)"),
    "of an attribute": (element(b"\x20\0\x00\x40", b"ZZ", b"Zebedee "), "ImageComments"),
    "in a private sequence": (sequence(PRIVATE, UNKNOWN), "(0029,1010)[0].(0029,1011)"),
    "in a sequence that goes": (
        sequence(b"\x40\0\x75\x02", UNKNOWN),
        "RequestAttributesSequence[0].(0029,1011)",
    ),
    "in one that stays": (
        sequence(IMAGES, IMAGE + UNKNOWN).replace(IMAGES, b"\x08\0\x12\x21"),
        "SourceImageSequence[0].(0029,1011)",
    ),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_an_element_that_nobody_reads_is_left_out_and_told(tmp_path, capsys, kind):
    """It is dropped anyway; the check could not look for what it says, which a person is told."""
    data, place = UNREAD[kind]
    for path in write_series(tmp_path / "in")[1:3]:
        put_before(path, PATIENT if data.startswith(b"\x08") else PIXELS, data)
    code, said = told(tmp_path, capsys)
    assert code == 0 and said.count("flags:") == 1
    assert f"{place} cannot be read and was left out" in said and "Zebedee" not in said
    assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))
    assert not any(b"Zebedee" in path.read_bytes() for path in (tmp_path / "copy").iterdir())
    assert remaining_identifiers(tmp_path / "in", tmp_path / "copy") == []


ODD = {
    "bytes of odd length": element(PRIVATE, b"LO", b"Zebedee"),
    "an item longer than its sequence": sequence(PRIVATE, UNKNOWN).replace(
        item(UNKNOWN)[:8], b"\xfe\xff\0\xe0\xff\xff\xff\x7f"
    ),
    "no items": PRIVATE + b"SQ\0\0\x08\0\0\0Zebedee ",
    "a date that is none": element(PRIVATE, b"DA", b"Zebedee "),
    "a UID that is none": element(PRIVATE, b"UI", b"Zebedee "),
    "fragments": PRIVATE + b"OB\0\0" + FOREVER + item(b"Zebedee ")
    + b"\xfe\xff\xdd\xe0" + bytes(4),
}  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "after them"])
@pytest.mark.parametrize("kind", [*ODD, "unknown VR"])
def test_a_damaged_private_element_costs_no_case(tmp_path, capsys, kind, after):
    path, data = write_series(tmp_path / "in")[1], {**ODD, "unknown VR": UNKNOWN}[kind]
    if after:
        path.write_bytes(path.read_bytes() + data.replace(b"\x29\0", b"\xe1\x7f", 1))
    else:
        put_before(path, PIXELS, data)
    assert told(tmp_path, capsys)[0] == 0
    assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))
    assert not any(b"Zebedee" in path.read_bytes() for path in (tmp_path / "copy").iterdir())


def test_an_element_that_nobody_reads_is_no_part_of_a_copy(tmp_path, capsys):
    path = write_series(tmp_path / "in")[1]
    assert told(tmp_path, capsys)[0] == 0
    put_before(tmp_path / "copy" / "CT-0001.dcm", PIXELS, UNKNOWN)
    assert path.exists() and remaining_identifiers(tmp_path / "in", tmp_path / "copy") == [
        ("CT-0001.dcm", "(0029,1011)", "not what the keep-list gives")
    ]


@pytest.mark.parametrize("keyword", ["PatientID", "ReferringPhysicianName"])
def test_a_name_or_number_that_nobody_reads_is_refused(tmp_path, capsys, keyword):
    """The check would not know for what to look."""
    path = write_series(tmp_path / "in", edit=lambda ds, _k: setattr(ds, keyword, "Zebedee"))[1]
    tag = {"PatientID": b"\x10\0\x20\0LO", "ReferringPhysicianName": b"\x08\0\x90\0PN"}[keyword]
    replace_bytes(path, tag, tag[:4] + b"ZZ")
    code, said = told(tmp_path, capsys)
    assert code == 1 and f"1-004.dcm: {keyword} cannot be read" in said


def test_one_case_does_not_take_the_others_with_it(tmp_path, capsys):
    for number in range(3):
        files = write_series(tmp_path / "in" / "Images" / f"Case_00{number}")
        if number == 1:
            replace_bytes(files[0], b"\x10\0\x10\0PN", b"\x10\0\x10\0ZZ")
    code, said = told(tmp_path, capsys)
    assert code == 1 and "Test" not in said
    assert "refused: Case_001: 1-005.dcm: PatientName cannot be read" in said
    copied = sorted(path.name for path in (tmp_path / "copy" / "Images").iterdir())
    assert copied == ["Case_000", "Case_002"]
