"""A folder into one volume, the table of a header, and the command."""

import subprocess
import sys

import numpy as np
import pytest
from dicom_checks import assert_whole, refusal
from dicom_factory import ROOT, SERIES, enhanced_ct, save, write_series

from utils.dicom.__main__ import main
from utils.dicom.reader import read_series
from utils.errors import InputError


def test_plain_series_loads_whole_and_placed(tmp_path):
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


def test_absent_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*absent"):
        read_series(tmp_path / "absent")


def test_single_slice_loads_with_a_note(tmp_path):
    write_series(tmp_path, count=1)
    volume = read_series(tmp_path)
    assert_whole(volume, 1)
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert "Only one slice (1-001.dcm)" in volume.notes[0]
    assert "SliceThickness, 3 mm" in volume.notes[0]


def test_enhanced_multi_frame_loads_like_single_slices(tmp_path):
    save(enhanced_ct(), tmp_path / "all.dcm")
    volume = read_series(tmp_path)
    assert_whole(volume)
    assert volume.spacing == (3.0, 0.75, 0.5)
    assert volume.files == (str(tmp_path / "all.dcm"),) * 5


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


def test_multi_frame_without_positions_is_refused(tmp_path):
    dataset = enhanced_ct()
    del dataset.PerFrameFunctionalGroupsSequence
    save(dataset, tmp_path / "all.dcm")
    assert "all.dcm: 5 frames but 0 functional groups" in refusal(tmp_path)
