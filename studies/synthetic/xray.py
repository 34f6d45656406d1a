"""Chest X-rays simulated from CT-like volumes: line integrals, Beer-Lambert, film.

A volume is [slices, rows, cols] with slice 0 at the feet end, row 0 in front and column 0 at the
patient's right; a picture is upright, the patient's right on its left side.
"""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from utils.anatomy import LEFT, RIGHT

WATER = 0.0206  # 1/mm at 60 keV (NIST, Hubbell and Seltzer 2004)
FOCUS = 1800.0  # mm from the X-ray tube to the detector


def attenuation(hu):
    """Linear attenuation in 1/mm of HU at an X-ray tube's lower energy; float32, same shape.

    By the definition of HU, μ = μ_water (1 + HU / 1000). The calcium of bone attenuates more at
    the energies of a projection X-ray than at those of CT, hence the steeper second line.
    """
    relative = 1 + np.maximum(hu, -1000) / 1000 + 0.6 * np.maximum(hu - 100, 0) / 1000
    return (WATER * relative).astype(np.float32)


def chest_cavity(lung):
    """What lies in depth between the first and the last lung of this column or those above.

    lung : bool. Behind a dome of the diaphragm or beside the heart the lung fills only a part of
    the depth that it has higher up; this is the depth. Returns bool, same shape.
    """
    depth = np.arange(lung.shape[1])[None, :, None]
    there = lung.any(1)
    first = np.where(there, lung.argmax(1), lung.shape[1])
    last = np.where(there, lung.shape[1] - 1 - lung[:, ::-1].argmax(1), -1)
    first = np.minimum.accumulate(first[::-1])[::-1, None]
    last = np.maximum.accumulate(last[::-1])[::-1, None]
    return (depth >= first) & (depth <= last)


def project(volumes, spacing, turn=0.0, tilt=0.0):
    """Line integrals from the focus through volumes, back to front (a PA view).

    volumes : float32 [k, slices, rows, cols]. spacing : mm (slice, row, col). turn, tilt : how the
    patient is turned about the long axis and bent forward, in degrees. Rays spread from a
    focus FOCUS before the detector, which touches the front: what lies behind is
    shown larger. Returns float32 [k, slices, cols], upright, integrals over mm.
    """
    shape = volumes.shape[1:]
    z, y, x = (torch.arange(n) * s - (n - 1) * s / 2 for n, s in zip(shape, spacing, strict=True))
    magnification = (FOCUS - (y - y[0]))[None, :, None] / FOCUS
    z, y, x = torch.broadcast_tensors(z[:, None, None], y[None, :, None], x[None, None])
    z, x = z * magnification, x * magnification
    a, b = np.deg2rad((turn, tilt))
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    z, y = z * np.cos(b) - y * np.sin(b), z * np.sin(b) + y * np.cos(b)
    ends = [(n - 1) * s / 2 for n, s in zip(shape, spacing, strict=True)]
    grid = torch.stack([x / ends[2], y / ends[1], z / ends[0]], -1)[None].float()
    turned = F.grid_sample(
        torch.from_numpy(volumes)[None], grid, padding_mode="border", align_corners=True
    )
    return (turned[0].sum(2) * spacing[1]).flip(1).numpy()


def expose(path, rng, photons=20_000.0, scatter=0.5):
    """What reaches the detector, by Beer and Lambert: I = I0 exp(-∫ μ ds), scatter and noise.

    path : ∫ μ ds. photons : I0 of a pixel. scatter : scattered radiation reaching the detector
    behind an anti-scatter grid, as a share of the direct one; it is spread widely and flattens
    contrast. Counts are Poisson. Returns counts, float32.
    """
    direct = np.exp(-path)
    arriving = direct + scatter * ndimage.gaussian_filter(direct, path.shape[0] / 16)
    return rng.poisson(photons * arriving).astype(np.float32)


def develop(counts, local=0.6):
    """Counts as a picture for reading, uint8: logarithm, local contrast, bone white.

    local : share of the large-scale brightness that is taken out, as the processing of digital
    X-rays does, so that ribs show on the dark lung and on the bright abdomen alike.
    """
    density = -np.log(counts + 1)
    density = density - local * ndimage.gaussian_filter(density, counts.shape[0] / 10)
    low, high = np.percentile(density, (1, 99.7))
    return np.uint8(255 * np.clip((density - low) / (high - low), 0, 1))


def lung_fields(lung_path, cavity_path, pixel):
    """Label map uint8 of the lung fields as readers outline them: RIGHT and LEFT.

    Lung is called what fills most of the cavity's depth: so the outline runs along the
    heart, the mediastinum and the domes of the diaphragm. lung_path, cavity_path : mm.
    pixel : mm; islands of less than 10 cm² are not outlined.
    """
    field = (lung_path > 0.55 * cavity_path) & (lung_path > 10)
    field = ndimage.binary_opening(field, iterations=max(1, round(4 / pixel)))
    pieces, count = ndimage.label(field)
    labels = np.zeros(field.shape, np.uint8)
    for number in range(1, count + 1):
        piece = pieces == number
        if piece.sum() * pixel**2 >= 1000:
            on_the_left = np.nonzero(piece)[1].mean() < field.shape[1] / 2
            labels[piece] = RIGHT if on_the_left else LEFT
    return labels
