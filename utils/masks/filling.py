"""What several contours of one structure enclose together."""

import numpy as np

from utils.errors import InputError
from utils.masks.contours import fill_even_odd

MOST_OVER = 64  # times that windows around all contours of a slice may cover it
MOST_PAIRS = 50_000  # of contours over each other on a slice; a lung of 500 holes has 1000


def crossings(planes, rows):
    """What it costs to fill contours: how many edges they have, and rows that these cross."""
    clipped = [np.clip(c[:, 0], 0, rows) for contours in planes.values() for c in contours]
    return sum(len(row) + int(np.abs(row - np.roll(row, 1)).sum()) for row in clipped)


def fill_planes(planes, mask, name, exclusive):
    """Set to 1, in place, what the contours of one structure enclose; returns notes.

    planes : slice -> contours. mask : uint8 [slices, rows, cols]. exclusive : whether they are
    CLOSEDPLANAR_XOR (PS3.3 C.8.8.6.3), which the even-odd rule over all of a slice fills.
    """
    centred, copies, overlaps = _through_centres(planes, mask.shape[1:]), 0, 0
    for k, contours in planes.items():
        if exclusive:
            mask[k] |= fill_even_odd(contours, mask.shape[1:])
        else:
            more = _fill_nested(contours, mask[k].view(bool), name)
            copies, overlaps = copies + more[0], overlaps + more[1]
        if centred:
            rows, cols = np.concatenate([_on_line(contour) for contour in contours]).T
            mask[k, rows, cols] = 1
    notes = []
    if copies:
        notes.append(f"“{name}” lists {copies} contours twice: taken once.")
    if overlaps:
        notes.append(f"“{name}” has {overlaps} pairs of contours that overlap: united.")
    if centred:
        notes.append(
            f"“{name}” runs through the centres of voxels, as rt-utils and TotalSegmentator write "
            "it: the voxels on its line belong to it."
        )
    return notes


def _through_centres(planes, shape):
    """Whether all contours go from voxel centre to voxel centre along rows, columns, diagonals."""
    for contour in (contour for contours in planes.values() for contour in contours):
        rows, cols = np.abs(np.roll(contour, -1, axis=0) - contour).T
        inside = contour.min() >= 0 and (contour.max(axis=0) < shape).all()
        short = np.maximum(rows, cols).sum() < 4 * np.prod(shape)  # or it is none, and endless
        straight = ((rows == cols) | (rows == 0) | (cols == 0)).all()
        if not (inside and short and straight) or (contour % 1).any():
            return False
    return True


def _on_line(contour):
    """Voxels [n, 2] on the line of a contour through centres."""
    way = np.roll(contour, -1, axis=0) - contour
    count = np.abs(way).max(axis=1).astype(int)
    edge = np.repeat(np.arange(len(way)), count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return (contour[edge] + np.sign(way)[edge] * step[:, None]).astype(int)


def _fill_nested(contours, mask, name):
    """Set what the contours of one slice enclose; (copies left out, pairs that overlap).

    A contour wholly within another is a hole in it, or an island in its hole; two that overlap
    otherwise are united; two that enclose the same voxels are one. mask : bool [rows, cols].
    """
    windows = sum(min(np.prod(np.ptp(contour, axis=0)), mask.size) for contour in contours)
    if windows > MOST_OVER * mask.size:
        raise InputError(f"“{name}” covers a slice more than {MOST_OVER} times. Draw it again")
    parts = sorted((_alone(contour, mask.shape) for contour in contours), key=lambda p: -p[2].sum())
    lows, highs = (np.array([part[end] for part in parts]) for end in (0, 1))
    inside, sizes = [part[2] for part in parts], [np.count_nonzero(part[2]) for part in parts]
    depth, holes, copies, overlaps, pairs = {}, {}, 0, 0, 0

    def shared(i, j):
        low, high = np.maximum(lows[i], lows[j]), np.minimum(highs[i], highs[j])
        return [inside[n][tuple(map(slice, low - lows[n], high - lows[n]))] for n in (i, j)]

    for i, size in enumerate(sizes):
        near = (lows[:i] < highs[i]).all(axis=1) & (highs[:i] > lows[i]).all(axis=1)
        common = {
            j: np.count_nonzero(np.logical_and(*shared(i, j)))
            for j in map(int, np.flatnonzero(near)) if j in depth
        }  # fmt: skip
        pairs += len(common)
        if pairs > MOST_PAIRS:
            raise InputError(f"“{name}” has more contours over each other than anybody draws")
        if any(count == size == sizes[j] for j, count in common.items()):
            copies += 1
            continue
        owners = [j for j, count in common.items() if count == size]
        overlaps += sum(0 < count < size for count in common.values())
        depth[i] = 1 + max((depth[j] for j in owners), default=-1)
        for j in owners:
            if depth[j] == depth[i] - 1:
                holes.setdefault(j, []).append(i)
    for i in reversed(depth):  # the smallest first: a hole has then lost its islands
        for j in holes.get(i, ()):
            of_i, hole = shared(i, j)
            of_i[hole] = False
        if depth[i] == 0:
            mask[tuple(map(slice, lows[i], highs[i]))] |= inside[i]
    return copies, overlaps


def _alone(contour, shape):
    """First and last (row, col) of the window that holds a contour, and what it encloses there."""
    low = np.clip(np.ceil(contour.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.floor(contour.max(axis=0)) + 1, low, shape).astype(int)
    return low, high, fill_even_odd([contour - low], tuple(high - low)).view(bool)
