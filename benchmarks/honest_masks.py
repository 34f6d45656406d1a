"""Ill and cut-off chests with the mask that is right for them: the alignment check must not refuse.

What is lung is as in `studies.disease` (RTOG 1106): consolidated, collapsed and emphysematous lung
is; fluid, tumour, free air and what fills the place of a lung that was taken out are not.
"""

import numpy as np
from scipy import ndimage

from studies import DISEASES
from utils.anatomy import LEFT, RIGHT, body_midline, split_lungs

FLUID, FREE_AIR = 20, -1000  # HU
DEPTH = 15  # mm of free air in front of a lung
RIM = np.ones((1, 5, 5))  # half air, half wall: two pixels around a lung


def lung_of(hu, mask, spacing, side):
    """One lung of a mask; bool."""
    return split_lungs(mask, spacing, body_midline(hu)) == side


def taken_out(side):
    """A lung whose place is filled with fluid."""

    def lay(hu, mask, spacing, rng):
        lung = lung_of(hu, mask, spacing, side)
        filled = ndimage.binary_dilation(lung, RIM) & ((mask == 0) | lung) & (hu < -150)
        hu = np.where(filled, FLUID + rng.normal(0, 15, hu.shape), hu).astype(np.int16)
        return hu, mask * ~lung

    return lay


def free_air(side):
    """Air between the front half of a lung and the chest's wall, which the mask leaves out."""

    def lay(hu, mask, spacing, rng):
        lung = lung_of(hu, mask, spacing, side)
        rows = np.arange(hu.shape[1])
        deep = ndimage.distance_transform_edt(
            lung[:, ::2, ::2], (spacing[0], *np.multiply(2, spacing[1:]))
        )
        deep = deep.repeat(2, 1).repeat(2, 2)[:, : hu.shape[1], : hu.shape[2]]
        front = rows < np.average(rows, weights=lung.any((0, 2)) + 1e-9)
        freed = lung & (deep < DEPTH) & front[:, None]
        return np.where(freed, FREE_AIR, hu).astype(np.int16), mask * ~freed

    return lay


def cut_off(low, high):
    """The slices between two shares of the lungs' height alone."""

    def lay(hu, mask, spacing, rng):
        first, *_, last = np.flatnonzero(mask.any((1, 2)))
        kept = slice(
            first + int(low * (last - first)) if low else None,
            first + int(high * (last - first)) if high < 1 else None,
        )
        return hu[kept], mask[kept]

    return lay


def diseased(disease):
    """One of DISEASES at its worst."""
    return lambda hu, mask, spacing, rng: DISEASES[disease](hu, mask, spacing, 1, rng)


# name -> (HU, mask, spacing, rng) -> (HU, mask)
HONEST = {disease: diseased(disease) for disease in DISEASES} | {
    "right pneumothorax": free_air(RIGHT),
    "left pneumothorax": free_air(LEFT),
    "right lung taken out": taken_out(RIGHT),
    "left lung taken out": taken_out(LEFT),
    "cut off above the diaphragm": cut_off(0.3, 1),
    "cut off below the apex": cut_off(0, 0.7),
    "the middle third alone": cut_off(0.33, 0.67),
}
