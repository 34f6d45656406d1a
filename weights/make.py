"""The recipe of the shipped weights: `python -m weights.make FOLDER` trains and writes them.

FOLDER is a data set of real patients (Images/, Segmentations/). Training begins on the phantom and
goes on with the patients, both with the `best` preset, whose settling and whose statistics taken
anew are part of training. Runs go to build/weights; one that was killed goes on where it was.
"""

import argparse

import numpy as np

from utils.cases import Pair, create_paired_data, load_cases, load_masks
from utils.dataset import SliceDataset, Split, split_cases
from utils.predict import WEIGHTS
from utils.settings import preset, settings_to_json
from utils.training import save_weights, train
from utils.workspace import REPOSITORY, written_whole

RUNS = REPOSITORY / "build" / "weights"
NEAR = 25.0  # mm from the first and the last lung slice: where all that is difficult happens
PHANTOM_EPOCHS = 4


def telling_slices(mask, step):
    """Numbers of the slices worth training on: all near the lung's ends, every second elsewhere.

    mask : [slices, rows, cols]; step : mm between slices. Neighbours in the middle of the lung
    are nearly copies of one another; the time is better spent on the ends.
    """
    lung = np.flatnonzero(mask.any((1, 2)))
    z = np.arange(len(mask))
    near = (np.abs(z - lung[0]) * step <= NEAR) | (np.abs(z - lung[-1]) * step <= NEAR)
    return np.flatnonzero(near | (z % 2 == 0))


def telling_pairs(pairs):
    """The pairs with no more than their `telling_slices`."""
    telling = {}
    for name, (hu, mask, spacing) in pairs.items():
        chosen = telling_slices(mask, spacing[0])
        telling[name] = Pair(hu[chosen], mask[chosen], spacing)
    return telling


def train_on(settings, train_set, names, few, folder, start_from):
    """Train on the slices of some patients; returns what `training.train` does.

    The loss on `few`, a handful of phantom slices, is watched but chooses nothing: to choose by
    a patient left out would be to look at the answer.
    """
    split = Split(train=tuple(names), validation=("phantom",), test=())
    return train(settings, split, train_set, few, folder, start_from=start_from)


def begin_on_phantom(settings, runs=RUNS):
    """Weights file of a short run on the phantom, and the few slices that are watched.

    The phantom's test patients are left out, so that they stay unseen for the shipped weights.
    """
    telling = telling_pairs(create_paired_data(load_cases("phantom"), load_masks("phantom")))
    split = split_cases(telling, settings.seed)
    every_third = {name: Pair(hu[::3], mask[::3], mm) for name, (hu, mask, mm) in telling.items()}
    few = SliceDataset(every_third, split.validation, settings)
    short = preset("best", epochs=PHANTOM_EPOCHS, settling_epochs=0, renew_statistics=False)
    names = split.train + split.validation
    train_on(short, SliceDataset(telling, names, settings), names, few, runs / "phantom", None)
    return runs / "phantom" / "last.safetensors", few


def make_weights(dataset):
    """Train on all patients of a data set and write `weights/`."""
    settings = preset("best")
    telling = telling_pairs(create_paired_data(load_cases(dataset), load_masks(dataset)))
    start_from, few = begin_on_phantom(settings)
    names = sorted(telling)
    train_set = SliceDataset(telling, names, settings)
    model, _ = train_on(settings, train_set, names, few, RUNS / "final", start_from)
    save_weights(WEIGHTS / "model.safetensors", model.state_dict(), "see README.md")
    with written_whole(WEIGHTS / "settings.json") as temporary:
        temporary.write_text(settings_to_json(settings) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set of real patients, by name or by path")
    make_weights(parser.parse_args().folder)
