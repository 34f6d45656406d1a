"""Where data sets come from: `phantom` is drawn (data/lctsc.py fetches)."""

from utils.datasets.noise import grain, ramp_spectrum

__all__ = ["grain", "ramp_spectrum"]
