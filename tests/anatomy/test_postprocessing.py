"""Windpipe, post-processing and the baseline on a chest made of simple shapes."""

import numpy as np
import pytest

from utils.anatomy.body import body_mask
from utils.anatomy.postprocessing import (
    STEPS,
    postprocess,
    without_outside,
    without_windpipe,
)
from utils.anatomy.threshold import threshold_lungs
from utils.anatomy.trachea import airway_mask
from utils.evaluation.tables import step_gains

SPACING = (5.0, 2.0, 2.0)  # a voxel is 20 mm³
SHAPE = (40, 128, 160)
Z, Y, X = np.indices(SHAPE)


def cylinder(cy, cx, ry, rx, low=0, high=SHAPE[0]):
    disc = ((Y - cy) / ry) ** 2 + ((X - cx) / rx) ** 2 < 1
    return disc & (low <= Z) & (high > Z)


@pytest.fixture(scope="module")
def chest():
    """HU and truth: body, two lungs with a vessel, windpipe into the right lung, gas, couch."""
    hu = np.full(SHAPE, -1000, np.int16)
    hu[cylinder(60, 80, 45, 70)] = 40
    truth = cylinder(60, 45, 30, 22, 8, 30) | cylinder(60, 115, 30, 22, 8, 30)
    vessel = cylinder(60, 40, 3, 3, 8, 30)
    hu[truth] = -850
    hu[vessel] = 40
    windpipe = cylinder(60, 80, 5, 5, 14)
    hu[windpipe] = -1000
    hu[cylinder(75, 110, 6, 6, 1, 6)] = -1000  # gas in the bowel, 11 ml
    hu[:, 115:118] = 300  # couch
    return hu, truth, windpipe


def test_windpipe_is_found_and_lung_is_not(chest):
    hu, truth, windpipe = chest
    found = airway_mask(hu, SPACING)
    assert found[windpipe].all()
    assert not (found & truth).any()
    assert found.sum() < 2 * windpipe.sum()  # no more than its wall


def test_a_windpipe_that_opens_into_a_lung_is_followed_no_further(chest):
    hu, truth, windpipe = chest
    hu = hu.copy()
    hu[(Z == 13) & cylinder(60, 60, 6, 30)] = -1000  # it meets the right lung on slice 13,
    hu[truth & (Z < 14)] = -950  # which there is as black as air
    found = airway_mask(hu, SPACING)
    assert found[14:][windpipe[14:]].all() and not found[:14].any()


def test_a_bronchus_that_opens_into_an_emphysema_is_followed_no_further(chest):
    """The pool below is no larger than a wide windpipe, but much larger than the bronchus."""
    hu, _, windpipe = chest
    hu = hu.copy()
    hu[windpipe & (Z < 24)] = 40
    hu[cylinder(60, 78, 2, 3, 14, 24)] = -1000  # a bronchus of 60 mm²
    hu[cylinder(60, 77, 4, 8, 8, 14)] = -1000  # empty lung, 372 mm², which it opens into
    found = airway_mask(hu, SPACING)
    assert found[24:][windpipe[24:]].all() and found[14, 60, 78]
    assert not found[:14].any()


def test_without_windpipe_nothing_is_taken_away(chest):
    hu, truth, windpipe = chest
    closed = hu.copy()
    closed[windpipe] = 40
    assert not airway_mask(closed, SPACING).any()
    assert np.array_equal(without_windpipe(truth, closed, SPACING), truth)


def test_the_body_is_neither_couch_nor_air(chest):
    hu, truth, _ = chest
    body = body_mask(hu, SPACING)
    assert body[truth].all() and body[cylinder(60, 80, 45, 70)].mean() > 0.99
    assert not body[:, 115:].any()
    assert body.sum() < 1.1 * cylinder(60, 80, 45, 70).sum()
    assert not body_mask(np.full(SHAPE, -1000, np.int16), SPACING).any()


def test_what_is_drawn_in_the_couch_goes_and_lungs_stay(chest):
    hu, truth, _ = chest
    couch = np.zeros(SHAPE, bool)
    couch[5:35, 112:124, 40:120] = True
    assert np.array_equal(without_outside(truth | couch, hu, SPACING), truth)


def test_a_lung_behind_a_lost_wall_stays(chest):
    hu, truth, _ = chest
    hu = hu.copy()
    hu[:, :, :30] = -1000  # the image ends within the wall of the right chest …
    hu[:, 40:80, :35] = -850  # … and on these rows there is no wall left
    assert np.array_equal(without_outside(truth, hu, SPACING), truth)


