"""Where data sets come from: `phantom` and `synthetic` are drawn (data/lctsc.py fetches)."""

from utils.datasets.disease import DISEASES
from utils.datasets.noise import grain, ramp_spectrum

__all__ = ["DISEASES", "grain", "ramp_spectrum"]
