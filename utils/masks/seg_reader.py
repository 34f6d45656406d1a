"""The lungs of a DICOM SEG as masks, by a walk over its functional groups (PS3.3 A.51)."""

import warnings
from pathlib import Path

import numpy as np
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from utils.dicom import Volume, integer, items, library_silenced, numbers, read_header, text
from utils.errors import InputError, about
from utils.masks.names import ALIASES, check_series, plain_name, uids, united

LUNG = {"both": "39607008", "right": "3341006", "left": "44029006"}  # SNOMED CT
REGIONS = {code: region for region, code in LUNG.items()} | {
    "T-28000": "both",  # SNOMED RT, in older files
    "T-28100": "right",
    "T-28500": "left",
}
SIDES = {"24028007": "right", "G-A100": "right", "7771000": "left", "G-A101": "left"}
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
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
    another grid, one without lungs, and for a fractional (soft) segmentation. A file that names
    no series, but the right frame of reference, is read with a UserWarning.
    """
    path = Path(seg_file)
    with about(path.name, end="."), library_silenced():
        source = read_header(path, path.name) if path.is_file() else None
        if source is None or source.facts.modality != "SEG":
            raise InputError("no DICOM SEG. Check the path")
        notes = check_series(
            volume,
            uids(items(source.dataset, "ReferencedSeriesSequence")),
            [source.facts.frame_of_reference_uid],
        )
        masks = _masks(source, volume)
    for note in notes:  # not above, where all warnings are silenced
        warnings.warn(note, UserWarning, stacklevel=2)
    return masks


def _masks(source, volume):
    """Masks by region from the header and the pixels' bytes."""
    dataset = source.dataset
    kind = text(dataset, "SegmentationType")
    if kind != "BINARY":
        shown = kind[:16] or "untyped"  # as many as a code string has (PS3.5 6.2)
        raise InputError(f"a {shown} segmentation, expected BINARY. Threshold it first")
    segments = {integer(s, "SegmentNumber"): s for s in items(dataset, "SegmentSequence")}
    regions = {number: _region(segment) for number, segment in segments.items()}
    if not any(regions.values()):
        listed = ", ".join(text(s, "SegmentLabel") or "no label" for s in segments.values())
        raise InputError(f"no lung among its segments: {listed or 'none at all'}. Check the file")
    shape = volume.stored_shape
    pixels = _pixels(source, shape, len(segments))
    masks = {region: np.zeros(volume.hu.shape, np.uint8) for region in regions.values() if region}
    stored = {region: volume.on_stored_grid(mask) for region, mask in masks.items()}
    shared = items(dataset, "SharedFunctionalGroupsSequence")
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(groups) != len(pixels):
        raise InputError(
            f"{len(pixels)} frames but {len(groups)} functional groups: damaged. "
            "Fetch the file again"
        )
    filled = set()
    for count, (group, frame) in enumerate(zip(groups, pixels, strict=True), 1):
        k = _slice_of([group, *shared], volume, f"frame {count}")
        entry = _macro([group, *shared], "SegmentIdentificationSequence")
        number = None if entry is None else integer(entry, "ReferencedSegmentNumber")
        if number not in regions or (number, k) in filled:
            raise InputError(
                f"frame {count} is of no segment, or a second one at its place. "
                "Fetch the file again"
            )
        filled.add((number, k))
        if regions[number]:
            stored[regions[number]][k] |= frame
    return masks


def _region(segment):
    """Region that a segment is by its SNOMED code, else by its label; None if it is no lung."""
    kinds = items(segment, "SegmentedPropertyTypeCodeSequence")
    region = REGIONS.get(text(kinds[0], "CodeValue")) if kinds else None
    if region == "both":
        modifiers = items(segment, "SegmentedPropertyTypeModifierCodeSequence")
        modifiers += items(kinds[0], "SegmentedPropertyTypeModifierCodeSequence")
        sides = {SIDES.get(text(modifier, "CodeValue")) for modifier in modifiers} - {None}
        return sides.pop() if len(sides) == 1 else "both"
    return region or ALIASES.get(plain_name(text(segment, "SegmentLabel")))


def _pixels(source, shape, segments):
    """Frames uint8 0/1 [frames, rows, cols], unpacked from one bit a voxel (PS3.5 8.1.1)."""
    dataset = source.dataset
    found = tuple(integer(dataset, key, 0) for key in ("NumberOfFrames", "Rows", "Columns"))
    if found[1:] != shape[1:] or not 1 <= found[0] <= shape[0] * segments:
        raise InputError(
            f"{found[0]} frames of {found[1]} x {found[2]} voxels, expected at most {shape[0]} a "
            f"segment of {shape[1]} x {shape[2]}, as the series has. Resample it to the series"
        )
    voxels = int(np.prod(found, dtype=np.int64))
    coding = (
        source.syntax in PLAIN or source.inflated is not None,
        integer(dataset, "BitsAllocated"),
    )
    if coding != (True, 1):
        raise InputError("its pixels are compressed, or not one bit each. Export it uncompressed")
    if source.inflated is None:
        with open(source.path, "rb") as file:
            file.seek(source.pixel_offset)
            data = file.read((voxels + 7) // 8)
    else:
        data = source.inflated[source.pixel_offset :][: (voxels + 7) // 8]
    if source.pixel_tag is None or min(len(data), source.pixel_length) < (voxels + 7) // 8:
        raise InputError("its pixel data end early: truncated. Fetch the file again")
    if source.after_pixels():
        raise InputError("bytes that are no DICOM follow its pixels: damaged. Fetch the file again")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=voxels, bitorder="little")
    return bits.reshape(found)


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
        raise InputError(
            f"{where} does not lie on a slice of the series, voxel on voxel. Resample it to the "
            "series, or fetch the one that was made on it"
        )
    return k
