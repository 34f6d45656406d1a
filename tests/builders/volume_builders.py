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
