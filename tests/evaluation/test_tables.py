"""Metrics against torchmetrics, against counting by hand, and on empty masks."""

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional import classification as peer

from utils.evaluation import (
    part_numbers,
    patient_metrics,
    ranked_slice,
    report_numbers,
    slice_metrics,
    write_tables,
)
from utils.overlap import dsc, pixel_scores
from utils.settings import Settings


def masks(*counts, size=32):
    """Slices whose first `count` pixels are set."""
    result = np.zeros((len(counts), size * size), np.uint8)
    for slice_, count in zip(result, counts, strict=True):
        slice_[:count] = 1
    return result.reshape(-1, size, size)


def test_dsc_is_the_f1_score_of_torchmetrics():
    torch.manual_seed(0)
    prediction, truth = torch.rand(2, 5, 16, 16) > 0.4
    expected = peer.binary_f1_score(
        prediction.flatten(1).int(), truth.flatten(1).int(), multidim_average="samplewise"
    )
    assert dsc(prediction, truth).tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("predicted", "true", "threshold", "score"),
    [
        (0, 0, None, float("nan")),
        (1, 0, None, 0),
        (0, 1, None, 0),
        (10, 30, None, 0.5),
        (0, 0, 5, 1),
        (4, 0, 5, 1),
        (5, 0, 5, 0),
        (4, 1, 5, 0.4),  # with lung in the truth the threshold says nothing
    ],
)
def test_what_a_slice_scores(predicted, true, threshold, score):
    prediction, truth = torch.from_numpy(masks(predicted)), torch.from_numpy(masks(true))
    assert dsc(prediction, truth, threshold).item() == pytest.approx(score, nan_ok=True)


def test_slice_table_by_hand():
    # 512² is 256 times 32², so 1310 px become 5.1 px and 20 px become 0.08 px
    table = slice_metrics(masks(0, 4, 6, 100), masks(0, 0, 0, 200))
    assert table["slice"].tolist() == [0, 1, 2, 3]
    assert table["overlap_px"].tolist() == [0, 0, 0, 100]
    assert table["dsc"].tolist() == pytest.approx([np.nan, 0, 0, 2 / 3], nan_ok=True)
    assert table["dsc_1310"].tolist() == pytest.approx([1, 1, 0, 2 / 3])
    assert table["dsc_20"].tolist() == pytest.approx([1, 0, 0, 2 / 3])
    assert table["accuracy"].tolist() == pytest.approx([1, 1020 / 1024, 1018 / 1024, 924 / 1024])


def test_pixel_scores_are_those_of_torchmetrics():
    random = np.random.default_rng(1)
    prediction, truth = (random.random((2, 6, 24, 24)) > 0.6).astype(np.uint8)
    table = slice_metrics(prediction, truth)
    pair = [torch.from_numpy(mask).flatten(1).int() for mask in (prediction, truth)]
    for name in ("precision", "recall", "specificity", "accuracy", "f1_score"):
        expected = getattr(peer, f"binary_{name}")(*pair, multidim_average="samplewise")
        ours = table[name.removesuffix("_score")]
        assert ours.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    expected = [peer.binary_jaccard_index(p, t).item() for p, t in zip(*pair, strict=True)]
    assert table["iou"].tolist() == pytest.approx(expected, abs=1e-6)
    assert table["f1"].tolist() == pytest.approx(table["dsc"].tolist())


def test_confusion_matrix_of_a_slice_by_hand():
    row = slice_metrics(masks(6), masks(4)).iloc[0]
    counts = {"overlap_px": 4, "false_positive_px": 2, "missed_px": 0, "background_px": 1024 - 6}
    assert row[list(counts)].to_dict() == counts
    assert (row["lung_px"], row["predicted_px"]) == (4, 6)
    assert row["iou"] == pytest.approx(4 / 6) and row["precision"] == pytest.approx(4 / 6)
    assert row["recall"] == 1 and row["specificity"] == pytest.approx(1018 / 1020)


NAN = float("nan")


@pytest.mark.parametrize(
    ("tp", "fp", "tn", "fn", "iou", "precision", "recall", "specificity", "f1", "accuracy"),
    [
        (0, 0, 9, 0, NAN, NAN, NAN, 1, NAN, 1),  # nothing there, nothing found
        (0, 0, 6, 3, 0, 0, 0, 1, 0, 6 / 9),  # a missed lung scores 0, in precision too
        (0, 3, 6, 0, 0, 0, NAN, 6 / 9, 0, 6 / 9),  # false positives: there was no lung to find
        (9, 0, 0, 0, 1, 1, 1, NAN, 1, 1),  # lung everywhere: no background
    ],
)
def test_scores_of_empty_masks_by_definition(
    tp, fp, tn, fn, iou, precision, recall, specificity, f1, accuracy
):
    expected = {"iou": iou, "precision": precision, "recall": recall}
    expected |= {"specificity": specificity, "f1": f1, "accuracy": accuracy}
    scores = {name: float(value) for name, value in pixel_scores(tp, fp, tn, fn).items()}
    assert scores == pytest.approx(expected, nan_ok=True)


def table_of(prediction, truth, case="Case_000", split="test"):
    return slice_metrics(prediction, truth).assign(case=case, split=split)


