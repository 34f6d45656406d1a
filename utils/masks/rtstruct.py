"""Contours of a radiotherapy structure set (RTSTRUCT) into masks on the series' own grid.

Keyword and tag meanings: DICOM PS3.3 C.8.8.5 (structure set) and C.8.8.6 (ROI contour).
"""

import warnings
from pathlib import Path

import numpy as np

from utils.dicom import Volume, integer, items, library_silenced, read_header, text
from utils.errors import InputError, about, printable
from utils.masks import names
from utils.masks.contours import contour_planes, read_contour
from utils.masks.filling import crossings, fill_planes
from utils.masks.names import ALIASES, TABLES, joined, refusal, region_named, uids, united

LARGEST_FILE = 256 * 1024**2  # bytes; the structure set of a whole body is a few MB
MOST_CONTOURS = 10_000  # of one structure; a lung has one to ten a slice
MOST_CROSSINGS = 50_000_000  # of edges and rows, in ten seconds; two finely drawn lungs have 5
STRUCTURES, CONTOURS = "StructureSetROISequence", "ROIContourSequence"


def read_rtstruct(rtstruct_file: Path | str, volume: Volume) -> np.ndarray:
    """Both lungs of an RTSTRUCT, united: uint8 0/1, on the canonical grid of `volume`.

    Raises InputError as `roi_masks` does, and where only one of the two lungs is drawn. Whatever
    is doubtful but usable is said in a UserWarning.
    """
    masks, notes = roi_masks(rtstruct_file, volume)
    for note in notes:
        warnings.warn(printable(note), UserWarning, stacklevel=2)
    with about(Path(rtstruct_file).name, end="."):
        return united(masks, roi_names(rtstruct_file))


def roi_names(rtstruct_file):
    """Names of all structures in an RTSTRUCT, in the file's order."""
    path = Path(rtstruct_file)
    with library_silenced():
        return [text(roi, "ROIName") for roi in items(_structure_set(path), STRUCTURES)]


def roi_masks(rtstruct_file, volume, aliases=ALIASES):
    """Masks of the structures that are lungs: (region -> uint8 0/1 mask, notes).

    aliases : name of a structure (lower case, separators as one space) -> region, beside those
    that `names.region_named` makes out. The masks [slices, rows, cols] lie on the canonical grid
    of `volume`. A voxel belongs to a structure if its centre lies within its contours, as
    `filling.fill_planes` joins them; structures of one region are united. Raises InputError for
    a file that is broken, that was drawn on another series, or in which there is no drawn lung.
    """
    path = Path(rtstruct_file)
    with about(path.name), library_silenced():
        return _masks(_structure_set(path), volume, aliases)


def _structure_set(path):
    """The parsed RTSTRUCT (not yet its sequences)."""
    if not path.is_file():
        raise InputError(f"There is no file {path}. Give the RTSTRUCT of the series")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path.name} is longer than any structure set ({LARGEST_FILE >> 20} MiB)")
    source = read_header(path, path.name)
    modality = "" if source is None else source.facts.modality
    if modality != "RTSTRUCT":
        found = "not DICOM" if source is None else f"of modality {modality or 'unknown'}"
        raise InputError(f"{path.name} is {found}, expected an RTSTRUCT. Check the path")
    return source.dataset


