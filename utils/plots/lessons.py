"""The pictures of notebooks 01 to 04; each function returns a matplotlib figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from utils.dicom import Volume
from utils.plots.style import COLOURS, LOOKS, LUNG_WINDOW, PLAIN, new_figure

Pixels = Any  # values [rows, cols], an array of NumPy's or torch's
Example = tuple[str, Pixels, Pixels, Pixels]  # title, picture, truth, prediction

# Typical Hounsfield units, after Hounsfield's scale: air -1000, water 0 by definition
TISSUES = LOOKS["tissues"]
EDGES = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.95), (0.5, 0.05))  # of a panel: left, right, top, foot
OUTLINED = [withStroke(linewidth=2, foreground="k")]
ON_A_SLICE = {"color": "w", "ha": "center", "va": "center", "path_effects": OUTLINED}  # of a letter


def show_slice(
    axis: Axes, hu: ArrayLike, window: tuple[float, float] = LUNG_WINDOW, aspect: float = 1.0
) -> None:
    """Draw one slice in a window of HU, without ticks."""
    axis.imshow(hu, vmin=window[0], vmax=window[1], aspect=aspect)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)


def show_mask(axis: Axes, mask: np.ndarray, colour: str) -> None:
    """Lay a translucent mask with a firm outline over a slice."""
    tint = np.zeros((*mask.shape, 4), np.uint8)  # of float64 a page of slices would be 200 MB
    tint[mask > 0] = np.multiply(to_rgba(COLOURS[colour], 0.35), 255).round()
    axis.imshow(tint, aspect=axis.get_aspect())  # imshow would set it back to square pixels
    if mask.any() and min(mask.shape) > 1:  # a single row has no outline
        axis.contour(mask, levels=[0.5], colors=[COLOURS[colour]], linewidths=0.6)


def order_before_and_after(unsorted: np.ndarray, volume: Volume) -> Figure:
    """A coronal cut through slices as the files came, beside the same cut in order."""
    figure, axes = new_figure(1, 2, height=2.6)
    aspect = volume.spacing[0] / volume.spacing[2]
    stacks = {"folder": unsorted, "patient": volume.hu}
    for axis, (whose, stack) in zip(axes[0], stacks.items(), strict=True):
        show_slice(axis, stack[::-1, stack.shape[1] // 2], aspect=aspect)
        axis.set_title(f"slices in the order of the {whose}")
    return figure


def three_planes(volume: Volume, window: tuple[float, float] = LUNG_WINDOW) -> Figure:
    """Axial, coronal and sagittal cut through the middle, true to millimetres."""
    dz, dy, dx = volume.spacing
    slices, rows, cols = (size // 2 for size in volume.hu.shape)
    cuts = (
        ("axial, seen from the feet", volume.hu[slices], dy / dx, "RLAP"),
        ("coronal, seen from the front", volume.hu[::-1, rows], dz / dx, "RLHF"),
        ("sagittal, seen from the left", volume.hu[::-1, :, cols], dz / dy, "APHF"),
    )
    figure, axes = new_figure(1, 3, height=2.6)
    for axis, (title, cut, aspect, sides) in zip(axes[0], cuts, strict=True):
        show_slice(axis, cut, window, aspect)
        axis.set_title(title)
        for side, (x, y) in zip(sides, EDGES, strict=True):
            axis.text(x, y, side, transform=axis.transAxes, **ON_A_SLICE)
    return figure


def hu_histogram(volumes: dict[str, Volume]) -> Figure:
    """How often each HU value occurs in each case, with the ranges of tissues marked."""
    figure, ((axis,),) = new_figure(height=2.4)
    bins = np.arange(-1024, 1200, 8)
    for volume in volumes.values():
        share, _ = np.histogram(volume.hu[:, ::2, ::2], bins)
        axis.plot(bins[:-1], 100 * share / share.sum(), color="0.45", linewidth=0.5)
    for (name, (low, high)), shade in zip(TISSUES.items(), ("0.88", "0.78") * 3, strict=False):
        axis.axvspan(low, high, color=shade, zorder=0)
        axis.text((low + high) / 2, 1.02, name, ha="center", transform=axis.get_xaxis_transform())
    axis.set(yscale="log", xlim=(-1024, 1100), xlabel="Hounsfield units", ylabel="voxels / %")
    axis.yaxis.set_major_formatter(PLAIN)
    return figure


def overlay_grid(hu: np.ndarray, mask: np.ndarray, every: int, title: str) -> Figure:
    """Slices at regular intervals with their mask, to see at a glance whether they belong."""
    chosen = range(0, len(hu), every)
    cols = 6
    rows = -(-len(chosen) // cols)
    figure, axes = new_figure(rows, cols, height=1.15 * rows + 0.2)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, z in zip(axes.flat, chosen, strict=False):
        show_slice(axis, hu[z])
        show_mask(axis, mask[z], "truth")
        axis.set_title(f"slice {z}", pad=2)
    figure.suptitle(title)
    return figure


def contrast_bars(verdicts: dict[str, Any]) -> Figure:
    """The measured check: contrast of each mask as given and in its best other orientation.

    verdicts : case -> `alignment.Verdict`.
    """
    figure, ((axis,),) = new_figure(height=2.2)
    at = np.arange(len(verdicts))
    bars = (
        ("mask as given", "truth", [verdict.contrast for verdict in verdicts.values()]),
        ("best of all other orientations", "other", [v.rival for v in verdicts.values()]),
    )
    for offset, (label, colour, heights) in zip((-0.2, 0.2), bars, strict=True):
        axis.bar(at + offset, heights, 0.4, color=COLOURS[colour], label=label)
    axis.set_xticks(at, [name.removeprefix("Case_") for name in verdicts])
    axis.set(xlabel="case", ylabel="lung contrast", ylim=(0, 1.15))
    axis.legend(ncols=2, loc="upper right")
    return figure


def loss_curves_of_one_slice(losses: dict[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Loss against falsely predicted pixels; losses : name -> (% of the slice, loss)."""
    figure, ((axis,),) = new_figure(height=2.2)
    styles = zip(("train", "validation", "test", "truth"), ("-", "--", "-.", ":"), strict=True)
    for (name, (x, y)), (colour, style) in zip(losses.items(), styles, strict=False):
        axis.plot(x, y, style, color=COLOURS[colour], label=name)
    axis.set(xlabel="falsely predicted pixels / % of the slice", ylabel="loss")
    axis.legend()
    return figure


