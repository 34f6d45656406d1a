"""The shipped weights: small, safe, whole, and able to find lungs."""

from utils import inference, predict
from utils.anatomy.postprocessing import postprocess
from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS
from utils.evaluation.tables import patient_metrics, slice_metrics


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
