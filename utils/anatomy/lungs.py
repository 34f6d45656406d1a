"""Which voxels of a lung mask belong to the right lung and which to the left."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

RIGHT, LEFT = 1, 2  # labels of the patient's lungs, here and in images
TOUCHING = np.ones((3, 3, 3), bool)  # voxels that share a corner are one component
COARSE = 2.0  # mm, the grid on which the sides are told apart
LEAST_SHARE = 0.05  # of the mask: a smaller piece is not taken for a lung of its own


def bounding_box(mask: np.ndarray, margin: int = 1) -> tuple[slice, ...] | None:
    """Slices that cut out all voxels of a mask and `margin` around them; None when it is empty."""
    box = []
    for _ in range(mask.ndim):
        used = np.flatnonzero(mask.any(tuple(range(1, mask.ndim))))
        if not len(used):
            return None
        box.append(slice(max(0, used[0] - margin), used[-1] + 1 + margin))
        mask = np.asarray(mask[used[0] : used[-1] + 1].any(0))  # the shadow along this axis
    return tuple(box)


def body_midline(hu: np.ndarray) -> float:
    """Column that halves the body, as a float: the mean over its voxels denser than -500 HU.

    hu : int16 [slices, rows, cols]. Every fourth row and column is looked at.
    """
    columns = (hu[:, ::4, ::4] > -500).sum((0, 1))
    if not columns.any():
        return hu.shape[2] / 2
    return 4 * float(np.average(np.arange(len(columns)), weights=columns))


def split_lungs(
    mask: np.ndarray, spacing: tuple[float, float, float], midline: float | None = None
) -> np.ndarray:
    """Label the right lung 1 and the left lung 2; uint8, same shape as `mask`.

    mask : [slices, rows, cols], column 0 at the patient's right. spacing : (slice, row, col) mm.
    midline : column that parts the sides, for masks in which only one lung is left
    (`body_midline`); the middle of the image by default.

    Lungs are often one component: they touch behind the sternum, or through a thick slice. The
    mask is then eroded in millimetres until two large pieces remain side by side; every voxel
    goes to the piece that it is nearest to. A mask that never parts (one lung is missing, or
    collapsed) lies wholly on the side of its centre.
    """
    labels = np.zeros(mask.shape, np.uint8)
    box = bounding_box(mask)
    if box is None:
        return labels
    part = mask[box] > 0
    midline = (mask.shape[2] / 2 if midline is None else midline) - box[2].start
    # which side is told as well on a coarse grid, and sooner
    step = max(1, round(COARSE / spacing[2]))
    coarse = (spacing[0], step * spacing[1], step * spacing[2])
    seeds = _two_seeds(part[:, ::step, ::step], coarse)
    if seeds is None:
        columns = np.nonzero(part)[2]
        labels[box][part] = RIGHT if columns.mean() < midline else LEFT
        return labels
    to_right, to_left = (
        ndimage.distance_transform_edt(~seed, sampling=coarse).astype(np.float32) for seed in seeds
    )
    side = np.where(to_right <= to_left, RIGHT, LEFT).astype(np.uint8)
    side = side.repeat(step, 1).repeat(step, 2)[:, : part.shape[1], : part.shape[2]]
    labels[box] = np.where(part, side, 0)
    return labels


def _two_seeds(part, spacing):
    """The cores of the right and the left lung as bool masks; None when there are no two."""
    least = LEAST_SHARE * part.sum()
    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=spacing)
    depth = depth[1:-1, 1:-1, 1:-1].astype(np.float32)
    for erosion in (0, *np.arange(1.0, min(depth.max(), 25.0), 1.5)):
        pieces, _ = ndimage.label(depth > erosion, TOUCHING)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        large = np.argsort(sizes)[::-1][:2]
        if len(large) < 2 or sizes[large[1]] < max(least, 1):
            continue
        centres = [np.nonzero(pieces == number)[2].mean() for number in large]
        apart = abs(centres[0] - centres[1]) > 0.2 * part.shape[2]
        if apart:  # two pieces of one lung lie above one another, not side by side
            return [pieces == number for number in large[np.argsort(centres)]]
    return None


def litres(voxels: Any, spacing: Sequence[float]) -> Any:
    """Volume of so many voxels (a number or an array) in litres; spacing : mm along each axis."""
    return voxels * (float(np.prod(spacing)) * 1e-6)


def volumes_in_litres(labels: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volumes of a label map of `split_lungs`, in litres: `both`, `right` and `left`."""
    right, left = (float(litres(np.count_nonzero(labels == n), spacing)) for n in (RIGHT, LEFT))
    return {"both": right + left, "right": right, "left": left}
