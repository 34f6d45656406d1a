"""Which loss learns best? The same small training with one thing changed at a time."""

import dataclasses

import pandas as pd
import torch
from IPython.utils.capture import capture_output
from tqdm.auto import tqdm

from utils import training
from utils.dataset import SliceDataset
from utils.errors import InputError
from utils.evaluation import patient_metrics, slice_metrics
from utils.predict import segment
from utils.settings import Settings
from utils.statistics import bootstrap_interval, paired_gain

# A network that learns in seconds; only comparisons within the study mean anything
SMALL = Settings(image_size=64, width=8, levels=4, batch_size=8, epochs=6, learning_rate=0.01)

# Name -> what it changes in SMALL
REDUCED = {
    "BCE": {"beta": 1.0},
    "soft Dice": {"beta": 0.0},
    "0.7 BCE + 0.3 Dice, 1310 px": {"beta": 0.7},  # the first report
    "0.7 BCE + 0.3 Dice, 20 px": {"beta": 0.7, "dsc_threshold": 20.0},
    "0.5 BCE + 0.5 Dice, rate 0.1": {"learning_rate": 0.1, "dsc_threshold": 0.0},  # the second
    "0.5 BCE + 0.5 Dice": {"dsc_threshold": 0.0},
    "adaptive": {"loss": "adaptive", "beta": 0.5},
    "adaptive, augmented": {
        "loss": "adaptive",
        "beta": 0.5,
        "flip_columns": True,
        "rotate": 8.0,
        "shift": 0.08,
        "zoom": 0.15,
    },
}
FULL = REDUCED | {
    "soft Dice, plain sums": {"beta": 0.0, "loss": "combined_sum"},
    "0.3 BCE + 0.7 Dice, 1310 px": {"beta": 0.3},
    "0.5 BCE + 0.5 Dice, 1310 px": {"beta": 0.5},
    "0.5 BCE + 0.5 Dice, plain sums": {"loss": "combined_sum", "dsc_threshold": 0.0},
    "BCE, rate 0.1": {"beta": 1.0, "learning_rate": 0.1},
    "BCE, rate 0.001": {"beta": 1.0, "learning_rate": 0.001},
    "0.5 BCE + 0.5 Dice, rate 0.001": {"learning_rate": 0.001, "dsc_threshold": 0.0},
    "adaptive, beta 0.3": {"loss": "adaptive", "beta": 0.3},
    "adaptive, rate 0.1": {"loss": "adaptive", "beta": 0.5, "learning_rate": 0.1},
}
SCORES = ("dsc_3d", "dsc_lung_slices", "worst_lung_slice", "hallucinated_px", "accuracy")


def run_study(configurations, seeds, pairs, split, folder, base=SMALL):
    """Train every configuration with every seed and score it on the validation patients.

    configurations : name -> fields of `base` that it changes; pairs, split : of `utils.dataset`;
    folder : where the runs are kept, so that a second call trains only what is new. Test
    patients are not looked at. Returns a DataFrame, one row a configuration, seed and patient,
    with `patient_metrics` and `diverged`; a run that diverges scores as one that finds nothing.
    """
    sets = [
        SliceDataset(pairs, names, base.image_size, base.window)
        for names in (split.train, split.validation)
    ]
    plan = [(name, changes, seed) for name, changes in configurations.items() for seed in seeds]
    rows = []
    for name, changes, seed in tqdm(plan, desc="training", unit="run"):
        settings = dataclasses.replace(base, seed=seed, **changes)
        run = folder / f"{name} seed {seed}".replace(" ", "_").replace(",", "")
        model = _trained(settings, split, sets, run)
        for case in split.validation:
            hu, truth = pairs[case]
            mask = truth * 0 if model is None else segment(model, hu, settings)
            table = slice_metrics(mask, truth).assign(case=case, split="validation")
            scores = patient_metrics(table).iloc[0].to_dict()
            rows.append({"loss": name, "seed": seed, "diverged": model is None, **scores})
    return pd.DataFrame(rows)


def _trained(settings, split, sets, run):
    """The trained model; None when training diverged. Its epochs and bars are not shown."""
    with capture_output():
        try:
            return training.train(settings, split, *sets, run)[0]
        except InputError:
            return None


def study_table(results, order):
    """Mean and interval of each score: DataFrame indexed by `loss`, cells (mean, low, high).

    The interval is over runs, that is seeds: it says how much of a difference is luck of the
    start and the order, for these patients. Patients are averaged within a run first.
    """
    runs = results.groupby(["loss", "seed"])[list(SCORES)].mean()
    return pd.DataFrame(
        {
            score: {name: bootstrap_interval(runs.loc[name, score]) for name in order}
            for score in SCORES
        }
    )


def gain(results, before, after, score):
    """What a change brings: mean and interval over seeds of `score`, after minus before.

    Runs of one seed start from the same weights and see the slices in the same order, so they
    are compared in pairs.
    """
    runs = results.groupby(["loss", "seed"])[score].mean()
    return paired_gain(runs.loc[before], runs.loc[after])


def as_text(table, digits=3):
    """The table with cells such as "0.961 (0.958 to 0.964)"."""
    return table.map(lambda cell: "{0:.{d}f} ({1:.{d}f} to {2:.{d}f})".format(*cell, d=digits))


def pull_at_missed_pixel(loss, lung_pixels, size=64, logit=-4.0):
    """How hard a loss pulls at one pixel of a lung that a network misses altogether.

    A slice of size x size holds `lung_pixels` of lung, and the network gives `logit` everywhere.
    Returns |dL / d logit| at a pixel of lung; at a pixel of background when there is none.
    """
    truth = torch.zeros(1, 1, size, size)
    truth.view(-1)[:lung_pixels] = 1
    logits = torch.full_like(truth, logit).requires_grad_()
    loss(logits, truth).backward()
    return logits.grad.view(-1)[0].abs().item()
