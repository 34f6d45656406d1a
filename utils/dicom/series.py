"""Which slices of a folder make up one series: one patient, one series, one grid, no copies."""

import numpy as np

from utils.dicom.files import PLACES
from utils.dicom.geometry import SAME_POSITION
from utils.dicom.judged import MOST_LISTED, check_unit
from utils.dicom.pixels import same_pixels
from utils.dicom.values import numbers
from utils.errors import about, refusals

LONGEST_UID = 64  # characters (PS3.5 9.1)
LARGEST = "largest"  # in place of a UID: the series of most data
refusal = refusals(__file__)


def one_series(scan, series_uid):
    """Sources of the one series to load, in the files' order, and notes.

    scan : `files.Scan`. series_uid : SeriesInstanceUID, name of a file of it, "largest", or None
    where the folder holds one CT series; what has no place or no HU beside it (reports, other
    modalities) is left out. Messages and notes, which are kept, name files, not what headers say.
    Raises InputError for none, several patients or series, and for what is not CT in HU.
    """
    if not scan.sources:
        found = f"{scan.files} files, none a CT slice: {scan.summary()}"
        raise refusal("no_files", found if scan.files else "no file")
    series = {}
    for source in scan.sources:
        series.setdefault(source.facts.series_uid, []).append(source)
    measured = {uid: found for uid, found in series.items() if any(map(_is_measured, found))}
    patients = {}
    for source in (source for sources in (measured or series).values() for source in sources):
        patients.setdefault(source.facts.patient_id or source.facts.patient_name, source.name)
    if len(patients) > 1:
        listed = ", ".join(list(patients.values())[:MOST_LISTED])
        raise refusal("patients", len(patients), listed)
    of_files = {source.name: uid for uid, found in series.items() for source in found}
    asked = of_files.get(series_uid, series_uid)
    chosen = series.pop(_choose(measured or series, series, asked))
    _check_sources(chosen)
    left = [f"Left out {len(series)} other series: {_listed(series)}."] if series else []
    return chosen, left


def _is_measured(source):
    """Whether a file may be a slice of a CT in Hounsfield units: it has a place and a rescale."""
    dataset = source.dataset
    rescaled = "RescaleSlope" in dataset or "PerFrameFunctionalGroupsSequence" in dataset
    return source.facts.modality == "CT" and rescaled and any(key in dataset for key in PLACES)


def _choose(measured, series, asked):
    """The UID of the series to take: what is asked for, or the only one that is a stack.

    Beside it, a localizer that does not say so or slices of a bolus, all at one place, are none.
    """
    if asked not in (None, LARGEST, *series):
        raise refusal("no_series", asked, _listed(series))
    if asked in series or len(measured) == 1:
        return asked if asked in series else next(iter(measured))
    places = {uid: [*map(_place, found)] for uid, found in measured.items()}
    alone = {uid: found for uid, found in places.items() if 0 < len({*found} - {None}) < 3}
    if len(alone) > 2 and all(len(found) == 1 for found in measured.values()):
        raise refusal("uid_each", len(measured))
    stacks = [uid for uid in measured if uid not in alone] or [*measured]
    largest = max(stacks, key=lambda uid: sum(source.size for source in measured[uid]))
    if asked is None and (len(stacks) > 1 or _may_belong(alone.values(), places[largest])):
        raise refusal("several", len(measured), _listed(measured))
    return largest


def _place(source):
    """Directions of a slice's rows and columns, and its place in mm; None of an enhanced CT."""
    with about(source.name, end=""):
        way = numbers(source.dataset, "ImageOrientationPatient", 6)
        at = numbers(source.dataset, "ImagePositionPatient", 3)
    return (tuple(np.round(way, 2)), tuple(np.round(at, 1))) if way and at else None


def _may_belong(alone, stack):
    """Whether slices by themselves may be a stack's: beyond its ends, or one in each gap."""
    if None in stack or len({*stack}) < 3:
        return False
    way, normal = stack[0][0], np.cross(stack[0][0][:3], stack[0][0][3:])
    once = [place for other in alone if len({*other}) == len(other) for place in other if place]
    heights = [normal @ at for directions, at in once if directions == way]
    ends = sorted(normal @ at for _, at in stack)
    beyond = any(not ends[0] <= height <= ends[-1] for height in heights)
    return beyond or len(heights) > len(stack) - 2


def _listed(series):
    """Series in words, the first of many."""
    shown = []
    for sources in list(series.values())[:MOST_LISTED]:
        several, modality = "s" if len(sources) > 1 else "", sources[0].facts.modality or "?"
        shown.append(f"{sources[0].name} ({modality}, {len(sources)} slice{several})")
    return "; ".join(shown) + (" and more" if len(series) > MOST_LISTED else "")


def _check_sources(sources):
    """Refuse what is not CT in Hounsfield units, and UIDs that are none."""
    for source in sources:
        for name in ("study_uid", "series_uid", "instance_uid", "frame_of_reference_uid"):
            if len(getattr(source.facts, name)) > LONGEST_UID:
                raise refusal("long_uid", source.name, name, LONGEST_UID)
        if source.facts.modality != "CT":
            raise refusal("no_ct", source.name, source.facts.modality or "of unknown modality")
        check_unit(source.name, source.facts.image_type, source.facts.rescale_type)


def check_uniform(frames):
    """Refuse slices of different size, pixel spacing or frame of reference."""
    first = frames[0]
    size, facts = (first.coding.rows, first.coding.cols), first.source.facts
    for frame in frames[1:]:
        own = (frame.coding.rows, frame.coding.cols)
        if own != size:
            raise refusal("size", frame.name, *own, first.name, *size)
        spacings = zip(frame.pixel_spacing, first.pixel_spacing, strict=True)
        if any(abs(one - other) > 1e-4 * other for one, other in spacings):
            spacings = frame.pixel_spacing, first.name, first.pixel_spacing
            raise refusal("spacing", frame.name, *spacings)
        if frame.source.facts.frame_of_reference_uid != facts.frame_of_reference_uid:
            raise refusal("reference", frame.name, first.name)


def without_copies(frames, positions, heights):
    """Drop second copies of a slice; frames sorted by height along the slice axis.

    Returns frames, positions and notes. Raises InputError for two different slices at one
    place, and for one SOPInstanceUID at two places: either would hide a slice.
    """
    kept, notes = [0], []
    for k in range(1, len(frames)):
        last = kept[-1]
        if heights[k] - heights[last] > SAME_POSITION:
            kept.append(k)
            continue
        at_one_place = np.abs(positions[k] - positions[last]).max() <= SAME_POSITION
        if not (at_one_place and same_pixels(frames[k], frames[last])):
            raise refusal("at_one_place", frames[last].name, frames[k].name, heights[k])
        notes.append(f"Skipped {frames[k].name}, a copy of {frames[last].name}.")
    first = {}
    for k in kept:
        other = first.setdefault((frames[k].uid, frames[k].index), k)
        if frames[k].uid and other != k:
            raise refusal("one_uid", frames[other].name, frames[k].name)
    return [frames[k] for k in kept], positions[kept], notes
