"""The alignment check on lungs whose answer is known."""

import numpy as np
import pytest

from utils.alignment import (
    check_case,
    check_cases,
    lung_contrast,
    require_aligned,
    write_verdicts,
)
from utils.errors import InputError


@pytest.fixture
def chest():
    """A body of water with a cone of lung in it that is widest at the feet end."""
    z, y, x = np.mgrid[:12, :48, :48]
    radius = np.hypot(y - 24, x - 24)
    hu = np.where(radius < 20, 40, -1000).astype(np.int16)
    mask = (radius < 14 - z).astype(np.uint8)
    hu[mask > 0] = -800
    return hu, mask


def test_contrast_by_hand():
    hu = np.full((1, 20, 20), 0, np.int16)
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, 8:12, 8:12] = 1
    hu[0, 8:12, 8:10] = -800  # half of the mask is lung, none of the rind
    assert lung_contrast(hu, mask) == 0.5
    hu[:] = -1000  # open air inside and around
    assert lung_contrast(hu, mask) == 0


def test_aligned_reversed_and_unrelated(chest):
    hu, mask = chest
    assert check_case(hu, mask).verdict == "aligned"
    assert check_case(hu, mask[::-1]).verdict == "reversed"
    assert check_case(hu, np.roll(mask, 24, axis=2)).verdict == "unrelated"
    assert check_case(hu, np.zeros_like(mask)).verdict == "unrelated"


def test_a_mask_that_fills_the_slice_is_unrelated(chest):
    hu, mask = chest
    assert check_case(hu, np.ones_like(mask)).verdict == "unrelated"


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    (tmp_path / "data/mini/Images").mkdir(parents=True)
    return "mini"


def test_training_needs_good_verdicts(chest, dataset):
    hu, mask = chest
    with pytest.raises(InputError, match="Run notebook 02 first"):
        require_aligned(dataset, ["Case_000"])
    write_verdicts(dataset, check_cases({"Case_000": (hu, mask), "Case_001": (hu, mask[::-1])}))
    require_aligned(dataset, ["Case_000"])
    with pytest.raises(InputError, match=r"Case_001 \(reversed\), Case_002 \(not checked\)"):
        require_aligned(dataset, ["Case_000", "Case_001", "Case_002"])
