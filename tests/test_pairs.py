"""Images and masks joined by case."""

from types import SimpleNamespace

import numpy as np
import pytest

from utils import cases
from utils.errors import InputError


def bare_volume(shape):
    return SimpleNamespace(hu=np.zeros(shape, np.int16), spacing=(3.0, 1.0, shape[2]))


def test_pairing_lists_everything_that_does_not_pair():
    volumes = {n: bare_volume((4, 8, 8)) for n in ("Case_000", "Case_001", "Case_002")}
    masks = {"Case_000": np.zeros((4, 8, 8)), "Case_001": np.zeros((5, 8, 8)), "Case_9": 0}
    with pytest.raises(InputError) as error:
        cases.create_paired_data(volumes, masks)
    message = str(error.value)
    assert "Case_002 has an image but no mask" in message
    assert "Case_9 has a mask but no image" in message
    assert "Case_001: image (4, 8, 8) but mask (5, 8, 8)" in message
    assert "Case_000" not in message


def test_pairing_keeps_arrays_and_sorts_by_name():
    volumes = {"b": bare_volume((1, 2, 2)), "a": bare_volume((2, 2, 2))}
    masks = {"a": np.zeros((2, 2, 2)), "b": np.zeros((1, 2, 2))}
    result = cases.create_paired_data(volumes, masks)
    assert list(result) == ["a", "b"]
    hu, mask, spacing = result["b"]
    assert hu is volumes["b"].hu and mask is masks["b"] and spacing == (3.0, 1.0, 2)
