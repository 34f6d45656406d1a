"""Pictures that are copied only if asked for, one by one: what stays, what goes, what is told."""

import subprocess
from shutil import which

import numpy as np
import pytest
from dicom_factory import ct_slice, expected_hu, save, write_series
from identity_builders import SECRETS, remaining_identifiers
from picture_builders import CINE, PHOTO, PICTURES, SCREEN, give_identity, picture, write
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from utils.deidentify import deidentify
from utils.deidentify.__main__ import main
from utils.dicom import read_series
from utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    write_series(tmp_path / "in", edit=give_identity)
    return tmp_path / "in"


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_asked_for_keeps_what_it_shows_and_no_text(folder, tmp_path, kind):
    expected = write(kind, folder / "shot.dcm")
    report = deidentify(folder, tmp_path / "copy", "Case_007", also=["shot.dcm"])
    assert (report["files"], report["left_out"], report["refused"]) == (6, [], [])
    copy = tmp_path / "copy" / "IMAGE-0001.dcm"
    np.testing.assert_array_equal(dcmread(copy).pixel_array, expected)
    data, original = copy.read_bytes(), dcmread(folder / "shot.dcm")
    assert not [secret for secret in SECRETS if secret in data]
    found = dcmread(copy)
    assert found.SOPClassUID == original.SOPClassUID and found.PatientID == "Case_007"
    stored = np.uint16 if expected.dtype == np.uint16 else np.uint8
    assert found.PixelData == expected.astype(stored).tobytes(), "and nothing in other bits"
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert remaining_identifiers(folder, tmp_path / "copy") == []
    said = [flag for flag in report["flags"] if "shot.dcm was asked for" in flag]
    assert len(said) == 1 and "copied as IMAGE-0001.dcm" in said[0] and "not judged" in said[0]
    table = (tmp_path / "copy" / "deidentification.csv").read_text()
    assert "IMAGE object,asked for; what its pixels show was not judged,1\n" in table
    slices = [dcmread(path) for path in sorted((tmp_path / "copy").glob("CT-*"))]
    hu = np.stack([ds.pixel_array - 1024 for ds in slices[::-1]])
    np.testing.assert_array_equal(hu, expected_hu(5))


def test_pictures_are_asked_for_one_by_one(folder, tmp_path, capsys):
    for name in ("one.dcm", "two.dcm"):
        save(picture(SCREEN, SOPInstanceUID=f"1.2.3.{ord(name[0])}"), folder / name)
    command = [str(folder), "--out", str(tmp_path / "copy"), "--also"]
    assert main([*command, str(folder / "two.dcm")]) == 0
    said = capsys.readouterr().out
    assert "left out: one.dcm: Secondary Capture" in said and "(--also)" in said
    assert "flags: two.dcm was asked for" in said
    assert len(list((tmp_path / "copy").glob("IMAGE-*"))) == 1


@pytest.mark.parametrize("name", ["none.dcm", "*.dcm", ".", "", "../beside.dcm", "in"])
def test_what_is_no_file_of_the_folder_cannot_be_asked_for(folder, tmp_path, capsys, name):
    save(picture(SCREEN), folder / "shot.dcm")
    save(picture(SCREEN), tmp_path / "beside.dcm")
    assert main([str(folder), "--out", str(tmp_path / "copy"), "--also", name]) == 1
    assert "Ask for one file at a time" in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()


def test_a_slice_that_says_that_text_was_burnt_in_stays_a_slice(tmp_path):
    def edit(dataset, k):
        give_identity(dataset)
        dataset.BurnedInAnnotation = "YES" if k == 2 else "NO"

    name = write_series(tmp_path / "in", edit=edit)[2].name
    report = deidentify(tmp_path / "in", tmp_path / "copy", also=[name])
    assert len(report["flags"]) == 1 and "BurnedInAnnotation is YES" in report["flags"][0]
    np.testing.assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))
    said = [dcmread(path).BurnedInAnnotation for path in (tmp_path / "copy").glob("CT-*")]
    assert sorted(said) == ["NO"] * 4 + ["YES"]


def test_a_page_of_a_ct_becomes_a_picture(folder, tmp_path):
    page = ct_slice(80)
    give_identity(page)
    page.ImageType, page.SeriesInstanceUID = ["DERIVED", "SECONDARY", "SCREEN SAVE"], "1.2.3"
    save(page, folder / "page.dcm")
    deidentify(folder, tmp_path / "copy", also=["page.dcm"])
    found = dcmread(tmp_path / "copy" / "IMAGE-0001.dcm")
    np.testing.assert_array_equal(found.pixel_array, page.pixel_array)


NEVER = {
    "Comprehensive SR": ("88.33", "a document"),
    "X-Ray Radiation Dose SR": ("88.67", "a document"),
    "Key Object Selection": ("88.59", "a document"),
    "Encapsulated PDF": ("104.1", "a document"),
    "Encapsulated CDA": ("104.2", "a document"),
    "Video Endoscopic": ("77.1.1.1", "moving pictures"),
    "MR Image": ("4", "nothing else can be made safe"),
}


