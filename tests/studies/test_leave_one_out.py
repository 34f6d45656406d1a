"""Leave one patient out: which slices train, and what the table says."""

import numpy as np
import pandas as pd

from benchmarks import leave_one_out
from utils.dicom.reader import Volume
from utils.settings import Settings
from weights.make import telling_slices


def test_telling_slices_are_all_near_the_ends_and_every_second_elsewhere():
    mask = np.zeros((100, 2, 2), np.uint8)
    mask[20:80] = 1
    chosen = set(telling_slices(mask, 5.0).tolist())
    assert {*range(15, 26), *range(74, 85)} <= chosen  # 25 mm are five slices
    rest = set(range(100)) - {*range(15, 26), *range(74, 85)}
    assert chosen & rest == {z for z in rest if z % 2 == 0}


def test_score_of_a_patient_holds_both_lungs_and_each(monkeypatch):
    truth = np.zeros((20, 60, 80), np.uint8)
    truth[4:16, 10:50, 8:36], truth[4:16, 10:50, 44:72] = 1, 1
    volume = Volume(np.full(truth.shape, 40, np.int16), (5.0, 4.0, 4.0), np.eye(4), {})
    found = truth.copy()
    found[:, :, 44:] = 0  # the left lung is missed
    monkeypatch.setattr(leave_one_out, "segment", lambda *_: found)
    monkeypatch.setattr(leave_one_out, "field_scores", lambda *_: {"field_260": 0.5})
    monkeypatch.setattr(leave_one_out, "disease_scores", lambda *_: {"with bullae": 0.25})
    row = leave_one_out.score(None, Settings(), volume, truth, "Case_000")
    assert row["case"] == "Case_000" and round(row["dsc_3d"], 3) == 0.667
    assert (row["right_dsc"], row["left_dsc"]) == (1, 0)
    assert row["right_msd"] == 0 and row["left_msd"] > 100 and row["hd95"] > 20
    assert row["false_positive_slices"] == 0 and row["network_dsc_3d"] == row["dsc_3d"]
    assert row["false_positives_per_missed"] == 0 and row["field_260"] == 0.5
    assert row["with bullae"] == 0.25


def test_a_field_is_cut_about_the_lungs_or_laid_in_air(monkeypatch):
    truth = np.zeros((9, 60, 80), np.uint8)
    truth[2:7, 10:50, 8:36] = 1
    hu = np.where(truth, -850, 40).astype(np.int16)
    assert leave_one_out.in_field(hu, (30, 22), 10, -1000).tolist() == hu[:, 25:35, 17:27].tolist()
    wide = leave_one_out.in_field(hu, (30, 22), 200, -1000)
    assert wide.shape == (9, 200, 200) and (wide == -1000).sum() == 9 * (200**2 - 60 * 80)
    assert wide[4, 100, 100] == hu[4, 30, 22]
    monkeypatch.setattr(leave_one_out, "FIELDS", (780, 160))  # mm: 195 and 40 px
    monkeypatch.setattr(leave_one_out, "segment", lambda _, hu, *__: (hu == -850).astype(np.uint8))
    monkeypatch.setattr(leave_one_out, "postprocess", lambda mask, *_: mask * (mask.shape[1] > 50))
    volume = Volume(hu, (5.0, 4.0, 4.0), np.eye(4), {})
    scores = leave_one_out.field_scores(None, Settings(), volume, truth)
    assert scores == {"field_780": 1.0, "field_160": 0.0}


def test_disease_is_scored_against_the_truth_that_it_leaves(monkeypatch):
    truth = np.zeros((9, 60, 80), np.uint8)
    truth[2:7, 10:50, 8:36] = 1
    volume = Volume(np.where(truth, -850, 40).astype(np.int16), (5.0, 4.0, 4.0), np.eye(4), {})
    half = {"halved": lambda hu, mask, *_: (hu, np.where(np.arange(80) < 22, mask, 0))}
    monkeypatch.setattr(leave_one_out, "DISEASES", half)
    monkeypatch.setattr(leave_one_out, "segment", lambda _, hu, *__: (hu == -850).astype(np.uint8))
    monkeypatch.setattr(leave_one_out, "postprocess", lambda mask, *_: mask)
    scores = leave_one_out.disease_scores(None, Settings(), volume, truth)
    assert scores == {"with halved": 2 * 0.5 / 1.5}


def test_summary_gives_means_with_intervals():
    table = pd.DataFrame({key: [0.9, 1.0] for key in leave_one_out.SCORES})
    lines = leave_one_out.summary(table).splitlines()
    assert lines[0].startswith("2 patients") and len(lines) == 1 + len(leave_one_out.SCORES)
    assert "0.950 (0.900 to 1.000)" in lines[1] and "least 0.900, most 1.000" in lines[1]
    assert lines[4].endswith("2 in all")
