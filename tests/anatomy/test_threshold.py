"""The baseline's closing and its smallest piece, on blocks of lung in a block of body."""

import numpy as np
import pytest

from utils.anatomy.threshold import threshold_lungs


def body():
    """HU of a block of soft tissue in air, 8 slices, and a block of lung in it."""
    hu = np.full((8, 120, 120), -1000, np.int16)
    hu[:, 10:110, 10:110] = 40
    hu[1:7, 30:90, 30:80] = -850
    return hu


@pytest.mark.parametrize(
    ("spacing", "width", "filled"),
    [
        ((5.0, 2.0, 2.0), 4, True),  # 2 pixels are 5 mm or nearly: what 5 do not fit into goes
        ((5.0, 2.0, 2.0), 6, False),
        ((5.0, 2.0, 1.0), 6, False),
        ((5.0, 4.0, 4.0), 2, True),  # 1 pixel
        ((5.0, 4.0, 4.0), 4, False),
    ],
)
def test_a_vessel_along_the_border_is_closed_over_5_mm(spacing, width, filled):
    hu = body()
    hu[:, 55 : 55 + width, 30:50] = 40  # it enters from the side: no hole
    found = threshold_lungs(hu, spacing)
    assert found[1:7, 55 : 55 + width, 40:50].all() == filled
    assert found[1:7, 30:50, 30:80].all()


def test_slices_are_closed_one_by_one():
    hu = body()
    hu[4] = np.where(hu[4] == -850, 40, hu[4])
    found = threshold_lungs(hu, (5.0, 2.0, 2.0))
    assert not found[4].any() and found[3].any() and found[5].any()


@pytest.mark.parametrize(("columns", "kept"), [(4, False), (6, True)])
def test_a_piece_is_lung_from_a_tenth_of_the_largest_on(columns, kept):
    """Of 6 x 60 x 50 voxels, 6 x 60 x 4 are 8 % and 6 x 60 x 6 are 12 %; 29 and 43 ml."""
    hu = body()
    hu[1:7, 30:90, 90 : 90 + columns] = -850
    found = threshold_lungs(hu, (5.0, 2.0, 2.0))
    assert found[1:7, 35:85, 90 : 90 + columns].any() == kept
