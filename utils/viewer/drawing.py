"""What is shown of a Case, and its picture composed in NumPy: window, plane and overlay.

The viewer's canvas (viewer.js) follows the same rules pixel by pixel; `still` is its oracle.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.dicom import Volume
from utils.errors import InputError
from utils.viewer.case import LOOKS, PLANES, Case, checked_case, refusal
from utils.viewer.scores import slice_areas

# Windows as (centre, width) in HU. Of an overlay, `layers` are drawn one over the other; `bits`
# gives the layers that cover a voxel (bit 0 = the first) for its label: 0 neither, 1 truth only,
# 2 prediction only, 3 both. Okabe and Ito's colours ("Color Universal Design", 2008) are told
# apart in every form of colour blindness.
WINDOWS, OVERLAYS = LOOKS["windows"], LOOKS["overlays"]


@dataclass(frozen=True, eq=False)
class View:
    """A Case and what is shown of it: what widget, page and animation start from.

    plane : a name in PLANES. axial, coronal, sagittal : the slice shown of each plane.
    centre, width : the window in HU. overlay : a name in OVERLAYS, drawn as `outline` or filled,
    with `opacity` 0 to 1. All but `case` have the names of the widget's traits.
    """

    case: Case
    plane: str
    axial: int
    coronal: int
    sagittal: int
    centre: float
    width: float
    overlay: str
    outline: bool
    opacity: float

    @property
    def index(self):
        """The slice shown of the plane shown."""
        return getattr(self, self.plane)

    def at(self, index):
        """The same View of another slice of its plane."""
        return replace(self, **{self.plane: index})

    def state(self):
        """All but the case, as a dict for JSON."""
        return {name: getattr(self, name) for name in STATE}


Scan = Volume | np.ndarray  # HU [slices, rows, cols]
Mask = np.ndarray | None  # 0/1, of the same shape
STATE = tuple(field.name for field in fields(View) if field.name != "case")


def checked_view(
    volume: Scan,
    mask: Mask = None,
    prediction: Mask = None,
    *,
    plane: str = "axial",
    index: int | None = None,
    window: str | tuple[float, float] = "lung",
    overlay: str | None = None,
    outline: bool = False,
    opacity: float = 0.5,
    spacing: tuple[float, float, float] | None = None,
) -> View:
    """Make a View of what `viewer.slice_viewer` is given, or say in an InputError what is wrong."""
    case = checked_case(volume, mask, prediction, spacing)
    _check_choice("plane", plane, list(PLANES))
    overlay = case.overlays()[-1] if overlay is None else overlay
    _check_choice("overlay", overlay, case.overlays())
    centre, width = _checked_window(window)
    if not 0 <= opacity <= 1:
        raise InputError(f"The opacity is {opacity}; expected a number from 0 to 1.")
    shown = {"centre": centre, "width": width, "overlay": overlay, "outline": bool(outline)}
    shown |= {"opacity": float(opacity), **_first_slices(case, plane, index)}
    return View(case, plane, **shown)


def _check_choice(what, value, choices):
    if value not in choices:
        raise InputError(f"There is no {what} {value!r} here; choose one of {choices}.")


def _checked_window(window):
    """(centre, width) in HU of a window's name, or of such a pair."""
    if isinstance(window, str) and window not in WINDOWS:
        raise refusal("no such window", window, list(WINDOWS))
    centre, width = WINDOWS[window] if isinstance(window, str) else window
    if not width >= 2:
        raise InputError(f"The window is {width} HU wide; expected at least 2.")
    return float(centre), float(width)


def _first_slices(case, plane, index):
    """The slice that each plane shows first: the one with most lung, but `index` of `plane`."""
    sizes = {name: case.hu.shape[facts["axis"]] for name, facts in PLANES.items()}
    if index is not None and not 0 <= index < sizes[plane]:
        last = sizes[plane] - 1
        raise InputError(f"There is no {plane} slice {index}; there are slices 0 to {last}.")
    mask = case.prediction if case.truth is None else case.truth
    if mask is None:
        first = {name: size // 2 for name, size in sizes.items()}
    else:
        first = {name: int(area.argmax()) for name, area in slice_areas(mask).items()}
    return first if index is None else first | {plane: int(index)}


def still(volume: Scan, mask: Mask = None, prediction: Mask = None, **look: Any) -> np.ndarray:
    """Compose the viewer's picture of one slice: uint8 RGB, one pixel a voxel.

    Arguments as in `viewer.slice_viewer`. Axial pictures are [rows, cols], coronal
    [slices, cols], sagittal [slices, rows], the latter two with the feet down.
    """
    return compose(checked_view(volume, mask, prediction, **look))


def compose(view):
    """Compose the slice that a View shows: uint8 RGB [height, width, 3], one pixel a voxel."""
    case, plane, index, opacity = view.case, view.plane, view.index, view.opacity
    hu = case.slice_of(case.hu, plane, index)
    grey = grey_table(view.centre, view.width)[hu.view(np.uint16)]
    label = np.zeros(grey.shape, np.uint8)
    for weight, mask in ((1, case.truth), (2, case.prediction)):
        if mask is not None:
            label |= weight * case.slice_of(mask, plane, index)
    layers = np.array(OVERLAYS[view.overlay]["bits"], np.uint8)[label]
    if view.outline:  # a voxel stays where a neighbour is outside; thin, it is drawn stronger
        opacity = min(1, 2 * opacity)
        around = np.pad(layers, 1)
        layers &= ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
    return colour_table(view.overlay, opacity)[layers, grey]


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


def labelled(view, longest=512):
    """The slice in its true aspect ratio, its edges, colours and index named: a Pillow RGB image.

    `longest` : pixels of the longer side.
    """
    height, width = view.case.size_mm(view.plane)
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(compose(view)).resize(size, Image.BILINEAR)
    pen, font, pad = ImageDraw.Draw(picture), ImageFont.load_default(longest // 26), longest // 80
    edges, (right, bottom) = PLANES[view.plane], (size[0] - pad, size[1] - pad)

    def write(xy, text, anchor, colour="#ffffff"):
        pen.text(xy, text, colour, font, anchor, stroke_width=1, stroke_fill="#000000")

    write((pad, size[1] / 2), edges["left"], "lm")
    write((right, size[1] / 2), edges["right"], "rm")
    write((size[0] / 2, pad), edges["top"], "mt")
    write((size[0] / 2, bottom), edges["bottom"], "mb")
    write((right, bottom), str(view.index), "rb")
    for line, (name, colour) in enumerate(OVERLAYS[view.overlay]["layers"]):
        write((pad, pad + line * longest // 20), name, "lt", colour)
    return picture
