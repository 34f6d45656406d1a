"""One style and one `save_figure` for every figure."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib_inline.config import InlineBackend
from PIL import Image

from utils.workspace import figures_folder, shown, written_whole

LOOKS = json.loads(Path(__file__).with_name("looks.json").read_bytes())
TEXT_WIDTH = 6.3  # inches: the report's text block (160 mm), so that no figure is rescaled

# Okabe and Ito's palette, which the colour-blind can tell apart; one thing, one colour
COLOURS = LOOKS["colours"]
LUNG_WINDOW = (-1350, 150)  # HU at black and at white: centre -600, width 1500
SOFT_TISSUE_WINDOW = (-160, 240)  # centre 40, width 400
PLAIN = "{x:g}"  # ticks of a logarithmic axis; matplotlib's own are formulas, see report.mplstyle


def use_style() -> None:
    """Figures that are read in print at their own size, and tables with their texts in full."""
    pd.set_option("display.max_colwidth", None)
    plt.style.use(Path(__file__).with_name("report.mplstyle"))
    InlineBackend.instance().figure_formats = set()  # a notebook asks the figure itself
    Figure._repr_mimebundle_ = _on_screen  # type: ignore[attr-defined]


def _on_screen(figure, **_):
    """SVG or, if a figure holds pictures, PNG with twice the pixels of the size it is shown at."""
    kind, file = "png" if any(axis.images for axis in figure.axes) else "svg", io.BytesIO()
    look = {"dpi": 2 * figure.dpi, "bbox_inches": "tight", "metadata": {"Date": None}}
    figure.savefig(file, format=kind, **look)
    if kind == "svg":
        return {"image/svg+xml": file.getvalue().decode().replace("\n", " ")}, {}
    shades = np.round(np.asarray(Image.open(file).convert("RGB")) * (24 / 255))  # noise is bulky
    picture = Image.fromarray((shades * 10.625).astype(np.uint8)).quantize(dither=0)  # 255 / 24
    picture.save(file := io.BytesIO(), "PNG", optimize=True)
    size = {"width": picture.width // 2, "height": picture.height // 2}
    return {"image/png": base64.b64encode(file.getvalue()).decode()}, {"image/png": size}


def save_figure(figure: Figure, name: str, dataset: Path | str) -> None:
    """Export a figure as `<name>.pdf` for the report and `<name>.png` for the web.

    Files go to `figures/<dataset>/`, whole or not at all, without a date inside: the same
    figure gives the same bytes.
    """
    folder = figures_folder(dataset)
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", None)):
        with written_whole(folder / f"{name}{suffix}") as temporary:
            figure.savefig(temporary, metadata=metadata)
    print(f"saved {shown(folder)}/{name}.pdf and .png")


def new_figure(
    rows: int = 1, cols: int = 1, height: float = 2.2, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the report's text; height in inches for the whole of it."""
    return plt.subplots(rows, cols, figsize=(TEXT_WIDTH, height), squeeze=False, **options)
