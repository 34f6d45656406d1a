"""What anatomy knows that a network looking at single slices does not.

Lungs are large, connected through the slices, and solid; the windpipe is not part of them. Each
step is a function of its own, so that `evaluation.step_gains` can tell what each brings.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from utils.anatomy.body import ACROSS, WITHIN_SLICE, surrounded
from utils.anatomy.lungs import TOUCHING, bounding_box, litres
from utils.anatomy.trachea import airway_mask

LEAST_ML = 20.0  # a lung that collapsed to a rest is larger; gas in the bowel mostly is not
LEAST_SHARE = 0.03  # of the largest piece
LEAST_AREA = 400.0  # mm², mean over its slices, of a piece at the scan's end: gas reaches 340
MOST_ML = {"windpipe out": 100.0}  # 25 x 27 mm x 13 cm (Breatnach 1984), main bronchi, wall
UNUSUAL = 0.25  # of what the network found; a couch that it had not met was 0.17 of it
LEAST_PIECE = 55.0  # mm² in a slice: half of the smallest outlined slice of four LCTSC patients
LARGEST_HOLE = 150.0  # mm²: a vessel across; the heart between two joined lungs is larger


def _kept(mask, structure, keep):
    """The pieces of a mask that `keep` wants; a piece's voxels touch as in `structure`.

    keep : function of (pieces, sizes, box): numbered pieces, on all slices, and the voxels of each
    -> a bool for each number. 0 is what is around them; it has no size.
    """
    box = bounding_box(mask, margin=0)
    if box is None:
        return mask.copy()
    box = (slice(None), *box[1:])
    pieces, count = ndimage.label(mask[box], structure)
    # of the pieces alone: bincount takes eight bytes a voxel
    sizes = np.bincount(pieces[mask[box]], minlength=count + 1)
    kept = keep(pieces, sizes, box)
    kept[0] = False
    result = np.zeros_like(mask)
    result[box] = kept[pieces]
    return result


def keep_large_pieces(mask, spacing, least_ml=LEAST_ML, least_share=LEAST_SHARE):
    """Keep the pieces of a mask that are large enough in 3-D to be lung.

    mask : bool [slices, rows, cols]; spacing : (slice, row, col) mm. Pieces touch when voxels
    share a corner. One is kept when it has `least_ml` millilitres and `least_share` of the
    largest piece's volume. Not "the two largest": a lung may be in several pieces, or gone. Of a
    thin piece on the first or last slice only a part is seen: LEAST_AREA is enough, unless slices
    without lung lie between it and the lungs.
    """

    def large(pieces, sizes, box):
        sizes = 1e3 * litres(sizes, spacing)  # ml
        least = np.full(len(sizes), max(least_ml, least_share * sizes.max()))
        lungs = ndimage.binary_dilation((sizes >= least)[pieces].any((1, 2)))
        for number in np.unique(pieces[[0, -1]]):
            there = (pieces == number).any((1, 2))
            height = spacing[0] * there.sum()
            beside = (there & lungs).any() or not lungs.any()
            area = LEAST_AREA if height <= 10 and beside else np.inf  # mm; of taller lung there is
            least[number] = min(least[number], 1e-3 * area * height)  # enough
        return sizes >= least

    return _kept(mask, TOUCHING, large)


def without_slivers(mask, spacing):
    """A mask without pieces of less than LEAST_PIECE mm² in a slice.

    They are where the network goes on for one slice beyond the end of a lung.
    """

    def large(pieces, sizes, box):
        return sizes * spacing[1] * spacing[2] >= LEAST_PIECE

    return _kept(mask, WITHIN_SLICE, large)


def fill_small_holes(mask, spacing):
    """Fill holes of each slice up to LARGEST_HOLE mm²: background that lung encloses."""
    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    part = mask[box]
    framed = np.pad(~part, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    gaps, count = ndimage.label(framed, ACROSS)
    holes = np.ones(count + 1, bool)
    holes[0] = False  # the mask itself
    holes[np.unique(gaps[:, 0])] = False  # what surrounds the lungs is no hole
    sizes = np.bincount(gaps[holes[gaps]], minlength=count + 1) * spacing[1] * spacing[2]
    result = mask.copy()
    result[box] |= (holes & (sizes <= LARGEST_HOLE))[gaps][:, 1:-1, 1:-1]
    return result


def without_outside(mask, hu, spacing):
    """A mask without the pieces that lie mostly outside the body, such as in the couch.

    Inside is what the body surrounds on three sides (`body.surrounded`). Whole pieces are
    judged, never single voxels, so that no lung loses a part.
    """

    def inside(pieces, sizes, box):
        within = mask[box] & surrounded(hu, spacing)[box]
        return 2 * np.bincount(pieces[within], minlength=len(sizes)) > sizes

    return _kept(mask, TOUCHING, inside)


def without_windpipe(mask, hu, spacing):
    """A mask without the windpipe (`trachea.airway_mask`)."""
    return mask > airway_mask(hu, spacing)


STEPS = {
    "windpipe out": without_windpipe,
    "outside out": without_outside,
    "large pieces only": lambda mask, hu, spacing: keep_large_pieces(mask, spacing),
    "slivers out": lambda mask, hu, spacing: without_slivers(mask, spacing),
    "small holes filled": lambda mask, hu, spacing: fill_small_holes(mask, spacing),
}


def stages(
    mask: np.ndarray, hu: np.ndarray, spacing: tuple[float, float, float]
) -> Iterator[tuple[str, np.ndarray, float, str]]:
    """Each step's name, the mask after it, the ml that it took, and a sentence if unusual.

    mask, hu, spacing : as for `postprocess`. What would take more than is possible (MOST_ML) is
    refused: the mask stays, and the sentence says so.
    """
    mask = mask > 0
    found = 1e3 * litres(np.count_nonzero(mask), spacing)
    for name, step in STEPS.items():
        after, sentence = step(mask, hu, spacing), ""
        taken = 1e3 * litres(np.count_nonzero(mask > after), spacing)
        if taken > MOST_ML.get(name, np.inf):
            sentence = f"'{name}' would take {taken:.0f} ml, more than is possible: not done."
            after, taken = mask, 0.0
        elif taken > UNUSUAL * found:
            sentence = f"'{name}' took {taken:.0f} of {found:.0f} ml that the network had found."
        yield name, after, taken, sentence
        mask = after


def postprocess(
    mask: np.ndarray, hu: np.ndarray, spacing: tuple[float, float, float]
) -> np.ndarray:
    """All steps, in the order of `STEPS`.

    mask : 0/1 [slices, rows, cols], as `inference.segment` returns it; hu : int16, same shape;
    spacing : (slice, row, col) mm. Returns uint8 0/1.
    """
    for _, after, _, _ in stages(mask, hu, spacing):
        mask = after
    return mask.astype(np.uint8)
