"""Metrics of label maps, against torchmetrics and by hand."""

import math

import pytest
import torch
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_precision,
    binary_recall,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_jaccard_index,
)

from studies.images import labels as metrics


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (4, 20, 20), generator=generator)
    wrong = torch.rand(truth.shape, generator=generator) < 0.2
    return torch.where(wrong, (truth + 1) % 3, truth), truth


def test_confusion_matrix_and_what_follows_agree_with_torchmetrics(maps):
    prediction, truth = maps
    matrix = metrics.confusion(prediction, truth, 3)
    assert torch.equal(matrix, multiclass_confusion_matrix(prediction, truth, 3))
    dice = multiclass_f1_score(prediction, truth, 3, average="none")
    iou = multiclass_jaccard_index(prediction, truth, 3, average="none")
    assert metrics.dice_of_classes(matrix).tolist() == pytest.approx(dice.tolist())
    assert metrics.iou_of_classes(matrix).tolist() == pytest.approx(iou.tolist())
    assert metrics.mean_iou(matrix) == pytest.approx(iou.mean().item())
    assert metrics.mean_dice(matrix) == pytest.approx(dice.mean().item())


def test_binary_scores_agree_with_torchmetrics(maps):
    prediction, truth = (m > 0 for m in maps)
    scores = metrics.binary_scores(metrics.confusion(prediction, truth, 2))
    assert scores["precision"] == pytest.approx(binary_precision(prediction, truth).item())
    assert scores["recall"] == pytest.approx(binary_recall(prediction, truth).item())
    assert scores["F1"] == pytest.approx(binary_f1_score(prediction, truth).item())
    assert scores["accuracy"] == pytest.approx((prediction == truth).float().mean().item())


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    truth = torch.tensor([0, 0, 1, 1])
    matrix = metrics.confusion(torch.tensor([0, 1, 1, 1]), truth, 3)
    assert math.isnan(metrics.dice_of_classes(matrix)[2])
    assert metrics.mean_iou(matrix) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # predicted where it is not, it counts, as 0
    matrix = metrics.confusion(torch.tensor([0, 2, 1, 1]), truth, 3)
    assert metrics.mean_iou(matrix) == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_one_matrix_for_each_picture(maps):
    each = metrics.matrices(*maps, 3)
    assert each.shape == (4, 3, 3)
    assert torch.equal(each.sum(0), metrics.confusion(*maps, 3))
    with pytest.raises(ValueError, match="shorter"):
        metrics.matrices(maps[0], maps[1][:3], 3)
