"""What of the lungs a mask leaves out, and what it holds beyond them."""

import numpy as np
from scipy import ndimage

from utils.anatomy.body import ACROSS, WITHIN_SLICE, surrounded
from utils.anatomy.lungs import TOUCHING, bounding_box, litres
from utils.anatomy.trachea import wall_share

LIKE_LUNG = (-950, -600)  # HU; below is gas, above mostly the edge of something dense
DARKER = 10  # HU below the median of the lungs found, where these are emphysematous, is gas too
LEAST_ML = 10.0  # of one piece of air
GAS_BELOW = -940  # HU
GAS_WALLED = 0.5  # of its edge: 0.53 to 0.9 in the bowels of five patients
GAS_OPEN = 25  # mm² of air on from it, in its median slice: 12 at most of bowels, 37 of ill lung
GRID, LEAST_GRID = 4.0, 64  # mm, fine enough for millilitres, and quick; columns
# ml, and share of the mask: less is said of none. On slices of 27 mm honest masks leave out 1.6 %
LEAST = dict(incomplete=(15, 0.015), gaps=(15, 0), outside=(3, 0), gas=(10, 0), tissue=(15, 0))
# HU; mm each way from the body's middle; share of tissue there: 0.54 in hulls, 0.06 in ill lungs
DENSE, MIDDLE, MIDDLE_SHARE = -200, 10, 0.2
# A solid piece of an organ: share of what is around it that is lung of the mask (filled lung 0.08
# to 0.32; balls in heart and liver 0 to 0.06); share beyond the mask that is as dense (0.36 to
# 0.61; most 0.74 to 1) within so many HU; mm; HU of what is solid and of what is lung
TOUCHED, ALIKE, SAME_HU, NEAR, SOLID, OPEN = 0.07, 0.65, 40, 6.5, -150, -300
WHOLE_ML = 400  # a whole lung that is filled is larger
ROOM = (-930, -500)  # HU: what lies beyond the body is darker (air) or denser (the couch)


def left_out(hu, mask, inside, spacing):
    """Air like lung within the body, beside a mask or across from it, that it leaves out; bool.

    hu, mask (bool), inside (bool, the body) : [slices, rows, cols]; spacing : (slice, row, col) mm.
    """
    rest = inside & ~mask & (hu < LIKE_LUNG[1])
    gas = _gas_below(hu, mask, LIKE_LUNG[0])
    found = np.zeros_like(mask)
    for piece, _ in pieces_of(ndimage.binary_opening(rest, ACROSS), rest, spacing):
        if np.median(hu[piece]) > gas:
            near = ndimage.maximum_filter(mask.view(np.uint8), 5) > 0
            found |= piece & (near | near[:, :, ::-1])[piece].any()  # or where the other lung lies
    return found


def _gas_below(hu, mask, most):
    """HU below which air is gas: `most`, or what is darker than the lungs under a mask."""
    lungs = hu[mask & (hu < LIKE_LUNG[1])]
    return min(most, np.median(lungs) - DARKER) if len(lungs) else most


def gas_within(hu, mask, spacing):
    """Pools of gas with a wall of tissue that a mask holds, as the bowel's; yields bool arrays."""
    below = _gas_below(hu, mask, GAS_BELOW)
    empty = np.zeros(hu.shape, bool)
    for number, each in enumerate(hu):  # floats of a whole scan would be twice itself
        empty[number] = ndimage.gaussian_filter(each * np.float32(1), 0.5) < below
    for pool, _ in pieces_of(empty, mask, spacing):
        air, _ = ndimage.label(hu < LIKE_LUNG[1], ACROSS)
        beyond = np.isin(air, air[pool & (air > 0)])
        beyond &= ~ndimage.binary_dilation(pool, WITHIN_SLICE, 2)
        open_to = np.median(beyond.sum((1, 2))[pool.any((1, 2))]) * spacing[1] * spacing[2]
        if wall_share(pool, hu, spacing) >= GAS_WALLED and open_to < GAS_OPEN:
            yield ndimage.binary_dilation(pool, ACROSS) & mask & (hu < below)


