"""Pixel data into numbers: compressed, truncated, too long, or of another size than stated."""

import zlib

import numpy as np
import pytest
from dicom_checks import refusal
from dicom_factory import expected_hu, set_pixels, write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from utils.dicom import decoding
from utils.dicom.reader import read_series


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [0, 1])
def test_compressed_series_gives_the_same_hu(tmp_path, syntax, signed):
    def edit(dataset, k):
        dataset.PixelRepresentation = signed
        if signed:
            dataset.RescaleIntercept = "0"
        set_pixels(dataset, np.tile(expected_hu(5)[k] - 300 + 1024 * (1 - signed), (8, 8)))

    write_series(tmp_path, edit=edit, syntax=syntax)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, np.tile(expected_hu(5) - 300, (1, 8, 8)))
    assert volume.identity["transfer_syntax"] == syntax


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("lost", [3, 20, 60])
def test_truncated_compressed_pixels_are_refused(tmp_path, syntax, lost):
    path = write_series(tmp_path, syntax=syntax, rows=64, cols=64)[2]
    data = path.read_bytes().removesuffix(b"\xfe\xff\xdd\xe0\0\0\0\0")
    path.write_bytes(data[:-lost])
    assert "1-003.dcm: " in refusal(tmp_path)


def test_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = write_series(tmp_path, 1, syntax=JPEG2000Lossless, rows=64, cols=48)[0]
    size = (48).to_bytes(4, "big") + (64).to_bytes(4, "big") + bytes(8)  # SIZ: width, height
    claimed = (60000).to_bytes(4, "big") * 2 + bytes(8)
    start = path.read_bytes().index(b"\xff\x4f\xff\x51")
    data = path.read_bytes()
    path.write_bytes(data[:start] + data[start:].replace(size, claimed, 1))
    monkeypatch.setattr(decoding, "_decode", lambda *_: pytest.fail("decoded all the same"))
    assert "state 60000 x 60000 pixels with 1 component(s)" in refusal(tmp_path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_bytes_after_the_pixels_are_refused(tmp_path, syntax):
    """A piece written twice pushes the pixels' end out of the pixels: they are no longer whole."""
    path = write_series(tmp_path, syntax=syntax)[2]
    data = path.read_bytes()
    if syntax == DeflatedExplicitVRLittleEndian:
        start = 144 + int.from_bytes(data[140:144], "little")
        plain = zlib.decompress(data[start:], -zlib.MAX_WBITS)
        shrink = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        path.write_bytes(data[:start] + shrink.compress(plain + plain[-40:]) + shrink.flush())
    else:
        path.write_bytes(data + data[-40:])
    assert "1-003.dcm: 40 bytes that are no DICOM follow the pixel data" in refusal(tmp_path)


@pytest.mark.parametrize("tail", [bytes(512), b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0junk"])
def test_padding_after_the_pixels_is_fine(tmp_path, tail):
    path = write_series(tmp_path)[2]
    path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_array_equal(read_series(tmp_path).hu, expected_hu(5))


def test_more_pixels_than_the_header_says_are_refused(tmp_path):
    def edit(dataset, k):
        dataset.PixelData += bytes(12)

    write_series(tmp_path, edit=edit)
    assert "108 bytes of pixel data where" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [1, 10, 95])
def test_truncated_pixels_are_refused(tmp_path, kept):
    path = write_series(tmp_path)[2]
    path.write_bytes(path.read_bytes()[: kept - 96])
    message = refusal(tmp_path)
    assert f"1-003.dcm: truncated pixel data: {kept} bytes" in message
    assert "1 frame(s) of 8 x 6 need 96" in message
