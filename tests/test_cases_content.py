"""A cached volume belongs to the content of its files, and holds what was written into it."""

import json
import os
import threading
import time

import numpy as np
import pytest
from dicom_factory import expected_hu, set_pixels, write_series

from utils import cases
from utils.cases import load_cases, pair_fingerprint
from utils.errors import InputError
from utils.workspace import UNFINISHED, locked


def cache_of(two_cases, name="Case_000"):
    array = two_cases / "derived" / "volumes" / f"{name}.npy"
    return array, array.with_suffix(".json")


def patients(two_cases, side=8):
    """Two cases whose files have equal names, sizes and times; each has HU and UIDs of its own."""
    for number in range(2):

        def edit(ds, k, number=number):
            ds.SOPInstanceUID = f"1.2.{number}.{k}"
            set_pixels(ds, np.full((side, side), 1024 + 100 * number + k))

        for file in write_series(two_cases / "Images" / f"Case_00{number}", 5, edit):
            os.utime(file, (1e9, 1e9))


def exchange(one, other):
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def test_exchanged_case_folders_give_each_its_own_volume(two_cases):
    patients(two_cases)
    before = {name: np.array(v.hu) for name, v in load_cases("small").items()}
    exchange(two_cases / "Images/Case_000", two_cases / "Images/Case_001")
    after = load_cases("small")
    np.testing.assert_array_equal(after["Case_000"].hu, before["Case_001"])
    np.testing.assert_array_equal(after["Case_001"].hu, before["Case_000"])


def test_exchanged_files_of_two_cases_are_seen(two_cases):
    patients(two_cases)
    load_cases("small")
    for name in os.listdir(two_cases / "Images/Case_000"):
        exchange(two_cases / "Images/Case_000" / name, two_cases / "Images/Case_001" / name)
    assert load_cases("small")["Case_000"].hu[0, 0, 0] == 100


def test_exchanged_caches_of_two_cases_are_made_again(two_cases):
    patients(two_cases)
    load_cases("small")
    for one, other in zip(cache_of(two_cases), cache_of(two_cases, "Case_001"), strict=True):
        exchange(one, other)
    assert [v.hu[0, 0, 0] for v in load_cases("small").values()] == [0, 100]


def test_pixels_that_were_edited_while_size_and_time_stayed_are_read_again(two_cases):
    """Far behind the first bytes of the file."""
    patients(two_cases, side=64)
    load_cases("small")
    file = two_cases / "Images/Case_000/1-005.dcm"
    data = file.read_bytes()
    file.write_bytes(data[:-2] + np.array(1024 + 777, "<i2").tobytes())
    os.utime(file, (1e9, 1e9))
    assert load_cases("small")["Case_000"].hu[0, -1, -1] == 777


@pytest.mark.parametrize("place", [130, -1])
def test_other_voxels_in_the_cache_are_not_used(two_cases, place):
    """The array's file has its size and time again."""
    load_cases("small")
    array, _ = cache_of(two_cases)
    facts, data = array.stat(), bytearray(array.read_bytes())
    data[place] ^= 1
    array.write_bytes(data)
    os.utime(array, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    np.testing.assert_array_equal(load_cases("small")["Case_000"].hu, expected_hu(5))


def test_an_array_that_nobody_touched_is_not_read_for_its_checksum(two_cases, monkeypatch):
    """To map it takes no time; to read it, as long as training's first look at it."""
    load_cases("small")
    monkeypatch.setattr(cases, "_checksum_of_file", lambda path: pytest.fail("read whole"))
    load_cases("small")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("spacing_mm", [1.0, 1.0, 1.0]), ("notes", []), ("stored_axes", "FAR")),
        *(("files", [0, 0, 0, 0, 0]), ("affine_lps_mm", np.eye(4).tolist())),
    ],
)
def test_edited_facts_of_the_cache_are_not_used(two_cases, field, value):
    (two_cases / "Images" / "Case_000" / "README").write_text("x")
    before = load_cases("small")["Case_000"]
    _, facts = cache_of(two_cases)
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {field: value}))
    after = load_cases("small")["Case_000"]
    assert (after.spacing, after.notes, after.stored_axes, after.files) == (
        *(before.spacing, before.notes, before.stored_axes, before.files),
    )
    np.testing.assert_array_equal(after.affine, before.affine)


def test_a_copied_or_restored_cache_is_used(two_cases, monkeypatch):
    """Other times, the same content: freshness is not a matter of clocks."""
    load_cases("small")
    for file in cache_of(two_cases):
        os.utime(file, (1e9, 1e9))
    monkeypatch.setattr(cases, "read_series", lambda *_: pytest.fail("read again"))
    load_cases("small")


def test_a_second_process_waits_and_finds_the_cache(two_cases, monkeypatch, capsys):
    volumes = two_cases / "derived/volumes"
    loaded = []
    with locked(volumes):
        (volumes / f"{UNFINISHED}{'a' * 16}.npy").write_bytes(b"half")  # of a killed process
        thread = threading.Thread(target=lambda: loaded.append(load_cases("small")))
        thread.start()
        time.sleep(1)
        assert not loaded
        assert "Another process works in data/small/derived/volumes" in capsys.readouterr().out
    thread.join(60)
    assert set(loaded[0]) == {"Case_000", "Case_001"}
    assert sorted(file.suffix for file in volumes.iterdir()) == [".json", ".json", ".npy", ".npy"]


def test_a_cache_that_is_a_link_is_not_written_through(two_cases, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (two_cases / "derived").mkdir()
    (two_cases / "derived/volumes").symlink_to(elsewhere)
    with pytest.raises(InputError, match="volumes is a link"):
        load_cases("small")
    assert not list(elsewhere.iterdir())


def test_a_fingerprint_tells_every_voxel_of_volume_and_mask():
    hu, mask, mm = np.zeros((3, 4, 5), np.int16), np.zeros((3, 4, 5), np.uint8), (3.0, 1.0, 1.0)
    same = pair_fingerprint(hu, mask, mm)
    assert pair_fingerprint(hu.copy(), mask.copy(), [3, 1, 1]) == same
    others = [pair_fingerprint(hu, mask, (3.0, 1.0, 1.5))]
    for array in (hu, mask):
        array[2, 3, 4] = 1
        others.append(pair_fingerprint(hu, mask, mm))
        others.append(pair_fingerprint(hu[::-1], mask[::-1], mm))
        array[2, 3, 4] = 0
    assert len({same, *others}) == 6
