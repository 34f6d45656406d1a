"""Pixels of a copy: the stored bits and nothing else; and whether they seem to hold text."""

import re

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import UID
from scipy import ndimage

from utils import dicom
from utils.deidentify.keeping import OBJECTS, WORDS
from utils.dicom import ENCAPSULATED, frames_of, integer, stored_frames
from utils.errors import refusals

refusal = refusals(__file__)
PIXEL_DATA = 0x7FE00010
BLOCK = np.ones((3, 3), bool)
MINUS_2000 = 63536  # -2000 read as unsigned: the padding of several scanners, beyond 12 bits


def judged(source):
    """(kind of object, "" or why it is not copied unless asked for); without a kind it never is."""
    if source is None:
        return "", "not DICOM"
    dicom.reason_to_skip(source)  # an error for an image that ends before its pixels
    facts, kind = source.facts, OBJECTS.get(source.facts.sop_class, "")
    name = UID(facts.sop_class).name or "no class"
    if "Video" in name or source.syntax.startswith("1.2.840.10008.1.2.4.10"):  # MPEG, HEVC
        return "", str(refusal("video", name))
    if kind in ("", "IMAGE"):
        why = "text" if re.search(r"\bSR\b|Encapsulated|Document|Report|Log\b", name) else "class"
        return kind, str(refusal("picture" if kind else why, name))
    if kind == "CT" and facts.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return "IMAGE", str(refusal("colours"))
    if kind == "CT" and any(word in facts.image_type.upper() for word in WORDS["screens"]):
        return "IMAGE", str(refusal("screen"))
    burned_in = dicom.text(source.dataset, "BurnedInAnnotation").upper() == "YES"
    return kind, str(refusal("burned in")) if burned_in else ""


def clean_pixels(copy, source, kind):
    """Give a copy its pixels, uncompressed: exactly the voxels, in exactly the bits stored.

    source : a `Source` of `read_header`; kind : as `judged`. Gone is what could lie beside them:
    comments and further fragments of a codestream, bytes after the last voxel, overlays in
    bits that are not used. Raises InputError where the object has no such pixels.
    """
    if kind == "RTSTRUCT":
        return
    if source.pixel_tag != PIXEL_DATA:
        raise refusal("no pixels", source.name, kind)
    if source.pixel_length < ENCAPSULATED:  # what follows the pixels is not looked at
        source.size = min(source.size, source.pixel_offset + source.pixel_length)
    shape = tuple(integer(source.dataset, k, 1) for k in ("NumberOfFrames", "Rows", "Columns"))
    bits = integer(source.dataset, "BitsAllocated", 8)
    if kind == "CT":
        coding = frames_of(source)[0].coding
        shape, bits = (coding.frames, coding.rows, coding.cols), coding.allocated
        values = stored_frames(source, shape, bits, coding).astype(f"u{bits // 8}")
        values = _in_stored_bits(values, coding)
    elif (
        bits not in ((8, 16) if kind == "IMAGE" else (1, 8, 16)) or not 0 < np.prod(shape) <= 2**31
    ):
        raise refusal("no SEG", source.name, shape, bits, kind)
    elif kind == "SEG":
        values = stored_frames(source, shape, bits)
    else:
        values = _picture(copy, source, shape, bits)
        bits = 8 * values.itemsize
    data = np.packbits(values, bitorder="little") if bits == 1 else values.astype(f"<u{bits // 8}")
    data = data.tobytes() + b"\0" * (data.nbytes % 2)
    copy[PIXEL_DATA] = DataElement(PIXEL_DATA, "OW" if bits == 16 else "OB", data)


