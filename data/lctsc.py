"""The public collection of the 2017 Lung CT Segmentation Challenge, fetched and made a data set.

python -m data.lctsc --patients 12         a coursework's size, about 1 GB
python -m data.lctsc --patients all        the whole collection, 60 patients, 5.2 GB
python -m data.lctsc --patients LCTSC-Train-S1-001,LCTSC-Test-S2-101

Which patients there are is known from the index that comes with idc-index; only `fetch_series`
needs a network.
"""

import argparse
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from utils.dicom import read_header, read_series
from utils.errors import InputError, command
from utils.masks import read_rtstruct, save_mask
from utils.workspace import shown, workspace, written_whole

# whose data this is and under which licence: printed, and written beside the data
SOURCE = Path(__file__).with_name("lctsc.txt").read_text(encoding="utf-8")


class Series(NamedTuple):
    """What the archive holds of a series, and so what must have arrived."""

    uid: str
    files: int
    megabytes: float  # 10^6 bytes


class Patient(NamedTuple):
    """One patient of the collection under the name of its case."""

    case: str
    name: str
    ct: Series
    contours: Series  # the RTSTRUCT


def list_patients():
    """All patients of the collection, in the order in which they become cases. No network.

    Number by number through the three institutions, training patients first: any first few
    hold every institution alike, and a patient is the same case however many are fetched.
    """
    series = {}
    for row in _index().itertuples():
        entry = Series(row.SeriesInstanceUID, int(row.instanceCount), float(row.series_size_MB))
        series.setdefault(row.PatientID, {}).setdefault(row.Modality, []).append(entry)
    order = sorted(series, key=lambda name: ("Train" not in name, name.split("-")[3], name))
    patients = []
    for number, name in enumerate(order):
        ct, contours = series[name].get("CT", []), series[name].get("RTSTRUCT", [])
        if len(ct) != 1 or len(contours) != 1:
            raise InputError(
                f"The index lists {len(ct)} CT series and {len(contours)} RTSTRUCTs of {name}, "
                "expected one of each. Install the version of idc-index in requirements.txt."
            )
        patients.append(Patient(f"Case_{number:03d}", name, ct[0], contours[0]))
    return patients


def _index():
    """The index's rows of this collection: a table with one row a series."""
    import idc_index_data  # 1 s, and only who fetches needs it
    import pandas as pd

    columns = ["PatientID", "Modality", "SeriesInstanceUID", "instanceCount", "series_size_MB"]
    file, ours = idc_index_data.IDC_INDEX_PARQUET_FILEPATH, ("collection_id", "==", "lctsc")
    return pd.read_parquet(file, columns=columns, filters=[ours])


def choose_patients(patients, wanted):
    """Patients for `wanted`: "all", a number (the first so many), or names joined by commas."""
    wanted = str(wanted).strip()
    if wanted == "all":
        return list(patients)
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(patients):
        return list(patients[: int(wanted)])
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    by_name = {patient.name: patient for patient in patients}
    unknown = [name for name in names if name not in by_name]
    if unknown or not names:
        raise InputError(
            f"{', '.join(unknown) or 'Nothing'} is no patient of LCTSC; expected a number from 1 "
            f"to {len(patients)}, `all`, or names such as {patients[0].name} joined by commas."
        )
    return [by_name[name] for name in dict.fromkeys(names)]


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
    header = read_header(Path(volume.files[0]), patient.case)
    name = header.facts.patient_id if header else ""
    if volume.hu.shape[0] != patient.ct.files or name != patient.name:
        raise InputError(
            f"{patient.case}: {shown(images)} holds {volume.hu.shape[0]} slices of "
            f"{name or 'nobody'}, expected {patient.ct.files} of "
            f"{patient.name}. Delete that folder and run the same command again."
        )
    (rtstruct,) = contours.glob("*.dcm")
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        lungs = read_rtstruct(rtstruct, volume)
    save_mask(mask_file, lungs)
    return [*volume.notes, *(str(note.message) for note in notes)]


@command
def main(arguments=None):
    """Fetch the public LCTSC collection; 1 if it cannot be done."""
    parser = argparse.ArgumentParser(description="Fetch the public LCTSC collection.")
    parser.add_argument(
        "--patients", default="12", help="a number, `all`, or patients' names joined by commas"
    )
    make_dataset(parser.parse_args(arguments).patients)


if __name__ == "__main__":
    sys.exit(main())
