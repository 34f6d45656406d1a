"""Functions for other processes to run, which must be able to import them; and a small cohort."""

import os
import signal
import time
from pathlib import Path

import torch
from chest_builders import case

from utils.settings import Settings, settings_to_json
from utils.training import save_weights
from utils.unet import build_unet


def begun(thing):
    """Note in the thing's folder that it was begun, and when; returns how often it was."""
    with open(thing["folder"] / f"{thing['name']}.begun", "a") as file:
        file.write(f"{os.getpid()} {time.time()}\n")
    return len((thing["folder"] / f"{thing['name']}.begun").read_text().splitlines())


def work(thing):
    """Sleep, or end the process as the kernel would, as often as the thing says."""
    if begun(thing) <= thing.get("ends", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(thing.get("seconds", 0))
    with open(thing["folder"] / f"{thing['name']}.done", "a") as file:
        file.write(f"{time.time()}\n")
    return {"name": thing["name"], "process": os.getpid(), "threads": torch.get_num_threads()}


def times(folder, name, ending):
    """When a thing was begun or done."""
    lines = (folder / f"{name}.{ending}").read_text().splitlines()
    return [float(line.split()[-1]) for line in lines]


def small_model(folder, seed=0):
    """A network that is quick and has learnt nothing, in a folder as of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        width=4, levels=2, image_size=48, pixel_size=3.0, window=(-1000.0, 0.0), dropout=0.0
    )
    (folder / "settings.json").write_text(settings_to_json(settings))
    weights = {name: value + seed for name, value in build_unet(settings).state_dict().items()}
    save_weights(folder / "model.safetensors", weights, "untrained")
    return folder


def small_cohort(folder, count):
    """So many small chests, P00 …, and the model that they are given to: (cases, model)."""
    for number in range(count):
        case(folder / "in" / f"P{number:02d}", count=6 + number)
    return folder / "in", small_model(folder / "model")


def results(out):
    """Name -> bytes of what is found of cases; without reports, which tell how long it took."""
    files = (file for file in Path(out).iterdir() if not file.name.endswith("_report.json"))
    return {file.name: file.read_bytes() for file in files}
