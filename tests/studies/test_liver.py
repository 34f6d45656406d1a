"""A liver that stands high, in a chest of two ellipsoids."""

import numpy as np
import pytest
from scipy import ndimage

from studies import DISEASES

Z, Y, X = np.indices((40, 80, 120), np.float32)
TRUTH = np.zeros(Z.shape, np.uint8)
for column in (33, 87):
    TRUTH |= ((Z - 20) / 17) ** 2 + ((Y - 40) / 28) ** 2 + ((X - column) / 20) ** 2 < 1
BODY = ((Y - 40) / 37) ** 2 + ((X - 60) / 57) ** 2 < 1
HU = np.where(TRUTH > 0, -850, np.where(BODY, 40, -1000)).astype(np.int16)
HU += np.rint(np.random.default_rng(0).normal(0, 15, HU.shape)).astype(np.int16)


def test_a_raised_liver_is_even_without_air_and_on_the_right():
    worse, told = DISEASES["raised right dome"](
        HU, TRUTH, (6.0, 2.4, 2.4), 1.0, np.random.default_rng(1)
    )
    lost = (TRUTH > 0) & (told == 0)
    assert lost[:, :, :60].any() and not lost[:, :, 60:].any() and not lost[30:].any()
    inner = ndimage.binary_erosion(lost)
    assert np.median(worse[inner]) == pytest.approx(55, abs=3) and worse[inner].min() > -100
    # on its top slice it is a disc that lung goes round: nothing at the wall
    top = np.flatnonzero(lost.any((1, 2)))[-1]
    wall = (TRUTH[top] > 0) & ~ndimage.binary_erosion(TRUTH[top], iterations=2)
    assert not (lost[top] & wall).any()
