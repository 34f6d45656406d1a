"""RTSTRUCTs that are broken, damaged or beyond all size: refused, never a smaller lung."""

import contextlib

import numpy as np
import pytest
from contour_builders import BOX, a_volume, drawn, on_slice
from dicom_factory import replace_bytes, with_flipped_bits, write_series
from pydicom.uid import ExplicitVRLittleEndian
from rtstruct_factory import contour, with_undefined_lengths, write_rtstruct

from utils.errors import InputError
from utils.masks.rtstruct import read_rtstruct, roi_masks


@pytest.mark.parametrize(
    ("contours", "found"),
    [
        (drawn(2, BOX, depth=0.6) + drawn(9, BOX), "off the nearest slice .*expected at most 0.5"),
        (drawn(-1, BOX), "1 slice spacings off"),
        (drawn(5, BOX, depth=0.51), "0.51 slice spacings off"),
        (drawn(2, BOX) + drawn(2, BOX + 3, depth=0.4), "on two planes within one slice"),
        ([contour(on_slice(2, BOX) + np.arange(4)[:, None])], "not parallel to the slices"),
        (drawn(2, BOX + 100), "wholly outside the image"),
        (drawn(2, BOX * 1e9), "no place in a scanner"),
        ([], "listed but has no closed contour"),
        (drawn(2, BOX[:2]), "listed but has no closed contour"),
    ],
)
def test_contours_that_do_not_fit_are_refused(tmp_path, contours, found):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)])
    with pytest.raises(InputError, match=rf"^rt\.dcm: .*{found}"):
        read_rtstruct(file, a_volume())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-76.05", b"-76,05"),
        (b"-76.05", b"abcdef"),
        (b"-76.05", b"nan   "),
        (b"-76.05", b"1e9999"),
        (b"-76.05", b"7_6.05"),
        (b"-76.05", b"-7\\.05"),
        (b"-76.05", b"\xff\xfe\x00\x00\x00\x00"),
        (b"-76.05", b"-7e+99"),
    ],
)
def test_coordinates_that_are_no_numbers_are_refused(tmp_path, old, new):
    polygon = [[10, 10], [10, 15.5], [20, 20]]
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, polygon))])
    replace_bytes(file, old, new)
    with pytest.raises(InputError, match="contour 1 of “Lungs”"):
        read_rtstruct(file, a_volume())


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"NumberOfContourPoints": 2_000_000_000}, "promises 2000000000 points but holds 4"),
        ({"NumberOfContourPoints": -4}, "promises -4 points but holds 4"),
        ({"ContourData": ["1", "2", "3", "4"]}, "4 numbers, not three a point"),
        ({"ContourData": []}, "something other than decimal numbers"),
    ],
)
def test_counts_that_do_not_add_up_are_refused(tmp_path, entry, found):
    broken = contour(on_slice(2, BOX))
    for keyword, value in entry.items():
        setattr(broken, keyword, value)
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [broken])])
    with pytest.raises(InputError, match=found):
        read_rtstruct(file, a_volume())


def test_missing_sequences_are_refused(tmp_path):
    def without(keyword):
        return lambda dataset: delattr(dataset, keyword)

    for keyword, found in [
        ("StructureSetROISequence", "no lung among its 0 structures: none at all"),
        ("ROIContourSequence", "listed but has no closed contour"),
        ("ReferencedFrameOfReferenceSequence", "names neither"),
        ("Modality", "of modality unknown"),
    ]:
        path = tmp_path / f"{keyword}.dcm"
        file = write_rtstruct(path, [("Lungs", drawn(2, BOX))], without(keyword))
        with pytest.raises(InputError, match=found):
            read_rtstruct(file, a_volume())


def test_two_structures_of_one_number_are_refused(tmp_path):
    def same_number(dataset):
        for roi in dataset.StructureSetROISequence:
            roi.ROINumber = 1

    structures = [("Lung_L", drawn(2, BOX)), ("Lung_R", drawn(2, BOX))]
    file = write_rtstruct(tmp_path / "rt.dcm", structures, same_number)
    with pytest.raises(InputError, match="“Lung_R” has no ROI number of its own"):
        read_rtstruct(file, a_volume())


def test_files_that_are_no_structure_set_are_refused(tmp_path):
    text_file = tmp_path / "notes.txt"
    text_file.write_text("no DICOM")
    (slice_file,) = write_series(tmp_path / "images", count=1)
    for file, found in [
        (tmp_path / "absent.dcm", "There is no file"),
        (tmp_path, "There is no file"),
        (text_file, "is not DICOM, expected an RTSTRUCT"),
        (slice_file, "of modality CT, expected an RTSTRUCT"),
    ]:
        with pytest.raises(InputError, match=found):
            read_rtstruct(file, a_volume())


@pytest.mark.parametrize("syntax", ["implicit", "explicit, of undefined length"])
def test_damaged_files_are_refused_or_read_in_full(tmp_path, syntax):
    """Cut anywhere, an RTSTRUCT never gives a smaller lung; scrambled, never another error."""

    structures = [
        ("Lung_R", [part for k in range(6) for part in drawn(k, BOX)]),
        ("Lung_L", [part for k in range(6) for part in drawn(k, BOX + 30)]),
    ]
    options = {}
    if syntax != "implicit":
        options = {"edit": with_undefined_lengths, "syntax": ExplicitVRLittleEndian}
    file = write_rtstruct(tmp_path / "rt.dcm", structures, **options)
    expected, data = read_rtstruct(file, a_volume()), file.read_bytes()
    assert expected.sum() == 1200
    for end in range(0, len(data), 23):
        file.write_bytes(data[:end])
        with contextlib.suppress(InputError):
            assert np.array_equal(read_rtstruct(file, a_volume()), expected), end
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(150):
        file.write_bytes(with_flipped_bits(data, rng, 4))
        try:
            roi_masks(file, a_volume())
        except InputError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("length", [b"\xfe\xff\xff\xff", b"\0\0\x10\0", b"\xa0\0\0\0"])
def test_an_item_that_swallows_the_next_is_refused(tmp_path, length):
    """pydicom then returns fewer contours and no word: the lungs would end too early."""
    file = write_rtstruct(
        tmp_path / "rt.dcm", [("Lungs", [part for k in range(4) for part in drawn(k, BOX)])]
    )
    assert read_rtstruct(file, a_volume()).sum() == 400
    data = file.read_bytes()
    contour_type = b"\x06\x30\x42\x00"
    first = data.index(contour_type)
    third = data.index(contour_type, data.index(contour_type, first + 1) + 1)
    file.write_bytes(data[: third - 4] + length + data[third:])
    with pytest.raises(InputError, match="an item of ContourSequence runs into the next: damaged"):
        read_rtstruct(file, a_volume())


def test_more_contours_than_anybody_draws_are_refused(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX) + drawn(3, BOX))])
    monkeypatch.setattr("utils.masks.rtstruct.MOST_CONTOURS", 1)
    with pytest.raises(InputError, match="“Lungs” has 2 contours, expected at most 1"):
        read_rtstruct(file, a_volume())


def test_a_text_of_numbers_without_end_is_not_split(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))])
    monkeypatch.setattr("utils.masks.contours.LONGEST_NUMBER", 1e-5)
    with pytest.raises(InputError, match="has more points than the 100000 expected"):
        read_rtstruct(file, a_volume())


def test_contours_longer_than_any_drawn_one_are_refused(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))])
    monkeypatch.setattr("utils.masks.contours.MOST_POINTS", 3)
    with pytest.raises(InputError, match="has 4 points, expected at most 3"):
        read_rtstruct(file, a_volume())
