"""Which slices of a folder make up one series: one patient, one series, one grid, no copies."""

import numpy as np

from utils.dicom.geometry import SAME_POSITION
from utils.dicom.pixels import same_pixels
from utils.errors import InputError


def one_series(scan, series_uid):
    """Sources of the one series to load, in the files' order, and notes.

    scan : `files.Scan`. series_uid : SeriesInstanceUID, or None where the folder holds one
    series. Raises InputError for none, several patients or series, and for what is not CT in HU.
    """
    if not scan.sources:
        found = (
            f"{scan.files} files, none a CT slice: {scan.summary()}" if scan.files else "no file"
        )
        raise InputError(f"{found}, expected the .dcm files of one CT series. Check the path")
    patients = {}
    series = {}
    for source in scan.sources:
        facts = source.facts
        patients.setdefault(facts.patient_id or facts.patient_name, source.name)
        series.setdefault(facts.series_uid, []).append(source)
    if len(patients) > 1:
        listed = ", ".join(f"{who or 'no PatientID'} ({name})" for who, name in patients.items())
        raise InputError(f"{len(patients)} patients, expected one: {listed}. Separate them")
    listed = "; ".join(_described(uid, sources) for uid, sources in series.items())
    if series_uid is None and len(series) > 1:
        raise InputError(f"{len(series)} series: {listed}. Choose one by series_uid")
    if series_uid is not None and series_uid not in series:
        raise InputError(f"no series {series_uid}, only: {listed}. Choose one by series_uid")
    uid = series_uid if series_uid is not None else next(iter(series))
    chosen = series.pop(uid)
    _check_modality(chosen)
    left = "; ".join(_described(*other) for other in series.items())
    return chosen, [f"Left out {len(series)} other series: {left}."] if series else []


def _described(uid, sources):
    """A series in words, for choosing among several."""
    facts = sources[0].facts
    description = facts.series_description or "no description"
    count = f"{len(sources)} slice{'s' if len(sources) > 1 else ''}"
    return f"{uid or 'no UID'} ({facts.modality or '?'}, “{description}”, {count})"


def _check_modality(sources):
    """Refuse what is not CT in Hounsfield units."""
    for source in sources:
        modality = source.facts.modality
        if modality != "CT":
            raise InputError(
                f"{source.name} is {modality or 'of unknown modality'}, expected CT: only CT has "
                "Hounsfield units. Give a CT series"
            )
        unit = source.facts.rescale_type
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
