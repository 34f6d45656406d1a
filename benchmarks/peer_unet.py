"""MONAI's BasicUNet trained just as notebook 05 trains our U-Net: same slices, steps and loss.

    python -m benchmarks.peer_unet          a few minutes on two cores

MONAI belongs into an environment of its own; benchmarks/training_speed.py says how. Notebook 05
shows the result, benchmarks/results/peer_unet.csv: the phantom's validation patients.
"""

import dataclasses

import pandas as pd
import torch
from monai.networks.nets import BasicUNet

import studies
from benchmarks.loss_study import publish
from benchmarks.results import FOLDER
from benchmarks.study_runs import compute_as_the_study, phantom_sets, runs_of

RESULTS = FOLDER / "peer_unet.csv"
LOSSES = ("adaptive", "0.5 BCE + 0.5 Dice")


def basic_unet(settings, dimensions=2):
    """BasicUNet of our widths; its fifth level, which ours lacks, is no wider than the fourth."""
    torch.manual_seed(settings.seed)
    width = settings.width
    features = (width, 2 * width, 4 * width, 8 * width, 8 * width, width)
    return BasicUNet(dimensions, 1, 1, features=features, norm="batch", dropout=settings.dropout)


def main():
    compute_as_the_study()
    data, rows = phantom_sets(), []
    for loss in LOSSES:
        settings = dataclasses.replace(studies.SMALL, **studies.FULL[loss])
        rows.append(runs_of(f"MONAI BasicUNet, {loss}", settings, basic_unet, *data))
        publish(pd.concat(rows), RESULTS, "torch", "monai")


if __name__ == "__main__":
    main()