def _picture(copy, source, shape, bits):
    """Values of a picture: grey in the bits that are stored, or RGB, of which the copy is told."""
    dataset = source.dataset
    stored, sign = integer(dataset, "BitsStored", bits), integer(dataset, "PixelRepresentation", 0)
    if not 1 <= stored <= bits or integer(dataset, "HighBit", stored - 1) != stored - 1:
        raise refusal("no SEG", source.name, shape, stored, "picture")
    if integer(dataset, "SamplesPerPixel", 1) == 1:
        values = stored_frames(source, shape, bits).astype(f"{'ui'[sign]}{bits // 8}")
        values = values << (bits - stored) >> (bits - stored)
        if source.facts.photometric != "PALETTE COLOR":
            return values
        values = apply_color_lut(values, dataset)
    else:  # Pillow bounds the size that a codestream states; it bears no other compression
        jpeg = source.syntax.startswith("1.2.840.10008.1.2.4")
        values = pixel_array(dcmread(source.path), decoding_plugin="pillow" if jpeg else "")
    copy.SamplesPerPixel, copy.PhotometricInterpretation, copy.PlanarConfiguration = 3, "RGB", 0
    copy.BitsAllocated = copy.BitsStored = 8 * values.itemsize
    copy.HighBit, copy.PixelRepresentation = copy.BitsStored - 1, 0
    return values


def _in_stored_bits(values, coding):
    """Values without their bits that are not stored; padding beyond these stays what it is.

    values : unsigned [frames, rows, cols]. A reader takes the same HU from them as before.
    """
    full = (1 << coding.allocated) - 1
    mask = ((1 << coding.stored) - 1) << (coding.high_bit + 1 - coding.stored)
    clean = values & mask
    if coding.signed and coding.high_bit == coding.stored - 1:  # two's complement up to the top
        clean |= np.where(values >> coding.high_bit & 1, full & ~mask, 0).astype(values.dtype)
    if coding.padding is None and (coding.signed or coding.allocated == 8):
        return clean
    stated = np.array([v & 0xFFFF for v in coding.padding or [MINUS_2000] * 2], np.uint16)
    low, high = sorted(stated.view(np.int16 if coding.signed else np.uint16).tolist())
    seen = values.view(f"i{coding.allocated // 8}") if coding.signed else values
    beyond = (seen >= low) & (seen <= high) & (clean != values)
    return np.where(beyond, stated[0].astype(values.dtype), clean)


def looks_like_text(source, pixels):
    """Whether in a slice, outside the body, three marks or more stand in a row, as letters do.

    source : a CT; pixels : of `clean_pixels`. Marks are 5 to 64 pixels high, at most twice as wide
    and hold their highest value often, as drawn strokes do and no couch. Of texts drawn into 191
    real slices 95 % were found, and nothing in 210 slices without.
    """
    frames = frames_of(source)
    coding = frames[0].coding
    stored = np.frombuffer(pixels.value, f"<{'ui'[coding.signed]}{coding.allocated // 8}")
    stored = stored[: coding.frames * coding.rows * coding.cols]
    stored = stored.reshape(coding.frames, coding.rows, coding.cols)
    return any(_letters(stored[f.index] * f.slope + f.intercept) for f in frames)


def _letters(hu):
    """The same for the HU [rows, cols] of one slice."""
    pieces, _ = ndimage.label(ndimage.binary_opening(hu > -400, BLOCK, 2))
    sizes = np.bincount(pieces.ravel())[1:]
    body = (pieces == sizes.argmax() + 1) if sizes.max(initial=0) > hu.size / 100 else hu > np.inf
    body = ndimage.binary_fill_holes(ndimage.binary_dilation(body, BLOCK, 4))
    marks, _ = ndimage.label((hu > -300) & ~body, BLOCK)
    letters = []
    for number, (rows, cols) in enumerate(ndimage.find_objects(marks), 1):
        high, wide = rows.stop - rows.start, cols.stop - cols.start
        values = hu[rows, cols][marks[rows, cols] == number]
        drawn = (values >= 0.9 * values.max() - 100).mean() > 0.25
        if drawn and 5 <= high <= 64 and wide <= 2 * high:
            letters.append((cols.start, cols.stop, rows.start, rows.stop))
    return any(_in_a_row(first, sorted(letters)) >= 3 for first in letters)


def _in_a_row(last, letters):
    """How many marks (left, right, top, bottom) follow one another from this one on."""
    count = 1
    for mark in letters:
        high = last[3] - last[2]
        overlap = min(last[3], mark[3]) - max(last[2], mark[2])
        beside = mark != last and -1 <= mark[0] - last[1] <= 1.2 * high
        if beside and 2 * overlap >= max(high, mark[3] - mark[2]):
            count, last = count + 1, mark
    return count
