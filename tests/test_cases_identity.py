"""What the cache of a data set keeps of a patient: nothing. A mask still refers to the series."""

import json

import numpy as np
import pytest
from dicom_factory import ROOT, SERIES, write_series
from identity_builders import SECRETS, give_identity

from utils.cases import load_cases
from utils.masks import read_seg, write_seg

UIDS = [f"{ROOT}.{end}".encode() for end in (1, 2, 3, 4)]


@pytest.fixture
def cached(workspace):
    """Folder of the cached volumes of a data set of one case, whose patient is known."""
    folder = workspace / "data" / "small"
    write_series(folder / "Images" / "Case_000" / f"{ROOT}.77", edit=give_identity)
    (folder / "series.txt").write_text(f"Case_000 {SERIES}\n")
    load_cases("small")
    return folder / "derived" / "volumes"


def test_no_header_text_uid_or_file_name_is_kept(cached):
    kept = b"".join(file.read_bytes() for file in cached.iterdir())
    found = [secret for secret in (*SECRETS, *UIDS, b"Thorax", b"Factory") if secret in kept]
    assert found == [] and b"1-001.dcm" not in kept


def test_a_mask_refers_to_the_series_of_a_volume_from_the_cache(cached, tmp_path):
    volume = load_cases("small")["Case_000"]
    assert isinstance(volume.hu, np.memmap) and volume.identity["series_uid"] == SERIES
    mask = (volume.hu > 200).astype(np.uint8)
    write_seg(mask, volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)


@pytest.mark.parametrize("files", [[], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 99], ["0"] * 5, 7, [None]])
def test_a_cache_that_names_files_that_are_not_there_is_made_anew(cached, files):
    expected, facts = load_cases("small")["Case_000"], cached / "Case_000.json"
    content = json.loads(facts.read_text())
    assert content["files"] == [4, 3, 2, 1, 0]
    facts.write_text(json.dumps({**content, "files": files}))
    assert load_cases("small")["Case_000"].files == expected.files
    made_anew = json.loads(facts.read_text())
    del made_anew["array"], made_anew["checksum"], content["array"], content["checksum"]
    assert made_anew == content  # but for the times of the array's file
