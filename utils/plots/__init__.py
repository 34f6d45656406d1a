"""Every figure: one style, one way to save, and a function for each picture."""

# fmt: off
from utils.plots.images import (
    confusion_figure, gallery, grey_values, misclassified, severity_curves, side_by_side,
    two_histories,
)
from utils.plots.lessons import (
    contrast_bars, dsc_histograms, hu_histogram, loss_curves_of_one_slice,
    order_before_and_after, overlay_grid, show_mask, show_slice, slice_curves, slice_examples,
    three_planes, training_curves,
)
from utils.plots.network import architecture
from utils.plots.scores import (
    doubt_maps, gradient_of_slices, prediction_summary, reliability_curves, score_intervals,
)
from utils.plots.style import LUNG_WINDOW, SOFT_TISSUE_WINDOW, new_figure, save_figure, use_style

__all__ = [
    "LUNG_WINDOW", "SOFT_TISSUE_WINDOW", "architecture", "confusion_figure", "contrast_bars",
    "doubt_maps", "dsc_histograms", "gallery", "gradient_of_slices", "grey_values",
    "hu_histogram", "loss_curves_of_one_slice", "misclassified", "new_figure",
    "order_before_and_after", "overlay_grid", "prediction_summary", "reliability_curves",
    "save_figure", "score_intervals", "severity_curves", "show_mask", "show_slice",
    "side_by_side", "slice_curves", "slice_examples", "three_planes", "training_curves",
    "two_histories", "use_style",
]
# fmt: on
