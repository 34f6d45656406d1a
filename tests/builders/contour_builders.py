"""Contours for tests, drawn in voxels: rectangles, circles, and the volume they lie on."""

import numpy as np
from dicom_factory import SERIES
from rtstruct_factory import FRAME, contour, in_mm
from volume_builders import volume_of

STEP = (2.5, 0.7, 0.9)  # mm between slices, rows and columns
ORIGIN = (-90.0, -60.0, -300.0)  # x, y, z in mm


def a_volume(shape=(6, 60, 80), code="HPL"):
    """An empty volume of unequal spacings; `code` is how its files are stored."""
    identity = {"series_uid": SERIES, "frame_of_reference_uid": FRAME}
    return volume_of(np.zeros(shape, np.int16), STEP, ORIGIN, stored_axes=code, **identity)


def on_slice(k, polygon, depth=0.0):
    """Points in mm of a polygon [n, 2] given in (row, col) voxels, `depth` slices above slice k."""
    index = np.insert(np.asarray(polygon, float), 0, k + depth, axis=1)
    return in_mm(a_volume(), index)


def drawn(k, *polygons, depth=0.0):
    """Contours of an RTSTRUCT from polygons as `on_slice` takes them."""
    return [contour(on_slice(k, polygon, depth)) for polygon in polygons]


def circle(radius, centre=(100.0, 100.0), points=720):
    """Polygon [points, 2] in (row, col) voxels."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([np.sin(angle), np.cos(angle)]) * radius + centre


def rectangle(top, left, bottom, right):
    """Polygon [4, 2] in (row, col) voxels."""
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)


BOX = rectangle(9.5, 9.5, 19.5, 19.5)
