"""What the five reports wished for in their last pages, where it is done, what it brought."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from utils.evaluation import interval_numbers, interval_text, paired_gain
from utils.studies.losses import study_gain
from utils.workspace import figures_folder

EQUAL = "0.5 BCE + 0.5 Dice"
FIRST = "0.7 BCE + 0.3 Dice, 1310 px"
PEER = "MONAI BasicUNet"
TOLD = {
    "dsc_lung_slices": ("DSC of lung slices", 4),
    "lung_free_false_positive_px": ("false positive px", 0),
    "lungs_iou": ("IoU of lungs in X-rays", 4),  # benchmarks/modalities.py alone
}

# (reports, wish, before, after): two configurations of the loss study, or two peers
STUDIED = (
    ("1, 2", "a loss that adapts to how much lung a slice holds", EQUAL, "adaptive"),
    ("1, 2", "the same, against the first report's own loss", FIRST, "adaptive"),
    ("1", "another weight of cross-entropy: 0.5 for 0.7", FIRST, f"{EQUAL}, 1310 px"),
    ("2", "a share of Dice at all", "BCE", EQUAL),
    ("2", "more Dice: 0.7 for 0.5", EQUAL, "0.3 BCE + 0.7 Dice"),
    ("1", "another DSC threshold", FIRST, "0.7 BCE + 0.3 Dice, 20 px"),
    ("2", "a lower learning rate: 0.01 for 0.1", f"{EQUAL}, rate 0.1", EQUAL),
    ("1", "a lower learning rate: 0.001 for 0.01", EQUAL, f"{EQUAL}, rate 0.001"),
    ("1", "more epochs: 10 for 5", EQUAL, "10 epochs"),
    ("1", "a rate that falls when validation stalls", EQUAL, "plateau"),
    ("1", "another optimiser: RMSprop for Adam", EQUAL, "RMSprop"),
    ("1, 4", "more dropout: 0.5 for 0.1", EQUAL, "dropout 0.5"),
    ("4", "regularisation: weight decay", EQUAL, "weight decay"),
    ("1, 2, 3, 4", "augmentation: turns, shifts, zooms, flips", "adaptive", "adaptive, augmented"),
    ("1, 2, 3, 4", "the same, equal parts, 10 epochs", "10 epochs", "10 epochs, augmented"),
    ("2", "augmentation: Gaussian blur", EQUAL, "blurred"),
    ("1, 3, 4", "more patients: six for three", "half the patients", EQUAL),
    ("2", "images without the couch", EQUAL, "without couch"),
    ("4", "weak supervision: no reader's labels to learn from", EQUAL, "labels by threshold"),
    ("1, 4", "batch normalisation", f"U-Net without batch normalisation, {EQUAL}", EQUAL),
    ("4", "several modalities together", "X-rays alone", "X-rays and CT slices"),
    ("5", "three dimensions: slabs of 16 slices", f"{PEER}, {EQUAL}", f"{PEER} in 3-D, {EQUAL}"),
)
# (reports, wish, before, after): which epoch of a run is kept, its validation DSC at 64²
KEPT = (
    ("1", "a validation set: its best epoch for the last", "kept_last", "kept_by_loss"),
    ("1", "mean DSC in every epoch, to choose by for accuracy", "kept_by_accuracy", "kept_by_dsc"),
)
# Notebook, data set or None for the one at hand, exported file, score
TEST = ("04", None, "metrics", "3-D DSC of test patients")
CT = ("06", None, "robustness", "DSC of lung slices")
NOISE = ("06", "synthetic_tomography", "noise_study", "mean Dice of three classes")
XRAYS = ("07", "synthetic_xrays", "xrays", "IoU of lungs")
# (reports, wish, source) -> dotted names of the numbers before and after, or of the gain alone
EXPORTED = {
    ("1, 2", "fewer false lungs", TEST): (
        "challenge.network.both.dsc",
        "challenge.postprocessed.both.dsc",
    ),
    ("3, 4", "transfer learning", XRAYS): ("fine_tuning_gain",),
    ("3", "other scanners: noise in training, judged on much noise", CT): (
        "gaussian_noise_hu.worst.as_it_comes",
        "gaussian_noise_hu.worst.noise_in_training",
    ),
    ("4", "uneven grey: brightness in training, judged on an offset of 200 HU", CT): (
        "intercept_too_high_by_hu.at_200.as_it_comes",
        "intercept_too_high_by_hu.at_200.brightness_in_training",
    ),
    ("5", "noise in training, judged on noise", NOISE): (
        "baseline_noisy",
        "noise_in_training_noisy",
    ),
    ("5", "noisy pictures only, judged on clean ones", NOISE): (
        "baseline_clean",
        "noisy_pictures_only_clean",
    ),
    ("5", "how few pictures are enough", NOISE): ("most", "fewest"),
    ("5", "one picture and its augmentation", NOISE): ("one_picture", "one_picture_augmented"),
    ("5", "a further set labelled by the network that bears noise best", NOISE): (
        "further_baseline",
        "further_noise_in_training",
    ),
    ("5", "crops to learn from", NOISE): ("baseline_clean", "crops_of_48_px"),
    ("5", "smaller pictures", NOISE): ("baseline_clean", "half_the_size"),
}


def wish_table(results: pd.DataFrame, dataset: Path | str) -> pd.DataFrame:
    """Every wish with what it brought: columns report, wish, notebook, what it brought.

    results : runs of `plan.FULL`, `plan.other_data`, peers and modalities on the
    phantom, as published in benchmarks/results; dataset : whose exported numbers are read. What
    another notebook exports and has not yet is named as missing.
    """
    rows = [(*row[:2], "05", _studied(results, *row[2:])) for row in STUDIED]
    rows += [(*row[:2], "03, 05", _text(kept_gain(results, *row[2:]), "DSC", 4)) for row in KEPT]
    for (reports, wish, source), names in EXPORTED.items():
        rows.append((reports, wish, source[0], _exported(dataset, source, *names)))
    return pd.DataFrame(rows, columns=["report", "wish", "notebook", "what it brought"])


def wish_numbers(results: pd.DataFrame) -> dict[str, Any]:
    """The gains of the loss study as numbers: wish -> score -> mean, low, high; to be exported."""
    numbers = {}
    known = set(results["loss"])
    for _, wish, before, after in STUDIED:
        if not {before, after} <= known:
            continue
        numbers[wish] = {
            score: interval_numbers(gained)
            for score, gained in _gains(results, before, after).items()
        }
    for _, wish, before, after in KEPT:
        numbers[wish] = {"epoch_dsc": interval_numbers(kept_gain(results, before, after))}
    return numbers


def kept_gain(results, before, after):
    """Mean and interval over seeds of what keeping another epoch brings at the usual rate.

    Each seed's mean is over all losses that are trained as `plan.SMALL` says.
    """
    usual = results[~results["diverged"] & (results["kept_last"] > 0)]
    usual = usual[~usual["loss"].str.contains("rate|epochs|patients")]
    seeds = usual.groupby("seed")[[before, after]].mean()
    return paired_gain(seeds[before], seeds[after])


def _studied(results, before, after):
    """Gains in all scores that were taken, as one text."""
    if not {before, after} <= set(results["loss"]):
        return "not in benchmarks/results: run its benchmark first"
    gains = _gains(results, before, after)
    return "; ".join(_text(gains[score], *TOLD[score]) for score in gains)


def _gains(results, before, after):
    """Score -> mean gain and its interval, of those of TOLD that these runs have."""
    taken = results.loc[results["loss"] == after].dropna(axis="columns", how="all").columns
    return {score: study_gain(results, before, after, score) for score in TOLD if score in taken}


def _text(interval, title, digits):
    """ "DSC +0.012 (+0.003 to +0.020)" """
    return f"{title} {interval_text(interval, digits, sign='+')}"


def _exported(dataset, source, *names):
    """Scores before and after, or the gain, from the numbers that another notebook exported."""
    notebook, own, file, title = source
    folder = figures_folder(own or dataset)
    try:
        numbers = json.loads((folder / f"{file}.json").read_text())
        intervals = [_interval(numbers, path) for path in names]
    except (OSError, ValueError, KeyError):
        return f"run notebook {notebook} first"
    if len(names) == 1:
        return _text(intervals[0], title, 4)
    before, after = map(interval_text, intervals)
    return f"{title} {before} before, {after} after"


def _interval(numbers, path):
    """The interval at a dotted path."""
    for name in path.split("."):
        numbers = numbers[name]
    return tuple(numbers[part] for part in ("mean", "low", "high"))
