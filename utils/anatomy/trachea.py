"""Finding the windpipe, which is as black as lung and not part of it."""

import numpy as np
from scipy import ndimage

WINDPIPE_BELOW = -900  # HU; lung is never as empty as this over a whole cross-section
AREA = (40.0, 900.0)  # mm² of a windpipe's cross-section, from a child's to a wide one's carina
OFF_CENTRE = 50.0  # mm between windpipe and the body's middle, at most
GROWTH = 2.5  # times as large as on the slice above at most; at the carina it doubles
NARROW = 60.0  # mm² of the glottis, below which growth is not judged
WALL = 2.0  # mm around the air: voxels half air, half wall, as dark as lung


def airway_mask(hu, spacing):
    """Mask of the windpipe down to where it opens into the lungs; bool, same shape as `hu`.

    hu : int16 [slices, rows, cols], slice 0 at the feet end. spacing : (slice, row, col) mm.

    From the head downwards, the first round pool of air near the body's middle that goes on for
    15 mm is taken; it is then followed slice by slice through pools that overlap it, until there
    is none or it widens as only a lung can. All False when nothing fits.
    """
    found = np.zeros(hu.shape, bool)
    pools = _Pools(hu, spacing)
    long_enough = max(2, round(15 / spacing[0]))
    for top in range(len(hu) - 1, long_enough - 2, -1):
        for seed in pools.round_ones(top):
            course = pools.follow(seed, top)
            if len(course) >= long_enough:
                for z, pool in course.items():
                    found[z] = pools.with_wall(pool)
                return found
    return found


class _Pools:
    """Pools of air on the slices of a scan, with what tells a windpipe from other gas."""

    def __init__(self, hu, spacing):
        self.hu = hu
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
        boxes = ndimage.find_objects(labels)
        for number in np.flatnonzero((areas >= AREA[0]) & (areas <= AREA[1])):
            if number == 0:
                continue
            box = boxes[number - 1]
            height, width = (side.stop - side.start for side in box)
            pool = labels == number
            filled = pool[box].mean() > 0.5  # a disc fills 0.79 of its box
            central = abs((box[1].start + box[1].stop) / 2 - middle) < self.reach
            if filled and central and max(height, width) < 2.5 * min(height, width):
                yield pool

    def with_wall(self, pool):
        """A pool grown by the thickness of the wall."""
        return ndimage.binary_dilation(pool, iterations=self.wall)

    def follow(self, pool, z):
        """The course of a pool from slice z downwards: slice -> bool [rows, cols]."""
        course, above = {z: pool}, pool.sum() * self.pixel
        while z > 0:
            z -= 1
            labels, areas = self.labels(z)
            below = np.unique(labels[course[z + 1]])
            below = below[below > 0]
            area = areas[below].sum()
            # where it, or a thin bronchus, opens into a lung it grows within one slice
            if not len(below) or area > min(AREA[1], GROWTH * max(above, NARROW)):
                break
            course[z], above = np.isin(labels, below), area
        return course
