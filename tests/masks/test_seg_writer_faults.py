"""What `write_seg` refuses: masks that do not fit, and series that are not as they were."""

import dataclasses

import numpy as np
import pytest
from seg_builders import SHAPE, conformance_errors, loaded, lopsided

from utils.errors import InputError
from utils.masks.seg_writer import write_seg


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (np.zeros((4, 12, 10)), r"shape \(4, 12, 10\) but the series \(5, 12, 10\)"),
        (np.zeros((5, 10, 12)), r"shape \(5, 10, 12\) but the series"),
        (np.full(SHAPE, 2), "values other than 0 to 1"),
        (np.full(SHAPE, 0.5), "Threshold a soft mask"),
        (np.full(SHAPE, -1), "values other than"),
        (np.full(SHAPE, 257), "values other than"),
        (np.full(SHAPE, np.nan), "values other than"),
        (np.full(SHAPE, "1"), "values other than"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_masks_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, mask, found):
    volume = loaded(tmp_path)
    with pytest.raises(InputError, match=found):
        write_seg(mask, volume, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_series_that_is_not_as_it_was_loaded_is_refused(tmp_path):
    volume = loaded(tmp_path)
    mask, seg = lopsided(volume), tmp_path / "seg.dcm"
    seg.write_bytes(b"an older file")
    with pytest.raises(InputError, match="does not come from files"):
        write_seg(mask, dataclasses.replace(volume, files=()), seg)
    with pytest.raises(InputError, match="not as they were loaded"):
        write_seg(mask, dataclasses.replace(volume, files=volume.files[1:]), seg)
    other = {**volume.identity, "series_uid": "1.2.3"}
    moved = volume.affine + np.eye(4)[2:3].T @ np.eye(4)[3:4] * 30
    for change in ({"identity": other}, {"affine": moved}):
        with pytest.raises(InputError, match="not as they were loaded"):
            write_seg(mask, dataclasses.replace(volume, **change), seg)
    (tmp_path / "images" / "1-003.dcm").unlink()
    with pytest.raises(InputError, match=r"1-003\.dcm is gone"):
        write_seg(mask, volume, seg)
    assert seg.read_bytes() == b"an older file"


def test_positions_and_study_are_needed_but_names_are_not(tmp_path):
    def placeless(dataset, k):
        del dataset.ImagePositionPatient

    volume = loaded(tmp_path, placeless)
    with pytest.raises(InputError, match="has no ImagePositionPatient"):
        write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")

    def nameless(dataset, k):
        for keyword in ("PatientName", "PatientID"):
            delattr(dataset, keyword)

    volume = loaded(tmp_path, nameless)  # both may be empty, and de-identified files lack them
    write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")
    assert conformance_errors(tmp_path / "seg.dcm") == []

    def studyless(dataset, k):
        del dataset.StudyInstanceUID

    volume = loaded(tmp_path, studyless)
    with pytest.raises(InputError, match=r"do not suffice for a SEG .*StudyInstanceUID"):
        write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")


def test_what_was_not_written_as_given_is_not_kept(tmp_path, monkeypatch):
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    upside_down = {"both": mask[::-1]}
    monkeypatch.setattr("utils.masks.seg_writer.seg_masks", lambda file, volume: upside_down)
    with pytest.raises(InputError, match="does not read back as it was written"):
        write_seg(mask, volume, tmp_path / "seg.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
