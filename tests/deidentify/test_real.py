"""Real patients: HU and geometry stay, nothing is accused, no text is seen where there is none."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from utils.deidentify import deidentify
from utils.dicom import read_series

REAL = os.environ.get("LUNG_REAL_DATA")
SERIES = ["lung_pet_ct_dx/A0001", "lung_pet_ct_dx/A0002", "lidc_small/LIDC-IDRI-0001",
          "lctsc/Images/Case_000", "lctsc/Images/Case_002", "lctsc/Images/Case_003"]  # fmt: skip

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL, reason="set LUNG_REAL_DATA to the folder of real patients"),
]


@pytest.mark.parametrize("name", SERIES)
def test_every_eighth_slice_comes_out_with_the_same_hu(tmp_path, name):
    """Fewer slices, further apart, are as good a series; an alarm would raise an error."""
    (tmp_path / "in").mkdir()
    for path in sorted(Path(REAL, name).iterdir())[::8]:
        shutil.copy(path, tmp_path / "in" / path.name)
    try:
        before = read_series(tmp_path / "in")
    except ValueError:
        pytest.skip("its files are not named in the order of slices")
    report = deidentify(tmp_path / "in", tmp_path / "copy", "Case_042")
    after = read_series(tmp_path / "copy")
    np.testing.assert_array_equal(after.hu, before.hu)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert report["flags"] == [] and report["left_out"] == []
