"""Kill a training run with SIGKILL at random moments and compare its end with an unbroken one.

`make kill` prints what happened in twenty; the tests call it with fewer.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open

from utils.cases import Pair
from utils.dataset import SliceDataset, Split
from utils.settings import Settings
from utils.training.run import train

SPLIT = Split(("Case_000",), ("Case_001",), ("Case_002",))
SETTINGS = Settings(
    image_size=32,
    pixel_size=1.0,
    width=4,
    levels=3,
    batch_size=4,
    rotate=10,
    noise=0.1,
    dsc_threshold=0,
)


def sets():
    """Training and validation discs of lung in a body of water, one a slice."""
    y, x = np.mgrid[:32, :32] - 15.5
    pairs = {}
    for number, name in enumerate(SPLIT.train + SPLIT.validation):
        sizes = np.linspace(0, 11 - number, 12)[:, None, None]
        mask = (np.hypot(y, x) < sizes).astype(np.uint8)
        hu = np.where(mask, -800, 40).astype(np.int16)
        pairs[name] = Pair(hu, mask, (1.0, 1.0, 1.0))
    return [SliceDataset(pairs, [name], SETTINGS) for name in pairs]


def work(folder, epochs):
    """The run that is to be killed."""
    torch.set_num_threads(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    train(replace(SETTINGS, epochs=epochs), SPLIT, *sets(), folder)


def start(work, *arguments):
    """A process of its own, forked from a server that has imported torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kill_training", "torch._dynamo"])
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def check_whole(folder):
    """Every file that has its name can be read; returns the epochs in the checkpoint."""
    epochs = 0
    for file in folder.glob("[!.]*"):
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as archive:
                for name in archive.keys():
                    archive.get_tensor(name)
                facts = json.loads(archive.metadata()["facts"])
            if file.stem == "checkpoint":
                epochs = len(facts["history"])
        elif file.suffix == ".json":
            json.loads(file.read_text())
        else:
            pd.read_csv(file)
    return epochs


def results(folder):
    """What a finished run left, without how long it took."""
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    weights = [(folder / f"{name}.safetensors").read_bytes() for name in ("model", "last")]
    return history.to_csv(), weights


def kill_and_compare(folder, kills, seed):
    """Run once unbroken and once killed `kills` times; returns the epochs found after each kill,
    0 where no epoch was finished yet.

    A run that reaches its end before it was killed that often is compared and begun anew, so
    that every kill meets a process at work. Raises AssertionError when a file is half-written or
    the two runs differ.
    """
    unbroken, broken, planned = folder / "unbroken", folder / "broken", 6 * kills
    start(time.sleep, 0).join()  # when this returns, the server has imported everything
    began = time.perf_counter()
    start(work, unbroken, planned).join()
    length = time.perf_counter() - began
    learning = pd.read_csv(unbroken / "history.csv")["seconds"].sum()
    random.seed(seed)
    epochs, done = [], 0
    while len(epochs) < kills:
        process, pause = start(work, broken, planned), length - learning
        if more := random.randrange(6):  # otherwise killed while it starts
            # waited for, since the load of the machine must not decide where a kill falls
            wait_for_epochs(process, broken, done + more)
            pause = learning / planned
        time.sleep(random.random() * pause)
        process.kill()  # SIGKILL
        process.join()
        if process.exitcode == 0:  # it had come to its end before
            check_end(broken, unbroken)
            shutil.rmtree(broken)
            done = 0
        else:
            done = check_whole(broken)
            epochs.append(done)
    process = start(work, broken, planned)
    process.join()
    assert process.exitcode == 0
    check_end(broken, unbroken)
    return epochs


def wait_for_epochs(process, folder, epochs):
    """Wait until a run has finished so many epochs, or has ended."""
    history = folder / "history.csv"
    while process.is_alive():
        rows = history.read_text().count("\n") - 1 if history.exists() else 0
        if rows >= epochs:
            return
        time.sleep(0.001)


def check_end(broken, unbroken):
    """Two finished runs are alike and have left nothing unfinished."""
    assert check_whole(broken) == 0 and not list(broken.glob(".*"))
    assert results(broken) == results(unbroken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2024)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        epochs = kill_and_compare(Path(folder), arguments.kills, arguments.seed)
    print(f"{arguments.kills} kills, epochs in the checkpoint after each: {epochs}")
    print("every file was whole; weights and history are those of the unbroken run")


if __name__ == "__main__":
    main()
