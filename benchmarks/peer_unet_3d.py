"""Does a third dimension help? MONAI's BasicUNet on slabs of slices, against itself on slices.

    python -m benchmarks.peer_unet_3d          a quarter of an hour on one core

The same widths, patients, pixels and loss as in benchmarks/peer_unet.py, and about as many
steps, each of one slab; its table, benchmarks/results/peer_unet.csv, gets the rows, so run that
one first. A slab is DEPTH neighbouring slices, and it is handed through the training loop as one
tall image, its slices one below the other, so that the loop stays that of slices; the network
folds it up.
"""

import dataclasses

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

import studies
from benchmarks.loss_study import SEEDS, publish
from benchmarks.peer_unet import RESULTS, basic_unet
from benchmarks.study_runs import compute_as_the_study, phantom_sets, trained
from studies import published_table, scores_of
from utils.dataset import to_unit_range
from utils.scale import square_grid

NAME = "MONAI BasicUNet in 3-D, 0.5 BCE + 0.5 Dice"
DEPTH = 16  # slices; five levels halve it four times
STRIDE = DEPTH // 2  # slices from one slab to the next when predicting


class Slabs:
    """Every DEPTH neighbouring slices of each patient, as tall images of DEPTH * size rows."""

    def __init__(self, slices, step):
        """slices : SliceDataset. step : slices from the start of one slab to that of the next."""
        cases = pd.Series([case for case, _ in slices.index])
        self.slices, self.starts = slices, []
        for rows in cases.groupby(cases, sort=False).groups.values():
            self.starts += slab_starts(rows[0], len(rows), step)

    def __len__(self):
        return len(self.starts)

    def __getitems__(self, indices):
        rows = [self.starts[i] + z for i in indices for z in range(DEPTH)]
        images, truths = self.slices.__getitems__(rows)
        tall = (len(indices), 1, DEPTH * images.shape[2], images.shape[3])
        return images.reshape(tall), truths.reshape(tall)


def slab_starts(first, count, step):
    """First slices of the slabs of a patient who begins at `first`; the last slab ends with him."""
    return sorted({*range(first, first + count - DEPTH, step), first + count - DEPTH})


class Folded(nn.Module):
    """A network of three dimensions for tall images: [n, 1, DEPTH * h, w] in, logits alike out."""

    def __init__(self, settings):
        super().__init__()
        self.network = basic_unet(settings, dimensions=3)

    def to(self, device, memory_format):
        return super().to(device)  # channels_last is a layout of four dimensions, not of five

    def forward(self, x):
        volume = x.reshape(len(x), 1, DEPTH, -1, x.shape[3])
        return self.network(volume).reshape(x.shape)


@torch.inference_mode()
def segment(model, slices, case, pair):
    """Mask of a patient on the scan's grid, uint8; logits of overlapping slabs are averaged."""
    rows = [i for i, (name, _) in enumerate(slices.index) if name == case]
    images = to_unit_range(slices.hu[rows], slices.window)
    size = images.shape[1]
    total, count = torch.zeros_like(images), torch.zeros(len(images), 1, 1)
    for start in slab_starts(0, len(images), STRIDE):
        here = slice(start, start + DEPTH)
        tall = images[here].reshape(1, 1, DEPTH * size, size)
        total[here] += model(tall).reshape(DEPTH, size, size)
        count[here] += 1
    grid = square_grid(case, *pair, studies.SMALL)
    return (grid.to_scan(total / count) > 0).to(torch.uint8).numpy()


def main():
    compute_as_the_study()
    pairs, split, (learn, choose) = phantom_sets()
    rows = []
    slabs = Slabs(learn, step=6)  # about as many as there are batches of slices
    for seed in tqdm(SEEDS, desc=NAME, unit="run"):
        settings = dataclasses.replace(studies.SMALL, seed=seed, batch_size=1)
        model = trained(settings, slabs, Slabs(choose, step=STRIDE), Folded)
        masks = {name: segment(model, choose, name, pairs[name]) for name in split.validation}
        rows.append(scores_of(NAME, seed, masks, pairs))
    slices = published_table("peer_unet")[0]
    publish(pd.concat([slices[slices["loss"] != NAME], *rows]), RESULTS, "torch", "monai")


if __name__ == "__main__":
    main()
