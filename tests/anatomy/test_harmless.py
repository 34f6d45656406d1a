"""What postprocessing must not take, and what it says of what it took."""

import numpy as np
import pytest

from utils.anatomy import postprocessing
from utils.anatomy.postprocessing import keep_large_pieces, postprocess, stages
from utils.anatomy.trachea import airway_mask, wall_share

SPACING = (5.0, 2.0, 2.0)  # a voxel is 20 mm³


def chest(slices=20):
    """HU of a block of soft tissue in air with two lungs, and the lungs."""
    hu = np.full((slices, 100, 140), -1000, np.int16)
    hu[:, 10:90, 10:130] = 40
    lungs = np.zeros(hu.shape, bool)
    lungs[:, 25:75, 25:60] = lungs[:, 25:75, 80:115] = True
    hu[lungs] = -850
    return hu, lungs


@pytest.mark.parametrize("thick", [0.6, 1.0, 8.0])
def test_a_single_slice_keeps_its_lungs_however_thin(thick):
    hu, lungs = chest(1)
    assert np.array_equal(postprocess(lungs.astype(np.uint8), hu, (thick, 2.0, 2.0)), lungs)


@pytest.mark.parametrize(("rows", "kept"), [(13, True), (12, False)])
@pytest.mark.parametrize("end", [0, -1])
def test_a_lung_at_the_end_of_the_scan_is_judged_by_area(rows, kept, end):
    """Of 13 x 8 pixels, 416 mm²; deeper in the scan the same would be a speck of 2.1 ml."""
    mask = np.zeros((20, 100, 140), bool)
    mask[:, 25:75, 25:60] = True
    mask[end, 30 : 30 + rows, 80:88] = True
    assert keep_large_pieces(mask, SPACING)[end, 30, 80] == kept
    moved = np.roll(mask[:, :, 80:88], 1 if end == 0 else -1, 0)
    mask[:, :, 80:88] = moved
    assert not keep_large_pieces(mask, SPACING)[:, :, 80:88].any()


@pytest.mark.parametrize("end", [0, -1])
def test_beyond_the_lungs_own_end_a_thin_piece_is_no_lung(end):
    """A fold between shoulder and neck on the last slice, slices without lung below it."""
    mask = np.zeros((20, 100, 140), bool)
    mask[5:15, 25:75, 25:60] = True
    mask[end, 30:50, 80:100] = True  # 1,600 mm²
    kept = keep_large_pieces(mask, SPACING)
    assert not kept[end].any() and np.array_equal(kept[5:15], mask[5:15])
    alone = np.zeros_like(mask)
    alone[end] = mask[end]
    assert np.array_equal(keep_large_pieces(alone, SPACING), alone)  # all that the scan shows


def holes_in_lung():
    """Emphysema: a chain of round holes of -990 HU near the body's middle, in lung."""
    hu = np.full((20, 100, 140), -1000, np.int16)
    hu[:, 10:90, 10:130] = 40
    hu[:, 20:80, 40:100] = -850
    _, y, x = np.indices(hu.shape)
    hu[np.hypot(y - 50, x - 70) < 5] = -990
    return hu


def test_a_hole_in_the_lung_is_no_windpipe_and_a_tube_with_a_wall_is():
    hu = holes_in_lung()
    assert not airway_mask(hu, SPACING).any()
    hu[hu == -850] = 40
    assert airway_mask(hu, SPACING)[hu[:, 50, 70] == -990, 50, 70].all()


def test_a_windpipe_that_opens_into_many_holes_is_followed_no_further():
    hu = holes_in_lung()
    hu[10:][hu[10:] == -850] = 40  # the tube has a wall above, and holes in lung lie below
    found = airway_mask(hu, SPACING)
    assert found[10:, 50, 70].all() and not found[:10].any()


def test_more_pools_than_there_are_bronchi_are_no_airway():
    hu, _ = chest()
    hu[:, 25:75, 25:115] = 40
    hu[10:, 43:57, 63:77] = -1000
    hu[:10, 44:57:6, 64:77:6] = -1000  # nine, and smaller than the one above
    found = airway_mask(hu, SPACING)
    assert found[10:, 50, 70].all() and not found[:10].any()


def test_the_share_of_wall_by_hand():
    pool = np.zeros((40, 40), bool)
    pool[15:25, 15:25] = True
    hu = np.where(np.arange(40) < 20, 40, -850) * np.ones((40, 1))
    assert wall_share(pool, hu, (1.0, 1.0)) == pytest.approx(0.5)
    assert wall_share(pool, hu * 0, (1.0, 1.0)) == 1


def test_a_step_that_takes_more_than_it_may_is_refused_and_says_so(monkeypatch):
    hu, lungs = chest()
    greedy = {"windpipe out": lambda mask, hu, spacing: mask & (np.arange(140) > 70)}
    monkeypatch.setattr(postprocessing, "STEPS", greedy)
    ((name, mask, taken, sentence),) = stages(lungs, hu, SPACING)
    assert np.array_equal(mask, lungs) and taken == 0 and name == "windpipe out"
    assert sentence == "'windpipe out' would take 700 ml, more than is possible: not done."


def test_what_a_step_took_is_told_when_it_is_much():
    hu, lungs = chest()
    couch = lungs.copy()
    couch[:, 92:98, 10:130] = True  # 288 ml, a sixth
    assert not any(sentence for *_, sentence in stages(couch, hu, SPACING))
    couch[:, :7, 10:130] = True  # and 336 ml
    told = [sentence for *_, sentence in stages(couch, hu, SPACING) if sentence]
    assert told == ["'outside out' took 624 of 2024 ml that the network had found."]
    assert not any(sentence for *_, sentence in stages(lungs, hu, SPACING))
