"""The slice viewer with overlay slider: a widget.

It shows a `drawing.View` as `drawing.compose` describes; so do the page without a kernel and the
animation (page.py). Widget and page draw it in the browser (viewer.js); its slices travel there
once, so that no slice asks the kernel for anything.
"""

import base64
import io
from inspect import signature
from typing import Any

import anywidget
from PIL import Image
from traitlets import Bool, Dict, Enum, Float, Int, TraitError, validate

from utils.viewer import drawing, packing
from utils.viewer.case import PLANES
from utils.viewer.drawing import OVERLAYS, WINDOWS, Mask, Scan, View, compose, labelled
from utils.viewer.page import SCRIPT, STYLE


class SliceViewer(anywidget.AnyWidget):
    """The viewer as a Jupyter widget; made by `slice_viewer`.

    Its traits are its whole state, for `link`, `jslink` and `observe`: `plane` ("axial",
    "coronal" or "sagittal"), the slice shown of each plane (`axial`, `coronal`, `sagittal`),
    the window's `centre` and `width` in HU, `overlay` (a name in `drawing.OVERLAYS`),
    `outline` (bool) and `opacity` (0 to 1).
    """

    _esm = SCRIPT
    _css = STYLE
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

    def __init__(self, view: View) -> None:
        self._held = view.case  # before the traits are set: their checks ask for it
        super().__init__(_case=packing.description(view.case), **view.state())
        self._still = self._first_picture()
        self.on_msg(self._send_slices)

    def view(self) -> View:
        """What is shown now: a `drawing.View`."""
        return View(self._held, **{name: getattr(self, name) for name in drawing.STATE})

    @validate("axial", "coronal", "sagittal")
    def _within_the_volume(self, proposal):
        size = self._held.hu.shape[PLANES[proposal["trait"].name]["axis"]]
        return min(max(proposal["value"], 0), size - 1)

    @validate("overlay")
    def _of_the_masks_given(self, proposal):
        if proposal["value"] not in (choices := self._held.overlays()):
            raise TraitError(f"There is no overlay {proposal['value']!r}; choose one of {choices}.")
        return proposal["value"]

    def _first_picture(self):
        """What a view shows until the slices arrive, or for ever where no kernel runs."""
        view = self.view()
        source = "data:image/jpeg;base64," + _base64(Image.fromarray(compose(view)), "JPEG")
        return {"plane": view.plane, "index": view.index, "source": source}

    def _send_slices(self, _, content, buffers):
        """Answer the browser's request; the slices are no trait, lest a notebook save them."""
        if content.get("type") == "load":
            for first, data in packing.chunks(self._held, nearest=self.axial):
                self.send({"type": "chunk", "first": first}, buffers=data)

    def __repr__(self):  # the same in every run, so that nbval can compare it
        view = self.view()
        shape = " × ".join(map(str, view.case.hu.shape))
        return f"SliceViewer({shape}, {view.plane} slice {view.index}, {view.overlay})"

    def _repr_mimebundle_(self, **kwargs):
        """The live view, and beside it a PNG for wherever no kernel and no widget is."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        # so that a few thin letters keep their colour
        picture = labelled(self.view()).quantize(256, Image.Quantize.MAXCOVERAGE)
        data["image/png"] = _base64(picture, "PNG", optimize=True)
        return data, metadata


def slice_viewer(
    volume: Scan, mask: Mask = None, prediction: Mask = None, **look: Any
) -> SliceViewer:
    """Look through a volume and its masks, slice by slice.

    volume : Volume, or HU array [slices, rows, cols] with `spacing` (slice, row, col) in mm.
    mask, prediction : 0/1 arrays of the same shape: the truth and what a model found.
    plane, index : what is shown first (default: the axial slice with most lung).
    window : "lung", "mediastinum", "bone" or (centre, width) in HU.
    overlay : "none", "truth", "prediction", "both" or "difference" (default: the last of
    these that the masks allow), filled or as `outline`, with `opacity` 0 to 1.
    Returns a SliceViewer. Raises InputError where the arrays cannot be shown.
    """
    return SliceViewer(drawing.checked_view(volume, mask, prediction, **look))


# a notebook completes and shows the names and defaults of all options
slice_viewer.__signature__ = signature(drawing.checked_view).replace(  # type: ignore[attr-defined]
    return_annotation=SliceViewer
)


def _base64(picture, kind, **options):
    """A Pillow image as a file of a kind, in base64."""
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return base64.b64encode(content.getvalue()).decode()
