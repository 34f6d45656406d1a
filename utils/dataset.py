"""From volumes and masks to batches: the split by patient, slices as tensors."""

import copy
import dataclasses
import re
from collections.abc import Iterable, Sequence
from math import floor
from typing import Protocol, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm.auto import tqdm

from utils import runtime
from utils.anatomy import body_in_air
from utils.cases import Pairs
from utils.errors import refusals
from utils.runtime import rank_and_count
from utils.scale import AIR, square_grid
from utils.settings import Settings

refusal = refusals(__file__)


class BatchSource(Protocol):
    """What training takes: any data set that gathers a batch at once, images and truths."""

    def __len__(self) -> int: ...

    def __getitems__(self, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]: ...


@dataclasses.dataclass(frozen=True)
class Split:
    """Which patients train, which choose the model, and which are looked at once, at the end."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def split_cases(names: Iterable[str], seed: int, rule: str = "thirds") -> Split:
    """Divide patients into those that train, those that validate and those that test.

    Slices of one patient look alike, so they stay on one side: a split by slice would let the
    network meet its test patients in training. rule : "thirds" draws a third of the patients for
    testing and a fifth of the rest for validation: twelve give 6 + 2 + 4, four give 2 + 1 + 1.
    "first8" trains on the first eight by name, "random8" on eight at random (or any number), and
    tests on all others; nobody validates. Raises InputError for too few patients, or another rule.
    """
    names = sorted(names)
    kind = re.fullmatch(r"thirds|(first|random)([1-9]\d{0,5})", rule)
    if kind is None:
        raise refusal("no split", rule)
    training = int(kind[2] or 2)
    if len(names) <= training:
        raise refusal("few cases", len(names), rule, training + 1)
    if rule == "thirds":
        return divided(names, max(1, floor(len(names) / 3)), 1 / 5, seed)
    order = names if kind[1] == "first" else np.random.default_rng(seed).permutation(names).tolist()
    return Split(tuple(sorted(order[:training])), (), tuple(sorted(order[training:])))


def divided(patients: Sequence[str], n_test: int, validation: float, seed: int) -> Split:
    """A Split of sorted patients at random: `n_test` to test, a share of the others to validate.

    validation : share, rounded to whole patients, one at least.
    """
    shuffled = [str(patient) for patient in np.random.default_rng(seed).permutation(patients)]
    n_validation = max(1, round(validation * (len(patients) - n_test)))
    return Split(
        train=tuple(sorted(shuffled[n_test + n_validation :])),
        validation=tuple(sorted(shuffled[n_test : n_test + n_validation])),
        test=tuple(sorted(shuffled[:n_test])),
    )


class SliceDataset(Dataset):
    """All slices of some patients at the network's scale, ready to be gathered in batches.

    pairs : name -> `cases.Pair`. settings : decide the square of `image_size` pixels of
    `pixel_size` mm (`scale.square_grid`, also for its InputError), the window, and whether what
    lies around the body is replaced by air (`anatomy.body_in_air`).

    Everything is resampled once and then lies in memory, or in a mapped file when it does not
    fit (see `runtime.large_empty`): int16 HU and uint8 masks of [slices, size, size], at 128 a
    tenth of what the volumes take. Windowing to 0…1 waits until a batch is asked for.

    The truth of a pixel is the share of it that is lung, kept in 255ths: a pixel that the
    outline cuts is neither 0 nor 1. A network that learns shares can draw the outline, on the
    way back to full size, finer than its pixels; one that learns rounded masks cannot.

    An item is (image float32 [1, size, size], truth float32 [1, size, size]); several at once
    are gathered by one indexing operation. `index` lists (case, slice) of each item.
    """

    def __init__(self, pairs: Pairs, names: Sequence[str], settings: Settings) -> None:
        self.window, size = settings.window, settings.image_size
        self.index = [(name, z) for name in names for z in range(len(pairs[name].hu))]
        self.hu = runtime.large_empty((len(self.index), size, size), np.int16)
        self.truth = runtime.large_empty((len(self.index), size, size), np.uint8)
        item = 0
        for name in tqdm(names, desc="resampling", unit="case", leave=False):
            volume, mask, spacing = pairs[name]
            hu = body_in_air(volume) if settings.body_only else volume
            grid = square_grid(name, volume, mask, spacing, settings)
            for first in range(0, len(hu), 16):  # few at a time: floats take twice the room
                some = slice(first, first + 16)
                slices, masks = (torch.from_numpy(np.array(array[some])) for array in (hu, mask))
                here = slice(item, item := item + len(slices))
                self.hu[here] = grid.to_network(slices, AIR).round()
                self.truth[here] = (255 * grid.to_network(masks, 0)).round()
            runtime.forget_pages(volume)

    def __len__(self):
        return len(self.index)

    @property
    def nbytes(self) -> int:
        """What the slices and masks take, in bytes."""
        return self.hu.nbytes + self.truth.nbytes

    def to(self, device: torch.device | str) -> Self:
        """The same data set with its slices and masks on a device; this one stays where it is."""
        moved = copy.copy(self)
        moved.hu, moved.truth = self.hu.to(device), self.truth.to(device)
        return moved

    def __getitem__(self, i):
        images, truths = self.__getitems__([i])
        return images[0], truths[0]

    def __getitems__(self, indices):
        """The hook by which DataLoader asks for a whole batch at once."""
        images = to_unit_range(self.hu[indices], self.window)
        return images[:, None], self.truth[indices][:, None].float() / 255


def to_unit_range(hu: torch.Tensor, window: tuple[float, float]) -> torch.Tensor:
    """Map HU linearly so that the window's ends become 0 and 1, clipped outside; float32."""
    low, high = window
    return ((hu.float() - low) / (high - low)).clamp_(0, 1)


class EpochBatches(Sampler):
    """Which slices go into which batch: lists of indices, shuffled anew for each `epoch`.

    The order is drawn from seed and epoch alone, so an epoch can be repeated by itself. Where
    several processes train together, each takes its share of every batch. When learning, the
    shares must be equal: up to as many slices as there are processes, less one, then wait for
    another epoch. Shuffled is for learning. Raises InputError when a batch cannot be shared.
    """

    def __init__(self, slices: int, batch_size: int, shuffle: bool, seed: int) -> None:
        self.slices, self.batch_size, self.shuffle, self.seed = slices, batch_size, shuffle, seed
        self.epoch = 0
        self.rank, self.processes = rank_and_count()
        if shuffle and batch_size % self.processes:
            raise refusal("no share", batch_size, self.processes)

    def __len__(self):
        least = self.processes if self.shuffle else self.rank + 1  # that gives us a share
        return self.slices // self.batch_size + (self.slices % self.batch_size >= least)

    def __iter__(self):
        order = np.arange(self.slices)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for number in range(len(self)):
            batch = order[number * self.batch_size : (number + 1) * self.batch_size]
            if self.shuffle:
                batch = batch[: len(batch) // self.processes * self.processes]
            yield batch[self.rank :: self.processes].tolist()


def batches(
    dataset: BatchSource, batch_size: int, shuffle: bool = False, seed: int = 0
) -> DataLoader:
    """A DataLoader over slices; shuffled in an order that the seed decides.

    dataset : a SliceDataset, or any other whose `__getitems__` gathers a batch at once.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # torch asks for its own class but uses no more than this
        batch_sampler=EpochBatches(len(dataset), batch_size, shuffle, seed),
        collate_fn=lambda batch: batch,  # __getitems__ has collated it already
    )
