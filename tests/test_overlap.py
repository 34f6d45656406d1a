"""One definition of overlap: the same for numbers, NumPy and torch, and for all who ask."""

import math
import warnings

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.segmentation import dice_score

from studies.images.labels import binary_scores, confusion, dice_of_classes
from utils.evaluation.surface import lung_table
from utils.evaluation.tables import patient_metrics, slice_metrics
from utils.overlap import dice, dsc, iou, pixel_scores, share
from utils.training.epoch import batch_sums
from utils.viewer.case import checked_case
from utils.viewer.scores import scores as viewer_scores


@pytest.mark.parametrize("kind", [int, np.int64, np.float64, torch.tensor])
def test_numbers_arrays_and_tensors_alike(kind):
    overlap, predicted, true, none = map(kind, (3, 5, 7, 0))
    assert float(dice(overlap, predicted, true)) == pytest.approx(6 / 12)
    assert float(iou(overlap, predicted, true)) == pytest.approx(3 / 9)
    assert math.isnan(dice(none, none, none)) and math.isnan(iou(none, none, none))
    assert float(dice(none, predicted, none)) == 0 == float(dice(none, none, true))


def test_share_of_arrays_is_undefined_only_where_the_whole_is_nothing():
    assert share(np.array([1, 0, 3]), np.array([2, 0, 4])) == pytest.approx(
        [0.5, np.nan, 0.75], nan_ok=True
    )


def test_nothing_of_nothing_is_undefined_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(share(0, 0)) and np.isnan(share(np.zeros(2, int), np.zeros(2, int))).all()


def test_sizes_beyond_float32_keep_their_digits():
    """A volume has more voxels than float32 counts: 2^24 + 1 must not become 2^24."""
    n = 2**24
    assert dice(n, n + 1, n + 1) == pytest.approx(n / (n + 1), abs=1e-12)


def test_iou_and_dice_are_those_of_torchmetrics():
    prediction, truth = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(1)) > 0.4
    sizes = ((prediction & truth).sum(), prediction.sum(), truth.sum())
    assert float(iou(*sizes)) == pytest.approx(binary_jaccard_index(prediction, truth).item())
    labels = (prediction[None].long(), truth[None].long())
    expected = dice_score(*labels, 2, input_format="index", average="none")[0]
    background = ((~m).sum() for m in (prediction | truth, prediction, truth))
    found = [dice(*background).item(), dice(*sizes).item()]
    assert found == pytest.approx(expected.tolist())


CASES = {  # truth, prediction: voxels set of a slice of 16 x 16
    "partly found": (range(40, 90), range(60, 120)),
    "missed": (range(40, 90), ()),
    "false positive": ((), range(60, 120)),
    "empty": ((), ()),
}


@pytest.mark.parametrize("case", CASES)
def test_everybody_gives_the_same_answer(case):
    truth, prediction = np.zeros((2, 1, 256), np.uint8)
    for mask, where in zip((truth, prediction), CASES[case], strict=True):
        mask[0, list(where)] = 1
    truth, prediction = truth.reshape(1, 16, 16), prediction.reshape(1, 16, 16)
    expected = float(dsc(prediction, truth)[0])
    slices = slice_metrics(prediction, truth).assign(case="", split="")
    matrix = confusion(*map(torch.from_numpy, (prediction, truth)), 2)
    hu = np.zeros(truth.shape, np.int16)
    (shown,) = viewer_scores(checked_case(hu, truth, prediction))["axial"]["dice"]
    given = {
        "slices": slices["dsc"][0],
        "patients": patient_metrics(slices)["dsc_3d"][0],
        "labels": float(dice_of_classes(matrix)[1]),
        "F1 of labels": binary_scores(matrix)["F1"],
        "surface": lung_table(prediction, truth, (1, 1, 1)).set_index("lung").loc["right", "dsc"],
        "viewer": math.nan if shown is None else shown,
    }
    assert given == pytest.approx(dict.fromkeys(given, expected), abs=1e-4, nan_ok=True)
    if truth.any():  # an epoch's DSC is of slices that hold lung
        logits, truths = (torch.from_numpy(m)[None].float() for m in (prediction, truth))
        score, scored = batch_sums(torch.tensor(0.0), 8 * logits - 4, truths)[3:5]
        assert (score.item(), scored.item()) == (pytest.approx(expected), 1)


@pytest.mark.parametrize("case", CASES)
def test_precision_and_recall_too(case):
    """A missed lung has precision 0 wherever it is asked for, and never NaN."""
    truth, prediction = torch.zeros(2, 256, dtype=torch.long)
    for mask, where in zip((truth, prediction), CASES[case], strict=True):
        mask[list(where)] = 1
    (tn, fp), (fn, tp) = (matrix := confusion(prediction, truth, 2)).tolist()
    expected, found = pixel_scores(tp, fp, tn, fn), binary_scores(matrix)
    for name in ("accuracy", "precision", "recall"):
        assert found[name] == pytest.approx(float(expected[name]), nan_ok=True)
    if case == "missed":
        assert found["precision"] == 0 == found["recall"]


def test_only_what_found_nothing_is_missed_and_one_pixel_can_be():
    assert pixel_scores(3, 3, 9, 1)["precision"] == 0.5  # as many wrong as right
    assert pixel_scores(0, 0, 9, 1)["precision"] == 0


def test_counts_of_a_narrow_type_do_not_run_over():
    found = pixel_scores(*np.uint8([200, 100, 200, 100]))
    assert found["recall"] == pytest.approx(2 / 3) and found["accuracy"] == pytest.approx(2 / 3)
