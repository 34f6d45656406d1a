"""The slice viewer with overlay slider: a widget, a page without a kernel, an animation.

All three show what `drawing.compose` describes. Widget and page draw it in the browser
(viewer.js); its slices travel there once, so that no slice asks the kernel for anything.
"""

import base64
import html
import io
import json
from pathlib import Path

import anywidget
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from traitlets import Bool, Dict, Enum, Float, Int, TraitError, validate

from utils.errors import InputError
from utils.viewer import packing
from utils.viewer.case import PLANES, checked_case
from utils.viewer.drawing import OVERLAYS, WINDOWS, checked_index, checked_look, compose, still
from utils.workspace import written_whole

__all__ = ["SliceViewer", "animation", "export_html", "slice_viewer", "still"]

LOOK = ("centre", "width", "overlay", "outline", "opacity")  # the keywords of `compose`
PAGE_BYTES = 15_000_000
ANIMATION_BYTES = 3_000_000


class SliceViewer(anywidget.AnyWidget):
    """The viewer as a Jupyter widget; made by `slice_viewer`.

    Its traits are its whole state, for `link`, `jslink` and `observe`: `plane` ("axial",
    "coronal" or "sagittal"), the slice shown of each plane (`axial`, `coronal`, `sagittal`),
    the window's `centre` and `width` in HU, `overlay` (a name in `drawing.OVERLAYS`),
    `outline` (bool) and `opacity` (0 to 1).
    """

    _esm = Path(__file__).with_name("viewer.js")
    _css = Path(__file__).with_name("viewer.css")
    plane = Enum(list(PLANES), "axial").tag(sync=True)
    axial, coronal, sagittal = (Int(0).tag(sync=True) for _ in range(3))
    centre = Float(WINDOWS["lung"][0]).tag(sync=True)
    width = Float(WINDOWS["lung"][1], min=2).tag(sync=True)
    overlay = Enum(list(OVERLAYS), "none").tag(sync=True)
    outline = Bool(False).tag(sync=True)
    opacity = Float(0.5, min=0, max=1).tag(sync=True)
    # What saving a notebook may keep: a description and one small picture, never the slices.
    _case = Dict().tag(sync=True)
    _still = Dict().tag(sync=True)

    def __init__(self, case, **state):
        self._held = case
        super().__init__(_case=packing.description(case), **state)
        self._still = self._first_picture()
        self.on_msg(self._send_slices)

    @validate("axial", "coronal", "sagittal")
    def _within_the_volume(self, proposal):
        size = self._held.hu.shape[PLANES[proposal["trait"].name]["axis"]]
        return min(max(proposal["value"], 0), size - 1)

    @validate("overlay")
    def _of_the_masks_given(self, proposal):
        if proposal["value"] not in self._held.overlays():
            raise TraitError(
                f"There is no overlay {proposal['value']!r} without its masks; "
                f"choose one of {self._held.overlays()}."
            )
        return proposal["value"]

    def _shown_index(self):
        return getattr(self, self.plane)

    def _look(self):
        return {key: getattr(self, key) for key in LOOK}

    def _first_picture(self):
        """What a view shows until the slices arrive, or for ever where no kernel runs."""
        index, content = self._shown_index(), io.BytesIO()
        pixels = compose(self._held, self.plane, index, **self._look())
        Image.fromarray(pixels).save(content, "JPEG")
        return {"plane": self.plane, "index": index, "source": _data_url(content, "image/jpeg")}

    def _send_slices(self, _, content, buffers):
        """Answer the browser's request; the slices are no trait, lest a notebook save them."""
        if content.get("type") == "load":
            for first, data in packing.chunks(self._held, nearest=self.axial):
                self.send({"type": "chunk", "first": first}, buffers=data)

    def __repr__(self):  # the same in every run, so that nbval can compare it
        shape = " × ".join(map(str, self._held.hu.shape))
        return f"SliceViewer({shape}, {self.plane} slice {self._shown_index()}, {self.overlay})"

    def _repr_mimebundle_(self, **kwargs):
        """The live view, and beside it a PNG for wherever no kernel and no widget is."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        picture = io.BytesIO()
        shown = _picture(self._held, self.plane, self._shown_index(), self._look())
        shown.quantize(128).save(picture, "PNG", optimize=True)
        data["image/png"] = base64.b64encode(picture.getvalue()).decode()
        return data, metadata


def slice_viewer(
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
    """Look through a volume and its masks, slice by slice.

    volume : Volume, or HU array [slices, rows, cols] with `spacing` (slice, row, col) in mm.
    mask, prediction : 0/1 arrays of the same shape: the truth and what a model found.
    plane, index : what is shown first (default: the axial slice with most lung).
    window : "lung", "mediastinum", "bone" or (centre, width) in HU.
    overlay : "none", "truth", "prediction", "both" or "difference" (default: the last of
    these that the masks allow), filled or as `outline`, with `opacity` 0 to 1.
    Returns a SliceViewer. Raises InputError where the arrays cannot be shown.
    """
    case = checked_case(volume, mask, prediction, spacing)
    look = checked_look(case, plane, window, overlay, outline, opacity)
    slices = {p: checked_index(case, p, index if p == plane else None) for p in PLANES}
    return SliceViewer(case, plane=plane, **slices, **look)


def export_html(path, volume, mask=None, prediction=None, **look):
    """Write the viewer as one HTML file that needs no kernel and no network; return its path.

    Arguments as in `slice_viewer`. The file has at most 15 MB: HU are rounded as coarsely as
    that asks for, and the page says how coarsely. It holds the pixels and the case's name,
    nothing else of the DICOM header.
    """
    viewer = slice_viewer(volume, mask, prediction, **look)
    case, assets = viewer._held, Path(__file__).parent
    small, reduction, step = packing.plan(case, (PAGE_BYTES - 200_000) * 3 // 4)  # base64: 4 for 3
    state = {key: getattr(viewer, key) for key in ("plane", *PLANES, *LOOK)}
    state["coronal"] //= reduction
    state["sagittal"] //= reduction
    state |= {"_case": packing.description(small, case, reduction, step), "_still": {}}
    parts = [
        [first, *(base64.b64encode(part).decode() for part in data)]
        for first, data in packing.chunks(small, step, nearest=state["axial"])
    ]
    page = PAGE.format(
        title=html.escape(f"Slice viewer {case.name}".strip()),
        css=(assets / "viewer.css").read_text(),
        js=(assets / "viewer.js").read_text(),
        data=json.dumps({"state": state, "chunks": parts}).replace("<", "\\u003c"),
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
 script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>body {{ margin: 0; background: #16181b; }}
{css}</style>
</head>
<body>
<main id="viewer"></main>
<script type="application/json" id="case">{data}</script>
<script type="module">
{js}
const held = JSON.parse(document.getElementById("case").textContent);
showPage(document.getElementById("viewer"), held);
</script>
</body>
</html>
"""


