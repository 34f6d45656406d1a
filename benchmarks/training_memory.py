"""Peak memory of training on twelve cases of 512²: at most twice their volumes, and the model.

    python -m benchmarks.training_memory        a minute on two cores

The volumes are mapped files, as load_cases hands them out, the masks lie in memory; split,
slices at full size, fingerprint and a few steps of the loop (utils.training) are those of a run. A
second process has one slice a case: its peak, Python and torch included, is the model's own need.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks import results
from utils import training
from utils.cases import Pair
from utils.dataset import SliceDataset, split_cases
from utils.settings import preset
from utils.training import Trainer, learn, measure
from utils.unet import build_unet

CASES = 12
STEPS = 3
LIMIT = 2  # times the int16 volumes


def write_cases(folder, slices, size):
    """Synthetic volumes and masks, a file each; returns the volumes' bytes."""
    random = np.random.default_rng(0)
    for case in range(CASES):
        coarse = random.integers(-1000, 400, (slices, 8, 8), dtype=np.int16)
        volume = coarse.repeat(size // 8, 1).repeat(size // 8, 2)
        np.save(folder / f"Case_{case:03d}.npy", volume)
        np.save(folder / f"Case_{case:03d}_seg.npy", (volume < -500).astype(np.uint8))
    return CASES * volume.nbytes


def peak_of(folder, slices):
    """Peak memory in bytes of beginning a run on the first slices of each case."""
    pairs = {}
    for file in sorted(folder.glob("Case_???.npy")):
        hu = np.load(file, mmap_mode="r")[:slices]
        mask = np.load(file.with_stem(f"{file.stem}_seg"), mmap_mode="r")[:slices]
        pairs[file.stem] = Pair(hu, np.array(mask), (1.0, 1.0, 1.0))  # as load_masks returns them
    settings = preset("vrikkis2024", image_size=hu.shape[1])
    split = split_cases(pairs, settings.seed)
    sets = [SliceDataset(pairs, names, settings) for names in (split.train, split.validation)]
    training.run_fingerprint(settings, split, *sets)
    trainer = Trainer(build_unet(settings), settings, *sets)
    learn(trainer.model, islice(trainer.loader, STEPS), trainer.loss, trainer.optimiser, settings)
    measure(trainer.model, islice(trainer.validation, STEPS), trainer.loss)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def in_a_process(*arguments):
    """`peak_of` in a fresh process, since a peak never falls."""
    command = [sys.executable, "-m", "benchmarks.training_memory", "--peak-of", *arguments]
    command = list(map(str, command))  # no shell, and all of it is this file's own
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return int(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=100, help="of each case")
    parser.add_argument("--size", type=int, default=512, help="rows and columns")
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(peak_of(Path(arguments.peak_of[0]), int(arguments.peak_of[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        volumes = write_cases(Path(folder), arguments.slices, arguments.size)
        # one slice a case: Python, torch and the network with its batches, and no data to speak of
        model, whole = (in_a_process(folder, slices) for slices in (1, arguments.slices))
    share = (whole - model) / volumes
    goal = ("memory of the data, times their int16 volumes", share, None, LIMIT)
    results.keep_goals("training memory", [goal])
    rows = [
        ("int16 volumes", f"{volumes / 1e9:.2f}"),
        ("peak with one slice a case: the model's own need", f"{model / 1e9:.2f}"),
        ("peak with all slices", f"{whole / 1e9:.2f}"),
    ]
    table = results.table(("what", "GB"), rows)
    results.publish(
        "training_memory",
        f"# Peak memory of training on {CASES} cases of {arguments.slices} slices of "
        f"{arguments.size}²\n\n{results.machine('torch')}. Synthetic slices, none left out.\n\n"
        f"{table}\n\nThe data take {share:.2f} times their int16 volumes; goal: at most {LIMIT}.",
    )


if __name__ == "__main__":
    main()
