"""One SeriesInstanceUID, two things: refused with both values and their slices, or one chosen."""

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import ct_slice, enhanced_ct, expected_hu, save, write_series
from pydicom.dataset import Dataset

from utils.dicom import read_series
from utils.dicom.__main__ import main
from utils.workspace import chosen_series


def by_turns(*values):
    return lambda k: values[k % len(values)]


def halves(one, other):
    return lambda k: one if k < 3 else other


def series(folder, count=6, **elements):
    """A series in which each of these elements has the value that a function of the slice gives."""

    def edit(dataset, k):
        for keyword, value in elements.items():
            setattr(dataset, keyword, value(k))

    return write_series(folder, count, edit=edit)


def per_frame(folder, sequence, keyword, value):
    """An enhanced CT of six frames, each with an element in a sequence of its functional groups."""
    dataset = enhanced_ct(6)
    for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        setattr(item, keyword, value(k))
        setattr(group, sequence, [item])
    save(dataset, folder / "1.dcm")


@pytest.mark.parametrize("order", [by_turns, halves])
@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("StudyInstanceUID", "1.2.3", "1.2.4"),
        ("PatientName", "Doe^Jane", "Roe^Joan"),
        ("PatientBirthDate", "19500101", "19600101"),
        ("PatientSex", "F", "M"),
        ("SeriesDescription", "Thorax 0%", "Thorax 50%"),
        ("ConvolutionKernel", "B30f", "B70f"),
        ("TemporalPositionIdentifier", "1", "2"),
    ],
)
def test_what_is_one_in_a_series_is_one(tmp_path, keyword, one, other, order):
    series(tmp_path, **{keyword: order(one, other)})
    message = refusal(tmp_path)
    listed = ", ".join(f"1-00{6 - k}.dcm" for k in range(6) if order(one, other)(k) == one)
    told = keyword in ("ConvolutionKernel", "TemporalPositionIdentifier")  # and nothing of people
    first, second, choice = (one, other, one) if told else ("value 1", "value 2", "…")
    assert f"{keyword} is {first} in {listed}; {second} in 1-00" in message
    assert f"choose one: --series {keyword}={choice} (" in message
    assert told or (one not in message and other not in message) or keyword == "PatientSex"
    for value in (one, other):
        kept = [k for k in range(6) if order(one, other)(k) == value]
        hu = read_series(tmp_path, f"{keyword}={value}").hu
        assert np.array_equal(hu, expected_hu(6)[kept])


def test_values_of_an_image_type_beyond_the_third_are_a_makers_own(tmp_path):
    kinds = [
        ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        ["ORIGINAL ", "PRIMARY", "AXIAL", "X"],
    ]
    series(tmp_path, ImageType=by_turns(*kinds))
    assert_whole(read_series(tmp_path), 6)
    kinds[1][0] = "DERIVED"
    series(tmp_path, ImageType=by_turns(*kinds))
    assert r"DERIVED\PRIMARY\AXIAL in 1-005.dcm" in refusal(tmp_path)


def test_what_only_looks_different_and_what_is_missing_contradict_nothing(tmp_path):
    series(
        tmp_path,
        PatientName=by_turns("Doe^Jane", "DOE^JANE^^"),
        PatientBirthDate=by_turns("19500101", ""),
        ConvolutionKernel=by_turns("", "B30f"),
        SliceThickness=by_turns("3", "3.00"),
        AcquisitionNumber=lambda k: None if k == 2 else 1,
        RescaleType=by_turns("HU", ""),
    )
    volume = read_series(tmp_path)
    assert_whole(volume, 6)
    assert volume.notes == ()


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("AcquisitionNumber", (1, 2, 1, 2, 1, 2)),
        ("AcquisitionNumber", (1, 2, 3, 1, 2, 3)),
        ("AcquisitionNumber", (1, 1, 2, 1, 2, 2)),
        ("AcquisitionNumber", (1, 101, 2, 102, 3, 103)),
        ("ContentTime", ("101500", "101530") * 3),
        ("ContentTime", ("101500", "101530", "101501.5", "101531", "101502", "101533")),
        ("ContentTime", ("101505", "101532", "101503", "101531", "101502", "101530")),
        ("AcquisitionTime", ("1015", "1016", "1017") * 2),
        ("SliceThickness", ("3", "5") * 3),
        ("KVP", ("80", "140") * 3),
    ],
)
def test_what_changes_to_and_fro_is_interleaved(tmp_path, keyword, values):
    series(tmp_path, **{keyword: lambda k: values[k]})
    message = refusal(tmp_path)
    assert f"interleaved along the patient: {keyword} changes to and fro" in message
    assert f"{values[0]} in 1-006.dcm" in message and f"; {values[-1]} in 1-00" in message


