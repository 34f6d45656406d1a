"""Ways to hide a patient for which list and check had not been written: none is delivered."""

import re

import numpy as np
import pytest
from blind_builders import AS_NUMBER, PATIENTS, PLANTS, plant
from dicom_factory import ROOT, expected_hu, save, write_series
from plant_builders import write_patient
from pydicom import dcmread
from rtstruct_factory import structure_set

from utils.deidentify import deidentify
from utils.deidentify.identity import Identity
from utils.dicom import read_series
from utils.errors import InputError

LETTERS = b"zebedee"
SAID = [  # of the patient, in whatever way it was hidden
    *(b".{0,3}".join(bytes([c]) for c in word) for word in (LETTERS, LETTERS[::-1])),
    *(b"WmViZWRlZ", LETTERS.hex().encode(), b"Zebedee".hex().encode()),
    *("Ｚｅｂｅ".encode(), "Зебе".encode("cp1251"), "길동".encode("euc-kr")),
    *("王小".encode("gb18030"), b"4711-?77", rb"1961\.?05\.?23", rb"2305\.?1961", b"196105E23"),
    *(b"2437443", b"271641600", b"SNH", b"7719", b"062Y", rb"\(4\d[0-9a-f]{2},"),
]
FOUND = re.compile(b"|".join(SAID), re.IGNORECASE | re.DOTALL)
# what could spell a name in a copy, though its bytes do not
SPELT = {
    "letters of kernels": "ConvolutionKernel",
    "letters of directions": "PatientOrientation",
    "letters as numbers": "KVP",
    "letters as numbers, many": "WindowCenter",
    "epoch seconds": "TablePosition",
}


def delivered(original, copy):
    """All bytes of a copy but its random UIDs; b"" where the check kept it back."""
    try:
        deidentify(original, copy, "Case_007")
        said = ""
    except InputError as problem:
        said = str(problem)
    data = b"".join(path.read_bytes() for path in copy.iterdir()) if copy.exists() else b""
    assert bool(data) != ("its copy was removed" in said) and not FOUND.search(said.encode())
    assert AS_NUMBER.encode() not in data
    return re.sub(rb"2\.25\.\d+", b"", data)


def test_there_are_many():
    assert len(PLANTS) >= 40


@pytest.mark.parametrize("name", PLANTS)
def test_nothing_that_was_hidden_is_delivered(tmp_path, name):
    def edit(dataset, _k):
        dataset.PatientName = PATIENTS.get(name, dataset.PatientName)

    path = write_patient(tmp_path / "in", edit) / "1.dcm"
    plant(name, path)
    assert not FOUND.search(delivered(tmp_path / "in", tmp_path / "copy"))
    if name in SPELT and (tmp_path / "copy").exists():
        left = dcmread(tmp_path / "copy" / "CT-0001.dcm").get(SPELT[name])
        assert left is None or len(left) <= 2


STRUCTURES = ["Lung 47 11 77", "GTV 19 61 05 23", "Body 23-05-61", "Lung (4,7,1,1,7,7)", "Lung 471"]


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_no_room_for_a_number(tmp_path, name):
    write_patient(tmp_path / "in")
    structures = structure_set([("Lung_L", []), (name, []), ("PTV 60", [])])
    structures.PatientID, structures.PatientName = "0004711-77", "Zebedee^"
    save(structures, tmp_path / "in" / "rt.dcm")
    slice_ = dcmread(tmp_path / "in" / "1.dcm")
    slice_.PatientName = "Zebedee^"
    slice_.save_as(tmp_path / "in" / "1.dcm")
    deidentify(tmp_path / "in", tmp_path / "copy")
    copy = dcmread(tmp_path / "copy" / "RTSTRUCT-0001.dcm")
    names = [roi.ROIName for roi in copy.StructureSetROISequence]
    assert names == ["Lung_L", "Structure 2", "PTV 60"]


SERIES = f"{ROOT}.2"
CHOSEN = {  # what series.txt says of a case -> what that of the copy says, or None
    SERIES: "{new}",
    f"{SERIES},AcquisitionNumber=1": "{new},AcquisitionNumber=1",
    "AcquisitionNumber=1": "AcquisitionNumber=1",
    "largest": "largest",
    f"{SERIES}.77": None,
    "AcquisitionNumber=471177": None,
    f"{SERIES},ContentTime=101500..101530": None,
}


@pytest.mark.parametrize("said", CHOSEN)
def test_series_txt_names_no_series_of_the_hospital(tmp_path, said):
    def edit(dataset, _k):
        dataset.AcquisitionNumber = 1

    write_series(tmp_path / "in" / "Images" / "Case_000", edit=edit)
    (tmp_path / "in" / "series.txt").write_text(f"Case_000 {said}\nCase_009 {SERIES}\n")
    report = deidentify(tmp_path / "in", tmp_path / "copy")
    file, expected = tmp_path / "copy" / "series.txt", CHOSEN[said]
    assert file.exists() == bool(expected)
    assert [flag for flag in report["flags"] if "series.txt" in flag] == report["flags"]
    assert len(report["flags"]) == (expected is None)
    if expected:
        case, chosen = file.read_text().split()
        new = dcmread(tmp_path / "copy/Images/Case_000/CT-0001.dcm").SeriesInstanceUID
        assert (case, chosen) == ("Case_000", expected.format(new=new))
        hu = read_series(tmp_path / "copy" / "Images" / "Case_000", chosen).hu
        np.testing.assert_array_equal(hu, expected_hu(5))


@pytest.mark.parametrize("number", ["120", "512", "0512", "1024", "16"])
def test_a_short_number_of_a_patient_is_no_finding_among_numbers(tmp_path, number):
    """Studies number their patients: 120 is a tube's voltage, 512 a matrix, 1024 an intercept."""

    def edit(dataset, _k):
        dataset.PatientID, dataset.KVP, dataset.WindowCenter = number, "120", ["512", "1024"]

    write_series(tmp_path / "in", edit=edit, count=2)
    assert deidentify(tmp_path / "in", tmp_path / "copy")["files"] == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [("1961.0523", True), ("0.19610523", True), ("23051961", True), ("05.231961", True),
     ("20240229101112.5", True), ("196105E23", True), ("471177", True), ("0.4711770", True),
     ("[90, 101, 98, 101, 100, 101, 101]", True), ("[76, 105, 32]", True), ("4711.5", False),
     ("-196.105", False), ("1961", False), ("0.976562", False), ("[255, 0, 0]", False),
     ("2.25.196105230000000000000000000000000077", False), ("1.2.3.471177", True)],
)  # fmt: skip
def test_numbers_tell_what_is_long(tmp_path, text, found):
    identity = Identity()
    identity.collect(dcmread(write_patient(tmp_path / "in") / "1.dcm"))
    assert bool(identity.in_numbers(text)) == found
