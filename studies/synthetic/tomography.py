"""A three-class material in X-ray tomography, simulated: pores and two phases in 16 bits."""

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from studies.noise import grain
from utils.datasets import ramp_spectrum

SHARES = (0.3, 0.4, 0.3)  # of the classes: 0 pore, 1 grey phase, 2 bright phase
GREYS = (20_000, 27_500, 35_000)  # of 65 535, as absorption sets them
GRAIN = 17.0  # px, mean distance of grains' centres


def material(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Class of each pixel (uint8) and ideal grey values (float32) of a section, size x size.

    Grains are the cells around random points (a Voronoi tessellation), each of one class and
    rounded as sintering rounds them; grains of one phase differ a little in grey.
    """
    margin = 2 * GRAIN
    count = round((size + 2 * margin) ** 2 / GRAIN**2)
    centres = rng.uniform(-margin, size + margin, (count, 2))
    pixels = np.moveaxis(np.indices((size, size)), 0, -1).reshape(-1, 2)
    # bent by smooth noise, so that the cells' borders are not straight
    bend = [ndimage.gaussian_filter(rng.standard_normal((size, size)), 5) for _ in range(2)]
    pixels = pixels + 40 * np.stack(bend, -1).reshape(-1, 2)
    grain = KDTree(centres).query(pixels)[1].reshape(size, size)
    phase = rng.choice(len(SHARES), count, p=SHARES)[grain]
    rounded = [ndimage.gaussian_filter((phase == k).astype(np.float32), 2.0) for k in range(3)]
    classes = np.argmax(rounded, 0).astype(np.uint8)
    grey = np.array(GREYS, np.float32)[classes]
    grey *= 1 + (classes > 0) * rng.normal(0, 0.012, count).astype(np.float32)[grain]
    return classes, grey


def tomogram(grey: np.ndarray, rng: np.random.Generator, noise: float = 700.0) -> np.ndarray:
    """What a synchrotron's tomograph makes of ideal grey values: uint16, same shape.

    Free-space propagation adds fringes at edges, -λ ∇² (phase contrast; Paganin et al. 2002,
    doi:10.1046/j.1365-2818.2002.01010.x); optics blur; back projection leaves noise without
    low frequencies; a detector's faulty columns become rings about the axis of rotation.
    noise : standard deviation of 65 535.
    """
    size = grey.shape[0]
    sharp = ndimage.gaussian_filter(grey, 0.8)
    picture = ndimage.gaussian_filter(sharp - 1.6 * ndimage.laplace(sharp), 0.7)
    axis = size / 2 + rng.uniform(-0.3, 0.3, 2) * size
    radius = np.hypot(*(np.indices(grey.shape) - axis[:, None, None]))
    columns = rng.normal(0, 400, 2 * size) + 2000 * (rng.random(2 * size) < 0.03)
    picture += np.interp(radius, np.arange(2 * size), columns)
    picture += 1100 * ((radius / size) ** 2 - 0.3)  # cupping by beam hardening
    return np.rint(np.clip(picture + correlated_noise(size, noise, rng), 0, 65535)).astype(
        np.uint16
    )


def correlated_noise(size, deviation, rng):
    """Noise of filtered back projection, float32 [size, size]; deviation : of 65 535."""
    noise = grain(rng.standard_normal((size, size)), ramp_spectrum((size, size), 1, 0.3))
    return (deviation / noise.std() * noise).astype(np.float32)
