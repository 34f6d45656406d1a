"""Padding that is no air: beyond the stored bits, in the middle of a slice, a range of tissue."""

import numpy as np
import pytest
from dicom_factory import set_pixels, write_series
from pydicom.dataelem import DataElement

from utils.dicom import read_series

HU = np.arange(40, 40 + 48).reshape(8, 6)  # soft tissue


def loaded(folder, stored, bits=16, signed=1, intercept=0, **padding):
    """HU [8, 6] of a slice with these stored values, and the notes that doubt its header."""

    def edit(dataset, k):
        set_pixels(dataset, stored)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
        dataset.RescaleIntercept = str(intercept)
        for keyword, value in padding.items():
            dataset.add(DataElement(f"PixelPadding{keyword}", "SS" if value < 0 else "US", value))

    write_series(folder, 1, edit=edit)
    volume = read_series(folder)
    return volume.hu[0], volume.doubted


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("tagged", [True, False])
def test_padding_that_twelve_bits_cannot_hold_is_air(tmp_path, signed, tagged):
    """-3024 lost its upper bits and was 1072."""
    intercept = 0 if signed else -1024
    stored = HU - intercept
    stored[:2], stored[3, 0] = -3024, -3024
    hu, doubted = loaded(
        tmp_path, stored, 12, signed, intercept, **{"Value": -3024} if tagged else {}
    )
    assert (hu[:2] == -1024).all() and hu[3, 0] == -1024
    assert np.array_equal(hu[4:], HU[4:]) and not doubted


def test_padding_written_with_the_stored_bits_is_air_at_the_border(tmp_path):
    stored = HU.copy()
    stored[:2], stored[4, 3] = 1072, 1072
    hu, _ = loaded(tmp_path, stored, 12, Value=-3024)
    assert (hu[:2] == -1024).all() and hu[4, 3] == 1072
    assert np.array_equal(hu[5:], HU[5:])


@pytest.mark.parametrize("limit", [4095, 200, -500])
def test_a_range_that_holds_tissue_is_left_out(tmp_path, limit):
    stored = HU.copy()
    stored[:, 0], stored[4, 2:4] = -2000, -700
    hu, doubted = loaded(tmp_path, stored, Value=-2000, RangeLimit=limit)
    assert (hu[:, 0] == -1024).all() and (hu[4, 2:4] == -700).all()
    assert np.array_equal(hu[:4, 1:], HU[:4, 1:])
    assert doubted == ["PixelPaddingRangeLimit"]


def test_a_range_of_padding_alone_is_air(tmp_path):
    stored = HU.copy()
    stored[0], stored[1] = -2000, -1500
    hu, doubted = loaded(tmp_path, stored, Value=-2000, RangeLimit=-1500)
    assert (hu[:2] == -1024).all() and np.array_equal(hu[2:], HU[2:]) and not doubted


def test_a_padding_of_0_does_not_turn_water_into_air(tmp_path):
    stored = HU.copy()
    stored[:, :2], stored[4, 4] = 0, 0
    hu, doubted = loaded(tmp_path, stored, Value=0)
    assert (hu[:, :2] == -1024).all() and hu[4, 4] == 0
    assert doubted == ["PixelPaddingValue"]


@pytest.mark.parametrize("overlays", [False, True])
def test_values_beyond_the_stored_bits_doubt_the_header_unless_they_are_overlays(
    tmp_path, overlays
):
    def edit(dataset, k):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 6, 5, 0
        set_pixels(dataset, HU)
        if overlays:
            dataset.add_new((0x6000, 0x0102), "US", 6)

    write_series(tmp_path, 1, edit=edit)
    assert read_series(tmp_path).doubted == ([] if overlays else ["BitsStored"])
