"""From a scan's grid to the network's and back: a disc of known size in mm, exact to the pixel."""

import dataclasses

import numpy as np
import pytest
import torch

from utils.cases import Pair
from utils.dataset import SliceDataset
from utils.errors import InputError
from utils.overlap import dice
from utils.scale import AIR, axis_weights, square_grid, whole_grid
from utils.settings import Settings

SETTINGS = Settings(image_size=128, pixel_size=2.5, levels=4)
# rows, columns, row and column spacing in mm: fine, coarse, odd, oblong, of unequal spacing
SCANS = [
    (512, 512, 0.6, 0.6),
    (512, 512, 0.9765625, 0.9765625),
    (301, 287, 0.9, 0.9),
    (255, 257, 1.4, 0.8),
    (97, 131, 2.5, 2.5),
    (64, 64, 5.0, 4.0),
]


def disc(shape, start, pixel, centre, radius):
    """Share of each pixel that a disc covers, by 8 x 8 points in each; mm, centre from 0, 0."""
    fine = [
        (np.arange(8 * n) + 0.5) / 8 * p + s for n, p, s in zip(shape, pixel, start, strict=True)
    ]
    inside = np.hypot(fine[0][:, None] - centre[0], fine[1] - centre[1]) < radius
    return inside.reshape(shape[0], 8, shape[1], 8).mean((1, 3))


def centre_and_radius(share, start, pixel):
    """Centre in mm from 0, 0 and radius in mm of a disc, from its moments."""
    axes = zip(share.shape, pixel, start, strict=True)
    places = [(np.arange(n) + 0.5) * p + s for n, p, s in axes]
    centre = [np.average(at, weights=share.sum(1 - axis)) for axis, at in enumerate(places)]
    return centre, np.sqrt(share.sum() * pixel[0] * pixel[1] / np.pi)


def scan_with_disc(scan):
    """(grid of the whole scan, disc on it as shares [1, rows, cols], its centre, its radius)."""
    rows, cols, row, col = scan
    grid = whole_grid((1, rows, cols), (3.0, row, col), SETTINGS)
    centre, radius = (0.4 * rows * row, 0.62 * cols * col), 0.21 * min(rows * row, cols * col)
    share = disc((rows, cols), (0, 0), (row, col), centre, radius)
    return grid, torch.from_numpy(share)[None], centre, radius


@pytest.mark.parametrize("scan", SCANS)
def test_a_disc_keeps_its_place_and_size_on_the_networks_grid(scan):
    grid, share, centre, radius = scan_with_disc(scan)
    there = grid.to_network(share, 0)[0].numpy()
    assert there.shape == grid.count and all(n % 8 == 0 and n >= 128 for n in grid.count)
    place, size = centre_and_radius(there, grid.start, grid.pixel)
    assert place == pytest.approx(centre, abs=0.02) and size == pytest.approx(radius, abs=0.02)
    drawn = disc(grid.count, grid.start, grid.pixel, centre, radius)
    finer = max(scan[2:]) <= SETTINGS.pixel_size
    assert abs(there - drawn).max() < (0.26 if finer else 0.6)  # of a pixel on the outline
    assert abs(there - drawn).mean() < (0.002 if finer else 0.005)


@pytest.mark.parametrize("scan", SCANS)
def test_there_and_back_a_mask_is_the_same_but_for_fractions_of_a_pixel(scan):
    """No shift: the centre stays within 0.05 mm; the outline, within a fifth of 2.5 mm."""
    grid, share, _, radius = scan_with_disc(scan)
    mask = (share > 0.5).float()
    back = (grid.to_scan(grid.to_network(mask, 0)) > 0.5)[0].numpy()
    assert back.shape == scan[:2]
    before, _ = centre_and_radius(mask[0].numpy(), (0, 0), scan[2:])
    place, size = centre_and_radius(back, (0, 0), scan[2:])
    assert place == pytest.approx(before, abs=0.1) and size == pytest.approx(radius, abs=0.5)
    whole = mask[0].numpy() > 0
    assert dice((back & whole).sum(), back.sum(), whole.sum()) > 0.985


def test_slices_of_the_networks_own_pixel_size_pass_unchanged():
    slices = torch.randint(-1000, 400, (2, 128, 128)).float()
    grid = whole_grid(slices.shape, (3.0, 2.5, 2.5), SETTINGS)
    assert torch.equal(grid.to_network(slices, AIR), slices)
    assert torch.equal(grid.to_scan(slices), slices)


