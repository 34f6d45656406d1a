"""The warning means it: silent on good masks, never on wrong ones; phantom and real patients."""

import numpy as np
import pytest
from scipy import ndimage
from volume_builders import volume_of

from utils import inference, predict
from utils.anatomy import body_midline, postprocess, reasons_to_doubt, split_lungs, stages
from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS
from utils.dicom import read_series
from utils.masks import load_mask

IN_SLICE = ndimage.generate_binary_structure(2, 1)[None]


def doubts(volume, mask):
    labels = split_lungs(mask, volume.spacing, body_midline(volume.hu))
    return reasons_to_doubt(volume, labels)


def planted(mask, spacing):
    """Wrong masks by name."""
    sides, used = split_lungs(mask, spacing), np.flatnonzero(mask.any((1, 2)))
    lower = mask.copy()
    lower[: int(used.mean())] = 0
    steps = round(5 / spacing[1])
    return {
        "right lung missing": np.where(sides == 1, 0, mask),
        "left lung missing": np.where(sides == 2, 0, mask),
        "lower half missing": lower,
        "eroded by 5 mm": ndimage.binary_erosion(mask, IN_SLICE, steps).astype(np.uint8),
        "moved by 20 mm": np.roll(mask, round(20 / spacing[2]), 2),
        "nothing": mask * 0,
    }


@pytest.mark.parametrize("number", [0, 3])
def test_of_the_phantom_only_wrong_masks_are_doubted(number):
    patient = PATIENTS[number]
    hu, truth = make_patient(patient)
    volume = volume_of(hu, (patient.spacing, patient.pixel, patient.pixel))
    assert doubts(volume, truth) == []
    silent = [n for n, mask in planted(truth, volume.spacing).items() if not doubts(volume, mask)]
    assert silent == []


@pytest.mark.parametrize("case", ["Case_000", "Case_001", "Case_002", "Case_003"])
def test_of_a_real_patient_only_wrong_masks_are_doubted(real_data, case):
    """And postprocessing takes less than 2 % of any true lung, and says nothing of what it took."""
    volume = read_series(real_data / "lctsc/Images" / case)
    model, settings = predict.load_model()
    raw = inference.segment(model, volume.hu, settings, volume.spacing)
    assert not any(sentence for *_, sentence in stages(raw, volume.hu, volume.spacing))
    mask = postprocess(raw, volume.hu, volume.spacing)
    steady = inference.steadiness(model, volume.hu, mask, settings, volume.spacing)
    assert steady > predict.LEAST_STEADY
    assert doubts(volume, mask) == []
    silent = [n for n, wrong in planted(mask, volume.spacing).items() if not doubts(volume, wrong)]
    assert silent == []
    truth = load_mask(real_data / f"lctsc/Segmentations/{case}_seg.npz")
    rng, lung = np.random.default_rng(0), (truth > 0) & (volume.hu < -500)
    empty = volume.hu - lung * (np.median(volume.hu[lung]) + 950)
    sharp = rng.normal(size=volume.hu.shape).astype(np.float32)
    sharp -= ndimage.gaussian_filter(sharp, (0, 1.2, 1.2))
    empty = (empty + 60 / sharp.std() * sharp).clip(-1024).astype(np.int16)
    for hu in (volume.hu, empty):
        kept = postprocess(truth, hu, volume.spacing)
        assert (kept & truth).sum() > 0.98 * truth.sum()


def test_a_leg_has_no_lung_or_is_warned_of(real_data):
    volume = read_series(real_data / "lung_free/STS_025")
    model, settings = predict.load_model()
    mask = inference.segment(model, volume.hu, settings, volume.spacing)
    assert doubts(volume, postprocess(mask, volume.hu, volume.spacing))
