"""A run's folder: one process at a time, no link followed, a full disk in one sentence."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from kill_training import SETTINGS, SPLIT

from utils.errors import InputError
from utils.training import run as training
from utils.workspace import UNFINISHED, locked

ONE = replace(SETTINGS, epochs=1)


def test_only_our_own_unfinished_files_are_swept(run, parts):
    mine = [run / ".notes-mine.txt", run / ".history-1234.csv", run / f"{UNFINISHED}notes.txt"]
    ours = [run / f"{UNFINISHED}{'0a' * 8}.csv", run / f"{UNFINISHED}{'f' * 16}"]
    for file in (*mine, *ours):
        file.write_text("x")
    training.train(ONE, SPLIT, *parts, run)
    assert all(file.exists() for file in mine) and not any(file.exists() for file in ours)


def test_a_run_folder_that_is_a_link_is_not_followed(run, parts, tmp_path):
    linked = tmp_path / "linked"
    linked.symlink_to(run)
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    with pytest.raises(InputError, match=r"linked is a link\. Nothing is written there"):
        training.train(replace(ONE, seed=5), SPLIT, *parts, linked)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_files_that_are_links_are_replaced_and_not_written_through(run, parts, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("history.csv", "settings.json", "model.safetensors"):
        (run / name).unlink()
        (run / name).symlink_to(precious)
    training.train(ONE, SPLIT, *parts, run)
    assert precious.read_text() == "mine" and not (run / "history.csv").is_symlink()


def test_a_second_training_waits_for_the_first(run, parts, capsys):
    """It would sweep the first one's unfinished file away."""
    done = []

    def second():
        training.train(ONE, SPLIT, *parts, run)
        done.append(True)

    with locked(run):
        unfinished = run / f"{UNFINISHED}{'0' * 16}.csv"
        unfinished.write_text("half")
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(1)
        assert not done and unfinished.exists()
        assert "Another process works in" in capsys.readouterr().out
    thread.join(60)
    assert done and not unfinished.exists()


LIMITED = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from kill_training import SETTINGS, SPLIT, sets
from utils.errors import InputError
from utils.training.run import train
limit = int(sys.argv[2])
parts = sets()
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    train(replace(SETTINGS, epochs=1, seed=9), SPLIT, *parts, Path(sys.argv[1]))
except InputError as error:
    sys.exit(f"sentence: {error}")
"""


@pytest.mark.parametrize("limit", [100, 1000, 20000])
def test_a_disk_that_is_full_is_one_sentence(run, limit):
    """A limit on the size of files stands for it; 100 bytes: before anything is written."""
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    path = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", LIMITED, run, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "sentence: " in done.stderr
    assert "cannot be written" in done.stderr and "File too large" in done.stderr
    assert not list(run.glob(".*")), "no temporary file stays"
    if limit == 100:
        assert {file.name: file.read_bytes() for file in run.iterdir()} == before
        training.load_run(run)
