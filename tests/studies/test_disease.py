"""Disease in a chest of two ellipsoids, whose every voxel is known, and in a drawn patient."""

import numpy as np
import pytest
from phantom_builders import small_patient
from scipy import ndimage

from studies import DISEASES
from utils.datasets.phantom.making import make_patient

LUNG, KEPT, LOST = -850, [], []
for kind in DISEASES:
    gone = kind in ("effusion", "tumour", "raised left dome", "raised right dome")
    (LOST if gone else KEPT).append(kind)
SPACING = (6.0, 2.4, 2.4)
Z, Y, X = np.indices((40, 80, 120), np.float32)


def chest(sides=(33, 87), sigma=15, seed=0):
    """HU and truth: an oval body of 40 HU in air, an ellipsoid of -850 HU round each column."""
    body = ((Y - 40) / 37) ** 2 + ((X - 60) / 57) ** 2 < 1
    inside = [
        ((Z - 20) / 17) ** 2 + ((Y - 40) / 28) ** 2 + ((X - at) / 20) ** 2 < 1 for at in sides
    ]
    truth = np.logical_or.reduce([np.zeros(body.shape, bool), *inside])
    hu = np.where(truth, LUNG, np.where(body, 40, -1000))
    noise = np.random.default_rng(seed).normal(0, sigma, hu.shape)
    return np.rint(hu + noise).clip(-1024).astype(np.int16), truth.astype(np.uint8)


HU, TRUTH = chest()


def diseased(kind, severity=1.0, seed=1, hu=HU, truth=TRUTH, spacing=SPACING):
    return DISEASES[kind](hu, truth, spacing, severity, np.random.default_rng(seed))


def painted(hu):
    """Voxels of lung that were made dense all through, not at a border."""
    dense = ndimage.uniform_filter(hu.astype(np.float32), (1, 3, 3)) > -120
    return ndimage.binary_erosion(dense, np.ones((1, 3, 3))) & (TRUTH > 0)


def test_the_nine_kinds_are_there():
    assert len(DISEASES) == 9 and len(KEPT) == 5 and len(LOST) == 4


@pytest.mark.parametrize("kind", DISEASES)
def test_what_comes_in_is_left_and_chance_is_the_generators(kind):
    hu, truth = HU.copy(), TRUTH.copy()
    hu.setflags(write=False)
    truth.setflags(write=False)
    worse, told = diseased(kind, 0.7, hu=hu, truth=truth)
    assert np.array_equal(hu, HU) and np.array_equal(truth, TRUTH)
    assert worse.dtype == np.int16 and told.dtype == np.uint8 and worse.min() >= -1024
    again = diseased(kind, 0.7)
    assert np.array_equal(worse, again[0]) and np.array_equal(told, again[1])
    assert not np.array_equal(worse, diseased(kind, 0.7, seed=2)[0])
    still, same = diseased(kind, 0)
    assert np.array_equal(still, HU) and np.array_equal(same, TRUTH) and still is not HU


@pytest.mark.parametrize("kind", DISEASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_happens_beyond_two_pixels_around_the_lungs(kind, seed):
    worse, told = diseased(kind, seed=seed)
    near = np.stack([ndimage.distance_transform_edt(t == 0) < 2.9 for t in TRUTH])
    assert not (worse != HU)[~near].any() and not (told > TRUTH).any()
    assert (worse != HU)[TRUTH > 0].sum() > 1000


@pytest.mark.parametrize("kind", KEPT)
def test_lung_that_is_ill_is_lung(kind):
    assert np.array_equal(diseased(kind)[1], TRUTH)


@pytest.mark.parametrize("kind", LOST)
def test_what_is_no_lung_leaves_the_truth_with_every_voxel(kind):
    worse, told = diseased(kind)
    lost = (TRUTH > 0) & (told == 0)
    # what was air and tissue is now something else, halfway or more, or was made gas on purpose
    changed = (TRUTH > 0) & (np.abs(worse.astype(int) - HU) > 90)
    assert lost.sum() > 300
    assert (lost & ~changed).sum() < 0.03 * lost.sum()
    halfway = changed & (worse > (LUNG + 0) / 2) & (told > 0)
    assert halfway.sum() < 0.02 * lost.sum()


@pytest.mark.parametrize("kind", [kind for kind in DISEASES if kind != "emphysema"])
def test_more_severe_is_larger(kind):
    counts = []
    for severity in (0.25, 0.5, 0.75, 1.0):
        worse, told = diseased(kind, severity)
        counts.append(int((np.abs(worse.astype(int) - HU) > 100)[TRUTH > 0].sum()))
        if kind in LOST:
            assert (told == 0)[TRUTH > 0].sum() == pytest.approx(counts[-1], rel=0.25)
    assert (np.diff(counts) > 0).all()
    assert counts[-1] > 1.5 * counts[0]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("consolidation", 0, 60),
        ("effusion", -10, 20),
        ("tumour", 20, 60),
        ("collapsed lobe", 20, 60),
    ],
)
def test_dense_kinds_have_the_hu_of_their_tissue(kind, low, high):
    worse, _ = diseased(kind)
    dense = painted(worse)
    assert low <= np.median(worse[dense]) <= high
    # the noise of the scan's tissue goes on in it, so it is no patch of one value
    rough = np.abs(np.diff(worse.astype(int), axis=2))[dense[..., 1:] & dense[..., :-1]]
    assert np.median(rough) == pytest.approx(
        np.median(np.abs(np.diff(HU, axis=2))[HU[..., 1:] > -100]), rel=0.6
    )


