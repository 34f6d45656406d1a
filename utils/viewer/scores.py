"""Lung area and Dice of every slice in every plane, and the slices worth jumping to."""

import numpy as np

from utils.overlap import dice
from utils.viewer.case import PLANES

DISAGREE = 0.9  # a slice whose Dice is below counts as disagreeing


def scores(case, reduction=1):
    """What each slice of a Case holds and scores: {"axial": {…}, "coronal": …, "sagittal": …}.

    Per plane: `area` of lung in voxels and `dice` of each slice, and where to jump.

    The area is the truth's, or the prediction's where that is all there is; what needs both
    masks is missing unless both are given. Of coronal and sagittal slices every
    `reduction`-th is scored.
    """
    given = [mask for mask in (case.truth, case.prediction) if mask is not None]
    areas = [slice_areas(mask) for mask in given]
    overlap = slice_areas(given[0] & given[1]) if len(given) == 2 else None
    result = {}
    for plane in PLANES:
        every = slice(None, None, 1 if plane == "axial" else reduction)
        here = [area[plane][every] for area in areas]
        result[plane] = {"area": here[0].tolist()} if here else {}
        if overlap:
            each = dice(overlap[plane][every], *here)
            result[plane] |= _jumps(each, *here)
    return result


def _jumps(dice, truth_area, prediction_area):
    """Dice of each slice for JSON, and where to jump: best, worst and all that disagree."""
    defined = np.flatnonzero(~np.isnan(dice))
    lung = np.flatnonzero(truth_area > 0)
    # of slices that score the same the largest: best seen there, or worst missed
    best = max(lung, key=lambda i: (dice[i], truth_area[i]), default=None)
    worst = min(defined, key=lambda i: (dice[i], -truth_area[i] - prediction_area[i]), default=None)
    return {
        "dice": [None if np.isnan(d) else round(d, 4) for d in dice.tolist()],
        "best": None if best is None else int(best),
        "worst": None if worst is None else int(worst),
        "poor": np.flatnonzero(dice < DISAGREE).tolist(),
    }


def slice_areas(mask):
    """Voxels of the mask in each slice: {"axial": int64 [slices], "coronal": …, "sagittal": …}."""
    by_column = mask.sum(axis=1, dtype=np.uint16)  # [slices, cols]
    by_row = np.stack([plane.sum(axis=1, dtype=np.uint16) for plane in mask])  # [slices, rows]
    return {
        "axial": by_column.sum(axis=1, dtype=np.int64),
        "coronal": by_row.sum(axis=0, dtype=np.int64),
        "sagittal": by_column.sum(axis=0, dtype=np.int64),
    }
