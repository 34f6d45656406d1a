"""Is this mask the mask of this volume? Measured, and written down for training."""

# fmt: off
from utils.alignment.verdict import (
    Verdict, check_case, check_cases, correct_mask, load_aligned, write_verdicts
)

__all__ = [
    "Verdict", "check_case", "check_cases", "correct_mask", "load_aligned", "write_verdicts"
]
# fmt: on