@pytest.mark.parametrize(
    "elements",
    [
        {"AcquisitionNumber": halves(2, 1)},
        {"AcquisitionNumber": lambda k: 7 - k},
        {"AcquisitionNumber": lambda k: (4, 44, 44, 45, 45, 45)[k]},
        {"ContentTime": lambda k: f"10150{k}"},
        {"ContentTime": lambda k: f"1015{(1, 2, 2, 3, 5, 4)[k]:02d}"},  # not written in turn
        {
            "ContentTime": lambda k: f"10150{(0, 0, 1, 0, 1, 1)[k]}",
            "AcquisitionNumber": lambda k: 1,
        },
        {"ContentTime": lambda k: "", "AcquisitionTime": lambda k: ""},
    ],
)
def test_blocks_that_follow_one_another_are_fine(tmp_path, elements):
    series(tmp_path, **elements)
    volume = read_series(tmp_path)
    assert_whole(volume, 6)
    assert volume.notes == ()


def test_a_thickness_that_changes_once_is_noted(tmp_path):
    series(tmp_path, SliceThickness=halves("3", "5"))
    (note,) = read_series(tmp_path).notes
    first, second = "1-006.dcm, 1-005.dcm, 1-004.dcm", "1-003.dcm, 1-002.dcm, 1-001.dcm"
    assert note == f"SliceThickness is 3 in {first}; 5 in {second}."


def test_two_phases_at_the_same_places_are_told_by_what_differs(tmp_path):
    series(tmp_path / "case" / "a", AcquisitionNumber=lambda k: 1)
    for k in range(6):
        other = ct_slice(k)
        other.AcquisitionNumber, other.SOPInstanceUID = 2, f"1.2.3.{k}"
        other.PixelData = bytes(96)
        save(other, tmp_path / "case" / "b" / f"{k}.dcm")
    assert "--series AcquisitionNumber=1 (" in refusal(tmp_path / "case")
    assert_whole(read_series(tmp_path / "case", "AcquisitionNumber=1"), 6)


def test_a_range_a_series_and_several_elements_can_be_chosen(tmp_path, capsys):
    times = ("101500", "101530", "101501", "101531", "101502", "101532")
    series(tmp_path, ContentTime=lambda k: times[k], KVP=halves("80", "140"))
    assert "--series ContentTime=101500..101502 (" in refusal(tmp_path)
    hu = expected_hu(6)
    for asked in ("ContentTime=101500..101502", "largest,ContentTime=101500..101502"):
        assert np.array_equal(read_series(tmp_path, asked).hu, hu[::2])
    both = "ContentTime=101500..101502,KVP=80"
    assert np.array_equal(read_series(tmp_path, both).hu, hu[:3:2])
    assert "no slice has KVP=9, but: 140 in 1-001.dcm" in refusal(tmp_path, series_uid="KVP=9")
    assert "Rows is no element to choose" in refusal(tmp_path, series_uid="Rows=8")
    assert main([str(tmp_path), "--series", both]) == 0
    assert "2 slices of 8 x 6" in capsys.readouterr().out


