"""A whole data set in one command: cases, masks, structures; killed, refused, mapped."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from dicom_factory import ROOT, expected_hu, write_series
from identity_builders import give_identity, rtstruct
from pydicom import dcmread

from utils.deidentify import copying, deidentify
from utils.deidentify.__main__ import main
from utils.dicom import read_series
from utils.errors import InputError
from utils.masks import load_mask, read_seg, write_seg

RTSTRUCT = "Segmentations/Case_000-RTSTRUCT-0001.dcm"


def write_case(dataset, name, number, **identity):
    """A case of a patient of its own, with a mask."""

    def edit(ds, k):
        give_identity(ds)
        ds.PatientID, ds.PatientName = f"4711-{number}", f"Doe^Jane{number}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.1.{number}", f"{ROOT}.2.{number}"
        ds.SOPInstanceUID = f"{ROOT}.3.{number}.{k + 1}"
        for keyword, value in identity.items():
            setattr(ds, keyword, value)

    write_series(dataset / "Images" / name, edit=edit)
    (dataset / "Segmentations").mkdir(exist_ok=True)
    masks = (expected_hu(5) > 200).astype(np.uint8)
    np.savez_compressed(dataset / "Segmentations" / f"{name}_seg.npz", masks=masks)


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "hospital"
    write_case(folder, "Case_000", 0)
    write_case(folder, "Case_001", 1, StudyDate="20240310")
    volume = read_series(folder / "Images" / "Case_000")
    write_seg(load_mask(folder / "Segmentations/Case_000_seg.npz"), volume,
              folder / "Segmentations" / "Case_000_seg.dcm")  # fmt: skip
    structures = rtstruct()
    structures.PatientID, structures.PatientName = "4711-0", "Doe^Jane0"
    structures.save_as(folder / "Segmentations" / "Case_000_rt.dcm")
    (folder / "series.txt").write_text(f"Case_000 {ROOT}.2.0\n")
    (folder / "Segmentations" / "Doe.txt").write_text("?")
    return folder


def test_a_data_set_is_copied_with_everything_that_belongs_to_it(dataset, tmp_path, capsys):
    out, mapped = tmp_path / "copy", tmp_path / "map.json"
    assert main([str(dataset), "--out", str(out), "--map", str(mapped)]) == 0
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    slices = [f"Images/Case_00{c}/CT-000{k}.dcm" for c in (0, 1) for k in range(1, 6)]
    assert names == sorted(
        [*slices, RTSTRUCT, "Segmentations/Case_000-SEG-0001.dcm", "series.txt",
         "deidentification.csv", *(f"Segmentations/Case_00{c}_seg.npz" for c in (0, 1))]
    )  # fmt: skip
    assert "left out: Segmentations/Doe.txt: of no case" in capsys.readouterr().out
    volume = read_series(out / "Images/Case_000")
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    mask = load_mask(dataset / "Segmentations/Case_000_seg.npz")
    np.testing.assert_array_equal(load_mask(out / "Segmentations/Case_000_seg.npz"), mask)
    seg = read_seg(out / "Segmentations/Case_000-SEG-0001.dcm", volume)
    np.testing.assert_array_equal(seg, mask)
    held = json.loads(mapped.read_text())
    assert stat.S_IMODE(mapped.stat().st_mode) == 0o600
    assert held["cases"] == {"Case_000": "Case_000", "Case_001": "Case_001"}
    assert (out / "series.txt").read_text() == f"Case_000 {held['uids'][ROOT + '.2.0']}\n"
    assert held["uids"][f"{ROOT}.2.0"] == volume.identity["series_uid"]
    data = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert not re.search(rb"Doe|Jane|4711-|19530117|20240229|Hospital\b", data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "hospital", "map.json"]


def test_days_between_scans_of_a_patient_stay(tmp_path):
    folder = tmp_path / "in"
    for number, day in enumerate(("20240229", "20240310")):
        write_case(folder, f"Case_00{number}", number, PatientID="A1", PatientName="Doe^Jane",
                   StudyDate=day, SeriesDate=day, ContentDate=day)  # fmt: skip
    write_case(folder, "Case_002", 2)
    deidentify(folder, tmp_path / "copy")
    files = [tmp_path / "copy" / "Images" / f"Case_00{k}" / "CT-0001.dcm" for k in range(3)]
    days = [
        np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in (dcmread(f).StudyDate for f in files)
    ]
    assert days[1] - days[0] == np.timedelta64(10, "D")
    assert days[0] < np.datetime64("2024-02-29") - 365
    assert days[2] != days[0], "another patient, another number of days"


def test_another_secret_gives_other_uids(dataset, tmp_path):
    for name in ("one", "two"):
        deidentify(dataset, tmp_path / name, map_file=tmp_path / f"{name}.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one["uids"].keys() == two["uids"].keys() and one["secret"] != two["secret"]
    assert not set(one["uids"].values()) & set(two["uids"].values())


def test_folders_named_after_patients_are_renamed(tmp_path):
    for number, name in enumerate(("Doe_Jane", "Roe_Rick")):
        write_case(tmp_path / "in", name, number)
    deidentify(tmp_path / "in", tmp_path / "copy", map_file=tmp_path / "map.json")
    cases = json.loads((tmp_path / "map.json").read_text())["cases"]
    assert sorted(cases) == ["Doe_Jane", "Roe_Rick"]
    assert sorted(cases.values()) == ["Case_000", "Case_001"]
    for old, new in cases.items():
        masks = [tmp_path / "in" / "Segmentations" / f"{old}_seg.npz"]
        masks.append(tmp_path / "copy" / "Segmentations" / f"{new}_seg.npz")
        np.testing.assert_array_equal(*map(load_mask, masks))


def test_two_patients_in_a_case_are_refused_and_take_no_other_with_them(dataset, tmp_path, capsys):
    path = dataset / "Images/Case_001/1-003.dcm"
    slice_ = dcmread(path)
    slice_.PatientID, slice_.PatientName = "B2", "Roe^Rick"
    slice_.save_as(path)
    assert main([str(dataset), "--out", str(tmp_path / "copy")]) == 1
    assert "refused: Case_001: 2 patients" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "copy/Images").iterdir()] == ["Case_000"]
    assert not list((tmp_path / "copy/Segmentations").glob("Case_001*"))
    with pytest.raises(InputError, match="2 patients"):
        deidentify(dataset / "Images/Case_001", tmp_path / "alone")
    assert not (tmp_path / "alone").exists()


@pytest.mark.parametrize("place", ["copy/map.json", "hospital/map.json", "there.json"])
def test_a_map_in_the_copy_or_over_a_file_is_refused(dataset, tmp_path, place):
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(InputError, match="leads back to the patients"):
        deidentify(dataset, tmp_path / "copy", map_file=tmp_path / place)
    assert (tmp_path / "there.json").read_text() == "mine" and not (tmp_path / "copy").exists()


@pytest.mark.parametrize("arguments", [["", "--out", "x"], [".", "--out", ""]])
def test_no_folder_is_no_folder(arguments):
    with pytest.raises(SystemExit):
        main(arguments)


def test_a_killed_run_leaves_nothing_after_the_next(dataset, tmp_path):
    command = [
        sys.executable,
        "-m",
        "utils.deidentify",
        str(dataset),
        "--out",
        str(tmp_path / "copy"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(f"{copying.UNFINISHED}*/Images/*/*")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob(".*")) and not (tmp_path / "copy").exists()
    (tmp_path / ".copy-0123abcd").mkdir()  # the user's, though it looks like something left
    deidentify(dataset, tmp_path / "copy")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".copy-0123abcd", "copy", "hospital"]


def test_a_folder_that_another_process_writes_is_left_alone(dataset, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        time.sleep(0.1)
        work = tmp_path / f"{copying.UNFINISHED}-{other.pid}-copy"
        work.mkdir()
        with pytest.raises(InputError, match=f"Process {other.pid} is writing"):
            deidentify(dataset, tmp_path / "copy")
        assert work.is_dir()
        other.communicate(b"\n")
    deidentify(dataset, tmp_path / "copy")
    assert not work.exists()
