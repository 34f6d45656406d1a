"""Slices of one series: others refused or chosen, copies skipped, contradictions refused."""

import shutil

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import ROOT, SERIES, ct_slice, save, set_pixels, write_series

from utils.dicom.__main__ import main
from utils.dicom.reader import read_series


def two_series(folder):
    write_series(folder / "thin")

    def other(dataset, k):
        dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.3", "Bone"
        dataset.SOPInstanceUID = f"1.2.3.{k}"

    write_series(folder / "thick", count=3, edit=other)


def test_two_series_are_refused_and_listed(tmp_path):
    two_series(tmp_path)
    message = refusal(tmp_path)
    assert "2 series" in message
    assert "thick/1-001.dcm (CT, 3 slices); thin/1-001.dcm (CT, 5 slices)." in message


def test_one_of_two_series_can_be_chosen(tmp_path):
    two_series(tmp_path)
    volume = read_series(tmp_path, series_uid="1.2.3")
    assert_whole(volume, 3)
    assert "Left out 1 other series: thin/1-001.dcm (CT, 5 slices)." in volume.notes
    assert_whole(read_series(tmp_path, series_uid="thick/1-002.dcm"), 3)
    assert_whole(read_series(tmp_path, series_uid=SERIES), 5)  # neither is chosen for being first
    assert "no series 9.9, only: " in refusal(tmp_path, series_uid="9.9")


def test_a_series_of_one_slice_is_listed_as_such(tmp_path):
    write_series(tmp_path / "thorax")
    lone = ct_slice(7)
    lone.SeriesInstanceUID, lone.SeriesDescription = "1.2.3", ""
    save(lone, tmp_path / "lone.dcm")
    assert "lone.dcm (CT, 1 slice)" in refusal(tmp_path)


def test_two_patients_are_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 4 and setattr(ds, "PatientID", "P2"))
    message = refusal(tmp_path)
    assert "2 patients, expected one: 1-001.dcm, 1-002.dcm. Separate them" in message
    assert "2 patients" in refusal(tmp_path, series_uid=SERIES)


def test_patients_without_ids_are_told_by_their_names(tmp_path):
    def edit(dataset, k):
        dataset.PatientID, dataset.PatientName = "", f"Someone^{'Else' * (k == 4)}"

    write_series(tmp_path, edit=edit)
    assert "2 patients" in refusal(tmp_path)


def test_copy_of_a_slice_is_skipped(tmp_path):
    paths = write_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped copy.dcm, a copy of 1-003.dcm.",)


def test_two_different_slices_at_one_position_are_refused(tmp_path):
    write_series(tmp_path)
    other = ct_slice(2)
    other.SOPInstanceUID = f"{ROOT}.3.99"
    other.PixelData = bytes(96)
    save(other, tmp_path / "other.dcm")
    message = refusal(tmp_path)
    assert "1-003.dcm and other.dcm lie at one position (-94 mm) but differ" in message


def test_equal_pixels_beside_one_another_are_no_copies(tmp_path):
    write_series(tmp_path)
    beside = ct_slice(2)
    beside.ImagePositionPatient = [20, -30, -94]
    save(beside, tmp_path / "beside.dcm")
    assert "1-003.dcm and beside.dcm lie at one position" in refusal(tmp_path)


def test_thin_slices_are_no_copies(tmp_path):
    write_series(tmp_path, spacing=0.4)
    assert_whole(read_series(tmp_path))


def test_one_instance_uid_at_two_positions_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SOPInstanceUID", f"{ROOT}.3.1"))
    assert "have the same SOPInstanceUID but lie at different positions" in refusal(tmp_path)


@pytest.mark.parametrize("modality", ["MR", "PT", "CR", ""])
def test_other_modalities_are_refused(tmp_path, modality):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "Modality", modality))
    assert f"1-001.dcm is {modality or 'of unknown modality'}, expected CT" in refusal(tmp_path)


def test_ct_in_other_units_is_refused(tmp_path):
    for unit in ("Z_EFF", "MGML", "US"):  # US: unspecified, so that nothing says what it is
        write_series(tmp_path, edit=lambda ds, k, unit=unit: setattr(ds, "RescaleType", unit))
        assert f"1-001.dcm is in {unit}, expected Hounsfield units" in refusal(tmp_path)


@pytest.mark.parametrize("unit", ["HU", ""])
def test_a_unit_that_is_not_said_is_taken_for_hounsfield(tmp_path, unit):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "RescaleType", unit))
    assert_whole(read_series(tmp_path))


