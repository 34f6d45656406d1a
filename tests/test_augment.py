"""Augmentation against analytic shapes and SciPy."""

import math
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


def test_shares_of_a_pixel_move_as_the_image_does():
    torch.manual_seed(1)
    everything = replace(NONE, rotate=20, zoom=0.2, shear=10)
    share = blur(disc(n=4), torch.ones(4))
    images, truths = augment(share, share.clone(), everything)
    assert torch.equal(images, truths) and not torch.equal(truths, share)
    # label maps of several classes may lie in floats too, and stay labels
    _, labels = augment(share, 2 * disc(n=4), replace(everything, classes=3))
    assert set(labels.unique().tolist()) == {0, 2}


def test_a_share_of_the_slices_is_not_moved():
    torch.manual_seed(0)
    image = torch.rand(400, 1, 8, 8)
    moved, _ = augment(image, image, replace(NONE, shift=0.3, rotate=20, moved=0.25))
    still = (moved - image).abs().flatten(1).max(1).values < 1e-5
    assert still.float().mean() == pytest.approx(0.75, abs=0.06)


def lung(n=300):
    """Slices of body 0.7 with a lung of 0.1, of which the truth knows; [n, 1, 64, 96]."""
    truth = disc(radii=(24, 40), n=n)
    return 0.7 - 0.6 * truth, truth


def test_lesions_change_lung_alone_and_leave_it_lung():
    torch.manual_seed(0)
    images, truth = lung()
    changed, after = augment(images, truth, replace(NONE, lesions=0.5))
    assert after is truth and torch.equal(changed[truth == 0], images[truth == 0])
    inside = truth[0, 0] > 0
    values = changed[:, 0][:, inside]  # [slices, lung pixels]
    # a bulla covers a part, so the commonest value tells the density
    density = values.mode(1).values
    assert ((density - 0.1).abs() > 1e-4).float().mean() == pytest.approx(0.5, abs=0.1)
    assert density.min() > 0.1 / 2.02 - 1e-4 and density.max() < 0.1 * 2.72 + 1e-4
    bullae = (values < 0.41 * density[:, None]).float().sum(1)
    assert (bullae > 0).float().mean() == pytest.approx(0.5, abs=0.1)
    assert bullae.max() < math.pi * 25**2


def test_lesions_of_a_slice_without_lung_change_nothing():
    images = torch.rand(50, 1, 16, 16)
    assert torch.equal(augment(images, 0 * images, replace(NONE, lesions=1.0))[0], images)


def test_a_cut_field_is_air_beyond_a_square_or_a_disc():
    torch.manual_seed(0)
    ones = torch.ones(400, 1, 50, 50)
    images, truths = augment(ones, ones.clone(), replace(NONE, cut=0.5))
    assert torch.equal(images, truths) and set(images.unique().tolist()) == {0, 1}
    seen = images.flatten(1).mean(1)
    assert (seen < 1).float().mean() == pytest.approx(0.5, abs=0.08)
    narrow = images[seen < 1, 0]
    width, height = (narrow.any(axis).sum(1).float() for axis in (1, 2))
    assert width.min() >= 0.38 * 50 and width.max() <= 0.92 * 50
    # of what lies between the first and last row and column, a square fills all, a disc π/4
    filled = narrow.flatten(1).sum(1) / (width * height)
    assert (filled > 0.99).float().mean() == pytest.approx(0.5, abs=0.1)
    assert ((filled - math.pi / 4).abs() < 0.06).float().mean() == pytest.approx(0.5, abs=0.1)


def test_a_crop_is_the_same_part_of_images_and_truths():
    torch.manual_seed(0)
    image = torch.arange(40 * 30.0).reshape(1, 1, 40, 30)
    corners = set()
    for _ in range(200):
        part, truth = augment(image, -image, replace(NONE, crop=28))
        assert part.shape == (1, 1, 28, 28) and torch.equal(part, -truth)
        corners.add(part[0, 0, 0, 0].item())
    assert {divmod(c, 30) for c in corners} == {(r, c) for r in range(13) for c in range(3)}


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
