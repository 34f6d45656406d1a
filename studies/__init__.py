"""What notebooks 05 and 06 study: losses, wishes of the reports, robustness."""

# fmt: off
from studies.degradations import cropped_picture, noisy_picture
from studies.losses import (
    SCORES,
    published_table,
    pull_at_missed_pixel,
    run_study,
    scores_of,
    study_gain,
    study_run_folder,
    study_table,
    table_as_text,
)
from studies.plan import FULL, LOSSES, REDUCED, SMALL, WISHED
from studies.robustness import TROUBLES, degraded, severity_table, slice_scores
from studies.wishes import STUDIED, wish_numbers, wish_table

__all__ = [
    "FULL", "LOSSES", "REDUCED", "SCORES", "SMALL", "STUDIED", "TROUBLES", "WISHED",
    "cropped_picture", "degraded", "noisy_picture", "published_table",
    "pull_at_missed_pixel", "run_study", "scores_of", "severity_table", "slice_scores",
    "study_gain", "study_run_folder", "study_table", "table_as_text", "wish_numbers",
    "wish_table",
]
# fmt: on
