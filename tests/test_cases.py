"""The cases of a data set: what is one, what it is called, and which of its series is read."""

import os
import shutil

import numpy as np
import pytest
from dicom_factory import expected_hu, write_series

from utils.cases import case_names, load_cases, load_masks
from utils.dicom.__main__ import main
from utils.errors import InputError


def test_all_bad_cases_are_reported_together(two_cases):
    write_series(two_cases / "Images" / "Case_002")[2].unlink()
    (two_cases / "Images" / "Case_003").mkdir()
    with pytest.raises(InputError) as caught:
        load_cases("small")
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 cases cannot be loaded."
    assert lines[1].startswith("Case_002: gap of 6 mm")
    assert lines[2].startswith("Case_003: no file")
    cached = {file.name for file in (two_cases / "derived" / "volumes").iterdir()}
    good = {f"Case_00{number}{ending}" for number in range(2) for ending in (".npy", ".json")}
    assert cached == good, "good cases stay cached"


def test_any_folder_below_images_is_a_case(two_cases):
    (two_cases / "Images" / "Case_000").rename(two_cases / "Images" / "Müller 3")
    (two_cases / "Images" / "notes.txt").write_text("no case")
    assert case_names("small") == ["Case_001", "Müller 3"]
    assert list(load_cases("small")) == ["Case_001", "Müller 3"]


def test_data_set_without_cases_is_refused(two_cases):
    shutil.rmtree(two_cases / "Images")
    (two_cases / "Images").mkdir()
    with pytest.raises(InputError, match="holds no case"):
        load_cases("small")


def test_a_link_keeps_its_own_name(two_cases):
    """Two patients' links may both lead to a folder called CT."""
    for number in range(2):
        case = two_cases / "Images" / f"Case_00{number}"
        case.rename(two_cases / f"patient {number}")
        (two_cases / f"patient {number}" / "CT").mkdir()
        for file in (two_cases / f"patient {number}").glob("*.dcm"):
            file.rename(file.parent / "CT" / file.name)
        case.symlink_to(two_cases / f"patient {number}" / "CT", target_is_directory=True)
    volumes = load_cases("small")
    assert [volume.identity["case"] for volume in volumes.values()] == ["Case_000", "Case_001"]


def test_of_several_series_that_of_series_txt_is_loaded_and_kept_apart(two_cases):
    def sharp(ds, k):
        ds.SeriesInstanceUID, ds.SOPInstanceUID = "1.2.3", f"1.2.3.{k}"

    write_series(two_cases / "Images" / "Case_000" / "sharp", count=3, edit=sharp)
    with pytest.raises(InputError, match=r"2 series: .*series\.txt for a data set"):
        load_cases("small")
    choice = two_cases / "series.txt"
    for uid, slices in (("1.2.3", 3), ("largest", 5), ("1.2.3", 3)):
        choice.write_text(f"Case_000 {uid}\n")
        np.testing.assert_array_equal(load_cases("small")["Case_000"].hu, expected_hu(slices))
        assert main([str(two_cases)]) == 0


def test_masks_of_macos_are_no_masks(two_cases):
    folder = two_cases / "Segmentations"
    folder.mkdir()
    np.savez(folder / "Case_000_seg.npz", masks=np.zeros((5, 8, 6), np.uint8))
    (folder / "._Case_000_seg.npz").write_bytes(b"\0\5\x16\7" + bytes(300))
    assert list(load_masks("small")) == ["Case_000"]


def test_a_name_that_cannot_be_shown_is_refused(two_cases):
    os.rename(two_cases / "Images/Case_001", os.fsencode(two_cases / "Images/Case_") + b"\xff")
    with pytest.raises(InputError, match=r"Case_\\udcff: a name that cannot be shown. Rename"):
        load_cases("small")
