"""Other networks in the place of our U-Net, trained and scored as in the loss study."""

import dataclasses

import pandas as pd
import torch
from tqdm.auto import tqdm

import studies
from benchmarks.loss_study import SEEDS
from studies import scores_of
from utils.cases import create_paired_data, load_cases, load_masks
from utils.dataset import SliceDataset, split_cases
from utils.inference import segment
from utils.training import Trainer


def compute_as_the_study():
    """One thread and no denormal numbers, as in the loss study."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def phantom_sets():
    """Pairs and split of the phantom, its training and its validation slices."""
    pairs = create_paired_data(load_cases("phantom"), load_masks("phantom"))
    split, base = split_cases(pairs, seed=2024), studies.SMALL
    sets = [SliceDataset(pairs, names, base) for names in (split.train, split.validation)]
    return pairs, split, sets


def trained(settings, train_set, validation_set, build):
    """A network in evaluation mode, trained by `Trainer` in the place of our U-Net."""
    run = Trainer(build(settings), settings, train_set, validation_set)
    while not run.is_over():
        run.run_epoch()
    return run.finished_model()


def runs_of(name, settings, build, pairs, split, sets):
    """Scores of a network of slices, one run for each of the study's seeds; see `scores_of`."""
    rows = []
    for seed in tqdm(SEEDS, desc=name, unit="run"):
        own = dataclasses.replace(settings, seed=seed)
        model = trained(own, *sets, build)
        masks = {
            case: segment(model, pairs[case].hu, own, pairs[case].spacing, 64)
            for case in split.validation
        }
        rows.append(scores_of(name, seed, masks, pairs))
    return pd.concat(rows)
