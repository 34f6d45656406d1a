"""From volume to mask: shape, place, and which kept predictions are trusted."""

import numpy as np
import pytest
import torch
from torch import nn

from utils.predict import segment, segment_cases
from utils.settings import Settings

SETTINGS = Settings(image_size=32, window=(-1000.0, 0.0))


class Threshold(nn.Module):
    """Calls everything below -500 HU lung; counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return 0.5 - x


@pytest.fixture
def scan():
    """A smooth blob of lung, larger on later slices."""
    z, y, x = np.mgrid[:5, :96, :128]
    distance = np.hypot((y - 40), (x - 70)) - 15 - 3 * z
    return np.clip(distance * 40 - 500, -1000, 0).astype(np.int16), distance < 0


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_the_mask_lies_where_the_lung_is(scan, batch_size):
    hu, truth = scan
    mask = segment(Threshold(), hu, SETTINGS, batch_size)
    assert mask.shape == hu.shape and mask.dtype == np.uint8
    # at 32 px a voxel of the network is 3 x 4 px; the outline must be finer than that
    assert (mask != truth).mean() < 0.005
    assert mask.sum() == pytest.approx(truth.sum(), rel=0.02)


def test_kept_predictions_are_taken_only_for_the_same_weights_and_voxels(scan, tmp_path):
    hu, truth = scan
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    model = Threshold()

    def asked(pairs):
        before = model.calls
        result = segment_cases(model, pairs, SETTINGS, tmp_path)
        assert np.array_equal(
            result["Case_000"], segment(Threshold(), pairs["Case_000"][0], SETTINGS)
        )
        return model.calls > before

    assert asked({"Case_000": (hu, truth)})
    assert not asked({"Case_000": (hu, truth)})
    assert asked({"Case_000": (hu + np.int16(1), truth)})
    weights.write_bytes(b"two")
    assert asked({"Case_000": (hu + np.int16(1), truth)})
    (tmp_path / "predictions/Case_000.npz").write_bytes(b"damaged")
    assert asked({"Case_000": (hu + np.int16(1), truth)})
