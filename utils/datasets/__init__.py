"""Where data sets come from: `phantom` is drawn (data/lctsc.py fetches)."""

from utils.datasets.noise import ramp_spectrum

__all__ = ["ramp_spectrum"]
