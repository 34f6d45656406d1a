"""Files of a folder: which are read, which are skipped and noted, which are refused."""

import os
import shutil

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import ROOT, ct_slice, save, write_series
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from utils.dicom import files as dicom_files
from utils.dicom import header as dicom_header
from utils.dicom.reader import read_series


def test_files_that_are_not_dicom_are_skipped_and_counted(tmp_path):
    write_series(tmp_path)
    (tmp_path / "README").write_text("a text without suffix")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(600))
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 3 not DICOM (.DS_Store, README, Thumbs.db).",)


def test_dicomdir_is_skipped(tmp_path):
    write_series(tmp_path)
    directory = FileDataset(None, {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    directory.SOPClassUID, directory.SOPInstanceUID = "1.2.840.10008.1.3.10", f"{ROOT}.8"
    save(directory, tmp_path / "DICOMDIR")
    save(directory, tmp_path / "index.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 2 DICOMDIR (DICOMDIR, index.dcm).",)


@pytest.mark.parametrize("name", ["1-009.dcm", "1-009.DCM", "1-009.ima"])
def test_empty_file_named_like_a_slice_is_refused(tmp_path, name):
    write_series(tmp_path)
    (tmp_path / name).touch()
    assert f"{name} is empty (0 bytes)" in refusal(tmp_path)


def test_empty_file_without_suffix_among_slices_without_suffix_is_refused(tmp_path):
    write_series(tmp_path, suffix="")
    (tmp_path / "1-009").touch()
    assert "1-009 is empty (0 bytes)" in refusal(tmp_path)


def test_destroyed_file_named_like_a_slice_is_refused(tmp_path):
    paths = write_series(tmp_path)
    paths[2].write_bytes(np.random.default_rng(0).bytes(2000))
    assert "1-003.dcm is not readable as DICOM though it is named like" in refusal(tmp_path)


@pytest.mark.parametrize("modality", ["SR", "RTSTRUCT", "RTPLAN"])
def test_objects_without_pixels_are_skipped(tmp_path, modality):
    write_series(tmp_path)
    other = ct_slice(0)
    other.Modality, other.SOPClassUID = modality, RTStructureSetStorage
    del other.PixelData
    save(other, tmp_path / "other.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == (f"Skipped 1 {modality} object (other.dcm).",)


def test_slice_that_lost_its_pixels_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 2 and ds.__delattr__("PixelData"))
    assert "1-003.dcm ends before its pixel data" in refusal(tmp_path)


def test_segmentation_and_localizer_are_skipped(tmp_path):
    write_series(tmp_path)
    seg, localizer = ct_slice(7), ct_slice(8)
    seg.Modality, seg.SOPClassUID = "SEG", SegmentationStorage
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    save(seg, tmp_path / "seg.dcm")
    save(localizer, tmp_path / "scout.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 1 localizer (scout.dcm); 1 SEG object (seg.dcm).",)


def test_empty_folder_is_refused(tmp_path):
    assert "no file, expected the .dcm files of one CT series" in refusal(tmp_path)


def test_folder_without_slices_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("nothing here")
    assert "1 files, none a CT slice: 1 not DICOM (README.md)" in refusal(tmp_path)


def test_slices_in_sub_folders_are_one_series(tmp_path):
    paths = write_series(tmp_path)
    for k, path in enumerate(paths):
        (tmp_path / f"part {k % 2}").mkdir(exist_ok=True)
        path.rename(tmp_path / f"part {k % 2}" / path.name)
    (tmp_path / "part 0" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert_whole(read_series(tmp_path))


def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    """As for a user without permission; the tests may run as root, whom nothing is denied."""
    paths = write_series(tmp_path)

    def opened(path, *arguments, **options):
        if str(path) == str(paths[2]):
            raise PermissionError(13, "Permission denied")
        return open(path, *arguments, **options)

    monkeypatch.setattr(dicom_header, "open", opened, raising=False)
    assert "1-003.dcm cannot be read (Permission denied)" in refusal(tmp_path)


def test_broken_link_is_refused(tmp_path):
    write_series(tmp_path)
    (tmp_path / "1-009.dcm").symlink_to(tmp_path / "gone")
    assert "1-009.dcm cannot be read" in refusal(tmp_path)


def test_pipe_does_not_block(tmp_path):
    write_series(tmp_path)
    os.mkfifo(tmp_path / "pipe.dcm")
    volume = read_series(tmp_path)
    assert volume.notes == ("Skipped 1 not DICOM (pipe.dcm).",)


def test_awkward_paths_load_and_a_read_only_folder_stays_as_it_is(tmp_path):
    folder = tmp_path / "Fälle 2024 é" / ("x" * 200)
    write_series(folder)
    folder.chmod(0o555)
    before = sorted(folder.iterdir())
    assert_whole(read_series(folder))
    assert sorted(folder.iterdir()) == before
    folder.chmod(0o755)


def test_whole_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_files, "MOST_FILES", 4)
    write_series(tmp_path)
    assert "more than 4 files. Give the folder of one series" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        ("IM{:04d}", "IM0002"),
        ("CT.1.2.840.{}", "CT.1.2.840.2"),
        ("{}.dcm", "2.dcm"),
        ("0123456789abcdef012345678{:07x}", "0123456789abcdef0123456780000002"),
    ],
)
@pytest.mark.parametrize(
    "left", [b"", b"<?xml version='1.0'?><Error/>", b"version https://git-lfs"]
)
def test_text_or_nothing_in_the_place_of_slices_is_refused(tmp_path, names, lost, left):
    """At the head end, where no gap tells of it."""
    for k, path in enumerate(reversed(write_series(tmp_path))):
        path.rename(tmp_path / names.format(k))
    for number in (2, 1, 0):
        (tmp_path / names.format(number)).write_bytes(left)
    found = "is empty (0 bytes)" if not left else "is not readable as DICOM"
    first = min(names.format(number) for number in (2, 1, 0))
    assert f"{first} {found} though it is named like a slice, and 2 more such" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".xml", ".dcm.part", ".html"])
