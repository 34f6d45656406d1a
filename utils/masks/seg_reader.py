"""The lungs of a DICOM SEG as masks, by a walk over its functional groups (PS3.3 A.51)."""

import warnings
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from utils import dicom
from utils.dicom import Volume, integer, items, library_silenced, numbers, read_header, text
from utils.errors import InputError, about
from utils.masks import names
from utils.masks.names import LUNG, REGIONS, TABLES, joined, refusal, region_named, uids, united

SIDES = TABLES["sides"]
# Bits of a voxel, which is in or out, in by a share, or the number of its segment
BITS = {"BINARY": (1, 8), "FRACTIONAL": (8,), "LABELMAP": (8, 16)}
# Voxels (slice, row, col) by which a frame's corners may miss the grid: slices need not be evenly
# spaced to the last, but within a slice voxel must meet voxel
ON_GRID = np.array([0.5, 0.1, 0.1])


def read_seg(seg_file: Path | str, volume: Volume) -> np.ndarray:
    """Both lungs of a DICOM SEG, united: uint8 0/1, on the canonical grid of `volume`.

    Raises InputError as `seg_masks` does, and where only one of the two lungs is there.
    """
    masks = seg_masks(seg_file, volume)
    with about(Path(seg_file).name, end="."):
        return united(masks, list(masks))


def seg_masks(seg_file, volume):
    """The lungs in a DICOM SEG apart: "both", "right", "left" -> uint8 0/1, canonical grid.

    Frames are placed by their position; slices without a frame are empty (they may be left
    out). Raises InputError for a broken file, one that refers to another series or lies on
    another grid, one without lungs or without a lobe, and for a soft segmentation. A file that
    names no series, but the right frame of reference, is read with a UserWarning.
    """
    path = Path(seg_file)
    with about(path.name, end="."), library_silenced():
        source = read_header(path, path.name) if path.is_file() else None
        if source is None or source.facts.modality != "SEG":
            raise InputError("no DICOM SEG. Check the path")
        series = items(source.dataset, "ReferencedSeriesSequence")
        notes = names.check_series(volume, uids(series), [source.facts.frame_of_reference_uid])
        notes += names.check_images(volume, {"its segments": series}, "ReferencedInstanceSequence")
        masks = _masks(source, volume)
        notes += joined(masks, volume.spacing[2])
    for note in notes:  # not above, where all warnings are silenced
        warnings.warn(note, UserWarning, stacklevel=2)
    return masks


def _masks(source, volume):
    """Masks by region from the header and the pixels' bytes."""
    dataset = source.dataset
    kind = text(dataset, "SegmentationType").upper()
    segments = {integer(s, "SegmentNumber"): s for s in items(dataset, "SegmentSequence")}
    regions = {number: _region(segment) for number, segment in segments.items()}
    if not any(regions.values()):
        listed = ", ".join(text(s, "SegmentLabel") or "no label" for s in segments.values())
        raise refusal("no lung in SEG", listed or "none at all", ", ".join(LUNG.values()))
    pixels = _pixels(source, kind, volume.stored_shape, len(segments))
    regions.setdefault(integer(dataset, "PixelPaddingValue", 0), None)  # what is no segment
    masks = {region: np.zeros(volume.hu.shape, np.uint8) for region in regions.values() if region}
    stored = {region: volume.on_stored_grid(mask) for region, mask in masks.items()}
    shared = items(dataset, "SharedFunctionalGroupsSequence")
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(groups) != len(pixels):
        raise refusal("functional groups", len(pixels), len(groups))
    filled = set()
    for count, (group, frame) in enumerate(zip(groups, pixels, strict=True), 1):
        k = _slice_of([group, *shared], volume, f"frame {count}")
        if kind == "LABELMAP":
            parts = {number: frame == number for number in np.unique(frame).tolist()}
        else:
            entry = _macro([group, *shared], "SegmentIdentificationSequence")
            parts = {integer(entry or Dataset(), "ReferencedSegmentNumber"): frame != 0}
        places = {(number, k) for number in parts}
        if not parts.keys() <= regions.keys() or filled & places:
            raise refusal("segment of a frame", count)
        filled |= places
        for number, part in parts.items():
            if regions[number]:
                stored[regions[number]][k] |= part
    return masks


