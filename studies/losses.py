"""Which loss learns best? The same small training with one thing changed at a time."""

import contextlib
import dataclasses
import io
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn
from tqdm.auto import tqdm

from studies.plan import PLAN, SMALL
from utils import evaluation, training
from utils.cases import Pair, Pairs
from utils.dataset import SliceDataset, Split
from utils.errors import InputError
from utils.inference import segment
from utils.settings import Settings
from utils.workspace import REPOSITORY

SCORES, COUNTS = PLAN["scores"], PLAN["counts"]  # names, and digits after the point
MOST_WORKERS = 8  # each holds torch and the slices: about half a gigabyte


def run_study(
    configurations: dict[str, dict[str, Any]],
    seeds: Sequence[int],
    pairs: Pairs,
    split: Split,
    folder: Path,
    base: Settings = SMALL,
) -> pd.DataFrame:
    """Train every configuration with every seed and score it on the validation patients.

    configurations : name -> fields of `base` that it changes; pairs : of
    `cases.create_paired_data`; split : of `utils.dataset`; folder : where the runs are kept, so
    that a second call trains only what is new. Test patients are not looked at. Returns a
    DataFrame, one row a configuration, seed and patient, with `patient_metrics`, `diverged` and
    `epoch_scores`; a run that diverges scores as one that finds nothing.

    Images are so small that a second thread saves a run next to nothing; a second run beside it
    does. So each run has a process and one thread, which also makes its result the same on
    however many cores.
    """
    plan = [
        (name, dataclasses.replace(base, seed=seed, **changes))
        for name, changes in configurations.items()
        for seed in seeds
    ]
    sets = [SliceDataset(pairs, names, base) for names in (split.train, split.validation)]
    scored = {name: _in_memory(pairs[name]) for name in split.validation}
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half
    workers = min(len(plan), os.cpu_count() or 1, MOST_WORKERS)
    with ProcessPoolExecutor(workers, context, _share, (folder, scored, split, sets)) as pool:
        rows = list(tqdm(pool.map(_run, plan), total=len(plan), desc="training", unit="run"))
    return pd.concat(rows, ignore_index=True)


def _in_memory(pair: Pair) -> Pair:
    """A pair without its mapped file, which another process would not find."""
    return pair._replace(hu=np.array(pair.hu), mask=np.array(pair.mask))


def study_run_folder(folder: Path, name: str, seed: int) -> Path:
    """Where the run of a configuration and seed is kept."""
    return folder / f"{name} seed {seed}".replace(" ", "_").replace(",", "")


_shared: dict[str, Any] = {}  # of a worker process: what all of its runs have in common


def _share(folder, pairs, split, sets):
    """Begin a worker: hold where runs are kept, data and split; one thread.

    Where Dice is sure, its gradients fall below 1e-38, and processors take such numbers many
    times more slowly than others; here they are set to zero. Never do so where surface distances
    are taken: SciPy's KDTree (1.17.1) then splits points whose least coordinate is 0 without end.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    _shared.update(folder=folder, pairs=pairs, split=split, sets=sets)


def _run(task):
    """One run of the plan in a worker, without its lines and bars."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return trained_and_scored(*task, **_shared)


def trained_and_scored(name, settings, folder, pairs, split, sets):
    """Train one configuration with the seed of its settings; scores of the validation patients.

    Returns a DataFrame, see `run_study`.
    """
    run = study_run_folder(folder, name, settings.seed)
    try:
        model, history = training.train(settings, split, *sets, run)
    except InputError:
        masks = {case: np.zeros_like(pairs[case].mask) for case in split.validation}
        return scores_of(name, settings.seed, masks, pairs).assign(diverged=True)
    masks = {
        case: segment(model, pairs[case].hu, settings, pairs[case].spacing, 64)
        for case in split.validation
    }
    scores = scores_of(name, settings.seed, masks, pairs).assign(diverged=False)
    return scores.assign(**epoch_scores(history))


