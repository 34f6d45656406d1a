"""The study: what each configuration changes, what is kept, and what a diverged run scores."""

import numpy as np
import pandas as pd
import pytest

from utils import loss_study
from utils.dataset import Split
from utils.losses import CombinedLoss, from_settings
from utils.settings import Settings

TINY = Settings(image_size=16, width=4, levels=2, batch_size=4, epochs=2, learning_rate=0.01)


@pytest.fixture
def pairs():
    """Three patients of 8 slices; the lung is a dark square on the upper half of them."""
    rng = np.random.default_rng(0)
    result = {}
    for name in "abc":
        mask = np.zeros((8, 16, 16), np.uint8)
        mask[4:, 4:12, 4:12] = 1
        hu = np.where(mask, -850, 40) + rng.integers(-20, 20, mask.shape)
        result[name] = (hu.astype(np.int16), mask)
    return result


SPLIT = Split(train=("a",), validation=("b",), test=("c",))


def test_every_configuration_names_a_loss_of_its_own():
    settings = [loss_study.Settings(**changes) for changes in loss_study.FULL.values()]
    assert len(set(settings)) == len(settings)
    for each in settings:
        from_settings(each)  # refuses a name that there is not
    assert loss_study.REDUCED.items() <= loss_study.FULL.items()


def test_scores_of_each_run_on_validation_patients_alone(pairs, tmp_path):
    configurations = {"BCE": {"beta": 1.0}, "adaptive": {"loss": "adaptive"}}
    results = loss_study.run_study(configurations, (1, 2), pairs, SPLIT, tmp_path, TINY)
    assert results[["loss", "seed", "case"]].values.tolist() == [
        ["BCE", 1, "b"],
        ["BCE", 2, "b"],
        ["adaptive", 1, "b"],
        ["adaptive", 2, "b"],
    ]
    assert not results["diverged"].any()
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/model.safetensors")}
    assert len(kept) == 4
    again = loss_study.run_study(configurations, (1, 2), pairs, SPLIT, tmp_path, TINY)
    assert again.equals(results)
    assert kept == {file: file.stat().st_mtime_ns for file in kept}


def test_a_run_that_diverges_finds_nothing(pairs, tmp_path, monkeypatch):
    def diverge(*_):
        raise loss_study.InputError("Training has diverged")

    monkeypatch.setattr(loss_study.training, "train", diverge)
    results = loss_study.run_study({"BCE": {"beta": 1.0}}, (1,), pairs, SPLIT, tmp_path, TINY)
    row = results.iloc[0]
    assert row["diverged"] and row["dsc_3d"] == 0 and row["dsc_lung_slices"] == 0


def test_table_by_hand(pairs, tmp_path):
    results = loss_study.run_study({"BCE": {"beta": 1.0}}, (1, 2), pairs, SPLIT, tmp_path, TINY)
    results["dsc_3d"] = [0.8, 0.9]
    table = loss_study.study_table(results, ["BCE"])
    assert table.loc["BCE", "dsc_3d"] == pytest.approx((0.85, 0.8, 0.9))
    assert loss_study.as_text(table).loc["BCE", "dsc_3d"] == "0.850 (0.800 to 0.900)"


def test_gain_is_paired_by_seed():
    results = pd.DataFrame(
        {
            "loss": ["BCE", "BCE", "adaptive", "adaptive"],
            "seed": [1, 2, 1, 2],
            "dsc_3d": [0.5, 0.9, 0.6, 1.0],
        }
    )
    assert loss_study.gain(results, "BCE", "adaptive", "dsc_3d") == pytest.approx((0.1, 0.1, 0.1))


def test_pull_of_cross_entropy_by_hand():
    """|p - y| / N, whatever else the slice holds."""
    p = 1 / (1 + np.exp(4))
    bce = CombinedLoss(1.0, 0)
    assert loss_study.pull_at_missed_pixel(bce, 5, 16) == pytest.approx((1 - p) / 256, rel=1e-4)
    assert loss_study.pull_at_missed_pixel(bce, 0, 16) == pytest.approx(p / 256, rel=1e-4)