def _masks(dataset, volume, aliases):
    """Masks and notes; InputError without the file's name."""
    notes = _check_reference(dataset, volume)
    chosen = _chosen(dataset, volume, aliases)
    listed = [(integer(entry, "ReferencedROINumber"), entry) for entry in items(dataset, CONTOURS)]
    masks, sources, empty, drawn, work = {}, {}, [], {}, 0
    for number, (name, region) in chosen.items():
        found = [entry for roi, entry in listed if roi == number]
        contours = [contour for entry in found for contour in items(entry, "ContourSequence")]
        if len(contours) > MOST_CONTOURS:
            raise refusal("too many contours", name, len(contours), MOST_CONTOURS)
        drawn[name] = contours
        if len(found) > 1:
            notes.append(f"The contours of “{name}” stand in {len(found)} items: joined.")
        polygons, kinds, doubts = _polygons(contours, name)
        notes += doubts
        if not polygons:
            empty.append(f"“{name}”")
            continue
        planes, doubts = contour_planes(polygons, volume, name)
        mask = masks.setdefault(region, np.zeros(volume.hu.shape, np.uint8))
        stored = volume.on_stored_grid(mask)
        work += crossings(planes, stored.shape[1])
        if work > MOST_CROSSINGS:
            raise refusal("too much to fill", MOST_CROSSINGS)
        notes += doubts + fill_planes(planes, stored, name, "CLOSEDPLANAR_XOR" in kinds)
        sources.setdefault(region, []).append(name)
    if not masks:
        raise refusal("not drawn", ", ".join(empty))
    if empty:
        notes.append(f"{', '.join(empty)} left out: listed, but without a closed contour.")
    notes += [
        f"{len(united_as)} structures were united as {region}: {', '.join(united_as)}."
        for region, united_as in sources.items()
        if len(united_as) > 1
    ]
    notes += names.check_images(volume, drawn, "ContourImageSequence")
    return masks, tuple(notes + joined(masks, volume.spacing[2]))


def _polygons(entries, name):
    """Closed contours of one structure, points [n, 3] in mm, their types, and notes on others."""
    polygons, kinds, notes, short = [], set(), [], 0
    for number, entry in enumerate(entries, 1):
        points = read_contour(entry, f"contour {number} of “{name}”")
        kind = text(entry, "ContourGeometricType").upper() or "of no type"
        if len(points) < 3:
            short += 1
        elif kind not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
            notes.append(f"Contour {number} of “{name}” is {kind}, not closed: left out.")
        else:
            polygons.append(points)
            kinds.add(kind)
    if short:
        notes.append(f"“{name}” has {short} contours of fewer than 3 points: left out.")
    return polygons, kinds, notes


def _chosen(dataset, volume, aliases):
    """Structures to draw: ROI number -> (name, region)."""
    own = volume.identity.get("frame_of_reference_uid", "")
    chosen, listed, no_lung = {}, [], _coded_otherwise(dataset)
    for roi in items(dataset, STRUCTURES):
        name = text(roi, "ROIName")
        listed.append(name)
        region = region_named(name, aliases)
        coded = integer(roi, "ROINumber") in no_lung and names.plain_name(name) not in aliases
        if region is None or coded:
            continue
        frame = text(roi, "ReferencedFrameOfReferenceUID")
        if frame and own and frame != own:
            raise refusal("another frame", name)
        number = integer(roi, "ROINumber")
        if number is None or number in chosen:
            raise InputError(f"“{name}” has no ROI number of its own. Fetch the file again")
        chosen[number] = (name, region)
    if not chosen:
        raise refusal("no lung in RTSTRUCT", len(listed), ", ".join(listed) or "none at all")
    return chosen


def _coded_otherwise(dataset):
    """Numbers of the structures that are no lungs by their code or type, whatever their names."""
    return {
        integer(entry, "ReferencedROINumber")
        for entry in items(dataset, "RTROIObservationsSequence")
        if text(entry, "RTROIInterpretedType") in TABLES["targets"]
        or any(map(names.other_than_lung, items(entry, "RTROIIdentificationCodeSequence")))
    }


def _check_reference(dataset, volume):
    """Refuse a structure set drawn on another series; notes where it does not say."""
    frames = items(dataset, "ReferencedFrameOfReferenceSequence")
    studies = [study for frame in frames for study in items(frame, "RTReferencedStudySequence")]
    series = [entry for study in studies for entry in items(study, "RTReferencedSeriesSequence")]
    return names.check_series(volume, uids(series), uids(frames, "FrameOfReferenceUID"))
