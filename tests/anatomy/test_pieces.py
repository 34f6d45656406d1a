"""Pieces and holes of a mask: which are kept and which filled, by size in millimetres."""

import numpy as np

from utils.anatomy.postprocessing import fill_small_holes, keep_large_pieces, without_slivers

SPACING = (5.0, 2.0, 2.0)  # a voxel is 20 mm³
SHAPE = (40, 128, 160)


def test_small_pieces_go_and_a_collapsed_lung_stays():
    mask = np.zeros(SHAPE, bool)
    mask[5:35, 30:90, 20:60] = True  # 1440 ml
    mask[5:15, 40:60, 100:112] = True  # 48 ml: what is left of the other lung
    mask[1, 100:110, 100:110] = True  # 2 ml
    kept = keep_large_pieces(mask, SPACING)
    assert kept[:, :, :60].sum() == mask[:, :, :60].sum() and kept[5:15, 40:60, 100:112].all()
    assert not kept[1].any() and kept.sum() == mask.sum() - 100


def test_beside_a_large_piece_a_lung_is_more_than_a_speck():
    mask = np.zeros(SHAPE, bool)
    mask[5:35, 30:90, 20:60] = True  # 1440 ml, of which 3 % are 43
    mask[5:15, 40:60, 100:108] = True  # 32 ml
    assert keep_large_pieces(mask, SPACING).sum() == 30 * 60 * 40
    assert np.array_equal(keep_large_pieces(mask, SPACING, least_share=0.02), mask)


def test_without_bounds_every_piece_stays_and_nothing_else():
    mask = np.zeros(SHAPE, bool)
    mask[5:9, 30:50, 20:40] = mask[20, 100, 100] = True
    assert np.array_equal(keep_large_pieces(mask, SPACING, 0, 0), mask)


def test_pieces_are_joined_through_corners():
    mask = np.zeros((4, 40, 40), bool)
    mask[0, :20, :20], mask[1, 20:, 20:] = True, True
    assert np.array_equal(keep_large_pieces(mask, (5.0, 2.0, 2.0), 15, 0), mask)


def test_slivers_go_slice_by_slice():
    mask = np.zeros((3, 40, 40), bool)
    mask[0, 5:35, 5:35] = True
    mask[1, 5:8, 5:9] = True  # 48 mm², though joined with the slice below
    mask[2, 5:8, 5:10] = True  # 60 mm²
    kept = without_slivers(mask, SPACING)
    assert kept.sum((1, 2)).tolist() == [900, 0, 15]


def test_holes_are_filled_by_size_and_only_if_lung_encloses_them():
    mask = np.zeros((2, 40, 40), bool)
    mask[0, 5:35, 5:35] = True
    mask[0, 10:14, 10:14] = False  # 64 mm²: a vessel
    mask[0, 20:30, 20:30] = False  # 400 mm²: more than a vessel
    mask[0, 5:8, 30] = False  # a notch
    filled = fill_small_holes(mask, SPACING)
    assert filled[0, 10:14, 10:14].all() and not filled[0, 20:30, 20:30].any()
    assert not filled[0, 5:8, 30].any() and not filled[1].any()


def test_a_hole_at_the_edge_of_the_image_is_not_enclosed():
    mask = np.ones((1, 20, 20), bool)
    mask[0, 0, 5] = False
    assert np.array_equal(fill_small_holes(mask, SPACING), mask)


def test_a_hole_is_filled_up_to_the_bound_and_not_beyond():
    solid = np.zeros((1, 40, 40), bool)
    solid[0, 5:35, 5:35] = True
    mask = solid.copy()
    mask[0, 10:16, 10:16] = False  # 144 mm² of 150
    mask[0, 20:25, 20:28] = False  # 160 mm²
    filled = fill_small_holes(mask, SPACING)
    assert filled[0, 10:16, 10:16].all() and not filled[0, 20:25, 20:28].any()
    assert np.array_equal(fill_small_holes(mask, (5.0, 2.5, 1.5)), solid)  # 135 and 150 mm²
    assert np.array_equal(fill_small_holes(mask, (5.0, 2.1, 2.0)), mask)  # 151.2 and 168 mm²


def test_a_corner_joins_lung_and_does_not_open_a_hole():
    mask = np.zeros((1, 40, 40), bool)
    mask[0, 5:35, 5:35] = True
    mask[0, 5, 5] = mask[0, 6, 6] = False
    filled = fill_small_holes(mask, SPACING)
    assert filled[0, 6, 6] and filled.sum() == mask.sum() + 1
    steps = np.zeros((1, 40, 40), bool)
    steps[0, 5:8, 5:8] = steps[0, 8:11, 8:11] = True  # 36 mm² each
    assert np.array_equal(without_slivers(steps, SPACING), steps)


def test_what_surrounds_a_speck_is_no_hole_however_small_the_speck():
    speck = np.zeros((3, 40, 40), bool)
    speck[1, 20, 20] = True
    assert np.array_equal(fill_small_holes(speck, SPACING), speck)


def test_a_sliver_of_the_bound_itself_stays():
    mask = np.zeros((1, 40, 40), bool)
    mask[0, 5:10, 5:16] = True  # 55 mm²
    assert np.array_equal(without_slivers(mask, (5.0, 1.0, 1.0)), mask)


def test_sizes_are_those_of_pixels_that_are_not_square():
    """Of 5 x 0.5 mm: 24 pixels are 60 mm² and stay; a hole of 100 is 250 mm² and stays too."""
    mask = np.zeros((1, 60, 60), bool)
    mask[0, 5:9, 5:11] = True
    assert np.array_equal(without_slivers(mask, (5.0, 5.0, 0.5)), mask)
    mask[0, 20:50, 20:50] = True
    mask[0, 25:35, 25:35] = False
    assert np.array_equal(fill_small_holes(mask, (5.0, 5.0, 0.5)), mask)
