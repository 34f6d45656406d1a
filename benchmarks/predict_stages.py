"""Where the seconds of `predict` go, before and after a change, and what other networks would take.

    python -m benchmarks.predict_stages [SERIES [CHECKOUT ...]]

SERIES is a folder with one DICOM series; without one a synthetic patient of 130 slices of 512² is
drawn. Each checkout (this one, and such as `git worktree add ../before COMMIT` makes) segments the
series in a process of its own, and all take turns; the quickest turn is told, with its stages as
its report has them (a commit without that has its total alone). Beside it the bare read of the
files, and networks on SAMPLE of the same slices, in turns: ours as `predict` runs it and as the
usual loop does (float32, one slice at a time, contiguous memory), MONAI's BasicUNet through its
SlidingWindowInferer, and lungmask's R231; the last two with random weights, as cost does not
depend on them, and only where they are installed (benchmarks/requirements.txt). `whole_to_ours` is
what the whole command would take with that network, reading and writing the same, as a multiple of
ours.
"""

import copy
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import zoom

from benchmarks.results import FOLDER, keep_goals, machine
from utils.dataset import to_unit_range
from utils.datasets.phantom import PATIENTS, ct_slice, make_phantom
from utils.dicom import read_series
from utils.inference import logits_of, segment
from utils.predict import load_model
from utils.scale import AIR, whole_grid
from utils.workspace import REPOSITORY, write_table

TURNS, SAMPLE = 3, 24
RESULTS = FOLDER / "predict_stages.csv"
SLICES, SIDE = 130, 512  # of the patient that is drawn
MOST_SECONDS, MOST_GB = 9, 1.0  # the goal, for 130 slices of 512² on two idle cores
LEAST_TO_PEERS = 3  # times as fast as the whole command with a peer's network in it


def drawn_series(folder):
    """Write a synthetic patient's series, SLICES of SIDE²; returns its folder."""
    p = PATIENTS[0]
    pixel, spacing = p.pixel * p.matrix / SIDE, p.spacing * p.slices / SLICES
    p = dataclasses.replace(p, slices=SLICES, matrix=SIDE, pixel=pixel, spacing=spacing)
    drawn = read_series(make_phantom(folder / "drawn", [0], workers=1) / "Images" / "Case_000").hu
    shape = np.array([SLICES, SIDE, SIDE])
    stored = zoom(drawn, shape / drawn.shape, order=1) - np.int16(p.intercept)
    series = folder / "series"
    series.mkdir()
    for k in range(SLICES):
        file = series / f"1-{SLICES - k:03d}.dcm"
        ct_slice(p, stored, k, seed=0).save_as(file, enforce_file_format=True)
    return series


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


@torch.no_grad()
def plain_loop(model, hu, settings, spacing):
    """One slice at a time, as most published code does it; returns the number of lung pixels."""
    found, grid = 0, whole_grid(hu.shape, spacing, settings)
    for slice_ in hu:
        image = grid.to_network(torch.from_numpy(slice_.copy())[None], AIR)
        logits = logits_of(model, to_unit_range(image, settings.window)[:, None], settings)
        found += int((torch.sigmoid(grid.to_scan(logits[:, 0])) > 0.5).sum())
    return found


def monai_network():
    """MONAI's BasicUNet with its own widths, windows of 256², four at a time.

    Of a slice that was resampled to 256² it is one window, of one of 512² nine.
    """
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


def engine(model, precision):
    """Our network in OpenVINO: a function of images that gives logits, one slice at a time."""
    import openvino

    example = torch.zeros(1, 1, 256, 256)
    converted = openvino.convert_model(model, example_input=example)
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda images: torch.cat([torch.from_numpy(compiled(one)[0]) for one in images.split(1)])


def networks(volume):
    """Name -> function that takes the sample's slices through a network.

    Of the engines, the share of the network's pixels that they answer otherwise is printed.
    """
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
    peers |= {f"OpenVINO, {kind}": partial(engine, usual, kind) for kind in ("f32", "bf16")}
    peers |= {"MONAI BasicUNet, not resampled": monai_network}
    whole = to_unit_range(torch.from_numpy(hu), settings.window)[:, None]
    for name, made in peers.items():
        try:
            network = made()
        except ImportError:
            print(f"{name} is not installed: left out")
            continue
        given = whole if "not resampled" in name else images
        ways[name] = lambda network=network, given=given: network(given)
        if name.startswith("OpenVINO"):
            with torch.inference_mode():
                other = (network(images) > 0) != (usual(images) > 0)
            print(f"{name}: {other.float().mean():.1e} of the network's pixels differ")
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


def measured(series, checkouts):
    """All rows of RESULTS: (way, stage, seconds, or what the stage's name says)."""
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
    return table.assign(slices=len(volume.hu), rows=volume.hu.shape[1])


def main(*series_and_checkouts):
    """Measure, print, write RESULTS, keep the goals."""
    with tempfile.TemporaryDirectory() as folder:
        series, *checkouts = series_and_checkouts or [drawn_series(Path(folder))]
        rows = measured(series, [REPOSITORY, *checkouts])
    rows["machine"] = machine("torch", "monai", "lungmask")
    write_table(RESULTS, rows, float_format="%.3f")
    print(rows[["way", "stage", "seconds"]].to_string(index=False))
    told = rows.set_index(["way", "stage"])["seconds"]
    whole = told.xs("whole", level="stage").iloc[0], told.xs("peak_gb", level="stage").iloc[0]
    goals = [
        ("the whole command / s", whole[0], None, MOST_SECONDS),
        ("its memory / GB", whole[1], None, MOST_GB),
    ]
    for peer in ("MONAI BasicUNet", "MONAI BasicUNet, not resampled", "lungmask R231"):
        if peer in told["whole_to_ours"]:
            times = told["whole_to_ours", peer]
            goals.append((f"times as fast as with {peer}", times, LEAST_TO_PEERS, None))
    keep_goals("predict", goals)


if __name__ == "__main__":
    main(*sys.argv[1:])
