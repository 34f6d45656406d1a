"""The split by patient, slices as tensors, batches."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from utils.cases import Pair
from utils.dataset import EpochBatches, SliceDataset, batches, split_cases, to_unit_range
from utils.errors import InputError
from utils.settings import Settings

HALF = Settings(image_size=4, pixel_size=2.0, window=(-1000.0, 1000.0), levels=1)
MM = (1.0, 1.0, 1.0)


def pairs():
    """Two cases of three and two slices, every slice of a value of its own."""
    result = {}
    for name, values in (("Case_000", (-1000, -500, 0)), ("Case_001", (100, 200))):
        hu = np.array(values, np.int16)[:, None, None] * np.ones((1, 8, 8), np.int16)
        mask = np.zeros((len(values), 8, 8), np.uint8)
        mask[:, :4] = 1
        result[name] = Pair(hu, mask, MM)
    return result


@pytest.mark.parametrize(
    ("cases", "sizes"),
    # 5, 8 and 11: where a third rounded down is not a third rounded
    [
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (8, (5, 1, 2)),
        (11, (6, 2, 3)),
        (12, (6, 2, 4)),
        (60, (32, 8, 20)),
    ],
)
def test_split_by_patient(cases, sizes):
    names = [f"Case_{i:03d}" for i in range(cases)]
    split = split_cases(names, seed=1)
    parts = (split.train, split.validation, split.test)
    assert tuple(map(len, parts)) == sizes
    assert sorted(sum(parts, ())) == names
    assert split == split_cases(reversed(names), seed=1)


def test_split_depends_on_the_seed_and_needs_three():
    names = [f"Case_{i:03d}" for i in range(12)]
    assert split_cases(names, 1) != split_cases(names, 2)
    with pytest.raises(InputError, match=r"2 case\(s\) cannot be split"):
        split_cases(names[:2], 1)


def test_the_reports_splits_have_no_validation_patients():
    names = [f"Case_{i:03d}" for i in range(12)]
    first = split_cases(reversed(names), 1, "first8")
    assert (list(first.train), first.validation, list(first.test)) == (names[:8], (), names[8:])
    drawn = split_cases(names, 1, "random8")
    assert len(drawn.train) == 8 and drawn.validation == () and drawn != first
    assert sorted(drawn.train + drawn.test) == names
    assert drawn == split_cases(reversed(names), 1, "random8") != split_cases(names, 2, "random8")
    assert len(split_cases(names, 1, "first11").test) == 1
    with pytest.raises(InputError, match=r"8 case\(s\) cannot be split by the rule 'first8'.* 9"):
        split_cases(names[:8], 1, "first8")
    for rule in ("last8", "first0", "first", "thirds8", "first8\n"):
        with pytest.raises(InputError, match="There is no split"):
            split_cases(names, 1, rule)


def test_a_pixel_keeps_its_share_of_lung_and_its_rounded_hu():
    block = np.array([[3, 3], [3, 2]], np.int16)
    hu = np.block([[block, -block], [0 * block, 4 * block]])[None]  # means 2.75, -2.75, 0, 11
    mask = np.zeros((1, 4, 4), np.uint8)
    mask[0, :2, :2], mask[0, 3, 3] = [[1, 1], [1, 0]], 1
    two = Settings(image_size=2, pixel_size=2.0, window=(-100.0, 100.0), levels=1)
    dataset = SliceDataset({"a": Pair(hu, mask, MM)}, ["a"], two)
    assert dataset.hu.tolist() == [[[3, -3], [0, 11]]]
    truth = dataset[0][1][0]
    assert truth.flatten().tolist() == pytest.approx([3 / 4, 0, 0, 1 / 4], abs=0.5 / 255)


def test_window_maps_its_ends_to_0_and_1():
    hu = torch.tensor([-2000, -1000, -300, 400, 3000], dtype=torch.int16)
    assert to_unit_range(hu, (-1000, 400)).tolist() == [0, 0, 0.5, 1, 1]


def test_items_know_their_case_and_slice():
    dataset = SliceDataset(pairs(), ["Case_001", "Case_000"], HALF)
    assert dataset.index[:3] == [("Case_001", 0), ("Case_001", 1), ("Case_000", 0)]
    image, truth = dataset[1]
    assert image.shape == truth.shape == (1, 4, 4)
    assert image.unique().tolist() == pytest.approx([0.6])  # 200 HU
    assert truth[0, :, 0].tolist() == [1, 1, 0, 0]


def test_long_cases_keep_their_order():
    """More slices than are resampled at once, and not a multiple of them."""
    hu = np.arange(37, dtype=np.int16)[:, None, None] * np.ones((1, 8, 8), np.int16)
    masks = (hu % 2).astype(np.uint8)
    cases = {"a": Pair(hu, masks, MM), "b": Pair(hu + 100, masks, MM)}
    dataset = SliceDataset(cases, ["b", "a"], HALF)
    expected = [*range(100, 137), *range(37)]
    assert dataset.hu[:, 2, 1].tolist() == expected
    assert dataset.truth[:, 3, 3].tolist() == [255 * (value % 2) for value in expected]


def test_the_set_can_be_moved_and_the_first_stays():
    dataset = SliceDataset(pairs(), ["Case_000"], HALF)
    moved = dataset.to("meta")
    assert moved.hu.device.type == moved.truth.device.type == "meta"
    assert dataset.hu.device.type == "cpu" and len(moved) == len(dataset) == 3
    assert dataset.nbytes == 3 * 4 * 4 * 3  # two bytes of HU and one of mask


def test_a_batch_is_gathered_at_once_and_is_the_same_item_by_item():
    dataset = SliceDataset(pairs(), ["Case_000", "Case_001"], HALF)
    images, truths = next(iter(batches(dataset, 5)))
    one_by_one = next(iter(DataLoader(dataset, 5)))
    assert torch.equal(images, one_by_one[0]) and torch.equal(truths, one_by_one[1])


def test_shuffling_is_decided_by_the_seed():
    dataset = SliceDataset(pairs(), ["Case_000", "Case_001"], HALF)

    def order(seed):
        return [
            round(image.mean().item(), 3)
            for image, _ in batches(dataset, 1, shuffle=True, seed=seed)
        ]

    assert order(3) == order(3)
    assert sorted(order(3)) == sorted(order(4)) and order(3) != order(4)


def test_the_last_batch_may_be_of_one_slice():
    sampler = EpochBatches(11, 5, shuffle=False, seed=0)
    assert list(sampler) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10]] and len(sampler) == 3


def test_every_epoch_has_an_order_of_its_own_that_can_be_repeated():
    def order(epoch):
        sampler = EpochBatches(40, 8, shuffle=True, seed=1)
        sampler.epoch = epoch
        return [*itertools.chain(*sampler)]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2)) == list(range(40))
