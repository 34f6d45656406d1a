"""Compressed pixel data (RLE, JPEG, JPEG-LS, JPEG 2000) into stored values.

A codestream states its own size, bits and tiles. They are held against the header, the size before
any decoder sees it: a damaged or hostile one can neither ask for gigabytes nor end early in
silence. What a decoder warns of is an error, since it may have put anything in place of pixels.
"""

import os
import struct
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder

from utils.dicom.values import library_silenced
from utils.errors import InputError, refusals, refused

# no package of pydicom's decodes these, or, of the first, without a word on data that end early
BY_SIMPLEITK = {
    uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1,
}  # fmt: skip
HARMLESS = b"data precision 12"  # said before SimpleITK tries its other decoder
MOST_TILES = 4096  # of JPEG 2000: a slice of 512² in tiles of 8²
MINUS_2000 = 63536  # -2000 read as unsigned: the padding of several scanners
ONE_GREY = {"number_of_frames": 1, "samples_per_pixel": 1, "pixel_keyword": "PixelData",
            "photometric_interpretation": "MONOCHROME2"}  # fmt: skip
refusal = refusals(__file__)
HTJ2K = {f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)}


def decode_frames(data, syntax, coding):
    """Yield the frames of encapsulated pixel data as int16 [rows, cols], the 16 stored bits, and
    whether their compression lost some of what was measured.

    data : bytes from the first item on. coding : `frames.Coding`. Raises InputError for
    what no installed package decodes (naming the package), is truncated or contradicts the header.
    """
    syntax = uid.UID(syntax)
    decoder = None if syntax in BY_SIMPLEITK else _decoder(syntax)
    with library_silenced():
        for encoded in _split(data, coding.frames):
            precision, signed, lossy = _check_codestream(encoded, syntax, coding)
            pixels = _decode(decoder, encoded, syntax, coding, precision, signed)
            if syntax != uid.RLELossless:
                pixels = _as_stored(pixels, coding, precision, signed)
            yield pixels.astype(np.int16, copy=False), lossy


def _as_stored(pixels, coding, precision, signed):
    """Stored bits from the numbers that a codestream of `precision` bits holds.

    Only a stream of as many bits as are stored, or allocated, can hold two's complements as
    unsigned numbers; the numbers of any other are what they are. Raises InputError for such as
    the header's bits cannot hold: stream and header then contradict each other.
    """
    values = pixels.astype(np.int32)
    if coding.signed and not signed and precision in (coding.stored, 16):
        sign = 1 << (precision - 1)
        values = (values ^ sign) - sign
    low = -(1 << (coding.stored - 1)) if coding.signed else 0
    beyond = (values < low) | (values >= low + (1 << coding.stored))
    if beyond.any():
        first, last = sorted(v & 0xFFFF for v in coding.padding or (MINUS_2000, MINUS_2000))
        beyond &= ((values & 0xFFFF) < first) | ((values & 0xFFFF) > last)
    if beyond.any() or coding.high_bit != coding.stored - 1:
        held, kind = (values.min(), values.max()), "signed" if coding.signed else "unsigned"
        raise refusal("stream_bits", precision, *held, coding.stored, kind, coding.high_bit)
    return values


