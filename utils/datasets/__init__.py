"""Where data sets come from: `phantom` is drawn (data/lctsc.py fetches), disease laid in."""

from utils.datasets.disease import DISEASES
from utils.datasets.noise import grain, ramp_spectrum

__all__ = ["DISEASES", "grain", "ramp_spectrum"]
