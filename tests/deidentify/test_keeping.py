"""The keep-list: what stays, in what form; and where the standard's own profile does otherwise."""

import subprocess
from shutil import which

import pytest
from dicom_factory import ROOT, ct_slice, enhanced_ct, save, write_series
from dicomanonymizer import simpledicomanonymizer as profile
from identity_builders import give_identity, write_original
from pydicom import dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from utils.deidentify import deidentify
from utils.deidentify.keeping import FORMS, KEEP, anatomical

# Forms in which the list keeps something of a value that the Basic Profile takes away, and why
KEPT_ALL_THE_SAME = {
    "dates": "moved by a secret number of days: option 113107 of the profile",
    "sequences": "the images that a SEG was drawn on: references with new UIDs, nothing else; and "
    "an empty sequence, which a photograph must have, of what was entered",
    "structures": "names of which every word is an anatomical term: option 113105 of the profile",
}
SAME_EFFECT = {"new_uids", "empty", "case", "words"}  # replaced, emptied, or a word of ours
TEXT_VRS = {"LO", "SH", "LT", "ST", "UT", "UC", "CS"}


@pytest.fixture
def copied(tmp_path):
    """De-identify one CT that an edit has changed; its copy."""

    def copy(edit):
        write_series(tmp_path / "in", count=1, edit=lambda ds, k: (give_identity(ds), edit(ds)))
        deidentify(tmp_path / "in", tmp_path / "copy")
        return dcmread(tmp_path / "copy" / "CT-0001.dcm")

    return copy


def test_every_entry_is_an_attribute_of_a_form_that_suits_it():
    listed = [word for words in KEEP["forms"].values() for word in words.split()]
    listed += [word for form in ("terms", "patterns", "words") for word in KEEP[form]]
    assert len(listed) == len(set(listed)) == len(FORMS)
    for word, form in FORMS.items():
        vr = dictionary_VR(tag_for_keyword(word))
        assert (vr == "SQ") == (form in ("sequences", "codes")), word
        if form == "numbers":
            assert vr in ("DS", "IS", "FD", "FL", "US", "UL", "SS", "US or SS"), word


def test_where_the_profile_takes_away_and_the_list_keeps_there_is_a_reason():
    """dicom-anonymizer's table of PS3.15 E.1-1 as a second opinion, attribute by attribute."""
    actions = profile.initialize_actions("dicomfields_2026c")
    tags = {word: tag_for_keyword(word) for word in FORMS}
    profiled = {word for word, tag in tags.items() if (tag >> 16, tag & 0xFFFF) in actions}
    forms = {FORMS[word] for word in profiled}
    assert forms == {*KEPT_ALL_THE_SAME, *SAME_EFFECT}
    assert {word for word in profiled if FORMS[word] == "sequences"} == {
        *("SourceImageSequence", "AcquisitionContextSequence")
    }
    assert {word for word in profiled if FORMS[word] == "structures"} == {"ROIName"}


