"""How sure is a mean over a few patients? Intervals by resampling them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Interval = tuple[float, float, float]  # mean, low, high
LEVEL, RESAMPLES = 0.95, 10_000


def bootstrap_interval(values: ArrayLike, seed: int = 2024) -> Interval:
    """Mean and 95 % percentile interval of a per-patient score (Efron and Tibshirani 1993, ch. 13).

    values : one number a patient; NaN (undefined) patients are left out. Patients are drawn with
    replacement, not slices: slices of one patient are alike, and an interval over slices would
    be far too narrow. With fewer than about eight patients even this one is too narrow, as the
    worst patient that could come is not among those drawn.

    Returns (mean, low, high); all NaN without values, and low = mean = high for a single one.
    """
    scores = np.asarray(values, float)
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return np.nan, np.nan, np.nan
    draws = np.random.default_rng(seed).choice(scores, (RESAMPLES, len(scores))).mean(1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(scores.mean()), float(low), float(high)


def with_interval(values: ArrayLike, digits: int = 3) -> str:
    """A mean with its 95 % interval as text: "0.987 (0.981 to 0.991)"; "undefined" without any."""
    return interval_text(bootstrap_interval(values), digits)


def interval_text(interval: Interval, digits: int = 3, sign: str = "") -> str:
    """(mean, low, high) as text; sign : "+" for gains, which are told with theirs."""
    if np.isnan(interval[0]):
        return "undefined"
    return "{0:{f}} ({1:{f}} to {2:{f}})".format(*interval, f=f"{sign}.{digits}f")


def interval_numbers(interval: Interval) -> dict[str, float]:
    """(mean, low, high) as `report.save_numbers` takes them."""
    return dict(zip(("mean", "low", "high"), interval, strict=True))


def nested_intervals(
    table: pd.DataFrame, groups: Sequence[str], scores: Sequence[str]
) -> dict[str, Any]:
    """Mean, low and high of each score in each group, nested by the groups' columns.

    table : one row a patient and group. Returns a dict for `report.save_numbers`:
    `{"network": {"left": {"hd95": {"mean": …, "low": …, "high": …}}}}`.
    """
    numbers: dict[str, Any] = {}
    for keys, rows in table.groupby(list(groups), sort=False):
        inner = numbers
        for key in keys:
            inner = inner.setdefault(key, {})
        for score in scores:
            inner[score] = interval_numbers(bootstrap_interval(rows[score]))
    return numbers
