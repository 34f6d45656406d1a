"""When the network says 80 %, is it right in 80 of 100 pixels? And where does it doubt?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from utils.errors import refusals
from utils.inference import slice_probabilities
from utils.settings import Settings


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Reliability curve of pixel probabilities (DeGroot and Fienberg 1983, doi 10.2307/2987588).

    probabilities : floats 0 to 1; truth : 0/1, same shape. Returns a DataFrame, one row for each
    bin of equal width: its bounds `low` and `high`, `pixels`, `confidence` (mean probability)
    and `frequency` (share that is lung); both NaN in an empty bin.
    """
    p, y = np.asarray(probabilities, float).ravel(), np.asarray(truth).ravel() > 0
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip((p * bins).astype(int), 0, bins - 1)  # a probability of 1 is in the last bin
    pixels = np.bincount(place, minlength=bins)
    table = {"low": edges[:-1], "high": edges[1:], "pixels": pixels}
    for name, values in (("confidence", p), ("frequency", y)):
        total = np.bincount(place, values, bins)
        table[name] = np.divide(total, pixels, out=np.full(bins, np.nan), where=pixels > 0)
    return pd.DataFrame(table)


def expected_calibration_error(curve: pd.DataFrame) -> float:
    """ECE of a reliability curve: mean |frequency - confidence|, weighted by pixels.

    After Naeini et al. (2015) in the binary form, for the probability of lung itself. Most
    pixels of a slice are certain and easy, so that the ECE of a whole slice is flattering; give
    `reliability` the pixels near the outline to see more. NaN without pixels.
    """
    filled = curve[curve["pixels"] > 0]
    if filled.empty:
        return float("nan")
    gap = (filled["frequency"] - filled["confidence"]).abs()
    return float(np.average(gap, weights=filled["pixels"]))


def dropout_uncertainty(
    model: nn.Module,
    hu: np.ndarray,
    settings: Settings,
    spacing: Sequence[float],
    passes: int = 16,
    seed: int = 2024,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the network doubts: many passes with dropout on (Gal and Ghahramani 2016).

    hu, spacing : as for `inference.slice_logits`. Returns (mean probability, uncertainty),
    float32, shape of `hu`; uncertainty is the entropy of the mean probability in bits, 0 where
    all passes agree for certain and 1 where lung and background are even (arXiv:1506.02142).
    Only dropout is switched on; batch normalisation keeps its running statistics. Raises
    InputError for a model without dropout, for which all passes would be the same.
    """
    dropouts = [m for m in model.modules() if isinstance(m, nn.Dropout) and m.p > 0]
    if not dropouts:
        raise refusals(__file__)("no dropout")
    model.eval()
    total = np.zeros(hu.shape, np.float64)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for dropout in dropouts:
            dropout.train()
        try:
            for _ in range(passes):
                total += slice_probabilities(model, hu, settings, spacing)
        finally:
            model.eval()
    mean = (total / passes).clip(1e-7, 1 - 1e-7)
    entropy = -(mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean))
    return mean.astype(np.float32), entropy.astype(np.float32)
