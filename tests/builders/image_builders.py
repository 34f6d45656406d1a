"""Small pictures and masks on disk, for the tests of files and of sets."""

import numpy as np
from PIL import Image

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
MASK = (GREY > 100).astype(np.uint8)


def store(folder, file, array, **options):
    """Save an array as a picture, its folder made first; returns the path."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path
