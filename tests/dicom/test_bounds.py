"""What is read has its bounds: hostile files cost seconds and some memory, and a sentence."""

import os
import re
import signal
import socket
import struct

import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import write_series
from pydicom.uid import DeflatedExplicitVRLittleEndian

from studies.images import files as pictures
from studies.images.files import read_grey
from utils import errors
from utils.dicom import containers, files, frames, header, pixels
from utils.dicom.reader import read_series
from utils.errors import InputError, printable
from utils.masks import contours, load_mask, npz, rtstruct
from utils.workspace import REPOSITORY


@pytest.fixture(autouse=True)
def in_time():
    """Who waits for a pipe waits for ever: after some minutes the test fails."""

    def late(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(200)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def start_of(file):
    """A file's preamble and meta information."""
    data = file.read_bytes()
    return data[: 144 + struct.unpack_from("<I", data, 140)[0]]


@pytest.mark.parametrize("whole_meta", [False, True])
def test_zeros_in_place_of_a_header_are_read_no_further_than_is_stated(
    tmp_path, monkeypatch, whole_meta
):
    """Each eight zeros are an element of a command, whose number pydicom does not bound."""
    monkeypatch.setattr(header, "MOST_READS", 20_000)
    start = start_of(write_series(tmp_path)[0]) if whole_meta else bytes(128) + b"DICM"
    (tmp_path / "zeros.dcm").write_bytes(start + bytes(8 * header.MOST_READS))
    assert "zeros.dcm is DICOM but its header cannot be parsed" in refusal(tmp_path)


def test_many_deflated_slices_take_no_more_memory_than_is_stated(tmp_path, monkeypatch):
    def edit(dataset, k):
        dataset.private_block(0x0009, "X", create=True).add_new(1, "OB", bytes(2**20))

    write_series(tmp_path / "a", edit=edit, syntax=DeflatedExplicitVRLittleEndian)
    assert sum(file.stat().st_size for file in (tmp_path / "a").iterdir()) < 2**16
    monkeypatch.setattr(files, "MOST_HELD", 6 * 2**20)
    assert_whole(read_series(tmp_path / "a"))
    monkeypatch.setattr(files, "MOST_HELD", 4 * 2**20)
    message = refusal(tmp_path / "a")
    assert "up to 1-004.dcm, headers and deflated slices take more than 4 MiB" in message
    write_series(tmp_path / "b", edit=edit)
    assert "up to 1-004.dcm, headers and deflated" in refusal(tmp_path / "b")
    write_series(tmp_path / "c")
    assert_whole(read_series(tmp_path / "c"))


def a_socket(path):
    os.chdir(path.parent)  # a socket's path may have 108 bytes
    socket.socket(socket.AF_UNIX).bind(path.name)


STRANGE = {
    "a pipe": os.mkfifo,
    "a socket": a_socket,
    "a folder": os.mkdir,
    "a link to itself": lambda path: os.symlink(path.name, path),
    "a link to nothing": lambda path: os.symlink("nowhere", path),
    "endless zeros": lambda path: os.symlink("/dev/zero", path),
    "the terminal": lambda path: os.symlink("/dev/tty", path),
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_is_not_opened(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    for read, name in ((load_mask, "Case_000_seg.npz"), (read_grey, "a.png")):
        make(tmp_path / name)
        with pytest.raises(InputError, match="no file"):
            read(tmp_path / name)


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_among_slices_is_left_out_or_refused(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    write_series(tmp_path / "case")
    make(tmp_path / "case" / "x.dcm")
    if make in (STRANGE["a link to itself"], STRANGE["a link to nothing"]):
        assert "x.dcm cannot be read" in refusal(tmp_path / "case")
    else:
        assert_whole(read_series(tmp_path / "case"))


@pytest.mark.parametrize("codec", ["zlib_codec", "rot13", "undefined", "idna", "unicode_escape"])
def test_a_character_set_named_after_a_codec_decodes_nothing(tmp_path, codec):
    def edit(dataset, k):
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller"

    for file in write_series(tmp_path, edit=edit):
        data = file.read_bytes()
        data = data.replace(b"CS\x0a\0ISO_IR 100", b"CS\x0e\0" + codec.encode().ljust(14))
        file.write_bytes(data)
    assert_whole(read_series(tmp_path))


def test_the_bounds_are_as_data_readme_states_them():
    rows = re.findall(r"^\|.*\| (.*) \|$", section("Bounds"), re.MULTILINE)
    stated = [int(n.replace(",", "")) for row in rows for n in re.findall(r"[\d,]*\d", row)]
    gib, mib = 2**30, 2**20
    assert stated == [
        *(files.MOST_FILES, header.LARGEST_FILE / gib),
        *(header.MOST_ELEMENTS, header.MOST_ITEMS, header.MOST_READS),
        *(header.LARGEST_INFLATED / mib, files.MOST_HELD / mib),
        *(frames.MOST_SLICES, frames.LARGEST_SIDE, frames.LARGEST_SIDE, pixels.LARGEST_VOLUME),
        *(containers.LARGEST_UNPACKED / gib, npz.LARGEST_ARRAY / mib),
        *(rtstruct.LARGEST_FILE / mib, rtstruct.MOST_CONTOURS, contours.MOST_POINTS),
        *(rtstruct.MOST_CROSSINGS, pictures.MOST_PIXELS),
        *(errors.MOST_LINES, errors.LONGEST_LINE),
    ]


def section(title):
    """Text under a heading of data/README.md."""
    text = (REPOSITORY / "data" / "README.md").read_text()
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_messages_have_an_end_and_move_no_cursor():
    long = InputError("\n".join(["x" * 10**6, *["line"] * 10**5]))
    assert len(str(long)) < 4000 and "1,000,000 characters" in str(long)
    assert str(InputError("\x1b[2J\x9b1A\r\b")) == r"\x1b[2J\x9b1A\r\x08"
    assert printable("é “ü” 数") == "é “ü” 数"


def test_a_value_that_is_a_text_is_not_repeated(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: ds.add_new(0x00281053, "LO", "Erika Mustermann"))
    message = refusal(tmp_path)
    assert "RescaleSlope is a text, not a number" in message and "Erika" not in message
