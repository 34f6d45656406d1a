"""The network drawn from what it does: one box for each block that a picture passes."""

from math import log2
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from utils.plots.style import COLOURS, LOOKS, new_figure

KINDS = LOOKS["blocks"]  # what a block is called in the legend, and its colour
ARROW: dict[str, Any] = {"color": "0.3", "linewidth": 1, "zorder": 2}
GAP = 0.9  # between neighbouring boxes, in units of a doubling


def architecture(rows: list[tuple[str, str, tuple[int, ...], int]]) -> Figure:
    """Draw the rows of `unet.layer_table`, from left to right in the order of computation.

    A box is as high as the doublings of its rows and columns, as wide as the doublings of its
    channels, and lies the lower the coarser it is. A dotted arrow is a skip connection; on it stand
    the channels that are joined at its end, those handed over and those from below.
    """
    figure, ((axis,),) = new_figure(height=2.9)
    finest = log2(rows[0][2][1])
    left, before, drawn = 0.0, None, set()
    skips: dict[int, tuple[float, float]] = {}
    for name, kind, (channels, size, _), _ in rows:
        if kind == "Dropout":  # changes no shape; it is named with the pooling before it
            continue
        label, colour = KINDS[kind]
        width, height = 0.22 * log2(channels) + 0.12, 0.35 * log2(size)
        middle = 1.6 * (log2(size) - finest)
        box = Rectangle((left, middle - height / 2), width, height, color=COLOURS[colour])
        axis.add_patch(box)
        box.set_label(None if kind in drawn else label)
        drawn.add(kind)
        if kind in ("ConvBlock", "Conv2d"):
            at, y = left + width / 2, middle + height / 2
            axis.text(at, y + 0.1, f"{channels}", ha="center", fontsize=6)
            axis.text(at, y - height - 0.38, f"{size}²", ha="center", fontsize=5)
        if before:
            axis.plot(*zip(before, (left, middle), strict=True), "->", markersize=2.5, **ARROW)
        if kind == "ConvBlock" and name.startswith("up"):
            start, y = skips[size]
            y += height / 4
            axis.plot([start, left], [y, y], ":>", markersize=4, markevery=[1], **ARROW)
            joined = f"{channels} + {channels} channels"
            axis.text((start + left) / 2 - GAP, y + 0.1, joined, ha="center", fontsize=5)
        elif kind == "ConvBlock":
            skips[size] = (left + width, middle)
        before = (left + width, middle)
        left += width + GAP
    parameters = sum(count for *_, count in rows)
    axis.plot([], [], ":>", label="skip connection", **ARROW)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=6.5)
    axis.set_title(f"{parameters:,} parameters; above a box channels, below it rows × columns / px")
    axis.set(xlim=(-0.2, left), aspect="auto")
    axis.autoscale(axis="y")
    axis.set_axis_off()
    return figure