def test_frames_of_reference_must_agree(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 3 and setattr(ds, "FrameOfReferenceUID", "1.9"))
    assert "different FrameOfReferenceUIDs" in refusal(tmp_path)


def test_varying_sizes_are_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and set_pixels(ds, np.zeros((6, 8), int)))
    message = refusal(tmp_path)
    assert "1-003.dcm has 6 x 8 pixels but 1-001.dcm 8 x 6" in message


@pytest.mark.parametrize("spacing", [(0.8, 0.5), (0.7501, 0.5), (0.75, 0.4)])
def test_varying_pixel_spacing_is_refused(tmp_path, spacing):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and setattr(ds, "PixelSpacing", [*spacing]))
    message = refusal(tmp_path)
    assert f"1-003.dcm has PixelSpacing {spacing} mm but 1-001.dcm (0.75, 0.5) mm" in message


def test_pixel_spacing_may_differ_by_what_rounding_leaves(tmp_path):
    write_series(
        tmp_path, edit=lambda ds, k: k == 2 and setattr(ds, "PixelSpacing", [0.75005, 0.5])
    )
    assert_whole(read_series(tmp_path))


def test_the_largest_of_several_series_can_be_asked_for(tmp_path):
    two_series(tmp_path)
    volume = read_series(tmp_path, series_uid="largest")
    assert_whole(volume, 5)
    assert "Left out 1 other series: thick/1-001.dcm (CT, 3 slices)." in volume.notes
    assert "Choose one: --series with a file of it, or --largest" in refusal(tmp_path)
    for arguments in (["--largest"], ["--series", "1.2.3"]):
        assert main([str(tmp_path), *arguments]) == 0
    assert main([str(tmp_path)]) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"Modality": "PT", "PatientID": "P2"},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"ImagePositionPatient": None, "SliceLocation": None},
    ],
)
def test_what_is_no_ct_in_its_place_does_not_stand_in_the_way(tmp_path, other):
    """A dose report or another modality of the study, with more files than the CT."""

    def edit(dataset, k):
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.3", f"1.2.3.{k}"
        for keyword, value in other.items():
            setattr(dataset, keyword, value) if value else delattr(dataset, keyword)

    write_series(tmp_path / "a", 7, edit=edit)
    write_series(tmp_path / "ct")
    for chosen in (None, "largest"):
        volume = read_series(tmp_path, series_uid=chosen)
        assert_whole(volume)
        assert volume.notes[0].startswith("Left out 1 other series: a/1-001.dcm (")


def coronal(dataset, k):
    """Edit: a slice of another series, from the front."""
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.3", f"1.2.3.{k}"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.ImagePositionPatient = [-20, 3 * k, 40]


@pytest.mark.parametrize(
    ("slices", "count", "change", "read"),
    [
        (5, 1, {}, True),
        (5, 2, {}, True),
        (5, 3, {}, False),  # a stack of its own
        (2, 1, {}, False),  # no stack
        (5, 1, {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, False),  # may be one of the five
        (5, 1, {"PatientID": "P2"}, False),
    ],
)
def test_a_localizer_that_does_not_say_so_does_not_block(tmp_path, slices, count, change, read):
    def edit(dataset, k):
        coronal(dataset, k)
        for keyword, value in change.items():
            setattr(dataset, keyword, value)

    write_series(tmp_path / "a", count, edit=edit)
    write_series(tmp_path / "ct", slices)
    if read:
        volume = read_series(tmp_path)
        assert_whole(volume)
        assert volume.notes[0].startswith("Left out 1 other series: a/1-001.dcm (CT, ")
    else:
        assert "2 series" in refusal(tmp_path) or "2 patients" in refusal(tmp_path)
    assert len(read_series(tmp_path / "a").files) == count


def test_a_series_uid_for_each_slice_is_one_sentence(tmp_path):
    write_series(tmp_path, 12, edit=lambda ds, k: setattr(ds, "SeriesInstanceUID", f"1.2.{k}"))
    message = refusal(tmp_path)
    assert "each of the 12 slices has a SeriesInstanceUID of its own" in message
    assert len(message) < 300
    assert refusal(tmp_path, series_uid="9").count("(CT, 1 slice)") == 8


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID"])
def test_a_uid_that_is_too_long_is_refused(tmp_path, keyword):
    """Cut to 64 characters, two series might become one."""
    long = "1.2." + "3" * 61
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, keyword, long))
    assert "_uid is longer than 64 characters" in refusal(tmp_path)
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SeriesInstanceUID", long[:64]))
    assert_whole(read_series(tmp_path))
