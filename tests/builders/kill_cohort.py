"""Kill a cohort's prediction at random moments: nothing may be lost, doubled, or half a file.

python tests/builders/kill_cohort.py --kills 20
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pydicom
from cohort_builders import results, small_cohort
from PIL import Image

from utils.masks import load_mask

CASES = 12
# one moment for all SEGs, so that equal masks are equal bytes; and no more threads than cores
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1234567890", "OMP_NUM_THREADS": "1"}


def start(cases, out, model, workers=2):
    """The command line in a group of processes of its own."""
    command = [sys.executable, "-m", "utils.predict", str(cases), "--out", str(out)]
    command += ["--model", str(model), "--workers", str(workers)]
    paths = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        command,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def check_whole(out):
    """Every file that has its name can be read; returns when each report was written."""
    finished = {}
    for file in out.glob("[!.]*") if out.is_dir() else ():
        if file.suffix == ".npz":
            load_mask(file)
        elif file.suffix == ".png":
            with Image.open(file) as picture:
                picture.load()
        elif file.suffix == ".dcm":
            assert pydicom.dcmread(file).pixel_array.size
        elif file.suffix == ".csv":
            pd.read_csv(file)
        elif file.suffix == ".json":
            case = file.name.removesuffix("_report.json")
            for name, size in json.loads(file.read_text())["files"].items():
                assert (out / name).stat().st_size == size, name
            finished[case] = file.stat().st_mtime_ns
    return finished


def wait_for_reports(process, out, count):
    """Wait until so many cases are finished, or the process has ended; returns the seconds."""
    began = time.monotonic()
    while process.poll() is None and len(list(out.glob("*_report.json"))) < count:
        time.sleep(0.01)
    return time.monotonic() - began


def kill_and_compare(folder, kills, seed=0):
    """Run once unbroken and once killed `kills` times; returns how many were finished at each.

    Raises AssertionError when a file is half-written, a finished case is done again, or the two
    runs differ. A run that comes to its end before is begun anew.
    """
    random.seed(seed)
    cases, model = small_cohort(folder, CASES)
    process = start(cases, folder / "unbroken", model)
    begins = wait_for_reports(process, folder / "unbroken", 1)
    assert process.wait() == 0
    expected = results(folder / "unbroken")
    counts, before, turn = [], {}, 0
    while len(counts) < kills:
        out = folder / f"broken {turn}"
        process = start(cases, out, model)
        if more := random.randrange(5):  # otherwise killed while it starts
            # waited for, since the load of the machine must not decide where a kill falls
            wait_for_reports(process, out, len(before) + more)
        time.sleep(random.uniform(0, 0.5 if more else begins))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        finished = check_whole(out)
        assert before.items() <= finished.items()  # nothing lost, and nothing done twice
        counts.append(len(finished))
        before = finished
        if len(finished) == CASES:
            before, turn = {}, turn + 1
    out = folder / f"broken {turn}"
    process = start(cases, out, model)
    told = process.communicate()
    assert process.returncode == 0, told
    assert before.items() <= check_whole(out).items()
    assert results(out) == expected
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill a cohort's prediction at random moments")
    parser.add_argument("--kills", type=int, default=20)
    with tempfile.TemporaryDirectory() as place:
        print("finished at each kill:", kill_and_compare(Path(place), parser.parse_args().kills))
