"""The pictures of evaluation: predictions, calibration, doubt and intervals."""

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from utils.anatomy import LEFT, RIGHT
from utils.dicom import Volume
from utils.plots.lessons import show_mask, show_slice
from utils.plots.style import COLOURS, TEXT_WIDTH, new_figure

SIDES = {RIGHT: "prediction", LEFT: "truth"}  # colours that the colour-blind can tell apart


def prediction_summary(
    volume: Volume, labels: np.ndarray, litres: dict[str, float], sentences: Iterable[str]
) -> Figure:
    """One page for one scan: six axial slices, a coronal cut, volumes, doubts and notes.

    volume : Volume, its notes stand at the foot; labels : right 1 and left 2; litres : of
    `lung_measures`; sentences : of `anatomy.reasons_to_doubt`.
    """
    figure = plt.figure(figsize=(TEXT_WIDTH, 5.2), layout="constrained")
    axes = figure.subplot_mosaic("abg\ncdg\nefh", width_ratios=(1, 1, 1.5))
    used = np.flatnonzero(labels.any((1, 2)))
    first, last = (used[0], used[-1]) if len(used) else (0, len(labels) - 1)
    shown = np.linspace(last, first, 8).round().astype(int)[1:7]
    step, row, col = volume.spacing
    for name, z in zip("abcdef", shown, strict=True):
        _with_sides(axes[name], volume.hu[z], labels[z], row / col)
        axes[name].set_title(f"slice {z}", pad=2)
    middle = int(np.argmax(labels.astype(bool).sum((0, 2))))  # the row with most lung on it
    _with_sides(axes["g"], volume.hu[::-1, middle], labels[::-1, middle], step / col)
    axes["g"].set_title("coronal, seen from the front", pad=2)
    lines = [
        f"{volume.identity['case']}: {len(labels)} slices, {step:.3g} x {row:.3g} x {col:.3g} mm",
        f"both lungs {litres['both']:.2f} l",
        f"right {litres['right']:.2f} l (orange), left {litres['left']:.2f} l (blue)",
        *(f"! {sentence}" for sentence in sentences),
        "For teaching and research; not a medical device.",
    ]
    axes["h"].set_axis_off()
    place = axes["h"].transAxes
    axes["h"].text(0, 1, "\n".join(lines), va="top", wrap=True, transform=place, fontsize=7)
    notes = textwrap.fill(" ".join(volume.notes), 165, max_lines=8, placeholder=" …")
    if notes:
        figure.supxlabel(notes, x=0.01, ha="left", fontsize=5.5)
    return figure


def _with_sides(axis, hu, labels, aspect):
    """A slice with the right and the left lung in their colours."""
    show_slice(axis, hu, aspect=aspect)
    for label, colour in SIDES.items():
        show_mask(axis, labels == label, colour)


def reliability_curves(curves: dict[str, pd.DataFrame], errors: dict[str, float]) -> Figure:
    """Frequency of lung against the probability that was given for it.

    curves : name -> table of `evaluation.reliability`; errors : name -> ECE. Dots are as large
    as the logarithm of the pixels behind them.
    """
    figure, ((axis,),) = new_figure(height=2.8)
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":", label="honest")
    for (name, curve), colour in zip(curves.items(), ("validation", "test", "other"), strict=False):
        at, frequency = curve["confidence"], curve["frequency"]
        axis.plot(at, frequency, color=COLOURS[colour], linewidth=0.8)
        sizes, label = 4 * np.log10(curve["pixels"] + 1), f"{name}: ECE {errors[name]:.3f}"
        axis.scatter(at, frequency, sizes, color=COLOURS[colour], label=label)
    axis.set(xlabel="probability given", ylabel="share that is lung", aspect="equal")
    axis.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def doubt_maps(
    examples: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
) -> Figure:
    """Slices with their truth and prediction, and where the network doubts.

    examples : list of (title, hu, truth, prediction, uncertainty in bits), one a column.
    """
    figure, axes = new_figure(2, len(examples), height=3.4, layout="constrained")
    for (above, below), (title, hu, truth, prediction, doubt) in zip(axes.T, examples, strict=True):
        show_slice(above, hu)
        for mask, colour in ((truth, "truth"), (prediction, "prediction")):
            if mask.any():
                above.contour(mask, [0.5], colors=COLOURS[colour], linewidths=0.8)
        above.set_title(title)
        picture = below.imshow(doubt, cmap="magma", vmin=0, vmax=1)
        below.set(xticks=[], yticks=[])
        below.grid(False)
    figure.colorbar(picture, ax=axes, label="doubt / bits", fraction=0.03)
    axes[0, 0].set_ylabel("truth, prediction")
    axes[1, 0].set_ylabel("uncertainty")
    return figure


def score_intervals(table: pd.DataFrame, columns: dict[str, str]) -> Figure:
    """Mean and interval of scores, one panel a score and one row a method.

    table : DataFrame indexed by method, whose cells are (mean, low, high); columns : column ->
    title of its panel.
    """
    figure, axes = new_figure(1, len(columns), height=0.28 * len(table) + 0.7, sharey=True)
    rows = np.arange(len(table))[::-1]
    for axis, (column, title) in zip(axes[0], columns.items(), strict=True):
        mean, low, high = np.array(table[column].tolist(), float).T
        bars = np.abs([mean - low, high - mean])
        look = {"fmt": "o", "markersize": 3, "color": COLOURS["test"], "elinewidth": 1}
        axis.errorbar(mean, rows, xerr=bars, **look)
        axis.set(xlabel=title)
        axis.set_yticks(rows, table.index)
    return figure
