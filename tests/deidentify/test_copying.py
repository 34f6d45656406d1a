"""De-identified copies: nothing of the patient stays, everything else does, references hold."""

import numpy as np
import pytest
from dicom_factory import ROOT, expected_hu, write_series
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from identity_builders import SECRETS, give_identity, write_original
from pydicom import dcmread
from pydicom.sr.codedict import codes

from utils.deidentify.copying import deidentify
from utils.dicom.reader import read_series
from utils.errors import InputError


@pytest.fixture
def original(tmp_path):
    return write_original(tmp_path / "Doe_Jane")


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_secret_stays_in_any_byte(original, tmp_path):
    before = all_bytes(original)
    assert all(secret in before for secret in SECRETS), "the test must be able to fail"
    report = deidentify(original, tmp_path / "copy", "Case_007")
    after = all_bytes(tmp_path / "copy")
    assert [secret for secret in SECRETS if secret in after] == []
    assert report["remaining"] == []
    assert report["files"] == 6 and report["left_out"] == ["notes.txt: not DICOM"]
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    objects = [f"CT-000{k}.dcm" for k in range(1, 6)] + ["RTSTRUCT-0001.dcm"]
    assert names == [*objects, "deidentification.csv"]


def test_original_is_untouched(original, tmp_path):
    before = all_bytes(original)
    deidentify(original, tmp_path / "copy", "Case_007")
    assert all_bytes(original) == before


def test_copy_loads_with_the_same_pixels_and_the_case_name(original, tmp_path):
    deidentify(original, tmp_path / "copy", "Case_007")
    volume = read_series(tmp_path / "copy")
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    np.testing.assert_array_equal(volume.affine, read_series(original / "ct").affine)


def test_copy_is_marked_as_deidentified(original, tmp_path):
    deidentify(original, tmp_path / "copy", "Case_007")
    for path in (tmp_path / "copy").glob("*.dcm"):
        dataset = dcmread(path)
        assert dataset.PatientID == dataset.PatientName == "Case_007"
        assert dataset.PatientIdentityRemoved == "YES"
        codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113107"]  # Basic Profile, dates modified (CID 7050)
        assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.preamble == bytes(128)
        assert not any(tag.is_private for tag in dataset.keys())
        assert "19100101" < dataset.StudyDate < "20240229"
        assert "PatientAge" not in dataset and not dataset.PatientSex


def test_rtstruct_still_refers_to_the_series(original, tmp_path):
    deidentify(original, tmp_path / "copy", "Case_007")
    slices = [dcmread(path) for path in sorted((tmp_path / "copy").glob("CT-*"))]
    structures = dcmread(tmp_path / "copy" / "RTSTRUCT-0001.dcm")
    frame = structures.ReferencedFrameOfReferenceSequence[0]
    study = frame.RTReferencedStudySequence[0]
    series = study.RTReferencedSeriesSequence[0]
    assert {ds.SeriesInstanceUID for ds in slices} == {series.SeriesInstanceUID}
    assert {ds.FrameOfReferenceUID for ds in slices} == {frame.FrameOfReferenceUID}
    assert {ds.StudyInstanceUID for ds in slices} == {study.ReferencedSOPInstanceUID}
    named = series.ContourImageSequence[0].ReferencedSOPInstanceUID
    second = [ds for ds in slices if ds.ImagePositionPatient[2] == -97]  # slice 1
    assert [ds.SOPInstanceUID for ds in second] == [named]
    assert len({ds.SOPInstanceUID for ds in slices}) == 5
    names = [roi.ROIName for roi in structures.StructureSetROISequence]
    assert names == ["Lung_L", "Lt Lung", "Structure 3"], "anatomical names stay, free text goes"


