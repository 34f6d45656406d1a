"""The shipped weights: small, safe, whole, and able to find lungs."""

import numpy as np

from utils import inference, predict
from utils.anatomy.postprocessing import postprocess
from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS
from utils.dicom import read_series
from utils.evaluation.tables import patient_metrics, slice_metrics
from utils.masks import load_mask
from utils.overlap import dice


def test_shipped_weights_are_small_and_safe():
    names = sorted(path.name for path in predict.WEIGHTS.iterdir() if path.is_file())
    assert names == ["README.md", "make.py", "model.safetensors", "settings.json"]
    assert (predict.WEIGHTS / "model.safetensors").stat().st_size < 8e6


def test_the_card_names_licence_attribution_and_limits():
    card = (predict.WEIGHTS / "README.md").read_text()
    for part in ("CC BY 3.0", "10.7937/K9/TCIA.2017.3R3FVZ08", "Yang, J.", "Not a medical device"):
        assert part in card
    assert "@@" not in card


def test_they_find_the_lungs_of_a_synthetic_patient_they_were_trained_on():
    """No score to be proud of, but a guard against weights that do not fit the code."""
    model, settings = predict.load_model()
    patient = PATIENTS[3]
    hu, truth = make_patient(patient)
    spacing = (patient.spacing, patient.pixel, patient.pixel)
    mask = postprocess(inference.segment(model, hu, settings, spacing), hu, spacing)
    scores = patient_metrics(slice_metrics(mask, truth).assign(case="", split="")).iloc[0]
    assert scores["dsc_3d"] > 0.95


def cropped(array, side, fill):
    """Slices [n, rows, cols] cropped or padded about their middle to `side` pixels."""
    wide = max(0, (side - array.shape[1] + 1) // 2)
    array = np.pad(array, ((0, 0), (wide, wide), (wide, wide)), constant_values=fill)
    start = (array.shape[1] - side) // 2
    return np.ascontiguousarray(array[:, start : start + side, start : start + side])


def test_a_field_of_view_changes_nothing():
    """Squeezed into the square, lungs in a field of 780 mm were small and in part lost."""
    model, settings = predict.load_model()
    patient = PATIENTS[3]
    hu, _ = make_patient(patient)
    hu, spacing = hu[10:50:4], (patient.spacing, patient.pixel, patient.pixel)
    whole = inference.segment(model, hu, settings, spacing)
    for field in (420, 780):
        side = round(field / patient.pixel / 2) * 2
        seen = inference.segment(model, cropped(hu, side, -1000), settings, spacing)
        assert dsc_3d(cropped(seen, len(hu[0]), 0), whole) > 0.99


def test_a_real_patient_in_a_narrow_field_keeps_its_lungs(real_data):
    """Of a patient whom they were trained on: 0.78 when 300 mm were squeezed into the square."""
    model, settings = predict.load_model()
    volume = read_series(real_data / "lctsc/Images/Case_003")
    truth = load_mask(real_data / "lctsc/Segmentations/Case_003_seg.npz")
    rows, cols = (np.flatnonzero(truth.any((0, axis))) for axis in (2, 1))
    side = round(300 / volume.spacing[1])
    top, left = ((lines[0] + lines[-1] - side) // 2 for lines in (rows, cols))
    part = slice(20, 130, 10), slice(top, top + side), slice(left, left + side)
    found = inference.segment(model, np.array(volume.hu[part]), settings, volume.spacing)
    assert dsc_3d(found, truth[part]) > 0.97


def dsc_3d(mask, truth):
    return float(dice((mask & truth).sum(), mask.sum(), truth.sum()))