def middle_tissue(hu, mask, inside, spacing):
    """Tissue in the body's middle that a mask holds, if that is much of what lies there; bool."""
    columns = np.arange(hu.shape[2])
    away = columns - np.average(columns, weights=1 + inside.sum((0, 1)))
    strip = inside & (hu > DENSE) & (abs(away) * spacing[2] <= MIDDLE)
    held = strip & mask
    return held & (held.sum() > MIDDLE_SHARE * strip[mask.any((1, 2))].sum())


def solid_organs(hu, mask, spacing):
    """Solid pieces of a mask that hardly touch its lung and go on beyond it as they are; bool."""
    even = ndimage.gaussian_filter(hu * np.float32(1), [2 / side for side in spacing])
    found, core = np.zeros_like(mask), ndimage.binary_opening(mask & (even > SOLID), WITHIN_SLICE)
    for piece, ml in pieces_of(core, core, spacing):
        around = ndimage.distance_transform_edt(~piece, spacing) <= NEAR
        beyond = abs(even[around & ~mask] - np.median(even[piece])) < SAME_HU
        lung = (around & mask & (even < OPEN)).sum() / (around & ~piece).sum()
        alike = beyond.sum() > ALIKE * len(beyond) and ml < WHOLE_ML
        found |= piece & (lung < TOUCHED and alike)
    return found


def pieces_of(air, counted, spacing):
    """Pieces of air with at least LEAST_ML in `counted`: (bool mask, ml of that)."""
    pieces, count = ndimage.label(air, TOUCHING)
    sizes = 1e3 * litres(np.bincount(pieces[counted], minlength=count + 1), spacing)
    for number in np.flatnonzero(sizes >= LEAST_ML):
        if number:
            yield pieces == number, sizes[number]


def extent_faults(
    hu: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float]
) -> dict[str, tuple[float, np.ndarray]]:
    """What is wrong with a mask that lies in its place: name -> (ml, slices); often empty.

    hu : int16 [slices, rows, cols]; mask : 0/1, same shape; spacing : (slice, row, col) mm.
    "incomplete" : air like lung that it leaves out. "gaps" : the same, where the mask goes on
    both below and above. "outside" : what lies beyond the body. "gas" : of stomach or bowel, in
    the lower half, where no windpipe is. "tissue" : of the body's middle, or an organ. On 4 mm.
    """
    step = max(1, min(round(GRID / spacing[2]), hu.shape[2] // LEAST_GRID))
    hu, mask = np.ascontiguousarray(hu[:, ::step, ::step]), mask[:, ::step, ::step] > 0
    spacing = (spacing[0], step * spacing[1], step * spacing[2])
    inside, whole = surrounded(hu, spacing), 1e3 * litres(mask.sum(), spacing)
    beyond = mask & ~inside
    if beyond.any() and ROOM[0] < np.median(hu[beyond]) < ROOM[1]:
        beyond[:] = False  # lung that the edge of the image cuts off
    middle = int(np.average(np.arange(len(mask)), weights=mask.sum((1, 2)))) if mask.any() else 0
    _, *box = bounding_box(inside) or (slice(0),) * 3  # nothing else is looked for beyond
    hu, mask, inside = (each[:, *box] for each in (hu, mask, inside))
    lost = left_out(hu, mask, inside, spacing)
    between = lost & np.maximum.accumulate(mask) & np.maximum.accumulate(mask[::-1])[::-1]
    gas = np.zeros_like(mask)
    for pool in gas_within(hu[:middle], (mask & inside)[:middle], spacing):
        gas[:middle] |= pool
    found = {"incomplete": lost & ~between, "gaps": between, "outside": beyond, "gas": gas}
    found["tissue"] = middle_tissue(hu, mask, inside, spacing) | solid_organs(hu, mask, spacing)
    ml, sizes = 1e3 * litres(1, spacing), {name: voxels.sum() for name, voxels in found.items()}
    return {
        name: (float(ml * sizes[name]), np.flatnonzero(found[name].any((1, 2))))
        for name, (least, share) in LEAST.items()
        if ml * sizes[name] - share * whole > least
    }