def test_segmentation_still_refers_to_the_series(tmp_path):
    folder = tmp_path / "in"
    sources = [dcmread(path) for path in write_series(folder, edit=give_identity)]
    for dataset in sources:
        dataset.PositionReferenceIndicator = dataset.StudyID = dataset.PatientBirthDate = ""
    mask = (expected_hu(5) > 200).astype(np.uint8)
    algorithm = AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
    segment = SegmentDescription(
        *(1, "Lungs", codes.SCT.Organ, codes.SCT.Lung, "AUTOMATIC"),
        algorithm_identification=algorithm,
    )
    seg = Segmentation(
        *(sources, mask, "BINARY", [segment], f"{ROOT}.8", 1, f"{ROOT}.8.1", 1),
        *("Maker", "Model", "1.0", "serial 4711"),
        omit_empty_frames=False,
        content_creator_name="Doe^Jane",
    )
    seg.save_as(folder / "seg.dcm")
    report = deidentify(folder, tmp_path / "copy", "Case_007")
    assert report["remaining"] == []
    copy = dcmread(tmp_path / "copy" / "SEG-0001.dcm")
    slices = {dcmread(path).SOPInstanceUID for path in (tmp_path / "copy").glob("CT-*")}
    references = copy.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {item.ReferencedSOPInstanceUID for item in references} == slices
    within = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in copy.PerFrameFunctionalGroupsSequence
    }
    assert within == slices
    np.testing.assert_array_equal(copy.pixel_array, seg.pixel_array)
    assert b"Doe" not in (tmp_path / "copy" / "SEG-0001.dcm").read_bytes()


def test_new_uids_are_random_for_each_call(original, tmp_path):
    deidentify(original, tmp_path / "one", "Case_007")
    deidentify(original, tmp_path / "two", "Case_007")
    one, two = (dcmread(tmp_path / name / "CT-0001.dcm") for name in ("one", "two"))
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        assert one[keyword].value != two[keyword].value


def test_report_counts_by_attribute_and_tells_no_value(original, tmp_path):
    report = deidentify(original, tmp_path / "copy", "Case_007")
    assert report["counts"]["private", "left out"] == 12
    assert report["counts"]["PatientName", "case"] == 6
    table = (tmp_path / "copy" / "deidentification.csv").read_text()
    assert "StudyDescription,left out,6\n" in table and "RescaleSlope,numbers,5\n" in table
    assert not any(secret.decode() in table for secret in SECRETS)


@pytest.mark.parametrize("name", ["Lung Doe", "Lung_L 4711-77", "Lung 195301", "Lung Ö"])
def test_structures_named_after_the_patient_lose_their_names(original, tmp_path, name):
    path = original / "Doe_Jane_rt.dcm"
    dataset = dcmread(path)
    dataset.StructureSetROISequence[0].ROIName = name
    dataset.StructureSetLabel = dataset.StructureSetName = "Doe"
    dataset.save_as(path)
    assert deidentify(original, tmp_path / "copy", "Case_007")["remaining"] == []
    copy = dcmread(tmp_path / "copy" / "RTSTRUCT-0001.dcm")
    names = [roi.ROIName for roi in copy.StructureSetROISequence]
    assert names == ["Structure 1", "Lt Lung", "Structure 3"]


@pytest.mark.parametrize("out", ["Doe_Jane", "Doe_Jane/ct", "Doe_Jane/new", "."])
def test_copy_in_or_around_the_original_is_refused(original, out):
    with pytest.raises(InputError, match="lies in or around the original"):
        deidentify(original, original.parent / out, "Case_007")


def test_folder_that_is_not_empty_is_refused(original, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("precious")
    with pytest.raises(InputError, match="exists and is not empty"):
        deidentify(original, tmp_path / "copy", "Case_007")
    assert (tmp_path / "copy" / "mine").read_text() == "precious"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", "Ünal", "x" * 64])
def test_impossible_case_names_are_refused(original, tmp_path, name):
    with pytest.raises(InputError, match="The case name"):
        deidentify(original, tmp_path / "copy", name)


def test_nothing_is_written_when_a_file_fails(original, tmp_path):
    path = original / "ct" / "1-003.dcm"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="nothing was written"):
        deidentify(original, tmp_path / "copy", "Case_007")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Doe_Jane"]


def test_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="holds no DICOM file"):
        deidentify(tmp_path / "in", tmp_path / "copy", "Case_007")
    assert not (tmp_path / "copy").exists()