def test_where_the_profile_keeps_and_the_list_takes_away(tmp_path):
    """Every text of the standard's dictionary: what the profile does not name, it keeps."""
    actions = profile.initialize_actions("dicomfields_2026c")

    def edit(dataset, _k):
        for tag, (vr, _vm, _name, retired, keyword) in DicomDictionary.items():
            if vr in TEXT_VRS and tag >> 16 > 2 and not retired and keyword not in dataset:
                dataset.add_new(tag, vr, "ZEBEDEE")

    path = write_series(tmp_path / "in", count=1, edit=edit)[0]
    dataset = dcmread(path)
    kept = [e for e in dataset if "ZEBEDEE" in str(e.value)
            and (e.tag.group, e.tag.element) not in actions]  # fmt: skip
    assert len(kept) > 500
    deidentify(tmp_path / "in", tmp_path / "copy")
    assert b"ZEBEDEE" not in (tmp_path / "copy" / "CT-0001.dcm").read_bytes()


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("Manufacturer", "siemens ", "SIEMENS"),
        ("Manufacturer", "Dr. Doe Scanners", "UNKNOWN"),
        ("ConvolutionKernel", ["Br40d", "3"], ["Br40d", "3"]),
        ("ConvolutionKernel", "DOE", "UNKNOWN"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "DOE"], ["ORIGINAL", "PRIMARY", "OTHER"]),
        ("BodyPartExamined", "CHEST", "CHEST"),
        ("BodyPartExamined", "DOE", None),
        ("ScanOptions", "HELICAL MODE", "HELICAL MODE"),
        ("SeriesNumber", "3000566", 1),
        ("SeriesNumber", "12", 12),
        ("Exposure", "19530117", None),
        ("KVP", "120.0", 120),
        ("ContrastBolusAgent", "for Mrs Doe", ""),
        ("AcquisitionDateTime", "20240229101112.5", "shifted"),
        ("StudyDate", "2024", ""),
        ("SynchronizationFrameOfReferenceUID", "1.2.840.10008.15.1.1", "1.2.840.10008.15.1.1"),
    ],
)
def test_values_have_an_allowed_form(copied, keyword, value, expected):
    copy = copied(lambda dataset: setattr(dataset, keyword, value))
    found = copy.get(keyword)
    if expected == "shifted":
        assert found.endswith("000000") and found[:8] != value[:8] and len(found) == 14
    else:
        assert (found if found is None or expected is None else type(expected)(found)) == expected


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_codes_are_those_of_the_dictionary_in_its_words(copied):
    lung, retired = code("39607008", "SCT", "lung of Doe"), code("T-28000", "SRT", "x")
    lung.AnatomicRegionModifierSequence = [code("24028007", "SCT", "Doe")]
    private = code("DOE", "99HOSPITAL", "Doe")
    copy = copied(
        lambda dataset: setattr(dataset, "AnatomicRegionSequence", [lung, private, retired])
    )
    kept = copy.AnatomicRegionSequence
    assert [item.CodeValue for item in kept] == ["39607008", "T-28000"]
    assert [item.CodeMeaning for item in kept] == ["Lung", "Lung"]
    assert kept[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Right"


def test_classes_of_the_standard_stay_and_unknown_ones_take_their_item_with_them(copied):
    def reference(sop_class):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, f"{ROOT}.9"
        return item

    classes = ["1.2.840.10008.5.1.4.1.1.2", "1.3.12.2.1107.5.9.1", "1.2.840.10008.4711.77"]
    items = [reference(sop_class) for sop_class in classes]
    kept = copied(
        lambda dataset: setattr(dataset, "SourceImageSequence", items)
    ).SourceImageSequence
    assert [item.ReferencedSOPClassUID for item in kept] == classes[:1]
    assert kept[0].ReferencedSOPInstanceUID.startswith("2.25.")


def test_a_thousand_nested_sequences_end_soon(copied):
    def edit(dataset):
        inner = Dataset()
        for _ in range(100):
            outer = Dataset()
            outer.ReferencedSOPClassUID, outer.ReferencedSOPInstanceUID = classes
            outer.SourceImageSequence = [inner]
            inner = outer
        dataset.SourceImageSequence = [inner]

    classes = "1.2.840.10008.5.1.4.1.1.2", f"{ROOT}.9"
    item, depth = copied(edit), 0
    while "SourceImageSequence" in item:
        item, depth = item.SourceImageSequence[0], depth + 1
    assert 1 < depth < 20


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound Image Storage"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7", "Secondary Capture"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.104.2", "Encapsulated CDA"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.77.1.4.1", "Video Photographic"),
        ("PhotometricInterpretation", "RGB", "colours"),
        ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"], "screenshot"),
        ("BurnedInAnnotation", "YES", "its pixels hold text"),
    ],
)
def test_what_no_list_makes_safe_is_left_out_and_listed(tmp_path, keyword, value, reason):
    write_series(tmp_path / "in", count=1)
    other = ct_slice(1)
    setattr(other, keyword, value)
    save(other, tmp_path / "in" / "other.dcm")
    report = deidentify(tmp_path / "in", tmp_path / "copy")
    assert report["files"] == 1 and len(report["left_out"]) == 1
    assert report["left_out"][0].startswith("other.dcm: ") and reason in report["left_out"][0]


def test_a_file_whose_class_stands_in_its_meta_alone_is_copied(tmp_path):
    path = write_series(tmp_path / "in", count=1)[0]
    dataset = dcmread(path)
    del dataset.SOPClassUID
    dataset.save_as(path)
    deidentify(tmp_path / "in", tmp_path / "copy")
    assert dcmread(tmp_path / "copy" / "CT-0001.dcm").SOPClassUID.name == "CT Image Storage"


def test_an_original_called_removed_can_be_copied_again(tmp_path):
    write_series(tmp_path / "in", edit=lambda ds, k: setattr(ds, "PatientName", "REMOVED"))
    assert deidentify(tmp_path / "in", tmp_path / "copy")["remaining"] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Lt Lung", True), ("Lunge rechts", True), ("GTV_1", True), ("Lung Doe", False),
     ("Lung_L 4711-77", False), ("", False), ("Lüng", False)],
)  # fmt: skip
def test_anatomical_names(name, expected):
    assert anatomical(name) == expected


def errors(path):
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return {line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")}


@pytest.mark.skipif(not which("dciodvfy"), reason="dciodvfy is not installed")
def test_copies_have_no_error_that_the_originals_had_not(tmp_path):
    folder = write_original(tmp_path / "in")
    save(enhanced_ct(), folder / "enhanced.dcm")
    dataset = dcmread(folder / "enhanced.dcm")
    give_identity(dataset)
    dataset.save_as(folder / "enhanced.dcm")
    deidentify(folder, tmp_path / "copy")
    before = set().union(*(errors(path) for path in folder.rglob("*.dcm")))
    for path in (tmp_path / "copy").glob("*.dcm"):
        assert errors(path) <= before
