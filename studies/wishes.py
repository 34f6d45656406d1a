"""What the five reports wished for in their last pages, where it is done, what it brought."""

import functools
import json
from pathlib import Path
from typing import Any

import pandas as pd

from studies.losses import paired_gain, study_gain
from utils.evaluation import interval_numbers, interval_text
from utils.records import parsed, text_of
from utils.workspace import figures_folder

WISHES = json.loads(Path(__file__).with_name("wishes.json").read_bytes())
# score -> title, digits; IoU comes of benchmarks/modalities.py, `epoch_dsc` of the epoch kept
TOLD = WISHES["told"]
# (reports, wish, before, after): two configurations of the loss study, or two peers
STUDIED = WISHES["studied"]
# the same of which epoch of a run is kept: its validation DSC at the network's size
KEPT = WISHES["kept"]
# name -> notebook, data set (null: the one at hand), exported file and score
SOURCES = WISHES["sources"]
# (reports, wish, source, dotted names of the numbers before and after or of the gain alone)
EXPORTED = WISHES["exported"]


def wish_table(results: pd.DataFrame, dataset: Path | str) -> pd.DataFrame:
    """Every wish with what it brought: columns report, wish, notebook, what it brought.

    results : runs of `plan.FULL`, of other data, peers and modalities on the phantom, as published
    in benchmarks/results; dataset : whose exported numbers are read. What another notebook exports
    and has not yet is named as missing.
    """
    gains = wish_numbers(results)
    rows = [(reports, wish, "05", _told(gains.get(wish, {}))) for reports, wish, *_ in STUDIED]
    rows += [(reports, wish, "03, 05", _told(gains[wish])) for reports, wish, *_ in KEPT]
    for reports, wish, name, *numbers in EXPORTED:
        source = SOURCES[name]
        rows.append((reports, wish, source["notebook"], _exported(dataset, source, numbers)))
    return pd.DataFrame(rows, columns=["report", "wish", "notebook", "what it brought"])


def wish_numbers(results: pd.DataFrame) -> dict[str, Any]:
    """The gains of the loss study as numbers: wish -> score -> mean, low, high; to be exported.

    A wish whose runs are missing is left out; scores are those of TOLD that its runs have.
    """
    numbers = {}
    known = set(results["loss"])
    for _, wish, before, after in STUDIED:
        if {before, after} <= known:
            taken = results[results["loss"] == after].dropna(axis="columns", how="all").columns
            scores = [score for score in TOLD if score in taken]
            gains = {score: study_gain(results, before, after, score) for score in scores}
            numbers[wish] = {score: interval_numbers(gain) for score, gain in gains.items()}
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


def _told(gains):
    """Gains in all scores that were taken: "DSC +0.012 (+0.003 to +0.020); false positive px …"."""
    texts = [_text(gain.values(), *TOLD[score]) for score, gain in gains.items()]
    return "; ".join(texts) or "not in benchmarks/results: run its benchmark first"


def _text(interval, title, digits):
    return f"{title} {interval_text(tuple(interval), digits, sign='+')}"


def _exported(dataset, source, names):
    """Scores before and after, or the gain, from the numbers that another notebook exported."""
    folder = figures_folder(source["dataset"] or dataset)
    try:
        numbers = parsed(text_of(folder / f"{source['file']}.json"), "any")
        found = [functools.reduce(dict.__getitem__, path.split("."), numbers) for path in names]
        intervals = [tuple(each[part] for part in ("mean", "low", "high")) for each in found]
    except (OSError, ValueError, KeyError, TypeError):
        return f"run notebook {source['notebook']} first"
    if len(names) == 1:
        return _text(intervals[0], source["score"], 4)
    before, after = map(interval_text, intervals)
    return f"{source['score']} {before} before, {after} after"
