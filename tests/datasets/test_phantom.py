"""The embedded data set: its files and headers, and how the set is made and repaired."""

import hashlib
import json
import time

import numpy as np
import pydicom
import pytest
from phantom_builders import small_patient
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from utils.datasets.phantom import making as phantom
from utils.datasets.phantom.making import make_patient, make_phantom, write_case
from utils.datasets.phantom.patients import PATIENTS
from utils.datasets.phantom.slices import ct_slice
from utils.errors import InputError


@pytest.fixture
def tiny(monkeypatch):
    """A data set of three cases that are made in a moment."""
    patients = tuple(small_patient(number, matrix=32, slices=12) for number in (0, 5, 7))
    monkeypatch.setattr(phantom, "PATIENTS", patients)
    return patients


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_same_bytes_whatever_the_number_of_workers(tiny, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    make_phantom(one, workers=1)
    make_phantom(two, workers=2)
    assert hashes(one) == hashes(two)
    assert len(hashes(one)) == 3 * (12 + 1) + 1


@pytest.mark.parametrize("number", [0, 3, 5, 7])
def test_files_sorted_by_position_give_volume_and_mask(number, tmp_path):
    patient = small_patient(number)
    hu, mask = make_patient(patient)
    assert write_case(patient, tmp_path / "Images", tmp_path / "Seg") == f"Case_{number:03d}"
    files = list((tmp_path / "Images" / f"Case_{number:03d}").iterdir())
    slices = sorted((pydicom.dcmread(f) for f in files), key=lambda d: d.ImagePositionPatient[2])
    read = np.stack([ds.pixel_array.astype(int) + int(ds.RescaleIntercept) for ds in slices])
    assert np.array_equal(np.maximum(read, -1024), hu)
    with np.load(tmp_path / "Seg" / f"Case_{number:03d}_seg.npz", allow_pickle=False) as stored:
        assert stored["masks"].dtype == np.uint8
        assert np.array_equal(stored["masks"], mask)
    # head first in InstanceNumber and file name, feet first in the mask
    assert [int(ds.InstanceNumber) for ds in slices] == list(range(len(slices), 0, -1))
    names = [f.name for f in sorted(files)]
    assert names == [f"1-{k:03d}.dcm" for k in range(1, len(slices) + 1)]
    by_name = [pydicom.dcmread(f).ImagePositionPatient[2] for f in sorted(files)]
    assert by_name == sorted(by_name, reverse=True)
    steps = np.diff([ds.ImagePositionPatient[2] for ds in slices])
    assert steps == pytest.approx(patient.spacing, abs=1e-3)


def test_files_are_written_in_no_order(tmp_path, monkeypatch):
    written = []

    def recorded(patient, stored, number, seed):
        written.append(number)
        return ct_slice(patient, stored, number, seed)

    monkeypatch.setattr(phantom, "ct_slice", recorded)
    write_case(small_patient(0, matrix=32), tmp_path / "Images", tmp_path / "Seg")
    assert sorted(written) == list(range(20))
    assert abs(np.corrcoef(written, range(20))[0, 1]) < 0.6


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda p: f"Case_{p.number:03d}")
def test_header_is_that_of_a_ct_slice(patient, tmp_path):
    stored = np.zeros((patient.slices, patient.matrix, patient.matrix), np.int16)
    ct_slice(patient, stored, 3, "test").save_as(tmp_path / "x.dcm", enforce_file_format=True)
    with pydicom.config.strict_reading():
        ds = pydicom.dcmread(tmp_path / "x.dcm")
        assert str(ds)  # parses every element
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert ds.SOPClassUID == ds.file_meta.MediaStorageSOPClassUID == CTImageStorage
    assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
    assert (ds.Rows, ds.Columns, ds.BitsAllocated) == (256, 256, 16)
    assert list(ds.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert ds.ImagePositionPatient[2] == ds.SliceLocation != 0
    assert 0.7 <= ds.PixelSpacing[0] == ds.PixelSpacing[1] <= 1.2
    assert 3 <= ds.SliceThickness == patient.spacing <= 8
    assert 35 <= patient.slices <= 60
    assert ds.PatientName in ("Mustermann^Erika", "Mustermann^Max")
    assert "synthetic" in ds.Manufacturer.lower()
    for keyword in ("PatientBirthDate", "PatientAge", "PatientSize", "KVP", "XRayTubeCurrent",
                    "ConvolutionKernel", "FrameOfReferenceUID", "StudyDate"):  # fmt: skip
        assert ds.get(keyword), keyword


def test_uids_are_fixed_and_belong_together():
    stored = np.zeros((60, 2, 2), np.int16)
    a, b = (ct_slice(PATIENTS[0], stored, number, "test") for number in (0, 1))
    other = ct_slice(PATIENTS[1], stored, 0, "test")
    assert a == ct_slice(PATIENTS[0], stored, 0, "test")
    for uid in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert a[uid].value == b[uid].value != other[uid].value
    assert len({a.SOPInstanceUID, b.SOPInstanceUID, other.SOPInstanceUID}) == 3


def test_every_special_case_is_there():
    assert [p.number for p in PATIENTS] == list(range(12))
    assert {p.sex for p in PATIENTS} == {"F", "M"}
    assert sorted(p.intercept for p in PATIENTS) == [-1024] * 11 + [-1000]
    assert sum(not p.signed for p in PATIENTS) == 1
    assert sum(p.padded for p in PATIENTS) == 1
    findings = {p.finding for p in PATIENTS}
    assert {"absent left", "collapsed right", "effusion right", "emphysema"} < findings
    for quality in ("scale", "pixel", "spacing", "slices", "dose", "couch", "shift"):
        assert len({getattr(p, quality) for p in PATIENTS}) >= 6, quality


def test_padding_lies_outside_a_disc(tmp_path):
    (patient,) = (p for p in PATIENTS if p.padded)
    write_case(small_patient(patient.number, slices=12), tmp_path, tmp_path)
    ds = pydicom.dcmread(next((tmp_path / f"Case_{patient.number:03d}").iterdir()))
    padding = ds.pixel_array == -2000
    assert ds.PixelPaddingValue == -2000
    assert padding[0, 0] and padding[-1, -1] and not padding[32].any() and not padding[:, 32].any()
    assert padding.mean() == pytest.approx(1 - np.pi / 4, abs=0.02)


def test_complete_set_is_left_alone(tiny, tmp_path, capsys):
    make_phantom(tmp_path / "p", workers=1)
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "p" / "Images").rglob("*.dcm")}
    capsys.readouterr()
    make_phantom(tmp_path / "p", workers=1)
    assert capsys.readouterr().out.count("\n") == 1
    assert before == {f: f.stat().st_mtime_ns for f in (tmp_path / "p" / "Images").rglob("*.dcm")}


