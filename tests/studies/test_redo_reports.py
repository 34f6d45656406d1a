"""The two coursework reports, made again in small: which figures, from which slices, by whom."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from phantom_builders import small_patient
from safetensors.numpy import load_file

from benchmarks import redo_reports
from utils import alignment, cases
from utils.dataset import SliceDataset
from utils.datasets.phantom.making import write_case
from utils.settings import fields, preset
from utils.training import load_run, train
from utils.workspace import REPOSITORY

TINY = "image_size=32 width=4 levels=3 epochs=2"
NAMES = [f"Case_{number:03d}" for number in range(12)]


@pytest.fixture(scope="module")
def redone(tmp_path_factory):
    """Twelve small synthetic patients, (folder of the runs, figures by name, numbers)."""
    workspace = tmp_path_factory.mktemp("redo")
    figures = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LUNG_WORKSPACE", str(workspace))
        patched.setattr(
            redo_reports.plots,
            "save_figure",
            lambda figure, name, dataset: figures.setdefault(name, figure),
        )
        data = workspace / "data" / "mini"
        for number in range(12):
            patient = small_patient(number, slices=12)
            write_case(patient, data / "Images", data / "Segmentations")
        pairs = cases.create_paired_data(cases.load_cases("mini"), cases.load_masks("mini"))
        alignment.write_verdicts("mini", alignment.check_cases(pairs))
        numbers = redo_reports.redo("mini", TINY)
        yield data / "derived" / "runs", figures, numbers, pairs


def parts_of(folder):
    return json.loads((folder / "split.json").read_text())


def run_folder(runs, preset_name, own=""):
    changes = sorted(f"{own} {TINY}".split())
    return runs / f"redo_{','.join([preset_name, *changes])}"


def test_every_figure_of_both_reports_is_made(redone):
    _, figures, _, _ = redone
    first = {f"vrikkis2024_{number}" for number in range(1, 9)}
    second = {"1_1", "1_2", "2_1", "2_2_to_2_5", "2_8", "2_9", "2_10"}
    second |= {f"{n}_{order}" for n in ("2_6", "2_7") for order in ("shuffled", "in_order")}
    assert set(figures) == first | {f"purvis2024_{number}" for number in second}
    page = (REPOSITORY / "docs" / "redo_the_reports.rst").read_text()
    assert set(figures) == set(re.findall(r"``((?:vrikkis|purvis)2024_\w+)``", page))


def test_the_splits_are_those_of_the_reports(redone):
    runs, figures, _, _ = redone
    first = parts_of(run_folder(runs, "vrikkis2024"))
    assert {"Case_001", "Case_003"} <= set(first["train"]) and first["validation"] == []
    assert {"Case_004", "Case_011"} <= set(first["test"]) and len(first["test"]) == 4
    for own in ("", "beta=1"):
        second = parts_of(run_folder(runs, "purvis2024", own))
        assert (second["train"], second["test"]) == (NAMES[:8], NAMES[8:])
    titles = [axis.get_title() for axis in figures["vrikkis2024_5"].axes[:4]]
    assert [title.split("\n")[0] for title in titles] == [
        "Case_001 (train)",
        "Case_003 (train)",
        "Case_004 (test)",
        "Case_011 (test)",
    ]


def test_watching_the_test_patients_changes_no_weight(redone, tmp_path):
    """The same run with nobody to watch, as notebook 03 trains it, ends with the same weights."""
    runs, _, _, pairs = redone
    watched = run_folder(runs, "vrikkis2024")
    hyper = preset("vrikkis2024", **fields(TINY))
    _, _, split = load_run(watched)
    sets = [SliceDataset(pairs, names, hyper) for names in (split.train, ())]
    train(hyper, split, *sets, tmp_path)
    alone, seen = (load_file(folder / "model.safetensors") for folder in (tmp_path, watched))
    assert all(np.array_equal(alone[name], seen[name]) for name in seen)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["validation_loss"].isna().all()


def test_numbers_are_those_of_the_masks_on_disk(redone):
    runs, _, numbers, pairs = redone
    folder = run_folder(runs, "vrikkis2024")
    scores, free = [], 0
    for name in parts_of(folder)["test"]:
        with np.load(folder / "predictions" / f"{name}.npz", allow_pickle=False) as archive:
            found = archive["masks"] > 0
        for p, t in zip(found, pairs[name].mask > 0, strict=True):
            free += not t.any()
            if p.any() or t.any():
                scores.append(2 * (p & t).sum() / (p.sum() + t.sum()))
    test, last = numbers["vrikkis"]["test"], pd.read_csv(folder / "history.csv").iloc[-1]
    assert test["lung_free"] == free and test["slices"] == 48
    assert test["best"] == pytest.approx(max(scores))
    assert test["worst"] == pytest.approx(min(scores))
    assert test["median"] == pytest.approx(sorted(scores)[(len(scores) - 1) // 2])
    assert numbers["vrikkis"]["test_loss"] == pytest.approx(last["validation_loss"])
    assert numbers["vrikkis"]["train_accuracy"] == pytest.approx(last["train_accuracy"])


def test_losses_and_accuracies_of_both_losses_are_drawn(redone):
    runs, figures, _, _ = redone
    columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    histories = [
        pd.read_csv(run_folder(runs, "purvis2024", own) / "history.csv") for own in ("beta=1", "")
    ]
    panels = figures["purvis2024_2_2_to_2_5"].axes
    labels = ["train loss", "train accuracy", "test loss", "test accuracy"]
    assert [axis.get_ylabel() for axis in panels] == labels
    for axis, column in zip(panels, columns, strict=True):
        for line, history in zip(axis.lines, histories, strict=True):
            assert line.get_ydata() == pytest.approx(history[column])


@pytest.mark.parametrize(("number", "patients"), [("2_6", 8), ("2_7", 4)])
def test_every_slice_is_drawn_in_order_and_shuffled(redone, number, patients):
    _, figures, _, pairs = redone
    kept = [pairs[name].mask.any((1, 2)) for name in (NAMES[:8] if patients == 8 else NAMES[8:])]
    with_lung = np.flatnonzero(np.concatenate(kept))
    ordered = figures[f"purvis2024_{number}_in_order"].axes[1]
    assert [line.get_xdata()[0] for line in ordered.lines] == [
        12 * k - 0.5 for k in range(1, patients)
    ]
    assert ordered.collections[0].get_offsets()[:, 0].tolist() == with_lung.tolist()
    shuffled = figures[f"purvis2024_{number}_shuffled"].axes[1]
    assert not shuffled.lines
    at = shuffled.collections[0].get_offsets()[:, 0]
    assert len(at) == len(with_lung) and at.tolist() != with_lung.tolist()
    heights = [axis.collections[0].get_offsets()[:, 1] for axis in (ordered, shuffled)]
    assert sorted(heights[0]) == sorted(heights[1])  # the same slices


def test_best_worst_and_median_are_of_all_patients_together():
    """Seven slices of two patients; one has no DSC, and of two zeros the redder is the worse."""
    table = pd.DataFrame(
        {
            "case": list("aaabbbb"),
            "dsc": [0.9, 0.0, 0.5, np.nan, 0.0, 0.7, 0.99],
            "false_positive_px": [1, 5, 1, 0, 50, 1, 1],
            "missed_px": [1, 0, 9, 0, 3, 1, 0],
        }
    )
    assert redo_reports.ranked(table, "worst", 2).index.tolist() == [4, 1]
    assert redo_reports.ranked(table, "median", 2)["dsc"].tolist() == [0.5, 0.7]
    assert redo_reports.ranked(table, "best", 2)["dsc"].tolist() == [0.9, 0.99]
    assert len(redo_reports.ranked(table, "best", 99)) == 6
