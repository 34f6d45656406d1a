"""How the slices lie: orientation, pixel spacing, and the way back to the files' own grid."""

import itertools

import numpy as np
import pytest
from dicom_checks import refusal
from dicom_factory import expected_hu, set_pixels, write_series
from pydicom import dcmread

from utils.dicom.reader import read_series


def test_without_orientation_is_refused(tmp_path):
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
    "orientation",
    [[1, 0, 0, 1, 0, 0], [1, 0, 0, -0.6, 0.8, 0], [0, 0, 0, 0, 0, 0], [1.02, 0, 0, 0, 1, 0]],
)
def test_impossible_orientation_is_refused(tmp_path, orientation):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "ImageOrientationPatient", orientation))
    assert "expected two perpendicular unit vectors" in refusal(tmp_path)


def test_a_rounded_orientation_still_gives_perpendicular_unit_vectors(tmp_path):
    """Rows 0.8 % too long, columns 0.6 % too short, and 0.3° from a right angle."""
    rounded = [1.008, 0, 0, 0.005, 0.994, 0]
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "ImageOrientationPatient", rounded))
    volume = read_series(tmp_path)
    steps = volume.affine[:3, :3] / volume.spacing
    np.testing.assert_allclose(steps.T @ steps, np.eye(3), atol=1e-9)


AXES = [np.array(a) for a in itertools.product((-1, 0, 1), repeat=3) if np.abs(a).sum() == 1]
ORIENTATIONS = [(r, c) for r, c in itertools.product(AXES, AXES) if not r @ c]


@pytest.mark.parametrize(("along_row", "down_column"), ORIENTATIONS, ids=str)
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
    stored = volume.on_stored_grid(volume.hu)
    for k, path in enumerate(volume.files):
        np.testing.assert_array_equal(stored[k] + 1024, dcmread(path).pixel_array)


def test_canonical_series_is_stored_as_it_is(tmp_path):
    write_series(tmp_path)
    assert read_series(tmp_path).stored_axes == "HPL"


@pytest.mark.parametrize("degrees", [5, 9.9])
def test_slightly_turned_series_keeps_its_turn_in_the_affine(tmp_path, degrees):
    turn = np.radians(degrees)
    along_row = np.array([np.cos(turn), np.sin(turn), 0])
    down_column = np.array([-np.sin(turn), np.cos(turn), 0])

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [f"{v:.8f}" for v in (*along_row, *down_column)]

    write_series(tmp_path, edit=edit)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    np.testing.assert_allclose(volume.affine[:3, 2], 0.5 * along_row, atol=1e-6)
    np.testing.assert_allclose(volume.affine[:3, 1], 0.75 * down_column, atol=1e-6)


@pytest.mark.parametrize("degrees", [10.6, 30])
def test_oblique_series_is_refused(tmp_path, degrees):
    turn = np.radians(degrees)
    axes = [np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0]

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [f"{v:.8f}" for v in axes]

    write_series(tmp_path, edit=edit)
    assert f"an oblique series, {degrees:.0f}° off the patient's axes" in refusal(tmp_path)


@pytest.mark.parametrize("degrees", [-20, 0.6, 2, 15])
def test_gantry_tilt_is_refused_with_its_angle(tmp_path, degrees):
    turn = np.radians(degrees)

    def edit(dataset, k):
        dataset.ImageOrientationPatient = [
            *(1, 0, 0, 0),
            f"{np.cos(turn):.8f}",
            f"{-np.sin(turn):.8f}",
        ]

    write_series(tmp_path, edit=edit)
    assert f"gantry tilt of {abs(degrees):.1f}°" in refusal(tmp_path)


@pytest.mark.parametrize(("count", "sideways"), [(41, 0.0235), (2, 0.05)])
def test_a_tilt_too_small_to_matter_is_no_tilt(tmp_path, count, sideways):
    """0.45° over 120 mm; or 1°, which over a single step of 3 mm is 0.05 mm."""

    def edit(dataset, k):
        dataset.ImagePositionPatient = [f"{-20 + sideways * k:.6g}", -30, 3 * k]

    write_series(tmp_path, count, edit=edit)
    assert len(read_series(tmp_path).hu) == count


@pytest.mark.parametrize("spacing", [[0, 0.5], [0.7, -1], None])
def test_impossible_pixel_spacing_is_refused(tmp_path, spacing):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "PixelSpacing", spacing))
    assert "expected two lengths in mm" in refusal(tmp_path)
