"""Which slices of a folder make up one series: one patient, one series, one grid, no copies."""

import numpy as np

from utils.dicom.files import PLACES
from utils.dicom.geometry import SAME_POSITION
from utils.dicom.pixels import same_pixels
from utils.dicom.values import numbers
from utils.errors import InputError

LONGEST_UID = 64  # characters (PS3.5 9.1)
LARGEST = "largest"  # in place of a UID: the series of most data
MOST_LISTED = 8  # series in a message


def one_series(scan, series_uid):
    """Sources of the one series to load, in the files' order, and notes.

    scan : `files.Scan`. series_uid : SeriesInstanceUID, "largest", or None where the folder holds
    one CT series; beside it, what has no place or no HU (reports, other modalities) is left out.
    Raises InputError for none, several patients or series, and for what is not CT in HU.
    """
    if not scan.sources:
        found = (
            f"{scan.files} files, none a CT slice: {scan.summary()}" if scan.files else "no file"
        )
        raise InputError(f"{found}, expected the .dcm files of one CT series. Check the path")
    series = {}
    for source in scan.sources:
        series.setdefault(source.facts.series_uid, []).append(source)
    measured = {uid: found for uid, found in series.items() if any(map(_is_measured, found))}
    patients = {}
    for source in (source for sources in (measured or series).values() for source in sources):
        patients.setdefault(source.facts.patient_id or source.facts.patient_name, source.name)
    if len(patients) > 1:
        listed = ", ".join(f"{who or 'no PatientID'} ({name})" for who, name in patients.items())
        raise InputError(f"{len(patients)} patients, expected one: {listed}. Separate them")
    chosen = series.pop(_choose(measured or series, series, series_uid))
    _check_sources(chosen)
    left = [f"Left out {len(series)} other series: {_listed(series)}."] if series else []
    return chosen, left


def _is_measured(source):
    """Whether a file may be a slice of a CT in Hounsfield units: it has a place and a rescale."""
    dataset = source.dataset
    rescaled = "RescaleSlope" in dataset or "PerFrameFunctionalGroupsSequence" in dataset
    return source.facts.modality == "CT" and rescaled and any(key in dataset for key in PLACES)


def _choose(measured, series, asked):
    """The UID of the series to take: what is asked for, or the only one that is measured.

    One or two slices that cut another way than a stack does are localizers that do not say so.
    """
    if asked not in (None, LARGEST, *series):
        raise InputError(f"no series {asked}, only: {_listed(series)}. Choose one of these")
    if asked in series:
        return asked
    if len(measured) > 2 and all(len(sources) == 1 for sources in measured.values()):
        raise InputError(
            f"each of the {len(measured)} slices has a SeriesInstanceUID of its own, so that "
            "nothing says which belong together. Give all slices of a series one UID"
        )
    largest = max(measured, key=lambda uid: sum(source.size for source in measured[uid]))
    stack = measured[largest]
    others = [found for uid, found in measured.items() if uid != largest]
    if asked is None and any(
        len(other) > 2 or len(stack) < 3 or _way(other[0]) == _way(stack[0]) for other in others
    ):
        raise InputError(
            f"{len(measured)} series: {_listed(measured)}. Choose one: --series UID or --largest, "
            "series_uid in Python, series.txt for a data set"
        )
    return largest


def _way(source):
    """Directions of a slice's rows and columns, or None."""
    return numbers(source.dataset, "ImageOrientationPatient", 6)


def _listed(series):
    """Series in words, the first of many."""
    shown = []
    for uid, sources in list(series.items())[:MOST_LISTED]:
        facts, several = sources[0].facts, "s" if len(sources) > 1 else ""
        described = f"{facts.modality or '?'}, “{facts.series_description or 'no description'}”"
        shown.append(f"{uid or 'no UID'} ({described}, {len(sources)} slice{several})")
    return "; ".join(shown) + (" and more" if len(series) > MOST_LISTED else "")


def _check_sources(sources):
    """Refuse what is not CT in Hounsfield units, and UIDs that are none."""
    for source in sources:
        for name in ("study_uid", "series_uid", "instance_uid", "frame_of_reference_uid"):
            if len(getattr(source.facts, name)) > LONGEST_UID:
                raise InputError(
                    f"{source.name}: {name} is longer than {LONGEST_UID} characters, which no UID "
                    "is. Export the series again"
                )
        modality = source.facts.modality
        if modality != "CT":
            raise InputError(
                f"{source.name} is {modality or 'of unknown modality'}, expected CT: only CT has "
                "Hounsfield units. Give a CT series"
            )
        mapped = "PERFUSION" in source.facts.image_type
        unit = "units of perfusion" if mapped else source.facts.rescale_type
        if unit not in ("", "HU", "US"):  # US: unspecified
            raise InputError(
                f"{source.name} is in {unit}, expected Hounsfield units. Give a plain CT"
            )


def check_uniform(frames):
    """Refuse slices of different size, pixel spacing or frame of reference."""
    first = frames[0]
    reference = first.source.facts.frame_of_reference_uid
    for frame in frames[1:]:
        size = (frame.coding.rows, frame.coding.cols)
        if size != (first.coding.rows, first.coding.cols):
            found = f"{size[0]} x {size[1]} pixels but {first.name} {first.coding.rows} x "
            raise InputError(f"{frame.name} has {found}{first.coding.cols}. Separate the series")
        spacings = zip(frame.pixel_spacing, first.pixel_spacing, strict=True)
        if any(abs(one - other) > 1e-4 * other for one, other in spacings):
            raise InputError(
                f"{frame.name} has PixelSpacing {frame.pixel_spacing} mm but {first.name} "
                f"{first.pixel_spacing} mm. Separate the series"
            )
        if frame.source.facts.frame_of_reference_uid != reference:
            raise InputError(
                f"{frame.name} and {first.name} have different FrameOfReferenceUIDs, so that their "
                "positions cannot be compared. Separate the series"
            )


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
            raise InputError(
                f"{frames[last].name} and {frames[k].name} lie at one position "
                f"({heights[k]:.4g} mm) but differ. Separate the series, phases or reconstructions"
            )
        notes.append(f"Skipped {frames[k].name}, a copy of {frames[last].name}.")
    first = {}
    for k in kept:
        other = first.setdefault((frames[k].uid, frames[k].index), k)
        if frames[k].uid and other != k:
            raise InputError(
                f"{frames[other].name} and {frames[k].name} have the same SOPInstanceUID but lie "
                "at different positions. Export the series again"
            )
    return [frames[k] for k in kept], positions[kept], notes