def test_larger_pixels_are_means_over_area():
    slices = torch.arange(16).view(1, 4, 4)
    grid = whole_grid((1, 4, 4), (3.0, 1.0, 1.0), Settings(image_size=2, pixel_size=2, levels=1))
    assert grid.to_network(slices, 0).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


def test_weights_by_hand():
    # pixels of 3 mm from 1 mm before the first of three pixels of 2 mm
    assert axis_weights(3, 3.0, -1.0, 3, 2.0) == pytest.approx(
        np.array([[2, 0, 0], [0, 2, 1], [0, 0, 1]]) / 3
    )
    # pixels of 1 mm on two of 2 mm: linear between the centres at 1 and 3 mm, none outside
    assert axis_weights(6, 1.0, -1.0, 2, 2.0) == pytest.approx(
        np.array([[0, 0], [1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1], [0, 0]])
    )


def test_what_a_scan_does_not_fill_is_air_and_nothing_of_it_is_lost():
    grid = whole_grid((1, 50, 300), (3.0, 2.5, 2.5), SETTINGS)
    assert grid.count == (128, 304)  # never cropped, whatever image_size is
    there = grid.to_network(torch.zeros(1, 50, 300), AIR)[0]
    assert (there[39:89, 2:302] == 0).all() and (there == 0).sum() == 50 * 300
    assert (there[:39] == AIR).all()


def body(rows, cols, first, last):
    """A body of 0 HU between two columns, with lungs in it, on 2.5 mm pixels."""
    hu = np.full((3, rows, cols), AIR, np.int16)
    hu[:, 20:-20, first:last] = 0
    mask = np.zeros(hu.shape, np.uint8)
    mask[:, 40:-40, first + 20 : last - 20] = 1
    hu[mask > 0] = -800
    return Pair(hu, mask, (3.0, 2.5, 2.5))


def test_training_crops_a_wide_scan_round_the_body():
    pair = body(128, 200, 80, 180)
    grid = square_grid("a", *pair, SETTINGS)
    assert grid.start == pytest.approx((0, 2.5 * (130 - 64)), abs=5)
    dataset = SliceDataset({"a": pair}, ["a"], SETTINGS)
    assert dataset.hu.shape == (3, 128, 128)
    assert dataset.truth.sum() == 255 * int(pair.mask.sum())  # no lung is cut


def test_training_moves_the_square_as_far_as_the_lungs_need():
    pair = body(128, 200, 20, 190)
    mask = np.zeros_like(pair.mask)
    mask[:, 60:70, 30:50] = 1
    grid = square_grid("a", pair.hu, mask, pair.spacing, SETTINGS)
    assert grid.start[1] == pytest.approx(2.5 * 29)  # a pixel to spare
    assert (grid.to_network(torch.from_numpy(mask), 0)).sum() == mask.sum()


def test_lungs_wider_than_the_square_are_refused_by_how_much():
    pair = body(128, 200, 10, 190)
    with pytest.raises(InputError, match=r"a: the lungs measure 350 mm .* 35 mm more than"):
        SliceDataset({"a": pair}, ["a"], SETTINGS)


def test_without_a_pixel_size_slices_are_squeezed_in_training_and_prediction_alike():
    """By hand: an image of 144 x 192 in a square of 48 is a mean over 3 x 4 pixels."""
    old = dataclasses.replace(SETTINGS, pixel_size=0.0, image_size=48)
    pair = body(144, 192, 40, 140)
    grid = whole_grid(pair.hu.shape, pair.spacing, old)
    assert grid == square_grid("a", *pair, old) and grid.count == (48, 48)
    there = grid.to_network(torch.from_numpy(pair.hu), AIR)
    by_hand = pair.hu.reshape(-1, 48, 3, 48, 4).astype(np.float32).mean((2, 4))
    torch.testing.assert_close(there, torch.from_numpy(by_hand))
    assert torch.equal(SliceDataset({"a": pair}, ["a"], old).hu, there.round().short())
    flat = torch.full((1, 48, 48), 7.0)
    torch.testing.assert_close(grid.to_scan(flat), torch.full((1, 144, 192), 7.0))
    with pytest.raises(InputError, match=r"pixel_size is -1.0, expected number from 0 to 100"):
        square_grid("a", *pair, dataclasses.replace(old, pixel_size=-1.0))
