"""The picture of one slice, composed in NumPy: window, plane, overlay and scores.

The viewer's canvas (viewer.js) follows the same rules pixel by pixel; `still` is its oracle.
"""

from dataclasses import dataclass

import numpy as np

from utils.errors import InputError

# What each plane's picture shows at its edges, patient's right on the left as radiologists read.
# `axis` is the volume's axis that the slices of the plane run along, `xyz` the same in LPS.
PLANES = {
    "axial": {"axis": 0, "xyz": 2, "left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"axis": 1, "xyz": 1, "left": "R", "right": "L", "top": "H", "bottom": "F"},
    "sagittal": {"axis": 2, "xyz": 0, "left": "A", "right": "P", "top": "H", "bottom": "F"},
}
WINDOWS = {"lung": (-600, 1500), "mediastinum": (40, 400), "bone": (400, 1800)}  # centre, width

# Okabe and Ito, "Color Universal Design", 2008: told apart in every form of colour blindness.
SKY_BLUE, ORANGE, VERMILLION, YELLOW = "#56B4E9", "#E69F00", "#D55E00", "#F0E442"

# `layers` are drawn one over the other; `bits` gives the layers that cover a voxel (bit 0 = the
# first) for its label: 0 neither, 1 truth only, 2 prediction only, 3 both.
OVERLAYS = {
    "none": {"layers": [], "bits": [0, 0, 0, 0]},
    "truth": {"layers": [["truth", SKY_BLUE]], "bits": [0, 1, 0, 1]},
    "prediction": {"layers": [["prediction", ORANGE]], "bits": [0, 0, 1, 1]},
    "both": {"layers": [["truth", SKY_BLUE], ["prediction", ORANGE]], "bits": [0, 1, 2, 3]},
    "difference": {
        "layers": [["missed", VERMILLION], ["spurious", YELLOW], ["agreed", SKY_BLUE]],
        "bits": [0, 1, 2, 4],
    },
}


@dataclass(frozen=True, eq=False)
class Case:
    """A volume and its masks, checked: what every function here draws.

    hu : int16 [slices, rows, cols]. truth, prediction : uint8 0/1 of the same shape, or None.
    spacing : (slice, row, col) in mm. affine : 4x4, index to LPS in mm. name : str.
    """

    hu: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray | None
    spacing: tuple
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
        raise InputError(
            f"The spacing is {spacing}; expected (slice, row, col) in mm, all above 0."
        )
    affine = getattr(volume, "affine", None)
    if affine is None:  # index axes slice, row, col run along z, y, x
        affine = np.zeros((4, 4))
        affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*spacing, 1)
    return Case(
        hu=hu,
        truth=_checked_mask("mask", mask, hu.shape),
        prediction=_checked_mask("prediction", prediction, hu.shape),
        spacing=spacing,
        affine=np.asarray(affine, float),
        name=getattr(volume, "identity", {}).get("case", ""),
    )


def _checked_hu(array):
    array = np.asarray(array)
    if array.ndim != 3 or array.size == 0:
        raise InputError(
            f"The volume has the shape {array.shape}; expected [slices, rows, cols], none of "
            "them 0. Pass a whole volume; a single slice goes in as slice[None]."
        )
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"The volume's values are of type {array.dtype}; expected Hounsfield units as int16."
        )
    if array.dtype == np.int16:
        return array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(
            f"The volume holds NaN or infinity, first at [slice, row, col] = {where}; expected "
            "Hounsfield units. Replace such voxels, for example by -1000 (air)."
        )
    if array.min() < -32768 or array.max() > 32767:
        raise InputError(
            f"The volume runs from {array.min()} to {array.max()}, beyond int16; expected "
            "Hounsfield units, which lie between about -1024 and 3071."
        )
    return np.rint(array).astype(np.int16) if array.dtype.kind == "f" else array.astype(np.int16)


def _checked_mask(what, mask, shape):
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != shape:
        raise InputError(
            f"The {what} has the shape {mask.shape}, the volume {shape}; expected the same "
            "[slices, rows, cols]. Is it the mask of another case, or resized for the network?"
        )
    if mask.dtype == bool:
        return mask.view(np.uint8)
    if mask.dtype.kind not in "iuf":
        raise InputError(f"The {what}'s values are of type {mask.dtype}; expected 0 and 1.")
    low, high = mask.min(), mask.max()
    binary = low >= 0 and high <= 1  # false for NaN
    if not binary or (mask.dtype.kind == "f" and not np.isin(mask, (0, 1)).all()):
        raise InputError(
            f"The {what} holds values other than 0 and 1 (from {low} to {high}); expected a "
            f"binary mask. Threshold it first, for example {what} > 0.5."
        )
    return mask.astype(np.uint8, copy=False)


