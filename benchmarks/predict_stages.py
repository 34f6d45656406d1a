"""Where the seconds of `predict` go, before and after a change, and what other networks would take.

    python -m benchmarks.predict_stages SERIES [CHECKOUT ...]

Each checkout (this one, and such as `git worktree add ../before COMMIT` makes) segments the series
in a process of its own, and all take turns; the quickest turn is told, with its stages as
`report.json` has them (a commit without that has its total alone). Beside it the bare read of the
files, and networks on SAMPLE of the same slices: ours as `predict` runs it and as the usual loop
does, MONAI's BasicUNet through its SlidingWindowInferer, and lungmask's R231; the last two with
random weights, as cost does not depend on them, and only where they are installed
(benchmarks/requirements.txt). `whole_to_ours` is what the whole command would take with that
network, reading and writing the same, as a multiple of ours.
"""

import copy
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.predict_speed import plain_loop
from benchmarks.results import FOLDER, machine
from utils.dataset import to_unit_range
from utils.dicom import read_series
from utils.inference import segment
from utils.predict import load_model
from utils.scale import AIR, whole_grid
from utils.workspace import REPOSITORY, write_table

TURNS, SAMPLE = 3, 24
RESULTS = FOLDER / "predict_stages.csv"
MOST_SECONDS, MOST_GB = 9, 1.0  # the goal, for 130 slices of 512² on two idle cores


def whole_command(checkout, series):
    """Seconds by stage of `predict` of a checkout, with `whole`, `cpu` and `peak_gb`."""
    code = Path(checkout).resolve()
    environment = os.environ | {"PYTHONPATH": str(code)}
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "utils.predict", str(series), "--out", out]
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  # no shell: each is one argument
            command, cwd=code, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        whole = time.perf_counter() - start
        assert process.returncode == 0, f"predict of {code} failed"
        reports = [json.loads(file.read_text()) for file in Path(out).glob("*report.json")]
    stages = reports[0]["seconds"] if reports else {}
    rest = {"imports, start, the rest": whole - sum(stages.values())} if stages else {}
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9
    return {**stages, **rest, "whole": whole, "cpu": cpu, "peak_gb": peak}


def monai_network():
    """MONAI's BasicUNet with its own widths, one window of 256² a slice, four at a time."""
    from monai.inferers import SlidingWindowInferer
    from monai.networks.nets import BasicUNet

    model, inferer = BasicUNet(2, 1, 1).eval(), SlidingWindowInferer((256, 256), 4)
    return lambda images: inferer(images, model)


def lungmask_network():
    """lungmask's R231 with its batches of 20, from its file: the package asks for much more."""
    found = importlib.util.find_spec("lungmask")  # runs nothing of it
    if found is None:
        raise ImportError("lungmask")
    file = Path(found.submodule_search_locations[0], "resunet.py")
    spec = importlib.util.spec_from_file_location("resunet", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True)
    model.eval()
    return lambda images: [model(batch) for batch in images.split(20)]


def networks(volume):
    """Name -> function that takes the sample's slices through a network."""
    model, settings = load_model()
    usual = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    some = np.linspace(0, len(volume.hu) - 1, SAMPLE).astype(int)
    hu, spacing = volume.hu[some], volume.spacing
    grid = whole_grid(hu.shape, spacing, settings)
    images = to_unit_range(grid.to_network(torch.from_numpy(hu), AIR), settings.window)[:, None]
    ways = {
        "ours": lambda: segment(model, hu, settings, spacing),
        "the same in the usual loop": lambda: plain_loop(usual, hu, settings, spacing),
    }
    peers = {"MONAI BasicUNet": monai_network, "lungmask R231": lungmask_network}
    for name, made in peers.items():
        try:
            network = made()
        except ImportError:
            print(f"{name} is not installed: left out")
            continue
        ways[name] = lambda network=network: network(images)
    return ways


@torch.inference_mode()
def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(ways):
    """Name -> the least seconds of its turns."""
    turns = [[seconds(way) for way in ways.values()] for _ in range(TURNS)]
    return dict(zip(ways, map(min, zip(*turns, strict=True)), strict=True))


def main(series, *checkouts):
    """Measure, print, write RESULTS, and say whether the goal holds."""
    checkouts = [REPOSITORY, *checkouts]
    runs = {checkout: [] for checkout in checkouts}
    for _ in range(TURNS):
        for checkout in checkouts:
            runs[checkout].append(whole_command(checkout, series))
    rows = []
    for checkout, turns in runs.items():
        command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        best = min(turns, key=lambda run: run["whole"])
        rows += [(f"predict of {commit.stdout.strip()}", *stage) for stage in best.items()]
    ours = min(runs[REPOSITORY], key=lambda run: run["whole"])
    files = [file for file in Path(series).iterdir() if file.is_file()]
    raw = in_turns({"bytes of the files": lambda: [file.read_bytes() for file in files]})
    rows += [("bare read", *item) for item in raw.items()]
    volume = read_series(series)
    share = len(volume.hu) / SAMPLE
    found = {name: share * took for name, took in in_turns(networks(volume)).items()}
    for name, took in found.items():
        rows += [("network", name, took)]
        whole = ours["whole"] - found["ours"] + took
        rows += [("whole_to_ours", name, whole / ours["whole"])]
    table = pd.DataFrame(rows, columns=["way", "stage", "seconds"])
    table["slices"], table["machine"] = len(volume.hu), machine("torch", "monai", "lungmask")
    write_table(RESULTS, table, float_format="%.3f")
    print(table[["way", "stage", "seconds"]].to_string(index=False))
    holds = ours["whole"] <= MOST_SECONDS and ours["peak_gb"] <= MOST_GB
    print(f"At most {MOST_SECONDS} s and {MOST_GB} GB: {'holds' if holds else 'does not hold'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
