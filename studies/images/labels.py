"""Metrics of label maps: the confusion matrix, and everything that follows from it."""

import torch

from utils import overlap


def confusion(prediction, truth, classes):
    """Confusion matrix, int64 [classes, classes]: rows are true classes, columns predicted.

    prediction, truth : integer tensors of one shape, values 0 … classes - 1.
    """
    pairs = truth.long().flatten() * classes + prediction.long().flatten()
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


def dice_of_classes(matrix: torch.Tensor) -> torch.Tensor:
    """Dice of each class, 2 TP / (2 TP + FP + FN); NaN for a class neither there nor predicted."""
    return overlap.dice(*_sizes(matrix))


def iou_of_classes(matrix: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each class (Jaccard), TP / (TP + FP + FN); NaN as for Dice."""
    return overlap.iou(*_sizes(matrix))


def _sizes(matrix):
    """Overlap, predicted and true pixels of each class, float64 [classes]."""
    return matrix.diag().double(), matrix.sum(0).double(), matrix.sum(1).double()


def mean_iou(matrix: torch.Tensor) -> float:
    """Mean over classes, the background among them, of those that occur."""
    return iou_of_classes(matrix).nanmean().item()


def mean_dice(matrix: torch.Tensor) -> float:
    """Mean over classes, class 0 among them, of those that occur."""
    return dice_of_classes(matrix).nanmean().item()


def binary_scores(matrix: torch.Tensor) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of class 1, over all pixels at once.

    As `overlap.pixel_scores` defines them, missed and empty classes too. F1 is the Dice of class 1.
    """
    (tn, fp), (fn, tp) = matrix.tolist()
    scores = overlap.pixel_scores(tp, fp, tn, fn)
    names = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "F1": "f1"}
    return {name: float(scores[key]) for name, key in names.items()}


def matrices(predictions: torch.Tensor, truths: torch.Tensor, classes: int) -> torch.Tensor:
    """Confusion matrix of each picture: [n, rows, cols] twice -> int64 [n, classes, classes]."""
    pairs = zip(predictions, truths, strict=True)
    return torch.stack([confusion(prediction, truth, classes) for prediction, truth in pairs])
