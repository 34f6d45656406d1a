"""The pictures of notebooks 05 to 07 alone; each function returns a matplotlib figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from utils.plots import COLOURS, new_figure, show_mask, show_slice

Pixels = Any  # values [rows, cols], an array of NumPy's or torch's
Example = tuple[str, Pixels, Pixels, Pixels]  # title, picture, truth, prediction
PLAIN = "{x:g}"  # ticks of a logarithmic axis, as in utils.plots
OF_CLASS = ("truth", "prediction", "other")  # colours of the classes 1, 2, 3 in an overlay
WRONG = [COLOURS[name] for name in ("test", "other", "truth")]  # a red, a green and a blue
STYLES = ("-", "--", ":", "-.")


def gallery(
    pictures: Sequence[tuple[Pixels, Pixels]], titles: Sequence[str] | None = None
) -> Figure:
    """Pictures over the same pictures with their classes; pictures : list of (image, truth)."""
    figure, axes = new_figure(2, len(pictures), height=12.6 / len(pictures) + 0.3)
    names = titles or [""] * len(pictures)
    for column, (image, truth), title in zip(axes.T, pictures, names, strict=False):
        for axis in column:
            show_slice(axis, image, (image.min(), image.max()))
        show_classes(column[1], truth)
        column[0].set_title(title, fontsize=6)
    return figure


def show_classes(axis, truth):
    """Lay every class but 0 over a picture, each in a colour of its own."""
    for number, colour in enumerate(OF_CLASS, 1):
        if (truth == number).any():
            show_mask(axis, np.asarray(truth == number, np.uint8), colour)


def grey_values(dataset: Any, names: Sequence[str]) -> Figure:
    """How often each grey value occurs in each class of an ImageDataset; names : of classes."""
    figure, axes = new_figure(1, 2, height=2.1)
    bins = np.linspace(0, 1, 65)
    styles = zip(names, ("validation", *OF_CLASS), STYLES, strict=False)
    for number, (name, colour, style) in enumerate(styles):
        inside = dataset.truth == number
        share = 100 * np.histogram(dataset.images[inside], bins)[0] / inside.numel()
        axes[0, 0].plot(bins[:-1], share, style, color=COLOURS[colour], label=name)
        whole = 100 * inside.float().mean().item()
        axes[0, 1].barh(name, whole, color=COLOURS[colour])
        axes[0, 1].text(whole + 1, number, f"{whole:.1f} %", va="center")
    axes[0, 0].set(xlabel="grey value, 0 to 1", ylabel="pixels / %", yscale="log")
    axes[0, 0].yaxis.set_major_formatter(PLAIN)
    above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3, "fontsize": 7}
    axes[0, 0].legend(**above, handlelength=1.5, handletextpad=0.5, columnspacing=1)
    axes[0, 1].set(xlabel="pixels / %", xlim=(0, 110))
    return figure


def confusion_figure(matrix: ArrayLike, names: Sequence[str]) -> Figure:
    """A confusion matrix: pixels, and their share of the true class by shade."""
    figure, axes = new_figure(height=2.4)
    axis, matrix = axes[0, 0], np.asarray(matrix)
    shares = matrix / matrix.sum(1, keepdims=True)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        text = f"{count:,}\n{100 * shares[row, column]:.1f} %"
        colour = "w" if shares[row, column] > 0.5 else "k"
        axis.text(column, row, text, ha="center", va="center", color=colour)
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="predicted", ylabel="true")
    axis.grid(False)
    return figure


def side_by_side(examples: Sequence[Example]) -> Figure:
    """Image, truth, prediction and difference, one row a picture.

    examples : list of (title, image, truth, prediction). In the difference, orange was predicted
    wrongly, blue was missed.
    """
    figure, axes = new_figure(len(examples), 4, height=1.62 * len(examples) + 0.2)
    for row, (title, image, truth, prediction) in zip(axes, examples, strict=True):
        for axis in row:
            show_slice(axis, image, (image.min(), image.max()))
        show_classes(row[1], truth)
        show_classes(row[2], prediction)
        show_mask(row[3], np.asarray((prediction > 0) & (truth == 0), np.uint8), "prediction")
        show_mask(row[3], np.asarray((prediction == 0) & (truth > 0), np.uint8), "truth")
        row[0].set_ylabel(title, fontsize=7)
    for axis, title in zip(axes[0], ("image", "truth", "prediction", "difference"), strict=True):
        axis.set_title(title)
    return figure


def misclassified(examples: Sequence[Example]) -> Figure:
    """Image, truth and the wrong pixels in red, green, blue: true class 0, 1, 2.

    examples : list of (title, image, truth, prediction), one column each.
    """
    figure, axes = new_figure(3, len(examples), height=18.9 / len(examples) + 0.3)
    for column, (title, image, truth, prediction) in zip(axes.T, examples, strict=True):
        show_slice(column[0], image, (image.min(), image.max()))
        show_slice(column[1], truth, (0, 2))
        wrong = np.zeros((*truth.shape, 3))
        for number, colour in enumerate(WRONG):
            wrong[np.asarray((truth == number) & (prediction != truth))] = to_rgb(colour)
        column[2].imshow(wrong)
        column[2].set(xticks=[], yticks=[])
        column[2].grid(False)
        column[0].set_title(title, fontsize=7)
    for axis, name in zip(axes[:, 0], ("image", "truth", "wrong pixels"), strict=True):
        axis.set_ylabel(name)
    return figure


def two_histories(
    histories: dict[str, pd.DataFrame],
    columns: Sequence[str] = ("validation_loss", "validation_dsc"),
) -> Figure:
    """Several runs, epoch by epoch, two panels a row; histories : name -> table."""
    rows = -(-len(columns) // 2)
    figure, axes = new_figure(rows, 2, height=2.1 * rows)
    for axis, column in zip(axes.flat, columns, strict=True):
        colours = zip(histories.items(), COLOURS.values(), STYLES, strict=False)
        for (name, history), colour, style in colours:
            axis.plot(history["epoch"], history[column], style, color=colour, label=name)
        label = column.replace("_", " ").replace("dsc", "DSC").replace("iou", "mean IoU")
        axis.set(xlabel="epoch", ylabel=label)
    axes[0, 0].legend()
    return figure


def severity_curves(table: pd.DataFrame, score: str = "DSC") -> Figure:
    """One panel for each kind of trouble: score against severity, one curve a network.

    table : DataFrame with `trouble`, `severity`, `network`, `mean`, `low`, `high`; the label of an
    axis is the trouble's name. Bars are the interval from low to high.
    """
    troubles = table["trouble"].unique()
    cols = min(3, len(troubles))
    rows = -(-len(troubles) // cols)
    figure, axes = new_figure(rows, cols, height=1.75 * rows + 0.25, sharey=True)
    for axis in axes.flat[len(troubles) :]:
        axis.set_axis_off()
    for axis, trouble in zip(axes.flat, troubles, strict=False):
        # stable, or networks of one severity change places and with them their colours
        panel = table[table["trouble"] == trouble].sort_values("severity", kind="stable")
        networks = zip(panel.groupby("network", sort=False), COLOURS.values(), STYLES, strict=False)
        for (name, curve), colour, style in networks:
            middle, low, high = (curve[column].to_numpy() for column in ("mean", "low", "high"))
            bars = np.maximum([middle - low, high - middle], 0)
            at = curve["severity"]
            axis.errorbar(at, middle, bars, fmt=style, marker=".", color=colour, label=name)
        axis.set(xlabel=trouble)
        if panel["severity"].nunique() == 2:  # there or not: nothing lies between
            axis.set(xticks=panel["severity"].unique(), xlim=(-0.5, 1.5))
    for axis in axes[:, 0]:
        axis.set_ylabel(score)
    axes[0, 0].legend()
    return figure


def gradient_of_slices(shares: ArrayLike, pulls: dict[str, list[float]]) -> Figure:
    """How hard each loss pulls at one missed pixel, against how much lung the slice holds.

    shares : of the slice that is lung; pulls : name -> |gradient| at each share.
    """
    figure, ((axis,),) = new_figure(height=2.3)
    styles = zip(("test", "train", "validation", "other"), ("-", "--", "-.", ":"), strict=True)
    for (name, pull), (colour, style) in zip(pulls.items(), styles, strict=False):
        axis.loglog(100 * np.asarray(shares), pull, style, color=COLOURS[colour], label=name)
    axis.set(xlabel="lung / % of the slice", ylabel="|gradient| at one missed pixel")
    axis.xaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_major_formatter(PLAIN)
    axis.legend()
    return figure
