"""De-identified copies: nothing of the patient stays, everything else does, references hold."""

import json
import shutil

import numpy as np
import pytest
from dicom_factory import ROOT, ct_slice, expected_hu, save, write_series
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import RTStructureSetStorage, SecondaryCaptureImageStorage

from utils.deidentify import deidentify, remaining_identifiers
from utils.dicom import read_series
from utils.errors import InputError

SECRETS = [
    b"Doe",
    b"Jane",
    b"4711-77",
    b"19530117",
    b"20240229",
    b"Hospital",
    b"ACC99",
    ROOT.encode(),
]


def give_identity(dataset, k=0):
    """Names, IDs, dates and places, at the top, in sequences and in private elements."""
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711-77"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19530117", "F", "071Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20240229"
    dataset.StudyTime, dataset.AccessionNumber = "101112.5", "ACC99"
    dataset.InstitutionName, dataset.ReferringPhysicianName = "Hospital", "Physician^Paul"
    dataset.StudyDescription = "Thorax of Jane Doe"
    dataset.OtherPatientIDs = ["4711-77", "0815-1"]
    request = Dataset()
    request.RequestedProcedureDescription = "CT for Doe, Jane"
    request.ReferencedStudySequence = [Dataset()]
    request.ReferencedStudySequence[0].ReferencedSOPInstanceUID = f"{ROOT}.1"
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0029, "VENDOR", create=True)
    block.add_new(0x01, "LO", "Doe^Jane")
    dataset.preamble = b"Jane Doe was here".ljust(128, b"\0")


