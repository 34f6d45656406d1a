"""Thousands of damaged files: each must end in a whole volume or mask, or in our own error.

    python -m tests.fuzz --seconds 100

A child process reads files of which one is mutated: series of three small slices in every coding,
NIfTI, NRRD, MetaImage, zip, RTSTRUCT, SEG of each kind, and masks in npz (subjects.py; the ways to
damage them are in mutations.py). The parent sees to it that no file takes longer than five seconds,
that the child neither dies nor takes more than 1 GB, and names the seed of whatever fails:
`--first-seed N --seconds 5 --least 1` starts with it.
"""

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
from pydicom import config

from tests.fuzz.subjects import subjects
from utils.errors import InputError

SECONDS, MEMORY = 5, 1024**3  # limits for one file
LEAST = 5000  # files in a full run


def one_file(seed, sorts, folder):
    """Write the files of this seed's subject, one mutated, and read. Returns (kind, outcome)."""
    rng = np.random.default_rng(seed)
    names = sorted(sorts)
    group = sorts[names[rng.integers(len(names))] if rng.integers(2) else "slice"]
    subject = group[rng.integers(len(group))]
    damaged = sorted(subject.files)[rng.integers(len(subject.files))]
    ways = subject.mutations(subject.files[damaged])
    mutate = ways[rng.integers(len(ways))]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in subject.files.items():
        (folder / name).write_bytes(mutate(data, rng) if name == damaged else data)
    kind = f"{subject.name} {mutate.__name__}"
    try:
        return kind, subject.read(folder, damaged, mutate.__name__)
    except InputError as error:
        said = str(error)
    where = folder.name if subject.name == "slice" else damaged
    assert where in said and len(said) < 5000, said
    return kind, "refused"


def child(pipe, first, work):
    """Read mutated files one after another and send (seed, kind, outcome) for each."""
    sorts = {}
    for subject in subjects(work / "valid"):
        sorts.setdefault(subject.name, []).append(subject)
    limit = MEMORY + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seed = first
    while True:
        pipe.send((seed, None, "started"))
        try:
            kind, outcome = one_file(seed, sorts, work / "case")
        except BaseException:  # whatever comes out is a finding
            kind, outcome = "", traceback.format_exc()
        pipe.send((seed, kind, outcome))
        seed += 1


def run(seconds, first, least):
    """Fuzz for so many seconds; returns the number of findings."""
    config.settings.reading_validation_mode = config.WARN
    memory = Path("/dev/shm")  # files in memory, where there is such a place  # noqa: S108
    base = memory if memory.is_dir() else None
    counts, findings, seed, end = Counter(), [], first, time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir=base, prefix="fuzz-") as work:
        while time.monotonic() < end:
            ours, theirs = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.Process(target=child, args=(theirs, seed, Path(work)))
            process.start()
            theirs.close()
            patience = 60  # for the valid series
            try:
                while time.monotonic() < end and ours.poll(patience):
                    seed, kind, outcome = ours.recv()
                    patience = SECONDS
                    if outcome == "started":
                        continue
                    if outcome.startswith("Traceback"):
                        findings.append((seed, outcome))
                        counts["an error that is not ours"] += 1
                    else:
                        counts[kind, outcome] += 1
                else:
                    if time.monotonic() < end:
                        findings.append((seed, f"took longer than {SECONDS} s"))
            except EOFError:
                findings.append((seed, "the process died"))
            process.kill()
            process.join()
            seed += 1
    for key, count in sorted(counts.items(), key=str):
        print(f"{count:7d}  {key if isinstance(key, str) else ': '.join(key)}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{counts.total():7d}  files in all, seeds {first} to {seed - 1}, at most {peak:.0f} MB")
    for number, what in findings[:5]:
        print(f"\nseed {number}: {what[-1500:]}", file=sys.stderr)
    if peak > MEMORY / 1024**2:
        findings.append((seed, "memory"))
    if counts.total() < least:
        print(f"fewer than {least} files: give more --seconds", file=sys.stderr)
        return 1
    return len(findings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--least", type=int, default=LEAST)
    options = parser.parse_args()
    sys.exit(1 if run(options.seconds, options.first_seed, options.least) else 0)