def test_slices_that_came_under_another_suffix_give_a_note(tmp_path, suffix):
    for path in write_series(tmp_path)[3:]:
        path.unlink()
        path.with_suffix(suffix).write_text("<html>503</html>")
    volume = read_series(tmp_path)
    assert_whole(volume, 3)
    assert "2 files in the place of slices are no DICOM" in volume.notes[-1]


def test_strange_files_beside_numbers_without_a_slice_give_a_note(tmp_path):
    """Whatever they are called: nine pictures are numbered from 3 on, and two files are none."""
    write_series(tmp_path, 9, edit=lambda ds, k: setattr(ds, "InstanceNumber", 11 - k))
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(b"")
    notes = read_series(tmp_path).notes
    assert notes[0] == "Skipped 2 empty (0 bytes) (a.bin, b.bin)."
    assert "2 files in the place of slices are no DICOM, and 2 numbers up to" in notes[1]


@pytest.mark.parametrize("number", [lambda k: 40 + k, lambda k: 1 + k])
def test_a_file_that_says_nothing_of_slices_gives_no_such_note(tmp_path, number):
    """Sidecars of slices, a README and Thumbs.db; series may be numbered from anywhere."""
    paths = write_series(tmp_path, edit=lambda ds, k: setattr(ds, "InstanceNumber", number(k)))
    paths[0].with_suffix(".json").write_text("{}")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (notes,) = read_series(tmp_path).notes
    assert notes == "Skipped 2 not DICOM (1-005.json, Thumbs.db)."


def test_what_systems_leave_below_a_case_is_skipped_and_counted(tmp_path):
    paths = write_series(tmp_path)
    (tmp_path / "._1-001.dcm").write_bytes(b"\0\5\x16\7" + bytes(300))
    for folder in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        (tmp_path / folder).mkdir()
        shutil.copy(paths[0], tmp_path / folder / "1-001.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes[0].startswith("Skipped 4 left by the system (")


def test_an_object_of_a_makers_own_class_without_pixels_is_skipped(tmp_path):
    """As Siemens' 1.3.12.2.1107.5.9.1; one that was cut off before its pixels says its rows."""
    write_series(tmp_path)
    other = ct_slice(0)
    other.SOPClassUID = "1.3.12.2.1107.5.9.1"
    del other.PixelData
    save(other, tmp_path / "cut.dcm")
    assert "cut.dcm ends before its pixel data" in refusal(tmp_path)
    del other.Rows, other.Columns
    save(other, tmp_path / "cut.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 1 CT object without pixels (cut.dcm).",)


def test_a_screenshot_is_skipped_but_not_slices_that_are_kept_as_such(tmp_path):
    capture = "1.2.840.10008.5.1.4.1.1.7"
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SOPClassUID", capture))
    report = ct_slice(0)
    report.SOPClassUID, report.SeriesInstanceUID, report.PatientID = capture, "1.2.9", ""
    for keyword in ("ImagePositionPatient", "SliceLocation", "RescaleSlope"):
        delattr(report, keyword)
    save(report, tmp_path / "dose.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped 1 screenshot (dose.dcm).",)
