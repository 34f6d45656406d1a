"""More bytes than the pixels need: elements, padding, or a header that contradicts them."""

from io import BytesIO

import numpy as np
import pytest
from dicom_checks import refusal
from dicom_factory import expected_hu, set_pixels, write_series
from pydicom import dcmread
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from utils.dicom.reader import read_series


def after_the_pixels(path, element):
    path.write_bytes(path.read_bytes() + element)


PRIVATE = (  # PS3.5 7.8: a block is reserved by its creator, then used
    b"\xf1\x7f\x10\x00LO\x04\x00TOSH\xf1\x7f\x01\x10US\x02\x00\x01\x00",
    b"\xf1\x7f\x10\x00\x04\0\0\0TOSH\xf1\x7f\x01\x10\x02\0\0\0\x01\x00",
)


@pytest.mark.parametrize(
    ("syntax", "tail"),
    [
        (ExplicitVRLittleEndian, PRIVATE[0]),
        (ImplicitVRLittleEndian, PRIVATE[1]),
        (RLELossless, PRIVATE[0]),
        (ExplicitVRLittleEndian, b"\xe1\x7f\x10\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\0\0\0\0"),
    ],
)
def test_private_elements_after_the_pixels_are_read_past(tmp_path, syntax, tail):
    for path in write_series(tmp_path, syntax=syntax):
        after_the_pixels(path, tail)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert volume.notes == ()


@pytest.mark.parametrize(
    "tail",
    [
        PRIVATE[0][:-1],  # ends early
        b"\xf1\x7f\x10\x00\x01\x02\x04\x00TOSH",  # no type of two letters
        b"\x28\x00\x10\x00US\x02\x00\x01\x00",  # belongs before the pixels
    ],
)
def test_what_only_resembles_elements_is_refused(tmp_path, tail):
    after_the_pixels(write_series(tmp_path)[2], tail)
    assert "1-003.dcm: " in (message := refusal(tmp_path)) and "that are no DICOM" in message


@pytest.mark.parametrize("more", [10, 24, 416])
def test_zeros_after_the_pixels_are_padding(tmp_path, more):
    """24 bytes are two rows, 416 more than all rows together; one row might be of the picture."""

    def edit(dataset, k):
        dataset.PixelData += bytes(more)

    write_series(tmp_path, edit=edit)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert volume.notes == ("Bytes after the pixels of 5 files were taken for padding.",)


def test_a_picture_that_is_wider_than_its_header_says_is_refused(tmp_path):
    """Its last row is air, 0 as stored, and might pass for padding."""
    picture = np.zeros((16, 12), int)
    picture[2:12, 2:10] = 1000 + 40 * np.arange(8)

    def edit(dataset, k):
        set_pixels(dataset, picture)
        dataset.Columns = 11

    write_series(tmp_path, edit=edit)
    assert "384 bytes of pixel data where" in refusal(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_pixels_that_contradict_their_transfer_syntax_are_named_as_that(tmp_path, compressed):
    path = write_series(tmp_path, syntax=RLELossless if compressed else ExplicitVRLittleEndian)[2]
    stated = ExplicitVRLittleEndian if compressed else RLELossless
    dataset, data = dcmread(path), path.read_bytes()
    dataset.file_meta.TransferSyntaxUID = stated
    head = BytesIO()
    write_file_meta_info(head, dataset.file_meta)
    start = 144 + int.from_bytes(data[140:144], "little")
    path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + data[start:])
    found = "compressed" if compressed else "not compressed"
    message = refusal(tmp_path)
    assert f"1-003.dcm: the header says {stated.name}, but the pixels are {found}" in message
