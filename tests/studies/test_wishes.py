"""Wishes: each is of the study or exported by a notebook, and its gain is what the runs say."""

import json

import numpy as np
import pandas as pd
import pytest

from studies import losses as loss_study
from studies import plan as study_plan
from studies import wishes


@pytest.fixture
def results():
    """Runs of two seeds in which each configuration gains 0.01 on the one before it."""
    names = dict.fromkeys(name for row in wishes.STUDIED for name in row[2:])
    rows = []
    for i, name in enumerate(names):
        for seed in (1, 2):
            row = {"loss": name, "seed": seed, "case": "b", "diverged": False}
            row |= {
                "dsc_lung_slices": 0.5 + 0.01 * i + 0.1 * seed,
                "lung_free_false_positive_px": 100 - i,
            }
            row |= {"kept_last": 0.8, "kept_by_loss": 0.8 + 0.01 * seed}
            rows.append(row | {"kept_by_accuracy": 0.7, "kept_by_dsc": 0.9})
    return pd.DataFrame(rows)


def test_wishes_name_configurations_of_the_study():
    other = {"without couch", "half the patients", "labels by threshold"}
    planned = {name for row in wishes.STUDIED for name in row[2:]}
    beside = ("peer_unet", "unnormalised_unet", "modalities")
    peers = {name for table in beside for name in loss_study.published_table(table)[0]["loss"]}
    assert planned <= set(study_plan.FULL) | other | peers
    published, _ = loss_study.published_table("loss_study")
    assert set(study_plan.LOSSES) <= set(published["loss"]) <= set(study_plan.FULL) | other


def test_a_wish_without_runs_says_so(results):
    few = results[results["loss"] != "without couch"]
    told = wishes.wish_table(few, "phantom").set_index("wish")["what it brought"]
    assert told["images without the couch"] == "not in benchmarks/results: run its benchmark first"
    assert "images without the couch" not in wishes.wish_numbers(few)
    assert "images without the couch" in wishes.wish_numbers(results)


def test_every_report_has_a_wish_and_every_wish_a_word():
    rows = [*wishes.STUDIED, *wishes.KEPT, *wishes.EXPORTED]
    assert {report for row in rows for report in row[0].split(", ")} == set("12345")
    assert len({row[1] for row in rows}) == len(rows)


def test_gains_are_paired_by_seed(results):
    """Seeds differ by 0.1, a change by 0.01 in both: only the change is left."""
    _, wish, before, after = wishes.STUDIED[0]
    first = results[results["seed"] == 1].set_index("loss")["dsc_lung_slices"]
    gain = wishes.wish_numbers(results)[wish]["dsc_lung_slices"]
    assert gain["low"] == pytest.approx(first[after] - first[before])
    assert gain["high"] == pytest.approx(first[after] - first[before])


def test_only_scores_that_were_taken_are_told(results):
    names = ["X-rays alone", "X-rays and CT slices"]
    joint = pd.DataFrame({"loss": names, "lungs_iou": [0.5, 0.75]})
    results = results[~results["loss"].isin(names)]
    results = pd.concat([results, joint.assign(seed=1, diverged=False)])
    told = wishes.wish_table(results, "phantom").set_index("wish")["what it brought"]
    assert told["several modalities together"] == (
        "IoU of lungs in X-rays +0.2500 (+0.2500 to +0.2500)"
    )
    assert told["a share of Dice at all"].startswith("DSC of lung slices ")
    assert "IoU" not in told["a share of Dice at all"]


def test_what_the_kept_epoch_brings(results):
    assert wishes.kept_gain(results, "kept_last", "kept_by_loss") == pytest.approx(
        (0.015, 0.01, 0.02)
    )
    results.loc[results["loss"] == "0.5 BCE + 0.5 Dice", "diverged"] = True
    results.loc[results["loss"] == "0.5 BCE + 0.5 Dice", "kept_by_loss"] = np.nan
    assert wishes.kept_gain(results, "kept_last", "kept_by_loss")[0] == pytest.approx(0.015)


def test_exported_numbers_are_read_or_named_as_missing(results, tmp_path, monkeypatch):
    monkeypatch.setattr(wishes, "figures_folder", lambda name: tmp_path / name)
    told = wishes.wish_table(results, "mine").set_index("wish")["what it brought"]
    assert told["transfer learning"] == "run notebook 07 first"
    assert told["fewer false lungs"] == "run notebook 04 first"
    assert told["a loss that adapts to how much lung a slice holds"].startswith("DSC of lung")

    (tmp_path / "mine").mkdir()
    method = {"both": {"dsc": {"mean": 0.5, "low": 0.25, "high": 0.75}}}
    numbers = {"challenge": {"network": method, "postprocessed": method}}
    (tmp_path / "mine" / "metrics.json").write_text(json.dumps(numbers))
    (tmp_path / "synthetic_xrays").mkdir()
    xrays = {"fine_tuning_gain": {"mean": 0.0125, "low": -0.25, "high": 0.5}}
    (tmp_path / "synthetic_xrays" / "xrays.json").write_text(json.dumps(xrays))
    told = wishes.wish_table(results, "mine").set_index("wish")["what it brought"]
    interval = "0.500 (0.250 to 0.750)"
    assert told["fewer false lungs"] == (
        f"3-D DSC of test patients {interval} before, {interval} after"
    )
    assert told["transfer learning"] == "IoU of lungs +0.0125 (-0.2500 to +0.5000)"