def test_stopped_run_is_repaired(tiny, tmp_path):
    folder = make_phantom(tmp_path / "p", workers=1)
    whole = hashes(folder)
    (folder / "Segmentations" / "Case_005_seg.npz").unlink()
    (folder / "Images" / "Case_005" / "1-004.dcm").write_bytes(b"half a fi")
    (folder / "Images" / "Case_005" / "1-099.dcm").write_bytes(b"stray")
    make_phantom(folder, workers=1)
    assert hashes(folder) == whole


def test_other_version_is_made_anew(tiny, tmp_path):
    folder = make_phantom(tmp_path / "p", cases=[1], workers=1)
    whole = hashes(folder)
    with np.load(folder / "Segmentations" / "Case_005_seg.npz") as stored:
        np.savez(folder / "Segmentations" / "Case_005_seg.npz", masks=1 - stored["masks"])
    stamp = json.loads((folder / "phantom.json").read_text())
    (folder / "phantom.json").write_text(json.dumps(stamp | {"version": -1}))
    make_phantom(folder, cases=[1], workers=1)
    assert hashes(folder) == whole


def test_folder_of_somebody_else_is_refused(tiny, tmp_path):
    (tmp_path / "Images" / "Case_000").mkdir(parents=True)
    with pytest.raises(InputError, match=r"phantom\.json"):
        make_phantom(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["Images", "Case_000"]


def test_small_case_is_quick():
    start = time.process_time()
    make_patient(small_patient(1))
    assert time.process_time() - start < 3  # 0.5 s measured; a busy machine may be slow
