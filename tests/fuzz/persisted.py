"""Thousands of damaged records: what the project wrote itself, mutated and read back.

    python -m tests.fuzz.persisted --count 5000

Settings, split, history, weights, checkpoint, predictions, caches, verdicts, notes of the source,
exported numbers. Each must end in our own error, or in the very same as before: read whole, or made
again. `--first-seed N --count 1` repeats what failed.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "builders"))  # pytest does the same
from dicom_factory import write_series
from kill_training import SETTINGS, SPLIT, sets

from report.build import read_studies, refuse_stale
from tests.fuzz.mutations import bits_flipped, piece_repeated, tail_random, truncated
from utils import alignment, cases, inference, training
from utils.alignment.verdict import require_aligned
from utils.errors import InputError
from utils.report import save_numbers
from utils.workspace import derived_folder, figures_folder

ONE, THREE = replace(SETTINGS, epochs=1), replace(SETTINGS, epochs=3)


class Stopped(Exception):
    """In place of a kill between two epochs."""


def digits_changed(data, rng):
    """As plausible as before: other digits, signs and letters in a text."""
    data = bytearray(data)
    places = [at for at in range(min(len(data), 20000)) if chr(data[at]).isalnum()]
    for at in rng.permutation(places)[: rng.integers(1, 4)].astype(int):
        data[at] = rng.choice(list(b"0123456789-enNa"))
    return bytes(data)


def nothing(data, rng):
    return b""


def zeros(data, rng):
    return bytes(len(data))


def nested(data, rng):
    return b'{"a":' * int(rng.integers(100, 100_000))


MUTATIONS = (
    *(truncated, bits_flipped, bits_flipped, piece_repeated, tail_random),
    *(digits_changed, digits_changed, digits_changed, nothing, zeros, nested),
)


class Workspace:
    """A workspace with one of each record, and a door for each that checks what comes in."""

    def __init__(self, folder):
        os.environ["LUNG_WORKSPACE"] = str(folder)
        self.folder, self.sets = folder, sets()
        for number in range(2):
            images = folder / "data/small/Images" / f"Case_00{number}"
            write_series(images, 5, rows=32, cols=32)
        masks = folder / "data/small/Segmentations"
        masks.mkdir()
        self.runs = folder / "data/small/derived/runs"
        self.done, self.half = self.runs / "done", self.runs / "half"
        self.model, _ = training.train(ONE, SPLIT, *self.sets, self.done)
        with contextlib.suppress(Stopped):
            training.train(THREE, SPLIT, *self.sets, self.half, on_epoch=self.stop)
        self.ended, _ = training.train(THREE, SPLIT, *self.sets, self.runs / "unbroken")
        shutil.rmtree(self.runs / "unbroken")
        self.volumes = cases.load_cases("small")
        self.hu = {name: np.array(volume.hu) for name, volume in self.volumes.items()}
        mask = (np.random.default_rng(0).random((5, 32, 32)) > 0.5).astype(np.uint8)
        self.pairs = {n: cases.Pair(hu, mask, (3.0, 0.75, 0.5)) for n, hu in self.hu.items()}
        verdict = alignment.Verdict("aligned", 1.0, 1.0, 0.1, ())
        prints = {n: cases.pair_fingerprint(*p) for n, p in self.pairs.items()}
        verdicts = {n: replace(verdict, made_from=prints[n]) for n in self.pairs}
        alignment.write_verdicts("small", verdicts)
        self.predicted = inference.segment_cases(self.model, self.pairs, ONE, self.done)
        self.figures = figures_folder("small")
        self.figures.mkdir(parents=True)
        (self.figures / "figure1.pdf").write_text("a figure")
        save_numbers("small", {"run": "done", "test": {"dsc": 0.987}})
        self.kept = {
            file: file.read_bytes()
            for file in sorted(folder.rglob("*.*"))
            if file.is_file() and "Images" not in file.parts and not file.name.startswith(".")
        }

    def stop(self, history):
        if len(history) == 2:
            raise Stopped

    def restore(self):
        for name in ("done", "half"):
            shutil.rmtree(self.runs / name)
        for file, data in self.kept.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def read(self, file, rng):
        """Read a record through its door; AssertionError if another than the valid is taken."""
        if file.parent == self.half:
            assert same(training.train(THREE, SPLIT, *self.sets, self.half)[0], self.ended)
        elif file.parent == self.done and rng.integers(4) == 0:
            assert same(training.train(ONE, SPLIT, *self.sets, self.done)[0], self.model)
            training.load_run(self.done)
        elif file.parent == self.done:
            model, settings, split = training.load_run(self.done)
            assert same(model, self.model) and settings == ONE and split == SPLIT
        elif file.parent.name == "predictions":
            found = inference.segment_cases(self.model, self.pairs, ONE, self.done)
            assert all(np.array_equal(found[name], self.predicted[name]) for name in self.pairs)
        elif file.parent.name == "volumes":
            for name, volume in cases.load_cases("small").items():
                before = self.volumes[name]
                assert np.array_equal(volume.hu, self.hu[name]) and volume.notes == before.notes
                assert (volume.spacing, volume.files) == (before.spacing, before.files)
        elif file.name == "alignment.json":
            try:
                turned = {n: p._replace(mask=p.mask[::-1]) for n, p in self.pairs.items()}
                require_aligned("small", turned)
            except InputError:
                require_aligned("small", self.pairs)
            else:
                raise AssertionError("another mask taken")
        elif file.parent == self.figures:
            refuse_stale(read_studies([self.figures]), ["figure1"])
            assert file.suffix != ".json" or file.read_bytes() == self.kept[file]
        else:
            derived_folder("small")


def same(one, other):
    weights = other.state_dict()
    return all(torch.equal(tensor, weights[name]) for name, tensor in one.state_dict().items())


def one_record(place, seed):
    """Mutate one record and read it; returns (name of the record, mutation, outcome)."""
    rng = np.random.default_rng(seed)
    files = [file for file in place.kept if file.suffix not in (".tex", ".pdf")]
    file = files[rng.integers(len(files))]
    mutate = MUTATIONS[rng.integers(len(MUTATIONS))]
    place.restore()
    file.write_bytes(mutate(place.kept[file], rng))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            place.read(file, rng)
        outcome = "the same, or made again"
    except InputError as error:
        outcome, said = "refused", str(error)
        if len(said) > 2000 or said.count("\n") > 2:
            raise AssertionError(f"no sentence: {said[:2000]}") from error
    return file.name, mutate.__name__, outcome


def run(folder, first, count):
    """Counts of outcomes, and (seed, traceback) of whatever else happened."""
    counts, findings = Counter(), []
    place = Workspace(folder)
    for seed in range(first, first + count):
        try:
            name, mutation, outcome = one_record(place, seed)
            counts[name, mutation, outcome] += 1
        except BaseException:  # whatever comes out is a finding
            findings.append((seed, traceback.format_exc()))
            if "KeyboardInterrupt" in findings[-1][1]:
                break
    return counts, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = Path("/dev/shm")  # noqa: S108  # files in memory, where there is such a place
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        counts, findings = run(Path(folder), options.first_seed, options.count)
    for key, number in sorted(counts.items()):
        print(f"{number:7d}  {': '.join(key)}")
    print(f"{counts.total():7d}  records in all, {len(findings)} findings")
    for seed, what in findings[:5]:
        print(f"\nseed {seed}: {what[-1500:]}", file=sys.stderr)
    return len(findings)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
