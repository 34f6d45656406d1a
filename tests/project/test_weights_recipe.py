"""The recipe of the shipped weights: the forms in which training meets a patient."""

import numpy as np
import pytest

from studies import DISEASES
from utils.cases import Pair
from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS
from utils.settings import preset
from weights import make


@pytest.fixture(scope="module")
def pair():
    """A synthetic patient."""
    patient = PATIENTS[3]
    hu, truth = make_patient(patient)
    return Pair(hu, truth, (patient.spacing, patient.pixel, patient.pixel))


@pytest.fixture(scope="module")
def forms(pair):
    return make.all_forms("Case_003", pair, seed=1)


def test_a_patient_comes_as_it_is_in_thick_slices_and_ill(pair, forms):
    assert list(forms) == [
        "Case_003",
        "Case_003, thick slices",
        *(f"Case_003, {disease}" for disease in DISEASES),
    ]
    chosen = make.telling_slices(pair.mask, pair.spacing[0])
    assert np.array_equal(forms["Case_003"].hu, pair.hu[chosen])
    thick = forms["Case_003, thick slices"]
    assert thick.spacing == (3 * pair.spacing[0], *pair.spacing[1:])
    np.testing.assert_allclose(thick.hu[4], pair.hu[12:15].mean(0), atol=0.51)
    for form in forms.values():
        assert form.hu.shape == form.mask.shape and 0 < len(form.hu) <= len(pair.hu)


@pytest.mark.parametrize("disease", ["consolidation", "effusion", "emphysema"])
def test_ill_slices_are_few_and_all_of_them_ill(pair, forms, disease):
    ill = forms[f"Case_003, {disease}"]
    assert 5 <= len(ill.hu) <= make.ILL_SLICES
    healthy = {hu.tobytes() for hu in pair.hu}
    assert not any(hu.tobytes() in healthy for hu in ill.hu)


def test_forms_are_the_same_again_and_differ_between_patients(pair, forms):
    again = make.ill_slices(pair, "bullae", np.random.default_rng(5))
    assert np.array_equal(again.hu, make.ill_slices(pair, "bullae", np.random.default_rng(5)).hu)
    other = make.all_forms("Case_004", pair, seed=1)["Case_004, tumour"]
    tumour = forms["Case_003, tumour"]
    assert other.hu.shape != tumour.hu.shape or (other.hu != tumour.hu).any()


def test_of_scans_that_nobody_outlined_only_slices_full_of_lung_are_taken(pair):
    full = make.full_slices(pair)
    area = pair.mask.sum((1, 2), dtype=int) * pair.spacing[1] * pair.spacing[2]
    where = [next(z for z in range(len(pair.hu)) if (pair.hu[z] == hu).all()) for hu in full.hu]
    assert where == [z for z in make.telling_slices(pair.mask, pair.spacing[0]) if area[z] >= 9500]
    assert 0 < len(where) < len(pair.hu) and np.array_equal(full.mask, pair.mask[where])


def test_training_meets_patients_in_all_forms_and_more_scans_as_they_are(pair, monkeypatch):
    met = {}
    monkeypatch.setattr(make, "phantom_pairs", lambda seed: ({}, {"watched": pair}))
    monkeypatch.setattr(make, "SliceDataset", lambda part, names, settings: met.update(part))
    monkeypatch.setattr(make, "train", lambda settings, split, *sets: split.train)
    some = {"a": pair}
    monkeypatch.setattr(make, "pairs_of", lambda dataset: {"x": pair})
    trained = make.train_on(preset("best"), some, make.full_of(["one", "two"]), None)
    assert trained == (*make.all_forms("a", pair, 2024), "one, x", "two, x")
    assert np.array_equal(met["two, x"].hu, make.full_slices(pair).hu)
