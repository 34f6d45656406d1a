"""Compressed pixels whose stream has other bits than the header says, and lossless JPEG."""

import numpy as np
import pytest
import SimpleITK
from dicom_checks import refusal
from dicom_factory import ct_slice, save, set_pixels
from itk_builders import compress_losslessly
from jpeg_ls import encode_array
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from utils.dicom import decoding
from utils.dicom.reader import read_series

SOFT, BONE = 1064, 2524  # stored: 40 and 1500 HU with the intercept -1024


def written(folder, stored, bits, signed, header, syntax=JPEG2000Lossless, edit=None):
    """One slice whose stream has `bits` bits; header : (BitsStored, PixelRepresentation)."""
    dataset = ct_slice(0)
    set_pixels(dataset, np.asarray(stored))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax == JPEGLSLossless:  # its encoder takes the bits that the largest value needs
        samples = np.asarray(stored, np.uint8 if np.max(stored) < 256 else np.uint16)
        dataset.PixelData = encapsulate([bytes(encode_array(samples))])
        dataset["PixelData"].VR = "OB"
    else:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.BitsStored, dataset.PixelRepresentation = header
    dataset.HighBit = header[0] - 1
    if edit:
        edit(dataset)
    save(dataset, folder / "1-001.dcm", syntax)
    return folder


def picture(*values):
    """Stored values [64, 48]: soft tissue, and these in the middle."""
    stored = np.full((64, 48), SOFT)
    stored[3, : len(values)] = values
    return stored


def by_simpleitk(folder):
    """The same slice by another reader."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "1-001.dcm")))[0]


@pytest.mark.parametrize(
    ("values", "bits", "signed", "header"),
    [
        ((BONE, 4095, 0), 12, 0, (16, 1)),  # bone was -1024 HU
        ((1500, 2047), 11, 0, (16, 1)),
        ((1500, -900, -2048), 12, 1, (16, 1)),
        ((BONE, 4095), 16, 0, (12, 0)),
        ((1500, -900), 16, 0, (12, 1)),  # two's complement of the 16 bits allocated
        ((1500, -900), 12, 0, (12, 1)),  # and of those stored
        ((1500, -900, 30_000), 16, 1, (16, 1)),
        ((BONE, 40_000), 16, 0, (16, 0)),
    ],
)
def test_values_are_those_of_the_stream(tmp_path, values, bits, signed, header):
    stored = picture(*values)

    def low_intercept(dataset):
        dataset.RescaleIntercept = "-32768" if stored.max() > 32767 else "-1024"

    folder = written(tmp_path, stored, bits, signed, header, edit=low_intercept)
    volume = read_series(folder)
    intercept = -32768 if stored.max() > 32767 else -1024
    assert np.array_equal(volume.hu[0], np.maximum(stored + intercept, -1024))
    if bits <= header[0] and (bits, signed) != (12, 0):
        assert np.array_equal(np.maximum(by_simpleitk(folder), -1024), volume.hu[0])


@pytest.mark.parametrize("top", [BONE, 4095, 1500, 200])
def test_jpeg_ls_takes_as_many_bits_as_it_needs(tmp_path, top):
    stored = np.minimum(picture(top), top)
    folder = written(tmp_path, stored, None, None, (16, 1), JPEGLSLossless)
    assert np.array_equal(read_series(folder).hu[0], stored - 1024)
    if top > 255:  # SimpleITK refuses eight bits where sixteen are allocated
        assert np.array_equal(by_simpleitk(folder), stored - 1024)


@pytest.mark.parametrize(
    ("values", "bits", "signed", "header"),
    [
        ((BONE,), 13, 0, (12, 1)),
        ((BONE,), 16, 0, (12, 1)),
        ((5000,), 16, 0, (12, 0)),
        ((-900,), 12, 1, (12, 0)),
        ((-900,), 16, 1, (16, 0)),
    ],
)
def test_a_stream_that_contradicts_its_header_is_refused(tmp_path, values, bits, signed, header):
    written(tmp_path, picture(*values), bits, signed, header)
    message = refusal(tmp_path)
    assert f"1-001.dcm: its compressed data hold {bits}-bit values of " in message
    assert f"{header[0]} bits, {'' if header[1] else 'un'}signed" in message


def test_padding_outside_of_the_bits_of_a_stream_becomes_air(tmp_path):
    def tagged(dataset):
        dataset.add(DataElement("PixelPaddingValue", "US", 63000))

    for padding, edit in ((63536, None), (63000, tagged)):
        written(tmp_path, picture(BONE, padding), 16, 0, (12, 0), edit=edit)
        volume = read_series(tmp_path)
        assert volume.hu[0, 3, :3].tolist() == [1500, -1024, 40] and volume.notes[-1]


def test_stored_bits_that_do_not_end_at_bit_0_are_refused(tmp_path):
    written(tmp_path, picture(BONE), 12, 0, (12, 0), edit=lambda ds: setattr(ds, "HighBit", 15))
    assert "12 bits, unsigned, up to bit 15" in refusal(tmp_path)


def test_high_throughput_jpeg_2000_is_read(tmp_path):
    """No encoder at hand: a plain stream, whose decoder is the same, under the other name."""
    written(tmp_path, picture(BONE), 12, 0, (16, 1))
    dataset = dcmread(tmp_path / "1-001.dcm")
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(tmp_path / "1-001.dcm")
    assert read_series(tmp_path).hu[0, 3, 0] == 1500


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (12, 0), (16, 0), (16, 1)])
def test_lossless_jpeg_is_read(tmp_path, bits, signed, syntax):
    low = -(1 << (bits - 1)) * signed
    stored = np.random.default_rng(1).integers(low, low + (1 << bits) - 1, (16, 12))
    path = tmp_path / "1-001.dcm"
    dataset = ct_slice(0)
    set_pixels(dataset, stored)
    dataset.PixelRepresentation, dataset.RescaleIntercept = 0, str(-32768 if bits == 16 else 0)
    save(dataset, path)
    compress_losslessly(path)
    dataset = dcmread(path)
    if (bits, signed) == (16, 1):
        dataset.RescaleIntercept = "0"
        dataset.PixelRepresentation = 1
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(path)
    expected = stored - (32768 if (bits, signed) == (16, 0) else 0)
    assert np.array_equal(read_series(tmp_path).hu[0], np.maximum(expected, -1024))
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\xda")  # start of scan: nonsense from there on
    data[start + 2 : start + 12] = b"\x13" * 10
    path.write_bytes(data)
    assert f"{UID(syntax).name} cannot be decoded" in refusal(tmp_path)


def test_syntax_without_decoder_names_the_package(tmp_path, monkeypatch):
    class Missing:
        is_available, missing_dependencies = False, ["pylibjpeg", "some-package"]

    written(tmp_path, picture(), 12, 0, (12, 0))
    monkeypatch.setattr(decoding, "get_decoder", lambda syntax: Missing)
    message = refusal(tmp_path)
    assert "which no installed package decodes (pylibjpeg; or some-package)" in message
    monkeypatch.undo()
    dataset = dcmread(tmp_path / "1-001.dcm")
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.save_as(tmp_path / "1-001.dcm")
    assert "is none that can be decoded" in refusal(tmp_path)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(tmp_path / "1-001.dcm")
    assert "no image size where the header says 64 x 48" in refusal(tmp_path)
