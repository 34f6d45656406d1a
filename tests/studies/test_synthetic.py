"""The embedded sets of pictures: what they promise, and that they are made once and whole."""

import json

import numpy as np
import pytest
from phantom_builders import small_patient

from studies.images import pairs as images
from studies.synthetic import making as synthetic_images
from studies.synthetic import tomography
from utils.datasets.phantom.making import write_case
from utils.errors import InputError


def test_ct_slices_are_cut_from_the_phantom(workspace):
    data = workspace / "data" / "phantom"
    write_case(small_patient(3), data / "Images", data / "Segmentations")
    slices = list(synthetic_images.ct_slices())
    assert len(slices) == synthetic_images.SLICES_A_CASE
    name, image, mask = slices[5]
    assert name.startswith("Case_003_z") and images.patient_of(name) == "Case_003"
    assert image.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    lung = image[mask > 0].mean()
    assert 255 * 100 / 1400 < lung < 255 * 400 / 1400  # -900 to -600 HU in the window


def test_xrays_show_two_labelled_lungs_darker_than_the_rest():
    for name, image, labels in synthetic_images.xrays_of(synthetic_images.PATIENTS[10], size=96):
        assert images.patient_of(name) == "Case_010"
        assert image.shape == labels.shape == (96, 96) and image.dtype == np.uint8
        right, left = labels == 1, labels == 2
        assert 0.06 < right.mean() < 0.25 and 0.05 < left.mean() < 0.25
        assert np.nonzero(right)[1].mean() < 40 and np.nonzero(left)[1].mean() > 56
        middle = image[30:70, 44:52]  # spine and heart
        assert image[right].mean() < middle.mean() - 40 > image[left].mean() - 80


def test_material_has_three_classes_in_sixteen_bits():
    rng = np.random.default_rng(0)
    classes, grey = tomography.material(128, rng)
    shares = np.bincount(classes.ravel(), minlength=3) / classes.size
    assert (shares > 0.1).all() and len(shares) == 3
    picture = tomography.tomogram(grey, rng)
    assert picture.dtype == np.uint16 and len(np.unique(picture)) > 5000
    means = [picture[classes == k].mean() for k in range(3)]
    assert means == pytest.approx(tomography.GREYS, rel=0.1)


def test_noise_has_the_stated_deviation_and_no_low_frequencies():
    noise = tomography.correlated_noise(128, 1000, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1000, rel=0.01)
    power = np.abs(np.fft.fft2(noise)) ** 2
    f = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    assert power[f < 0.03].mean() < 0.1 * power[(f > 0.15) & (f < 0.25)].mean()


def test_a_set_is_made_once_whole_and_the_same_again(workspace, monkeypatch):
    monkeypatch.setattr(synthetic_images, "SECTIONS", 3)
    folder = synthetic_images.make_set("synthetic_tomography")
    pictures = images.load_pictures("synthetic_tomography", {0: 0, 1: 1, 2: 2})
    assert [p.name for p in pictures] == ["section_000", "section_001", "section_002"]
    assert pictures[0].image.dtype == np.uint16
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.png")}
    synthetic_images.make_set("synthetic_tomography")
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*.png")}
    content = {file: file.read_bytes() for file in before}
    stamp = json.loads((folder / "set.json").read_text())
    (folder / "set.json").write_text(json.dumps(stamp | {"version": 0}))
    synthetic_images.make_set("synthetic_tomography")
    assert content == {file: file.read_bytes() for file in folder.rglob("*.png")}


def test_a_foreign_folder_is_left_alone_and_a_failure_leaves_nothing(workspace, monkeypatch):
    foreign = workspace / "data" / "synthetic_tomography"
    (foreign / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="not the synthetic set"):
        synthetic_images.make_set("synthetic_tomography")
    assert (foreign / "images").is_dir()

    def broken():
        yield "a", np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
        raise OSError("disk full")

    monkeypatch.setitem(synthetic_images.SETS, "broken", (broken, 2))
    with pytest.raises(OSError, match="disk full"):
        synthetic_images.make_set("broken")
    assert sorted(file.name for file in (workspace / "data").iterdir()) == ["synthetic_tomography"]