def rtstruct():
    """RTSTRUCT that names the series three levels deep."""
    dataset = ct_slice(90)
    for keyword in "PixelData Rows Columns ImagePositionPatient".split():
        delattr(dataset, keyword)
    dataset.SOPClassUID, dataset.Modality = RTStructureSetStorage, "RTSTRUCT"
    dataset.SeriesInstanceUID = f"{ROOT}.7"
    give_identity(dataset)
    frame, study, series, image = Dataset(), Dataset(), Dataset(), Dataset()
    image.ReferencedSOPInstanceUID, image.ReferencedSOPClassUID = (
        f"{ROOT}.3.2",
        ct_slice(0).SOPClassUID,
    )
    series.SeriesInstanceUID, series.ContourImageSequence = f"{ROOT}.2", [image]
    study.ReferencedSOPInstanceUID, study.RTReferencedSeriesSequence = f"{ROOT}.1", [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = f"{ROOT}.4", [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence = []
    for number, name in enumerate(["Lung_L", "Lt Lung", "Tumour Jane"]):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        dataset.StructureSetROISequence.append(roi)
    return dataset


@pytest.fixture
def original(tmp_path):
    """Folder with a CT series, an RTSTRUCT of it, and files that are no DICOM."""
    folder = tmp_path / "Doe_Jane"
    write_series(folder / "ct", edit=give_identity)
    save(rtstruct(), folder / "Doe_Jane_rt.dcm")
    (folder / "notes.txt").write_text("Jane Doe, seen on 20240229")
    return folder


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_secret_stays_in_any_byte(original, tmp_path):
    before = all_bytes(original)
    assert all(secret in before for secret in SECRETS), "the test must be able to fail"
    report = deidentify(original, tmp_path / "copy", "Case_007")
    after = all_bytes(tmp_path / "copy")
    assert [secret for secret in SECRETS if secret in after] == []
    assert report["remaining"] == []
    assert report["files"] == 6 and report["left_out"] == ["notes.txt"]
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == [f"CT-000{k}.dcm" for k in range(1, 6)] + ["RTSTRUCT-0001.dcm"]


def test_original_is_untouched(original, tmp_path):
    before = all_bytes(original)
    deidentify(original, tmp_path / "copy", "Case_007")
    assert all_bytes(original) == before


def test_copy_loads_with_the_same_pixels_and_the_case_name(original, tmp_path):
    deidentify(original, tmp_path / "copy", "Case_007")
    volume = read_series(tmp_path / "copy")
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    np.testing.assert_array_equal(volume.affine, read_series(original / "ct").affine)
    assert volume.identity["patient_id"] == "Case_007"


def test_marks_of_a_deidentified_object(original, tmp_path):
    deidentify(original, tmp_path / "copy", "Case_007")
    for path in (tmp_path / "copy").iterdir():
        dataset = dcmread(path)
        assert dataset.PatientID == dataset.PatientName == "Case_007"
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethod[0] == "PS3.15 Basic Profile"
        assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.preamble == bytes(128)
        assert not any(tag.is_private for tag in dataset.keys())
        assert dataset.StudyDate == "00010101"
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
    assert names == ["Lung_L", "Lt Lung", ""], "anatomical names stay, free text goes"


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


def test_burned_in_text_is_flagged(tmp_path):
    write_series(
        tmp_path / "in", count=1, edit=lambda ds, k: setattr(ds, "BurnedInAnnotation", "YES")
    )
    capture = ct_slice(1)
    capture.SOPClassUID = SecondaryCaptureImageStorage
    save(capture, tmp_path / "in" / "screen.dcm")
    flags = deidentify(tmp_path / "in", tmp_path / "copy", "Case_007")["flags"]
    assert flags == [
        "1-001.dcm: BurnedInAnnotation is YES: the pixels hold text",
        "screen.dcm: secondary capture: the pixels may be a screenshot with text",
    ]


def test_report_can_be_shown_and_tells_before_and_after(original, tmp_path):
    report = deidentify(original, tmp_path / "copy", "Case_007")
    rows = {keyword: (before, after) for keyword, before, after in report["before_after"]}
    assert rows["PatientName"] == ("Doe^Jane", "Case_007")
    assert rows["StudyDate"] == ("20240229", "00010101")
    assert rows["private elements"] == ("2", "0")
    assert report["counts"]["private elements removed"] == 12
    json.dumps(report)


@pytest.mark.parametrize(
    "leak, place, reason",
    [
        (lambda ds: setattr(ds, "PatientComments", "saw Mrs. doe"), "PatientComments", "'doe'"),
        (lambda ds: setattr(ds, "StudyDate", "20240229"), "StudyDate", "date or time"),
        (lambda ds: setattr(ds, "AcquisitionTime", "101112"), "AcquisitionTime", "date or time"),
        (lambda ds: setattr(ds, "SeriesInstanceUID", f"{ROOT}.2"), "SeriesInstanceUID", "UID of"),
        (lambda ds: setattr(ds, "PatientSex", "F"), "PatientSex", "unchanged"),
        (
            lambda ds: setattr(ds, "ManufacturerModelName", "Hospital"),
            "ManufacturerModelName",
            "hosp",
        ),
        (lambda ds: setattr(ds, "ImageComments", "on 20240229"), "ImageComments", "'20240229'"),
        (lambda ds: ds.add(DataElement(0x00091001, "OB", b"Doe\0")), "(0009,1001)", "private"),
        (
            lambda ds: ds.add(DataElement(0x00420011, "OB", b"4711-77.")),
            "EncapsulatedDocument",
            "4711",
        ),
        (lambda ds: setattr(ds, "preamble", b"x" * 128), "preamble", "is not empty"),
        (lambda ds: setattr(ds, "FilterType", "Doe"), "FilterType", "'doe'"),
        (lambda ds: setattr(ds, "ConvolutionKernel", "DOE41"), "ConvolutionKernel", "'doe'"),
        (lambda ds: setattr(ds, "ProtocolName", "x_JaneDoe"), "ProtocolName", "'janedoe'"),
        (lambda ds: setattr(ds, "ImageComments", "* 1953-01-17"), "ImageComments", "'1953-01-17'"),
        (lambda ds: setattr(ds, "ImageComments", "17.01.1953"), "ImageComments", "'17.01.1953'"),
        (lambda ds: ds.add_new(0x60000022, "LO", "of Jane"), "(6000,0022)", "'jane'"),
        (lambda ds: setattr(ds, "PatientID", "4711-77"), "PatientID", "'4711-77'"),
        (
            lambda ds: setattr(ds, "InstanceCreatorUID", f"{ROOT}.1"),
            "InstanceCreatorUID",
            "UID of the original",
        ),
    ],
)
def test_a_leak_anywhere_is_found(original, tmp_path, leak, place, reason):
    copy = tmp_path / "copy"
    deidentify(original, copy, "Case_007")
    assert remaining_identifiers(original, copy) == []
    dataset = dcmread(copy / "CT-0003.dcm")
    leak(dataset)
    dataset.save_as(copy / "CT-0003.dcm")
    found = remaining_identifiers(original, copy)
    assert [(row[0], row[1]) for row in found] == [("CT-0003.dcm", place)]
    assert reason in found[0][3]


@pytest.mark.parametrize("text", ["does it fit", "Janesville", "hospitality", "pauline"])
def test_words_that_only_look_like_the_names_are_no_findings(original, tmp_path, text):
    copy = tmp_path / "copy"
    deidentify(original, copy, "Case_007")
    dataset = dcmread(copy / "CT-0003.dcm")
    dataset.ImageComments = text
    dataset.save_as(copy / "CT-0003.dcm")
    assert remaining_identifiers(original, copy) == []


def test_what_the_profile_keeps_but_names_the_patient_is_listed(tmp_path):
    """Elements that the table leaves alone may still hold a name: the copy is made, and tells."""

    def edit(dataset, k):
        give_identity(dataset)
        dataset.FilterType = "Doe"
        innermost, middle = Dataset(), Dataset()
        innermost.PersonName, innermost.CodeMeaning = "Doe^Jane", "seen by Doe, Jane"
        innermost.private_block(0x0011, "VENDOR", create=True).add_new(1, "LO", "Doe^Jane")
        middle.AnatomicRegionModifierSequence = [innermost]
        dataset.AnatomicRegionSequence = [middle]

    write_series(tmp_path / "in", count=1, edit=edit)
    report = deidentify(tmp_path / "in", tmp_path / "copy", "Case_007")
    place = "AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning"
    assert {row[1] for row in report["remaining"]} == {"FilterType", place}
    region = dcmread(tmp_path / "copy" / "CT-0001.dcm").AnatomicRegionSequence[0]
    innermost = region.AnatomicRegionModifierSequence[0]
    assert "Doe" not in str(innermost.PersonName)
    assert not any(tag.is_private for tag in innermost.keys())


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
    assert names == ["", "Lt Lung", ""]


def test_leaks_in_sequences_file_meta_and_file_names_are_found(original, tmp_path):
    copy = tmp_path / "copy"
    deidentify(original, copy, "Case_007")
    structures = dcmread(copy / "RTSTRUCT-0001.dcm")
    structures.StructureSetROISequence[2].ROIName = "Jane's tumour"
    structures.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.3.91"
    structures.save_as(copy / "RTSTRUCT-0001.dcm")
    shutil.move(copy / "CT-0001.dcm", copy / "doe_1.dcm")
    (copy / "x.txt").write_text("?")
    found = remaining_identifiers(original, copy)
    assert [row[:2] for row in found] == [
        ("RTSTRUCT-0001.dcm", "file meta MediaStorageSOPInstanceUID"),
        ("RTSTRUCT-0001.dcm", "StructureSetROISequence[2].ROIName"),
        ("doe_1.dcm", "file name"),
        ("x.txt", "file"),
    ]


def test_a_plain_copy_is_full_of_findings(original):
    found = {row[1] for row in remaining_identifiers(original, original)}
    for place in (
        *("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber"),
        *("InstitutionName", "StudyInstanceUID", "preamble", "StudyDescription"),
        "RequestAttributesSequence[0].RequestedProcedureDescription",
        "RequestAttributesSequence[0].ReferencedStudySequence[0].ReferencedSOPInstanceUID",
    ):
        assert place in found


def test_case_named_after_the_patient_is_a_finding(original, tmp_path):
    report = deidentify(original, tmp_path / "copy", "4711-77")
    assert {row[1] for row in report["remaining"]} == {"PatientName", "PatientID"}


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


def test_folder_without_dicom(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="holds no DICOM file"):
        deidentify(tmp_path / "in", tmp_path / "copy", "Case_007")
    assert not (tmp_path / "copy").exists()
