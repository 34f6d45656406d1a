"""What anatomy knows that a network looking at single slices does not.

Lungs are large, connected through the slices, and solid; the windpipe is not part of them. Each
step is a function of its own, so that `evaluation.step_gains` can tell what each brings.
"""

import numpy as np
from scipy import ndimage

from utils.anatomy.body import ACROSS, WITHIN_SLICE, surrounded
from utils.anatomy.lungs import TOUCHING, bounding_box, litres
from utils.anatomy.trachea import airway_mask

LEAST_ML = 20.0  # a lung that collapsed to a rest is larger; gas in the bowel mostly is not
LEAST_SHARE = 0.03  # of the largest piece
LEAST_PIECE = 55.0  # mm² in a slice: half of the smallest outlined slice of four LCTSC patients
LARGEST_HOLE = 150.0  # mm²: a vessel across; the heart between two joined lungs is larger


def keep_large_pieces(mask, spacing, least_ml=LEAST_ML, least_share=LEAST_SHARE):
    """Keep the pieces of a mask that are large enough in 3-D to be lung.

    mask : bool [slices, rows, cols]; spacing : (slice, row, col) mm. Pieces touch when voxels
    share a corner. One is kept when it has `least_ml` millilitres and `least_share` of the
    largest piece's volume. Not "the two largest": a lung may be in several pieces, or gone.
    """
    box = bounding_box(mask, margin=0)
    if box is None:
        return mask.copy()
    pieces, _ = ndimage.label(mask[box], TOUCHING)
    sizes = 1e3 * litres(np.bincount(pieces.ravel()), spacing)  # ml
    sizes[0] = -1  # what is around them, below any bound, 0 too
    kept = sizes >= max(least_ml, least_share * sizes.max())
    result = np.zeros_like(mask)
    result[box] = kept[pieces]
    return result


def without_slivers(mask, spacing):
    """A mask without pieces of less than LEAST_PIECE mm² in a slice.

    They are where the network goes on for one slice beyond the end of a lung.
    """
    box = bounding_box(mask, margin=0)
    if box is None:
        return mask.copy()
    pieces, _ = ndimage.label(mask[box], WITHIN_SLICE)
    large = np.bincount(pieces.ravel()) * spacing[1] * spacing[2] >= LEAST_PIECE
    large[0] = False
    result = np.zeros_like(mask)
    result[box] = large[pieces]
    return result


def fill_small_holes(mask, spacing):
    """Fill holes of each slice up to LARGEST_HOLE mm²: background that lung encloses."""
    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    part = mask[box]
    framed = np.pad(~part, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    gaps, _ = ndimage.label(framed, ACROSS)
    sizes = np.bincount(gaps.ravel()) * spacing[1] * spacing[2]
    small = sizes <= LARGEST_HOLE
    small[0] = False  # the mask itself
    small[np.unique(gaps[:, 0])] = False  # what surrounds the lungs is no hole
    result = mask.copy()
    result[box] |= small[gaps][:, 1:-1, 1:-1]
    return result


def without_outside(mask, hu, spacing):
    """A mask without the pieces that lie mostly outside the body, such as in the couch.

    Inside is what the body surrounds on three sides (`body.surrounded`). Whole pieces are
    judged, never single voxels, so that no lung loses a part.
    """
    box = bounding_box(mask, margin=0)
    if box is None:
        return mask.copy()
    pieces, _ = ndimage.label(mask[box], TOUCHING)
    sizes = np.bincount(pieces.ravel())
    within = np.bincount(pieces[surrounded(hu, spacing)[box]], minlength=len(sizes))
    kept = 2 * within > sizes
    kept[0] = False
    result = np.zeros_like(mask)
    result[box] = kept[pieces]
    return result


def without_windpipe(mask, hu, spacing):
    """A mask without the windpipe (`trachea.airway_mask`)."""
    return mask & ~airway_mask(hu, spacing)


STEPS = {
    "windpipe out": without_windpipe,
    "outside out": without_outside,
    "large pieces only": lambda mask, hu, spacing: keep_large_pieces(mask, spacing),
    "slivers out": lambda mask, hu, spacing: without_slivers(mask, spacing),
    "small holes filled": lambda mask, hu, spacing: fill_small_holes(mask, spacing),
}


def postprocess(
    mask: np.ndarray, hu: np.ndarray, spacing: tuple[float, float, float]
) -> np.ndarray:
    """All steps, in the order of `STEPS`.

    mask : 0/1 [slices, rows, cols], as `inference.segment` returns it; hu : int16, same shape;
    spacing : (slice, row, col) mm. Returns uint8 0/1.
    """
    mask = mask > 0
    for step in STEPS.values():
        mask = step(mask, hu, spacing)
    return mask.astype(np.uint8)