def test_all_steps_and_what_each_brings(chest):
    hu, truth, windpipe = chest
    network = truth | windpipe
    network[35:38, 10:14, 10:14] = True  # a lung in the air above the shoulder
    truth = truth.astype(np.uint8)
    table = step_gains(network.astype(np.uint8), hu, truth, SPACING).set_index("after")
    assert list(table.index) == ["network alone", *STEPS]
    assert table["false_positive_slices"].tolist() == [10, 3, 0, 0, 0, 0]
    voxel, taken = 0.02, table["taken_ml"].tolist()  # ml
    assert taken[1] == pytest.approx(voxel * (network & windpipe & ~truth).sum(), rel=0.5)
    assert taken[2] == pytest.approx(voxel * 3 * 4 * 4) and taken[3:] == [0, 0, 0]
    assert table["dsc_3d"].is_monotonic_increasing and table["dsc_3d"].iloc[-1] == 1
    assert np.array_equal(postprocess(network.astype(np.uint8), hu, SPACING), truth)


def test_an_empty_mask_stays_empty(chest):
    empty = np.zeros(SHAPE, np.uint8)
    result = postprocess(empty, chest[0], SPACING)
    assert result.dtype == np.uint8 and not result.any()


def test_the_baseline_finds_the_lungs_and_nothing_else(chest):
    hu, truth, windpipe = chest
    found = threshold_lungs(hu, SPACING)
    assert found.dtype == np.uint8 and not found[windpipe].any()
    assert 2 * found[truth].sum() / (found.sum() + truth.sum()) > 0.99  # with the vessel in it
    assert not found[:8].any() and not found[30:].any()


def test_the_baseline_finds_no_lung_where_there_is_none():
    assert not threshold_lungs(np.full((4, 40, 40), -1000, np.int16), SPACING).any()
    assert not threshold_lungs(np.full((4, 40, 40), 40, np.int16), SPACING).any()


@pytest.mark.parametrize(("slices", "expected"), [(4, True), (2, False)])
def test_a_windpipe_is_at_least_15_mm_long(chest, slices, expected):
    hu, _, windpipe = chest
    hu = hu.copy()
    hu[windpipe & (SHAPE[0] - slices > Z)] = 40
    assert airway_mask(hu, SPACING).any() == expected


def test_a_windpipe_is_followed_to_the_last_slice(chest):
    hu, _, _ = chest
    neck = np.where(cylinder(60, 80, 5, 5), -1000, np.where(hu == -1000, -1000, 40))
    assert airway_mask(neck.astype(np.int16), SPACING)[cylinder(60, 80, 5, 5)].all()


POOLS = {
    "far to the right": lambda: cylinder(60, 40, 5, 5),
    "far to the left": lambda: cylinder(60, 120, 5, 5),
    "broad": lambda: cylinder(60, 80, 3, 12),
    "tall": lambda: cylinder(60, 80, 12, 3),
    "oval": lambda: cylinder(60, 80, 4, 11),  # three times as broad as tall
    "a ring": lambda: cylinder(60, 80, 8, 8) & ~cylinder(60, 80, 6, 6),
    "narrow": lambda: cylinder(60, 80, 1.6, 1.6),
    "wide": lambda: cylinder(60, 80, 10, 10),
}


@pytest.mark.parametrize("pool", POOLS)
def test_other_gas_is_no_windpipe(pool):
    hu = np.full(SHAPE, -1000, np.int16)
    hu[cylinder(60, 80, 45, 70)] = 40
    hu[POOLS[pool]()] = -1000
    assert not airway_mask(hu, SPACING).any()


@pytest.mark.parametrize(("top", "kept"), [(99, False), (97, False), (95, False), (90, True)])
def test_a_piece_stays_when_more_than_half_of_it_is_inside(chest, top, kept):
    """Of 20 rows from `top` on, those below 105 lie in the body: 6, 8, 10 or 15."""
    piece = np.zeros(SHAPE, bool)
    piece[10:20, top : top + 20, 79:82] = True
    assert np.array_equal(without_outside(piece, chest[0], SPACING), piece & kept)


def test_what_hangs_on_by_a_corner_goes_or_stays_with_its_piece(chest):
    piece = np.zeros(SHAPE, bool)
    piece[10:20, 60:105, 79:82] = True  # in the body
    piece[20:22, 105:108, 82:84] = True  # below it
    assert np.array_equal(without_outside(piece, chest[0], SPACING), piece)