def test_patient_table_counts_a_missed_and_a_false_positive_lung():
    slices = pd.concat(
        [
            table_of(masks(0, 50, 0, 100), masks(0, 0, 100, 100)),
            table_of(masks(10), masks(10), case="Case_001", split="train"),
        ]
    )
    patients = patient_metrics(slices).set_index("case")
    row = patients.loc["Case_000"]
    assert row["dsc_3d"] == pytest.approx(2 * 100 / (200 + 150))
    assert row["dsc_lung_slices"] == pytest.approx(0.5)  # the missed slice counts as 0
    assert row["worst_lung_slice"] == 0
    assert (row["lung_free_slices"], row["false_positive_slices"]) == (2, 1)
    assert row["lung_free_false_positive_px"] == 50
    assert row["iou"] == pytest.approx(100 / 250) and row["recall"] == pytest.approx(100 / 200)
    assert row["precision"] == pytest.approx(100 / 150)
    assert patients.loc["Case_001", "dsc_3d"] == 1


def test_a_patient_without_lung_and_prediction_has_no_score():
    patients = patient_metrics(table_of(masks(0, 0), masks(0, 0)))
    assert patients["dsc_3d"].isna().all() and patients["dsc_lung_slices"].isna().all()


def test_ranked_slices_pass_over_empty_ones():
    table = table_of(masks(0, 10, 20, 30, 5), masks(0, 30, 30, 30, 0))
    assert ranked_slice(table, "best") == (3, pytest.approx(1))
    assert ranked_slice(table, "worst") == (4, 0)
    assert ranked_slice(table, "median") == (1, pytest.approx(0.5))


def test_the_median_of_five_slices_is_the_third():
    five = pd.DataFrame({"slice": range(5), "dsc": [0.5, 0.1, 0.4, 0.2, 0.3]})
    five = five.assign(false_positive_px=0, missed_px=1)
    assert ranked_slice(five, "median") == (4, 0.3)


def test_of_slices_without_any_overlap_the_one_with_most_wrong_pixels_is_the_worst():
    table = table_of(masks(0, 20, 0, 5, 0), masks(22, 20, 1154, 0, 300))
    assert ranked_slice(table, "worst") == (2, 0)
    same = table_of(masks(0, 400, 100), masks(0, 400, 100))
    assert ranked_slice(same, "best")[1] == ranked_slice(same, "worst")[1] == 1


def test_one_pixel_of_lung_makes_a_slice_with_lung(tmp_path):
    slices = table_of(masks(1, 5), masks(1, 0))
    patients = patient_metrics(slices)
    row = patients.iloc[0]
    assert (row["slices"], row["lung_free_slices"], row["dsc_lung_slices"]) == (2, 1, 1)
    assert part_numbers(slices, patients)["test"]["dsc_lung_slices"] == 1
    write_tables(tmp_path, slices, patients)
    for name, table in (("slices", slices), ("patients", patients)):
        read = pd.read_csv(tmp_path / f"{name}.csv")
        pd.testing.assert_frame_equal(read, table, check_dtype=False)


def test_a_missed_patient_scores_nothing():
    patients = patient_metrics(table_of(masks(0, 0), masks(9, 0)))
    row = patients.iloc[0]
    assert [row[name] for name in ("dsc_3d", "iou", "precision", "recall")] == [0, 0, 0, 0]


def test_one_invented_pixel_makes_a_slice_hallucinated():
    row = patient_metrics(table_of(masks(1, 9, 10, 0, 9), masks(0, 0, 0, 0, 9))).iloc[0]
    assert (row["lung_free_slices"], row["false_positive_slices"]) == (4, 3)
    assert row["lung_free_false_positive_px"] == 20
    assert row["accuracy"] == pytest.approx(1 - (1 + 9 + 10) / 1024 / 5)


def test_report_numbers_by_hand(empty_dataset):
    """Two test patients of two and three slices beside a perfect one of training."""
    slices = pd.concat(
        [
            table_of(masks(10, 3), masks(30, 0), case="a"),  # DSC 0.5, 3 px invented
            table_of(masks(0, 20, 20), masks(20, 20, 20), case="b"),  # DSC 0, 1, 1
            table_of(masks(9), masks(9), case="c", split="train"),
        ]
    )
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [3, 2, 1], "validation_loss": [3, 1, 2]}
    )
    numbers = report_numbers(slices, patient_metrics(slices), history, Settings(), empty_dataset)
    assert (numbers["dataset"], numbers["patients"], numbers["slices"]) == ("mini", 3, 6)
    assert numbers["training"] == {"epochs": 3, "best_epoch": 2}
    last = report_numbers(
        slices,
        patient_metrics(slices),
        history.assign(validation_loss=np.nan),  # nobody validates
        Settings(keep="last"),
        empty_dataset,
    )
    assert last["training"] == {"epochs": 3, "best_epoch": 3}
    assert numbers["settings"]["learning_rate"] == Settings.learning_rate
    assert numbers["train"]["dsc_3d"] == {"mean": 1, "least": 1, "most": 1}
    test = numbers["test"]
    assert (test["patients"], test["slices"], test["lung_free_slices"]) == (2, 5, 1)
    assert (test["false_positive_slices"], test["lung_free_false_positive_px"]) == (1, 3)
    assert test["accuracy"] == pytest.approx(1 - (20 + 3 + 20) / 1024 / 5)
    # every slice with lung weighs the same: not the mean of the patients' 0.5 and 2/3
    assert test["dsc_lung_slices"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert test["worst_lung_slice"] == 0
    # 1310 px are 5.1 px here: the 3 px count as none; 20 px are 0.08 px
    assert test["dsc_1310"] == pytest.approx((0.5 + 1 + 0 + 1 + 1) / 5)
    assert test["dsc_20"] == pytest.approx((0.5 + 0 + 0 + 1 + 1) / 5)
    first, second = 2 * 10 / (13 + 30), 2 * 40 / (40 + 60)
    expected = {"mean": (first + second) / 2, "least": first, "most": second}
    assert test["dsc_3d"] == pytest.approx(expected)
