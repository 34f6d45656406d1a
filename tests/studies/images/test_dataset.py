"""Pictures of any size at the network's size, and the split by the patients in their names."""

import numpy as np
import pytest
import torch

from studies.images.dataset import (
    ImageDataset,
    equalised,
    long_epoch,
    split_by_patient,
    square,
    square_labels,
    unsquare,
)
from studies.images.pairs import Picture
from utils.dataset import batches
from utils.errors import InputError


def picture(image, truth=None, name="a"):
    image = np.asarray(image)
    truth = np.zeros(image.shape, np.uint8) if truth is None else np.asarray(truth, np.uint8)
    return Picture(name, image, truth)


def test_no_patient_is_on_two_sides():
    names = [f"P{p}_z{z:03d}" for p in range(10) for z in range(p + 1)]
    split = split_by_patient(names, 0.2, seed=1)
    parts = (split.train, split.validation, split.test)
    patients = [{name.split("_")[0] for name in part} for part in parts]
    assert [len(p) for p in patients] == [6, 2, 2]
    assert sorted(sum(parts, ())) == sorted(names)
    assert not (patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2])
    assert split == split_by_patient(reversed(names), 0.2, seed=1)
    assert split != split_by_patient(names, 0.2, seed=2)


def test_names_that_tell_no_patient_are_patients_of_their_own():
    split = split_by_patient([f"x{i}" for i in range(30)], 1 / 3, seed=0, validation=0.1)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [18, 2, 10]


def test_two_patients_cannot_be_split():
    with pytest.raises(InputError, match=r"2 patient\(s\)"):
        split_by_patient(["a_z1", "a_z2", "b_z1"], 0.2, seed=0)


def test_proportions_are_kept_and_the_rest_is_padded_on_both_sides():
    wide = square(torch.full((1, 20, 40), 7.0), 16)
    assert wide.shape == (1, 16, 16)
    assert wide[0, :4].eq(0).all() and wide[0, 12:].eq(0).all()
    assert torch.allclose(wide[0, 4:12], torch.tensor(7.0))


@pytest.mark.parametrize("shape", [(20, 40), (50, 31), (32, 32)])
@pytest.mark.parametrize("size", [32, 64])
def test_the_way_back_lays_every_pixel_where_it_was(shape, size):
    """A plane of y + 2 x is the same plane at any resolution, but along the borders."""
    y, x = (torch.linspace(0, 1, n) for n in shape)
    plane = (y[:, None] + 2 * x)[None]
    back = unsquare(square(plane, size), shape)
    assert back.shape == plane.shape
    assert (back - plane)[0, 4:-4, 4:-4].abs().max() < 0.01


def test_shrinking_averages_and_growing_interpolates():
    stripes = torch.tensor([0.0, 1.0]).repeat(32)[None, None].expand(1, 64, 64)
    assert square(stripes, 16).sub(0.5).abs().max() < 0.05  # decimation would give 0 or 1
    ramp = square(torch.arange(4.0)[None, None].expand(1, 4, 4), 8)[0, 0]
    assert (ramp.diff() > 0).sum() >= 6


def test_no_label_appears_between_two_others():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 2
    for size in (16, 40, 64, 100):
        small = square_labels(labels, size)
        assert small.dtype == torch.uint8 and set(small.unique().tolist()) == {0, 2}
        assert abs((small == 2).float().mean().item() - 0.5) < 0.02


def test_sixteen_bits_stay_sixteen_bits():
    image = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    dataset = ImageDataset([picture(image)], 256)
    back = dataset[0][0][0].double() * 65535
    assert torch.equal(back.round().long(), torch.from_numpy(image.astype(np.int64)))


def test_full_range_by_type_or_a_window():
    eight = ImageDataset([picture(np.full((8, 8), 51, np.uint8))], 8)
    assert eight[0][0].unique().tolist() == pytest.approx([0.2])
    units = np.array([[-2000, -1000, -300, 400]], np.int32).repeat(4, 0)
    windowed = ImageDataset([picture(units)], 4, window=(-1000, 400))
    assert windowed[0][0][0, 0].tolist() == [0, 0, 0.5, 1]
    with pytest.raises(InputError, match="give the window"):
        ImageDataset([picture(units)], 4)


def test_batches_are_gathered_at_once():
    rng = np.random.default_rng(0)
    pictures = [
        picture(rng.integers(0, 255, (8, 8), np.uint8), rng.integers(0, 3, (8, 8)), f"p{i}")
        for i in range(5)
    ]
    dataset = ImageDataset(pictures, 8)
    images, truths = next(iter(batches(dataset, 5)))
    assert images.shape == truths.shape == (5, 1, 8, 8)
    assert dataset.names == ["p0", "p1", "p2", "p3", "p4"]
    for i, whole in enumerate(pictures):
        assert np.allclose(images[i, 0].numpy() * 255, whole.image, atol=1e-4)
        assert np.array_equal(truths[i, 0].numpy(), whole.truth)


def test_equalised_by_hand():
    flat = equalised(picture(np.array([[0, 0, 0, 10], [10, 200, 201, 250]], np.uint8)))
    assert flat.image.dtype == np.uint16 and flat.name == "a"
    # five pixels are not of the darkest kind: two at 10, then one each
    assert (flat.image / 65535 * 5).round(4).tolist() == [[0, 0, 0, 2], [2, 3, 4, 5]]


def test_equalised_forgets_brightness_and_contrast():
    image = np.random.default_rng(0).integers(0, 200, (20, 30)).astype(np.uint8)
    brighter = (100 + 40_000 * (image / 200) ** 0.4).astype(np.uint16)
    assert np.array_equal(equalised(picture(image)).image, equalised(picture(brighter)).image)
    assert np.ptp(equalised(picture(np.full((4, 4), 9, np.uint8))).image) == 0


def test_a_long_epoch_shows_every_picture_equally_often():
    dataset = ImageDataset(
        [picture(np.full((4, 4), i, np.uint8), name=f"p{i}") for i in range(3)], 4
    )
    epoch = long_epoch(dataset, 7)
    assert len(epoch) == 9 and len(long_epoch(dataset, 3)) == len(long_epoch(dataset, 1)) == 3
    (images, _), *rest = batches(epoch, 9, shuffle=True)
    assert not rest
    assert (images[:, 0, 0, 0] * 255).round().long().bincount().tolist() == [3, 3, 3]
