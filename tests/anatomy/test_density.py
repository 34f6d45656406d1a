"""Volumes, mass and densities of lungs, against numbers worked out by hand."""

import numpy as np
import pytest

from utils.anatomy import LEFT, RIGHT, lung_measures

SPACING = (10.0, 10.0, 10.0)  # a voxel is one millilitre


def two_lungs():
    """Right: 6 slices of 2 voxels at -800 HU; left: 3 slices of 1 voxel at -960, -920, -500."""
    labels = np.zeros((8, 4, 6), np.uint8)
    hu = np.full(labels.shape, 40, np.int16)
    labels[1:7, 1:3, 1], labels[2:5, 1, 4] = RIGHT, LEFT
    hu[labels == RIGHT] = -800
    hu[2:5, 1, 4] = -960, -920, -500
    return hu, labels


def test_volumes_thirds_mass_and_densities():
    """12 ml at 0.2 g/ml are 2.4 g; 0.04 + 0.08 + 0.5 g on the left."""
    row = lung_measures(*two_lungs(), SPACING)
    assert [row[k] for k in ("both", "right", "left")] == pytest.approx([0.015, 0.012, 0.003])
    thirds = ("lower", "middle", "upper")
    assert [row[f"right_{third}"] for third in thirds] == pytest.approx([0.004] * 3)
    assert [row[f"left_{third}"] for third in thirds] == pytest.approx([0.001] * 3)
    assert row["right_mass_g"] == pytest.approx(2.4)
    assert row["left_mass_g"] == pytest.approx(0.62)
    assert row["both_mass_g"] == pytest.approx(3.02)
    assert row["left_mean_hu"] == pytest.approx((-960 - 920 - 500) / 3)
    assert row["both_mean_hu"] == pytest.approx((12 * -800 - 2380) / 15)
    assert row["left_laa950"] == pytest.approx(100 / 3)
    assert row["left_laa910"] == pytest.approx(200 / 3)
    assert row["both_laa950"] == pytest.approx(100 / 15)
    assert row["right_laa910"] == 0
    assert row["left_pd15_hu"] == -960  # a third of the voxels, more than 15 percent
    assert row["both_pd15_hu"] == -800  # 2 of 15 voxels are 13 percent, so the next value


def test_bounds_belong_to_the_denser_side_and_nothing_weighs_less_than_nothing():
    labels = np.full((1, 1, 4), LEFT, np.uint8)
    row = lung_measures(np.array([[[-950, -951, -910, -1024]]], np.int16), labels, SPACING)
    assert (row["left_laa950"], row["left_laa910"]) == (50, 75)
    assert row["left_mass_g"] == pytest.approx(0.05 + 0.049 + 0.09)


def test_thirds_are_of_a_lung_s_own_height_and_slices_are_not_parted():
    """Seven slices: 3, 2 and 2 of them, from the feet."""
    labels = np.zeros((9, 2, 2), np.uint8)
    labels[1:8, 0, 0] = RIGHT
    labels[4, 0, 0] = 0  # a gap within keeps the others where they are
    row = lung_measures(np.full(labels.shape, -850, np.int16), labels, SPACING)
    assert [row[f"right_{t}"] for t in ("lower", "middle", "upper")] == [0.003, 0.001, 0.002]


def test_percentiles_are_numpy_s():
    rng = np.random.default_rng(3)
    hu = rng.normal(-860, 60, (5, 40, 40)).astype(np.int16)
    row = lung_measures(hu, np.full(hu.shape, RIGHT, np.uint8), SPACING)
    assert row["right_pd15_hu"] == np.quantile(hu, 0.15, method="inverted_cdf")
    assert row["right_mean_hu"] == pytest.approx(hu.mean())
    assert row["right_laa950"] == pytest.approx(100 * (hu < -950).mean())


@pytest.mark.parametrize("empty", [(LEFT,), (LEFT, RIGHT)])
def test_a_missing_lung_has_no_density(empty):
    hu, labels = two_lungs()
    labels[np.isin(labels, empty)] = 0
    row = lung_measures(hu, labels, SPACING)
    assert row["left"] == row["left_mass_g"] == row["left_upper"] == 0
    assert np.isnan([row["left_mean_hu"], row["left_laa950"], row["left_pd15_hu"]]).all()
    assert np.isnan(row["both_mean_hu"]) == (len(empty) == 2)
