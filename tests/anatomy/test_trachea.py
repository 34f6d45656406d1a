"""Finding the windpipe: its length, its wall and its course, by hand in a block of soft tissue."""

import numpy as np
import pytest

from utils.anatomy.trachea import airway_mask

MM = (5.0, 2.0, 2.0)


def tube(low, high, ry=5, rx=5, shape=(40, 128, 160)):
    """(HU, tube) of a tube of air on slices low to high - 1; no air anywhere else."""
    z, y, x = np.indices(shape)
    disc = ((y - 60) / ry) ** 2 + ((x - 80) / rx) ** 2 < 1
    inside = disc & (low <= z) & (z < high)
    return np.where(inside, -1000, 40).astype(np.int16), inside


@pytest.mark.parametrize(
    ("slice_mm", "slices", "found"),
    [(5.0, 3, True), (5.0, 2, False), (10.0, 2, True), (1.0, 15, True), (1.0, 14, False)],
)
@pytest.mark.parametrize("low", [0, 20])
def test_it_is_at_least_15_mm_long_wherever_it_lies(slice_mm, slices, found, low):
    hu, inside = tube(low, low + slices)
    airway = airway_mask(hu, (slice_mm, 2.0, 2.0))
    assert airway.any() == found and (not found or airway[inside].all())


@pytest.mark.parametrize(("mm", "width"), [(2.0, 9 + 2), (1.0, 9 + 4)])
def test_its_wall_is_2_mm_thick(mm, width):
    airway = airway_mask(tube(5, 35)[0], (5.0, mm, mm))
    assert airway[20, 60].sum() == airway[20, :, 80].sum() == width


def test_it_ends_at_the_lowest_slice_whatever_lies_on_the_highest():
    hu, inside = tube(0, 21)
    hu[-1] = hu[0]  # a single slice is too short to be one of its own
    airway = airway_mask(hu, MM)
    assert airway[inside].all() and not airway[21:].any()


def test_pixels_need_not_be_square():
    """15 pixels of 4 x 1 mm are 60 mm²."""
    hu, inside = tube(5, 35, ry=2, rx=3)
    assert inside[20].sum() in range(12, 20)
    assert airway_mask(hu, (5.0, 4.0, 1.0))[inside].all()
