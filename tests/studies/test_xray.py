"""Simulated X-rays: geometry and physics against what can be worked out by hand."""

import numpy as np
import pytest

from studies.synthetic import xray


def test_attenuation_of_air_water_and_bone():
    air, water, bone = xray.attenuation(np.array([-1000, 0, 1000], np.float32))
    assert air == 0 and water == pytest.approx(xray.WATER)
    assert bone > 2 * xray.WATER
    assert xray.attenuation(np.array([-3000.0])) == 0


def test_line_integral_through_a_block_is_its_depth():
    block = np.zeros((1, 20, 40, 30), np.float32)
    block[0, :, 10:30] = 0.02
    path = xray.project(block, (3.0, 2.0, 2.5))
    assert path.shape == (1, 20, 30)
    assert path[0, 5:15, 5:25] == pytest.approx(0.02 * 20 * 2.0, rel=0.01)


def test_head_is_up_and_the_patients_right_is_left():
    volume = np.zeros((1, 20, 20, 20), np.float32)
    volume[0, 17, 10, 2] = 1
    (shadow,) = xray.project(volume, (2.0, 2.0, 2.0))
    assert np.unravel_index(shadow.argmax(), shadow.shape) == (2, 2)


def test_what_lies_nearer_to_the_tube_is_shown_larger():
    """By the intercept theorem, in the ratio of the distances from the focus."""
    widths = []
    for row in (1, 198):
        volume = np.zeros((1, 5, 200, 200), np.float32)
        volume[0, :, row, 50:150] = 1
        shadow = xray.project(volume, (2.0, 2.0, 2.0))[0, 2]
        widths.append(shadow.sum() / shadow.max())
    assert widths[1] / widths[0] == pytest.approx(1800 / (1800 - 197 * 2), rel=0.02)


def test_turning_moves_back_and_front_to_opposite_sides():
    volume = np.zeros((2, 5, 60, 60), np.float32)
    volume[0, :, 10, 30] = volume[1, :, 50, 30] = 1
    front, back = xray.project(volume, (2.0, 2.0, 2.0), turn=15)[:, 2]
    assert (front.argmax() - 30) * (back.argmax() - 30) < 0
    assert abs(front.argmax() - 30) == pytest.approx(20 * np.tan(np.deg2rad(15)), abs=1.5)


def test_counts_follow_beer_lambert_and_poisson():
    path = np.full((64, 64), 2.0)
    counts = xray.expose(path, np.random.default_rng(0), photons=10_000, scatter=0.0)
    expected = 10_000 * np.exp(-2)
    assert counts.mean() == pytest.approx(expected, rel=0.01)
    assert counts.var() == pytest.approx(expected, rel=0.1)
    scattered = xray.expose(path, np.random.default_rng(0), photons=10_000, scatter=0.5)
    assert scattered.mean() == pytest.approx(1.5 * expected, rel=0.01)


def test_developed_picture_shows_dense_matter_white():
    path = np.full((64, 64), 1.0)
    path[:, 32:] = 4.0
    film = xray.develop(xray.expose(path, np.random.default_rng(0), 1e6, 0.0), local=0.0)
    assert film.dtype == np.uint8
    assert film[:, :30].mean() < 20 and film[:, 34:].mean() > 235


def test_cavity_is_the_depth_of_lung_here_and_above():
    lung = np.zeros((4, 10, 1), bool)
    lung[3, 4:6] = True  # apex
    lung[2, 2:8] = True
    lung[1, 6:8] = True  # behind the diaphragm's dome
    depth = xray.chest_cavity(lung).sum(1)[:, 0]
    assert depth.tolist() == [6, 6, 6, 2]


def test_fields_are_labelled_by_side_and_islands_left_out():
    lung, cavity = np.zeros((2, 100, 100))
    cavity[10:90, 10:90] = 150
    lung[10:90, 10:40] = 120
    lung[10:90, 60:90] = 120
    lung[70:90, 60:90] = 50  # mostly something else: a dome
    lung[2:5, 50:53] = 100
    labels = xray.lung_fields(lung, cavity, pixel=1.5)
    assert set(np.unique(labels)) == {0, xray.RIGHT, xray.LEFT}
    assert (labels[15:85, 15:35] == xray.RIGHT).all()
    assert (labels[15:65, 65:85] == xray.LEFT).all()
    assert (labels[75:] != xray.LEFT).all() and (labels[:8] == 0).all()
