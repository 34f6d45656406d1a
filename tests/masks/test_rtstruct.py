"""RTSTRUCT contours into masks of the lungs: place, names, references, and what is told."""

import dataclasses
import re

import numpy as np
import pydicom
import pytest
from contour_builders import BOX, a_volume, drawn, on_slice, rectangle
from dicom_factory import ROOT, write_series
from matplotlib.path import Path as Outline
from rtstruct_factory import contour, in_mm, write_rtstruct

from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.masks.names import ALIASES
from utils.masks.rtstruct import read_rtstruct, roi_masks, roi_names


def test_contours_land_on_their_voxels(tmp_path):
    """Left and right, front and back, feet and head, in millimetres of unequal spacings."""
    left, right = rectangle(9.5, 49.5, 29.5, 69.5), rectangle(19.5, 9.5, 39.5, 19.5)
    file = write_rtstruct(
        tmp_path / "rt.dcm",
        [("Lung_L", drawn(1, left)), ("Heart", drawn(9, left)), ("Lung R", drawn(4, right))],
    )
    masks, notes = roi_masks(file, a_volume())
    expected = {"left": np.zeros((6, 60, 80)), "right": np.zeros((6, 60, 80))}
    expected["left"][1, 10:30, 50:70] = 1
    expected["right"][4, 20:40, 10:20] = 1
    assert set(masks) == set(expected) and notes == ()
    for region, mask in masks.items():
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, expected[region])
    united = read_rtstruct(file, a_volume())
    assert united.dtype == np.uint8
    assert np.array_equal(united, expected["left"] + expected["right"])


def test_contours_cut_holes_within_a_structure_and_structures_are_united(tmp_path):
    outer, hole = rectangle(9.5, 9.5, 39.5, 39.5), rectangle(19.5, 19.5, 29.5, 29.5)
    names = [("Lt Lung", drawn(2, outer, hole)), ("Left Lung", drawn(2, hole + 5))]
    masks, notes = roi_masks(write_rtstruct(tmp_path / "rt.dcm", names), a_volume())
    expected = np.zeros((60, 80))
    expected[10:40, 10:40] = 1
    expected[20:30, 20:30] = 0
    expected[25:35, 25:35] = 1
    assert np.array_equal(masks["left"][2], expected)
    assert masks["left"].sum() == expected.sum()
    assert notes == ("2 structures were united as left: Lt Lung, Left Lung.",)


def test_contours_of_a_coronal_series_land_on_their_voxels(tmp_path):
    """Files cut from front to back: contours lie in their planes, the mask on the common grid."""
    volume = a_volume((60, 10, 80), code="PFL")
    corners = np.array([[9.5, 19.5], [9.5, 49.5], [29.5, 49.5], [29.5, 19.5]])  # (slice, col)
    index = np.insert(corners, 1, 7, axis=1)
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [contour(in_mm(volume, index))])])
    expected = np.zeros((60, 10, 80))
    expected[10:30, 7, 20:50] = 1
    assert np.array_equal(read_rtstruct(file, volume), expected)


def test_contours_of_a_prone_series_stay_at_their_place(tmp_path):
    """A loaded series whose files run otherwise: the contour stays at its place in the patient."""

    def prone(dataset, _):
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]

    write_series(tmp_path / "images", edit=prone, rows=12, cols=10)
    volume = read_series(tmp_path / "images")
    assert volume.stored_axes != "HPL"
    corners = np.array([[2, 3.5, 1.5], [2, 3.5, 4.5], [2, 8.5, 4.5], [2, 8.5, 1.5]])
    contours = [contour(in_mm(volume, corners))]
    mask = read_rtstruct(write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)]), volume)
    expected = np.zeros(volume.hu.shape)
    expected[2, 4:9, 2:5] = 1
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("Lung_L", "left"),
        ("Lung L", "left"),
        ("Lt Lung", "left"),
        ("LT_LUNG", "left"),
        ("lung-left", "left"),
        ("Left  Lung", "left"),
        ("Lung_R", "right"),
        ("Rt. Lung", "right"),
        ("lung_right", "right"),
        ("Lungs", "both"),
        ("Both Lungs", "both"),
    ],
)
def test_lungs_are_known_by_their_usual_names(tmp_path, name, region):
    box = rectangle(9.5, 9.5, 19.5, 19.5)
    file = write_rtstruct(tmp_path / "rt.dcm", [(name, drawn(0, box))])
    assert list(roi_masks(file, a_volume())[0]) == [region]
    assert roi_names(file) == [re.sub(" +$", "", name)]


@pytest.mark.parametrize("name", ["Heart", "Skin", "PTV_Lung_L", "Lung_L_old", ""])
def test_an_unknown_name_lists_those_of_the_file(tmp_path, name):
    box = drawn(0, rectangle(9.5, 9.5, 19.5, 19.5))
    file = write_rtstruct(tmp_path / "rt.dcm", [("Spinal Cord", box), (name, box)])
    with pytest.raises(InputError, match=f"no lung among its 2 structures: Spinal Cord, {name}"):
        read_rtstruct(file, a_volume())
    own = {**ALIASES, "spinal cord": "cord"}
    assert list(roi_masks(file, a_volume(), own)[0]) == ["cord"]


