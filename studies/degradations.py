"""What happens to an image between one hospital and another: noise, dose, slices, HU, position.

Functions of a CT take HU, int16 or float [slices, rows, cols], and return float32 HU; those that
move anatomy take and return the mask too. The last two are for pictures.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from studies.images import Picture
from studies.noise import grain
from utils.datasets import ramp_spectrum
from utils.dicom import LOWEST_HU

SEED = 0  # of all chance here: the same trouble in every run


def white_noise(hu, sigma):
    """Gaussian noise, independent in each voxel. sigma : HU."""
    noise = np.random.default_rng(SEED).standard_normal(hu.shape, np.float32)
    return hu + np.float32(sigma) * noise


def lower_dose(hu, pixel, share, noise=11.0):
    """The same scan at a share of its dose.

    Noise of filtered back projection (`datasets.ramp_spectrum`, c = 0.3 / mm) goes with 1/√dose,
    so variance noise² (1/share - 1) is added. pixel : mm. noise : HU, standard deviation at full
    dose.
    """
    spectrum = ramp_spectrum(hu.shape[1:], pixel, cutoff=0.3).astype(np.float32)
    noisy = grain(np.random.default_rng(SEED).standard_normal(hu.shape, np.float32), spectrum)
    return hu + noisy * np.float32(noise * (1 / share - 1) ** 0.5 / noisy.std())


def thicker_slices(hu, mask, count):
    """Slices `count` times as thick: each is the mean of its neighbours' HU.

    count is odd; the mask is where most of them hold lung.
    Returns (HU, mask), [slices // count, rows, cols].
    """
    slices = len(hu) // count
    groups = (slices, count, *hu.shape[1:])
    thick = np.asarray(hu[: slices * count], np.float32).reshape(groups).mean(1)
    held = mask[: slices * count].reshape(groups).mean(1)
    return thick, (held > 0.5).astype(np.uint8)


def shifted_intercept(hu, shift):
    """HU as read with a RescaleIntercept that is wrong by `shift` HU (24 for -1000 / -1024)."""
    return np.asarray(hu, np.float32) + np.float32(shift)


def rotated(hu, mask, degrees):
    """The patient turned on the couch: HU (linear) and mask (nearest), air moving in."""
    turn = {"angle": degrees, "axes": (1, 2), "reshape": False}
    image = ndimage.rotate(np.asarray(hu, np.float32), order=1, cval=LOWEST_HU, **turn)
    return image, ndimage.rotate(mask, order=0, **turn)


def noisy_picture(picture: Picture, sigma: float) -> Picture:
    """A 16-bit `studies.images.Picture` with Gaussian noise, clipped; sigma : of 65535."""
    noise = np.random.default_rng([SEED, *picture.name.encode()]).normal(
        0, sigma, picture.image.shape
    )
    values = np.clip(np.rint(picture.image + noise), 0, 65535).astype(np.uint16)
    return dataclasses.replace(picture, name=f"{picture.name}_noisy", image=values)


def cropped_picture(picture: Picture, size: int) -> Picture:
    """A square of size x size pixels cut out of a `studies.images.Picture` at random."""
    rng = np.random.default_rng([SEED, *picture.name.encode()])
    row, column = (rng.integers(side - size + 1) for side in picture.image.shape)
    window = (slice(row, row + size), slice(column, column + size))
    return dataclasses.replace(picture, image=picture.image[window], truth=picture.truth[window])