def scores_of(name: str, seed: int, masks: dict[str, np.ndarray], pairs: Pairs) -> pd.DataFrame:
    """`patient_metrics` of some patients: DataFrame, one row a patient, with `loss` and `seed`.

    masks : case -> uint8 mask; pairs : of `cases.create_paired_data`.
    """
    slices = [
        evaluation.slice_metrics(mask, pairs[case].mask).assign(case=case, split="validation")
        for case, mask in masks.items()
    ]
    return evaluation.patient_metrics(pd.concat(slices)).assign(loss=name, seed=seed)


def epoch_scores(history):
    """Validation DSC, at the network's size, of the epochs that different rules would keep.

    `kept_by_loss` : least validation loss, as `training.train` does; `kept_by_accuracy` : most
    binary accuracy, the only metric of the reports; `kept_by_dsc` : most DSC; `kept_last`.
    """
    rules = {
        "by_loss": history["validation_loss"].idxmin(),
        "by_accuracy": history["validation_accuracy"].idxmax(),
        "by_dsc": history["validation_dsc"].idxmax(),
        "last": history.index[-1],
    }
    return {f"kept_{rule}": history.loc[i, "validation_dsc"] for rule, i in rules.items()}


def published_table(name: str) -> tuple[pd.DataFrame, str]:
    """A table of benchmarks/results and its first line, which says when and on what it was made.

    name : that of the file, such as "loss_study". Returns (DataFrame, in most of these files as
    of `run_study`, and text).
    """
    file = REPOSITORY / "benchmarks" / "results" / f"{name}.csv"
    about = file.read_text("utf-8").partition("\n")[0]
    return pd.read_csv(file, comment="#"), about.removeprefix("# ")


def study_table(results: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Mean and interval of each score: DataFrame indexed by `loss`, cells (mean, low, high).

    The interval is over runs, that is seeds: it says how much of a difference is luck of the
    start and the order, for these patients. Patients are averaged within a run first.
    """
    runs = results.groupby(["loss", "seed"])[list(SCORES)].mean()
    return pd.DataFrame(
        {
            score: {name: evaluation.bootstrap_interval(runs.loc[name, score]) for name in order}
            for score in SCORES
        }
    )


def study_gain(
    results: pd.DataFrame, before: str, after: str, score: str
) -> tuple[float, float, float]:
    """What a change brings: mean and interval over seeds of `score`, after minus before.

    Runs of one seed start from the same weights and see the slices in the same order, so they
    are compared in pairs.
    """
    runs = results.groupby(["loss", "seed"])[score].mean()
    return paired_gain(runs.loc[before], runs.loc[after])


def paired_gain(before: ArrayLike, after: ArrayLike) -> tuple[float, float, float]:
    """Mean and interval of the patients' differences, after minus before.

    The same patients in the same order on both sides: what all of them share cancels, so a gain
    can be certain where the two means' own intervals overlap.
    """
    return evaluation.bootstrap_interval(np.asarray(after, float) - np.asarray(before, float))


def table_as_text(table: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """The table with cells such as "0.961 (0.958 to 0.964)"; counts with their own digits."""
    return table.apply(
        lambda scores: scores.map(evaluation.interval_text, digits=COUNTS.get(scores.name, digits))
    )


def pull_at_missed_pixel(loss: nn.Module, lung_pixels: int, size: int = 64) -> float:
    """How hard a loss pulls at one pixel of a lung that a network misses altogether.

    A slice of size x size holds `lung_pixels` of lung; the network gives a logit of -4 everywhere.
    Returns |dL / d logit| at a pixel of lung; at a pixel of background when there is none.
    """
    truth = torch.zeros(1, 1, size, size)
    truth.view(-1)[:lung_pixels] = 1
    logits = torch.full_like(truth, -4.0).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, truth), logits)
    return gradient.view(-1)[0].abs().item()
