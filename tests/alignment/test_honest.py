"""Ill lungs with the right mask are aligned; the convex hull of the lungs is not."""

import numpy as np
import pytest
from phantom_builders import small_patient
from scipy import ndimage
from skimage.morphology import convex_hull_image

from benchmarks.honest_masks import HONEST
from utils.alignment.border import thickness
from utils.alignment.verdict import check_case
from utils.anatomy import extent_faults
from utils.anatomy.trachea import wall_share
from utils.cases import load_cases, load_masks
from utils.datasets.phantom.making import make_patient

MM = (6.0, 2.4, 2.4)
ML = np.prod(MM) / 1e3
Z, Y, X = np.indices((40, 80, 120), np.float32)


@pytest.fixture
def chest():
    """HU and mask: two ellipsoids of -850 HU in an oval of 40 HU in air, 130 mm apart."""
    body = ((Y - 40) / 37) ** 2 + ((X - 60) / 57) ** 2 < 1
    lungs = [
        ((Z - 20) / 17) ** 2 + ((Y - 40) / 28) ** 2 + ((X - x) / 20) ** 2 < 1 for x in (33, 87)
    ]
    mask = lungs[0] | lungs[1]
    hu = np.where(mask, -850, np.where(body, 40, -1000))
    noise = np.random.default_rng(0).normal(0, 15, hu.shape)
    return np.rint(hu + noise).clip(-1024).astype(np.int16), mask


def test_the_hull_of_the_lungs_holds_the_bodys_middle(chest):
    hu, mask = chest
    hull = np.stack([convex_hull_image(each) if each.any() else each for each in mask])
    faults = extent_faults(hu, hull.astype(np.uint8), MM)
    ml, slices = faults["tissue"]
    middle = hull & ~mask & (abs(X - 60) * MM[2] <= 10)  # the body's middle is column 60
    assert ml == pytest.approx(ML * middle.sum(), rel=0.25)
    assert set(slices) <= set(np.flatnonzero(middle.any((1, 2))))


def test_a_lung_full_of_tissue_is_not_the_bodys_middle(chest):
    hu, mask = chest
    ill = np.where(mask & (X < 60), 30, hu).astype(np.int16)
    assert extent_faults(ill, mask.astype(np.uint8), MM) == {}


def test_a_hole_under_the_pleura_is_walled_but_no_gas_of_the_bowel(chest):
    hu, mask = chest
    rim = mask & ~ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=3)
    hole = rim & (X < 26) & (Z > 8) & (Z < 16)
    hole |= ndimage.binary_dilation(hole, np.ones((1, 3, 3))) & mask & (X < 26)
    ill = np.where(hole, -1000, hu).astype(np.int16)
    assert wall_share(hole, ill, MM) > 0.5
    assert extent_faults(ill, mask.astype(np.uint8), MM) == {}


def test_haze_along_the_border_does_not_make_a_mask_thick():
    """Half of the lines end where the mask does, half within it, where the haze begins."""
    off = np.array([0] * 500 + [*range(-1, -11, -1)] * 60)
    lines = [np.stack([off, *[np.ones_like(off)] * 4])] * 3
    assert abs(thickness(lines)[0]) < 0.3
    assert thickness([each - [[2], [0], [0], [0], [0]] for each in lines])[0] == pytest.approx(
        thickness(lines)[0] - 2
    )


@pytest.fixture(scope="module")
def drawn():
    """HU, mask and spacing of a patient in thick slices, whose stomach lies under the lung."""
    patient = small_patient(3, matrix=128, slices=30)
    return *make_patient(patient), (patient.spacing, patient.pixel, patient.pixel)


@pytest.mark.parametrize("what", HONEST)
def test_a_drawn_patient_with_the_right_mask_is_aligned(drawn, what):
    ill = HONEST[what](*drawn, np.random.default_rng(1))
    assert check_case(*ill, drawn[2]).verdict == "aligned"


@pytest.mark.real_data
@pytest.mark.parametrize("what", HONEST)
def test_real_patients_with_the_right_mask_are_aligned(real_data, workspace, what):
    volumes, masks = load_cases(str(real_data / "lctsc")), load_masks(str(real_data / "lctsc"))
    for name, volume in volumes.items():
        ill = HONEST[what](volume.hu, masks[name], volume.spacing, np.random.default_rng(1))
        assert check_case(*ill, volume.spacing).verdict == "aligned", name


def test_a_ball_of_an_organ_is_tissue(chest):
    """33 ml in front of the lungs, of which none touches it."""
    hu, mask = chest
    places = (Z - 20) * MM[0], (Y - 15) * MM[1], (X - 60) * MM[2]
    ball = sum(place**2 for place in places) < 20**2
    assert not (ball & mask).any() and (hu[ball] > -100).all()
    faults = extent_faults(hu, (mask | ball).astype(np.uint8), MM)
    ml, slices = faults.pop("tissue")
    assert faults == {} and ml == pytest.approx(ML * ball.sum(), rel=0.2)
    assert set(slices) <= set(np.flatnonzero(ball.any((1, 2))))


@pytest.mark.parametrize("part", ["the back half", "the lowest third", "all"])
def test_filled_lung_is_no_organ(chest, part):
    """It touches lung that is open; or, filled to its last voxel, wall of other kinds."""
    hu, mask = chest
    parts = {"the back half": Y > 40, "the lowest third": Z < 14, "all": Z >= 0}
    filled = mask & (X < 60) & parts[part]
    wall = (X < 60) & (((Y - 40) / 30) ** 2 + ((X - 33) / 22) ** 2 > 1) & (hu > -100)
    ill = np.where(filled, 40, np.where(wall, -100, hu)).astype(np.int16)  # fat around it
    assert extent_faults(ill, mask.astype(np.uint8), MM) == {}
