"""Where the slices lie: their order, gaps between them, and spacing that varies."""

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import enhanced_ct, expected_hu, moved, save, write_series

from utils.dicom.reader import read_series


def test_missing_slice_names_its_neighbours(tmp_path):
    write_series(tmp_path)[2].unlink()
    message = refusal(tmp_path)
    assert "gap of 6 mm between 1-004.dcm and 1-002.dcm where the spacing is 3 mm" in message
    assert "1 slice is missing" in message


def test_of_several_missing_slices_the_number_is_told(tmp_path):
    paths = write_series(tmp_path, count=8)
    for path in paths[2:4]:
        path.unlink()
    assert "spacing is 3 mm: 2 slices are missing. Fetch" in refusal(tmp_path)


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 3), (2, 4, 5)])
def test_missing_slices_anywhere_are_refused(tmp_path, lost):
    paths = write_series(tmp_path, count=8)
    for k in lost:
        paths[k].unlink()
    assert "missing" in refusal(tmp_path)


def test_of_two_gaps_the_wider_is_the_odd_one(tmp_path):
    write_series(tmp_path, count=3, edit=moved([0, 3, 9]))
    message = refusal(tmp_path)
    assert "gap of 6 mm" in message and "spacing is 3 mm: 1 slice is missing" in message


def test_a_gap_too_narrow_is_the_odd_one_too(tmp_path):
    write_series(tmp_path, count=4, edit=moved([0, 2.04, 5.04, 8.04]))
    message = refusal(tmp_path)
    assert "gap of 2.04 mm between 1-004.dcm and 1-003.dcm where the spacing is 3 mm" in message
    assert "3 mm: the slices are not evenly spaced. Fetch" in message


def test_without_slice_location_order_is_by_position(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: ds.__delattr__("SliceLocation"))
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert volume.notes == ()


@pytest.mark.parametrize("stated", ["shuffled", "other spacing"])
def test_contradicting_slice_location_gives_a_note(tmp_path, stated):
    locations = [5, 1, 3, 2, 4] if stated == "shuffled" else [0, 5, 10, 15, 20]
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SliceLocation", locations[k]))
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert volume.notes == (
        "SliceLocation contradicts ImagePositionPatient: slices were ordered by position.",
    )


@pytest.mark.parametrize(("step", "notes"), [(3.35, 0), (3.45, 1), (2.65, 0), (2.55, 1)])
@pytest.mark.parametrize("count", [2, 5])
def test_slice_location_may_be_off_by_a_tenth_and_a_tenth_of_a_millimetre(
    tmp_path, step, notes, count
):
    """Of steps of 3 mm that is 0.4 mm, for two slices as for more."""
    write_series(tmp_path, count, edit=lambda ds, k: setattr(ds, "SliceLocation", f"{step * k:g}"))
    assert len(read_series(tmp_path).notes) == notes


def test_slice_location_from_another_origin_or_head_down_is_no_contradiction(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SliceLocation", 1000 - 3 * k))
    assert read_series(tmp_path).notes == ()


def test_without_position_order_is_by_slice_location(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: ds.__delattr__("ImagePositionPatient"))
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert (
        "ImagePositionPatient is missing: slices were ordered by SliceLocation" in volume.notes[0]
    )


def test_without_position_and_location_is_refused(tmp_path):
    def edit(dataset, k):
        del dataset.ImagePositionPatient, dataset.SliceLocation

    write_series(tmp_path, edit=edit)
    assert "ImagePositionPatient is missing (SliceLocation too)" in refusal(tmp_path)


def test_one_slice_without_position_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and ds.__delattr__("ImagePositionPatient"))
    assert "1-003.dcm: ImagePositionPatient is missing (other slices have it)" in refusal(tmp_path)


def test_one_slice_astray_is_refused(tmp_path):
    def edit(dataset, k):
        if k == 2:
            dataset.ImagePositionPatient = [-15, -30, -94]

    write_series(tmp_path, edit=edit)
    assert "1-003.dcm lies 5.0 mm sideways of the other slices" in refusal(tmp_path)


def beside(which, sideways):
    """Edit that puts one slice so many mm beside the others."""

    def edit(dataset, k):
        if k == which:
            dataset.ImagePositionPatient = [-20 + sideways, -30, 3 * k - 100]

    return edit


def test_more_than_half_a_millimetre_is_astray(tmp_path):
    write_series(tmp_path, edit=beside(2, 0.6))
    assert "1-003.dcm lies 0.6 mm sideways of the other slices" in refusal(tmp_path)


@pytest.mark.parametrize("which", [1, 3])
def test_one_slice_a_little_beside_the_others_is_no_tilt(tmp_path, which):
    """From its neighbour at the end it is 6° off, but the way from end to end is straight."""
    write_series(tmp_path, edit=beside(which, 0.3))
    assert_whole(read_series(tmp_path))


@pytest.mark.parametrize(
    ("heights", "file"), [([0, 3, 6, 9, 1e7], "1-001.dcm"), ([-1e7, 3, 6, 9, 12], "1-005.dcm")]
)
def test_absurd_position_is_refused(tmp_path, heights, file):
    write_series(tmp_path, edit=moved(heights))
    message = refusal(tmp_path)
    assert f"{file}: ImagePositionPatient is" in message and "not a place in a scanner" in message


def test_spacing_within_one_percent_is_fine(tmp_path):
    write_series(tmp_path, edit=moved([0, 3, 6.02, 9.02, 12]))
    volume = read_series(tmp_path)
    assert volume.notes == ()
    assert volume.spacing[0] == pytest.approx(3)


def test_spacing_within_ten_percent_gives_a_note(tmp_path):
    write_series(tmp_path, edit=moved([0, 3, 6.15, 9.15, 12.15]))
    volume = read_series(tmp_path)
    assert volume.notes == ("The slice spacing varies by 5 % (3 to 3.15 mm); its mean is used.",)
    assert volume.spacing[0] == pytest.approx(12.15 / 4)


def test_spacing_that_varies_more_is_refused(tmp_path):
    write_series(tmp_path, edit=moved([0, 3, 6.6, 9.6, 12.6]))
    assert "gap of 3.6 mm between 1-004.dcm and 1-003.dcm" in refusal(tmp_path)


@pytest.mark.parametrize(("count", "refused"), [(41, True), (6, False)])
def test_drifting_spacing_is_refused_where_it_misplaces_a_slice(tmp_path, count, refused):
    """Gaps from 3.0 to 3.2 mm differ by 7 %, but over forty of them the middle slice is 1 mm off.

    By hand: the start of gap k of n lies 0.1 k (n - k) / (n - 1) mm below its place, 1.026 mm for
    k = 20 of n = 40: at 62 - 1.026 mm.
    """
    gaps = np.linspace(3.0, 3.2, count - 1)
    write_series(tmp_path, count, edit=moved(np.insert(np.cumsum(gaps), 0, 0)))
    if not refused:
        assert "varies by" in read_series(tmp_path).notes[0]
        return
    message = refusal(tmp_path)
    assert (
        "1-021.dcm lies at 60.974 mm, expected at 62 mm if all slices are 3.1 mm apart" in message
    )
    assert "the gaps drift from 3 to 3.2 mm. Resample it to even" in message


def test_multi_frame_with_a_missing_frame_is_refused(tmp_path):
    dataset = enhanced_ct()
    place = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = [-20, -30, -80]
    save(dataset, tmp_path / "all.dcm")
    message = refusal(tmp_path)
    assert "between all.dcm frame 2 and all.dcm frame 1" in message