def test_one_lung_alone_is_not_both(tmp_path):
    box = drawn(0, rectangle(9.5, 9.5, 19.5, 19.5))
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lung_L", box), ("Lung R2", box)])
    with pytest.raises(InputError, match=r"only the left lung is there.*Lung_L, Lung R2"):
        read_rtstruct(file, a_volume())


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        (drawn(2, BOX[:2]), "has 1 contours of fewer than 3 points: left out"),
        ([contour(on_slice(2, BOX), "OPEN_PLANAR")], "is OPEN_PLANAR, not closed: left out"),
        (drawn(2, BOX), "lists 1 contours twice: taken once"),
    ],
)
def test_what_is_left_out_is_told(tmp_path, extra, note):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX) + extra)])
    with pytest.warns(UserWarning, match=note):
        mask = read_rtstruct(file, a_volume())
    assert mask.sum() == mask[2, 10:20, 10:20].sum() == 100


@pytest.mark.parametrize(
    ("contours", "voxels", "note"),
    [
        (drawn(2, BOX, depth=0.5 - 1e-3), 100, "up to 0.50 of a slice spacing off"),
        (drawn(1, BOX) + drawn(4, BOX), 200, r"no contour on 2 slices between its ends \(2, 3\)"),
        (drawn(2, BOX - 15), 25, "reaches beyond the image in 1 contours"),
    ],
)
def test_what_is_doubtful_is_told(tmp_path, contours, voxels, note):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)])
    with pytest.warns(UserWarning, match=note):
        assert read_rtstruct(file, a_volume()).sum() == voxels


@pytest.mark.parametrize(
    ("references", "found"),
    [
        ({"series": f"{ROOT}.77"}, "drawn on another series than this"),
        ({"frame": f"{ROOT}.78"}, "drawn on another frame of reference than this"),
        ({"roi_frame": f"{ROOT}.79"}, "“Lungs” lies in another frame of reference"),
        ({"series": "", "frame": ""}, "names neither the series nor the frame of reference"),
    ],
)
def test_another_series_is_refused(tmp_path, references, found):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))], **references)
    with pytest.raises(InputError, match=found):
        read_rtstruct(file, a_volume())


def test_a_frame_of_reference_alone_is_noted(tmp_path):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))], series="")
    with pytest.warns(UserWarning, match="rests on its frame of reference alone"):
        assert read_rtstruct(file, a_volume()).sum() == 100
    nameless = a_volume()
    nameless.identity["frame_of_reference_uid"] = ""
    with pytest.raises(InputError, match="names neither"):
        read_rtstruct(file, nameless)


@pytest.mark.real_data
def test_a_real_left_lung_is_drawn_as_a_second_implementation_draws_it(real_data, tmp_path):
    """Its one CT slice does not reach the left lung; on the whole grid it drew on it does."""
    folder = real_data / "oddities" / "rtstruct"
    volume = read_series(folder)
    file = folder / "rtss.dcm"
    assert "Lt Lung" in roi_names(file)
    with pytest.raises(InputError, match=r"“Lt Lung” has a contour .* off the nearest slice"):
        roi_masks(file, volume)
    dataset = pydicom.dcmread(file)
    for roi in dataset.ROIContourSequence:  # of images that nobody has any more
        for entry in roi.get("ContourSequence", []):
            del entry.ContourImageSequence
    file = tmp_path / "rtss.dcm"
    dataset.save_as(file)
    affine = volume.affine.copy()
    affine[2, 3] -= 117 * volume.spacing[0]
    whole = dataclasses.replace(
        volume, hu=np.broadcast_to(np.int16(0), (150, 512, 512)), affine=affine
    )
    masks, notes = roi_masks(file, whole)
    assert list(masks) == ["left"] and notes == ()
    litres = masks["left"].sum() * np.prod(volume.spacing) / 1e6
    assert 1.5 < litres < 2.5
    where = in_mm(whole, np.argwhere(masks["left"]))
    assert where[:, 0].min() > -10  # patient-left is +x

    # matplotlib draws the slices that have a single contour
    roi = next(roi for roi in dataset.ROIContourSequence if roi.ReferencedROINumber == 6)
    by_slice = {}
    for entry in roi.ContourSequence:
        points = np.array(entry.ContourData, float).reshape(-1, 3)
        by_slice.setdefault(round((points[0, 2] - affine[2, 3]) / 3), []).append(points)
    assert set(by_slice) == set(np.flatnonzero(masks["left"].any(axis=(1, 2))))
    centres = np.argwhere(np.ones((512, 512)))[:, ::-1]
    single = [k for k, contours in by_slice.items() if len(contours) == 1][::9]
    assert len(single) > 2
    for k in single:
        outline = Outline((by_slice[k][0][:, :2] - affine[:2, 3]) / volume.spacing[1])
        second = outline.contains_points(centres).reshape(512, 512)
        differing = (second != masks["left"][k]).sum()
        assert differing <= 0.01 * second.sum()  # centres on the very outline
