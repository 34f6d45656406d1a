"""Stored pixels into Hounsfield units: each row of the loader's contract about values."""

from fractions import Fraction

import numpy as np
import pytest
from dicom_checks import refusal
from dicom_factory import expected_hu, replace_bytes, set_pixels, write_series
from pydicom.dataelem import DataElement

from utils.dicom.reader import read_series


def hu_of(folder, edit, count=5):
    """HU and notes of a series whose slices were edited."""
    write_series(folder, count, edit)
    volume = read_series(folder)
    assert volume.hu.dtype == np.int16
    return volume.hu, volume.notes


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_missing_rescale_is_refused(tmp_path, keyword):
    write_series(tmp_path, edit=lambda ds, k: k == 1 and ds.__delattr__(keyword))
    message = refusal(tmp_path)
    assert "1-004.dcm: RescaleSlope or RescaleIntercept is missing" in message
    assert "Hounsfield units" in message


def test_slope_and_intercept_apply_slice_by_slice(tmp_path):
    def edit(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = str(k + 1), str(-1000 - 10 * k)
        set_pixels(dataset, np.full((8, 6), 100 + k))

    hu, notes = hu_of(tmp_path, edit)
    assert notes == ()
    for k in range(5):
        assert (hu[k] == (k + 1) * (100 + k) - 1000 - 10 * k).all()


def test_fractions_are_rounded_half_to_even(tmp_path):
    stored = np.arange(48).reshape(8, 6)

    def edit(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-10.25" if k else "-10"
        set_pixels(dataset, stored)

    hu, _ = hu_of(tmp_path, edit, count=2)
    for k, intercept in enumerate([Fraction(-10), Fraction(-41, 4)]):
        exact = [round(Fraction(v, 2) + intercept) for v in range(48)]  # Python: half to even
        assert hu[k].ravel().tolist() == exact


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_rescale_that_is_no_number_is_refused(tmp_path, keyword, value):
    place = "1.2345678" if keyword == "RescaleSlope" else "-1023.765"

    def edit(dataset, k):
        setattr(dataset, keyword, place)

    path = write_series(tmp_path, edit=edit)[3]
    replace_bytes(path, place.encode(), value.encode().ljust(len(place)))
    message = refusal(tmp_path)
    assert f"1-002.dcm: {keyword} is '{value}'" in message and "not a number" in message


def test_slope_zero_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 3 and setattr(ds, "RescaleSlope", "0"))
    assert "1-002.dcm: RescaleSlope is 0" in refusal(tmp_path)


def test_signed_and_unsigned_slices_may_be_mixed(tmp_path):
    def edit(dataset, k):
        if k % 2:  # stored as HU itself, negative values included
            dataset.RescaleIntercept = "0"
            set_pixels(dataset, expected_hu(5)[k] - 300)
        else:
            dataset.PixelRepresentation = 0
            set_pixels(dataset, expected_hu(5)[k] - 300 + 1024)

    hu, notes = hu_of(tmp_path, edit)
    np.testing.assert_array_equal(hu, expected_hu(5) - 300)
    assert notes == ()


def test_unsigned_values_above_the_signed_range_are_kept(tmp_path):
    def edit(dataset, k):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 0, "-32768"
        set_pixels(dataset, expected_hu(5)[k] + 32768)

    hu, _ = hu_of(tmp_path, edit)
    np.testing.assert_array_equal(hu, expected_hu(5))


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_beyond_bits_stored_are_ignored(tmp_path, signed):
    """Twelve bits stored; an overlay in bit 15, and for signed values no sign above bit 11."""

    def edit(dataset, k):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, signed
        if signed:
            dataset.RescaleIntercept = "0"
        stored = expected_hu(5)[k] - 300 + (0 if signed else 1024)
        set_pixels(dataset, (stored & 0x0FFF) | 0x8000)

    hu, notes = hu_of(tmp_path, edit)
    np.testing.assert_array_equal(hu, expected_hu(5) - 300)
    said = "Values beyond the 12 bits that are stored lost their upper bits"
    assert all(note.startswith(said) and "in 5 slices" in note for note in notes)


@pytest.mark.parametrize("place", ["a row", "the middle"])
@pytest.mark.parametrize("signed", [0, 1])
def test_values_beyond_the_stored_bits_are_told_where_they_are_no_border(tmp_path, signed, place):
    """5000 in twelve bits: metal, or an overlay; and no word on a sign kept in bits 12 to 15."""

    def edit(dataset, k):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, signed
        stored = expected_hu(5)[k] + 1024 * (1 - signed)
        dataset.RescaleIntercept = "0" if signed else "-1024"
        stored[0] = 100 if not signed else -100
        if k == 2:
            stored[(0, slice(None)) if place == "a row" else (3, 3)] = 5000
        set_pixels(dataset, stored)

    hu, notes = hu_of(tmp_path, edit)
    assert hu[2, 4].tolist() == expected_hu(5)[2, 4].tolist()
    assert len(notes) == (place != "a row")
    assert all("the 12 bits that are stored lost" in n and "in 1 slices" in n for n in notes)


@pytest.mark.parametrize("inside", [False, True])
def test_padding_in_the_middle_of_a_slice_is_told(tmp_path, inside):
    """0 in unsigned values: water, where the intercept is 0."""

    def edit(dataset, k):
        dataset.PixelRepresentation, dataset.RescaleIntercept = 0, "0"
        dataset.add(DataElement("PixelPaddingValue", "US", 0))
        stored = expected_hu(5)[k] + 1
        stored[:, :2], stored[:2, 4:] = 0, 0
        if inside:
            stored[4, 4] = 0
        set_pixels(dataset, stored)

    hu, notes = hu_of(tmp_path, edit)
    assert (hu[:, :, :2] == -1024).all() and (hu[:, :2, 4:] == -1024).all()
    assert any("Padding (0) is not at the border alone" in n for n in notes) == inside


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize(("signed", "padding"), [(1, -2000), (0, 63536)])
def test_padding_becomes_air_with_a_note(tmp_path, signed, padding, tagged):
    def edit(dataset, k):
        dataset.PixelRepresentation = signed
        if tagged:
            vr = "SS" if signed else "US"
            dataset.add(DataElement("PixelPaddingValue", vr, padding))
        stored = expected_hu(5)[k] + 1024
        stored[:2, :] = padding
        set_pixels(dataset, stored)

    hu, notes = hu_of(tmp_path, edit)
    assert (hu[:, :2] == -1024).all()
    np.testing.assert_array_equal(hu[:, 2:], expected_hu(5)[:, 2:])
    assert len(notes) == 1 and "set to -1024 HU in 5 slices" in notes[0]


def test_padding_outside_of_the_stored_bits_becomes_air(tmp_path):
    """63536 in a 12-bit slice: cutting it to twelve bits would turn air into 1072 HU."""

    def edit(dataset, k):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        dataset.add(DataElement("PixelPaddingValue", "US", 63536))
        stored = expected_hu(5)[k] + 1024
        stored[0] = 63536
        set_pixels(dataset, stored)

    hu, notes = hu_of(tmp_path, edit)
    assert (hu[:, 0] == -1024).all()
    np.testing.assert_array_equal(hu[:, 1:], expected_hu(5)[:, 1:])
    assert "-1024 HU" in notes[0]


def test_harmless_padding_tag_gives_no_note(tmp_path):
    def edit(dataset, k):
        dataset.add(DataElement("PixelPaddingValue", "SS", 0))  # 0 stored is -1024 HU anyway

    hu, notes = hu_of(tmp_path, edit)
    np.testing.assert_array_equal(hu, expected_hu(5))
    assert notes == ()


def test_values_beyond_int16_are_refused(tmp_path):
    def edit(dataset, k):
        dataset.PixelRepresentation = 0
        set_pixels(dataset, np.full((8, 6), 60000))

    write_series(tmp_path, edit=edit)
    assert "1-001.dcm: values of 58976 to 58976 HU" in refusal(tmp_path)


@pytest.mark.parametrize(("photometric", "samples"), [("MONOCHROME1", 1), ("RGB", 3)])
def test_inverted_and_colour_pixels_are_refused(tmp_path, photometric, samples):
    def edit(dataset, k):
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = photometric, samples

    write_series(tmp_path, edit=edit)
    message = refusal(tmp_path)
    assert f"1-001.dcm: PhotometricInterpretation is {photometric} with {samples}" in message
    assert "expected MONOCHROME2" in message


def test_floating_point_pixels_are_refused(tmp_path):
    def edit(dataset, k):
        dataset.FloatPixelData = np.zeros((8, 6), "<f4").tobytes()
        del dataset.PixelData

    write_series(tmp_path, edit=edit)
    assert "1-001.dcm: pixels are stored as floating point" in refusal(tmp_path)


def test_eight_bit_pixels_are_read(tmp_path):
    def edit(dataset, k):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelRepresentation, dataset.RescaleIntercept = 0, "-100"
        dataset.PixelData = (np.arange(48) + 200).clip(0, 255).astype(np.uint8).tobytes()

    hu, _ = hu_of(tmp_path, edit)
    assert hu[0].ravel().tolist() == [min(v + 200, 255) - 100 for v in range(48)]
