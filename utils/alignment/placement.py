"""Where would this mask fit best? Lung contrast, and the search over turns and shifts."""

import dataclasses
import itertools

import numpy as np
from scipy import ndimage

# Aerated lung lies between about -950 and -500 HU; air is included, so that emphysema and the
# padding of clipped scans count, since the rind around the mask tells lung from open air
LUNG_LIKE_HU = (-1024, -350)
RIND_PX = 3
SAMPLE = 10_000  # voxels; all placements are judged on the same ones, so noise mostly cancels
SLICES_EACH_WAY = 6
ORIENTATIONS = tuple(itertools.product((False, True), repeat=4))  # transpose, three flips


@dataclasses.dataclass(frozen=True)
class Placement:
    """A way to lay a mask over a volume, and how well it fits there.

    orientation : (transpose rows and columns?, flip slices?, flip rows?, flip columns?), in
    that order, about the middle of the volume. shift : voxels along (slices, rows, columns),
    applied last. contrast : see `best_placements`.
    """

    orientation: tuple[bool, bool, bool, bool]
    shift: tuple[int, int, int]
    contrast: float


def best_placements(hu, mask):
    """Contrast of a mask as given, and its best placement in each orientation, best first.

        contrast = share of lung-like voxels under the mask
                 - share of lung-like voxels in a rind of 3 pixels around it, slice by slice

    from -1 to 1. A lung is airy and has a chest wall around it, so an aligned mask scores high. A
    mask over muscle scores low for its inside, a mask over the air of the room for its rind.

    hu : int16 [slices, rows, cols]. mask : uint8 0/1, same shape. Each of the 16 orientations that
    a transposition and three flips make is tried at shifts of up to six slices; the three that fit
    best are then shifted by a pattern search. Returns (contrast as given, list of Placement);
    (NaN, []) when the mask is empty.
    """
    lung_like = is_lung_like(hu)
    points = mask_and_rind(mask)
    given = contrast_of(lung_like, points)
    if np.isnan(given):
        return given, []
    shifts = [(dz, 0, 0) for dz in range(-SLICES_EACH_WAY, SLICES_EACH_WAY + 1)]
    placements = []
    for orientation in ORIENTATIONS:
        if orientation[0] and hu.shape[1] != hu.shape[2]:
            continue  # a transposed mask would have another shape
        turned = [_turn(p[:, ::4], hu.shape, orientation) for p in points]
        contrasts = [contrast_of(lung_like, turned, shift) for shift in shifts]
        best = int(np.argmax(contrasts))
        placements.append(Placement(orientation, shifts[best], contrasts[best]))
    placements.sort(key=lambda placement: -placement.contrast)
    for rank, placement in enumerate(placements[:3]):
        turned = [_turn(p, hu.shape, placement.orientation) for p in points]
        shift, contrast = climb(lung_like, turned, placement.shift)
        placements[rank] = Placement(placement.orientation, shift, contrast)
    return given, sorted(placements, key=lambda placement: -placement.contrast)


def is_lung_like(hu):
    """Whether int16 HU are those of lung or air (LUNG_LIKE_HU); bool."""
    return (hu - np.int16(LUNG_LIKE_HU[0])).view(np.uint16) <= LUNG_LIKE_HU[1] - LUNG_LIKE_HU[0]


def mask_and_rind(mask, most=SAMPLE):
    """Coordinates int32 [3, n] of voxels under the mask and in its rind, `most` of each."""
    inside, rind = [np.empty((3, 0), np.int32)], [np.empty((3, 0), np.int32)]
    for z, slice_mask in enumerate(mask):
        rows, cols = slice_mask.any(1).nonzero()[0], slice_mask.any(0).nonzero()[0]
        if len(rows) == 0:
            continue
        corner = [max(0, where[0] - RIND_PX) for where in (rows, cols)]
        box = slice_mask[corner[0] : rows[-1] + RIND_PX + 1, corner[1] : cols[-1] + RIND_PX + 1]
        around = ndimage.binary_dilation(box, iterations=RIND_PX) & (box == 0)
        for chosen, places in ((box, inside), (around, rind)):
            y, x = chosen.nonzero()
            z_of_all = np.full(len(y), z)
            places.append(np.stack([z_of_all, y + corner[0], x + corner[1]], dtype=np.int32))
    random = np.random.default_rng(0)
    return [
        points
        if points.shape[1] <= most
        else points[:, random.choice(points.shape[1], most, replace=False)]
        for points in (np.concatenate(places, axis=1) for places in (inside, rind))
    ]


def contrast_of(lung_like, points, shift=(0, 0, 0)):
    """Lung contrast of a mask given by its points, shifted; voxels outside are not lung-like."""
    shares = []
    shape = np.array(lung_like.shape, np.uint32)[:, None]
    for coordinates in points:
        if coordinates.shape[1] == 0:
            return float("nan")
        moved = coordinates + np.array(shift, np.int32)[:, None]
        inside = (moved.view(np.uint32) < shape).all(0)  # below 0 it wraps to what is too large
        z, y, x = moved if inside.all() else moved[:, inside]
        shares.append(np.count_nonzero(lung_like[z, y, x]) / coordinates.shape[1])
    return float(shares[0] - shares[1])


def _turn(points, shape, orientation):
    """Points of a mask in another orientation about the middle of the volume."""
    transpose, *flips = orientation
    turned = points[[0, 2, 1]] if transpose else points.copy()
    for axis, flip in enumerate(flips):
        if flip:
            turned[axis] = shape[axis] - 1 - turned[axis]
    return turned


def climb(lung_like, points, shift):
    """Best (shift, contrast) by a pattern search: steps of 16 pixels down to 1 while they help."""
    best = contrast_of(lung_like, points, shift)
    for pixels in (16, 8, 4, 2, 1):
        steps = np.concatenate([np.diag([1, pixels, pixels]), -np.diag([1, pixels, pixels])])
        while True:
            neighbours = [tuple((np.array(shift) + step).tolist()) for step in steps]
            contrasts = [contrast_of(lung_like, points, neighbour) for neighbour in neighbours]
            if max(contrasts) <= best:
                break
            best = max(contrasts)
            shift = neighbours[contrasts.index(best)]
    return shift, best
