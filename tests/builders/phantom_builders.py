"""Synthetic patients that are made in a moment."""

import dataclasses

from utils.datasets.phantom import PATIENTS


def small_patient(number=0, matrix=64, slices=20, **changes):
    """Patient `number` on a coarse grid, same field of view and range: for quick tests."""
    full = PATIENTS[number]
    return dataclasses.replace(
        full,
        matrix=matrix,
        slices=slices,
        pixel=full.pixel * full.matrix / matrix,
        spacing=full.spacing * full.slices / slices,
        **changes,
    )
