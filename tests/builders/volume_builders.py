"""Volumes for tests, made in memory: HU at a place in the patient."""

import numpy as np

from utils.dicom.reader import Volume


def volume_of(hu, spacing, origin=(0, 0, 0), turn=None, stored_axes="HPL", **identity):
    """A Volume whose slices, rows and columns run along z, y and x.

    hu : [slices, rows, cols]. spacing : (slice, row, col) in mm. origin : (x, y, z) of the first
    voxel in mm (LPS). turn : rotation matrix [3, 3] of the axes about the patient's. stored_axes :
    as in Volume.
    """
    axes = np.diag(spacing)[::-1].astype(float)  # column i: the step in mm along index axis i
    affine = np.eye(4)
    affine[:3, :3] = axes if turn is None else turn @ axes
    affine[:3, 3] = origin
    return Volume(hu, tuple(spacing), affine, identity, stored_axes=stored_axes)


def cones():
    """(HU, mask): a body of water with two unequal cones of lung, lying back."""
    z, y, x = np.mgrid[:16, :64, :64]
    right = np.hypot(y - 36, (x - 20) * 1.3) < 16 - 0.8 * z
    left = np.hypot((y - 38) * 0.8, x - 45) < 12 - 0.6 * z
    mask = (right | left).astype(np.uint8)
    hu = np.where(np.hypot(y - 34, x - 32) < 30, 40, -1000).astype(np.int16)
    hu[mask > 0] = -800
    return hu, mask
