"""What the viewer takes for a volume and a mask, and what it refuses."""

import numpy as np
import pytest
from viewer_builders import SHAPE, SPACING

from utils.errors import InputError
from utils.viewer import SliceViewer, slice_viewer, still

HU = np.zeros(SHAPE, np.int16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((HU, np.zeros((14, 40, 36))), r"mask has the shape \(14, 40, 36\)"),
        ((HU, None, HU[:-1]), r"prediction has the shape \(12, 40, 36\)"),
        ((HU[0],), r"shape \(40, 36\); expected \[slices, rows, cols\]"),
        ((HU[:0],), "none of them 0"),
        ((np.full(SHAPE, np.nan),), r"NaN or infinity, first at .* = \[0, 0, 0\]"),
        ((HU.astype("U1"),), "values are of type <U1"),
        ((HU.astype(complex),), "values are of type complex128"),
        ((HU.astype(np.int32) + 70_000,), "beyond int16"),
        ((HU, HU + 255), "other than 0 and 1"),
        ((HU, HU + 0.3), "Threshold it first, for example mask > 0.5"),
        ((HU, HU + np.nan), "other than 0 and 1"),
        ((HU, HU.astype(str)), "mask's values are of type"),
    ],
)
def test_bad_arrays_are_one_clear_error(arguments, message):
    with pytest.raises(InputError, match=message):
        slice_viewer(*arguments)


def test_other_number_types_are_taken_as_hu():
    assert slice_viewer(HU, spacing=np.array(SPACING)).view().case.spacing == SPACING
    assert (still(HU.astype(float) - 600.4, index=0) == still(HU - np.int16(600), index=0)).all()
    assert isinstance(slice_viewer(HU.astype(np.uint8)), SliceViewer)
