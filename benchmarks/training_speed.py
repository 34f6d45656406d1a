"""Slices per second of a training step and of inference: ours, the plain loop, MONAI's BasicUNet.

    python -m benchmarks.training_speed                          a few minutes on two cores
    python -m benchmarks.training_speed --sizes 128 512 --widths 16 64 --device cuda

A run over some sizes and widths adds its rows to those that the same machine measured before.
Each way has a process of its own, and they take turns step by step, so that whatever else the
machine does meets them alike; medians are printed. MONAI is left out where it is not installed;
it belongs into an environment of its own, with the torch of this one:

    python -m venv --system-site-packages build/monai
    build/monai/bin/pip install monai==1.6.1 torch==2.13.0
"""

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.results import keep_goals, processor
from benchmarks.training_peers import WAYS, ours
from utils.runtime import best_device, has_fast_bfloat16, keep_freed_memory
from utils.workspace import written_whole

RESULTS = Path(__file__).parent / "results"
PARTS = ("data", "forward", "backward", "step")
LEAST_AT_512 = {"plain loop": 2.3}  # of width 16 on two cores, batches of 3


def hardware(device):
    """The machine in a line: processor or GPU, threads, bfloat16, torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    precision = "with" if has_fast_bfloat16(device) else "without"
    threads = f"{torch.get_num_threads()} threads"
    return f"{name}, {threads}, {precision} fast bfloat16, torch {torch.__version__}"


class Clock:
    """Seconds since the last call, the device's work included."""

    def __init__(self, device):
        self.device, self.last = device, time.perf_counter()

    def lap(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        seconds, self.last = now - self.last, now
        return seconds


def endless(way):
    """The batches of a way, pass after pass."""
    while True:
        yield from way.loader


def training_step(way, stream):
    """One step; returns the seconds of each of PARTS."""
    way.model.train()
    clock = Clock(way.device)
    images, truths = way.batch(next(stream))
    seconds = [clock.lap()]
    way.optimiser.zero_grad()
    with way.precision():
        logits = way.model(images)
    value = way.loss(logits.float(), truths)
    seconds.append(clock.lap())
    value.backward()
    seconds.append(clock.lap())
    way.optimiser.step()
    seconds.append(clock.lap())
    return seconds


@torch.inference_mode()
def inference(way, stream):
    """One batch from the loader to a mask; returns seconds."""
    way.model.eval()
    clock = Clock(way.device)
    images, _ = way.batch(next(stream))
    with way.precision():
        _masks = way.model(images) > 0
    return clock.lap()


def work(connection, make, device):
    """A process of one way: (size, width, batch) builds it anew, None asks for a turn."""
    if make is ours:
        keep_freed_memory()  # as our training loop does
    while (asked := connection.recv()) != "end":
        if asked is not None:
            way = make(*asked, device)
            stream = way and endless(way)
            connection.send(way and way.name)
        else:
            connection.send((training_step(way, stream), inference(way, stream)))


def compare(workers, size, width, batch_size, steps):
    """One row for each way: slices/s learning and predicting, and how a step's time divides."""
    names = {worker: ask(worker, (size, width, batch_size)) for worker in workers}
    times = {worker: [] for worker in workers if names[worker]}
    for turn in range(steps + 1):
        for worker, turns in times.items():
            result = ask(worker, None)
            if turn:  # the first turn warms up
                turns.append(result)
    rows = []
    for worker, turns in times.items():
        learnt, seen = zip(*turns, strict=True)
        total = statistics.median(map(sum, learnt))
        parts = [statistics.median(part) for part in zip(*learnt, strict=True)]
        row = {"size": size, "width": width, "batch": batch_size, "way": names[worker]}
        row |= {"training slices/s": batch_size / total}
        row |= {f"{part} %": 100 * p / sum(parts) for part, p in zip(PARTS, parts, strict=True)}
        rows.append(row | {"inference slices/s": batch_size / statistics.median(seen)})
    fastest = rows[0]["training slices/s"]
    return [row | {"ours is faster by": fastest / row["training slices/s"]} for row in rows]


def ask(worker, request):
    """Send a request to a worker and wait for its answer."""
    worker.send(request)
    return worker.recv()


def begin_workers(device):
    """A connection to a process for each way."""
    context, connections = multiprocessing.get_context("spawn"), []
    for make in WAYS:
        here, there = context.Pipe()
        context.Process(target=work, args=(there, make, device), daemon=True).start()
        connections.append(here)
    return connections


def keep(file, machine, table):
    """Write a table, with the rows that the file holds of other sizes on the same machine."""
    if file.exists() and file.read_text().startswith(f"# {machine}\n"):
        old, key = pd.read_csv(file, comment="#"), ["size", "width"]
        others = ~old.set_index(key).index.isin(table.set_index(key).index)
        table = pd.concat([old[others], table]).sort_values(key[::-1], kind="stable")
    with written_whole(file) as temporary:
        temporary.write_text(f"# {machine}\n{table.round(3).to_csv(index=False)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--widths", type=int, nargs="+", default=[16])
    parser.add_argument("--batch", type=int, default=8, help="slices; at 512² and above, 3")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--device", type=torch.device, default=best_device())
    parser.add_argument("--out", type=Path, default=RESULTS / "training_speed.csv")
    arguments = parser.parse_args()
    workers = begin_workers(arguments.device)
    print(hardware(arguments.device))
    rows = []
    for size in arguments.sizes:
        for width in arguments.widths:
            batch_size = 3 if size >= 512 else arguments.batch
            rows += compare(workers, size, width, batch_size, arguments.steps)
            table = pd.DataFrame(rows)
            print(table.tail(len(WAYS)).round(2).to_string(index=False), flush=True)
            keep(arguments.out, hardware(arguments.device), table)
    for worker in workers:
        worker.send("end")
    faster = {(row["size"], row["way"]): row["ours is faster by"] for row in rows}
    goals = [
        (f"a step at 512 x 512, times as fast as the {way}", faster[512, way], least, None)
        for way, least in LEAST_AT_512.items()
        if (512, way) in faster and arguments.widths[-1:] == [16] and str(arguments.device) == "cpu"
    ]
    if goals:
        keep_goals("training", goals)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
