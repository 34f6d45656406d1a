"""What a copy still tells of the patient is found, wherever it stands."""

import shutil

import pytest
from dicom_factory import ROOT, ct_slice, save, write_series
from identity_builders import give_identity, write_original
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from utils.deidentify.copying import deidentify, remaining_identifiers


@pytest.fixture
def original(tmp_path):
    return write_original(tmp_path / "Doe_Jane")


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


@pytest.mark.parametrize(
    ("leak", "place", "reason"),
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
