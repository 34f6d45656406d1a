"""One file into a header: codings, cut and hostile files."""

import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import replace_bytes, write_series
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from utils.dicom import header as dicom_header
from utils.dicom.reader import read_series


def test_file_without_preamble_loads_with_a_note(tmp_path):
    paths = write_series(tmp_path)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[132:])  # from the file meta on
    length = 144 + int.from_bytes(data[140:144], "little")
    paths[3].write_bytes(paths[3].read_bytes()[length:])  # without file meta too
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert "2 files have no DICOM preamble or file meta information" in volume.notes[0]


def test_file_without_preamble_that_does_not_parse_is_refused(tmp_path):
    write_series(tmp_path)
    (tmp_path / "1-009.dcm").write_bytes(b"\x08\x00\x16\x00UI\x1a\x00" + bytes(40))
    assert "1-009.dcm" in refusal(tmp_path)


def test_every_truncation_of_a_slice_is_refused(tmp_path):
    """Wherever a slice is cut, its loss is an error: never a volume of four slices."""
    path = write_series(tmp_path)[2]
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        assert "1-003.dcm" in refusal(tmp_path)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("suffix", ["", ".DCM", ".dcm"])
def test_uncompressed_syntaxes_load_whatever_the_suffix(tmp_path, syntax, suffix):
    write_series(tmp_path / "a", syntax=syntax, suffix=suffix)
    volume = read_series(tmp_path / "a")
    assert_whole(volume)
    assert volume.identity["transfer_syntax"] == syntax
    assert volume.notes == ()


def test_text_in_a_numeric_field_is_refused(tmp_path):
    path = write_series(tmp_path)[1]
    replace_bytes(path, b"0.75\\0.5", b"0,75\\0,5")
    message = refusal(tmp_path)
    assert "1-004.dcm: PixelSpacing is '0,75\\\\0,5', not a number" in message


def test_unlikely_sizes_are_refused_before_memory_is_taken(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "Rows", 60000))
    assert "1 frame(s) of 60000 rows x 6 columns" in refusal(tmp_path)


def test_deflated_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_header, "LARGEST_INFLATED", 500)
    write_series(tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    assert "1-001.dcm inflates to more than" in refusal(tmp_path)


@pytest.mark.parametrize("depth", [50, 300, 3000])
def test_nested_sequences_end_in_a_volume_or_our_error(tmp_path, depth):
    path = write_series(tmp_path)[2]
    start = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data = path.read_bytes()
    pixels = data.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(data[:pixels] + start * depth + end * depth + data[pixels:])
    if depth == 50:
        assert_whole(read_series(tmp_path))
    else:
        assert "1-003.dcm is DICOM but its header cannot be parsed" in refusal(tmp_path)


def test_items_without_number_are_refused_before_they_are_parsed(tmp_path):
    """Four megabytes of empty items would keep pydicom busy for a minute."""
    path = write_series(tmp_path)[2]
    data = path.read_bytes()
    pixels = data.index(b"\xe0\x7f\x10\x00OW")
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 500_000
    sequence = b"\x40\x00\x30\xa7SQ\0\0" + len(items).to_bytes(4, "little") + items
    path.write_bytes(data[:pixels] + sequence + data[pixels:])
    assert "1-003.dcm has more than 50,000 items in sequences" in refusal(tmp_path)


def test_elements_without_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_header, "MOST_ELEMENTS", 20)
    write_series(tmp_path)
    assert "1-001.dcm is DICOM but its header cannot be parsed" in refusal(tmp_path)
