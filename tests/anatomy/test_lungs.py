"""Right and left lung: apart, touching, in pieces, and only one."""

import numpy as np
import pytest

from utils.anatomy.lungs import (
    LEFT,
    RIGHT,
    body_midline,
    bounding_box,
    split_lungs,
)

SPACING = (5.0, 2.0, 2.0)
SHAPE = (20, 100, 140)


def ellipsoid(centre, radii):
    z, y, x = np.indices(SHAPE)
    (cz, cy, cx), (rz, ry, rx) = centre, radii
    return ((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1


@pytest.fixture
def lungs():
    """The patient's right lung, drawn at low columns, and the smaller left one."""
    return ellipsoid((10, 50, 35), (9, 35, 25)), ellipsoid((10, 50, 105), (8, 35, 22))


def test_two_separate_lungs_are_labelled_by_side(lungs):
    right, left = lungs
    labels = split_lungs(right | left, SPACING)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels == RIGHT, right) and np.array_equal(labels == LEFT, left)


def test_lungs_that_touch_are_parted_where_they_touch(lungs):
    right, left = lungs
    bridge = np.zeros(SHAPE, bool)
    bridge[8:12, 48:52, 55:90] = True  # 8 mm thick, behind the sternum
    labels = split_lungs(right | left | bridge, SPACING)
    assert (labels[right & ~bridge] == RIGHT).mean() > 0.99
    assert (labels[left & ~bridge] == LEFT).mean() > 0.99
    assert ((labels > 0) == (right | left | bridge)).all()
    side = labels[10, 50, 60:84]
    assert (np.diff(side.astype(int)) >= 0).all() and {*side.tolist()} == {RIGHT, LEFT}


def test_a_loose_piece_goes_to_the_nearer_lung(lungs):
    right, left = lungs
    piece = np.zeros(SHAPE, bool)
    piece[10, 90:93, 118:121] = True
    labels = split_lungs(right | left | piece, SPACING)
    assert (labels[piece] == LEFT).all()


@pytest.mark.parametrize(("which", "label"), [(0, RIGHT), (1, LEFT)])
def test_a_single_lung_lies_on_its_own_side(lungs, which, label):
    assert np.unique(split_lungs(lungs[which], SPACING)).tolist() == [0, label]


def test_a_single_lung_is_told_by_the_middle_of_the_body(lungs):
    right = lungs[0]
    hu = np.full(SHAPE, -1000, np.int16)
    hu[:, 20:80, 0:60] = 40  # a body whose middle is at column 30
    assert body_midline(hu) == pytest.approx(28, abs=2)
    labels = split_lungs(right, SPACING, body_midline(hu))
    assert np.unique(labels).tolist() == [0, LEFT]


@pytest.mark.parametrize(("middle", "label"), [(60, RIGHT), (80, LEFT)])
def test_without_a_midline_the_image_is_halved(middle, label):
    labels = split_lungs(ellipsoid((10, 50, middle), (9, 35, 25)), SPACING)
    assert np.unique(labels).tolist() == [0, label]


def test_a_bridge_is_parted_at_its_middle_to_the_pixel():
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:18, 20:80, 20:50] = mask[2:18, 20:80, 60:90] = mask[8:12, 48:52, 50:60] = 1
    assert split_lungs(mask, SPACING)[10, 50, 50:60].tolist() == [RIGHT] * 5 + [LEFT] * 5


@pytest.mark.parametrize("shift", [0, 5])
def test_one_lung_in_two_pieces_is_not_two_lungs(lungs, shift):
    right = lungs[0].copy()
    right[9:11] = False  # an upper and a lower piece
    right[11:] = np.roll(right[11:], shift, 2)
    assert np.unique(split_lungs(right, SPACING)).tolist() == [0, RIGHT]


def test_fine_pixels_are_split_as_coarse_ones(lungs):
    fine = (lungs[0] | lungs[1]).repeat(3, 1).repeat(3, 2)
    labels = split_lungs(fine, (5.0, 2 / 3, 2 / 3))
    assert np.array_equal(labels == RIGHT, lungs[0].repeat(3, 1).repeat(3, 2))


def test_an_empty_mask_has_no_lungs():
    assert not split_lungs(np.zeros(SHAPE, np.uint8), SPACING).any()
    assert body_midline(np.full(SHAPE, -1000, np.int16)) == 70


def test_bounding_box_by_hand():
    mask = np.zeros((5, 6, 7), bool)
    assert bounding_box(mask) is None
    mask[2, 1:3, 6] = True
    assert bounding_box(mask) == (slice(1, 4), slice(0, 4), slice(5, 8))
    assert mask[bounding_box(mask, margin=0)].all()


@pytest.mark.parametrize("axis", [0, 1])
def test_the_nearer_lung_is_the_nearer_in_millimetres(axis):
    """21 voxels, most along an axis of 6 mm, are farther than 24 along one of 2 mm."""
    mask, spacing = np.zeros((40, 40, 120), np.uint8), [2.0, 2.0, 2.0]
    spacing[axis] = 6.0
    along = np.moveaxis(mask, axis, 0)  # a view
    along[:15, :, 10:40] = along[:, :, 80:110] = 1
    along[28:31, 18:21, 55:57] = 1  # (14 · 6, 16 · 2) mm from the right, 24 · 2 mm from the left
    labels = np.moveaxis(split_lungs(mask, spacing), axis, 0)
    assert (labels[28:31, 18:21, 55:57] == LEFT).all()
    assert (labels[:15, :, 10:40] == RIGHT).all() and (labels[:, :, 80:110] == LEFT).all()


def test_a_bridge_at_the_end_of_the_scan_is_eroded_in_millimetres():
    """48 thin slices are 24 mm, less than the lungs' 60 mm though more voxels than their 30."""
    mask = np.zeros((120, 40, 100), np.uint8)
    mask[:, 5:35, 5:35] = mask[:, 5:35, 65:95] = mask[:48, 5:35, 35:65] = 1
    labels = split_lungs(mask, (0.5, 2.0, 2.0))
    assert (labels[:, 5:35, 5:35] == RIGHT).all() and (labels[:, 5:35, 65:95] == LEFT).all()


@pytest.mark.parametrize(("width", "label"), [(6, LEFT), (3, RIGHT)])
def test_a_collapsed_lung_is_a_lung_from_a_twentieth_on(width, label):
    mask = np.zeros((20, 30, 100), np.uint8)
    mask[:, :20, 10:20] = 1
    mask[:10, :5, 70 : 70 + width] = 1  # 7.0 % or 3.6 % of all
    labels = split_lungs(mask, SPACING)
    assert (labels[:, :20, 10:20] == RIGHT).all()
    assert (labels[:10, :5, 70 : 70 + width] == label).all()
