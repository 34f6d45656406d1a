"""The study: what is kept, what a run scores beside others, alone, and when it diverges."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from studies import losses as loss_study
from utils.cases import Pair
from utils.dataset import SliceDataset, Split
from utils.evaluation import bootstrap_interval
from utils.losses import CombinedLoss
from utils.settings import Settings

TINY = Settings(
    image_size=16, pixel_size=1, width=4, levels=2, batch_size=4, epochs=2, learning_rate=0.01
)


@pytest.fixture(scope="module")
def pairs():
    """Three patients of 8 slices; the lung is a dark square on the upper half of them."""
    rng = np.random.default_rng(0)
    result = {}
    for name in "abc":
        mask = np.zeros((8, 16, 16), np.uint8)
        mask[4:, 4:12, 4:12] = 1
        hu = np.where(mask, -850, 40) + rng.integers(-20, 20, mask.shape)
        result[name] = Pair(hu.astype(np.int16), mask, (1.0, 1.0, 1.0))
    return result


SPLIT = Split(train=("a",), validation=("b",), test=("c",))


CONFIGURATIONS = {"BCE": {"beta": 1.0}, "adaptive": {"loss": "adaptive"}}


@pytest.fixture(scope="module")
def study(pairs, tmp_path_factory):
    """(folder, results) of a study of two configurations and two seeds."""
    folder = tmp_path_factory.mktemp("study")
    return folder, loss_study.run_study(CONFIGURATIONS, (1, 2), pairs, SPLIT, folder, TINY)


def test_scores_of_each_run_on_validation_patients_alone(pairs, study):
    folder, results = study
    assert results[["loss", "seed", "case"]].values.tolist() == [
        ["BCE", 1, "b"],
        ["BCE", 2, "b"],
        ["adaptive", 1, "b"],
        ["adaptive", 2, "b"],
    ]
    assert not results["diverged"].any()
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*/model.safetensors")}
    assert len(kept) == 4
    again = loss_study.run_study(CONFIGURATIONS, (1, 2), pairs, SPLIT, folder, TINY)
    assert again.equals(results)
    assert kept == {file: file.stat().st_mtime_ns for file in kept}


def sets_of(pairs):
    return [SliceDataset(pairs, n, TINY) for n in (SPLIT.train, SPLIT.validation)]


def test_a_run_alone_scores_as_in_the_study(pairs, study, tmp_path):
    """Neither the process nor the runs beside it change what a run learns."""
    _, together = study
    settings = dataclasses.replace(TINY, seed=1, loss="adaptive")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    alone = loss_study.trained_and_scored(
        "adaptive", settings, tmp_path / "b", pairs, SPLIT, sets_of(pairs)
    )
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    same = together[(together["loss"] == "adaptive") & (together["seed"] == 1)]
    assert alone.equals(same.reset_index(drop=True))


def test_a_run_that_diverges_finds_nothing(pairs, tmp_path, monkeypatch):
    def diverge(*_):
        raise loss_study.InputError("Training has diverged")

    monkeypatch.setattr(loss_study.training, "train", diverge)
    rows = loss_study.trained_and_scored("BCE", TINY, tmp_path, pairs, SPLIT, sets_of(pairs))
    row = rows.iloc[0]
    assert row["diverged"] and row["dsc_3d"] == 0 and row["dsc_lung_slices"] == 0


def test_epochs_that_rules_would_keep():
    history = pd.DataFrame(
        {
            "validation_loss": [0.5, 0.2, 0.3, 0.4],
            "validation_accuracy": [0.99, 0.97, 0.98, 0.98],
            "validation_dsc": [0.1, 0.2, 0.4, 0.3],
        }
    )
    assert loss_study.epoch_scores(history) == {
        "kept_by_loss": 0.2,
        "kept_by_accuracy": 0.1,
        "kept_by_dsc": 0.4,
        "kept_last": 0.3,
    }


def test_table_by_hand():
    results = pd.DataFrame({"loss": "BCE", "seed": [1, 1, 2], "case": ["b", "c", "b"]})
    for score in loss_study.SCORES:
        results[score] = [0.7, 0.9, 0.9]
    table = loss_study.study_table(results, ["BCE"])
    assert table.loc["BCE", "dsc_3d"] == pytest.approx((0.85, 0.8, 0.9))
    text = loss_study.table_as_text(table).loc["BCE"]
    assert text["dsc_3d"] == "0.850 (0.800 to 0.900)"
    assert text["lung_free_false_positive_px"] == "1 (1 to 1)"


@pytest.mark.parametrize("name", ["loss_study", "peer_unet", "unnormalised_unet"])
def test_published_runs_are_whole(name):
    """Every configuration and seed on both validation patients, and on no test patient."""
    results, about = loss_study.published_table(name)
    assert "synthetic" in about
    assert set(results["case"]) == {"Case_003", "Case_011"}
    assert set(results["seed"]) == {1, 2, 3}
    assert (results.groupby("loss").size() == 6).all()
    assert results["dsc_3d"].between(0, 1).all()


def test_published_modalities_are_of_the_same_validation_patients():
    results, about = loss_study.published_table("modalities")
    assert "synthetic" in about
    runs = results.groupby(["loss", "seed"])["case"].apply(set)
    assert len(runs) == 6 and all(cases == {"Case_003", "Case_011"} for cases in runs)
    assert results["lungs_iou"].between(0, 1).all()


def test_gain_is_paired_by_seed():
    results = pd.DataFrame(
        {
            "loss": ["BCE", "BCE", "adaptive", "adaptive"],
            "seed": [1, 2, 1, 2],
            "dsc_3d": [0.5, 0.9, 0.6, 1.0],
        }
    )
    assert loss_study.study_gain(results, "BCE", "adaptive", "dsc_3d") == pytest.approx(
        (0.1, 0.1, 0.1)
    )


def test_pull_of_cross_entropy_by_hand():
    """|p - y| / N, whatever else the slice holds."""
    p = 1 / (1 + np.exp(4))
    bce = CombinedLoss(1.0, 0)
    assert loss_study.pull_at_missed_pixel(bce, 5, 16) == pytest.approx((1 - p) / 256, rel=1e-4)
    assert loss_study.pull_at_missed_pixel(bce, 0, 16) == pytest.approx(p / 256, rel=1e-4)


def test_a_gain_that_all_patients_share_is_certain():
    before = np.array([0.60, 0.80, 0.95])
    assert loss_study.paired_gain(before, before + 0.01) == pytest.approx((0.01, 0.01, 0.01))
    assert loss_study.paired_gain(before, before - 0.01) == pytest.approx((-0.01, -0.01, -0.01))
    assert loss_study.paired_gain(before, before**2) == bootstrap_interval(before**2 - before)
