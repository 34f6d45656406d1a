"""Finding the windpipe, which is as black as lung and not part of it."""

import math

import numpy as np
from scipy import ndimage

from utils.anatomy.lungs import bounding_box

WINDPIPE_BELOW = -900  # HU; lung is never as empty as this over a whole cross-section
AREA = (40.0, 900.0)  # mm² of a windpipe's cross-section, from a child's to a wide one's carina
OFF_CENTRE = 50.0  # mm between windpipe and the body's middle, at most
GROWTH = 2.5  # times as large as on the slice above at most; at the carina it doubles
MOST = 6  # pools on one slice at most: two main bronchi and what branches off them
TISSUE = -500  # HU; denser is a wall and what lies behind it, not lung
WALLED = 0.5  # of what lies 2 to 5 mm around it is tissue; around a hole in the lung, lung is
NARROW = 60.0  # mm² of the glottis, below which growth is not judged
WALL = 2.0  # mm around the air: voxels half air, half wall, as dark as lung


def airway_mask(hu, spacing):
    """Mask of the windpipe down to where it opens into the lungs; bool, same shape as `hu`.

    hu : int16 [slices, rows, cols], slice 0 at the feet end. spacing : (slice, row, col) mm.

    From the head downwards, the first round pool of air near the body's middle that goes on for
    15 mm is taken; it is then followed slice by slice through the pools that overlap it and have
    a wall of tissue, until there is none, there are too many or they widen as only a lung can.
    All False when nothing fits.
    """
    found = np.zeros(hu.shape, bool)
    pools = _Pools(hu, spacing)
    long_enough = max(2, round(15 / spacing[0]))
    for top in range(len(hu) - 1, long_enough - 2, -1):
        for seed in pools.round_ones(top):
            course = pools.follow(seed, top)
            if len(course) >= long_enough:
                for z, pool in course.items():
                    found[z] = ndimage.binary_dilation(pool, iterations=pools.wall)
                return found
    return found


def wall_share(pool, hu, spacing):
    """Share of what lies around a pool of air that is tissue; 0 to 1.

    pool, hu : of a slice or a volume; spacing : mm along each axis. Looked at is what lies 2 to
    5 mm outside, or one to two pixels, where the edge is no longer blurred.
    """
    pixel = max(spacing[-2:])
    box = bounding_box(pool, margin=math.ceil(5 / min(spacing)) + 2)
    away = ndimage.distance_transform_edt(~pool[box], sampling=spacing)
    ring = (away > max(2, pixel)) & (away <= max(2, pixel) + max(3, pixel))
    return float((hu[box][ring] > TISSUE).mean()) if ring.any() else 0.0


class _Pools:
    """Pools of air on the slices of a scan, with what tells a windpipe from other gas."""

    def __init__(self, hu, spacing):
        self.hu, self.spacing = hu, spacing
        self.pixel = float(spacing[1] * spacing[2])
        self.reach = OFF_CENTRE / spacing[2]
        self.wall = max(1, round(WALL / spacing[2]))

    def labels(self, z):
        """Numbered pools of air on one slice, and the area of each in mm²."""
        labels, _ = ndimage.label(self.hu[z] < WINDPIPE_BELOW)
        return labels, np.bincount(labels.ravel()) * self.pixel

    def round_ones(self, z):
        """Pools of one slice that could be a windpipe, each a bool [rows, cols]."""
        labels, areas = self.labels(z)
        body = np.flatnonzero((self.hu[z] > -500).any(0))
        if not len(body):
            return
        middle = (body[0] + body[-1]) / 2
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            if not AREA[0] <= areas[number] <= AREA[1]:
                continue
            height, width = labels[box].shape
            filled = (labels[box] == number).mean() > 0.5  # a disc fills 0.79 of its box
            central = abs((box[1].start + box[1].stop) / 2 - middle) < self.reach
            long = max(height, width) >= 2.5 * min(height, width)
            if filled and central and not long and self.walled(labels == number, z):
                yield labels == number

    def walled(self, pool, z):
        """Whether a pool has a wall, as an airway has and a hole in the lung has not."""
        return wall_share(pool, self.hu[z], self.spacing[1:]) >= WALLED

    def follow(self, pool, z):
        """The course of a pool from slice z downwards: slice -> bool [rows, cols]."""
        course, above = {z: pool}, pool.sum() * self.pixel
        while z > 0:
            z -= 1
            labels, areas = self.labels(z)
            below = [n for n in np.unique(labels[course[z + 1]]) if n]
            below = [n for n in below if areas[n] <= AREA[1] and self.walled(labels == n, z)]
            area = sum(areas[below])
            # where it, or a thin bronchus, opens into a lung it grows within one slice
            if not 0 < len(below) <= MOST or area > min(AREA[1], GROWTH * max(above, NARROW)):
                break
            course[z], above = np.isin(labels, below), area
        return course
