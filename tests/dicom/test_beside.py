"""What lies in a study beside its one stack: slices of a bolus, a localizer, pictures of a dose."""

import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import ct_slice, enhanced_ct, moved, save, write_series

from utils.dicom.reader import read_series


def other_series(dataset, k, number=1):
    """Edit: a slice of another series of the study."""
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.{k}"


def bolus(folder, heights, number=1):
    """Slices at these heights, each a moment later than the one before."""

    def edit(dataset, k):
        other_series(dataset, k, number)
        moved(heights)(dataset, k)
        dataset.AcquisitionTime = f"1015{k:02d}"

    return write_series(folder, len(heights), edit)


@pytest.mark.parametrize("count", [2, 12, 60])
@pytest.mark.parametrize("asked", [None, "largest"])
def test_a_bolus_is_left_out_with_a_note(tmp_path, count, asked):
    """Also where it has more data than the stack."""
    bolus(tmp_path / "bolus", [-94] * count)
    write_series(tmp_path / "ct")
    volume = read_series(tmp_path, series_uid=asked)
    assert_whole(volume)
    listed = f"Left out 1 other series: bolus/1-001.dcm (CT, {count} slices)."
    assert listed in volume.notes


def test_a_bolus_may_tremble(tmp_path):
    """By the last digits of its positions it is still at one place."""
    bolus(tmp_path / "bolus", [-94 + 0.01 * (k % 4) for k in range(12)])
    write_series(tmp_path / "ct")
    assert_whole(read_series(tmp_path))


@pytest.mark.parametrize("height", [-100, -95.5, -88])
def test_one_slice_for_the_bolus_is_left_out(tmp_path, height):
    bolus(tmp_path / "locator", [height])
    bolus(tmp_path / "bolus", [height] * 9, number=2)
    write_series(tmp_path / "ct")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes[0].startswith("Left out 2 other series: bolus/1-001.dcm (CT, 9 slices); ")


@pytest.mark.parametrize("heights", [[-85], [-103], [-98.5, -95.5, -92.5, -89.5]])
def test_slices_that_may_be_the_rest_of_the_stack_are_not_left_out(tmp_path, heights):
    """One beyond an end, or one in each gap, each with a series UID of its own."""
    for number, height in enumerate(heights):
        bolus(tmp_path / f"{number}", [height], number)
    write_series(tmp_path / "ct")
    assert f"{len(heights) + 1} series: " in refusal(tmp_path)
    assert "Choose one: --series" in refusal(tmp_path)


def test_three_places_are_a_stack(tmp_path):
    bolus(tmp_path / "bolus", [-100, -97, -94, -94])
    write_series(tmp_path / "ct")
    assert "2 series: bolus/1-001.dcm (CT, 4 slices)" in refusal(tmp_path)


def test_a_bolus_alone_is_told_as_what_it_is(tmp_path):
    bolus(tmp_path / "bolus", [-94] * 12)
    assert "changes to and fro" in refusal(tmp_path) or "at one position" in refusal(tmp_path)


def test_series_of_one_file_each_that_hold_many_slices_are_listed(tmp_path):
    """Enhanced CT: a file is a series, and no slice with a UID of its own."""
    for number in range(3):
        dataset = enhanced_ct()
        other_series(dataset, 0, number)
        save(dataset, tmp_path / f"{number}.dcm")
    assert "3 series: 0.dcm (CT" in refusal(tmp_path)
    assert_whole(read_series(tmp_path, series_uid="1.dcm"))


def test_a_bolus_beside_an_enhanced_ct_is_left_out(tmp_path):
    save(enhanced_ct(), tmp_path / "ct.dcm")
    bolus(tmp_path / "bolus", [-94] * 12)
    assert_whole(read_series(tmp_path))


def test_a_picture_of_the_dose_with_a_place_is_skipped(tmp_path):
    """Some scanners keep theirs as CT images, with the place of the last slice."""
    write_series(tmp_path)
    screen = ct_slice(9)
    other_series(screen, 0)
    screen.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    save(screen, tmp_path / "dose.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 1 screenshot (dose.dcm).",)
