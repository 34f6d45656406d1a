"""Order, spacing and orientation of slices, and the way back to the files' own grid."""

import itertools

import numpy as np
import pytest
from dicom_factory import enhanced_ct, expected_hu, save, set_pixels, write_series
from pydicom import dcmread

from utils.dicom import read_series
from utils.errors import InputError
from utils.geometry import to_stored_grid


def refusal(folder):
    with pytest.raises(InputError) as caught:
        read_series(folder)
    return str(caught.value)


def moved(heights):
    """Edit that puts slice k at heights[k] mm."""

    def edit(dataset, k):
        dataset.ImagePositionPatient = [-20, -30, f"{heights[k]:.6g}"]
        dataset.SliceLocation = f"{heights[k]:.6g}"

    return edit


def test_missing_slice_names_its_neighbours(tmp_path):
    write_series(tmp_path)[2].unlink()
    message = refusal(tmp_path)
    assert "gap of 6 mm between 1-004.dcm and 1-002.dcm where the spacing is 3 mm" in message
    assert "1 slice is missing" in message


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 3), (2, 4, 5)])
def test_missing_slices_at_other_places(tmp_path, lost):
    paths = write_series(tmp_path, count=8)
    for k in lost:
        paths[k].unlink()
    assert "missing" in refusal(tmp_path)


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


def test_without_position_and_location_refused(tmp_path):
    def edit(dataset, k):
        del dataset.ImagePositionPatient, dataset.SliceLocation

    write_series(tmp_path, edit=edit)
    assert "ImagePositionPatient is missing (SliceLocation too)" in refusal(tmp_path)


def test_one_slice_without_position_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and ds.__delattr__("ImagePositionPatient"))
    assert "1-003.dcm: ImagePositionPatient is missing (other slices have it)" in refusal(tmp_path)


def test_without_orientation_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: ds.__delattr__("ImageOrientationPatient"))
    assert "ImageOrientationPatient is missing" in refusal(tmp_path)


def test_mixed_orientations_are_refused(tmp_path):
    def edit(dataset, k):
        if k == 3:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    write_series(tmp_path, edit=edit)
    message = refusal(tmp_path)
    assert "mixed orientations" in message and "[1, 0, 0, 0, 0, -1] in 1-002.dcm" in message


@pytest.mark.parametrize(
    "orientation", [[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 1, 0]]
)
def test_impossible_orientation_is_refused(tmp_path, orientation):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "ImageOrientationPatient", orientation))
    assert "expected two perpendicular unit vectors" in refusal(tmp_path)


AXES = [np.array(a) for a in itertools.product((-1, 0, 1), repeat=3) if np.abs(a).sum() == 1]
ORIENTATIONS = [(r, c) for r, c in itertools.product(AXES, AXES) if not r @ c]


@pytest.mark.parametrize("along_row, down_column", ORIENTATIONS, ids=str)
def test_all_24_orientations_come_out_canonical(tmp_path, along_row, down_column):
    """Feet first, prone, flipped, coronal, sagittal: HU at a place in the patient never changes.

    The oracle is a function of patient coordinates: HU = 7 x + 11 y + 13 z (mm).
    """
    normal = np.cross(along_row, down_column)
    spacing = (3.0, 0.75, 0.5)
    weight = np.array([7, 11, 13])

    def edit(dataset, k):
        position = np.array([5, -7, 9]) + k * spacing[0] * normal
        dataset.ImageOrientationPatient = [*along_row.tolist(), *down_column.tolist()]
        dataset.ImagePositionPatient = position.tolist()
        row, col = np.mgrid[:8, :6]
        places = position + row[..., None] * 0.75 * down_column + col[..., None] * 0.5 * along_row
        set_pixels(dataset, np.rint(places @ weight * 4).astype(int) + 1024)

    write_series(tmp_path, edit=edit)
    volume = read_series(tmp_path)
    assert sorted(volume.hu.shape) == [5, 6, 8]
    places = np.indices(volume.hu.shape).reshape(3, -1)
    places = volume.affine @ np.vstack([places, np.ones(places.shape[1])])
    np.testing.assert_array_equal(volume.hu.ravel(), np.rint(weight @ places[:3] * 4))
    # canonical: slices to the head (z), rows to the back (y), columns to the left (x)
    steps = volume.affine[:3, :3] / volume.spacing
    np.testing.assert_allclose(steps, [[0, 0, 1], [0, 1, 0], [1, 0, 0]], atol=1e-9)
    # and back: each file's own pixels
    stored = to_stored_grid(volume.hu, volume.identity["stored_axes"])
    for k, path in enumerate(volume.files):
        np.testing.assert_array_equal(stored[k] + 1024, dcmread(path).pixel_array)


def test_canonical_series_is_stored_as_it_is(tmp_path):
    write_series(tmp_path)
    assert read_series(tmp_path).identity["stored_axes"] == "HPL"


def test_slightly_turned_series_keeps_its_turn_in_the_affine(tmp_path):
    turn = np.radians(5)
    along_row = np.array([np.cos(turn), np.sin(turn), 0])
    down_column = np.array([-np.sin(turn), np.cos(turn), 0])

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [f"{v:.8f}" for v in (*along_row, *down_column)]

    write_series(tmp_path, edit=edit)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    np.testing.assert_allclose(volume.affine[:3, 2], 0.5 * along_row, atol=1e-6)
    np.testing.assert_allclose(volume.affine[:3, 1], 0.75 * down_column, atol=1e-6)


def test_oblique_series_is_refused(tmp_path):
    turn = np.radians(30)
    axes = [np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0]

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [f"{v:.8f}" for v in axes]

    write_series(tmp_path, edit=edit)
    assert "an oblique series, 30° off the patient's axes" in refusal(tmp_path)


@pytest.mark.parametrize("degrees", [-20, 2, 15])
def test_gantry_tilt_is_refused_with_its_angle(tmp_path, degrees):
    turn = np.radians(degrees)

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [
            *(1, 0, 0, 0),
            f"{np.cos(turn):.8f}",
            f"{-np.sin(turn):.8f}",
        ]

    write_series(tmp_path, edit=edit)
    assert f"gantry tilt of {abs(degrees)}.0°" in refusal(tmp_path)


def test_one_slice_astray_is_refused(tmp_path):
    def edit(dataset, k):
        if k == 2:
            dataset.ImagePositionPatient = [-15, -30, -94]

    write_series(tmp_path, edit=edit)
    assert "1-003.dcm lies 5.0 mm sideways of the other slices" in refusal(tmp_path)


def test_absurd_position_is_refused(tmp_path):
    write_series(tmp_path, edit=moved([0, 3, 6, 9, 1e7]))
    assert "not a place in a scanner" in refusal(tmp_path)


def test_varying_sizes_are_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and set_pixels(ds, np.zeros((6, 8), int)))
    message = refusal(tmp_path)
    assert "1-003.dcm has 6 x 8 pixels but 1-001.dcm 8 x 6" in message


def test_varying_pixel_spacing_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and setattr(ds, "PixelSpacing", [0.8, 0.5]))
    message = refusal(tmp_path)
    assert "1-003.dcm has PixelSpacing (0.8, 0.5) mm but 1-001.dcm (0.75, 0.5) mm" in message


@pytest.mark.parametrize("spacing", [[0, 0.5], [0.7, -1], None])
def test_impossible_pixel_spacing_is_refused(tmp_path, spacing):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "PixelSpacing", spacing))
    assert "expected two lengths in mm" in refusal(tmp_path)


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


@pytest.mark.parametrize("count, refused", [(41, True), (6, False)])
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
