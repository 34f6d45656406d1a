"""Severity curves: the harmless end changes nothing, the other end is what it says."""

import numpy as np
import pytest
import torch
from torch import nn

from studies import robustness
from utils.settings import preset

HYPER = preset("quick", image_size=32, pixel_size=1.0)


class Threshold(nn.Module):
    """A "network" that calls lung what is darker than -500 HU and brighter than air."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        hu = images * 1400 - 1000
        return 100 - (hu + 750).abs() * 0.4


def case():
    hu = np.full((6, 32, 32), 40, np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[1:, 8:24, 4:28] = 1
    hu[mask > 0] = -750
    return hu, mask, (5.0, 1.0, 1.0)


@pytest.mark.parametrize("trouble", robustness.TROUBLES)
def test_the_first_severity_is_harmless_and_the_last_is_not(trouble):
    hu, mask, spacing = case()
    first, *_, last = robustness.TROUBLES[trouble]
    same, truth, settings = robustness.degraded(trouble, first, hu, mask, spacing, HYPER)
    assert np.allclose(same, hu) and np.array_equal(truth, mask) and settings == HYPER
    worse, truth, settings = robustness.degraded(trouble, last, hu, mask, spacing, HYPER)
    changed = worse.shape != hu.shape or not np.allclose(worse, hu) or settings != HYPER
    assert changed or trouble.startswith("couch")  # there is no couch in this block


def test_table_holds_every_severity_with_its_interval():
    table = robustness.severity_table({"threshold": (Threshold(), HYPER)}, [case()])
    assert len(table) == sum(map(len, robustness.TROUBLES.values()))
    assert ((table["low"] <= table["mean"]) & (table["mean"] <= table["high"])).all()
    harmless = table.groupby("trouble", sort=False).first()["mean"]
    assert harmless.tolist() == pytest.approx([1] * len(harmless))
    shifted = table[table["trouble"] == "intercept too high by / HU"].set_index("severity")["mean"]
    assert shifted[100] == pytest.approx(1) and shifted[400] == 0


def test_missed_lung_scores_zero_and_lung_free_slices_nothing():
    truth = np.zeros((3, 4, 4), np.uint8)
    truth[0, :2] = truth[1, :2] = 1
    found = truth.copy()
    found[1], found[2] = 0, 1
    assert robustness.lung_slice_dsc(found, truth).tolist() == [1, 0]
