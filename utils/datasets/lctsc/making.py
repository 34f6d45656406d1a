"""Patients of the Lung CT Segmentation Challenge, fetched and made ready.

Which there are `index.py` knows without a network; only `fetch_series` needs one.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from utils.datasets.lctsc.index import choose_patients, list_patients
from utils.dicom import read_series
from utils.errors import InputError
from utils.masks import roi_masks, roi_names, save_mask, united
from utils.workspace import shown, workspace, written_whole

# whose data this is and under which licence: printed, and written beside the data
SOURCE = Path(__file__).with_name("source.txt").read_text(encoding="utf-8")


def fetch_series(uids, folder):
    """Download series into folder/<SeriesInstanceUID>/. The one function that needs a network.

    What has arrived is not asked of here: a failed download returns like a complete one.
    """
    from idc_index import IDCClient  # 6 s, and only who downloads needs it

    IDCClient.client().download_from_selection(
        downloadDir=str(folder),
        seriesInstanceUID=list(uids),
        dirTemplate="%SeriesInstanceUID",
        use_s5cmd_sync=True,  # a series cut off goes on where it stopped
    )


def make_dataset(
    wanted: str = "12", fetch: Callable[[list[str], Path], None] = fetch_series
) -> Path:
    """Fetch patients and make data/lctsc of them: Images/<case>, Segmentations/<case>_seg.npz.

    wanted : see `choose_patients`. fetch(uids, folder) downloads. A case is done once its npz is
    there: a run that was stopped goes on with the next. Returns the data set's folder.
    Raises InputError where the archive does not answer or what it sent is not complete.
    """
    folder = workspace() / "data" / "lctsc"
    patients = choose_patients(list_patients(), wanted)
    todo = [patient for patient in patients if not _done(patient, folder)]
    size = sum(p.ct.megabytes + p.contours.megabytes for p in todo)
    print(f"LCTSC: {len(patients)} patients, {len(todo)} to make ready (at most {size:,.0f} MB).")
    cases = "".join(f"  {patient.case}  {patient.name}\n" for patient in list_patients())
    with written_whole(folder / "SOURCE.txt") as temporary:
        told = f"{SOURCE}\nCases and patients (not all need be here):\n\n{cases}"
        temporary.write_text(told, encoding="utf-8")
    if todo:
        print("Asking the archive; without a network it takes two minutes to give up.", flush=True)
    for patient in tqdm(todo, desc="LCTSC", unit="patient"):
        try:
            notes = _make_case(patient, folder, fetch)
        except OSError as error:
            raise InputError(
                f"{patient.case}: {error.filename or folder} cannot be written "
                f"({error.strerror or error}). Free some space, or set LUNG_WORKSPACE to a folder "
                "that can be written; then run the same command again."
            ) from None
        for note in notes:
            tqdm.write(f"{patient.case}: {note}")
    print(f"{shown(folder)}/ is ready.\n\n{SOURCE}")
    return folder


def _mask_file(patient, folder):
    return folder / "Segmentations" / f"{patient.case}_seg.npz"


def _done(patient, folder):
    """True if the case is whole: its mask, which is written last, and all its slices."""
    images = folder / "Images" / patient.case
    return _mask_file(patient, folder).is_file() and _complete(patient.ct, images)


def _complete(series, folder):
    """True if a folder holds as many files and bytes as the archive's index says."""
    sizes = [path.stat().st_size for path in folder.glob("*.dcm")] if folder.is_dir() else []
    kilobyte = 1e-3  # in MB; the index rounds
    return len(sizes) == series.files and abs(sum(sizes) / 1e6 - series.megabytes) < kilobyte


def _make_case(patient, folder, fetch):
    """Download, verify and convert one patient; returns notes on the case."""
    images = folder / "Images" / patient.case
    staging = folder / "downloads"
    here = _complete(patient.ct, images)
    if images.exists() and not here:
        raise InputError(
            f"{patient.case}: {shown(images)} does not hold the {patient.ct.files} files of "
            f"{patient.name}. Nothing of yours is deleted: move or remove that folder and run the "
            "same command again."
        )
    needed = [patient.contours] if here else [patient.ct, patient.contours]
    missing = [series for series in needed if not _complete(series, staging / series.uid)]
    if missing:
        staging.mkdir(parents=True, exist_ok=True)
        _fetch(patient, missing, staging, fetch)
    if not here:
        images.parent.mkdir(parents=True, exist_ok=True)
        (staging / patient.ct.uid).replace(images)
    notes = _convert(patient, images, staging / patient.contours.uid, _mask_file(patient, folder))
    shutil.rmtree(staging / patient.contours.uid)
    if not any(staging.iterdir()):
        staging.rmdir()
    return notes


def _fetch(patient, missing, staging, fetch):
    """Download series and see whether they are there."""
    try:
        fetch([series.uid for series in missing], staging)
        reason = ""
    except Exception as error:  # the client and what it calls have no common error
        reason = f" ({error})"
    for series in missing:
        if not _complete(series, staging / series.uid):
            found = [path.stat().st_size for path in (staging / series.uid).glob("*.dcm")]
            raise InputError(
                f"{patient.name}: the download of series {series.uid} brought {len(found)} files, "
                f"{sum(found) / 1e6:.1f} MB, expected {series.files} files, {series.megabytes:.1f} "
                f"MB{reason}. Check the network and run the same command again: what is complete "
                "is not fetched twice."
            )


def _convert(patient, images, contours, mask_file):
    """RTSTRUCT to npz, both lungs; returns notes."""
    volume = read_series(images)
    if volume.hu.shape[0] != patient.ct.files or volume.identity["patient_id"] != patient.name:
        raise InputError(
            f"{patient.case}: {shown(images)} holds {volume.hu.shape[0]} slices of "
            f"{volume.identity['patient_id'] or 'nobody'}, expected {patient.ct.files} of "
            f"{patient.name}. Delete that folder and run the same command again."
        )
    (rtstruct,) = contours.glob("*.dcm")
    masks, notes = roi_masks(rtstruct, volume)
    lungs = united(masks, roi_names(rtstruct))
    save_mask(mask_file, lungs)
    return [*volume.notes, *notes]
