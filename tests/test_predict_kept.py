"""Predictions that are kept beside a run: which of them are trusted."""

import numpy as np
import pytest
from threshold_builders import MM, SETTINGS, Threshold, blob_of_lung

from utils.cases import Pair
from utils.inference import segment, segment_cases
from utils.masks.npz import load_mask

scan = pytest.fixture(blob_of_lung, name="scan")


def test_kept_predictions_are_taken_only_for_the_same_weights_and_voxels(scan, tmp_path):
    hu, truth = scan
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    model = Threshold()

    def asked(pairs):
        before = model.calls
        result = segment_cases(model, pairs, SETTINGS, tmp_path)
        hu, _, spacing = pairs["Case_000"]
        assert np.array_equal(result["Case_000"], segment(Threshold(), hu, SETTINGS, spacing))
        return model.calls > before

    first = {"Case_000": Pair(hu, truth, MM)}
    assert asked(first) and not asked(first)
    assert asked({"Case_000": Pair(hu, truth, (3.0, 1.5, 1.0))})
    other = {"Case_000": Pair(hu + np.int16(1), truth, MM)}
    assert asked(other)
    weights.write_bytes(b"two")
    assert asked(other)
    (tmp_path / "predictions/Case_000.npz").write_bytes(b"damaged")
    assert asked(other)


def with_other_mask(file, change):
    with np.load(file) as archive:
        kept = {name: archive[name] for name in archive.files}
    np.savez_compressed(file, **(kept | {"masks": change(kept["masks"])}))


@pytest.mark.parametrize(
    "change",
    [
        *(lambda m: m[:2], lambda m: m[::-1], lambda m: m.astype(float), lambda m: 1 - m),
        *(lambda m: m * 7, lambda m: m.astype(str), lambda m: np.zeros_like(m)),
    ],
)
def test_a_kept_prediction_that_was_changed_is_made_again(scan, tmp_path, change):
    """Of another shape, turned round, or of other values; its archive is sound."""
    hu, truth = scan
    (tmp_path / "model.safetensors").write_bytes(b"one")
    pairs = {"Case_000": Pair(hu, truth, MM)}
    expected = segment_cases(Threshold(), pairs, SETTINGS, tmp_path)["Case_000"]
    file = tmp_path / "predictions/Case_000.npz"
    with_other_mask(file, change)
    again = segment_cases(Threshold(), pairs, SETTINGS, tmp_path)["Case_000"]
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(load_mask(file), expected)