def test_a_data_set_chooses_by_series_txt(tmp_path):
    lines = "Case 1  AcquisitionNumber=2\nb 1.2.3,SeriesDescription=Thorax 0%\nc largest\n"
    (tmp_path / "series.txt").write_text(lines)
    assert chosen_series(tmp_path) == {
        "Case 1": "AcquisitionNumber=2",
        "b": "1.2.3,SeriesDescription=Thorax 0%",
        "c": "largest",
    }


@pytest.mark.parametrize("word", "MIP MINIP MIN_IP VNC SUBTRACTION PERFUSION IODINE".split())
def test_derived_pictures_that_are_no_attenuation_are_refused(tmp_path, word):
    for kind in (
        ["DERIVED", "SECONDARY", "AXIAL", word],
        ["DERIVED", "PRIMARY", f"CT {word} THIN"],
    ):
        series(tmp_path, ImageType=lambda k, kind=kind: kind)
        message = refusal(tmp_path)
        assert (
            "1-001.dcm is " in message and "expected Hounsfield units (ImageType DERIVED" in message
        )


@pytest.mark.parametrize("word", ["AVERAGE", "MPR", "RESAMPLED", "VMI"])
def test_averages_and_reformats_are_noted(tmp_path, word):
    series(tmp_path, ImageType=lambda k: ["DERIVED", "SECONDARY", "AXIAL", word])
    volume = read_series(tmp_path)
    assert_whole(volume, 6)
    (note,) = volume.notes
    assert note.startswith("6 slices are reckoned from others: ") and word in note


def test_other_words_of_an_image_type_say_nothing(tmp_path):
    series(tmp_path, ImageType=lambda k: ["DERIVED", "SECONDARY", "AXIAL", "CHIMP", "AMIPS"])
    assert read_series(tmp_path).notes == ()


@pytest.mark.parametrize(
    ("sequence", "keyword", "values"),
    [
        ("FrameContentSequence", "StackID", ("1", "1", "1", "2", "2", "2")),
        ("FrameContentSequence", "TemporalPositionIndex", (1, 2) * 3),
        ("FrameContentSequence", "FrameAcquisitionNumber", (1, 2) * 3),
        ("CTReconstructionSequence", "ConvolutionKernel", ("B30f", "B70f") * 3),
        ("CTXRayDetailsSequence", "KVP", (80.0, 140.0) * 3),
    ],
)
def test_an_enhanced_ct_of_two_things_is_refused_and_one_can_be_chosen(
    tmp_path, sequence, keyword, values
):
    per_frame(tmp_path, sequence, keyword, lambda k: values[k])
    message = refusal(tmp_path)
    assert f"{keyword} " in message and f"{values[5]} in 1.dcm frame 6" in message
    kept = [5 - k for k in range(6) if values[k] == values[0]][::-1]  # frame 1 is the head
    hu = read_series(tmp_path, f"{keyword}={values[0]}").hu
    assert np.array_equal(hu, expected_hu(6)[kept])


def test_frames_of_an_enhanced_ct_are_all_attenuation(tmp_path):
    def of_types(type_of):
        per_frame(tmp_path, "CTImageFrameTypeSequence", "FrameType", type_of)

    kind = ["ORIGINAL", "PRIMARY", "AXIAL", "NONE"]
    of_types(lambda k: kind)
    assert_whole(read_series(tmp_path), 6)
    of_types(lambda k: ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"] if k == 5 else kind)
    message = refusal(tmp_path)
    assert r"FrameType is ORIGINAL\PRIMARY\LOCALIZER in 1.dcm frame 6; " in message
    of_types(lambda k: ["DERIVED", "PRIMARY", "AXIAL", "SUBTRACTION"])
    assert "1.dcm frame 6 is reckoned from several series" in refusal(tmp_path)
    dataset = enhanced_ct(6)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence[0].RescaleType = "MGML"
    save(dataset, tmp_path / "1.dcm")
    assert "1.dcm frame 6 is in MGML, expected Hounsfield units" in refusal(tmp_path)
