"""Degraded CTs: the stated amount of the stated trouble, and nothing else."""

import numpy as np
import pytest

from studies import degradations
from studies.images.pairs import Picture

HU = np.zeros((8, 64, 64), np.int16)


def test_white_noise_has_the_stated_deviation():
    noisy = degradations.white_noise(HU, 50)
    assert noisy.dtype == np.float32
    assert noisy.std() == pytest.approx(50, rel=0.02) and abs(noisy.mean()) < 1
    neighbours = np.corrcoef(noisy[:, :, :-1].ravel(), noisy[:, :, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.02
    assert np.array_equal(noisy, degradations.white_noise(HU, 50))


def test_a_quarter_of_the_dose_doubles_the_noise():
    noise = degradations.lower_dose(HU, 1.0, 0.25, noise=10)
    total = np.hypot(10, noise.std())
    assert total == pytest.approx(20, rel=0.02)
    assert degradations.lower_dose(HU, 1.0, 1.0) == pytest.approx(0)
    power = np.abs(np.fft.fft2(noise)).mean(0) ** 2
    assert power[0, 0] < 0.01 * power[0, 12]  # no low frequencies


def test_thicker_slices_are_means_of_their_neighbours():
    hu = np.arange(7, dtype=np.int16)[:, None, None] * np.ones((1, 2, 2), np.int16)
    mask = (hu >= 3).astype(np.uint8)
    thick, held = degradations.thicker_slices(hu, mask, 3)
    assert thick[:, 0, 0].tolist() == [1, 4] and held[:, 0, 0].tolist() == [0, 1]
    same, kept = degradations.thicker_slices(hu, mask, 1)
    assert np.array_equal(same, hu) and np.array_equal(kept, mask)


def test_an_intercept_shifts_everything():
    assert (degradations.shifted_intercept(HU, 24) == 24).all()


def test_mask_and_image_turn_together():
    hu = np.full((2, 41, 41), -1000, np.int16)
    hu[:, 5:15, 18:23] = 100
    mask = (hu > 0).astype(np.uint8)
    turned, along = degradations.rotated(hu, mask, 90)
    assert np.array_equal(turned > -450, along > 0)
    assert along.sum() == mask.sum() and not np.array_equal(along, mask)
    still, unmoved = degradations.rotated(hu, mask, 0)
    assert np.array_equal(still, hu) and np.array_equal(unmoved, mask)


def test_noisy_and_cropped_pictures():
    image = np.full((40, 50), 30_000, np.uint16)
    truth = np.tile(np.arange(50, dtype=np.uint8) % 3, (40, 1))
    picture = Picture("a", image, truth)
    noisy = degradations.noisy_picture(picture, 5000)
    assert noisy.name == "a_noisy" and noisy.image.dtype == np.uint16
    assert noisy.image.std() == pytest.approx(5000, rel=0.1) and noisy.truth is truth
    other = degradations.noisy_picture(Picture("b", image, truth), 5000)
    assert not np.array_equal(noisy.image, other.image)
    cut = degradations.cropped_picture(picture, 20)
    assert cut.image.shape == cut.truth.shape == (20, 20)
    assert set(np.diff(cut.truth[0].astype(int)) % 3) == {1}
