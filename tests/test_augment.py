"""Augmentation against analytic shapes and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from utils.augment import augment, blur, random_maps, warp
from utils.settings import Settings

NONE = Settings()


def disc(rows=64, cols=96, centre=(0, 0), radii=(12, 20), n=1):
    """A filled ellipse, centre in px from the middle; image and label map alike."""
    y, x = np.mgrid[:rows, :cols]
    y, x = y - (rows - 1) / 2 - centre[0], x - (cols - 1) / 2 - centre[1]
    inside = (y / radii[0]) ** 2 + (x / radii[1]) ** 2 < 1
    return torch.from_numpy(inside).float().expand(n, 1, rows, cols)


def drawn(monkeypatch, value):
    """Let every draw from 0 to 1 be this value."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full((shape[0],), float(value)))


def moments(image):
    """Centre in px from the middle and covariance of an image's mass, as (x, y)."""
    rows, cols = image.shape
    y, x = torch.meshgrid(
        torch.arange(rows) - (rows - 1) / 2, torch.arange(cols) - (cols - 1) / 2, indexing="ij"
    )
    points = torch.stack([x[image > 0.5], y[image > 0.5]])
    return points.mean(1), torch.cov(points)


def test_by_default_nothing_changes():
    image, truth = torch.rand(3, 1, 8, 8), torch.randint(3, (3, 1, 8, 8))
    images, truths = augment(image, truth, NONE)
    assert images is image and truths is truth


def test_flips_are_exact(monkeypatch):
    image = torch.rand(2, 1, 16, 24)
    drawn(monkeypatch, 0)
    for changes, axis in (({"flip_rows": True}, 2), ({"flip_columns": True}, 3)):
        images, truths = augment(image, (image > 0.5).long(), replace(NONE, **changes))
        torch.testing.assert_close(images, image.flip(axis))
        assert torch.equal(truths, (image > 0.5).long().flip(axis))


def test_half_of_the_slices_are_flipped():
    torch.manual_seed(0)
    theta = random_maps(4000, 8, 8, replace(NONE, flip_columns=True))
    assert (theta[:, 0, 0] < 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert (theta[:, 1, 1] == 1).all()


def test_rotation_turns_by_the_angle_also_on_oblong_images(monkeypatch):
    drawn(monkeypatch, 1)  # the greatest angle
    image = disc()
    moved, _ = augment(image, image, replace(NONE, rotate=30))
    covariance = moments(moved[0, 0])[1]
    before = moments(image[0, 0])[1]
    # the ellipse keeps its axes; the longer one turns by 30 degrees
    assert torch.linalg.eigvalsh(covariance) == pytest.approx(torch.linalg.eigvalsh(before), 0.03)
    angle = 0.5 * torch.atan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])
    assert abs(torch.rad2deg(angle).item()) == pytest.approx(30, abs=1)


def test_shift_and_zoom(monkeypatch):
    drawn(monkeypatch, 1)
    image = disc()
    moved, _ = augment(image, image, replace(NONE, shift=0.125))
    # the result looks an eighth further right and down, so the disc moves left and up
    assert moments(moved[0, 0])[0].tolist() == pytest.approx([-12, -8], abs=0.1)
    moved, _ = augment(image, image, replace(NONE, zoom=0.2))
    assert moved.sum().item() == pytest.approx(image.sum().item() * 1.2**2, rel=0.02)


def test_shear_leans_and_keeps_the_area(monkeypatch):
    drawn(monkeypatch, 1)
    image = disc(radii=(16, 16))
    moved, _ = augment(image, image, replace(NONE, shear=45))
    covariance = moments(moved[0, 0])[1]
    # x' = x + y of a circle of variance v: var x = 2 v, covariance = ±v, var y = v
    assert moved.sum().item() == pytest.approx(image.sum().item(), rel=0.02)
    assert covariance[0, 0] / covariance[1, 1] == pytest.approx(2, rel=0.05)
    assert abs(covariance[0, 1] / covariance[1, 1]) == pytest.approx(1, rel=0.05)


def test_warp_against_scipy():
    torch.manual_seed(3)
    everything = replace(NONE, rotate=20, shift=0.1, zoom=0.2, shear=10, flip_rows=True)
    image = torch.rand(4, 1, 32, 48)
    theta = random_maps(4, 32, 48, everything)
    moved = warp(image, theta, "bilinear")
    for one, result, map_ in zip(image, moved, theta.numpy(), strict=True):
        # from coordinates of -1 to 1 over (x, y) to pixels over (row, column)
        half = np.array([32, 48]) / 2
        matrix = map_[::-1, 1::-1] * half[:, None] / half[None, :]
        middle = half - 0.5
        offset = middle + map_[::-1, 2] * half - matrix @ middle
        expected = ndimage.affine_transform(one[0].numpy(), matrix, offset, order=1, mode="reflect")
        np.testing.assert_allclose(result[0].numpy(), expected, atol=2e-4)


def test_labels_stay_labels_and_move_with_the_image():
    torch.manual_seed(1)
    labels = (2 * disc(radii=(20, 20), n=8) + disc(radii=(10, 10), n=8)).to(torch.uint8)
    everything = replace(NONE, rotate=20, shift=0.1, zoom=0.2, shear=10, flip_rows=True)
    images, truths = augment(labels / 3, labels, everything)
    assert truths.dtype == torch.uint8 and set(truths.unique().tolist()) == {0, 2, 3}
    assert ((3 * images - truths).abs() > 0.6).float().mean() < 0.03  # edges alone
    assert len({tuple(t.flatten().tolist()) for t in truths}) == 8  # each slice its own


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_blur_against_scipy(sigma):
    image = torch.rand(2, 1, 24, 40)
    found = blur(image, torch.tensor([sigma, 0.0]))
    expected = ndimage.gaussian_filter(image[0, 0].numpy(), sigma, mode="nearest", radius=9)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)
    torch.testing.assert_close(found[1], image[1])


def test_brightness_and_noise_have_the_stated_size_and_leave_the_truth():
    torch.manual_seed(0)
    grey, truth = torch.full((200, 1, 16, 16), 0.5), torch.zeros(200, 1, 16, 16)
    images, truths = augment(grey, truth, replace(NONE, brightness=0.2))
    change = images[:, 0, 0, 0] - 0.5
    assert (images == images[:, :, :1, :1]).all() and truths is truth
    assert change.min() < -0.18 and change.max() > 0.18 and change.abs().max() <= 0.2
    images, _ = augment(grey, truth, replace(NONE, noise=0.1))
    sigma = images.flatten(1).std(1)
    assert sigma.max() < 0.12 and sigma.mean() == pytest.approx(0.05, abs=0.01)
    bright, _ = augment(torch.ones_like(grey), truth, replace(NONE, noise=0.5))
    assert bright.max() == 1 and bright.min() >= 0
