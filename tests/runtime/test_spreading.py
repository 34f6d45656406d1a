"""One function for many things in many processes: none lost by another's fault, none done twice."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from cohort_builders import times

from utils.errors import InputError
from utils.runtime import spread

WORK = "cohort_builders:work"


def things(folder, count, **said):
    return [{"folder": folder, "name": str(number), **said} for number in range(count)]


def done(folder):
    return {file.stem: len(file.read_text().splitlines()) for file in folder.glob("*.done")}


def processes():
    """Living processes that this one has begun for work."""
    return [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


def test_each_thing_is_done_once_by_few_processes_with_their_share_of_threads(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        found = dict(spread(WORK, things(tmp_path, 9), workers=2))
    finally:
        torch.set_num_threads(before)
    assert {number: one["name"] for number, one in found.items()} == {n: str(n) for n in range(9)}
    assert len({one["process"] for one in found.values()} | {os.getpid()}) <= 3
    assert {one["threads"] for one in found.values()} == {2}
    assert done(tmp_path) == {str(n): 1 for n in range(9)}
    assert processes() == []


def test_a_process_that_is_killed_costs_its_own_thing_at_most(tmp_path):
    """0 ends its process twice and is done then; 3 ends it each time, and is given up."""
    asked = things(tmp_path, 6, seconds=0.05)
    asked[0]["ends"], asked[3]["ends"] = 2, 99
    found = dict(spread(WORK, asked, workers=2))
    assert set(found) == set(range(6)) and found[3] is None
    assert done(tmp_path) == {str(n): 1 for n in range(6) if n != 3}
    begun = [len(times(tmp_path, str(n), "begun")) for n in range(6)]
    assert begun == [3, 1, 1, 3, 1, 1]


@pytest.mark.parametrize(("most", "together"), [(5.0, False), (6.0, True)])
def test_what_memory_does_not_hold_waits(tmp_path, most, together):
    """Things of 3 bytes; one of 9 is done too, alone."""
    asked = things(tmp_path, 4, seconds=0.3, bytes=3.0)
    asked[2]["bytes"] = 9.0
    found = dict(spread(WORK, asked, 2, costs=lambda thing: thing["bytes"], most=most))
    assert set(found) == set(range(4))
    spans = [
        (*times(tmp_path, str(n), "begun"), *times(tmp_path, str(n), "done")) for n in range(4)
    ]
    overlap = {
        (a, b)
        for a, b in itertools.combinations(range(4), 2)
        if max(spans[a][0], spans[b][0]) < min(spans[a][1], spans[b][1])
    }
    assert overlap <= {(0, 1), (0, 3), (1, 3)} and bool(overlap) == together


def test_who_stops_asking_leaves_no_process(tmp_path):
    found = spread(WORK, things(tmp_path, 20, seconds=0.2), workers=2)
    next(found)
    assert len(processes()) == 2
    found.close()
    assert processes() == [] and len(done(tmp_path)) < 6


def test_processes_end_with_who_asked(tmp_path):
    """Killed, so that it could not tell them; what they were at is not finished behind its back."""
    code = (
        "import pathlib, utils.runtime as r\n"
        "if __name__ == '__main__':\n"
        f"    folder = pathlib.Path({str(tmp_path)!r})\n"
        "    things = [{'folder': folder, 'name': str(n), 'seconds': 60} for n in range(4)]\n"
        f"    list(r.spread({WORK!r}, things, workers=2))\n"
    )
    (tmp_path / "asks.py").write_text(code)
    builders = str(Path(__file__).parents[1] / "builders")
    paths = os.pathsep.join([builders, *filter(None, sys.path)])
    asks = subprocess.Popen(
        [sys.executable, str(tmp_path / "asks.py")], env=os.environ | {"PYTHONPATH": paths}
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*.begun"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    begun = [psutil.Process(int(f.read_text().split()[0])) for f in tmp_path.glob("*.begun")]
    assert len(begun) == 2
    asks.send_signal(signal.SIGKILL)
    asks.wait()
    _, alive = psutil.wait_procs(begun, timeout=20)
    assert alive == [] and done(tmp_path) == {}


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "dashboard_address": None, "protocol": "tcp://"}
    with distributed.LocalCluster(n_workers=2, host="127.0.0.1", **options) as cluster:
        yield cluster


class TestDask:
    """On a cluster of this machine; what a test needs is not installed everywhere."""

    def test_its_workers_do_each_thing_once(self, cluster, tmp_path):
        address = cluster.scheduler_address
        found = dict(spread(WORK, things(tmp_path, 9), scheduler=address))
        assert {number: one["name"] for number, one in found.items()} == {
            n: str(n) for n in range(9)
        }
        assert done(tmp_path) == {str(n): 1 for n in range(9)}

    def test_a_worker_that_is_killed_costs_the_result_of_its_own_thing_at_most(
        self, cluster, tmp_path
    ):
        """Others may be done again: Dask leaves a result where it was made until it is fetched.

        What is done again finds its files finished (tests/test_cohort.py), so nothing is doubled.
        """
        asked = things(tmp_path, 5)
        asked[1]["ends"], asked[2]["ends"] = 1, 99
        found = dict(spread(WORK, asked, scheduler=cluster))
        assert set(found) == set(range(5)) and found[2] is None
        assert all(found[n]["name"] == str(n) for n in (0, 1, 3, 4))
        assert set(done(tmp_path)) == {"0", "1", "3", "4"}

    def test_a_function_that_is_not_there_is_told(self, cluster, tmp_path):
        with pytest.raises(InputError, match=r"The cluster fails: .*nowhere"):
            list(spread("nowhere:work", things(tmp_path, 2), scheduler=cluster))
