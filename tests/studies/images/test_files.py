"""Grey pictures from PNG and TIFF: what is read, what is refused, and how it is said."""

import struct
import zlib

import numpy as np
import pytest
from image_builders import GREY, MASK, store
from PIL import Image

from studies.images.files import read_grey
from utils.errors import InputError


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_values_are_kept_whole(tmp_path, suffix, kind):
    array = (np.linspace(0, 1, 300) * np.iinfo(kind).max).astype(kind).reshape(15, 20)
    plane = read_grey(store(tmp_path, f"a{suffix}", array))
    assert plane.dtype == kind and np.array_equal(plane, array)


def test_big_endian_tiff_is_read_in_this_machines_order(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    array = np.array([[1, 256, 65535]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=">")
    assert read_grey(tmp_path / "a.tif").tolist() == array.tolist()


def test_hounsfield_units_and_fractions_in_tiff_are_kept(tmp_path):
    for array in (np.array([[-1024, 3000]], np.int32), np.array([[0.25, -7]], np.float32)):
        plane = read_grey(store(tmp_path, "a.tif", array))
        assert plane.dtype == array.dtype and np.array_equal(plane, array)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_another_mode_is_taken_as_grey(tmp_path, mode):
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_grey(tmp_path / "a.png"), GREY)


def test_labels_of_two_and_four_bits_are_not_stretched(tmp_path):
    for bits, labels in ((2, [[0, 1, 2, 3]]), (4, [[0, 1, 7, 15]])):
        write_small_png(tmp_path / "a.png", labels, bits)
        assert read_grey(tmp_path / "a.png").tolist() == labels


def write_small_png(file, labels, bits):
    """A PNG of one row with few bits a pixel, which Pillow itself does not write."""
    packed = int("".join(f"{value:0{bits}b}" for value in labels[0]), 2)
    row = b"\0" + packed.to_bytes(len(labels[0]) * bits // 8, "big")
    file.write_bytes(png(len(labels[0]), 1, bits, 0, row))


def png(width, height, bits, colours, rows):
    """A PNG of these raw rows; `colours` is the standard's colour type (0 grey, 2 RGB)."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_what_is_not_plain_grey_is_refused(tmp_path):
    colour = np.stack([GREY, GREY, GREY + 1], -1)
    see_through = np.stack([GREY, GREY, GREY, GREY], -1)
    several = tmp_path / "pages.tif"
    Image.fromarray(GREY).save(several, save_all=True, append_images=[Image.fromarray(GREY)])
    painted = Image.fromarray(MASK).convert("P")
    painted.putpalette([0, 0, 0, 255, 0, 0])
    painted.save(tmp_path / "palette.png")
    for file, message in (
        (store(tmp_path, "colour.png", colour), "colour.png is in colour, expected grey"),
        (store(tmp_path, "alpha.png", see_through), "partly transparent"),
        (several, "pages.tif holds 2 pages, expected one"),
        (tmp_path / "palette.png", "palette.png is in colour"),
    ):
        with pytest.raises(InputError, match=message):
            read_grey(file)


def test_sixteen_bits_of_colour_are_not_halved_in_silence(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, 2, bytes(7)))
    with pytest.raises(InputError, match="16-bit colours"):
        read_grey(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_damaged_files_are_refused_wherever_they_break_off(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    whole = store(tmp_path, f"whole{suffix}", noise).read_bytes()
    broken = tmp_path / f"broken{suffix}"
    for length in (0, 4, 20, 30, 60, len(whole) // 2):
        broken.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"broken"):
            read_grey(broken)


def test_another_format_under_the_name_of_a_png_is_refused(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(InputError, match="neither a PNG nor a TIFF"):
        read_grey(tmp_path / "a.png")


def test_a_header_that_promises_too_much_is_refused_unread(tmp_path):
    for width in (12_000, 200_000):
        (tmp_path / "a.png").write_bytes(png(width, width, 8, 0, b"\0"))
        with pytest.raises(InputError, match="claims more than 100,000,000 pixels"):
            read_grey(tmp_path / "a.png")


def png_of(rows, lost=0, keep_end=True, interlace=0):
    """A PNG [rows, cols] of 8 bits whose compressed data lack so many bytes; all else is whole."""
    plain = b"".join(b"\0" + row.tobytes() for row in rows)
    packed = zlib.compress(plain) if keep_end is True else zlib.compress(plain[: -rows.size // 2])
    packed = packed[: len(packed) - lost]
    size = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, 0, 0, 0, interlace)
    parts = [(b"IHDR", size), (b"IDAT", packed[:40]), (b"IDAT", packed[40:]), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_png_whose_data_end_early_is_refused(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    file = tmp_path / "a.png"
    file.write_bytes(png_of(rows))
    assert np.array_equal(read_grey(file), rows)
    for data in (png_of(rows, lost=3), png_of(rows, lost=900), png_of(rows, keep_end=False)):
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.png is damaged"):
            read_grey(file)


def test_signs_and_large_numbers_in_tiff_do_not_wrap(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for array in (
        np.array([[-128, -1, 0, 127]], np.int8),
        np.array([[-32768, 32767]], np.int16),
        np.array([[7, 2**31 - 1]], np.uint32),
    ):
        tifffile.imwrite(tmp_path / "a.tif", array)
        assert read_grey(tmp_path / "a.tif").tolist() == array.tolist()
    tifffile.imwrite(tmp_path / "a.tif", np.array([[7, 2**31]], np.uint32))
    with pytest.raises(InputError, match="holds values above 2,147,483,647"):
        read_grey(tmp_path / "a.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(tmp_path, value):
    file = store(tmp_path, "a.tif", np.array([[0.5, value]], np.float32))
    with pytest.raises(InputError, match="holds values that are no numbers"):
        read_grey(file)
