"""Spacing that is rounded, or changes half way: what is read, and what each is called."""

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import moved, write_series

from utils.dicom.reader import read_series


@pytest.mark.parametrize(
    ("step", "decimals"), [(0.625, 1), (0.488, 1), (0.75, 1), (2.5, 0), (1.25, 1), (0.0625, 3)]
)
def test_positions_rounded_to_a_decimal_are_even(tmp_path, step, decimals):
    """Each lies within half of the last decimal of its place, as the numbers themselves say."""
    heights = [round(0.013 + step * k, decimals) for k in range(24)]
    write_series(tmp_path, 24, edit=moved(heights))
    volume = read_series(tmp_path)
    assert_whole(volume, 24)
    assert volume.spacing[0] == pytest.approx(step, abs=10**-decimals / 23)
    if step in (1.25, 2.5):
        assert f"as positions rounded to {10**-decimals:g} mm do; its mean" in volume.notes[-1]


@pytest.mark.parametrize(("step", "decimals"), [(0.625, 1), (2.5, 0), (1, 0), (1.25, 2), (3, 0)])
@pytest.mark.parametrize("lost", [1, 7, 22])
def test_a_slice_that_is_missing_among_rounded_ones_is_still_missed(tmp_path, step, decimals, lost):
    heights = [round(0.013 + step * k, decimals) for k in range(24)]
    write_series(tmp_path, 24, edit=moved(heights))[lost].unlink()
    assert "gap of" in refusal(tmp_path)


@pytest.mark.parametrize("rounded", [[0, 2, 4, 6, 9, 12, 15], [0, 3, 6, 9, 11, 13, 15]])
def test_a_drift_is_no_rounding(tmp_path, rounded):
    write_series(tmp_path, 7, edit=moved(rounded))
    assert "the spacing changes from" in refusal(tmp_path)


@pytest.mark.parametrize("way", [1, -1])
def test_spacing_that_changes_half_way_is_called_that(tmp_path, way):
    """Scanned so: 4 mm at the base of the skull, 7 mm above; nothing is missing."""
    gaps = [4, 4, 4, 4, 4, 7, 7, 7, 7][::way]
    write_series(tmp_path, 10, edit=moved(np.insert(np.cumsum(gaps), 0, 0)))
    message = refusal(tmp_path)
    first, second = (4, 7) if way > 0 else (7, 4)
    file = "1-005.dcm" if way > 0 else "1-006.dcm"
    assert f"the spacing changes from {first} to {second} mm at {file}. Resample" in message
    assert "missing" not in message


@pytest.mark.parametrize("thicker", [True, False])
def test_a_doubled_spacing_is_missing_slices_unless_they_are_thicker(tmp_path, thicker):
    heights = [0, 3, 6, 9, 15, 21, 27]

    def edit(dataset, k):
        moved(heights)(dataset, k)
        dataset.SliceThickness = "6" if thicker and k > 3 else "3"

    write_series(tmp_path, 7, edit=edit)
    message = refusal(tmp_path)
    assert "the spacing changes from 3 to 6 mm at 1-004.dcm" in message
    assert ("or 3 slices are missing" in message) is not thicker


def test_a_tilt_is_told_beside_the_spacing(tmp_path):
    def edit(dataset, k):
        height = 4 * min(k, 4) + 7 * max(k - 4, 0)
        dataset.ImagePositionPatient = [-20, f"{height * np.tan(np.radians(12)):.6f}", height]

    write_series(tmp_path, 9, edit=edit)
    assert "(gantry tilt of 12.0°, too)" in refusal(tmp_path)
