"""A mask in its place that leaves out lung, holds what is none, or lies elsewhere in part."""

import numpy as np
import pytest
from scipy import ndimage

from utils.alignment.verdict import check_case, correct_mask

MM = (5.0, 3.0, 3.0)
ML = np.prod(MM) / 1e3


@pytest.fixture(scope="module")
def chest():
    """(HU, mask): two unequal lungs in a body of water, in the air of a room, above a couch."""
    z, y, x = np.mgrid[:30, :96, :96]
    size = np.sqrt(np.clip(1 - ((z - 13) / 12.5) ** 2, 0, 1))
    right = np.hypot((y - 50) / 20, (x - 30) / 12) < size
    left = np.hypot((y - 51) / 18, (x - 63) / 11) < 0.95 * size
    hu = np.where(np.hypot((y - 48) / 28, (x - 47) / 36) < 1, 40, -1000)
    hu[:, 84:86, 20:76] = 100
    hu[right | left] = -850
    noise = np.random.default_rng(1).normal(0, 15, hu.shape)
    return (hu + noise).clip(-1024).astype(np.int16), (right | left).astype(np.uint8)


def half(mask, side):
    """The lung at low ("right") or high columns alone."""
    kept = mask.copy()
    kept[:, :, slice(47, None) if side == "right" else slice(47)] = 0
    return kept


def ml_of(verdict):
    """Millilitres that a verdict's first sentence names."""
    return float(verdict.details[0].split(" ml")[0])


def block(mask, low, high, step):
    """The mask with slices `low` to `high` taken from one that is moved."""
    moved = mask.copy()
    moved[low:high] = correct_mask(mask, step)[low:high]
    return moved


def test_the_whole_mask_is_aligned(chest):
    hu, mask = chest
    verdict = check_case(hu, mask, MM)
    assert (verdict.verdict, verdict.details) == ("aligned", ())


@pytest.mark.parametrize("side", ["right", "left"])
def test_one_lung_alone_is_incomplete_by_the_other_ones_volume(chest, side):
    hu, mask = chest
    verdict = check_case(hu, half(mask, side), MM)
    other = ML * (mask.sum() - half(mask, side).sum())
    assert verdict.verdict == "incomplete"
    assert ml_of(verdict) == pytest.approx(other, rel=0.15)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_lung_that_was_taken_out_is_not_missed(chest, side):
    hu, mask = chest
    hu = np.where((mask > 0) & (half(mask, side) == 0), 20, hu).astype(np.int16)
    assert check_case(hu, half(mask, side), MM).verdict == "aligned"


@pytest.mark.parametrize("kept", [slice(13, None), slice(13), slice(13, 14), slice(8, None)])
def test_lost_slices_are_incomplete(chest, kept):
    hu, mask = chest
    part = np.zeros_like(mask)
    part[kept] = mask[kept]
    verdict = check_case(hu, part, MM)
    assert verdict.verdict == "incomplete"
    assert ml_of(verdict) == pytest.approx(ML * (mask - part).sum(), rel=0.2)


def test_a_scan_that_ends_within_the_lungs_is_not_incomplete(chest):
    hu, mask = chest
    assert check_case(hu[10:], mask[10:], MM).verdict == "aligned"
    assert check_case(hu[:16], mask[:16], MM).verdict == "aligned"


@pytest.mark.parametrize("every", [2, 3, 5])
def test_empty_slices_within_are_gaps(chest, every):
    hu, mask = chest
    part = mask.copy()
    part[::every] = 0
    verdict = check_case(hu, part, MM)
    assert "gaps" in verdict.verdict
    between = [z for z in range(0, 30, every) if 2 <= z <= 23]
    numbers = verdict.details[0].split(" slices from ")[1].split(" to ")
    assert {int(number) for number in numbers} <= set(between)


@pytest.mark.parametrize("where", ["room", "front"])
def test_what_lies_beyond_the_body_is_outside(chest, where):
    hu, mask = chest
    z, y, x = np.mgrid[:30, :96, :96]
    beyond = np.hypot((y - 48) / 30, (x - 47) / 38) > 1
    more = {"room": beyond, "front": beyond & (y < 18)}[where]
    verdict = check_case(hu, mask | (more & (z > 3) & (z < 25)).astype(np.uint8), MM)
    assert "outside" in verdict.verdict
    assert "beyond the body" in verdict.details[0]


@pytest.mark.parametrize(
    ("low", "high", "step", "said"),
    [
        (13, 30, "shift slices by 2", "is shifted by +2 slices"),
        (13, 30, "shift slices by -1", "shifted by -1 slices"),
        (10, 16, "shift rows by 4", "is shifted by +4 rows"),
        (10, 16, "shift columns by -4", "is shifted by -4 columns"),
    ],
)
def test_a_part_that_lies_elsewhere_is_named_with_its_slices(chest, low, high, step, said):
    hu, mask = chest
    verdict = check_case(hu, block(mask, low, high, step), MM)
    assert verdict.verdict == "shifted in part"
    assert said in verdict.details[0]


def test_one_lung_that_lies_elsewhere_is_named(chest):
    hu, mask = chest
    moved = half(mask, "left") | correct_mask(half(mask, "right"), "shift rows by 4")
    verdict = check_case(hu, moved, MM)
    assert verdict.verdict == "shifted in part"
    assert "the right part" in verdict.details[0] and "+4 rows" in verdict.details[0]


@pytest.mark.parametrize("pixels", [2, -2])
def test_thick_and_thin_masks_are_named_by_millimetres(chest, pixels):
    hu, mask = chest
    plane = ndimage.generate_binary_structure(2, 1)[None]
    change = ndimage.binary_dilation if pixels > 0 else ndimage.binary_erosion
    changed = change(mask, plane, iterations=abs(pixels)).astype(np.uint8)
    verdict = check_case(hu, changed, MM)
    assert verdict.verdict == ("thick" if pixels > 0 else "thin")
    found = float(verdict.details[-1].split("lies ")[1].split(" mm")[0])
    # along an oblique border a diamond reaches further than its axes
    assert 0.9 * abs(pixels) * 3 <= found <= 1.5 * abs(pixels) * 3


def test_consolidated_lung_in_the_mask_is_aligned(chest):
    hu, mask = chest
    z, y, _ = np.mgrid[:30, :96, :96]
    ill = np.where((half(mask, "right") > 0) & (z < 13) & (y > 50), 30, hu).astype(np.int16)
    assert check_case(ill, mask, MM).verdict == "aligned"


def test_gas_of_the_stomach_in_the_mask_is_named(chest):
    hu, mask = chest
    z, y, x = np.mgrid[:30, :96, :96]
    stomach = ((z - 3) / 3) ** 2 + ((y - 48) / 8) ** 2 + ((x - 46) / 6) ** 2 < 1
    stomach &= mask == 0
    ill = np.where(stomach & ~ndimage.binary_dilation(mask > 0), -990, hu).astype(np.int16)
    assert check_case(ill, mask, MM).verdict == "aligned"
    assert "gas" in check_case(ill, mask | stomach.astype(np.uint8), MM).verdict
