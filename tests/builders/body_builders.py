"""A series whose values and lengths are those of a body, and headers of the test's choice."""

import numpy as np
from dicom_factory import ct_slice, save, set_pixels

from utils.dicom import read_series

SIDE, PIXEL = 48, 8.0  # 384 mm


def chest(slices=6):
    """HU [slices, 48, 48]: air, a body of 320 mm with noise, two lungs, a spine."""
    y, x = np.mgrid[:SIDE, :SIDE] * PIXEL - (SIDE - 1) * PIXEL / 2
    hu = np.full((slices, SIDE, SIDE), -1000.0)
    hu[:, (x / 160) ** 2 + (y / 115) ** 2 < 1] = 40
    for side in (-75, 75):
        hu[:, ((x - side) / 60) ** 2 + (y / 85) ** 2 < 1] = -830
    hu[:, (x / 20) ** 2 + ((y - 75) / 20) ** 2 < 1] = 400
    hu += np.random.default_rng(0).normal(0, 15, hu.shape)
    return np.rint(np.clip(hu, -1024, 3000)).astype(int)


def written(folder, hu=None, step=3.0, pixel=PIXEL, **elements):
    """The chest as a series, stored with slope 1 and intercept -1024; elements are then set."""
    hu = chest() if hu is None else hu
    for k, picture in enumerate(hu):
        dataset = ct_slice(k, spacing=step)
        set_pixels(dataset, picture + 1024)
        dataset.PixelSpacing = [pixel, pixel]
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        save(dataset, folder / f"{k}.dcm")
    return folder


def doubted(folder, **options):
    return read_series(written(folder, **options)).doubted
