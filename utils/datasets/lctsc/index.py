"""Which patients the public collection (LCTSC) holds, by the index that comes with idc-index."""

from typing import NamedTuple

from utils.errors import InputError


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
