"""The synthetic data as they were first published: no move of code may draw a patient anew.

A phantom is made again where its stamp differs, and every committed score rests on its voxels. The
headers are held to the last byte. Voxels pass through sines and exponentials, whose last bit
differs between processors and may turn one rounding in a million: they are held by sums.
"""

import hashlib
import json

import numpy as np
import pydicom
import pytest
from phantom_builders import small_patient
from seg_builders import loaded, lopsided

from studies.synthetic import making as synthetic_images
from utils.datasets.phantom import making as phantom
from utils.datasets.phantom.making import make_patient, make_phantom
from utils.datasets.phantom.patients import PATIENTS
from utils.datasets.phantom.slices import ct_slice
from utils.masks.seg_writer import write_seg

HEADERS = "b1746a471a6f766db6a8d2284b73d578165931f540ff09b51ac00a8e6d0f02c0"
# case -> mean and standard deviation of HU, voxels of lung, mean of slices 5, 10 and 15
VOXELS = {
    0: (-544.556, 448.823, 7916, (-490.19, -556.81, -557.90)),
    4: (-493.155, 467.088, 5133, (-415.41, -489.02, -514.27)),
    6: (-503.024, 452.273, 6444, (-438.46, -511.56, -537.75)),
    7: (-604.178, 459.696, 8422, (-582.34, -620.77, -596.59)),
    9: (-490.754, 455.229, 6207, (-443.12, -475.89, -538.10)),
}


def header_lines(patient):
    """Every element of the fourth slice's header but the pixels, as text."""
    empty = np.zeros((patient.slices, 2, 2), np.int16)
    dataset = ct_slice(patient, empty, 3, f"{phantom.VERSION} {phantom.SEED}")
    return [f"{e.tag} {e.VR} {e.value}" for e in dataset if e.keyword != "PixelData"]


def test_headers_of_all_patients():
    lines = [line for patient in PATIENTS for line in header_lines(patient)]
    assert len(lines) > 12 * 45
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == HEADERS


@pytest.mark.parametrize("number", VOXELS)
def test_voxels_of_a_patient(number):
    mean, deviation, lung, slices = VOXELS[number]
    hu, mask = make_patient(small_patient(number))
    assert hu.mean() == pytest.approx(mean, abs=0.01)
    assert hu.std() == pytest.approx(deviation, abs=0.01)
    assert int(mask.sum()) == pytest.approx(lung, abs=3)
    assert hu[5:20:5].mean((1, 2)) == pytest.approx(slices, abs=0.05)


def test_stamp_of_the_phantom(tmp_path):
    make_phantom(tmp_path, cases=[])
    stamp = {"generator": "utils.phantom", "version": 1, "seed": 20260}
    assert json.loads((tmp_path / "phantom.json").read_text()) == stamp


def test_stamp_of_the_synthetic_pictures(workspace, monkeypatch):
    picture = np.zeros((4, 4), np.uint8)
    sets = {"synthetic_none": (lambda: iter([("one", picture, picture)]), 1)}
    monkeypatch.setattr(synthetic_images, "SETS", sets)
    folder = synthetic_images.make_set("synthetic_none")
    stamp = {"generator": "utils.synthetic_images", "version": 2, "seed": 20261}
    assert json.loads((folder / "set.json").read_text()) == stamp


def test_sections_of_the_material():
    name, picture, classes = next(synthetic_images.sections())
    assert (name, picture.shape) == ("section_000", (96, 96))
    assert picture.mean() == pytest.approx(27928.683, abs=0.1)
    assert np.bincount(classes.ravel()) == pytest.approx([3066, 2686, 3464], abs=2)


def test_xrays_of_a_patient():
    views = synthetic_images.xrays_of(PATIENTS[3])
    first, second = ((image.mean(), np.bincount(labels.ravel())) for _, image, labels in views[:2])
    assert (first[0], second[0]) == pytest.approx((145.519, 150.341), abs=0.05)
    assert first[1] == pytest.approx([47333, 9784, 8419], abs=20)
    assert second[1] == pytest.approx([47726, 9674, 8136], abs=20)


def test_stamps_of_a_seg(tmp_path):
    """Archives sort by these; another name would be another product."""
    volume = loaded(tmp_path)
    write_seg(lopsided(volume), volume, tmp_path / "seg.dcm", algorithm="U-Net, utils.predict")
    written = pydicom.dcmread(tmp_path / "seg.dcm")
    assert written.Manufacturer == "Lung segmentation coursework"
    assert written.ManufacturerModelName == "utils.dicom_seg"
    assert written.SeriesDescription == "Lung segmentation"
    (segment,) = written.SegmentSequence
    assert segment.SegmentAlgorithmName == "U-Net, utils.predict"
