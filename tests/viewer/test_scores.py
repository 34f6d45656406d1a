"""Area and Dice of each slice in each plane, and where to jump."""

import numpy as np
import pytest
from viewer_builders import SHAPE, noisy_chest

from utils.viewer.case import checked_case
from utils.viewer.scores import scores


def dice(truth, prediction):
    return 2 * (truth * prediction).sum() / (truth.sum() + prediction.sum())


def test_scores_are_those_of_each_slice():
    hu, truth, prediction = noisy_chest()
    found = scores(checked_case(hu, truth, prediction))
    for plane, axis in {"axial": 0, "coronal": 1, "sagittal": 2}.items():
        for i in range(SHAPE[axis]):
            t, p = truth.take(i, axis).astype(int), prediction.take(i, axis).astype(int)
            assert found[plane]["area"][i] == t.sum()
            score = found[plane]["dice"][i]
            if t.sum() + p.sum() == 0:
                assert score is None
            else:
                assert score == pytest.approx(dice(t, p), abs=1e-4)
    axial = found["axial"]
    # slice 10 holds truth alone, slice 12 prediction alone; the larger of the two is worse
    assert axial["worst"] == 10 and axial["dice"][10] == axial["dice"][12] == 0
    assert axial["dice"][axial["best"]] == max(d for d in axial["dice"] if d is not None)
    assert axial["poor"] == [i for i, d in enumerate(axial["dice"]) if d is not None and d < 0.9]


def test_jumps_are_missing_where_nothing_is_to_be_compared():
    empty = np.zeros(SHAPE, np.uint8)
    axial = scores(checked_case(empty.astype(np.int16), empty, empty))["axial"]
    assert set(axial["dice"]) == {None}
    assert (axial["best"], axial["worst"], axial["poor"]) == (None, None, [])
    assert scores(checked_case(empty.astype(np.int16)))["axial"] == {}
