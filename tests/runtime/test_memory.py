"""Arrays larger than memory: the same numbers, on disk, and nothing left behind."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from utils.cases import Pair
from utils.dataset import SliceDataset, batches
from utils.errors import InputError
from utils.runtime import memory as scratch
from utils.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def little_memory(monkeypatch, tmp_path):
    """A machine on which 4 kB are too much, and a workspace of its own."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    machine = SimpleNamespace(total=4 * 4095)
    monkeypatch.setattr(scratch.psutil, "virtual_memory", lambda: machine)
    return tmp_path


def mapped_files():
    """What this process has mapped of files under build/, as Linux lists it."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if "/build/" in line]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of maps")
def test_only_what_is_large_goes_to_a_file_that_goes_with_it(little_memory):
    small, large = scratch.large_empty((5, 819), np.uint8), scratch.large_empty((2, 1024), np.int16)
    assert len(mapped_files()) == 1
    assert small.shape == (5, 819) and large.shape == (2, 1024) and large.dtype == torch.int16
    large[1] = 7
    assert large.sum() == 7 * 1024
    assert list((little_memory / "build").iterdir()) == []  # it has no name
    del large
    assert not mapped_files()


def test_a_data_set_in_a_file_hands_out_the_same_batches(little_memory, monkeypatch):
    random = np.random.default_rng(0)
    hu = random.integers(-1000, 400, (9, 32, 32), dtype=np.int16)
    pairs = {"a": Pair(hu, (hu < -500).astype(np.uint8), (1.0, 1.0, 1.0))}
    settings = Settings(image_size=32, pixel_size=1.0)
    on_disk = SliceDataset(pairs, ["a"], settings)
    monkeypatch.undo()
    in_memory = SliceDataset(pairs, ["a"], settings)
    for mine, theirs in zip(batches(on_disk, 4, True), batches(in_memory, 4, True), strict=True):
        assert torch.equal(mine[0], theirs[0]) and torch.equal(mine[1], theirs[1])
    assert torch.equal(on_disk.hu[:, 0, 0], torch.from_numpy(hu[:, 0, 0]))


def test_no_room_on_the_disk_is_told_before_anything_is_written(little_memory):
    with pytest.raises(InputError, match=r"of 1000000000\.0 GB neither fit .* smaller image_size"):
        scratch.large_empty((10**9, 10**9), np.uint8)


KILLED = """
import os, signal, types
from utils.runtime import memory
memory.psutil.virtual_memory = lambda: types.SimpleNamespace(total=0)
kept = memory.large_empty((1000,), "uint8")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_no_file(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LUNG_WORKSPACE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "build").iterdir()) == []


def resident(array):
    """Whether a page of a mapped array lies in this process's memory, as Linux tells of each."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/pagemap", "rb") as pages:
        pages.seek(address // resource.getpagesize() * 8)
        return pages.read(8)[7] >> 7 == 1  # bit 63: present


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="needs Linux's page map")
def test_pages_of_a_mapped_file_are_given_back_and_can_be_read_again(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(2**20, dtype=np.int16))
    volume = np.load(tmp_path / "a.npy", mmap_mode="r")
    part = volume[2**19 :: 2]
    before = part.copy()
    assert resident(part)
    scratch.forget_pages(part)
    assert not resident(part)
    assert np.array_equal(part, before)


def test_what_would_lose_changes_is_left_alone(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(2**20, np.int16))
    changed = np.load(tmp_path / "a.npy", mmap_mode="c")
    changed[:] = 5
    scratch.forget_pages(changed)
    scratch.forget_pages(np.ones(3))
    assert (changed == 5).all()
