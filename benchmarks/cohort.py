"""A thousand small series, some of them broken, through processes that are killed at random.

    python -m benchmarks.cohort                                1,000 series, two processes
    python -m benchmarks.cohort --series 40 --every 5          smaller, a kill every five seconds

Fifty of them are broken in ten ways of those that the loader is held to. A process is killed, as
the kernel does when memory is short, every few seconds. What must come out: every sound series
done once, every broken one named, no file cut off, nobody's memory growing. What is measured: the
wall time against the ideal (the seconds of all stages, shared by the processes), what handing a
thing out costs by itself, with processes here and with Dask where it is installed, and a second
start that finds all of it finished. Results go to benchmarks/results/cohort.csv.

On paper, 100,000 series of 130 slices of 512², at 14 CPU seconds and 1.2 GB a case (measured on
one): eight days on two cores with 2.4 GB, five hours on 40 workers of two cores. Handing out costs
milliseconds a case, ten minutes in all. What breaks first is a shared file system: 13 million
small files are opened for the fingerprints, an hour at 0.3 ms each, before a second start knows
that nothing is to be done, and three results and a report a case are 400,000 files in one folder.
Next is `volumes.csv`, 69 MB, written whole in two seconds (measured) and therefore once in 40: a
kill costs the table the rows of that time, never a report, from which the next start makes it
again, after 14 s for 100,000 reports. The scheduler holds no more things than there are workers.
Split such a cohort into folders of 10,000; one `pandas.concat` joins the tables.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from benchmarks.results import FOLDER, keep_goals, machine, table
from utils.predict import predict_folder
from utils.runtime import spread
from utils.workspace import REPOSITORY, write_table

sys.path.append(str(REPOSITORY / "tests/builders"))
from chest_builders import case, every
from cohort_builders import small_model

RESULTS = FOLDER / "cohort.csv"
MOST_TO_IDEAL, MOST_GROWTH = 1.2, 1.05
PATTERNS = 20  # sound series that are drawn; the others are copies of them


def cut(file, share):
    """Leave the first part of a file."""
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])


BROKEN = {  # how a sound series is broken -> what its fault must say
    "a slice is missing": (lambda f: files(f)[5].unlink(), "1 slice is missing"),
    "a file of no bytes": (lambda f: cut(files(f)[4], 0), ""),
    "pixels cut off": (lambda f: cut(files(f)[4], 0.9), "truncated"),
    "a web page": (lambda f: files(f)[3].write_text("<html>503</html>\0"), "not readable as DICOM"),
    "MR": (lambda f: case(f, every(Modality="MR")), "is MR, expected CT"),
    "MONOCHROME1": (lambda f: case(f, every(PhotometricInterpretation="MONOCHROME1")), "MONO"),
    "no orientation": (lambda f: case(f, every(ImageOrientationPatient=[0] * 6)), "Orientation"),
    "one position": (lambda f: case(f, every(ImagePositionPatient=[0, 0, 0])), "one position"),
    "two series": (lambda f: case(f / "b", every(SeriesInstanceUID="1.2.3")), "2 series"),
    "slope of 0": (lambda f: case(f, every(RescaleSlope="0")), "RescaleSlope"),
}


def files(folder):
    return sorted(folder.glob("*.dcm"))


def draw(folder, count):
    """So many series, one of twenty broken; returns name of the broken -> what must be said."""
    for number in range(PATTERNS):
        case(folder / "patterns" / str(number), count=8 + number % 5)
    said, ways = {}, list(BROKEN.values())
    for number in range(count):
        series = folder / "in" / f"S{number:05d}"
        shutil.copytree(folder / "patterns" / str(number % PATTERNS), series)
        if number % 20 == 7:
            breaks, said[series.name] = ways[number // 20 % len(ways)]
            breaks(series)
    return said


def disturbed(folder, workers, seconds, seed=0):
    """Predict while processes are killed: (table, faults, wall s, kills, memory of each second)."""
    rng = np.random.default_rng(seed)
    memory, kills, over, me = [], [], threading.Event(), psutil.Process()

    def disturb():
        due = time.monotonic() + seconds
        while not over.wait(1):
            children = [p for p in me.children() if p.status() != psutil.STATUS_ZOMBIE]
            held = sorted((p.memory_info().rss for p in children), reverse=True)[:workers]
            memory.append((me.memory_info().rss, max(held, default=0)))
            if time.monotonic() > due and len(children) > workers:  # one of them serves Python
                rng.choice(sorted(children, key=lambda p: p.pid)[1:]).kill()
                kills.append(time.monotonic())
                due = time.monotonic() + rng.uniform(0.5, 1.5) * seconds

    thread = threading.Thread(target=disturb)
    thread.start()
    began = time.monotonic()
    try:
        found = predict_folder(folder / "in", folder / "out", folder / "model", workers=workers)
    finally:
        over.set()
        thread.join()
    return *found, time.monotonic() - began, len(kills), np.array(memory) / 1e6


def nothing(thing):
    """What handing out costs by itself."""
    return {"thing": thing}


def cost_of_handing_out(count=2000, **where):
    """Milliseconds a thing, once the processes are there."""
    found = spread("benchmarks.cohort:nothing", list(range(count)), **where)
    for _ in range(count // 10):
        next(found)
    began = time.monotonic()
    left = len(list(found))
    return 1e3 * (time.monotonic() - began) / left


def by_dask(workers):
    """The same on a cluster of this machine; NaN where Dask is not installed."""
    try:
        from distributed import LocalCluster
    except ImportError:
        return np.nan
    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(n_workers=workers, protocol="tcp://", **options) as cluster:
        return cost_of_handing_out(scheduler=cluster)


def check(folder, found, faults, said, count):
    """Every sound series is done, once; every broken one is named; no file is cut off."""
    assert list(found["case"]) == [f"S{number:05d}" for number in range(count)]
    told = dict(zip(found["case"], found["fault"], strict=True))
    assert {name for name, fault in told.items() if fault} == set(said)
    assert len(faults) == len(said)
    assert all(words in told[name] for name, words in said.items())
    assert found.loc[found["fault"] == "", ["slices", "both"]].notna().all(axis=None)
    left = [file for file in (folder / "out").iterdir() if file.name.startswith(".")]
    assert left == []


def measured(folder, count, workers, seconds):
    """What was measured, by name."""
    said = draw(folder, count)
    small_model(folder / "model")
    found, faults, wall, kills, memory = disturbed(folder, workers, seconds)
    check(folder, found, faults, said, count)
    reports = [pd.read_json(f, typ="series") for f in (folder / "out").glob("*_report.json")]
    work = sum(sum(report["seconds"].values()) for report in reports)
    began = time.monotonic()
    predict_folder(folder / "in", folder / "out", folder / "model", workers=workers)
    again = time.monotonic() - began
    tenth = max(1, len(memory) // 10)
    return {
        "series": count,
        "of which broken, and named": len(faults),
        "of which done, each once": len(reports),
        "processes": workers,
        "processes killed": kills,
        "wall / s": round(wall, 1),
        "wall / ideal": round(wall / (work / workers), 3),
        "work of a series / s": round(work / len(reports), 3),
        "lost a series / s": round((wall * workers - work) / count, 3),
        "handing out / ms, processes": round(cost_of_handing_out(workers=workers), 2),
        "handing out / ms, Dask": round(by_dask(workers), 2),
        "asking process / MB, first tenth": round(memory[:tenth, 0].mean(), 1),
        "asking process / MB, last tenth": round(memory[-tenth:, 0].mean(), 1),
        "largest worker / MB, second tenth": round(memory[tenth : 2 * tenth + 1, 1].max(), 1),
        "largest worker / MB, last tenth": round(memory[-tenth:, 1].max(), 1),
        "second start / s": round(again, 1),
        "machine": machine("torch", "distributed"),
    }


def main():
    """Measure, print and write `RESULTS`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=float, default=20, help="seconds from kill to kill")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        numbers = measured(Path(place), chosen.series, chosen.workers, chosen.every)
    write_table(RESULTS, pd.DataFrame(numbers.items(), columns=["what", "value"]))
    grown = (
        numbers["largest worker / MB, last tenth"] / numbers["largest worker / MB, second tenth"]
    )
    goals = [
        ("wall time, times the ideal", numbers["wall / ideal"], None, MOST_TO_IDEAL),
        ("a worker's memory at the end, times that at the second tenth", grown, None, MOST_GROWTH),
    ]
    keep_goals("cohort", goals)
    print(table(["what", "value"], numbers.items()))


if __name__ == "__main__":
    main()
