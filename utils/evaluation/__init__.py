"""How good is a segmentation? Tables, surfaces, intervals, calibration."""

# fmt: off
from utils.evaluation.calibration import (
    dropout_uncertainty, expected_calibration_error, reliability,
)
from utils.evaluation.intervals import (
    bootstrap_interval, interval_numbers, interval_text, nested_intervals, with_interval,
)
from utils.evaluation.surface import lung_table, surface_dice_by_area
from utils.evaluation.tables import (
    part_numbers, patient_metrics, ranked_slice, report_numbers, slice_metrics, step_gains,
    write_tables,
)

__all__ = [
    "bootstrap_interval", "dropout_uncertainty", "expected_calibration_error",
    "interval_numbers", "interval_text", "lung_table", "nested_intervals", "part_numbers",
    "patient_metrics", "ranked_slice", "reliability", "report_numbers",
    "slice_metrics", "step_gains", "surface_dice_by_area", "with_interval", "write_tables",
]
# fmt: on
