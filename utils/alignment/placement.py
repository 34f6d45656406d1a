"""Where would this mask fit best? Lung contrast, and the search over turns and shifts."""

import dataclasses
import itertools

import numpy as np

from utils.anatomy import bounding_box

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
    above = np.subtract(hu, np.int16(LUNG_LIKE_HU[0]), order="C")
    return above.view(np.uint16) <= LUNG_LIKE_HU[1] - LUNG_LIKE_HU[0]


def mask_and_rind(mask, most=SAMPLE):
    """Coordinates int32 [3, n] of voxels under the mask and in its rind, `most` of each."""
    points = [np.empty((3, 0), np.int32)] * 2
    box = bounding_box(mask, RIND_PX)
    if box is None:
        return points
    part = np.ascontiguousarray(mask[box]).view(bool)
    random = np.random.default_rng(0)
    for which, places in enumerate((part, _rind(part))):
        voxels = np.flatnonzero(places)
        if len(voxels) > most:
            voxels = voxels[random.choice(len(voxels), most, replace=False)]
        found = np.array(np.unravel_index(voxels, part.shape), np.int32)
        points[which] = found + np.array([[cut.start] for cut in box], np.int32)
    return points


def _rind(mask):
    """What lies up to RIND_PX steps beside a mask [slices, rows, cols], slice by slice; bool."""
    ways, within = [(by, axis) for by in (1, -1) for axis in (1, 2)], slice(RIND_PX, -RIND_PX)
    grown = np.packbits(np.pad(mask, RIND_PX)[within], 0)  # eight slices at a time
    for _ in range(RIND_PX):
        grown = np.bitwise_or.reduce([grown, *(np.roll(grown, *way) for way in ways)])
    return np.unpackbits(grown, 0, len(mask)).view(bool)[:, within, within] & ~mask


def contrast_of(lung_like, points, shift=(0, 0, 0)):
    """Lung contrast of a mask given by its points, shifted; voxels outside are not lung-like."""
    shares, (slices, rows, columns) = [], lung_like.shape
    shape = np.array([[slices], [rows], [columns]], np.uint64)
    for coordinates in points:
        if coordinates.shape[1] == 0:
            return float("nan")
        z, y, x = moved = coordinates + np.array(shift, np.int64)[:, None]
        inside = (moved.view(np.uint64) < shape).all(0)  # below 0 it wraps to what is too large
        found = lung_like.take((z * rows + y) * columns + x, mode="clip") & inside
        shares.append(np.count_nonzero(found) / coordinates.shape[1])
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