def still(
    volume,
    mask=None,
    prediction=None,
    *,
    plane="axial",
    index=None,
    window="lung",
    overlay=None,
    outline=False,
    opacity=0.5,
    spacing=None,
):
    """Compose the viewer's picture of one slice: uint8 RGB, one pixel a voxel.

    Arguments as in `viewer.slice_viewer`. Axial pictures are [rows, cols], coronal
    [slices, cols], sagittal [slices, rows], the latter two with the feet down.
    """
    case = checked_case(volume, mask, prediction, spacing)
    look = checked_look(case, plane, window, overlay, outline, opacity)
    return compose(case, plane, checked_index(case, plane, index), **look)


def checked_look(case, plane, window, overlay, outline, opacity):
    """The keywords of `compose`, or an InputError that lists what there is to choose from."""
    overlay = case.overlays()[-1] if overlay is None else overlay
    for what, value, choices in (
        ("plane", plane, list(PLANES)),
        ("overlay", overlay, case.overlays()),
    ):
        if value not in choices:
            raise InputError(f"There is no {what} {value!r} here; choose one of {choices}.")
    if isinstance(window, str) and window not in WINDOWS:
        raise InputError(
            f"There is no window {window!r}; choose one of {list(WINDOWS)} or (centre, width)."
        )
    centre, width = WINDOWS[window] if isinstance(window, str) else window
    if not width >= 2:
        raise InputError(f"The window is {width} HU wide; expected at least 2.")
    if not 0 <= opacity <= 1:
        raise InputError(f"The opacity is {opacity}; expected a number from 0 to 1.")
    return dict(centre=centre, width=width, overlay=overlay, outline=outline, opacity=opacity)


def checked_index(case, plane, index):
    """The slice to show first: `index`, or where it is None the one with most lung."""
    size = case.hu.shape[PLANES[plane]["axis"]]
    if index is None:
        mask = case.prediction if case.truth is None else case.truth
        return size // 2 if mask is None else int(slice_areas(mask)[plane].argmax())
    if not 0 <= index < size:
        raise InputError(f"There is no {plane} slice {index}; there are slices 0 to {size - 1}.")
    return int(index)


def compose(case, plane, index, *, centre, width, overlay, outline, opacity):
    """Compose one slice of a Case: uint8 RGB [height, width, 3], one pixel a voxel."""
    grey = grey_table(centre, width)[case.slice_of(case.hu, plane, index).view(np.uint16)]
    label = np.zeros(grey.shape, np.uint8)
    for weight, mask in ((1, case.truth), (2, case.prediction)):
        if mask is not None:
            label |= weight * case.slice_of(mask, plane, index)
    layers = np.array(OVERLAYS[overlay]["bits"], np.uint8)[label]
    if outline:  # a voxel stays where a neighbour is outside; being thin, it is drawn stronger
        opacity = min(1, 2 * opacity)
        around = np.pad(layers, 1)
        layers &= ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
    return colour_table(overlay, opacity)[layers, grey]


def grey_table(centre, width):
    """Grey 0..255 for each int16 HU, addressed by its bits as uint16 (DICOM PS3.3 C.11.2.1.2)."""
    hu = np.arange(65536, dtype=np.uint16).view(np.int16).astype(float)
    grey = ((hu - (centre - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(np.floor(grey + 0.5), 0, 255).astype(np.uint8)


def colour_table(overlay, opacity):
    """RGB for each set of layers (0..7) and each grey: uint8 [8, 256, 3]."""
    alpha = int(opacity * 256 + 0.5)
    table = np.repeat(np.arange(256)[None, :, None], 3, axis=2).repeat(8, axis=0)
    for bit, (_, colour) in enumerate(OVERLAYS[overlay]["layers"]):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        covered = (np.arange(8) >> bit & 1).astype(bool)
        table[covered] = (table[covered] * (256 - alpha) + rgb * alpha + 128) >> 8
    return table.astype(np.uint8)


def slice_areas(mask):
    """Voxels of the mask in each slice: {"axial": int64 [slices], "coronal": …, "sagittal": …}."""
    by_column = mask.sum(axis=1, dtype=np.uint16)  # [slices, cols]
    by_row = np.stack([plane.sum(axis=1, dtype=np.uint16) for plane in mask])  # [slices, rows]
    return {
        "axial": by_column.sum(axis=1, dtype=np.int64),
        "coronal": by_row.sum(axis=0, dtype=np.int64),
        "sagittal": by_column.sum(axis=0, dtype=np.int64),
    }


def slice_dice(truth_area, prediction_area, overlap):
    """Dice of each slice, 2|T∩P| / (|T|+|P|); NaN where both are empty, for it is undefined."""
    both = truth_area + prediction_area
    return np.divide(2 * overlap, both, out=np.full(both.shape, np.nan), where=both > 0)
