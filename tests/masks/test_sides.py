"""Lungs against where they lie, what they were drawn on, and what else their file calls them."""

import numpy as np
import pydicom
import pytest
from contour_builders import BOX, a_volume, drawn
from dicom_factory import ROOT, write_series
from pydicom.sr.coding import Code
from rtstruct_factory import item, write_rtstruct
from seg_builders import by_highdicom, loaded

from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.masks.names import ALIASES
from utils.masks.rtstruct import read_rtstruct, roi_masks
from utils.masks.seg_reader import read_seg, seg_masks

RIGHT, LEFT = Code("3341006", "SCT", "Right lung"), Code("44029006", "SCT", "Left lung")
LUNG, ALTERED = Code("39607008", "SCT", "Lung"), Code("49755003", "SCT", "Altered")


def two_boxes(first, second):
    """Structures of which the second lies 30 columns nearer to the patient's left (+x)."""
    return [(first, drawn(2, BOX)), (second, drawn(2, BOX + 30))]


def test_contours_on_each_others_side_are_refused_unless_renamed(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", two_boxes("Lung_R", "Lung_L"))
    assert read_rtstruct(file, a_volume()).sum() == 200
    file = write_rtstruct(tmp_path / "rt.dcm", two_boxes("Lung_L", "Lung_R"))
    with pytest.raises(InputError, match=r"left lung's centre lies 27 mm to the patient's right"):
        read_rtstruct(file, a_volume())  # 30 columns of 0.9 mm
    monkeypatch.setitem(ALIASES, "lung l", "right")
    monkeypatch.setitem(ALIASES, "lung r", "left")
    masks, _ = roi_masks(file, a_volume())
    assert masks["left"][2, :, 40:].sum() == masks["right"][2, :, :40].sum() == 100
    assert read_rtstruct(file, a_volume()).sum() == 200


def test_lobes_are_compared_as_the_lungs_that_they_make(tmp_path):
    lobes = [(f"Lung_R{lobe}L", drawn(2, BOX + 30)) for lobe in "UML"]
    lobes += [(f"Lung_L{lobe}L", drawn(2, BOX)) for lobe in "UL"]
    with pytest.raises(InputError, match="names or codes are swapped"):
        read_rtstruct(write_rtstruct(tmp_path / "rt.dcm", lobes), a_volume())


def test_one_lung_drawn_twice_is_refused(tmp_path):
    twice = [("Lung_R", drawn(2, BOX)), ("Lung_L", drawn(2, BOX + 1))]
    with pytest.raises(InputError, match="they share 81 % of the smaller one"):
        read_rtstruct(write_rtstruct(tmp_path / "rt.dcm", twice), a_volume())


@pytest.mark.parametrize("swapped", [False, True])
def test_coded_segments_on_each_others_side(tmp_path, monkeypatch, swapped):
    volume = loaded(tmp_path, rows=12, cols=60)
    voxels = np.zeros(volume.hu.shape, np.uint8)
    voxels[1:3, 2:8, 2:8], voxels[1:3, 2:8, 50:56] = 1, 2
    codes = [("one", LEFT), ("two", RIGHT)] if swapped else [("one", RIGHT), ("two", LEFT)]
    file = by_highdicom(tmp_path, volume, voxels, codes)
    if swapped:
        with pytest.raises(InputError, match="to the patient's right of the right lung's"):
            read_seg(file, volume)
        monkeypatch.setitem(ALIASES, "one", "right")
        monkeypatch.setitem(ALIASES, "two", "left")
    assert np.array_equal(seg_masks(file, volume)["left"], voxels == 2)
    assert read_seg(file, volume).sum() == 144


@pytest.mark.parametrize(("own", "answer"), [(0, "none of which"), (1, "1 images"), (2, None)])
def test_contours_on_images_of_another_phase(tmp_path, recwarn, own, answer):
    """Of two images that the contours refer to, `own` are of the series."""
    write_series(tmp_path / "images", 6)
    volume = read_series(tmp_path / "images")
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in volume.files[:own]]
    uids += [f"{ROOT}.99.{k}" for k in range(2 - own)]
    images = [item(ReferencedSOPInstanceUID=uid) for uid in uids]
    corners = np.array([[2, 0.5, 0.5], [2, 0.5, 4.5], [2, 6.5, 4.5], [2, 6.5, 0.5]])
    points = corners @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    part = item(
        ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4,
        ContourData=[f"{value:.6g}" for value in points.ravel()], ContourImageSequence=images,
    )  # fmt: skip
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [part])])
    if own == 0:
        with pytest.raises(InputError, match=f"drawn on 2 images, {answer} is among those loaded"):
            read_rtstruct(file, volume)
        return
    assert read_rtstruct(file, volume).sum() == 24
    said = [str(warning.message) for warning in recwarn]
    assert [answer in words for words in said] == [True] if answer else said == []


NEOPLASM = {"CodeValue": "108369006", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Neoplasm"}
PRIVATE = {"CodeValue": "7", "CodingSchemeDesignator": "99HERE", "CodeMeaning": "Lung tumour"}
CODED_LUNG = {"CodeValue": "39607008", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Lung"}


@pytest.mark.parametrize(
    ("kind", "code", "lung"),
    [
        ("ORGAN", CODED_LUNG, True),
        ("AVOIDANCE", None, True),
        ("ORGAN", NEOPLASM, False),
        ("", PRIVATE, False),
        ("GTV", None, False),
    ],
)
def test_a_structure_coded_as_something_else_is_no_lung(tmp_path, kind, code, lung):
    def observe(dataset):
        codes = {} if code is None else {"RTROIIdentificationCodeSequence": [item(**code)]}
        entry = item(ReferencedROINumber=1, RTROIInterpretedType=kind, **codes)
        dataset.RTROIObservationsSequence = [entry]

    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))], observe)
    if lung:
        assert read_rtstruct(file, a_volume()).sum() == 100
    else:
        with pytest.raises(InputError, match="no lung among its 1 structures: Lungs"):
            read_rtstruct(file, a_volume())


@pytest.mark.parametrize(
    "segment",
    [("Lungs", LUNG, ALTERED), ("Lungs", Code("7", "99HERE", "Neoplasm of lung"))],
)
def test_a_segment_altered_or_coded_as_a_neoplasm_is_no_lung(tmp_path, segment):
    volume = loaded(tmp_path)
    voxels = np.zeros(volume.hu.shape, np.uint8)
    voxels[1:3, 2:8, 2:8] = 1
    with pytest.raises(InputError, match="no lung among its segments: Lungs"):
        seg_masks(by_highdicom(tmp_path, volume, voxels, [segment]), volume)