def test_consolidation_keeps_air_in_bronchi_and_to_one_lobe():
    worse, _ = diseased("consolidation")
    dense = ndimage.binary_closing((worse > -200) & (TRUTH > 0), iterations=2)
    air = dense & (worse < -500)
    assert 0.001 < air.sum() / dense.sum() < 0.1
    right = X < 60
    assert min(dense[right].sum(), dense[~right].sum()) == 0
    assert 0.2 < dense.sum() / (TRUTH.sum() / 2) < 0.75


def test_ground_glass_is_between_lung_and_tissue_on_both_sides():
    worse, _ = diseased("ground glass")
    hazy = (TRUTH > 0) & (worse > LUNG + 100)
    values = worse[hazy]
    assert ((values > -720) & (values < -280)).mean() > 0.95
    for side in (X < 60, X > 60):
        assert 0.3 < hazy[side].sum() / (TRUTH[side] > 0).sum() < 0.9


def test_effusion_lies_at_the_back_of_one_side_and_climbs_at_the_wall():
    _, told = diseased("effusion")
    lost = (TRUTH > 0) & (told == 0)
    sides = [lost[:, :, :60].sum(), lost[:, :, 60:].sum()]
    assert min(sides) == 0 and 0.4 < max(sides) / (TRUTH.sum() / 2) < 0.65
    middle = lost[20][:, :60] if sides[0] else lost[20][:, 60:]
    lung = TRUTH[20][:, :60] if sides[0] else TRUTH[20][:, 60:]
    columns = np.flatnonzero(middle.any(0))
    first = np.array([np.flatnonzero(middle[:, c])[0] for c in columns])
    last = np.array([np.flatnonzero(middle[:, c])[-1] for c in columns])
    assert all(middle[lung[:, c] > 0, c][-1] for c in columns)  # down to the wall at the back
    open_to_lung = first > np.array([np.flatnonzero(lung[:, c])[0] for c in columns]) + 2
    assert (last > 40).all() and np.ptp(first[open_to_lung]) >= 3  # the meniscus


def test_tumour_is_a_ball_of_its_size_at_the_wall():
    for severity, diameter in ((0.4, 40), (1.0, 70)):
        volumes = []
        for seed in range(4):
            lost = (TRUTH > 0) & (diseased("tumour", severity, seed)[1] == 0)
            pieces, count = ndimage.label(lost)
            assert count and np.bincount(pieces.ravel())[1:].max() > 0.97 * lost.sum()
            edge = ndimage.binary_dilation(TRUTH == 0, iterations=2)
            assert (lost & edge).any()
            volumes.append(lost.sum() * np.prod(SPACING))
        ball = np.pi / 6 * (diameter * 0.92) ** 3  # the ellipsoids hold 1.9 of a man's 2.5 litres
        assert 0.25 * ball < np.mean(volumes) < 1.2 * ball


