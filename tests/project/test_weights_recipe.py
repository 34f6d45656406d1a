"""The recipe of the shipped weights: the forms in which training meets a patient."""

import numpy as np
import pytest

from studies import DISEASES
from utils.cases import Pair
from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS
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
