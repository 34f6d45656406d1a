"""The patient without couch, clothes and air: what lungs can only lie inside of."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from utils.anatomy.lungs import COARSE, TOUCHING

SOFT = -400  # HU: denser than this is body or couch
AIR = -1000  # HU
FIELD = 350  # mm: a common width of a chest CT
# Neighbours in the slice alone: all eight, and those that share an edge
WITHIN_SLICE = np.zeros((3, 3, 3), bool)
WITHIN_SLICE[1] = True
ACROSS = WITHIN_SLICE & ndimage.generate_binary_structure(3, 1)


def body_mask(hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The body with everything that it encloses; bool, same shape as `hu`.

    hu : int16 [slices, rows, cols]; spacing : (slice, row, col) mm. The body is the largest piece
    of what is dense, after an opening that parts couch and skin; its holes are filled slice by
    slice. Done on a grid of about 2 mm, so its outline is no finer. All False without a body.
    """
    body, step = _largest_dense_piece(hu, spacing)
    filled = np.stack([ndimage.binary_fill_holes(slice_) for slice_ in body])
    return _refined(filled, step, hu.shape)


def surrounded(hu, spacing):
    """Where the body lies on three sides at least, in the slice; bool, same shape as `hu`.

    Coarser than `body_mask` and more patient: a lung whose wall the image cuts off, or the
    opening took, still has the body on its other sides. A couch has it on one.
    """
    body, step = _largest_dense_piece(hu, spacing)
    sides = np.zeros(body.shape, np.uint8)
    for axis in (1, 2):
        sides += np.maximum.accumulate(body, axis)
        sides += np.flip(np.maximum.accumulate(np.flip(body, axis), axis), axis)
    return _refined(sides >= 3, step, hu.shape)


def body_in_air(hu: np.ndarray) -> np.ndarray:
    """The scan with everything around the body replaced by air; int16, same shape as `hu`.

    hu : int16 [slices, rows, cols]. The body is where it lies on three sides, so lungs stay
    that the edge of the image cuts open. Without spacing, the image is taken to be FIELD wide,
    which decides no more than how coarse the outline is. Where no body is found, nothing goes.
    """
    around = ~surrounded(hu, (1, FIELD / hu.shape[1], FIELD / hu.shape[2]))
    if around.all():
        return hu
    return np.where(around, np.int16(AIR), hu)


def _largest_dense_piece(hu, spacing):
    """The body without what it encloses, on a coarse grid, and how many pixels that takes in."""
    step = max(1, round(COARSE / spacing[2]))
    rounds = 2 if step * spacing[2] < 3 else 1  # about 4 mm
    opened = ndimage.binary_opening(hu[:, ::step, ::step] > SOFT, ACROSS, iterations=rounds)
    pieces, count = ndimage.label(opened, TOUCHING)
    sizes = np.bincount(pieces[opened], minlength=count + 1)
    return (pieces == sizes.argmax()) & opened, step


def _refined(mask, step, shape):
    """A mask of the coarse grid on the scan's own."""
    return mask.repeat(step, 1).repeat(step, 2)[:, : shape[1], : shape[2]]
