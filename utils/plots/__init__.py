"""Every figure: one style, one way to save, and a function for each picture."""

# fmt: off
from utils.plots.lessons import (
    contrast_bars, dsc_histograms, hu_histogram, loss_curves_of_one_slice,
    order_before_and_after, overlay_grid, show_mask, show_slice, slice_curves, slice_examples,
    three_planes, training_curves
)
from utils.plots.network import architecture
from utils.plots.scores import (
    doubt_maps, prediction_summary, reliability_curves, score_intervals
)
from utils.plots.style import (
    COLOURS, LUNG_WINDOW, SOFT_TISSUE_WINDOW, new_figure, save_figure, use_style
)

__all__ = [
    "COLOURS", "LUNG_WINDOW", "SOFT_TISSUE_WINDOW", "architecture", "contrast_bars",
    "doubt_maps", "dsc_histograms", "hu_histogram", "loss_curves_of_one_slice", "new_figure",
    "order_before_and_after", "overlay_grid", "prediction_summary", "reliability_curves",
    "save_figure", "score_intervals", "show_mask", "show_slice", "slice_curves",
    "slice_examples", "three_planes", "training_curves", "use_style"
]
# fmt: on
