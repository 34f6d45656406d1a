"""The X-ray benchmark's own arithmetic, by hand; what it measured is test_xray_weights' matter."""

import numpy as np
import pandas as pd

from benchmarks import xrays
from studies.images import Picture
from utils.dataset import Split


def test_sets_are_joined_part_by_part():
    """So that a third of each set is kept aside, and not a third of what both hold."""
    first = (["picture a"], Split(("a", "b"), ("c",), ("d",)))
    second = (["picture e", "picture f"], Split(("e",), ("f",), ("g", "h")))
    pictures, split = xrays.joined([first, second])
    assert pictures == ["picture a", "picture e", "picture f"]
    assert split == Split(("a", "b", "e"), ("c", "f"), ("d", "g", "h"))


def test_scores_by_hand(monkeypatch):
    """One pixel of three in common; a patient's pictures count as one in the interval."""
    truth = np.array([[1, 1], [0, 0]], np.uint8)
    pictures = [Picture(name, truth, truth) for name in ("person1_virus_1", "person1_virus_2", "x")]
    masks = [np.array([[1, 0], [1, 0]], bool), truth > 0, np.zeros((2, 2), bool)]
    monkeypatch.setattr(xrays.images, "picture_masks", lambda *_: masks)
    table = xrays.scores(None, pictures, run=xrays.SHIPPED, set="s")
    assert table["iou"].tolist() == [1 / 3, 1, 0]
    assert xrays.of_patients(table, xrays.SHIPPED, "s").to_dict() == {"person1": 2 / 3, "x": 0}
    assert "0.444, by patient 0.333" in xrays.summary(table)
    better = table.assign(run=xrays.TUNED, iou=table["iou"] + 0.1)
    gain = f"{xrays.TUNED} minus {xrays.SHIPPED}: +0.100 (+0.100 to +0.100)"
    assert gain in xrays.summary(pd.concat([table, better]))
