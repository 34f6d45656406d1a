"""The same mask of the same series is the same file, wherever and by how many it was made."""

import numpy as np
import pydicom
import pytest
from seg_builders import loaded, lopsided

from utils.masks.formats import WRITERS

MOMENT = 1_234_567_890  # seconds since 1970; a calendar says 13 February 2009, 23:31:30 UTC
DICOM = [ending for ending, _ in WRITERS.values() if ending.endswith(".dcm")]


def written(tmp_path, name, labels, volume):
    """Bytes of each format, of both regions."""
    for kind, (ending, write) in WRITERS.items():
        write(labels, volume, tmp_path / f"{name}{ending}", ("right", "left"), kind)
    return {ending: (tmp_path / f"{name}{ending}").read_bytes() for ending, _ in WRITERS.values()}


def test_at_a_stated_time_a_mask_has_the_same_bytes_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(MOMENT))
    volume = loaded(tmp_path / "in")
    labels = lopsided(volume, 2)
    first = written(tmp_path, "first", labels, volume)
    assert written(tmp_path, "again", np.asfortranarray(labels), volume) == first
    for ending in DICOM:
        told = pydicom.dcmread(tmp_path / f"first{ending}")
        what = "StructureSet" if "rtstruct" in ending else "Content"
        assert (told[f"{what}Date"].value, told[f"{what}Time"].value[:6]) == ("20090213", "233130")
        assert told.file_meta.MediaStorageSOPInstanceUID == told.SOPInstanceUID


@pytest.mark.parametrize("epoch", [None, "yesterday"])
def test_other_masks_and_other_times_are_other_objects(tmp_path, monkeypatch, epoch):
    """No two have a UID in common; all refer to the one series."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if epoch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    volume = loaded(tmp_path / "in")
    labels = lopsided(volume, 2)
    written(tmp_path, "a", labels, volume)
    written(tmp_path, "b", labels, volume)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(MOMENT))
    written(tmp_path, "c", labels, volume)
    written(tmp_path, "d", labels[::-1], volume)
    files = [pydicom.dcmread(tmp_path / f"{n}{ending}") for n in "abcd" for ending in DICOM]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({told[keyword].value for told in files} | {volume.identity["series_uid"]}) == 9
    study = pydicom.dcmread(volume.files[0]).StudyInstanceUID
    assert all(told.StudyInstanceUID == study for told in files)
