"""Surface distances: by hand, against a second method, and where one of the two masks is empty."""

import numpy as np
import pytest
from scipy import ndimage

from utils.evaluation.surface import (
    lung_table,
    surface_dice_by_area,
    surface_metrics,
    surface_points,
)


def box(shape, *bounds):
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(low, high) for low, high in bounds)] = 1
    return mask


def by_distance_transform(prediction, truth, spacing, tolerance):
    """The same metrics by another road: distance maps of whole volumes instead of points."""
    surfaces = []
    for mask in (prediction > 0, truth > 0):
        padded = np.pad(mask, 1)
        inner = padded.copy()
        for axis in range(mask.ndim):
            for step in (1, -1):
                inner &= np.roll(padded, step, axis)
        surfaces.append(padded & ~inner)
    maps = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    there, back = maps[1][surfaces[0]], maps[0][surfaces[1]]
    percentiles = np.percentile(there, 95), np.percentile(back, 95)
    return {
        "hd95": sum(percentiles) / 2,
        "hd95_larger": max(percentiles),
        "msd": (there.mean() + back.mean()) / 2,
        "surface_dice": ((there <= tolerance).sum() + (back <= tolerance).sum())
        / (len(there) + len(back)),
    }


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_distance_maps_on_random_shapes(seed):
    random = np.random.default_rng(seed)
    shape = random.integers(12, 36, 3)
    spacing = random.uniform(0.5, 5, 3)
    noise = ndimage.gaussian_filter(random.normal(size=(2, *shape)), (0, 2, 2, 2))
    noise[1] += noise[0]  # two shapes that resemble one another
    prediction, truth = noise > np.quantile(noise, 0.7)
    ours = surface_metrics(prediction, truth, spacing)
    other = by_distance_transform(prediction, truth, spacing, 2.0)
    assert ours == pytest.approx(other, abs=1e-3)


def test_a_shifted_box_by_hand():
    """A plate of 1 x 4 x 4 voxels moved by two slices of 3 mm: every voxel is 6 mm away."""
    truth, moved = box((9, 8, 8), (2, 3), (2, 6), (2, 6)), box((9, 8, 8), (4, 5), (2, 6), (2, 6))
    scores = surface_metrics(moved, truth, (3.0, 1.0, 1.0))
    assert scores == pytest.approx({"hd95": 6, "hd95_larger": 6, "msd": 6, "surface_dice": 0})
    near = surface_metrics(moved, truth, (3.0, 1.0, 1.0), tolerance=6.0)
    assert near["surface_dice"] == 1


def test_the_two_directions_differ_and_are_averaged():
    """One voxel against a row of 41: from the voxel 0 mm, from the row up to 40 mm."""
    truth, row = box((3, 3, 43), (1, 2), (1, 2), (1, 2)), box((3, 3, 43), (1, 2), (1, 2), (1, 42))
    scores = surface_metrics(row, truth, (1.0, 1.0, 1.0))
    assert scores["hd95_larger"] == pytest.approx(38)  # the 95th percentile of 0 … 40
    assert scores["hd95"] == pytest.approx(19)
    assert scores["msd"] == pytest.approx(10)  # means 20 and 0
    assert scores["surface_dice"] == pytest.approx((3 + 1) / 42)


def test_the_surface_of_a_block_leaves_out_its_inside():
    points = surface_points(box((7, 7, 7), (1, 6), (1, 6), (1, 6)), (2.0, 1.0, 1.0))
    assert len(points) == 5**3 - 3**3
    assert points.min(0).tolist() == [2, 1, 1] and points.max(0).tolist() == [10, 5, 5]


def test_a_lung_that_the_scan_cuts_off_has_a_surface_there():
    assert len(surface_points(np.ones((3, 3, 3)), (1, 1, 1))) == 26


def test_identical_masks_lie_zero_millimetres_apart():
    truth = box((6, 6, 6), (1, 4), (1, 5), (2, 4))
    scores = surface_metrics(truth, truth, (3, 1, 1))
    assert scores == {"hd95": 0, "hd95_larger": 0, "msd": 0, "surface_dice": 1}


@pytest.mark.parametrize("missed", [True, False])
def test_a_missed_or_false_positive_lung_scores_the_worst_there_is(missed):
    lung, nothing = box((4, 10, 10), (1, 3), (2, 5), (2, 5)), np.zeros((4, 10, 10), np.uint8)
    pair = (nothing, lung) if missed else (lung, nothing)
    scores = surface_metrics(*pair, (3.0, 1.0, 2.0))
    diagonal = np.sqrt(12**2 + 10**2 + 20**2)
    assert scores["surface_dice"] == 0
    assert [scores[k] for k in ("hd95", "hd95_larger", "msd")] == pytest.approx([diagonal] * 3)


def test_without_lung_and_prediction_nothing_is_defined():
    nothing = np.zeros((4, 4, 4), np.uint8)
    assert np.isnan(list(surface_metrics(nothing, nothing, (1, 1, 1)).values())).all()


def test_right_and_left_are_scored_apart():
    truth = np.zeros((4, 12, 20), np.uint8)
    truth[1:3, 2:10, 2:7], truth[1:3, 2:10, 13:18] = 1, 2
    predicted = truth.copy()
    predicted[truth == 2] = 0  # the left lung is missed
    table = lung_table(predicted, truth, (5.0, 1.0, 1.0)).set_index("lung")
    assert table["dsc"].to_dict() == pytest.approx({"right": 1, "left": 0, "both": 2 / 3})
    assert table.loc["right", "msd"] == 0 and table.loc["left", "surface_dice"] == 0
    assert table.loc["left", "hd95"] == pytest.approx(np.sqrt(20**2 + 12**2 + 20**2))
    assert table["litres"].to_dict() == pytest.approx({"right": 4e-4, "left": 0, "both": 4e-4})
    assert table.loc["both", "true_litres"] == pytest.approx(8e-4)


def ball(radius, spacing, shift):
    """A ball of a radius in mm, its centre moved by (z, y, x) mm from that of the array."""
    axes = [np.arange(-45, 45 + step, step) - by for step, by in zip(spacing, shift, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return z**2 + y**2 + x**2 < radius**2


@pytest.mark.parametrize(
    ("spacing", "shift", "error"),
    [
        ((1, 1, 1), (0, 0, 3), 0.01),
        ((1, 1, 1), (4, 0, 0), 0.01),
        ((2.5, 0.7, 0.7), (0, 2.5, 0), 0.02),
    ],
)
def test_area_of_a_moved_ball_that_is_near(spacing, shift, error):
    """By hand: moved by s, a point at angle a from the way is |s cos a| away; cos a is uniform."""
    truth, moved = ball(35, spacing, (0, 0, 0)), ball(35, spacing, shift)
    near = min(1, 2 / max(shift))
    assert surface_dice_by_area(moved, truth, spacing) == pytest.approx(near, abs=error)
    assert surface_dice_by_area(truth, truth, spacing) == 1


def test_area_of_a_missed_lung_is_not_near():
    truth = ball(20, (3, 3, 3), (0, 0, 0))
    assert surface_dice_by_area(0 * truth, truth, (3, 3, 3)) == 0
    assert np.isnan(surface_dice_by_area(0 * truth, 0 * truth, (3, 3, 3)))
    # where a scan ends in the middle of a lung, there too is a surface
    assert surface_dice_by_area(truth[15:], truth[15:], (3, 3, 3)) == 1
