"""The public collection on a prepared archive: choose, fetch, verify, resume, convert."""

import shutil

import numpy as np
import pytest
from dicom_factory import ROOT
from lctsc_archive import EXPECTED, Archive, box
from pydicom import dcmread
from rtstruct_factory import write_rtstruct

from data import lctsc
from data.lctsc import main
from utils.cases import create_paired_data, load_cases, load_masks
from utils.errors import InputError

ORDER = ["LCTSC-Train-S1-001", "LCTSC-Train-S2-001", "LCTSC-Train-S1-002", "LCTSC-Test-S1-101"]


@pytest.fixture
def archive(tmp_path, monkeypatch):
    prepared = Archive(tmp_path / "archive")
    monkeypatch.setattr(lctsc, "_index", prepared.index)
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "workspace"))
    return prepared


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_collection_becomes_a_data_set(archive, tmp_path, capsys):
    folder = lctsc.make_dataset("all", fetch=archive.fetch)
    assert folder == tmp_path / "workspace" / "data" / "lctsc"
    pairs = create_paired_data(load_cases(str(folder)), load_masks(str(folder)))
    assert list(pairs) == ["Case_000", "Case_001", "Case_002", "Case_003"]
    for mask in (pair.mask for pair in pairs.values()):
        assert np.array_equal(mask, EXPECTED)
    expected = [f"Segmentations/Case_{number:03d}_seg.npz" for number in range(4)]
    assert [name for name in files_of(folder) if name.endswith("npz")] == expected
    with np.load(folder / expected[0], allow_pickle=False) as arrays:
        assert list(arrays) == ["masks"] and arrays["masks"].dtype == np.uint8
    assert not (folder / "downloads").exists()
    source = (folder / "SOURCE.txt").read_text(encoding="utf-8")
    for said in (source, capsys.readouterr().out):
        assert "CC BY 3.0" in said and "10.7937/K9/TCIA.2017.3R3FVZ08" in said and "Yang" in said
    assert "Case_003  LCTSC-Test-S1-101" in source


def test_the_same_patient_is_the_same_case_however_many_are_fetched(archive):
    patients = lctsc.list_patients()
    assert [patient.name for patient in patients] == ORDER
    assert [patient.case for patient in patients] == [f"Case_{k:03d}" for k in range(4)]
    folder = lctsc.make_dataset("LCTSC-Train-S1-002", fetch=archive.fetch)
    assert [path.name for path in (folder / "Images").iterdir()] == ["Case_002"]
    load = load_cases(str(folder))["Case_002"]
    assert dcmread(load.files[0]).PatientID == "LCTSC-Train-S1-002"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("all", ORDER),
        (2, ORDER[:2]),
        ("4", ORDER),
        (" LCTSC-Test-S1-101, LCTSC-Train-S1-001 ", [ORDER[3], ORDER[0]]),
        ("LCTSC-Test-S1-101,LCTSC-Test-S1-101", ORDER[3:]),
    ],
)
def test_patients_are_chosen_by_number_or_name(archive, wanted, names):
    assert [p.name for p in lctsc.choose_patients(lctsc.list_patients(), wanted)] == names


@pytest.mark.parametrize("wanted", ["0", "5", "-1", "", "twelve", "LCTSC-Train-S1-001,LCTSC-X"])
def test_choosing_what_is_not_there_is_refused(archive, wanted):
    with pytest.raises(InputError, match="is no patient of LCTSC; expected a number from 1 to 4"):
        lctsc.choose_patients(lctsc.list_patients(), wanted)


def test_nothing_is_fetched_twice(archive):
    folder = lctsc.make_dataset("2", fetch=archive.fetch)
    assert len(archive.asked) == 4
    lctsc.make_dataset("2", fetch=archive.fetch)
    assert len(archive.asked) == 4
    lctsc.make_dataset("3", fetch=archive.fetch)
    assert len(archive.asked) == 6
    (folder / "Segmentations" / "Case_001_seg.npz").unlink()  # stopped before the mask was there
    lctsc.make_dataset("3", fetch=archive.fetch)
    assert archive.asked[6:] == [lctsc.list_patients()[1].contours.uid]
    assert np.array_equal(load_masks(str(folder))["Case_001"], EXPECTED)


def test_a_stopped_download_goes_on(archive):
    patient = lctsc.list_patients()[0]

    def stopped(uids, folder):
        archive.fetch(uids, folder)
        (folder / patient.contours.uid / "rt.dcm").unlink()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lctsc.make_dataset("1", fetch=stopped)
    folder = lctsc.make_dataset("1", fetch=archive.fetch)
    # the CT was complete already
    assert archive.asked == [patient.ct.uid, patient.contours.uid, patient.contours.uid]
    assert list(load_masks(str(folder))) == ["Case_000"]


def lost_file(series):
    sorted(series.iterdir())[2].unlink()


