"""The table of goals that `make bench` ends with."""

import pytest

from benchmarks import results


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "GOALS", tmp_path / "goals.csv")
    return results.keep_goals


def test_a_goal_is_reached_on_its_side_of_the_bound(kept):
    rows = kept("one", [("a", 3.0, 3, None), ("b", 2.99, 3, None), ("c", 9.1, None, 9)])
    assert rows == [
        ("a", "at least 3", "3.00", "yes"),
        ("b", "at least 3", "2.99", "NO"),
        ("c", "at most 9", "9.10", "NO"),
    ]


def test_what_cannot_be_compared_is_not_reached(kept):
    assert kept("one", [("a", float("nan"), 3, None)])[0][-1] == "NO"


def test_a_benchmark_replaces_its_own_goals_alone(kept, capsys):
    kept("one", [("old", 1.0, 0, None)])
    kept("two", [("other", 1.0, 0, None)])
    kept("one", [("new", 5.0, None, 4)])
    results.main()
    told = capsys.readouterr().out
    assert "old" not in told and "other" in told and "| new" in told and "| NO" in told
    kept("one", [("new", 4.0, None, 4)])
    results.main()
    assert "| NO" not in capsys.readouterr().out
