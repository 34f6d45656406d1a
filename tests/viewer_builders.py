"""A small case for the viewer's tests: noise, two lungs, and a prediction that differs."""

from types import SimpleNamespace

import numpy as np

SHAPE, SPACING = (13, 40, 36), (5.0, 0.8, 0.8)


def noisy_chest():
    """(HU, truth, prediction) [slices, rows, cols]; both ends of the truth are free of lung."""
    rng = np.random.default_rng(4)
    hu = rng.normal(0, 300, SHAPE).round().astype(np.int16)
    truth, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[2:11, 8:30, 4:14] = truth[3:9, 8:32, 20:32] = 1
    prediction[2:10, 9:31, 4:15] = prediction[3:9, 8:32, 20:32] = prediction[12, 3:5, 3:5] = 1
    return hu, truth, prediction


def as_volume(hu, name="Case_007"):
    """What the viewer reads of a Volume, at a place of its own."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5, 0.8, 0.8, 1
    affine[:3, 3] = (-150, -140, -700)
    return SimpleNamespace(hu=hu, spacing=SPACING, affine=affine, identity={"case": name})
