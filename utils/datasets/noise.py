"""Noise of filtered back projection, as scanners leave it in their pictures."""

import numpy as np
from scipy import fft


def ramp_spectrum(shape: tuple[int, int], pixel: float, cutoff: float) -> np.ndarray:
    """Spectrum f·exp(-(f/c)²) of a picture's noise (after Riederer et al. 1978, PMB 23:446).

    The ramp filter of back projection lifts high frequencies, the kernel's apodisation takes the
    highest away again. shape : (rows, cols); pixel : mm; cutoff : c in 1/mm. Returns float64
    [rows, cols // 2 + 1], for `scipy.fft.rfft2`.
    """
    rows, cols = shape
    f = np.hypot(fft.fftfreq(rows, pixel)[:, None], fft.rfftfreq(cols, pixel)[None])
    return f * np.exp(-((f / cutoff) ** 2))
