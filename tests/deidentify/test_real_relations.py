"""Real patients with SEG and RTSTRUCT: after de-identification masks and references still hold."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom._uid_dict import UID_dictionary

from utils.deidentify import deidentify
from utils.dicom import read_series
from utils.masks import WRITERS, load_mask, read_rtstruct, read_seg, write_seg

REAL = os.environ.get("LUNG_REAL_DATA")
SERIES = {  # series -> its mask
    "lctsc/Images/Case_000": "lctsc/Segmentations/Case_000_seg.npz",
    "lung_pet_ct_dx/A0001": "lung_pet_ct_dx/draft_masks/petdx_A0001_ref.npz",
    "lung_pet_ct_dx/A0002": "lung_pet_ct_dx/draft_masks/petdx_A0002_ref.npz",
}

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL, reason="set LUNG_REAL_DATA to the folder of real patients"),
]


def uids_of(dataset):
    """UIDs at any depth that the standard does not define: all that are this object's own."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from uids_of(item)
        elif element.VR == "UI":
            several = [element.value] if isinstance(element.value, str) else element.value or []
            yield from (str(uid) for uid in several if uid not in UID_dictionary)


def objects(folder):
    """Every DICOM object of a data set, without its pixels, by its path."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix == ".dcm"]
    return {path: dcmread(path, stop_before_pixels=True) for path in files}


def places_referred_to(found, modality):
    """Of a SEG or RTSTRUCT: where each of the slices lies to which its parts refer, in turn."""
    slices = [ds for ds in found.values() if ds.Modality == "CT"]
    place = {ds.SOPInstanceUID: tuple(map(float, ds.ImagePositionPatient)) for ds in slices}
    (drawn,) = [ds for ds in found.values() if ds.Modality == modality]
    assert {drawn.StudyInstanceUID} == {ds.StudyInstanceUID for ds in slices}
    assert {drawn.FrameOfReferenceUID} == {ds.FrameOfReferenceUID for ds in slices}
    series = {ds.SeriesInstanceUID for ds in slices}
    if modality == "SEG":
        (named,) = drawn.ReferencedSeriesSequence
        images = named.ReferencedInstanceSequence
        parts = [
            group.DerivationImageSequence[0].SourceImageSequence[0]
            for group in drawn.PerFrameFunctionalGroupsSequence
        ]
    else:
        (frame,) = drawn.ReferencedFrameOfReferenceSequence
        (named,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
        images = named.ContourImageSequence
        parts = [
            contour.ContourImageSequence[0]
            for structure in drawn.ROIContourSequence
            for contour in structure.ContourSequence
        ]
        heights = [
            float(contour.ContourData[2])
            for structure in drawn.ROIContourSequence
            for contour in structure.ContourSequence
        ]
        found = [place[part.ReferencedSOPInstanceUID][2] for part in parts]
        np.testing.assert_allclose(heights, found, atol=1e-3)
    assert {named.SeriesInstanceUID} == series
    assert {image.ReferencedSOPInstanceUID for image in images} <= set(place)
    return [place[part.ReferencedSOPInstanceUID] for part in parts]


@pytest.fixture(params=SERIES, scope="module")
def patient(request, tmp_path_factory):
    """A data set of one real patient with npz, SEG and RTSTRUCT: its folder, and the mask."""
    folder = tmp_path_factory.mktemp("real") / "hospital"
    (folder / "Images").mkdir(parents=True)
    (folder / "Segmentations").mkdir()
    case = folder / "Images" / "Case_000"
    case.mkdir()
    for number, path in enumerate(sorted(Path(REAL, request.param).iterdir())):
        os.symlink(path, case / f"{number}.dcm")
    volume, mask = read_series(case), load_mask(Path(REAL, SERIES[request.param]))
    assert mask.shape == volume.hu.shape and mask.sum() > 100_000
    write_seg(mask, volume, folder / "Segmentations" / "Case_000_seg.dcm")
    _, write_rtstruct = WRITERS["rtstruct"]
    write_rtstruct(mask, volume, folder / "Segmentations" / "Case_000_rt.dcm")
    return folder, mask


def test_masks_and_references_hold_and_two_secrets_share_no_uid(patient, tmp_path):
    folder, mask = patient
    before, seen = objects(folder), []
    for name in ("one", "two"):
        report = deidentify(folder, tmp_path / name)
        assert report["files"] == len(before) and not report["left_out"] + report["refused"]
        after = objects(tmp_path / name)
        for modality in ("SEG", "RTSTRUCT"):
            parts = places_referred_to(after, modality)
            assert parts == places_referred_to(before, modality) and len(parts) > 20
        volume, drawn = read_series(tmp_path / name / "Images" / "Case_000"), tmp_path / name
        drawn = drawn / "Segmentations"
        for read, file in ((read_seg, "SEG"), (read_rtstruct, "RTSTRUCT")):
            read_back = read(drawn / f"Case_000-{file}-0001.dcm", volume)
            np.testing.assert_array_equal(read_back, mask)
        seen.append({uid for dataset in after.values() for uid in uids_of(dataset)})
        seen[-1] |= {str(ds.file_meta.MediaStorageSOPInstanceUID) for ds in after.values()}
        assert all(re.fullmatch(r"2\.25\.\d{1,39}", uid) for uid in seen[-1])
    original = {uid for dataset in before.values() for uid in uids_of(dataset)}
    assert len(seen[0]) == len(seen[1]) > len(before)
    assert not seen[0] & seen[1] and not (seen[0] | seen[1]) & original
