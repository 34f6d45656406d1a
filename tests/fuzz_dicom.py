"""Thousands of damaged files: each must end in a whole volume or in our own error.

    python -m tests.fuzz_dicom --seconds 100

A child process reads series of three small slices of which one is mutated. The parent sees to it
that no file takes longer than five seconds, that the child neither dies nor takes more than 1 GB,
and names the seed of whatever fails: `--first-seed N --seconds 5 --least 1` starts with it.
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
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import config, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

sys.path.insert(0, str(Path(__file__).parent))  # pytest does the same
from dicom_factory import enhanced_ct, save, write_series

from utils.dicom import read_series
from utils.errors import InputError

SECONDS, MEMORY = 5, 1024**3  # limits for one file
SLICES, SIDE = 3, 32
LEAST = 5000  # files in a full run
SYNTAXES = (
    ExplicitVRLittleEndian,  # twice as often: what most archives send
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
)
VRS = [b"DS", b"IS", b"UI", b"SQ", b"OW", b"UN", b"US", b"FD", b"PN", b"AT", b"ZZ", b"\0\0", b"UT"]


def valid_series(folder):
    """One list of (name, bytes) for each transfer syntax, and a multi-frame file."""
    series = []
    for number, syntax in enumerate(SYNTAXES):
        paths = write_series(folder / str(number), SLICES, None, syntax, rows=SIDE, cols=SIDE)
        series.append([(path.name, path.read_bytes()) for path in paths])
    save(enhanced_ct(SLICES, SIDE, SIDE), folder / "enhanced.dcm")
    series.append([("enhanced.dcm", (folder / "enhanced.dcm").read_bytes())])
    return series


def elements(data):
    """(start, value's start, end) of each top-level element of a valid file."""
    dataset = dcmread(BytesIO(data))
    found = []
    for source in (dataset.file_meta, dataset):
        for tag in source.keys():
            item = source.get_item(tag)
            if isinstance(item, RawDataElement) and item.length != 0xFFFFFFFF:
                long = not item.is_implicit_VR and item.VR in ("OB", "OW", "UN", "UT", "SQ")
                start = item.value_tell - (12 if long else 8)
                found.append((start, item.value_tell, item.value_tell + item.length))
    return [place for place in found if place[2] <= len(data)]


def truncated(data, rng, _):
    return data[: rng.integers(len(data))]


def bits_flipped(data, rng, _):
    data = bytearray(data)
    header = min(len(data), 1500)  # where a flip does most harm
    for at in rng.integers(132, rng.choice([header, len(data)]), size=rng.integers(1, 9)):
        data[at] ^= 1 << rng.integers(8)
    return bytes(data)


def tag_deleted(data, rng, places):
    start, _, end = places[rng.integers(len(places))]
    return data[:start] + data[end:]


def vr_swapped(data, rng, places):
    start = places[rng.integers(len(places))][0]
    return data[: start + 4] + VRS[rng.integers(len(VRS))] + data[start + 6 :]


def length_huge(data, rng, places):
    start, value, _ = places[rng.integers(len(places))]
    width = 4 if value - start == 12 or rng.integers(2) else 2
    length = int(rng.choice([0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0xFFFF, 0, 1, 2**20]))
    new = (length & (256**width - 1)).to_bytes(width, "little")
    return data[: value - width] + new + data[value:]


def value_replaced(data, rng, places):
    _, value, end = places[rng.integers(len(places))]
    junk = [b"\xff", b"\0", b"9", b"-", b"1e", b"\\", b"nan ", b"0,5 ", rng.bytes(7)]
    new = (junk[rng.integers(len(junk))] * (end - value))[: end - value]
    return data[:value] + new + data[end:]


def piece_repeated(data, rng, _):
    start, end = sorted(rng.integers(len(data), size=2))
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def tail_random(data, rng, _):
    """Garbage from somewhere on, where compressed pixels lie."""
    at = int(rng.integers(len(data) // 2, len(data)))
    return data[:at] + rng.bytes(len(data) - at)


MUTATIONS = (
    *(truncated, bits_flipped, tag_deleted, vr_swapped),
    *(length_huge, value_replaced, piece_repeated, tail_random),
)


def one_file(seed, series, places, folder):
    """Write the series of this seed, one file mutated, and read it. Returns kind and outcome."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(len(series)))
    files = dict(series[number])
    name = sorted(files)[rng.integers(len(files))]
    mutate = MUTATIONS[rng.integers(len(MUTATIONS))]
    if not places[number, name]:  # deflated: its elements do not show
        mutate = (truncated, bits_flipped, piece_repeated, tail_random)[rng.integers(4)]
    damaged = mutate(files[name], rng, places[number, name])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for other, data in files.items():
        (folder / other).write_bytes(damaged if other == name else data)
    try:
        volume = read_series(folder)
    except InputError as error:
        assert str(error).startswith(folder.name) and len(str(error)) < 5000
        return mutate.__name__, "refused"
    assert volume.hu.dtype == np.int16 and np.isfinite(volume.affine).all()
    if volume.hu.shape[0] != SLICES:
        assert volume.notes, f"{volume.hu.shape[0]} slices and not a word"
        return mutate.__name__, "fewer slices, noted"
    return mutate.__name__, "whole volume"


def child(pipe, first, work):
    """Read mutated files one after another and send (seed, kind, outcome) for each."""
    series = valid_series(work / "valid")
    places = {}
    for number, files in enumerate(series):
        for name, data in files:
            deflated = DeflatedExplicitVRLittleEndian.encode() in data
            places[number, name] = [] if deflated else elements(data)
    limit = MEMORY + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seed = first
    while True:
        pipe.send((seed, None, "started"))
        try:
            kind, outcome = one_file(seed, series, places, work / "case")
        except BaseException:  # whatever comes out is a finding
            kind, outcome = "", traceback.format_exc()
        pipe.send((seed, kind, outcome))
        seed += 1


def run(seconds, first, least):
    """Fuzz for so many seconds; returns the number of findings."""
    config.settings.reading_validation_mode = config.WARN
    memory = Path("/dev/shm")  # files in memory, where there is such a place
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
        print(f"\nseed {number}: {what}", file=sys.stderr)
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