def cut_file(series):
    path = sorted(series.iterdir())[2]
    path.write_bytes(path.read_bytes()[:-1200])


@pytest.mark.parametrize(
    ("damage", "found"), [(lost_file, "brought 4 files"), (cut_file, "brought 5 files")]
)
def test_an_incomplete_download_is_seen(archive, tmp_path, damage, found):
    def incomplete(uids, folder):
        archive.fetch(uids, folder)
        damage(folder / uids[0])

    with pytest.raises(InputError, match=rf"LCTSC-Train-S1-001: .*{found}.*expected 5 files"):
        lctsc.make_dataset("1", fetch=incomplete)
    folder = tmp_path / "workspace" / "data" / "lctsc"
    assert not (folder / "Images").exists() and not (folder / "Segmentations").exists()


def raising(uids, folder):
    raise ConnectionError("no route to the archive")


@pytest.mark.parametrize(
    ("fetch", "reason"), [(lambda uids, folder: None, ""), (raising, "no route to the archive")]
)
def test_without_a_network_it_is_one_sentence(archive, monkeypatch, capsys, fetch, reason):
    monkeypatch.setattr(lctsc.make_dataset, "__defaults__", ("12", fetch))
    assert main(["--patients", "2"]) == 1
    printed = capsys.readouterr()
    assert "without a network it takes two minutes to give up" in printed.out
    (line,) = [line for line in printed.err.splitlines() if line.startswith("LCTSC-")]
    assert "brought 0 files, 0.0 MB, expected 5 files" in line and reason in line
    assert "Check the network and run the same command again" in line


def test_the_command_fetches_or_says_what_is_wrong(archive, monkeypatch, capsys):
    monkeypatch.setattr(lctsc.make_dataset, "__defaults__", ("12", archive.fetch))
    assert main(["--patients", "1"]) == 0
    assert "1 patients, 1 to make ready" in capsys.readouterr().out
    assert main(["--patients", "99"]) == 1
    assert "99 is no patient of LCTSC" in capsys.readouterr().err


def test_what_lies_in_the_way_is_not_deleted(archive, tmp_path):
    own = tmp_path / "workspace" / "data" / "lctsc" / "Images" / "Case_000" / "mine.dcm"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(InputError, match="Case_000 does not hold the 5 files of LCTSC-Train-S1"):
        lctsc.make_dataset("1", fetch=archive.fetch)
    assert own.read_bytes() == b"mine" and archive.asked == []


def test_another_patients_files_are_refused(archive):
    """Right in number and size, and still not the patient."""
    first, _, third, _ = lctsc.list_patients()

    def swapped(uids, folder):
        archive.fetch(uids, folder)
        shutil.rmtree(folder / first.ct.uid)
        shutil.copytree(archive.folder / third.ct.uid, folder / first.ct.uid)

    with pytest.raises(InputError, match="5 slices of LCTSC-Train-S1-002, expected 5 of LCTSC-T"):
        lctsc.make_dataset("1", fetch=swapped)


def test_contours_of_another_series_are_refused(archive, tmp_path):
    first = lctsc.list_patients()[0]
    structures = [("Lungs", [box(-94, (2, 8), (1, 4))])]
    file = archive.folder / first.contours.uid / "rt.dcm"
    write_rtstruct(file, structures, series=f"{ROOT}.99")
    row = next(row for row in archive.rows if row["SeriesInstanceUID"] == first.contours.uid)
    row["series_size_MB"] = file.stat().st_size / 1e6
    with pytest.raises(InputError, match="drawn on another series than this"):
        lctsc.make_dataset("1", fetch=archive.fetch)
    assert not (tmp_path / "workspace" / "data" / "lctsc" / "Segmentations").exists()


def test_an_index_of_another_shape_is_refused(archive):
    archive.rows.pop()
    with pytest.raises(InputError, match=r"1 CT series and 0 RTSTRUCTs of LCTSC-Train-S1-002"):
        lctsc.list_patients()


def test_a_full_disk_is_one_clear_error(archive, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device", "Case_000_seg.npz")

    monkeypatch.setattr(lctsc, "save_mask", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        lctsc.make_dataset("1", fetch=archive.fetch)


def test_the_installed_index_lists_sixty_patients():
    """The collection as published: sixty patients, a third from each institution."""
    pytest.importorskip("idc_index_data", reason="idc-index is not installed")
    patients = lctsc.list_patients()
    assert len(patients) == 60 and sum(p.ct.files for p in patients) == 9533
    twelve = [patient.name for patient in lctsc.choose_patients(patients, "12")]
    assert twelve == [f"LCTSC-Train-S{s}-{k:03d}" for k in range(1, 5) for s in (1, 2, 3)]
    assert {patient.ct.files for patient in patients if patient.name.endswith("Test-S1-101")} == {
        130
    }
