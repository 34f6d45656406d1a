"""Calibration by hand and by simulation; doubt where dropout makes passes differ."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.classification import binary_calibration_error

from utils.errors import InputError
from utils.evaluation.calibration import (
    dropout_uncertainty,
    expected_calibration_error,
    reliability,
)
from utils.inference import slice_probabilities
from utils.settings import Settings
from utils.unet import UNet

SETTINGS = Settings(image_size=16, pixel_size=1.0, window=(-1000.0, 0.0))
MM = (3.0, 1.0, 1.0)


def test_reliability_by_hand():
    curve = reliability(np.array([[0.1, 0.3], [0.9, 1.0]]), np.array([[0, 1], [1, 0]]), bins=2)
    assert curve["low"].tolist() == [0, 0.5] and curve["high"].tolist() == [0.5, 1]
    assert curve["pixels"].tolist() == [2, 2]
    assert curve["confidence"].tolist() == pytest.approx([0.2, 0.95])
    assert curve["frequency"].tolist() == [0.5, 0.5]
    assert expected_calibration_error(curve) == pytest.approx((0.3 + 0.45) / 2)


def test_honest_probabilities_have_no_error_and_boastful_ones_do():
    random = np.random.default_rng(0)
    p = random.random(200_000)
    truth = random.random(p.shape) < p
    assert expected_calibration_error(reliability(p, truth)) < 0.005
    boastful = np.where(p > 0.5, 0.99, 0.01)
    assert expected_calibration_error(reliability(boastful, truth)) == pytest.approx(0.24, abs=0.01)


def test_error_above_one_half_is_that_of_torchmetrics():
    """Its binary error is that of the likelier class; above 0.5 both are the same."""
    random = np.random.default_rng(1)
    p = random.uniform(0.51, 0.999, 5000)
    truth = random.random(p.shape) < 0.8
    peer = binary_calibration_error(torch.from_numpy(p), torch.from_numpy(truth).int(), n_bins=10)
    assert expected_calibration_error(reliability(p, truth)) == pytest.approx(peer.item(), abs=1e-6)


def test_empty_bins_and_no_pixels_are_undefined():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve = reliability(np.array([0.05, 0.95]), np.array([0, 1]))
    assert curve["frequency"].isna().sum() == 8
    assert np.isnan(expected_calibration_error(reliability(np.array([]), np.array([]))))


def test_a_single_pixel_counts():
    assert expected_calibration_error(reliability([0.3], [1])) == pytest.approx(0.7)


class Doubtful(nn.Module):
    """Sure of the left half; of the right half dropout decides."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        logits = torch.full_like(x, -12)
        half = x.shape[-1] // 2
        logits[..., half:] = 12 * self.dropout(torch.ones_like(x[..., half:])) - 12
        return logits


def test_doubt_lies_where_passes_differ():
    hu = np.zeros((2, 16, 16), np.int16)
    mean, doubt = dropout_uncertainty(Doubtful(), hu, SETTINGS, MM, passes=32)
    assert mean.shape == doubt.shape == hu.shape
    assert doubt[:, :, :7].max() < 0.01 and doubt[:, :, 9:].mean() > 0.9
    assert mean[:, :, 9:].mean() == pytest.approx(0.5, abs=0.05)


def test_doubt_is_the_entropy_of_the_mean():
    hu = np.zeros((2, 16, 16), np.int16)
    mean, doubt = dropout_uncertainty(Doubtful(), hu, SETTINGS, MM, passes=3)
    p = mean[:, :, 9:].astype(float)  # a pixel is found in 0 to 3 of the passes
    assert {*np.rint(3 * p).ravel()} == {0, 1, 2, 3}
    expected = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    np.testing.assert_allclose(doubt[:, :, 9:], expected, atol=1e-4)
    assert mean.dtype == doubt.dtype == np.float32


@pytest.mark.parametrize("sign", [1, -1])
def test_certainty_leaves_no_doubt(sign):
    model = Doubtful()
    model.forward = lambda x: torch.full_like(x, 200.0 * sign)
    mean, doubt = dropout_uncertainty(model, np.zeros((1, 16, 16), np.int16), SETTINGS, MM, 2)
    assert np.abs(mean - (sign > 0)).max() < 1e-6 and 0 <= doubt.min() <= doubt.max() < 1e-4


def test_doubt_can_be_repeated_and_leaves_the_model_as_it_was():
    model, hu = Doubtful(), np.zeros((1, 16, 16), np.int16)
    state = torch.get_rng_state()
    first = dropout_uncertainty(model, hu, SETTINGS, MM, passes=3)[1]
    assert torch.equal(torch.get_rng_state(), state) and not model.dropout.training
    assert np.array_equal(first, dropout_uncertainty(model, hu, SETTINGS, MM, passes=3)[1])
    assert slice_probabilities(model, hu, SETTINGS, MM).shape == hu.shape


def test_a_model_without_dropout_has_no_doubt_to_show():
    with pytest.raises(InputError, match="no dropout"):
        dropout_uncertainty(nn.Conv2d(1, 1, 1), np.zeros((1, 16, 16), np.int16), SETTINGS, MM)
    with pytest.raises(InputError, match="no dropout"):
        dropout_uncertainty(
            UNet(width=2, levels=2, dropout=0), np.zeros((1, 16, 16), np.int16), SETTINGS, MM
        )


def test_dropout_alone_is_switched_on():
    """Batch normalisation must not learn from the slices that it is asked about."""
    model = UNet(width=2, levels=2, dropout=0.5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hu = np.random.default_rng(0).integers(-1000, 0, (3, 16, 16)).astype(np.int16)
    assert dropout_uncertainty(model, hu, SETTINGS, MM, passes=2)[1].max() > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