def training_curves(history: pd.DataFrame) -> Figure:
    """Loss, binary accuracy and mean DSC per epoch, of the parts that were measured (figure 1)."""
    figure, axes = new_figure(1, 3, height=2.1)
    titles = {"loss": "loss", "accuracy": "binary accuracy", "dsc": "mean DSC of lung slices"}
    for axis, (column, title) in zip(axes[0], titles.items(), strict=True):
        for part, style in (("train", "-"), ("validation", "--"), ("test", ":")):
            curve = history.get(f"{part}_{column}", pd.Series())
            if curve.notna().any():  # nobody may have validated
                axis.plot(history["epoch"], curve, f".{style}", color=COLOURS[part], label=part)
        axis.set(xlabel="epoch", ylabel=title)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].legend()
    return figure


def dsc_histograms(slices: pd.DataFrame, threshold: int) -> Figure:
    """How the slices' DSC is distributed under one threshold (figures 2 and 3)."""
    figure, axes = new_figure(1, 2, height=2.1, sharey=True)
    for axis, part in zip(axes[0], ("train", "test"), strict=True):
        scores = slices.loc[slices["split"] == part, f"dsc_{threshold}"]
        weights = np.full(len(scores), 100 / len(scores))
        axis.hist(scores, np.linspace(0, 1, 21), weights=weights, color=COLOURS[part])
        axis.set(xlabel="DSC", xlim=(0, 1), title=f"{part}: {len(scores)} slices")
    axes[0, 0].set_ylabel("slices / %")
    return figure


def slice_curves(slices: pd.DataFrame, dsc: str = "dsc_1310") -> Figure:
    """DSC and binary accuracy of each slice (figure 4): of one case, feet to head, or of many.

    slices : of `evaluation.slice_metrics`, drawn in the order of its rows; dsc : column with DSC.
    """
    figure, axes = new_figure(1, 2, height=2.1)
    at, lung = np.arange(len(slices)), (slices["lung_px"] > 0).to_numpy()
    looks = {"with lung": (lung, "o", "test"), "lung-free": (~lung, "x", "other")}
    titles, size = {dsc: "DSC", "accuracy": "binary accuracy"}, 12 if len(slices) < 150 else 4
    for axis, (column, title) in zip(axes[0], titles.items(), strict=True):
        scores = slices[column].to_numpy()
        for label, (chosen, marker, colour) in looks.items():
            look = {"marker": marker, "color": COLOURS[colour], "label": label}
            axis.scatter(at[chosen], scores[chosen], s=size, linewidths=0.1 * size, **look)
        axis.set(xlabel="slice (0 = feet end)", ylabel=title)
    axes[0, 0].set_ylim(-0.05, 1.05)
    axes[0, 0].legend()
    return figure


def slice_examples(examples: Sequence[Example]) -> Figure:
    """Image, truth and prediction side by side (figures 5 to 7).

    examples : list of (title, hu, truth, prediction), one for each column.
    """
    # noise does not compress: at 72 dpi a notebook with three of these stays small
    figure, axes = new_figure(3, len(examples), height=4.9, layout="constrained", dpi=72)
    for column, (title, hu, truth, prediction) in zip(axes.T, examples, strict=True):
        for axis in column:
            show_slice(axis, hu)
        show_mask(column[1], truth, "truth")
        show_mask(column[2], prediction, "prediction")
        column[0].set_title(title)
    for axis, name in zip(axes[:, 0], ("image", "truth", "prediction"), strict=True):
        axis.set_ylabel(name)
    return figure
