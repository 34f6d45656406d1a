"""Scans that come as other than folders of DICOM, and lungs that go out as other than SEG."""

import zipfile

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import SimpleITK
import torch
from phantom_builders import small_patient

from utils import predict
from utils.datasets.phantom.making import write_case
from utils.dicom import case_folders
from utils.dicom.reader import read_series
from utils.masks.npz import load_mask
from utils.masks.rtstruct import read_rtstruct
from utils.masks.seg_reader import read_seg
from utils.settings import Settings


class LungDensity(torch.nn.Module):
    """Calls lung what is of a lung's density, in place of a trained network."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return 0.3 - (x - 0.2).abs()


@pytest.fixture
def images(tmp_path, monkeypatch):
    """One case as a folder of DICOM, and a stand-in for the model."""
    settings = Settings(image_size=96, pixel_size=4.0, window=(-1000.0, 0.0))
    monkeypatch.setattr(predict, "load_model", lambda folder: (LungDensity(), settings))
    patient = small_patient(0, matrix=96, slices=24)
    write_case(patient, tmp_path / "Images", tmp_path / "Segmentations")
    return tmp_path / "Images/Case_000"


def labels_of(file):
    image = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(file)), "LPS")
    return SimpleITK.GetArrayFromImage(image)


def test_lungs_go_out_in_every_format(images, tmp_path):
    out = tmp_path / "out"
    chosen = ["--format", "seg", "nifti", "rtstruct"]
    assert predict.main([str(images), "--out", str(out), *chosen]) == 0
    volume, mask = read_series(images), load_mask(out / "Case_000_seg.npz")
    assert mask.any()
    assert np.array_equal(read_seg(out / "Case_000_seg.dcm", volume), mask)
    assert np.array_equal(read_rtstruct(out / "Case_000_rtstruct.dcm", volume), mask)
    assert np.array_equal(labels_of(out / "Case_000_seg.nii.gz") > 0, mask)


def test_files_beside_each_other_are_cases(images, tmp_path):
    """A zip gives what its folder gives; a NIfTI too, but has no series that a SEG could name."""
    scans = tmp_path / "scans"
    scans.mkdir()
    files = [str(file) for file in read_series(images).files]
    SimpleITK.WriteImage(SimpleITK.ReadImage(files), str(scans / "B.nii.gz"))
    with zipfile.ZipFile(scans / "A.zip", "w") as archive:
        for file in images.iterdir():
            archive.write(file, file.name)
    (scans / "notes.txt").write_text("no scan")
    assert [entry.name for entry in case_folders(scans)] == ["A.zip", "B.nii.gz"]
    assert predict.main([str(scans), "--out", str(tmp_path / "out")]) == 0
    assert predict.main([str(images), "--out", str(tmp_path / "alone")]) == 0
    expected = load_mask(tmp_path / "alone/Case_000_seg.npz")
    for case in "AB":
        assert np.array_equal(load_mask(tmp_path / f"out/{case}_seg.npz"), expected)
    assert (tmp_path / "out/A_seg.dcm").exists() and not (tmp_path / "out/B_seg.dcm").exists()
    assert np.array_equal(labels_of(tmp_path / "out/B_seg.nii.gz") > 0, expected)
    (scans / "A.zip").write_bytes(b"PK broken")
    assert predict.main([str(scans), "--out", str(tmp_path / "again")]) == 1
    assert (tmp_path / "again/B_seg.npz").exists()