def animation(path, volume, mask=None, prediction=None, *, frames=40, **look):
    """Write a moving picture of the viewer's slices, feet to head and back; return its path.

    path : ends in .gif, .webp or .png (animated PNG). The picture is made smaller until the
    file has at most 3 MB. Other arguments as in `slice_viewer`.
    """
    viewer = slice_viewer(volume, mask, prediction, **look)
    kind = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}.get(Path(path).suffix.lower())
    if kind is None:
        raise InputError(f"{path} ends in none of .gif, .webp and .png; choose one of them.")
    size = viewer._held.hu.shape[PLANES[viewer.plane]["axis"]]
    indices = np.unique(np.linspace(0, size - 1, frames // 2 + 1).round().astype(int)).tolist()
    for longest in (448, 384, 320, 256, 192, 128):
        pictures = [
            _picture(viewer._held, viewer.plane, index, viewer._look(), longest)
            for index in indices + indices[-2:0:-1]
        ]
        content = io.BytesIO()
        pictures[0].save(
            content, kind, save_all=True, append_images=pictures[1:], duration=120, loop=0
        )
        if content.tell() <= ANIMATION_BYTES:
            with written_whole(path) as temporary:
                temporary.write_bytes(content.getvalue())
            return Path(path)
    raise InputError(f"{frames} frames do not fit into {ANIMATION_BYTES / 1e6:.0f} MB; take fewer.")


def _data_url(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def _picture(case, plane, index, look, longest=512):
    """One slice in its true aspect ratio, with its edges and colours named: a Pillow RGB image."""
    height, width = case.size_mm(plane)
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(compose(case, plane, index, **look)).resize(size, Image.BILINEAR)
    pen, font, pad = ImageDraw.Draw(picture), ImageFont.load_default(longest // 26), longest // 80
    edges, (right, bottom) = PLANES[plane], (size[0] - pad, size[1] - pad)

    def write(xy, text, anchor, colour="#ffffff"):
        pen.text(xy, text, colour, font, anchor, stroke_width=1, stroke_fill="#000000")

    write((pad, size[1] / 2), edges["left"], "lm")
    write((right, size[1] / 2), edges["right"], "rm")
    write((size[0] / 2, pad), edges["top"], "mt")
    write((size[0] / 2, bottom), edges["bottom"], "mb")
    write((right, bottom), str(index), "rb")
    for line, (name, colour) in enumerate(OVERLAYS[look["overlay"]]["layers"]):
        write((pad, pad + line * longest // 20), name, "lt", colour)
    return picture
