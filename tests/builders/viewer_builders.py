"""A small case for the viewer's tests: noise, two lungs, and a prediction that differs."""

import numpy as np
from volume_builders import volume_of

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
    """A Volume away from the origin, so that positions in mm show."""
    return volume_of(hu, SPACING, origin=(-150, -140, -700), case=name)