@pytest.mark.parametrize("kind", NEVER)
def test_what_no_list_makes_safe_is_refused_even_if_asked_for(folder, tmp_path, capsys, kind):
    number, reason = NEVER[kind]
    save(picture(number), folder / "other.dcm")
    command = [str(folder), "--out", str(tmp_path / "copy"), "--also", "other.dcm"]
    assert main(command) == 1, "what was asked for was not done"
    said = capsys.readouterr().out
    assert "refused: other.dcm was asked for and not copied" in said and reason in said
    assert f"left out: other.dcm: {kind}" in said
    np.testing.assert_array_equal(read_series(tmp_path / "copy").hu, expected_hu(5))
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == [*(f"CT-000{k}.dcm" for k in range(1, 6)), "deidentification.csv"]


def test_a_codestream_that_asks_for_gigabytes_is_refused(folder, tmp_path):
    write("a photograph as JPEG 2000", folder / "shot.dcm")
    size = b"\xff\x51" + bytes([0, 47, 0, 0])  # SIZ of three components, then columns and rows
    data = (folder / "shot.dcm").read_bytes()
    at = data.index(b"\xff\x4f\xff\x51") + 8
    assert data[at - 6 : at] == size
    (folder / "shot.dcm").write_bytes(data[:at] + (60_000).to_bytes(4, "big") * 2 + data[at + 8 :])
    with pytest.raises(InputError, match=r"shot\.dcm cannot be de-identified .*exceeds limit"):
        deidentify(folder, tmp_path / "copy", also=["shot.dcm"])


def test_a_film_is_none_whatever_its_class(folder, tmp_path):
    dataset = picture(CINE, NumberOfFrames=2)
    dataset.PixelData = encapsulate([b"\0\0\1\xb3" * 8])
    dataset["PixelData"].is_undefined_length = True
    save(dataset, folder / "film.dcm", UID("1.2.840.10008.1.2.4.102"))
    report = deidentify(folder, tmp_path / "copy", also=["film.dcm"])
    assert "moving pictures" in report["refused"][0] and report["files"] == 5


def test_a_name_within_the_pixels_is_not_delivered(folder, tmp_path):
    shot = picture(SCREEN)
    shot.PixelData = b"JaneDoe " * 2 + shot.PixelData[16:]
    save(shot, folder / "shot.dcm")
    with pytest.raises(InputError, match=r"its copy was removed.*IMAGE-0001.dcm: byte"):
        deidentify(folder, tmp_path / "copy", also=["shot.dcm"])
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("plant", "place"),
    [("ImageComments", "ImageComments"), ("surplus", "byte"), ("ICCProfile", "ICCProfile")],
)
def test_a_picture_is_checked_as_every_file(folder, tmp_path, plant, place):
    save(picture(PHOTO), folder / "shot.dcm")
    deidentify(folder, tmp_path / "copy", also=["shot.dcm"])
    path = tmp_path / "copy" / "IMAGE-0001.dcm"
    dataset = dcmread(path)
    if plant == "surplus":
        dataset.PixelData += b"somebody"
    else:
        setattr(dataset, plant, b"somebody" if plant == "ICCProfile" else "somebody")
    dataset.save_as(path)
    found = remaining_identifiers(folder, tmp_path / "copy")
    assert len(found) == 1 and found[0][0] == path.name and place in found[0][1]


def test_of_a_data_set_files_are_named_from_its_folder_on(tmp_path):
    write_series(tmp_path / "in" / "Images" / "Case_004", edit=give_identity)
    for name in ("a.dcm", "b.dcm"):
        save(picture(SCREEN), tmp_path / "in" / "Images" / "Case_004" / name)
    report = deidentify(tmp_path / "in", tmp_path / "copy", also=["Images/Case_004/a.dcm"])
    assert (tmp_path / "copy" / "Images" / "Case_004" / "IMAGE-0001.dcm").is_file()
    assert [said.split(": ")[0] for said in report["left_out"]] == ["Images/Case_004/b.dcm"]


@pytest.mark.parametrize("fault", [{"BitsStored": 99}, {"HighBit": 3}, {"Rows": 4000}])
def test_a_damaged_picture_is_told_in_a_sentence(folder, tmp_path, fault):
    save(picture(SCREEN, **fault), folder / "shot.dcm")
    with pytest.raises(InputError, match=r"shot\.dcm"):
        deidentify(folder, tmp_path / "copy", also=["shot.dcm"])
    assert deidentify(folder, tmp_path / "copy")["files"] == 5, "it is left out otherwise"


def errors(path):
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return {line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")}


@pytest.mark.skipif(not which("dciodvfy"), reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", sorted(set(PICTURES) - {"a deflated one"}))  # it reads none
def test_a_picture_gets_no_error_that_it_had_not(folder, tmp_path, kind):
    write(kind, folder / "shot.dcm")
    deidentify(folder, tmp_path / "copy", also=["shot.dcm"])
    assert errors(tmp_path / "copy" / "IMAGE-0001.dcm") <= errors(folder / "shot.dcm")
