"""Files into one series: what is skipped, warned of and refused (the loader's contract)."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from dicom_factory import (
    ROOT,
    SERIES,
    ct_slice,
    enhanced_ct,
    expected_hu,
    replace_bytes,
    save,
    write_series,
)
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
    SegmentationStorage,
)

from utils import dicom_files, dicom_header
from utils.dicom import header_table, main, read_series
from utils.errors import InputError

SIZE = (5, 8, 6)


def refusal(folder, **options):
    """Message of the error that read_series raises; it names the case and says what is intact."""
    with pytest.raises(InputError) as caught:
        read_series(folder, **options)
    message = str(caught.value)
    assert message.startswith(f"{folder.name}: ")
    assert message.endswith("; nothing was written.")
    return message


def assert_whole(volume, count=5):
    assert volume.hu.dtype == np.int16
    np.testing.assert_array_equal(volume.hu, expected_hu(count))


def test_plain_series(tmp_path):
    paths = write_series(tmp_path / "Case_007")
    volume = read_series(tmp_path / "Case_007")
    assert_whole(volume)
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert volume.notes == ()
    assert volume.files == tuple(map(str, paths))
    assert volume.identity["case"] == "Case_007"
    assert volume.identity["series_uid"] == SERIES
    assert volume.identity["frame_of_reference_uid"] == f"{ROOT}.4"
    # (slice 4, row 2, col 3): x = -20 + 3*0.5, y = -30 + 2*0.75, z = -100 + 4*3
    np.testing.assert_allclose(volume.affine @ [4, 2, 3, 1], [-18.5, -28.5, -88, 1])
    assert not volume.hu.flags.writeable


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*absent"):
        read_series(tmp_path / "absent")


# rows 1-7: files that are no slices


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


def test_empty_file_without_suffix_among_slices_without_suffix(tmp_path):
    write_series(tmp_path, suffix="")
    (tmp_path / "1-009").touch()
    assert "1-009 is empty (0 bytes)" in refusal(tmp_path)


def test_destroyed_file_named_like_a_slice_is_refused(tmp_path):
    paths = write_series(tmp_path)
    paths[2].write_bytes(np.random.default_rng(0).bytes(2000))
    assert "1-003.dcm is not readable as DICOM though it is named like" in refusal(tmp_path)


def test_file_without_preamble_loads_with_a_note(tmp_path):
    paths = write_series(tmp_path)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[132:])  # from the file meta on
    length = 144 + int.from_bytes(data[140:144], "little")
    paths[3].write_bytes(paths[3].read_bytes()[length:])  # without file meta too
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert "2 files have no DICOM preamble or file meta information" in volume.notes[0]


def test_file_without_preamble_that_does_not_parse_is_refused(tmp_path):
    write_series(tmp_path)
    (tmp_path / "1-009.dcm").write_bytes(b"\x08\x00\x16\x00UI\x1a\x00" + bytes(40))
    assert "1-009.dcm" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [1, 10, 95])
def test_truncated_pixels_are_refused(tmp_path, kept):
    path = write_series(tmp_path)[2]
    path.write_bytes(path.read_bytes()[: kept - 96])
    message = refusal(tmp_path)
    assert f"1-003.dcm: truncated pixel data: {kept} bytes" in message
    assert "1 frame(s) of 8 x 6 need 96" in message


def test_every_truncation_of_a_slice_is_refused(tmp_path):
    """Wherever a slice is cut, its loss is an error: never a volume of four slices."""
    path = write_series(tmp_path)[2]
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        assert "1-003.dcm" in refusal(tmp_path)


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


# rows 8-11: which series


def two_series(folder):
    write_series(folder / "thin")

    def other(dataset, k):
        dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.3", "Bone"
        dataset.SOPInstanceUID = f"1.2.3.{k}"

    write_series(folder / "thick", count=3, edit=other)


def test_two_series_are_refused_and_listed(tmp_path):
    two_series(tmp_path)
    message = refusal(tmp_path)
    assert "2 series" in message
    assert f"{SERIES} (CT, “Thorax”, 5 slices)" in message
    assert "1.2.3 (CT, “Bone”, 3 slices)" in message


def test_one_of_two_series_can_be_chosen(tmp_path):
    two_series(tmp_path)
    volume = read_series(tmp_path, series_uid="1.2.3")
    assert_whole(volume, 3)
    assert f"Left out 1 other series: {SERIES} (CT, “Thorax”, 5 slices)." in volume.notes
    assert "no series 9.9, only: " in refusal(tmp_path, series_uid="9.9")


def test_two_patients_are_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 4 and setattr(ds, "PatientID", "P2"))
    message = refusal(tmp_path)
    assert "2 patients" in message and "P1" in message and "P2 (1-001.dcm)" in message
    assert "2 patients" in refusal(tmp_path, series_uid=SERIES)


def test_empty_folder_is_refused(tmp_path):
    assert "no file, expected the .dcm files of one CT series" in refusal(tmp_path)


def test_folder_without_slices_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("nothing here")
    assert "1 files, none a CT slice: 1 not DICOM (README.md)" in refusal(tmp_path)


def test_single_slice_loads_with_a_note(tmp_path):
    write_series(tmp_path, count=1)
    volume = read_series(tmp_path)
    assert_whole(volume, 1)
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert "Only one slice (1-001.dcm)" in volume.notes[0]
    assert "SliceThickness, 3 mm" in volume.notes[0]


# rows 14, 15: copies


def test_copy_of_a_slice_is_skipped(tmp_path):
    paths = write_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.notes == ("Skipped copy.dcm, a copy of 1-003.dcm.",)


def test_two_different_slices_at_one_position_are_refused(tmp_path):
    write_series(tmp_path)
    other = ct_slice(2)
    other.SOPInstanceUID = f"{ROOT}.3.99"
    other.PixelData = bytes(96)
    save(other, tmp_path / "other.dcm")
    message = refusal(tmp_path)
    assert "1-003.dcm and other.dcm lie at one position (-94 mm) but differ" in message


def test_one_instance_uid_at_two_positions_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "SOPInstanceUID", f"{ROOT}.3.1"))
    assert "have the same SOPInstanceUID but lie at different positions" in refusal(tmp_path)


# rows 30, 31, 33-35, 50: codings and places of files


def test_enhanced_multi_frame(tmp_path):
    save(enhanced_ct(), tmp_path / "all.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert volume.files == (str(tmp_path / "all.dcm"),) * 5


def test_multi_frame_without_positions_is_refused(tmp_path):
    dataset = enhanced_ct()
    del dataset.PerFrameFunctionalGroupsSequence
    save(dataset, tmp_path / "all.dcm")
    assert "all.dcm: 5 frames but 0 functional groups" in refusal(tmp_path)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("suffix", ["", ".DCM", ".dcm"])
def test_uncompressed_syntaxes_and_suffixes(tmp_path, syntax, suffix):
    write_series(tmp_path / "a", syntax=syntax, suffix=suffix)
    volume = read_series(tmp_path / "a")
    assert_whole(volume)
    assert volume.identity["transfer_syntax"] == syntax
    assert volume.notes == ()


def test_slices_in_sub_folders_are_one_series(tmp_path):
    paths = write_series(tmp_path)
    for k, path in enumerate(paths):
        (tmp_path / f"part {k % 2}").mkdir(exist_ok=True)
        path.rename(tmp_path / f"part {k % 2}" / path.name)
    (tmp_path / "part 0" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert_whole(read_series(tmp_path))


@pytest.mark.parametrize("modality", ["MR", "PT", "CR"])
def test_other_modalities_are_refused(tmp_path, modality):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "Modality", modality))
    assert f"1-001.dcm is {modality}, expected CT" in refusal(tmp_path)


def test_ct_in_other_units_is_refused(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "RescaleType", "Z_EFF"))
    assert "1-001.dcm is in Z_EFF, expected Hounsfield units" in refusal(tmp_path)


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


def test_awkward_paths_and_a_read_only_folder(tmp_path):
    folder = tmp_path / "Fälle 2024 é" / ("x" * 200)
    write_series(folder)
    folder.chmod(0o555)
    before = sorted(folder.iterdir())
    assert_whole(read_series(folder))
    assert sorted(folder.iterdir()) == before
    folder.chmod(0o755)


def test_text_in_a_numeric_field_is_refused(tmp_path):
    path = write_series(tmp_path)[1]
    replace_bytes(path, b"0.75\\0.5", b"0,75\\0,5")
    message = refusal(tmp_path)
    assert "1-004.dcm: PixelSpacing is '0,75\\\\0,5', not a number" in message


def test_unlikely_sizes_are_refused_before_memory_is_taken(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "Rows", 60000))
    assert "1 frame(s) of 60000 rows x 6 columns" in refusal(tmp_path)


def test_deflated_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_header, "LARGEST_INFLATED", 500)
    write_series(tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    assert "1-001.dcm inflates to more than" in refusal(tmp_path)


def test_frames_of_reference_must_agree(tmp_path):
    write_series(tmp_path, edit=lambda ds, k: k == 3 and setattr(ds, "FrameOfReferenceUID", "1.9"))
    assert "different FrameOfReferenceUIDs" in refusal(tmp_path)


@pytest.mark.parametrize("depth", [50, 300, 3000])
def test_nested_sequences_end_in_a_volume_or_our_error(tmp_path, depth):
    path = write_series(tmp_path)[2]
    start = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data = path.read_bytes()
    pixels = data.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(data[:pixels] + start * depth + end * depth + data[pixels:])
    if depth == 50:
        assert_whole(read_series(tmp_path))
    else:
        assert "1-003.dcm is DICOM but its header cannot be parsed" in refusal(tmp_path)


def test_items_without_number_are_refused_before_they_are_parsed(tmp_path):
    """Four megabytes of empty items would keep pydicom busy for a minute."""
    path = write_series(tmp_path)[2]
    data = path.read_bytes()
    pixels = data.index(b"\xe0\x7f\x10\x00OW")
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 500_000
    sequence = b"\x40\x00\x30\xa7SQ\0\0" + len(items).to_bytes(4, "little") + items
    path.write_bytes(data[:pixels] + sequence + data[pixels:])
    assert "1-003.dcm has more than 50,000 items in sequences" in refusal(tmp_path)


def test_elements_without_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_header, "MOST_ELEMENTS", 20)
    write_series(tmp_path)
    assert "1-001.dcm is DICOM but its header cannot be parsed" in refusal(tmp_path)


def test_whole_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_files, "MOST_FILES", 4)
    write_series(tmp_path)
    assert "5 files, expected those of one case (at most 4)" in refusal(tmp_path)


# the command and the table


def test_header_table_shows_what_a_file_holds(tmp_path):
    path = write_series(tmp_path, count=1)[0]
    rows = {keyword: (tag, value) for tag, keyword, value in header_table(path)}
    assert rows["PatientID"] == ("(0010,0020)", "P1")
    assert rows["PixelSpacing"][1] == "[0.75, 0.5]"
    assert "PixelData" not in rows
    (tmp_path / "x.txt").write_text("no DICOM")
    with pytest.raises(InputError, match=r"x\.txt is not a DICOM file"):
        header_table(tmp_path / "x.txt")


def test_command_prints_a_summary(tmp_path, capsys):
    write_series(tmp_path / "Case_000")
    assert main([str(tmp_path / "Case_000")]) == 0
    printed = capsys.readouterr().out
    assert "Case_000: 5 slices of 8 x 6, 3 x 0.75 x 0.5 mm" in printed
    assert "0 to 475 HU" in printed


def test_command_goes_through_the_cases_of_a_data_set(tmp_path):
    write_series(tmp_path / "Images" / "Case_000")
    (tmp_path / "Images" / "Case_001").mkdir()
    command = [sys.executable, "-m", "utils.dicom", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Case_000: 5 slices" in done.stdout
    assert done.stderr.startswith("Case_001: no file")
    assert "Traceback" not in done.stderr
