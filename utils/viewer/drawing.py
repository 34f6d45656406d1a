"""The picture of one slice, composed in NumPy: window, plane and overlay.

The viewer's canvas (viewer.js) follows the same rules pixel by pixel; `still` is its oracle.
"""

import numpy as np

from utils.errors import InputError
from utils.viewer.case import PLANES, checked_case
from utils.viewer.scores import slice_areas

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
        "layers": [["missed", VERMILLION], ["false positive", YELLOW], ["agreed", SKY_BLUE]],
        "bits": [0, 1, 2, 4],
    },
}


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

    Arguments as in `widget.slice_viewer`. Axial pictures are [rows, cols], coronal
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
