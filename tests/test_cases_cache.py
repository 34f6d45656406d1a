"""The cache of a data set's volumes: right after any change, and mapped, not loaded."""

import json
import os

import numpy as np
import pytest
from dicom_factory import expected_hu, set_pixels, write_series

from utils import cases
from utils.cases import load_cases
from utils.errors import InputError


@pytest.fixture
def reads(monkeypatch):
    """Names of the cases that were read from their files."""
    seen = []
    original = cases.read_series
    monkeypatch.setattr(
        cases, "read_series", lambda folder, uid: seen.append(folder.name) or original(folder, uid)
    )
    return seen


def cache_of(two_cases, name="Case_000"):
    array = two_cases / "derived" / "volumes" / f"{name}.npy"
    return array, array.with_suffix(".json")


def test_second_load_comes_memory_mapped_from_the_cache(two_cases, reads):
    first = load_cases("small")
    second = load_cases("small")
    assert reads == ["Case_000", "Case_001"]
    assert list(first) == list(second) == ["Case_000", "Case_001"]
    for one, other in zip(first.values(), second.values(), strict=True):
        np.testing.assert_array_equal(other.hu, expected_hu(5))
        assert isinstance(other.hu, np.memmap) and not other.hu.flags.writeable
        np.testing.assert_array_equal(one.affine, other.affine)
        assert (one.spacing, one.identity) == (other.spacing, other.identity)
        assert (one.files, one.notes) == (other.files, other.notes)
        assert all(os.path.isfile(file) for file in other.files)


def test_notes_survive_the_cache(two_cases):
    (two_cases / "Images" / "Case_000" / "README").write_text("x")
    load_cases("small")
    assert load_cases("small")["Case_000"].notes == ("Skipped 1 not DICOM (README).",)


def test_changed_added_and_removed_sources_are_read_again(two_cases, reads):
    load_cases("small")
    folder = two_cases / "Images" / "Case_001"
    write_series(folder, edit=lambda ds, k: set_pixels(ds, np.full((8, 6), 1024 + 77)))
    assert (load_cases("small")["Case_001"].hu == 77).all()
    write_series(folder, count=6)
    np.testing.assert_array_equal(load_cases("small")["Case_001"].hu, expected_hu(6))
    (folder / "1-001.dcm").unlink()
    np.testing.assert_array_equal(load_cases("small")["Case_001"].hu, expected_hu(5))
    assert reads == ["Case_000", "Case_001"] + ["Case_001"] * 3


def shorten(array, facts):
    array.write_bytes(array.read_bytes()[:-20])


def pickled(array, facts):
    """An object array, which only unpickling could read."""
    np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    vouch(array, facts)


def other_type(array, facts):
    np.save(array, expected_hu(5).astype(np.int32))
    vouch(array, facts)


def other_shape(array, facts):
    np.save(array, expected_hu(4).astype(np.int16))
    vouch(array, facts)


def replaced(array, facts):
    """Same size and type, other content: only the file's time tells."""
    np.save(array, np.zeros((5, 8, 6), np.int16))


def vouch(array, facts):
    """Make the JSON agree with the array's file, as a hostile writer would."""
    content = json.loads(facts.read_text())
    content["array"] = [array.stat().st_size, array.stat().st_mtime_ns]
    facts.write_text(json.dumps(content))


def no_json(array, facts):
    facts.unlink()


def half_a_json(array, facts):
    facts.write_text(facts.read_text()[:100])


def foreign_json(array, facts):
    facts.write_text(json.dumps({"hello": ["world"]}))


def a_list(array, facts):
    facts.write_text("[1, 2]")


def bent_affine(array, facts):
    content = json.loads(facts.read_text())
    content["affine_lps_mm"][0][0] = float("nan")
    facts.write_text(json.dumps(content))


def older_format(array, facts):
    content = json.loads(facts.read_text())
    content["format"] = cases.FORMAT - 1
    facts.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "damage",
    [
        *(shorten, pickled, other_type, other_shape, replaced, no_json),
        *(half_a_json, foreign_json, a_list, bent_affine, older_format),
    ],
)
def test_damaged_or_foreign_cache_is_made_anew(two_cases, reads, damage):
    load_cases("small")
    damage(*cache_of(two_cases))
    volume = load_cases("small")["Case_000"]
    np.testing.assert_array_equal(volume.hu, expected_hu(5))
    assert np.isfinite(volume.affine).all()
    assert reads == ["Case_000", "Case_001", "Case_000"]
    load_cases("small")
    assert len(reads) == 3, "the cache made anew must hold"


def test_two_processes_may_store_the_same_case_at_once(two_cases, reads):
    """The first one's JSON was written last, beside the second one's array."""
    load_cases("small")
    array, facts = cache_of(two_cases)
    of_the_first = facts.read_text()
    array.unlink()
    load_cases("small")
    facts.write_text(of_the_first)
    np.testing.assert_array_equal(load_cases("small")["Case_000"].hu, expected_hu(5))
    assert reads == ["Case_000", "Case_001", "Case_000"]


def test_only_the_cases_asked_for_are_read(two_cases, reads):
    assert list(load_cases("small", ["Case_001"])) == ["Case_001"]
    assert reads == ["Case_001"]
    with pytest.raises(InputError, match=r"Case_009: no such case .* Case_000, Case_001"):
        load_cases("small", ["Case_009"])


def test_a_killed_write_leaves_no_trusted_half(two_cases, reads, monkeypatch):
    """The array is there, its JSON is not: read again, as if nothing had been."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    load_cases("small", ["Case_001"])
    array, facts = cache_of(two_cases)
    with monkeypatch.context() as patch:
        patch.setattr("json.dumps", killed)
        with pytest.raises(KeyboardInterrupt):
            load_cases("small", ["Case_000"])
    assert array.exists() and not facts.exists()
    assert len(list(array.parent.iterdir())) == 3, "no temporary file stays"
    np.testing.assert_array_equal(load_cases("small")["Case_000"].hu, expected_hu(5))


def test_full_disk_is_one_clear_error(two_cases, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cases.np, "save", full)
    with pytest.raises(InputError, match=r"Case_000.npy cannot be written \(No space"):
        load_cases("small", ["Case_000"])
    assert list(cache_of(two_cases)[0].parent.iterdir()) == []
