"""From pictures of any size to batches: resized, scaled to 0…1, split by patient."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset

from studies.images.pairs import Picture, patient_of
from utils.dataset import Split, divided, to_unit_range
from utils.errors import InputError


def split_by_patient(
    names: Iterable[str], test: float, seed: int, validation: float = 0.2
) -> Split:
    """Divide names of pictures at random so that no patient is on two sides.

    test : share of the patients to be looked at once, at the end. validation : share of the
    others, which choose the epoch. At least one patient each. Returns a Split of names;
    InputError for fewer than three patients.
    """
    names = sorted(names)
    patients = sorted({patient_of(name) for name in names})
    if len(patients) < 3:
        raise InputError(
            f"The pictures are of {len(patients)} patient(s) by their names; at least 3 are "
            "needed to train, to choose and to test on different ones."
        )
    split = divided(patients, max(1, round(test * len(patients))), validation, seed)
    parts = dataclasses.asdict(split).items()
    return Split(**{part: tuple(n for n in names if patient_of(n) in own) for part, own in parts})


def square(planes, size):
    """Planes [k, rows, cols] as [k, size, size], float32, proportions kept, padded with zeros.

    Linear interpolation, with averaging over what becomes one pixel on the way down.
    """
    shape, (top, left), (bottom, right) = _place(planes.shape[1:], size)
    planes = planes.float()
    if shape != list(planes.shape[1:]):
        planes = F.interpolate(planes[None], shape, mode="bilinear", antialias=True)[0]
    return F.pad(planes, (left, right, top, bottom))


def unsquare(planes, shape):
    """The way back from `square`: [k, size, size] -> [k, rows, cols], the picture's own shape."""
    (rows, cols), (top, left), _ = _place(shape, planes.shape[-1])
    inside = planes[None, :, top : top + rows, left : left + cols]
    return F.interpolate(inside, tuple(shape), mode="bilinear", antialias=True)[0]


def _place(shape, size):
    """Rows and columns of a picture in a square, and what is padded before and after them."""
    inside = [max(1, round(size * side / max(shape))) for side in shape]
    spare = [size - side for side in inside]
    return inside, [n // 2 for n in spare], [n - n // 2 for n in spare]


def square_labels(labels, size):
    """A label map [rows, cols] as uint8 [size, size]: the class with the largest share wins.

    Each class is resized as a map of its own, so that no label appears between two others.
    """
    labels = torch.from_numpy(labels).long()
    shares = square(F.one_hot(labels).movedim(-1, 0), size)
    return shares.argmax(0).to(torch.uint8)


def full_range(image):
    """The values that become 0 and 1: all that an image's type can hold, 255 or 65535.

    InputError where the type promises none (Hounsfield units, fractions): say a window then.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"Pictures of the type {image.dtype} have no natural black and white; give the window "
            "of values that is to become 0 to 1, such as (-1000, 400) for Hounsfield units."
        )
    return 0, np.iinfo(image.dtype).max


def equalised(picture: Picture) -> Picture:
    """A `studies.images.Picture` with its histogram made flat, uint16.

    A grey value becomes the share of pixels darker than it, of those that are not the darkest
    (black borders are to change nothing). What exposure, processing and export did to
    brightness and contrast is gone, for the order of greys is all that is kept.
    """
    _, place, count = np.unique(picture.image, return_inverse=True, return_counts=True)
    above = np.cumsum(count) - count[0]
    share = above / max(above[-1], 1)
    image = np.rint(65535 * share).astype(np.uint16)[place].reshape(picture.image.shape)
    return dataclasses.replace(picture, image=image)


class ImageDataset(Dataset):
    """Pictures and their classes at the network's size, in memory; items as in SliceDataset.

    pictures : list of `studies.images.Picture`. window : values that become 0 and 1, clipped
    outside; without it the whole range of each picture's type. Values stay float32 throughout,
    which holds 16 bits exactly.
    An item is (image float32 [1, size, size] of 0…1, class of each pixel float32, same shape);
    `names` lists whose.
    """

    def __init__(
        self, pictures: Sequence[Picture], size: int, window: tuple[float, float] | None = None
    ) -> None:
        self.names = [picture.name for picture in pictures]
        self.images = torch.empty(len(pictures), size, size)
        self.truth = torch.empty(len(pictures), size, size, dtype=torch.uint8)
        for i, picture in enumerate(pictures):
            values = torch.from_numpy(picture.image.astype(np.float32))
            unit = to_unit_range(values, window or full_range(picture.image))
            self.images[i] = square(unit[None], size)[0]
            self.truth[i] = square_labels(picture.truth, size)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        images, truths = self.__getitems__([i])
        return images[0], truths[0]

    def __getitems__(self, indices):
        """The hook by which DataLoader asks for a whole batch at once."""
        return self.images[indices][:, None], self.truth[indices][:, None].float()


def long_epoch(dataset: ImageDataset, least: int) -> Subset:
    """A data set shown as many whole times as make an epoch of at least `least` pictures.

    Epochs count time in training: how many there are, how many without progress end it. With
    few pictures an epoch has few steps, and such numbers would mean something else.
    """
    return Subset(dataset, list(range(len(dataset))) * -(-least // len(dataset)))
