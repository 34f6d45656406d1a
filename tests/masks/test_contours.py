"""Contours filled into voxels: analytic shapes, and a second implementation."""

import numpy as np
import pytest
from contour_builders import circle, rectangle
from matplotlib.path import Path as Outline

from utils.masks.contours import fill_even_odd

SHAPE = (200, 200)


def keyhole(outer, inner):
    """Ring as one polygon: out along the outer, over a bridge, back along the inner."""
    return np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])


RING = [circle(70), circle(35)]
DIAMOND = circle(80, points=4)
SHAPES = {
    # name: contours, area and outline length in voxels
    "circle": ([circle(70)], np.pi * 70**2, 2 * np.pi * 70),
    "ring": (RING, np.pi * (70**2 - 35**2), 2 * np.pi * 105),
    "keyhole ring": ([keyhole(*RING)], np.pi * (70**2 - 35**2), 2 * np.pi * 105),
    "two pieces": (
        [circle(30, (60, 60)), rectangle(120.25, 110.5, 150.75, 190.125)],
        np.pi * 900 + 30.5 * 79.625,
        2 * np.pi * 30 + 2 * (30.5 + 79.625),
    ),
    "rotated square": ([DIAMOND], 2 * 80**2, 4 * 80 * np.sqrt(2)),
    "island in a hole": (
        [circle(80), circle(60), circle(20)],
        np.pi * (6400 - 3600 + 400),
        2 * np.pi * 160,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_area_is_that_of_the_shape(name):
    """One mask is off by less than the outline's length (Jarník 1925: lattice points in a closed
    curve); the mean over sub-pixel shifts by less than 0.05 %, so that no border is favoured."""
    contours, area, length = SHAPES[name]
    shifts = [(dr, dc) for dr in np.arange(8) / 8 + 1 / 16 for dc in np.arange(8) / 8 + 1 / 16]
    found = [
        int(fill_even_odd([points + shift for points in contours], SHAPE).sum()) for shift in shifts
    ]
    assert np.abs(np.array(found) - area).max() < length
    assert abs(np.mean(found) / area - 1) < 5e-4


@pytest.mark.parametrize("name", SHAPES)
def test_a_second_implementation_draws_the_same(name):
    contours, _, _ = SHAPES[name]
    shift = (0.123, 0.457)  # no voxel centre lies on an outline, where the two may differ
    centres = np.stack(np.indices(SHAPE), axis=-1).reshape(-1, 2)
    inside = np.zeros(len(centres), int)
    for points in contours:
        outline = np.concatenate([points, points[:1]]) + shift
        inside += Outline(outline, closed=True).contains_points(centres)
    drawing = fill_even_odd([points + shift for points in contours], SHAPE)
    assert np.array_equal(drawing, (inside % 2).reshape(SHAPE))


def test_shapes_that_share_an_edge_share_no_voxel():
    """Edges through voxel centres: each centre belongs to one of the neighbours."""
    pieces = [rectangle(2, 2, 8, 10), rectangle(2, 10, 8, 15), rectangle(8, 2, 12, 15)]
    drawings = sum(fill_even_odd([piece], (20, 20)).astype(int) for piece in pieces)
    expected = np.zeros((20, 20), int)
    expected[2:12, 2:15] = 1
    assert np.array_equal(drawings, expected)
    assert np.array_equal(fill_even_odd(pieces, (20, 20)), expected)


def test_a_bridge_through_voxel_centres_leaves_no_trace():
    outer, inner = rectangle(2.5, 2.5, 17.5, 17.5), rectangle(6.5, 6.5, 13.5, 13.5)
    bridge = [[2.5, 8], [6.5, 8]]
    polygon = np.concatenate([outer[:1], bridge, inner[[1, 2, 3, 0]], bridge[::-1], outer[1:]])
    expected = np.zeros((20, 20), np.uint8)
    expected[3:18, 3:18] = 1
    expected[7:14, 7:14] = 0
    assert np.array_equal(fill_even_odd([polygon], (20, 20)), expected)


def test_random_polygons_are_filled_as_a_ray_counts_crossings():
    rng = np.random.default_rng(4)
    for _ in range(20):
        points = rng.uniform(-10, 50, (7, 2))
        drawing = fill_even_odd([points], (40, 40))
        for row, col in rng.integers(0, 40, (30, 2)):
            # the crossings of a ray to the right, one edge at a time
            ends = np.roll(points, -1, axis=0)
            crossings = sum(
                (a[0] > row) != (b[0] > row)
                and a[1] + (row - a[0]) / (b[0] - a[0]) * (b[1] - a[1]) > col
                for a, b in zip(points, ends, strict=True)
            )
            assert drawing[row, col] == crossings % 2


def test_the_largest_contour_is_filled_in_bounded_memory(monkeypatch):
    """Blocks of edges give what all edges at once give."""
    contours = [circle(70), circle(35)]
    at_once = fill_even_odd(contours, SHAPE)
    monkeypatch.setattr("utils.masks.contours.BLOCK", 7 * SHAPE[0])
    assert np.array_equal(fill_even_odd(contours, SHAPE), at_once)