def _region(segment):
    """Region that a segment is by its SNOMED code; None if it is no lung.

    The label says what the code leaves open (the side; all, if it is tissue), and all where the
    code is missing or of a private scheme (99…): a neoplasm called "Left lung" is none, nor is
    what is altered in a lung. A label in ALIASES goes before all.
    """
    label = text(segment, "SegmentLabel")
    named = region_named(label) or ""
    if names.plain_name(label) in names.ALIASES:
        return named
    kind = next(iter(items(segment, "SegmentedPropertyTypeCodeSequence")), Dataset())
    code, scheme = text(kind, "CodeValue"), text(kind, "CodingSchemeDesignator")
    categories = items(segment, "SegmentedPropertyCategoryCodeSequence")
    altered = any(text(each, "CodeValue") in TABLES["altered"] for each in categories)
    if altered or names.other_than_lung(kind):
        return None
    if scheme not in names.SNOMED or code not in REGIONS:
        private = not code or (scheme.startswith("99") and scheme not in names.SNOMED)
        return named if private else None
    modifiers = items(segment, "SegmentedPropertyTypeModifierCodeSequence")
    modifiers += items(kind, "SegmentedPropertyTypeModifierCodeSequence")
    sides = {SIDES.get(text(modifier, "CodeValue")) for modifier in modifiers} - {None}
    side, region = sides.pop() if len(sides) == 1 else "", REGIONS[code]
    if region == "both":
        return side or (named if named in TABLES["lobes"] else region)
    if region.startswith(("upper", "lower")):
        region = f"{side} {region}" if side else named if named.endswith(region) else None
    return named if region == "" else region


def _pixels(source, kind, shape, segments):
    """Frames [frames, rows, cols]: 0 where there is nothing, or the segments' numbers."""
    dataset, bits = source.dataset, integer(source.dataset, "BitsAllocated")
    found = tuple(integer(dataset, key, 0) for key in ("NumberOfFrames", "Rows", "Columns"))
    if found[1:] != shape[1:] or not 1 <= found[0] <= shape[0] * segments:
        raise refusal("size of SEG", found[0], found[1], found[2], shape[0], shape[1], shape[2])
    if bits not in BITS.get(kind, ()):
        # a code string has 16 characters (PS3.5 6.2)
        raise refusal("kind of SEG", kind[:16] or "none", bits, ", ".join(BITS))
    pixels = dicom.stored_frames(source, found, bits)
    if kind == "LABELMAP":
        return pixels
    high = integer(dataset, "MaximumFractionalValue", 0) if kind == "FRACTIONAL" else 1
    if any(((frame != 0) & (frame != high)).any() for frame in pixels):
        raise refusal("soft", kind, high)
    return pixels


def _macro(groups, keyword):
    """First item of a macro in a frame's own or the shared functional groups, or None."""
    return next((item for group in groups for item in items(group, keyword)), None)


def _slice_of(groups, volume, where):
    """Slice of the stored grid on which a frame lies, voxel on voxel; else InputError."""
    values = []
    for macro, keyword, count in (
        ("PlanePositionSequence", "ImagePositionPatient", 3),
        ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        ("PixelMeasuresSequence", "PixelSpacing", 2),
    ):
        entry = _macro(groups, macro)
        values.append(None if entry is None else numbers(entry, keyword, count))
    if None in values:
        raise InputError(f"{where} has no position, orientation or spacing. Export it again")
    position, along_row, down, spacing = (
        np.array(part) for part in (values[0], values[1][:3], values[1][3:], values[2])
    )
    slices, rows, cols = (size - 1 for size in volume.stored_shape)
    across, below = along_row * spacing[1] * cols, down * spacing[0] * rows
    corners = volume.stored_index(position + np.array([0 * across, across, below]))
    k = int(np.clip(np.rint(corners[0, 0]), 0, slices))
    expected = np.array([[k, 0, 0], [k, 0, cols], [k, rows, 0]])
    if (np.abs(corners - expected) > ON_GRID).any():
        raise refusal("off the grid", where)
    return k
