"""How long and how much memory `predict` takes, and what a plain loop over slices would take.

    python -m benchmarks.predict_speed SERIES      a folder with one DICOM series

The whole command is run in a process of its own: reading, network, post-processing, right and
left lung, DICOM SEG, npz and picture. Beside it, in this process: the network alone on the same
slices, as `predict.segment` runs it and as the usual loop does (float32, one slice at a time,
contiguous memory). The two take turns, and the quickest of each is told: whatever else the
machine does can only add.
"""

import copy
import resource
import subprocess
import sys
import tempfile
import time

import torch

from benchmarks.results import FOLDER, machine
from utils.dataset import to_unit_range
from utils.dicom import read_series
from utils.inference import logits_of, segment
from utils.predict import load_model
from utils.scale import AIR, whole_grid
from utils.workspace import REPOSITORY, write_json

TURNS = 3
RESULTS = FOLDER / "predict_speed.json"


@torch.no_grad()
def plain_loop(model, hu, settings, spacing):
    """One slice at a time, as most published code does it; returns the number of lung pixels."""
    found, grid = 0, whole_grid(hu.shape, spacing, settings)
    for slice_ in hu:
        image = grid.to_network(torch.from_numpy(slice_.copy())[None], AIR)
        logits = logits_of(model, to_unit_range(image, settings.window)[:, None], settings)
        logits = grid.to_scan(logits[:, 0])
        found += int((torch.sigmoid(logits) > 0.5).sum())
    return found


def seconds(function, *arguments):
    """(time of a call, its result)."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main(series):
    """Measure, print and write `RESULTS`."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "utils.predict", series, "--out", out]
        # no shell: `series` is one argument whatever it is called
        whole, _ = seconds(lambda: subprocess.run(command, check=True, cwd=REPOSITORY))  # noqa: S603
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    volume = read_series(series)
    model, settings = load_model()
    # the first batch pays for what is set up once
    segment(model, volume.hu[:16], settings, volume.spacing, batch_size=1)
    usual = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    turns = []
    for _ in range(TURNS):
        ours, mask = seconds(segment, model, volume.hu, settings, volume.spacing, 1)
        plain, found = seconds(plain_loop, usual, volume.hu, settings, volume.spacing)
        turns.append((ours, plain))
    ours, plain = map(min, zip(*turns, strict=True))
    assert abs(found - int(mask.sum())) < 1e-3 * mask.sum(), "the two do not do the same"
    result = {
        "slices": len(volume.hu),
        "rows_cols": list(volume.hu.shape[1:]),
        "machine": machine("torch"),
        "whole_command_s": round(whole, 1),
        "peak_memory_gb": round(peak / 1e9, 2),
        "network_s": round(ours, 1),
        "plain_loop_s": round(plain, 1),
        "plain_to_ours": round(plain / ours, 2),
    }
    write_json(RESULTS, result)
    print("\n".join(f"{key:18s} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main(sys.argv[1])
