"""Does the network answer a mirrored or moved slice as it answers the slice itself?"""

import numpy as np
import torch
from torch import nn

from utils.inference import steadiness
from utils.settings import Settings

SETTINGS = Settings(image_size=32, pixel_size=4.0, window=(-1000.0, 0.0))
MM = (3.0, 1.0, 1.0)


class Threshold(nn.Module):
    """Calls everything below -500 HU lung; keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(1)), []

    def forward(self, x):
        self.seen.append(x)
        return 0.5 - x


class LeftHalf(Threshold):
    """Draws the left half of the image, whatever is on it."""

    def forward(self, x):
        logits = torch.full_like(x, -1)
        logits[..., : x.shape[3] // 2] = 3
        return logits


def scan():
    """A blob of lung in tissue, and its mask, on 45 slices."""
    y, x = np.mgrid[:96, :128]
    lung = np.stack([np.hypot(y - 40, x - 60) < 20] * 45)
    return np.where(lung, -1000, 0).astype(np.int16), lung


def test_a_network_that_knows_answers_alike_and_one_that_guesses_does_not():
    hu, lung = scan()
    assert steadiness(LeftHalf(), hu, lung, SETTINGS, MM) == 0  # mirrored, it draws the right
    assert steadiness(Threshold(), hu, lung, Settings(image_size=32, pixel_size=4.0), MM) > 0.95


def test_at_most_twelve_slices_with_lung_are_asked_about():
    hu, lung = scan()
    hu[:20], lung[:20] = 0, False
    model = Threshold()
    steadiness(model, hu, lung, SETTINGS, MM)
    seen = torch.cat(model.seen)
    assert len(seen) == 3 * 12  # as they are, mirrored, moved
    assert (seen[:, :, 8:24, 8:24] < 0.5).any((1, 2, 3)).all()


def test_without_lung_there_is_no_answer_to_compare():
    hu, lung = scan()
    assert np.isnan(steadiness(LeftHalf(), hu * 0, lung & False, SETTINGS, MM))
