"""Headers that have nothing to do with the mask: a SEG is written without what is wrong in them."""

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from seg_builders import SHAPE, conformance_errors, lopsided

from utils.dicom.reader import read_series
from utils.masks.seg_reader import read_seg
from utils.masks.seg_writer import write_seg

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def raw(tag, vr, value):
    """Edit that puts bytes into an element, whether they are allowed there or not."""

    def edit(dataset, k):
        dataset[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)

    return edit


def written(tmp_path, edit, monkeypatch):
    """The SEG of a series edited so, which must read back as it was given."""
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    write_series(tmp_path / "images", edit=edit, rows=SHAPE[1], cols=SHAPE[2])
    monkeypatch.undo()
    volume = read_series(tmp_path / "images")
    write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), lopsided(volume))
    assert conformance_errors(tmp_path / "seg.dcm") == []
    return pydicom.dcmread(tmp_path / "seg.dcm")


@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("PatientSex", b"F ", "F"),
        ("PatientSex", b"U ", ""),
        ("PatientSex", b"f ", ""),
        ("PatientBirthDate", b"19500102", "19500102"),
        ("PatientBirthDate", b"ANONYMIZED", ""),
        ("PatientBirthDate", b"01/02/1950", ""),
        ("PatientBirthDate", b"19501332", ""),
        ("StudyTime", b"10:11:12", ""),
        ("StudyTime", b"101112.5", "101112.5"),
        ("StudyID", b"longer than sixteen ", ""),
        ("PatientID", b"x" * 66, ""),
        ("AccessionNumber", b"A\0", "A"),
        ("AccessionNumber", b"A\\B ", ""),
        ("StudyID", b"\x1b[31mA ", ""),
        ("PatientName", b"Doe\nJane\x1b[2J", ""),
        ("PatientName", b"a^b^c^d^e^f^g=x=y=z ", ""),
        ("ReferringPhysicianName", b"Roe^Rick", "Roe^Rick"),
    ],
)
def test_values_that_violate_their_type_are_left_empty(tmp_path, monkeypatch, keyword, value, kept):
    vr = pydicom.datadict.dictionary_VR(keyword)
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert written(tmp_path, raw(tag, vr, value), monkeypatch)[keyword].value in (
        (kept, None) if kept == "" else (kept,)
    )


@pytest.mark.parametrize(
    ("charset", "name", "expected"),
    [
        (b"\\ISO 2022 IR 87 ", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "山田^太郎"),
        (b"ISO_IR 6", b"Doe^Jane", "Doe^Jane"),
        (b"ISO_IR 100", "Müller^Jürg".encode("latin-1"), "Müller^Jürg"),
        (b"ISO_IR 999", b"Doe^Jane", "Doe^Jane"),
    ],
)
def test_names_of_every_character_set_come_through(tmp_path, monkeypatch, charset, name, expected):
    def edit(dataset, k):
        raw(0x00080005, "CS", charset)(dataset, k)
        raw(0x00100010, "PN", name)(dataset, k)

    dataset = written(tmp_path, edit, monkeypatch)
    assert expected in str(dataset.PatientName) and dataset.SpecificCharacterSet == "ISO_IR 192"


def test_a_thickness_and_a_frame_of_reference_are_supplied(tmp_path, monkeypatch):
    def edit(dataset, k):
        del dataset.SliceThickness, dataset.FrameOfReferenceUID
        dataset.StudyDescription = "of no concern"
        dataset.ReferencedStudySequence = [pydicom.Dataset()]

    dataset = written(tmp_path, edit, monkeypatch)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 3 and dataset.FrameOfReferenceUID.is_valid
    assert "ReferencedStudySequence" not in dataset


@pytest.mark.parametrize("stated", [b"0 ", b"-5", b""])
def test_a_thickness_that_is_none_is_supplied(tmp_path, monkeypatch, stated):
    dataset = written(tmp_path, raw(0x00180050, "DS", stated), monkeypatch)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 3
