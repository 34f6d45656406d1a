"""Files made of the viewer: a page that needs no kernel, and a moving picture."""

import base64
import html
import json
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from utils.errors import InputError
from utils.viewer import packing
from utils.viewer.case import PLANES, refusal
from utils.viewer.drawing import Mask, Scan, checked_view, labelled
from utils.workspace import written_whole

SCRIPT = Path(__file__).with_name("viewer.js")  # what draws the viewer in a browser …
STYLE = Path(__file__).with_name("viewer.css")  # … what makes it dark …
PAGE = Path(__file__).with_name("page.html")  # … and the page around both
PAGE_BYTES = 15_000_000
ANIMATION_BYTES = 3_000_000


def export_html(
    path: Path | str, volume: Scan, mask: Mask = None, prediction: Mask = None, **look: Any
) -> Path:
    """Write the viewer as one HTML file that needs no kernel and no network; return its path.

    Arguments as in `viewer.slice_viewer`. The file has at most 15 MB: HU are rounded as coarsely
    as that asks for, and the page says how coarsely. It holds the pixels and the case's name,
    nothing else of the DICOM header.
    """
    view = checked_view(volume, mask, prediction, **look)
    page = Template(PAGE.read_text("utf-8")).substitute(
        title=html.escape(f"Slice viewer {view.case.name}".strip()),
        css=STYLE.read_text("utf-8"),
        js=SCRIPT.read_text("utf-8"),
        data=json.dumps(_page_data(view)).replace("<", "\\u003c"),
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def _page_data(view):
    """What `showPage` in viewer.js takes: the widget's state, and the packed slices in base64."""
    budget = (PAGE_BYTES - 200_000) * 3 // 4  # base64 writes 3 bytes as 4
    small, reduction, step = packing.plan(view.case, budget)
    places = {plane: getattr(view, plane) // reduction for plane in ("coronal", "sagittal")}
    shown = replace(view, **places).state()
    described = packing.description(small, view.case, reduction, step)
    chunks = [
        [first, *(base64.b64encode(part).decode() for part in parts)]
        for first, parts in packing.chunks(small, step, nearest=view.axial)
    ]
    return {"state": shown | {"_case": described, "_still": {}}, "chunks": chunks}


def animation(
    path: Path | str,
    volume: Scan,
    mask: Mask = None,
    prediction: Mask = None,
    *,
    frames: int = 40,
    **look: Any,
) -> Path:
    """Write a moving picture of the viewer's slices, feet to head and back; return its path.

    path : ends in .gif, .webp or .png (animated PNG). The picture is made smaller until the
    file has at most 3 MB. Other arguments as in `viewer.slice_viewer`.
    """
    view = checked_view(volume, mask, prediction, **look)
    if Path(path).suffix.lower() not in (".gif", ".webp", ".png"):
        raise InputError(f"{path} ends in none of .gif, .webp and .png; choose one of them.")
    size = view.case.hu.shape[PLANES[view.plane]["axis"]]
    indices = np.unique(np.linspace(0, size - 1, frames // 2 + 1).round().astype(int)).tolist()
    views = [view.at(index) for index in indices + indices[-2:0:-1]]
    with written_whole(path) as temporary:
        for longest in (448, 384, 320, 256, 192, 128):
            first, *rest = (labelled(one, longest) for one in views)
            first.save(temporary, save_all=True, append_images=rest, duration=120, loop=0)
            if temporary.stat().st_size <= ANIMATION_BYTES:
                return Path(path)
        raise refusal("too many frames", frames, ANIMATION_BYTES / 1e6)