def _decoder(syntax):
    """pydicom's decoder for a compressed syntax, if its package is installed."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise refusal("no_syntax", syntax.name or "missing") from None
    if not decoder.is_available:
        needs = "; or ".join(decoder.missing_dependencies)
        raise refusal("no_decoder", syntax.name, needs)
    return decoder


def _split(data, count):
    """The compressed frames, as many as the header says."""
    try:
        encoded = list(generate_frames(data, number_of_frames=count))
    except Exception:  # pydicom may raise nearly anything on damaged fragments
        encoded = []
    if len(encoded) != count:
        raise refusal("frames_lost", len(encoded), count)
    return encoded


def _decode(decoder, encoded, syntax, coding, precision, signed):
    """Numbers of one compressed frame [rows, cols], as its codestream holds them."""
    # Pillow decodes JPEG 2000 as well, but not signed pixels
    plugin = "pylibjpeg" if decoder and "pylibjpeg" in decoder.available_plugins else ""
    with refused(f"{syntax.name} cannot be decoded", "Fetch the file again"), _heard():
        if decoder is None:
            pixels = _by_simpleitk(encoded, syntax, coding, precision)
        else:
            said = {"rows": coding.rows, "columns": coding.cols, "bits_allocated": coding.allocated}
            said |= {"bits_stored": precision, "pixel_representation": int(signed), **ONE_GREY}
            said |= {"transfer_syntax_uid": syntax, "decoding_plugin": plugin}
            pixels, _ = decoder.as_array(encapsulate([encoded]), raw=True, **said)
    if pixels.shape != (coding.rows, coding.cols) or pixels.dtype.itemsize > 2:
        expected = coding.rows, coding.cols, coding.allocated
        raise refusal("decoded", pixels.shape, pixels.dtype, *expected)
    return pixels


@contextmanager
def _heard():
    """Within a with block, what C libraries write to standard error becomes an error."""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        said = [line for line in file.read().splitlines() if HARMLESS not in line]
    if said:
        raise ValueError(said[0].decode("ascii", "replace"))


def _by_simpleitk(encoded, syntax, coding, precision):
    """Numbers of one frame of JPEG, 12 bits or lossless, which SimpleITK reads from a file."""
    import SimpleITK  # half a second, and few series need it

    dataset, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = coding.rows, coding.cols, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated = 8 if precision <= 8 else 16
    dataset.BitsStored, dataset.HighBit = precision, precision - 1
    dataset.PixelData, dataset.file_meta = encapsulate([encoded]), meta
    dataset["PixelData"].VR = "OB"
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.dcm")
        dataset.save_as(path, enforce_file_format=True)
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    return SimpleITK.GetArrayFromImage(image)[0]


def _check_codestream(encoded, syntax, coding):
    """Bits of a frame's values, whether they are signed, and whether some were lost on the way;
    refused if it ends early or is of another size than the header's."""
    if syntax == uid.RLELossless:
        longest = 2 * coding.rows * coding.cols * max(8, coding.allocated) // 8 + 64
        if len(encoded) > longest + 2 * coding.rows:
            raise InputError("its RLE data are longer than the image. Fetch the file again")
        return coding.stored, coding.signed, False
    jpeg2000 = syntax in uid.JPEG2000TransferSyntaxes or syntax in HTJ2K
    found = _jpeg2000_form(encoded) if jpeg2000 else _jpeg_form(encoded)
    if found is None or found[:3] != (coding.rows, coding.cols, 1):
        stated = "{} x {} pixels with {} component(s)".format(*found) if found else "no image size"
        raise refusal("stated_size", stated, coding.rows, coding.cols)
    # a marker cannot occur within compressed data; writers pad to an even length with 0 or 255
    if not encoded.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise refusal("no_end")
    if not 1 <= found[3] <= 16:
        raise InputError(f"its compressed data have {found[3]} bits a pixel. Export again")
    if jpeg2000:
        with refused("its compressed data are damaged", "Fetch the file again", struct.error):
            _check_tiles(encoded, signed=found[4])
    return found[3:]


def _check_tiles(encoded, signed):
    """Refuse JPEG 2000 of which a tile is absent or empty (ISO 15444-1 A.4.2, B.3, B.10).

    A tile holds a packet, at least a byte, for each of its layers and resolutions. Bytes of 0 alone
    are a plane of the middle grey, which is air where values are signed, and no tissue where not.
    """
    start = encoded.find(b"\xff\x4f\xff\x51")
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", encoded, start + 8)
    tiles = -(-(right - left) // max(1, width)) * -(-(bottom - top) // max(1, height))
    if tiles > MOST_TILES:
        raise refusal("tiles", tiles, "far too many")
    layers, levels = struct.unpack_from(">HxB", encoded, encoded.find(b"\xff\x52", start) + 6)
    least = layers * (levels + 1) if min(width, height) >> levels else 1
    at, held, filled = encoded.find(b"\xff\x90\0\x0a", start), Counter(), set()
    while encoded[at : at + 4] == b"\xff\x90\0\x0a" and at + 14 <= len(encoded):
        tile, length = struct.unpack_from(">HI", encoded, at + 4)
        end = at + length if length else len(encoded)
        data = encoded[encoded.find(b"\xff\x93", at) + 2 : end]
        held[tile] += len(data)
        if signed or data.strip(b"\0"):
            filled.add(tile)
        at = end if end > at else len(encoded)
    whole = [tile for tile in range(tiles) if held[tile] >= least and tile in filled]
    if len(whole) < tiles:
        raise refusal("tiles", tiles, f"of which {tiles - len(whole)} hold no data")


def _jpeg2000_form(encoded):
    """(rows, columns, components, bits, signed, lossy) of JPEG 2000 (ISO 15444-1 A.5), or None."""
    start = encoded.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(encoded) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", encoded, start + 8)
    components, depth = struct.unpack_from(">HB", encoded, start + 40)
    lossy = encoded[encoded.find(b"\xff\x52", start) :][13:14] == b"\0"  # the 9-7 wavelet (A.6.1)
    return bottom - top, right - left, components, (depth & 0x7F) + 1, depth > 0x7F, lossy


def _jpeg_form(encoded):
    """The same of JPEG or JPEG-LS (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2), never signed."""
    at, scan = 2, encoded.find(b"\xff\xda")  # byte 7 of JPEG-LS: by how much values may be off
    while at + 10 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            bits, rows, cols, components = struct.unpack_from(">BHHB", encoded, at + 4)
            lossy = marker & 3 != 3 or (marker == 0xF7 and encoded[scan + 7 : scan + 8] > b"\0")
            return rows, cols, components, bits, False, lossy
        else:
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
