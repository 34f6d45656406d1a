"""What a compressed stream says of itself: tiles, an early end, loss. SimpleITK and pylibjpeg
take a slice of which tiles are missing, so the oracle is the picture that was compressed."""

import io
import struct

import numpy as np
import pytest
from dicom_checks import refusal
from dicom_factory import ct_slice, save, set_pixels
from itk_builders import compress_losslessly
from jpeg_ls import encode_array as encode_jpeg_ls
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from utils.dicom import read_series

STORED = np.random.default_rng(0).normal(1000, 200, (64, 64)).clip(1, 4000).astype(np.uint16)


def written(folder, stream, syntax=JPEG2000Lossless, bits=12, signed=0, edit=None):
    """A slice of 64 x 64 whose pixels are this stream."""
    dataset = ct_slice(0)
    set_pixels(dataset, STORED)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    if edit:
        edit(dataset)
    save(dataset, folder / "1-001.dcm", syntax)
    return folder


def stream_of(stored, bits=12, **options):
    array = np.ascontiguousarray(stored)
    return bytes(encode_array(array, photometric_interpretation=0, bits_stored=bits, **options))


def tiled(parts, lacking=(), empty=None, side=32, edge=64):
    """A stream of four tiles, each compressed by itself; `empty` : what stands for data in 2."""
    first = stream_of(parts[0])
    head = bytearray(first[: first.index(b"\xff\x90")])
    struct.pack_into(">8I", head, head.index(b"\xff\x51") + 6, edge, edge, 0, 0, side, side, 0, 0)
    body = b""
    for number, part in enumerate(parts):
        alone = stream_of(part)
        data = alone[alone.index(b"\xff\x93") + 2 : -2]
        data = empty if number == 2 and empty is not None else data
        if number not in lacking:
            body += struct.pack(">HHHIBB", 0xFF90, 10, number, 14 + len(data), 0, 1)
            body += b"\xff\x93" + data
    return bytes(head) + body + b"\xff\xd9"


QUARTERS = [STORED[:32, :32], STORED[:32, 32:], STORED[32:, :32], STORED[32:, 32:]]


def test_tiles_are_joined(tmp_path):
    hu = read_series(written(tmp_path, tiled(QUARTERS))).hu[0]
    assert np.array_equal(hu, STORED.astype(int) - 1024)


@pytest.mark.parametrize("lacking", [(1,), (2, 3), (0, 1, 2, 3)])
def test_a_slice_that_lacks_tiles_is_refused(tmp_path, lacking):
    written(tmp_path, tiled(QUARTERS, lacking))
    assert f"in 4 tiles, of which {len(lacking)} hold no data: damaged" in refusal(tmp_path)


@pytest.mark.parametrize("empty", [b"", b"\0", bytes(20)])
def test_a_tile_without_data_is_none(tmp_path, empty):
    written(tmp_path, tiled(QUARTERS, empty=empty))
    assert "in 4 tiles, of which 1 hold no data: damaged" in refusal(tmp_path)


def test_a_plane_of_signed_zeros_is_no_empty_tile(tmp_path):
    """Air, where the intercept is -1024: its packets are bytes of 0."""
    stream = stream_of(np.zeros((64, 64), np.int16), 16)
    assert (read_series(written(tmp_path, stream, bits=16, signed=1)).hu == -1024).all()


def test_thousands_of_tiles_are_refused_before_they_are_decoded(tmp_path):
    written(tmp_path, tiled(QUARTERS, side=0))
    assert "in 4096 tiles, of which 4092 hold no data" in refusal(tmp_path)
    empty = b"".join(
        struct.pack(">HHHIBB", 0xFF90, 10, k, 15, 0, 1) + b"\xff\x93\0" for k in range(65535)
    )
    stream = tiled([STORED], edge=256, side=1)[:-2] + empty + b"\xff\xd9"

    def larger(dataset):
        dataset.Rows = dataset.Columns = 256

    written(tmp_path, stream, edit=larger)
    assert "in 65536 tiles, far too many" in refusal(tmp_path)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_data_that_end_early_before_their_end_marker_are_refused(tmp_path, cut):
    """The decoders of JPEG fill the rest with grey, and say so on standard error only."""
    path = tmp_path / "1-001.dcm"
    plain = ct_slice(0)
    set_pixels(plain, STORED)
    save(plain, path)
    compress_losslessly(path)
    lossless = next(generate_frames(dcmread(path).PixelData, number_of_frames=1))
    file = io.BytesIO()
    Image.fromarray((STORED // 16).astype(np.uint8)).save(file, "JPEG")
    for stream, syntax, bits in (
        (lossless, JPEGLosslessSV1, 16),
        (file.getvalue(), JPEGBaseline8Bit, 8),
        (bytes(encode_jpeg_ls(STORED)), JPEGLSLossless, 12),
        (stream_of(STORED), JPEG2000Lossless, 12),
    ):
        allocated = 8 if bits == 8 else 16

        def edit(dataset, allocated=allocated):
            dataset.BitsAllocated = allocated

        written(tmp_path, stream, syntax, bits, edit=edit)
        assert read_series(tmp_path).hu.shape == (1, 64, 64)
        ends = len(stream.rstrip(b"\0")) - 2
        early = stream[: int(ends * cut)].rstrip(b"\xff") + b"\xff\xd9"
        written(tmp_path, early, syntax, bits, edit=edit)
        assert "cannot be decoded" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("stream", "syntax"),
    [
        (stream_of(STORED, compression_ratios=[30]), JPEG2000),
        (stream_of(STORED, compression_ratios=[3]), JPEG2000Lossless),
        (bytes(encode_jpeg_ls(STORED, lossy_error=2)), JPEGLSNearLossless),
    ],
)
def test_loss_is_noted_whatever_the_header_says(tmp_path, stream, syntax):
    volume = read_series(written(tmp_path, stream, syntax))
    assert (volume.hu[0] != STORED.astype(int) - 1024).any()
    assert "Lossy compression has changed the HU of 1 slices." in volume.notes


def test_loss_that_the_header_states_is_noted(tmp_path):
    def edit(dataset):
        dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", ["2", "30"]

    notes = read_series(written(tmp_path, stream_of(STORED), edit=edit)).notes
    assert "Lossy compression of 1 : 30 has changed the HU of 1 slices." in notes
    notes = read_series(written(tmp_path, stream_of(STORED))).notes
    assert not any("Lossy" in note for note in notes)
