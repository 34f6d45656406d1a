"""Real patients: HU and geometry stay, nothing is accused, no text is seen where there is none."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from utils.deidentify import deidentify
from utils.dicom import read_series

REAL = os.environ.get("LUNG_REAL_DATA")
WHOLE = ["lung_pet_ct_dx/A0001", "lung_pet_ct_dx/A0002", "lctsc/Images/Case_002"]
SERIES = [*WHOLE, "lidc_small/LIDC-IDRI-0001", "lctsc/Images/Case_000", "lctsc/Images/Case_003"]
PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL, reason="set LUNG_REAL_DATA to the folder of real patients"),
]


def slices_of(folder):
    """What pydicom alone says of each slice: place (numbers) -> (HU, its UIDs)."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            ds = dcmread(path)
            place = tuple(float(n) for word in PLACE for n in np.ravel(ds[word].value))
            assert place not in found
            hu = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
            found[place] = hu, [ds.get(word) for word in UIDS]
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_every_slice_of_a_series_stays_where_it_is_with_the_same_hu(tmp_path, name):
    report = deidentify(Path(REAL, name), tmp_path / "copy", "Case_042")
    (tmp_path / "copy" / "deidentification.csv").unlink()
    before, after = slices_of(Path(REAL, name)), slices_of(tmp_path / "copy")
    assert set(after) == set(before) and report["files"] == len(before) > 20
    for place, (hu, uids) in before.items():
        np.testing.assert_array_equal(after[place][0], hu)
        assert not set(uids) & set(after[place][1])
    for n in range(len(UIDS)):  # as many series, studies and frames of reference as there were
        many = [len({uids[n] for _, uids in found.values()}) for found in (before, after)]
        assert many[0] == many[1] == (len(before) if n == 0 else 1)
    old, new = read_series(Path(REAL, name)), read_series(tmp_path / "copy")
    np.testing.assert_array_equal(new.hu, old.hu)
    np.testing.assert_array_equal(new.affine, old.affine)
    assert report["flags"] == [] and report["left_out"] == []


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
