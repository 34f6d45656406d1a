"""Planar contours in patient coordinates onto a voxel grid, by the even-odd rule."""

import numpy as np
from pydicom.dataelem import RawDataElement

from utils.dicom import integer
from utils.errors import InputError
from utils.masks.names import refusal

MOST_POINTS = 100_000  # of one contour; drawn lungs have some hundreds
LONGEST_NUMBER = 17  # bytes of a decimal string (16, PS3.5 6.2) and its separator
FARTHEST = 1e5  # mm; no patient is so large
SAME_PLANE = 0.1  # of a slice spacing
LEAST_SNAP, MOST_SNAP = 1e-3, 0.1  # voxels: of single precision, and of one decimal in mm
BLOCK = 2**20  # crossings of edges and rows found at once, which bounds the memory
CONTOUR_DATA = 0x30060050


def read_contour(entry, where):
    """Points [n, 3] in mm (LPS) of one item of ContourSequence.

    where : what the contour is called in messages. Raises InputError unless ContourData holds
    exactly the promised number of finite points.
    """
    values = _numbers(entry, where)
    if len(values) % 3:
        raise refusal("not three a point", where, len(values))
    points = values.reshape(-1, 3)
    promised = integer(entry, "NumberOfContourPoints", default=len(points))
    if promised != len(points):
        raise refusal("promised points", where, promised, len(points))
    if len(points) > MOST_POINTS:
        raise InputError(f"{where} has {len(points)} points, expected at most {MOST_POINTS}")
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > FARTHEST:
        raise refusal("no place", where)
    return points


def _numbers(entry, where):
    """ContourData as float64; read from its text at once, as pydicom takes a number at a time."""
    try:
        item = entry.get_item(CONTOUR_DATA)
        if isinstance(item, RawDataElement) and isinstance(item.value, bytes):
            if len(item.value) > 3 * MOST_POINTS * LONGEST_NUMBER:
                raise InputError(f"{where} has more points than the {MOST_POINTS} expected at most")
            parts = item.value.decode("ascii").strip(" \0").split("\\")
        else:
            value = entry[CONTOUR_DATA].value
            parts = [str(part) for part in value] if hasattr(value, "__iter__") else [str(value)]
        if parts == [""] or any("_" in part for part in parts):
            raise ValueError
        return np.array(parts, dtype=np.float64)
    except InputError:
        raise
    except KeyError:
        raise InputError(f"{where} has no ContourData. Fetch the file again") from None
    except Exception:  # whatever pydicom or NumPy says of text among the numbers
        raise refusal("no numbers", where) from None


def contour_planes(polygons, volume, name):
    """Contours by slice: slice -> list of [n, 2] (row, col) in voxels, and notes.

    polygons : list of [n, 3] points in mm. Slices, rows and columns are those of the source
    files (`Volume.on_stored_grid`). Raises InputError for a contour that lies more than half
    a slice spacing off every slice, is not parallel to the slices, or misses the image.
    """
    shape = volume.stored_shape
    planes, depths, outside, off = {}, {}, 0, 0.0
    for points in polygons:
        index = volume.stored_index(points)
        k, away = _nearest_slice(name, points, index[:, 0], shape[0])
        depth = index[:, 0].mean()
        if abs(depths.setdefault(k, depth) - depth) > SAME_PLANE:
            raise refusal("two planes in a slice", name, points[0, 2])
        polygon = _as_meant(index[:, 1:], points, volume.spacing)
        outside += _reaches_beyond(name, points, polygon, shape[1:])
        off = max(off, away)
        planes.setdefault(k, []).append(polygon)
    return planes, _plane_notes(name, planes, outside, off)


def _as_meant(polygon, points, spacing):
    """Polygon with what lies beside voxel centres or edges by its rounding alone put on them.

    Whether a rim through centres is in or out would hang on the last printed digit otherwise.
    points : the same in mm, whose decimals tell how far they were rounded.
    """
    digits = next((n for n in range(6) if np.abs(points - points.round(n)).max() < 1e-9), 6)
    near = np.clip(10.0**-digits / min(spacing), LEAST_SNAP, MOST_SNAP) + 1e-6
    halves = np.rint(2 * polygon) / 2
    return np.where(np.abs(polygon - halves) <= near, halves, polygon)


def _nearest_slice(name, points, depth, slices):
    """Slice that a contour lies on, and how far off it is at most, in slice spacings."""
    k = int(np.clip(np.rint(depth.mean()), 0, slices - 1))
    away = float(np.abs(depth - k).max())
    if away <= 0.5:
        return k, away
    place = _place(points.mean(axis=0))
    if np.ptp(depth) > 0.5:
        raise refusal("not parallel", name, place)
    raise refusal("off every slice", name, away, place)


def _reaches_beyond(name, points, polygon, shape):
    """Whether a polygon [n, 2] of (row, col) leaves the image; InputError if it misses it."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    ends = np.array(shape) - 0.5
    if (high < -0.5).any() or (low > ends).any():
        raise refusal("outside the image", name, _place(points.mean(axis=0)))
    return bool((low < -0.5).any() or (high > ends).any())


def _plane_notes(name, planes, outside, off):
    """What is doubtful about the contours of one structure, one sentence each."""
    notes = []
    if outside:
        notes.append(f"“{name}” reaches beyond the image in {outside} contours: cut off there.")
    if off > SAME_PLANE:
        notes.append(f"“{name}” lies up to {off:.2f} of a slice spacing off the slices' planes.")
    gaps = sorted(set(range(min(planes), max(planes) + 1)) - set(planes))
    if gaps:
        listed = ", ".join(map(str, gaps[:5])) + (", …" if len(gaps) > 5 else "")
        notes.append(
            f"“{name}” has no contour on {len(gaps)} slices between its ends ({listed}): "
            "they stay empty."
        )
    return notes


def _place(point):
    return "({:.5g}, {:.5g}, {:.5g}) mm".format(*point)


def fill_even_odd(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Voxel centres inside an odd number of the contours: uint8 0/1 [rows, cols].

    contours : list of float [n, 2] (row, col), closed by their first point. A ray along the
    row crosses an edge from row a to b if min(a, b) <= row < max(a, b), and the crossing at
    column c lies before all centres >= c. Half-open on both axes: shapes that share an edge
    share no voxel, and a keyhole's bridge, run twice, leaves no trace. (Scan conversion with
    parity: Foley, van Dam et al., Computer Graphics, section 3.6.)
    """
    rows, cols = shape
    parity = np.zeros(rows * (cols + 1), np.uint8)
    starts = np.concatenate(contours)
    ends = np.concatenate([np.roll(contour, -1, axis=0) for contour in contours])
    block = max(1, BLOCK // max(1, rows))
    for begin in range(0, len(starts), block):
        (r0, c0), (r1, c1) = starts[begin : begin + block].T, ends[begin : begin + block].T
        first = np.clip(np.ceil(np.minimum(r0, r1)), 0, rows).astype(int)
        stop = np.clip(np.ceil(np.maximum(r0, r1)), 0, rows).astype(int)
        count = stop - first
        edge = np.repeat(np.arange(len(r0)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        slope = (c1 - c0)[edge] / (r1 - r0)[edge]
        crossing = np.round(c0[edge] + (row - r0[edge]) * slope, 9)  # on a centre, or beside it
        crossing = np.clip(np.ceil(crossing), 0, cols).astype(int)
        np.bitwise_xor.at(parity, row * (cols + 1) + crossing, 1)
    return np.bitwise_xor.accumulate(parity.reshape(rows, cols + 1), axis=1)[:, :cols]
