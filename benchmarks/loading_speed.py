"""How fast a CT series loads: this loader and its cache against other readers, side by side.

    python -m benchmarks.loading_speed

Writes 120 uncompressed slices of 512 × 512 into a temporary folder and loads them in turn with
each way, many times over, so that whatever else the machine does falls on all alike. SimpleITK
and MONAI are timed where they are installed (benchmarks/requirements.txt); every way's volume is
held against what was written. Files lie in the page cache: it is the readers that are compared,
not the disk.
"""

import dataclasses
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from benchmarks.results import keep_goals, machine, publish, table
from utils.cases import load_cases
from utils.datasets.phantom import PATIENTS, ct_slice
from utils.dicom import read_series

SLICES, SIDE, ROUNDS = 120, 512, 15


def write_case(folder):
    """A series in folder/Images/Case_000; returns its HU, feet end first."""
    patient = dataclasses.replace(PATIENTS[0], slices=SLICES, matrix=SIDE)
    hu = np.random.default_rng(0).integers(-1024, 1500, (SLICES, SIDE, SIDE), np.int16)
    stored = hu - np.int16(patient.intercept)
    images = folder / "Images" / "Case_000"
    images.mkdir(parents=True)
    for k in tqdm(range(SLICES), desc="Writing slices", unit="slice"):
        dataset = ct_slice(patient, stored, k, seed=0)
        dataset.save_as(images / f"1-{SLICES - k:03d}.dcm", enforce_file_format=True)
    return hu


def raw_read(folder, images):
    """All bytes of all files into one new array, nothing understood: what every reader must do."""
    paths = sorted(images.iterdir())
    starts = np.cumsum([0] + [path.stat().st_size for path in paths])
    everything = np.empty(starts[-1], np.uint8)
    for path, start, end in zip(paths, starts[:-1], starts[1:], strict=True):
        with open(path, "rb", buffering=0) as file:
            file.readinto(everything[start:end])
    return everything


def ours(folder, images):
    return read_series(images).hu


def from_cache(folder, images):
    """All voxels in memory: the cache itself only maps its file."""
    return np.array(load_cases(str(folder))["Case_000"].hu)


def simpleitk(folder, images):
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(images)))
    return sitk.GetArrayFromImage(reader.Execute())


def monai(folder, images):
    from monai.transforms import LoadImage

    return LoadImage(image_only=True)(str(images)).numpy().transpose(2, 1, 0)


WAYS = {
    "raw read of the files' bytes": raw_read,
    "load_cases, from the cache": from_cache,
    "read_series": ours,
    "SimpleITK's series reader": simpleitk,
    "MONAI's LoadImage": monai,
}


def installed(folder, images, hu):
    """The ways that this environment has, each once tried: it must give what was written."""
    found = {}
    for name, way in WAYS.items():
        try:
            volume = way(folder, images)
        except ImportError as error:
            print(f"{name} is left out: {error.name} is not installed.", file=sys.stderr)
            continue
        if way is not raw_read and not np.array_equal(volume, hu):
            raise AssertionError(f"{name} does not give the voxels that were written")
        found[name] = way
    return found


def measured(ways, folder, images):
    """Seconds of each way in each round: name -> [rounds]."""
    times = {name: [] for name in ways}
    for _ in tqdm(range(ROUNDS), desc="Loading", unit="round"):
        for name, way in ways.items():
            start = time.perf_counter()
            way(folder, images)
            times[name].append(time.perf_counter() - start)
    return {name: np.array(seconds) for name, seconds in times.items()}


def verdicts(times):
    """The goals as rows of text: each is the median of the ratios within a round."""
    reader, cache, floor, *peers = (
        times.get(name)
        for name in (
            "read_series",
            "load_cases, from the cache",
            "raw read of the files' bytes",
            "SimpleITK's series reader",
            "MONAI's LoadImage",
        )
    )
    goals = [
        (f"read_series, times as fast as {peer}", np.median(seconds / reader), least, None)
        for peer, least, seconds in zip(("SimpleITK", "MONAI"), (1.4, 3), peers, strict=True)
        if seconds is not None
    ]
    goals.append(("the cache, times a raw read", np.median(cache / floor), None, 1.5))
    return keep_goals("loading", goals)


def main():
    """Measure, print and keep the table; 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers
        folder = Path(work) / "bench"
        os.environ["LUNG_WORKSPACE"] = str(Path(work) / "workspace")
        hu = write_case(folder)
        images = folder / "Images" / "Case_000"
        times = measured(installed(folder, images, hu), folder, images)
    reached = verdicts(times)
    rows = [
        (name, *(f"{1000 * f(t):.0f}" for f in (np.median, np.min, np.max)))
        for name, t in times.items()
    ]
    text = [
        "# Loading 120 uncompressed slices of 512 × 512",
        f"{machine('pydicom', 'SimpleITK', 'itk', 'monai')}. {ROUNDS} rounds, all ways in turn in "
        "each; files in the page cache. Generated slices, no patient.",
        table(["way", "median, ms", "fastest", "slowest"], rows),
        "Goals, as the median over the rounds of the ratio within a round:",
        table(["what", "goal", "ratio", "reached"], reached),
    ]
    publish("loading_speed", "\n\n".join(text))
    return int(any(answer == "NO" for *_, answer in reached))


if __name__ == "__main__":
    sys.exit(main())
