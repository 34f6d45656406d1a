"""Stored CT pixels into Hounsfield units, slice by slice into one int16 array."""

import math
import re
from collections import Counter
from itertools import groupby

import numpy as np
from pydicom.uid import UID

from utils.dicom.decoding import MINUS_2000, decode_frames
from utils.dicom.frames import Coding
from utils.dicom.header import BIG_ENDIAN, ENCAPSULATED, ITEM, PIXEL_DATA, STANDARD, Source
from utils.dicom.values import text
from utils.errors import InputError, about, refusals, refused

refusal = refusals(__file__)

LOWEST_HU = -1024  # HU: the lowest value of a 12-bit scanner; what is below is padding
TISSUE_HU = (-900, 300)  # of which some is in any range that is none of padding
HIGHEST_HU = 3071  # of a 12-bit scanner
OVERLAY_BIT = 0x60000102  # tag of OverlayBitPosition (retired, PS3.3 C.9.2)
LOSSY = "LossyImageCompression"
NATIVE = {BIG_ENDIAN, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"}
LARGEST_VOLUME = 2**31  # voxels (4 GiB)


def load_pixels(frames):
    """HU of all frames as one int16 array [frames, rows, cols], and notes on padding.

    Raises InputError naming the file whose pixels are truncated, cannot be decoded or are no HU.
    """
    coding = frames[0].coding
    if len(frames) * coding.rows * coding.cols > LARGEST_VOLUME:
        raise refusal("too_large", len(frames), coding.rows, coding.cols)
    hu = np.empty((len(frames), coding.rows, coding.cols), np.int16)
    found, lossy, ratio = Counter(), set(), ""
    slots = sorted(range(len(frames)), key=lambda k: (frames[k].source.name, frames[k].index))
    for _, group in groupby(slots, key=lambda k: frames[k].source.name):
        source = frames[(group := list(group))[0]].source
        with about(source.name, end=""):
            with refused("it cannot be read", "Fetch the file again", OSError):
                if _read_into(hu, group, frames) or text(source.dataset, LOSSY) == "01":
                    ratio = re.sub(r"[^\d.].*|.*\\", "", text(source.dataset, f"{LOSSY}Ratio"))
                    lossy.update(group)
            for k in group:
                found.update(to_hounsfield(hu[k], frames[k]))
    sizes = ((f.coding.length * f.coding.frames, f.source.pixel_length, f.name) for f in frames)
    excess = {name for size, held, name in sizes if size + 8 < held < ENCAPSULATED}
    notes = [f"{note} in {slices} slices." for note, slices in found.items()]
    if lossy:
        by = f" of 1 : {ratio}" * bool(ratio)
        notes.append(f"Lossy compression{by} has changed the HU of {len(lossy)} slices.")
    if excess:
        notes.append(f"Bytes after the pixels of {len(excess)} files were taken for padding.")
    return hu, notes


def to_hounsfield(values, frame):
    """Rescale one slice in place: HU = slope * stored + intercept (PS3.3 C.11.1.1.2).

    values : int16 [rows, cols], the 16 stored bits of each pixel; HU afterwards, fractions
    rounded half to even, nothing below -1024. Returns what is to be noted of it, a list of text.
    Raises InputError for values that int16 cannot hold: no CT has them.
    """
    coding, notes = frame.coding, []
    padding = _padding_mask(values, frame, notes)
    bits = values if coding.signed else values.view(np.uint16)
    if coding.stored < 16:
        first, last = -(1 << (coding.stored - 1)) * coding.signed, (1 << coding.stored) - 1
        if coding.high_bit == coding.stored - 1 and (bits.min() < first or bits.max() > last):
            padding = _check_beyond(values, (bits < first) | (bits > last), frame, padding, notes)
        spare = 16 - coding.stored  # other bits may hold overlays: shift them out
        np.left_shift(values, 15 - coding.high_bit, out=values)
        np.right_shift(bits, spare, out=bits)
    slope, intercept = frame.slope, frame.intercept
    if padding is not None:
        bits[padding] = 0
    low, high = sorted(float(v) * slope + intercept for v in (bits.min(), bits.max()))
    if not low > -1e6 or high > np.iinfo(np.int16).max:
        raise refusal("no_hounsfield", low, high, slope, intercept)
    if slope == 1 and intercept == int(intercept) and low >= LOWEST_HU and abs(intercept) < 32768:
        values += np.int16(intercept)  # wraps around in between, never in the result
    else:
        values[...] = np.rint(np.maximum(bits * slope + intercept, LOWEST_HU))
    if padding is not None:
        values[padding] = LOWEST_HU
    if low < LOWEST_HU or padding is not None:
        notes.append(f"Padding below {LOWEST_HU} HU or marked as such was set to {LOWEST_HU} HU")
    return notes


def _check_beyond(values, beyond, frame, padding, notes):
    """Padding mask, to which comes what is no air only because it lost its upper bits.

    values, beyond : int16, and where the bits that are stored cannot hold them. One value of two's
    complement, far below air, was written for padding. Of any other upper bits a note is taken.
    """
    beyond = beyond if padding is None else beyond & ~padding
    held = values[beyond]
    one_value = held.size and np.ptp(held) == 0
    if one_value and held[0] * frame.slope + frame.intercept <= LOWEST_HU:
        return beyond if padding is None else beyond | padding
    if held.size and not (one_value and _at_border(beyond)[beyond].all()):
        why = "overlays, or BitsStored is wrong; suspect: BitsStored"
        why = "overlays" if OVERLAY_BIT in frame.places[-1] else why
        lost = f"the {frame.coding.stored} bits that are stored lost their upper bits"
        notes.append(f"Values beyond {lost} ({why})")
    return padding


def _at_border(mask):
    """Pixels of a mask [rows, cols] that others do not cut off from both ends of their row."""
    reached = np.logical_and.accumulate(mask, axis=1)
    return reached | np.logical_and.accumulate(mask[:, ::-1], axis=1)[:, ::-1]


def same_pixels(one, other):
    """True if two frames hold the same stored bytes with the same rescale."""
    facts = [(f.coding, f.slope, f.intercept, f.source.syntax) for f in (one, other)]
    if facts[0] != facts[1] or one.index != other.index:
        return False
    stored = [f.source.read(f.source.pixel_offset) for f in (one, other)]
    return stored[0] == stored[1]


def stored_frames(
    source: Source, shape: tuple[int, int, int], bits: int, coding: Coding | None = None
) -> np.ndarray:
    """Values as stored, without rescaling, such as those of a SEG: unsigned [frames, rows, cols].

    shape : what its header says, held against limits before. bits : 1, 8 or 16 a pixel. coding : of
    a CT. Raises InputError where the pixels end early, or cannot be decoded.
    """
    native, count = source.syntax in NATIVE, math.prod(shape)
    held = min(source.size - source.pixel_offset, source.pixel_length)
    if source.pixel_tag is None or (native and 8 * held < count * bits):
        raise InputError("its pixel data end early: truncated. Fetch the file again")
    if not native:
        coding = coding or Coding(*shape[1:], shape[0], bits, bits, bits - 1, False, None)
        frames = decode_frames(source.read(source.pixel_offset), source.syntax, coding)
        return np.stack([pixels for pixels, _ in frames]).astype(f"u{(bits + 7) // 8}")
    if source.after_pixels():
        raise InputError("bytes that are no DICOM follow its pixels: damaged. Fetch the file again")
    return _uncompressed(source, source.pixel_offset, count, bits).reshape(shape)


def _uncompressed(source, offset, count, bits):
    """`count` values of 1, 8 or 16 bits from a byte of the file on, unsigned."""
    data = source.read(offset, (count * bits + 7) // 8)
    if 8 * len(data) < count * bits:
        raise InputError("the file became shorter while it was read. Try again")
    if bits == 16:
        return np.frombuffer(data, ">u2" if source.syntax == BIG_ENDIAN else "<u2")
    values = np.frombuffer(data, np.uint8)
    if bits == 1:  # PS3.5 8.1.1
        values = np.unpackbits(values, count=count, bitorder="little")
    return values


def _padding_mask(values, frame, notes):
    """Pixels that hold the padding value and would not fall below -1024 HU by themselves, or None.

    A range that holds tissue is on the wrong side of its value, which then counts alone. A value
    that may be tissue is padding at the border of the slice only.
    """
    coding = frame.coding
    if coding.padding is None and (coding.signed or coding.allocated == 8):
        return None
    kind, span = (np.int16 if coding.signed else np.uint16), 1 << coding.stored
    stated = np.array([v & 0xFFFF for v in coding.padding or [MINUS_2000] * 2], np.uint16)
    bounds = stated.view(kind).tolist()
    low, high = sorted(bound * frame.slope + frame.intercept for bound in bounds)
    if low < TISSUE_HU[1] and high > TISSUE_HU[0] and low < high:
        notes.append(
            "A range of padding that holds tissue was left out (suspect: PixelPaddingRangeLimit)"
        )
        bounds = bounds[:1] * 2
        low = high = bounds[0] * frame.slope + frame.intercept
    folded = (bounds[0] + span // 2 * coding.signed) % span - span // 2 * coding.signed
    if high <= LOWEST_HU and folded == bounds[0]:
        return None
    bits = values.view(kind)
    mask = (bits >= min(bounds)) & (bits <= max(bounds))
    if LOWEST_HU < low < HIGHEST_HU and mask.any():
        at_border = _at_border(mask)
        if (mask & ~at_border).any():
            notes.append(
                f"Padding ({bounds[0]}) is not at the border alone; what lies inside was kept "
                "(suspect: PixelPaddingValue)"
            )
        mask = at_border
    if folded != bounds[0] and coding.padding:  # written with as many bits as are stored
        mask |= _at_border(bits == folded)
    return mask if mask.any() else None


def _read_into(hu, group, frames):
    """Stored bits of all frames of one file into their slots hu[k], without rescaling.

    Returns whether their compression lost some of what was measured.
    """
    source, coding = frames[group[0]].source, frames[group[0]].coding
    if source.pixel_tag != PIXEL_DATA:
        raise InputError("pixels are stored as floating point, expected integers. Export again")
    syntax, native = source.syntax, source.syntax in NATIVE
    odd = source.pixel_length != coding.length * coding.frames
    in_items = odd and source.read(source.pixel_offset, 4) == ITEM
    in_items = in_items or source.pixel_length == ENCAPSULATED
    if native == in_items and syntax.startswith(STANDARD):
        found = "compressed" if in_items else "not compressed"
        raise refusal("compressed_or_not", UID(syntax).name, found)
    if native:
        for k in group:
            _read_native(hu[k], frames[k])
        return False
    lost, decoded = False, decode_frames(source.read(source.pixel_offset), syntax, coding)
    for k, (pixels, lossy) in zip(group, decoded, strict=True):
        hu[k], lost = pixels, lost or lossy
    return lost


def _read_native(slot, frame):
    """Uncompressed pixels of one frame straight from the file into their slot."""
    source, coding = frame.source, frame.coding
    length, stated = coding.length, source.pixel_length
    expected = length * coding.frames
    available = source.size - source.pixel_offset
    if stated < expected or available < expected:
        sides = coding.frames, coding.rows, coding.cols
        raise refusal("bytes_lost", min(stated, available), *sides, expected)
    if stated > expected + 8 and not _is_padding(source, coding, expected):
        raise refusal("bytes_too_many", stated, coding.frames, coding.rows, coding.cols, expected)
    if frame.index == 0 and source.after_pixels():
        raise refusal("bytes_after", source.after_pixels())
    offset = source.pixel_offset + frame.index * length
    values = _uncompressed(source, offset, slot.size, coding.allocated)
    if coding.allocated == 8 and source.syntax == BIG_ENDIAN and len(values) % 2 == 0:
        values = values.reshape(-1, 2)[:, ::-1]  # 8-bit pixels in 16-bit words
    slot.view(np.uint16)[...] = values.reshape(slot.shape)


def _is_padding(source, coding, expected):
    """Whether more bytes than the pixels need are zeros (PS3.5 8.1.1), and not one row or column.

    Those could be air at the edge of a picture that has one more than its header says.
    """
    tail = source.read(source.pixel_offset + expected, source.pixel_length - expected)
    side = len(tail) * 8 // coding.allocated // coding.frames
    return not tail.strip(b"\0") and side not in (coding.rows, coding.cols)
