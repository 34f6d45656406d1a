"""What notebooks 05 to 07 study: losses, wishes of the reports, robustness, disease; pictures."""

# fmt: off
from studies.degradations import cropped_picture, noisy_picture
from studies.disease import DISEASES
from studies.losses import (
    SCORES, paired_gain, published_table, pull_at_missed_pixel, run_study, scores_of, study_gain,
    study_run_folder, study_table, table_as_text,
)
from studies.plan import FULL, LOSSES, REDUCED, SMALL, WISHED
from studies.plots import (
    confusion_figure, gallery, gradient_of_slices, grey_values, misclassified, severity_curves,
    side_by_side, two_histories,
)
from studies.robustness import TROUBLES, degraded, severity_table, slice_scores
from studies.wishes import STUDIED, wish_numbers, wish_table

__all__ = [
    "DISEASES", "FULL", "LOSSES", "REDUCED", "SCORES", "SMALL", "STUDIED", "TROUBLES", "WISHED",
    "confusion_figure", "cropped_picture", "degraded", "gallery", "gradient_of_slices",
    "grey_values", "misclassified", "noisy_picture", "paired_gain", "published_table",
    "pull_at_missed_pixel", "run_study", "scores_of", "severity_curves", "severity_table",
    "side_by_side", "slice_scores", "study_gain", "study_run_folder", "study_table",
    "table_as_text", "two_histories", "wish_numbers", "wish_table",
]
# fmt: on
