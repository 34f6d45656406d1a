"""The synthetic patients as anatomy: lungs, air that is not lung, tissues, noise."""

import numpy as np
import pytest
from phantom_builders import small_patient
from scipy import ndimage

from utils.datasets.phantom.making import make_patient
from utils.datasets.phantom.patients import PATIENTS

NUMBERS = range(12)


@pytest.fixture(scope="module")
def small():
    """Every case on a coarse grid: number -> (patient, hu, mask)."""
    patients = [small_patient(number) for number in NUMBERS]
    return {p.number: (p, *make_patient(p)) for p in patients}


@pytest.fixture(scope="module")
def full():
    """Case 0 as it is shipped: (patient, hu, mask)."""
    return PATIENTS[0], *make_patient(PATIENTS[0])


def enclosed_air(section):
    """Pixels below -400 HU that no path through air joins to the border of the image."""
    labels, _ = ndimage.label(np.pad(section < -400, 1, constant_values=True))
    return ((labels > 0) & (labels != labels[0, 0]))[1:-1, 1:-1]


def litres(patient, mask):
    return mask.sum() * patient.spacing * patient.pixel**2 / 1e6


@pytest.mark.parametrize("number", NUMBERS)
def test_lungs_are_plausible(number, small):
    patient, hu, mask = small[number]
    assert hu.dtype == np.int16 and hu.min() >= -1024
    assert set(np.unique(mask)) == {0, 1} and mask.shape == hu.shape
    volume = litres(patient, mask)
    assert 1.0 <= volume <= 7.0
    core = ndimage.binary_erosion(mask, np.ones((1, 3, 3)))
    assert -900 < np.median(hu[core > 0]) < -780
    assert (hu[core > 0] > -200).mean() < 0.05
    empty = (mask.sum(axis=(1, 2)) == 0).mean()
    assert 0.14 <= empty <= 0.26
    assert not mask[0].any() and not mask[-1].any()
    assert np.diff(mask.any(axis=(1, 2)).astype(int)).tolist().count(1) == 1  # one run of slices


@pytest.mark.parametrize("number", NUMBERS)
def test_lungs_lie_inside_the_body(number, small):
    _, hu, mask = small[number]
    inside = np.stack([enclosed_air(section) for section in hu])
    outside = np.stack([(s < -400) & ~i for s, i in zip(hu, inside, strict=True)])
    assert not (outside & (mask > 0)).any()


@pytest.mark.parametrize("number", NUMBERS)
def test_air_that_is_not_lung_is_on_every_kind_of_slice(number, small):
    """Air that is not lung: trachea, stomach, bowel; it shows on slices without lung too."""
    patient, hu, mask = small[number]
    air = np.stack([enclosed_air(section) for section in hu]) & (mask == 0)
    assert litres(patient, air) > 0.02
    assert air[~mask.any(axis=(1, 2))].any()


def test_findings_show_in_the_masks(small):
    def sides(number):
        patient, _, mask = small[number]
        middle = patient.matrix // 2 + round(patient.shift[0] / patient.pixel)
        return litres(patient, mask[..., :middle]), litres(patient, mask[..., middle:])

    right, left = sides(4)  # a patient's right lies at low columns
    assert left < 0.15 * right
    right, left = sides(9)
    assert right < 0.7 * left
    right, left = sides(0)
    assert 0.7 < left / right < 1.1
    hu = small[6][1]
    fluid = np.abs(hu[9, 36:50, 12:26]) < 60  # behind on the right, where lung would be
    assert fluid.mean() > 0.3


def test_gravity_makes_the_back_denser(full):
    patient, hu, mask = full
    parenchyma = (ndimage.binary_erosion(mask, np.ones((1, 5, 5))) > 0) & (hu < -700)
    rows = np.nonzero(parenchyma)[1]
    front, back = np.quantile(rows, (0.15, 0.85))
    height = np.arange(patient.matrix)[None, :, None]
    rise = hu[parenchyma & (height > back)].mean() - hu[parenchyma & (height < front)].mean()
    assert 30 < rise < 130


def test_trachea_and_stomach_gas_are_not_lung(full):
    patient, hu, mask = full
    z = patient.bottom + np.arange(patient.slices) * patient.spacing / patient.scale[2]
    middle = 128 + round(patient.shift[0] / patient.pixel)
    neck = (z > 20) & (z < 120)
    column = np.s_[neck, 90:150, middle - 8 : middle + 8]
    trachea = hu[column] < -850
    assert trachea.any(axis=(1, 2)).all()
    assert not mask[column][trachea].any()
    belly = (z > -165) & (z < -140)
    stomach = np.s_[belly, 60:130, middle + 25 : middle + 60]
    gas = hu[stomach] < -850
    assert gas.sum() * patient.pixel**2 * patient.spacing > 5000  # mm³
    assert not mask[stomach][gas].any()


def test_mask_is_solid(full):
    """No pin-holes: a vessel or nodule inside the lung belongs to it (domes are no holes)."""
    patient, _, mask = full
    for section in mask:
        holes = ndimage.binary_fill_holes(section) & (section == 0)
        labels, count = ndimage.label(holes)
        sizes = ndimage.sum_labels(holes, labels, range(1, count + 1))
        assert (np.asarray(sizes) * patient.pixel**2 > 300).all()


def test_tissues_have_their_hounsfield_units(full):
    _, hu, mask = full
    body = hu[(hu > -400) & (mask == 0)]
    counts, edges = np.histogram(body, bins=np.arange(-160, 140, 5))
    fat = edges[np.argmax(counts * (edges[:-1] < -60))]
    soft = edges[np.argmax(counts * (edges[:-1] > 0))]
    assert -115 < fat < -85 and 30 < soft < 70
    assert 0.01 < (body > 250).mean() < 0.12  # bone
    air = hu[:, :20, 100:150]  # above the patient
    assert air.mean() == pytest.approx(-1000, abs=10)


def test_noise_follows_dose_and_is_correlated():
    quiet, loud = (
        make_patient(small_patient(0, matrix=128, slices=4, dose=dose))[0] for dose in (400, 100)
    )
    clean = make_patient(small_patient(0, matrix=128, slices=4, dose=10**9))[0]
    noise = [(hu - clean)[1, 30:100, 40:90].astype(float) for hu in (quiet, loud)]
    assert noise[1].std() / noise[0].std() == pytest.approx(2, rel=0.1)
    neighbours = np.corrcoef(noise[1][:, 1:].ravel(), noise[1][:, :-1].ravel())[0, 1]
    assert neighbours > 0.2


def test_liver_is_as_noisy_as_in_a_ct(full):
    patient, hu, _ = full
    z = round((-125 - patient.bottom) * patient.scale[2] / patient.spacing)
    liver = hu[z, 110:130, 65:85].astype(float)
    assert 35 < liver.mean() < 80
    assert 6 < liver.std() < 30
