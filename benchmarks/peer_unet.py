"""MONAI's BasicUNet trained just as notebook 05 trains our U-Net: same slices, steps and loss.

    python -m benchmarks.peer_unet          a few minutes on two cores

MONAI belongs into an environment of its own; benchmarks/training_speed.py says how. Notebook 05
shows the result, benchmarks/results/peer_unet.csv: the phantom's validation patients.
"""

import dataclasses
from unittest import mock

import pandas as pd
import torch
from monai.networks.nets import BasicUNet
from tqdm.auto import tqdm

from benchmarks.loss_study import SEEDS, publish
from benchmarks.results import FOLDER
from utils import study_plan
from utils.dataset import SliceDataset, split_cases
from utils.loss_study import scores_of
from utils.masks import load_masks
from utils.pairing import create_paired_data
from utils.predict import segment
from utils.trainer import Trainer
from utils.volumes import load_cases

RESULTS = FOLDER / "peer_unet.csv"
LOSSES = ("adaptive", "0.5 BCE + 0.5 Dice")


def basic_unet(settings, dimensions=2):
    """BasicUNet of our widths; its fifth level, which ours lacks, is no wider than the fourth."""
    torch.manual_seed(settings.seed)
    width = settings.width
    features = (width, 2 * width, 4 * width, 8 * width, 8 * width, width)
    return BasicUNet(dimensions, 1, 1, features=features, norm="batch", dropout=settings.dropout)


def trained(settings, train_set, validation_set, build=basic_unet):
    """A network in evaluation mode, trained by `Trainer` in the place of our U-Net."""
    with mock.patch("utils.trainer.build_unet", build):
        run = Trainer(settings, train_set, validation_set)
    while not run.is_over():
        run.run_epoch()
    run.model.load_state_dict(run.best_weights)
    return run.model.eval()


def phantom_sets():
    """Pairs and split of the phantom, its training and its validation slices."""
    pairs = create_paired_data(load_cases("phantom"), load_masks("phantom"))
    split, base = split_cases(pairs, seed=2024), study_plan.SMALL
    sets = [
        SliceDataset(pairs, names, base.image_size, base.window)
        for names in (split.train, split.validation)
    ]
    return pairs, split, sets


def compute_as_the_study():
    """One thread and no denormal numbers, as in the loss study."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def main():
    compute_as_the_study()
    pairs, split, sets = phantom_sets()
    rows = []
    for loss in LOSSES:
        for seed in tqdm(SEEDS, desc=loss, unit="run"):
            settings = dataclasses.replace(study_plan.SMALL, seed=seed, **study_plan.FULL[loss])
            model = trained(settings, *sets)
            masks = {
                name: segment(model, pairs[name][0], settings, 64) for name in split.validation
            }
            rows.append(scores_of(f"MONAI BasicUNet, {loss}", seed, masks, pairs))
        publish(pd.concat(rows), RESULTS, "torch", "monai")


if __name__ == "__main__":
    main()
