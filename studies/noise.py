"""Noise of a given spectrum."""

import numpy as np
from scipy import fft


def grain(white: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """White noise [..., rows, cols], each picture of it with a spectrum, as of `ramp_spectrum`."""
    return fft.irfft2(fft.rfft2(white) * spectrum, white.shape[-2:])
