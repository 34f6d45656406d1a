"""What the viewer shows: a volume with its masks, checked, and its slices in three planes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import InputError, refusals

LOOKS = json.loads(Path(__file__).with_name("looks.json").read_bytes())
# What each plane's picture shows at its edges, patient's right on the left as radiologists read.
# `axis` is the volume's axis that the slices of the plane run along, `xyz` the same in LPS.
PLANES = LOOKS["planes"]
refusal = refusals(__file__)  # an InputError, of the room's messages.json


@dataclass(frozen=True, eq=False)
class Case:
    """A volume and its masks, checked: what every function here draws.

    hu : int16 [slices, rows, cols]. truth, prediction : uint8 0/1 of the same shape, or None.
    spacing : (slice, row, col) in mm. affine : 4x4, index to LPS in mm. name : str.
    """

    hu: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray | None
    spacing: tuple[float, float, float]
    affine: np.ndarray
    name: str

    def overlays(self):
        """Names of the overlays that the masks at hand allow, the most telling last."""
        truth, prediction = self.truth is not None, self.prediction is not None
        names = ["none"] + ["truth"] * truth + ["prediction"] * prediction
        return names + ["both", "difference"] * (truth and prediction)

    def slice_of(self, array, plane, index):
        """One slice as it is shown: axial as stored, coronal and sagittal with the feet down."""
        if plane == "axial":
            return array[index]
        return np.take(array, index, axis=PLANES[plane]["axis"])[::-1]

    def size_mm(self, plane):
        """(height, width) of the plane's picture in mm."""
        extent = np.multiply(self.hu.shape, self.spacing)
        return tuple(np.delete(extent, PLANES[plane]["axis"]).tolist())

    def positions(self, plane):
        """(first, step) in mm: where slices of the plane lie along x, y or z (LPS)."""
        axis, xyz = PLANES[plane]["axis"], PLANES[plane]["xyz"]
        first = [(size - 1) / 2 for size in self.hu.shape]
        first[axis] = 0
        return float(self.affine[xyz] @ [*first, 1]), float(self.affine[xyz, axis])


def checked_case(volume, mask=None, prediction=None, spacing=None):
    """Make a Case of what a notebook holds, or say in an InputError what is wrong with it.

    volume : Volume, or HU array [slices, rows, cols] whose `spacing` (slice, row, col) in mm is
    given beside it (1 mm otherwise). mask, prediction : 0/1 or bool arrays of the same shape.
    """
    hu = _checked_hu(getattr(volume, "hu", volume))
    spacing = (1, 1, 1) if spacing is None else spacing
    spacing = tuple(float(s) for s in getattr(volume, "spacing", spacing))
    if len(spacing) != 3 or not all(s > 0 for s in spacing):
        raise refusal("spacing", spacing)
    affine = getattr(volume, "affine", None)
    if affine is None:  # index axes slice, row, col run along z, y, x
        affine = np.zeros((4, 4))
        affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*spacing, 1)
    masks = {"truth": _checked_mask("mask", mask, hu.shape)}
    masks["prediction"] = _checked_mask("prediction", prediction, hu.shape)
    name = getattr(volume, "identity", {}).get("case", "")
    return Case(hu=hu, **masks, spacing=spacing, affine=np.asarray(affine, float), name=name)


def _checked_hu(array):
    array = np.asarray(array)
    if array.ndim != 3 or array.size == 0:
        raise refusal("shape of HU", array.shape)
    if array.dtype.kind not in "iuf":
        raise refusal("type of HU", array.dtype)
    if array.dtype == np.int16:
        return array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise refusal("not finite", where)
    if array.min() < -32768 or array.max() > 32767:
        raise refusal("beyond int16", array.min(), array.max())
    return np.rint(array).astype(np.int16) if array.dtype.kind == "f" else array.astype(np.int16)


def _checked_mask(what, mask, shape):
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != shape:
        raise refusal("shape of a mask", what, mask.shape, shape)
    if mask.dtype == bool:
        return mask.view(np.uint8)
    if mask.dtype.kind not in "iuf":
        raise InputError(f"The {what}'s values are of type {mask.dtype}; expected 0 and 1.")
    low, high = mask.min(), mask.max()
    binary = low >= 0 and high <= 1  # false for NaN
    if not binary or (mask.dtype.kind == "f" and not np.isin(mask, (0, 1)).all()):
        raise refusal("values of a mask", what, low, high)
    return mask.astype(np.uint8, copy=False)