def test_emphysema_darkens_all_lung_to_its_median_and_leaves_vessels():
    hu = HU.copy()
    vessel = (np.hypot(Z - 20, Y - 40) < 2) & (TRUTH > 0)
    hu[vessel] = 30
    medians = []
    for severity in (0.25, 0.5, 0.75, 1.0):
        worse, _ = diseased("emphysema", severity, hu=hu)
        medians.append(float(np.median(worse[TRUTH > 0])))
        assert np.array_equal(worse[vessel], hu[vessel])
    assert medians == pytest.approx([-875, -900, -925, -950], abs=6)
    assert (worse[TRUTH > 0] < -970).mean() > 0.15  # holes
    dark = np.where(TRUTH > 0, HU - 130, HU).astype(np.int16)  # empty already: nothing is raised
    assert np.median(diseased("emphysema", hu=dark)[0][TRUTH > 0]) <= np.median(dark[TRUTH > 0])


def test_bullae_hold_so_much_air_behind_walls():
    worse, _ = diseased("bullae")
    blurred = ndimage.uniform_filter(worse.astype(np.float32), (1, 3, 3))
    holes, count = ndimage.label((blurred < (LUNG - 990) / 2) & (TRUTH > 0))
    millilitres = (holes > 0).sum() * np.prod(SPACING) / 1e3
    whole = TRUTH.sum() * np.prod(SPACING) / 1e3
    assert 0.45 * 0.04 * whole < millilitres < 1.1 * 0.04 * whole and 2 <= count <= 8
    assert np.median(worse[ndimage.binary_erosion(holes > 0)]) == pytest.approx(-990, abs=8)
    shell = ndimage.binary_dilation(holes > 0, iterations=2) & (holes == 0) & (TRUTH > 0)
    assert worse[shell].max() > LUNG + 5 * 15


def test_a_raised_dome_takes_the_left_from_below_and_brings_gas():
    worse, told = diseased("raised left dome")
    lost = (TRUTH > 0) & (told == 0)
    assert not lost[:, :, :60].any()
    height = np.array([z.sum() for z in lost[:, :, 60:]]) / np.maximum(
        1, TRUTH[:, :, 60:].sum((1, 2))
    )
    assert (height[4:10] > 0.95).all() and not height[30:].any()
    gas = lost & (worse < -930)
    assert 0.03 < gas.sum() / lost.sum() < 0.5
    # a wall lies between every pool of gas and lung
    assert not (ndimage.binary_dilation(gas) & (told > 0)).any()


@pytest.mark.parametrize("kind", DISEASES)
def test_one_lung_none_a_single_slice_and_a_rest_of_lung(kind):
    right = chest(sides=(33,))
    worse, told = diseased(kind, hu=right[0], truth=right[1])
    changed = (worse != right[0]).any()
    assert changed != (kind == "raised left dome") and not (told > right[1]).any()
    hu, none = chest(sides=())
    worse, told = diseased(kind, hu=hu, truth=none)
    assert np.array_equal(worse, hu) and not told.any()
    slab = slice(20, 21)
    worse, told = diseased(kind, hu=HU[slab], truth=TRUTH[slab])
    assert worse.shape == told.shape == (1, 80, 120) and (worse != HU[slab]).any()
    crumb = np.zeros_like(TRUTH)
    crumb[20, 40, 86:89] = 1
    worse, told = diseased(kind, truth=crumb)
    assert (worse != HU).sum() < 60 and told.sum() <= 3


def test_a_childs_tumour_is_smaller_and_masks_of_bool_will_do():
    small = tuple(length / 2 for length in SPACING)
    man, child = (
        int(((TRUTH > 0) & ~diseased("tumour", truth=TRUTH > 0, spacing=s)[1]).sum())
        for s in (SPACING, small)
    )
    assert child == pytest.approx(man, rel=0.3)  # in voxels, each an eighth


@pytest.mark.parametrize("kind", DISEASES)
def test_a_drawn_patient_gets_every_disease(kind):
    patient = small_patient(3, matrix=96, slices=24)
    hu, truth = make_patient(patient)
    spacing = (patient.spacing, patient.pixel, patient.pixel)
    worse, told = diseased(kind, 0.8, hu=hu, truth=truth, spacing=spacing)
    assert (worse != hu)[truth > 0].sum() > 20
    assert ((told == 0) & (truth > 0)).any() == (kind in LOST) and not (told > truth).any()
