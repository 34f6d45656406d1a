"""How well do two masks agree? The one place where overlap and its scores are defined.

Training, evaluation, studies, surfaces and the viewer all ask here. Arrays may be NumPy's or
torch's and counts may be numbers: nothing here needs torch itself.

What an empty mask scores is decided here too (P predicted, T true; NaN says "undefined"):

    P empty, T empty      DSC, IoU, precision, recall NaN; specificity and accuracy 1
    P empty, T not        a missed lung: DSC, IoU, recall *and* precision 0. Precision is 0/0 there;
                          left undefined it would drop out of a mean and reward missing
    P not, T empty        false positives: DSC, IoU and precision 0; recall NaN, as there was
                          nothing to find
"""

from typing import Any

import numpy as np

Numbers = Any  # a number, or an array of NumPy's or torch's


def share(part: Numbers, whole: Numbers) -> Numbers:
    """part / whole, NaN where whole and so part is 0. Numbers, or arrays of one shape."""
    if not hasattr(whole, "dtype"):
        part, whole = np.asarray(part, float), np.asarray(whole, float)
    with np.errstate(invalid="ignore"):
        return part / whole


def dice(overlap: Numbers, predicted: Numbers, true: Numbers) -> Numbers:
    """Dice similarity coefficient from sizes in pixels, 2 |P ∩ T| / (|P| + |T|) (Dice 1945).

    overlap, predicted, true : |P ∩ T|, |P| and |T|, numbers or arrays. NaN where both are empty.
    """
    return share(2 * overlap, predicted + true)


def iou(overlap: Numbers, predicted: Numbers, true: Numbers) -> Numbers:
    """Intersection over union (Jaccard 1912) from sizes, |P ∩ T| / |P ∪ T|; see `dice`."""
    return share(overlap, predicted + true - overlap)


def dsc(prediction: Numbers, truth: Numbers, threshold: float | None = None) -> np.ndarray:
    """`dice` of binary masks, slice by slice; float64 [n].

    prediction, truth : bool or 0/1 arrays [n, rows, cols]. With a threshold (px) the rule of the
    first report holds instead for a slice whose truth is empty: it scores 1 when |P| < threshold,
    and 0 otherwise.
    """
    prediction, truth = (np.asarray(mask).astype(bool) for mask in (prediction, truth))
    overlap, predicted, true = (
        np.count_nonzero(mask, axis=(1, 2)) for mask in (prediction & truth, prediction, truth)
    )
    score = dice(overlap, predicted, true)
    if threshold is not None:
        score = np.where((true == 0) & (predicted < threshold), 1.0, score)
    return score


def pixel_scores(tp: Numbers, fp: Numbers, tn: Numbers, fn: Numbers) -> dict[str, Numbers]:
    """Scores from counts of pixels, each defined by a share; 0/0 is NaN but for a missed lung.

    tp, fp, tn, fn : numbers or arrays: true positives, false positives, true negatives, false
    negatives. Returns a dict: `iou` TP/(TP+FP+FN), `precision` TP/(TP+FP), `recall` TP/(TP+FN),
    `specificity` TN/(TN+FP), `f1` 2TP/(2TP+FP+FN), which is the DSC, and `accuracy` (TP+TN)/all.
    What empty masks score is told above.
    """
    tp, fp, tn, fn = (np.asarray(count, float) for count in (tp, fp, tn, fn))
    missed = (tp + fp == 0) & (fn > 0)
    return {
        "iou": iou(tp, tp + fp, tp + fn),
        "precision": np.where(missed, 0.0, share(tp, tp + fp)),
        "recall": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
        "f1": dice(tp, tp + fp, tp + fn),
        "accuracy": share(tp + tn, tp + fp + tn + fn),
    }


def scaled_threshold(pixels_at_512: float, rows: int, cols: int) -> float:
    """A number of pixels stated for a 512 x 512 slice, as the same share of another size.

    1310 px are 0.5 % of 512 x 512, and 82 px of 128 x 128.
    """
    return pixels_at_512 * rows * cols / 512**2


def predicted_labels(logits: Any) -> Any:
    """Labels [n, 1, h, w] of logits [n, c, h, w]: 0 or 1 from one map, the likeliest of several."""
    if logits.shape[1] == 1:
        return (logits > 0).long()  # a logit of 0 is a probability of 0.5
    return logits.argmax(1, keepdim=True)
