"""What one series has but once, in whatever element it shows; what is no attenuation, by any word.

The elements are those that the standard gives to patient, study, series and equipment (PS3.3 A.3),
of which a series has one each, and those of one reconstruction.
"""

import numpy as np
import pytest
from body_builders import chest, doubted, written
from dicom_checks import refusal
from dicom_factory import expected_hu, write_series
from pydicom import dcmread

from utils.dicom import read_series


def by_turns(folder, keyword, *values):
    def edit(dataset, k):
        setattr(dataset, keyword, values[k % len(values)])

    write_series(folder, 6, edit=edit)


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("StudyDate", "20200101", "20210101"),
        ("AccessionNumber", "A1", "B2"),
        ("OtherPatientIDs", "A1", "B2"),
        ("PatientAge", "030Y", "060Y"),
        ("SeriesNumber", "3", "4"),
        ("ProtocolName", "Thorax arterial", "Thorax venous"),
        ("Manufacturer", "SIEMENS", "GE"),
        ("PatientPosition", "HFS", "FFS"),
        ("FilterType", "BODY", "HEAD"),
        ("AcquisitionDate", "20200101", "20210101"),
        ("AcquisitionDateTime", "20200101101010.5", "20200101141010"),
        ("SeriesTime", "101010", "141010.25"),
        ("ReconstructionDiameter", "384", "500"),
    ],
)
def test_two_by_turns_are_refused_and_one_can_be_chosen(tmp_path, keyword, one, other):
    by_turns(tmp_path, keyword, one, other)
    message = refusal(tmp_path)
    assert f"{keyword} " in message and "1-006.dcm, 1-004.dcm, 1-002.dcm" in message
    people = "StudyDate AccessionNumber OtherPatientIDs PatientAge ProtocolName AcquisitionDateTime"
    assert (f"is {one} in" in message) is not (keyword in people)
    kept = read_series(tmp_path, f"{keyword}={one}")
    assert np.array_equal(kept.hu, expected_hu(6)[::2])


def test_an_acquisition_over_midnight_is_one(tmp_path):
    def edit(dataset, k):
        dataset.AcquisitionDate = "20200101" if k < 3 else "20200102"
        dataset.AcquisitionDateTime = "20200101235959" if k < 3 else "20200102000001"

    write_series(tmp_path, 6, edit=edit)
    assert read_series(tmp_path).notes == ()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (r"WATER", "a material"),
        (r"CT_SOM5\DE_IODINEMAP", "a material"),
        (r"CALCIUM", "a material"),
        (r"Z_EFFECTIVE", "atoms"),
        (r"ZEFF", "atoms"),
        (r"ELECTRONDENSITY", "atoms"),
        (r"LUNG PBV", "perfusion"),
        (r"MIP10", "a projection"),
        (r"MIN", "a projection"),
        (r"VRT", "rendered"),
        (r"CURVED", "curved"),
        (r"VIRTUAL", "without contrast"),
        (r"BONE REMOVED", "without contrast"),
        (r"DE_FUSION", "laid over"),
        (r"MASK", "laid over"),
        (r"SUB", "several series"),
        (r"STDDEV", "several series"),
        (r"SCOUT", "a localizer"),
        (r"TOPOGRAM", "a localizer"),
    ],
)
def test_words_of_an_image_type_that_are_no_attenuation(tmp_path, words, what):
    for kind in (["DERIVED", "SECONDARY", "AXIAL", *words.split("\\")], words.split("\\")):
        write_series(
            tmp_path, edit=lambda dataset, k, kind=kind: setattr(dataset, "ImageType", kind)
        )
        message = refusal(tmp_path)
        assert what in message and "expected Hounsfield units (ImageType " in message


@pytest.mark.parametrize("word", ["MONOENERGETIC", "VIRTUAL_MONO", "VIRTUAL MONO 70", "LOW_DOSE"])
def test_words_of_attenuation(tmp_path, word):
    kind = ["DERIVED", "PRIMARY", "AXIAL", word]
    write_series(tmp_path, edit=lambda dataset, k: setattr(dataset, "ImageType", kind))
    assert np.array_equal(read_series(tmp_path).hu, expected_hu(5))


@pytest.mark.parametrize("keyword", ["SeriesDescription", "DerivationDescription"])
@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Thorax MIP 10/2", "a projection"),
        ("MinIP cor", "a projection"),
        ("maximum intensity, 8 mm", "a projection"),
        ("VRT", "a rendered picture"),
        ("Lung PBV", "no attenuation"),
        ("Eff. Z", "no attenuation"),
        ("Iodine overlay", "no attenuation"),
        ("KM mittig, 5 min delay, low dose", None),
        ("Thorax 1.0 Br64 lung", None),
        ("Iodine contrast, chimp", None),
    ],
)
def test_what_a_description_tells_is_doubted(tmp_path, keyword, said, what):
    found = doubted(tmp_path, **{keyword: said})
    assert found == ([keyword] if what else [])
    notes = read_series(tmp_path).notes
    assert not what or notes == (f"{keyword} tells of {what} (suspect: {keyword}).",)


@pytest.mark.parametrize(
    ("slope", "intercept", "suspect"),
    [
        ("1", "0", "RescaleIntercept"),
        ("1", "-2048", "RescaleIntercept"),
        ("0.5", "-1024", "RescaleSlope"),
        ("-1", "-1024", "RescaleSlope"),
    ],
)
def test_the_rescale_of_a_single_slice(tmp_path, slope, intercept, suspect):
    written(tmp_path)
    dataset = dcmread(tmp_path / "3.dcm")
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.save_as(tmp_path / "3.dcm")
    volume = read_series(tmp_path)
    assert volume.doubted == [suspect]
    assert f"in 3.dcm with slope {float(slope):g}, intercept {intercept}" in volume.notes[-1]
    dataset.RescaleSlope, dataset.RescaleIntercept = "1.01", "-1020"
    dataset.save_as(tmp_path / "3.dcm")
    assert read_series(tmp_path).doubted == []


def test_slices_of_a_coronal_series_are_judged_along_their_own_axis(tmp_path):
    hu = chest(8)
    hu += (np.arange(8) % 2 * 60)[:, None, None] * (hu > 0)
    written(tmp_path, hu, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    for k in range(8):
        dataset = dcmread(tmp_path / f"{k}.dcm")
        dataset.ImagePositionPatient = [0, 3 * k, 0]
        dataset.save_as(tmp_path / f"{k}.dcm")
    assert read_series(tmp_path).doubted == ["SeriesInstanceUID"]


@pytest.mark.parametrize(
    ("options", "suspect"),
    [
        ({"step": 0.003, "SliceThickness": None}, "ImagePositionPatient"),  # metres
        ({"PixelSpacing": ["4", "8"]}, "PixelSpacing"),
        ({"PixelSpacing": ["8", "4"]}, "PixelSpacing"),
        ({"PixelSpacing": ["8", "7.9"]}, None),
    ],
)
def test_lengths_that_no_scanner_writes(tmp_path, options, suspect):
    assert doubted(tmp_path, **options) == ([suspect] if suspect else [])
