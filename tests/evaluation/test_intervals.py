"""Intervals over patients, against the normal theory and by hand."""

import numpy as np
import pandas as pd
import pytest

from utils.evaluation import intervals
from utils.evaluation.intervals import (
    bootstrap_interval,
    interval_text,
    nested_intervals,
    with_interval,
)


def test_agrees_with_the_normal_interval_on_many_patients(monkeypatch):
    values = np.random.default_rng(0).normal(0.9, 0.05, 400)
    mean, low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.0006)
    monkeypatch.setattr(intervals, "LEVEL", 0.5)
    middle = bootstrap_interval(values)[1:]
    half = 0.6745 * values.std() / 20
    assert middle == pytest.approx((mean - half, mean + half), abs=0.0003)


def test_two_patients_by_hand():
    """Of two, draws are (a, a), (a, b), (b, a), (b, b): the tails are the patients themselves."""
    assert bootstrap_interval([0.8, 0.9]) == pytest.approx((0.85, 0.8, 0.9))


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random(12)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)


def test_undefined_patients_are_left_out():
    assert bootstrap_interval([0.5, np.nan]) == (0.5, 0.5, 0.5)
    assert np.isnan(bootstrap_interval([np.nan])).all() and np.isnan(bootstrap_interval([])).all()


def test_intervals_are_printed_with_their_mean():
    assert with_interval([0.8, 0.9], digits=2) == "0.85 (0.80 to 0.90)"
    assert with_interval([0.8, 0.9]) == "0.850 (0.800 to 0.900)"
    assert interval_text((0.987, 0.981, 0.991)) == "0.987 (0.981 to 0.991)"
    assert with_interval([np.nan]) == "undefined"
    assert interval_text((0.01, -0.02, 0.03), digits=2, sign="+") == "+0.01 (-0.02 to +0.03)"


def test_nested_intervals_hold_each_group():
    table = pd.DataFrame(
        {"method": ["z", "z", "b"], "lung": ["left", "left", "left"], "hd95": [1.0, 3.0, 5.0]}
    )
    numbers = nested_intervals(table, ["method", "lung"], ["hd95"])
    assert list(numbers) == ["z", "b"]  # in the table's order
    assert numbers["z"]["left"]["hd95"] == {"mean": 2.0, "low": 1.0, "high": 3.0}
    assert numbers["b"]["left"]["hd95"]["mean"] == 5.0
