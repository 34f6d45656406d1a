"""Masks out as NIfTI and RTSTRUCT beside SEG: read back by others, with codes and orientation."""

import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_factory import enhanced_ct, save
from itk_builders import convert
from scipy import ndimage
from seg_builders import conformance_errors, loaded
from skimage.draw import polygon2mask

from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.masks import WRITERS
from utils.masks.rtstruct import read_rtstruct, roi_masks

TURNED = {
    "axial": None,
    "prone": ((-1, 0, 0, 0, -1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0, 0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0, 0, 0, -1), (1, 0, 0)),
}
SIZE = {"rows": 24, "cols": 20}


def a_series(tmp_path, name="axial"):
    def edit(dataset, k):
        if TURNED[name]:
            dataset.ImageOrientationPatient = list(TURNED[name][0])
            dataset.ImagePositionPatient = [f"{3 * k * way:.6g}" for way in TURNED[name][1]]

    return loaded(tmp_path, edit, **SIZE)


def ragged(volume):
    """Labels 0 to 2 with holes, islands in holes, bridges at corners, and voxels at the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=volume.hu.shape), 0.8)
    labels = np.digitize(noise, [0, 0.25]).astype(np.uint8)
    labels[-1] = 0
    return labels


def written(tmp_path, form, labels, volume, regions=("right", "left")):
    ending, write = WRITERS[form]
    write(labels, volume, tmp_path / f"Case{ending}", regions, "U-Net")
    return tmp_path / f"Case{ending}"


@pytest.mark.parametrize("name", TURNED)
def test_nifti_lies_where_the_series_lies(tmp_path, name):
    volume = a_series(tmp_path, name)
    labels = ragged(volume)
    image = SimpleITK.ReadImage(str(written(tmp_path, "nifti", labels, volume)))
    assert image.GetPixelID() == SimpleITK.sitkUInt8
    again = SimpleITK.DICOMOrient(image, "LPS")
    assert np.array_equal(SimpleITK.GetArrayFromImage(again), labels)
    files = [str(file) for file in volume.files]
    series = SimpleITK.DICOMOrient(SimpleITK.ReadImage(files), "LPS")
    for k, row, col in np.argwhere(labels)[::97]:
        place = [int(col), int(row), int(k)]
        found = series.TransformIndexToPhysicalPoint(place)
        np.testing.assert_allclose(again.TransformIndexToPhysicalPoint(place), found, atol=1e-3)


@pytest.mark.parametrize("name", TURNED)
def test_rtstruct_gives_the_mask_back(tmp_path, name):
    volume = a_series(tmp_path, name)
    labels = ragged(volume)
    file = written(tmp_path, "rtstruct", labels, volume)
    masks, notes = roi_masks(file, volume)
    assert np.array_equal(masks["right"], labels == 1)
    assert np.array_equal(masks["left"], labels == 2)
    assert np.array_equal(read_rtstruct(file, volume), labels > 0)
    assert all("no contour on" in note for note in notes)


def test_contours_name_their_slices_and_enclose_its_voxels(tmp_path):
    """By pydicom and scikit-image alone: each contour on the file it refers to, even-odd."""
    volume = a_series(tmp_path)
    labels = ragged(volume)
    dataset = pydicom.dcmread(written(tmp_path, "rtstruct", labels, volume))
    sources = {pydicom.dcmread(file).SOPInstanceUID: k for k, file in enumerate(volume.files)}
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    for roi, label in zip(dataset.ROIContourSequence, (1, 2), strict=True):
        assert names[roi.ReferencedROINumber] == ("Lung_R", "Lung_L")[label - 1]
        mask = np.zeros(labels.shape, bool)
        for entry in roi.ContourSequence:
            k = sources[entry.ContourImageSequence[0].ReferencedSOPInstanceUID]
            points = np.array(entry.ContourData, float).reshape(-1, 3)
            assert np.allclose(points[:, 2], -100 + 3 * k)
            rows_cols = (points[:, 1::-1] - [-30, -20]) / [0.75, 0.5]
            mask[k] ^= polygon2mask(mask.shape[1:], rows_cols)
        assert np.array_equal(mask, labels == label)
    source = pydicom.dcmread(volume.files[0])
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dataset[keyword].value == source[keyword].value
    referred = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    assert referred.RTReferencedSeriesSequence[0].SeriesInstanceUID == volume.identity["series_uid"]
    assert conformance_errors(tmp_path / "Case_rtstruct.dcm", "RTStructureSet") == []


def test_a_mask_of_an_enhanced_ct_becomes_contours(tmp_path):
    save(enhanced_ct(**SIZE), tmp_path / "images" / "ct.dcm")
    volume = read_series(tmp_path / "images")
    labels = ragged(volume)
    file = written(tmp_path, "rtstruct", labels, volume)
    assert np.array_equal(roi_masks(file, volume)[0]["left"], labels == 2)
    assert conformance_errors(file, "RTStructureSet") == []


def test_an_empty_lung_stays_empty_and_two_are_no_rtstruct(tmp_path):
    volume = a_series(tmp_path)
    labels = ragged(volume)
    labels[labels == 2] = 0
    masks, notes = roi_masks(written(tmp_path, "rtstruct", labels, volume), volume)
    assert list(masks) == ["right"] and any("“Lung_L” left out" in note for note in notes)
    (tmp_path / "Case_rtstruct.dcm").unlink()
    with pytest.raises(InputError, match=r"Case_rtstruct\.dcm: there is nothing to draw"):
        written(tmp_path, "rtstruct", 0 * labels, volume)
    assert not (tmp_path / "Case_rtstruct.dcm").exists()


def test_headers_that_do_not_suffice_are_said(tmp_path):
    def bare(dataset, k):
        del dataset.FrameOfReferenceUID, dataset.PatientName

    volume = loaded(tmp_path, bare, **SIZE)
    file = written(tmp_path, "rtstruct", ragged(volume), volume)  # both are supplied
    assert conformance_errors(file, "RTStructureSet") == []

    def studyless(dataset, k):
        del dataset.StudyInstanceUID

    volume = loaded(tmp_path, studyless, **SIZE)
    with pytest.raises(InputError, match=r"not suffice for an RTSTRUCT .*StudyInstanceUID"):
        written(tmp_path, "rtstruct", ragged(volume), volume)


def test_a_volume_that_came_as_nifti_goes_out_as_nifti(tmp_path):
    volume = read_series(convert(tmp_path / "images", tmp_path / "scan.nii"))
    labels = np.random.default_rng(1).integers(0, 3, volume.hu.shape)
    file = written(tmp_path, "nifti", labels, volume)
    second = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(file)), "LPS")
    assert np.array_equal(SimpleITK.GetArrayFromImage(second), labels)
    for form in ("seg", "rtstruct"):
        with pytest.raises(InputError, match="does not come from files"):
            written(tmp_path, form, labels, volume)


@pytest.mark.parametrize("form", WRITERS)
def test_masks_that_do_not_fit_are_refused_in_every_format(tmp_path, form):
    volume = a_series(tmp_path)
    for mask in (np.zeros((5, 20, 24)), np.full(volume.hu.shape, 3)):
        with pytest.raises(InputError, match=r"^Case_.*: the mask h"):
            written(tmp_path, form, mask, volume)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
