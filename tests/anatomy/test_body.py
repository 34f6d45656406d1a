"""The body alone: the couch becomes air, the lungs stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from utils.anatomy.body import AIR, body_in_air, body_mask
from utils.cases import Pair
from utils.dataset import SliceDataset
from utils.settings import Settings


@pytest.fixture
def scan():
    """(HU, body, lung, couch) of a round body with two round lungs, lying on a flat couch."""
    y, x = np.mgrid[:128, :128]
    body = np.hypot(y - 55, (x - 64) / 1.3) < 38
    lung = np.minimum(np.hypot(y - 55, x - 42), np.hypot(y - 55, x - 86)) < 14
    couch = (y > 98) & (y < 103)
    hu = np.where(lung, -800, np.where(body | couch, 40, -990)).astype(np.int16)
    return tuple(np.stack([plane] * 4) for plane in (hu, body, lung, couch))


def test_the_couch_becomes_air_and_the_body_stays(scan):
    hu, body, lung, couch = scan
    left = body_in_air(hu)
    assert left.dtype == np.int16 and left.shape == hu.shape
    assert (left[couch] == AIR).all()
    assert np.array_equal(left[lung], hu[lung])
    assert (left == hu)[body].mean() > 0.99  # its rim is as coarse as the grid of 2 mm
    assert (hu[couch] == 40).all()  # what was given stays as it was


def test_a_lung_that_the_edge_of_the_image_cuts_stays(scan):
    hu, _, lung, _ = (array[:, :, 35:] for array in scan)
    assert lung[:, 55, 0].all()
    assert np.array_equal(body_in_air(hu)[lung], hu[lung])


def test_where_there_is_no_body_nothing_goes():
    empty = np.full((3, 64, 64), -990, np.int16)
    assert np.array_equal(body_in_air(empty), empty)


def test_the_data_set_takes_it_as_an_option(scan):
    hu, _, lung, couch = scan
    pairs = {"a": Pair(hu, lung.astype(np.uint8), (1.0, 1.0, 1.0))}
    settings = Settings(image_size=128, pixel_size=1.0)
    plain, bare = (
        SliceDataset(pairs, ["a"], replace(settings, body_only=only)) for only in (False, True)
    )
    assert plain[0][0][0][couch[0]].min() > 0.7 and bare[0][0][0][couch[0]].max() == 0
    assert (plain[0][1] == bare[0][1]).all()


def test_two_sides_of_the_body_do_not_surround():
    """Between chest and raised arm, in the corner of an L, there is air."""
    hu = np.full((3, 128, 128), -990, np.int16)
    hu[:, 20:100, 20:60] = hu[:, 70:100, 20:110] = 40
    left = body_in_air(hu)
    assert (left[:, 20:70, 60:110] == AIR).all() and (left[hu == 40] == 40).mean() > 0.99


def test_a_couch_that_touches_the_skin_is_parted_from_the_body(scan):
    hu, _, _, couch = scan
    hu[:, 90:100, 62:65] = 40  # 8 mm wide
    assert (body_in_air(hu)[couch] == AIR).all()
    fine, couch = (array.repeat(4, 1).repeat(4, 2) for array in (hu, couch))
    assert (body_in_air(fine)[couch] == AIR).mean() > 0.99  # millimetres count, not pixels


def test_lungs_that_the_scan_cuts_off_belong_to_the_body(scan):
    hu, body, lung, _ = scan
    found = body_mask(hu, (5.0, 2.7, 2.7))
    assert found[lung].all() and (found != body).mean() < 0.01
