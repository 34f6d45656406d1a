"""Packing for the browser: nothing lost, or as little as fits."""

import zlib

import numpy as np
import pytest
from viewer_builders import as_volume, noisy_chest

from utils.errors import InputError
from utils.viewer import packing
from utils.viewer.case import checked_case


@pytest.fixture
def chest():
    return noisy_chest()


def unpacked(case, step, given):
    """An independent reader of the format that packing.py's head describes."""
    hu, masks = np.zeros(case.hu.shape, int), np.zeros((given, *case.hu.shape), int)
    for first, (values, bits) in packing.chunks(case, step):
        low, high = np.frombuffer(zlib.decompress(values), np.uint8).astype(int).reshape(2, -1)
        zigzag = low + 256 * high
        delta = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2).reshape(-1, *hu.shape[1:])
        last = first + len(delta)
        delta[:, :, 0] = delta[:, :, 0].cumsum(axis=1)
        hu[first:last] = delta.cumsum(axis=2) * step
        flat = np.frombuffer(zlib.decompress(bits), np.uint8).reshape(given, -1 if given else 0)
        for mask, packed in zip(masks, flat, strict=True):
            mask[first:last] = np.unpackbits(packed)[: delta.size].reshape(delta.shape)
    return hu, masks


def test_packing_loses_nothing(chest):
    case = checked_case(*chest)
    hu, (truth, prediction) = unpacked(case, 1, 2)
    assert (hu == case.hu).all()
    assert (truth == case.truth).all() and (prediction == case.prediction).all()


def test_rounded_packing_loses_half_a_step_at_most(chest):
    case = checked_case(chest[0])
    hu, _ = unpacked(case, 16, 0)
    low, high = packing.CLIP
    assert np.abs(hu - np.clip(case.hu, low, high)).max() <= 8


def test_plan_takes_the_least_lossy_way_that_fits(chest):
    case = checked_case(*chest)
    assert packing.plan(case, 10**9)[1:] == (1, 1)
    sizes = {}
    for budget in (20_000, 12_000, 5_000):
        small, reduction, step = packing.plan(case, budget)
        sizes[reduction, step] = sum(
            len(d) for _, data in packing.chunks(small, step) for d in data
        )
        assert sizes[reduction, step] <= budget
    assert len(sizes) == 3 and max(reduction for reduction, _ in sizes) > 1
    with pytest.raises(InputError, match="cannot be packed into"):
        packing.plan(case, 100)


def test_reduced_case_keeps_its_place():
    hu = np.arange(2 * 4 * 4, dtype=np.int16).reshape(2, 4, 4)
    small = packing.reduced(checked_case(as_volume(hu)), 2)
    assert small.hu.tolist() == [[[2, 4], [10, 12]], [[18, 20], [26, 28]]]
    # the middle of the first four pixels lies half a pixel from the first pixel's middle
    np.testing.assert_allclose(small.affine @ [0, 0, 0, 1], [-149.6, -139.6, -700, 1])
    np.testing.assert_allclose(small.affine @ [1, 1, 1, 1], [-148, -138, -695, 1])


def test_150_noisy_slices_travel_in_45_megabytes():
    rng = np.random.default_rng(1)  # white noise of 40 HU in every voxel, air and couch too
    hu = rng.normal(-200, 40, (8, 512, 512)).round().astype(np.int16)
    mask = (rng.random((8, 64, 64)) > 0.5).repeat(8, 1).repeat(8, 2)
    size = sum(len(part) for part in packing.pack(checked_case(hu, mask, ~mask), 0))
    assert size * 150 / 8 < 45e6
