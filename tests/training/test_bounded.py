"""Records deeper, longer or wider than any run writes: told within seconds and little memory."""

import os
import re
import time
import tracemalloc

import pytest

from utils.alignment.verdict import require_aligned
from utils.datasets.phantom import make_phantom
from utils.errors import InputError
from utils.records import MOST_BYTES
from utils.training.run import load_run
from utils.workspace import derived_folder

DEEP = 100_000
HELD = {
    "a list, nested": b"[" * DEEP,
    "a table, nested": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a list, nested and closed": b"[" * DEEP + b"]" * DEEP,
    "many lists": b"[" + b"[]," * (MOST_BYTES // 3 - 2) + b"0]",
    "zeros": bytes(MOST_BYTES),
    "rows": b"epoch\n" + b"0\n" * (MOST_BYTES // 2 - 9),
    "columns": b"a," * (MOST_BYTES // 2 - 9) + b"a\n",
    "columns without a name": b"a,b\n" + b"1," * (MOST_BYTES // 2 - 9) + b"1\n",
    "sparse": 2**30,
}


@pytest.fixture
def bounded():
    """A test may take 300 MB, and five seconds; to trace the memory takes twice as long."""
    tracemalloc.start()
    began = time.process_time()
    yield
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 15 and peak < 300e6, (seconds, peak / 1e6)


def write(file, content):
    if isinstance(content, int):
        os.truncate(file, content)
    else:
        file.write_bytes(content)


@pytest.mark.parametrize("content", HELD.values(), ids=HELD)
@pytest.mark.parametrize("name", ["settings.json", "split.json", "history.csv"])
def test_a_run_with_such_a_record_is_refused(run, bounded, name, content):
    write(run / name, content)
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        load_run(run)
    assert "notebook 03" in str(caught.value) and len(str(caught.value)) < 800


@pytest.mark.parametrize("content", HELD.values(), ids=HELD)
def test_such_verdicts_and_stamps_are_refused(tmp_path, monkeypatch, bounded, content):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    images = tmp_path / "data" / "small" / "Images"
    images.mkdir(parents=True)
    for name in (derived_folder("small") / "alignment.json", tmp_path / "data/small/phantom.json"):
        name.touch()
        write(name, content)
    with pytest.raises(InputError, match=r"alignment\.json is missing, damaged.*notebook 02"):
        require_aligned("small", {})
    if content == HELD["many lists"]:
        return  # such JSON is a stamp of another version: the patients are made again
    with pytest.raises(InputError, match=r"phantom\.json is missing, damaged.*Delete"):
        make_phantom(tmp_path / "data" / "small")


def test_the_last_line_of_a_history_counts_without_its_end(run):
    file = run / "history.csv"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    load_run(run)
