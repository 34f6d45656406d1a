"""The coursework's full job: 1,151 training slices of 512², ten epochs, validation included.

    python -m benchmarks.full_job                       on a GPU: batch 3 and several larger ones
    python -m benchmarks.full_job --slices 12 --size 64 --epochs 1 --batches 3 6     anywhere

Slices are synthetic, since speed does not depend on what they show. Times the loop as users run
it (utils.training) and the plain loop of public repositories, over as many steps as are asked for,
and scales to the job. The roofline is what the arithmetic of the convolutions would take at the
device's peak rate (--peak, TFLOP/s) and what its traffic would take at its memory's (--bandwidth,
TB/s): the larger of the two is the least time that any implementation needs. Where the rest goes
is told by the parts of a step, timed apart.

By that arithmetic, for width 16 at 512² in bfloat16, whose step has 55.1 GFLOP and 1.02 GB a slice:

    H100    55.1 GFLOP / 989 TFLOP/s = 56 µs,  1.02 GB / 3.35 TB/s = 306 µs:  3,270 slices/s
    H200    55.1 GFLOP / 790 TFLOP/s = 70 µs,  1.02 GB / 4.8 TB/s = 214 µs:   4,680 slices/s

so the 11,510 training slices take an H100 at least 3.5 s, and the memory is what bounds it.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.training_peers import Slices, plain
from benchmarks.training_peers import ours as ours_in_parts
from benchmarks.training_speed import PARTS, endless, hardware, training_step
from utils.settings import preset
from utils.training import Trainer
from utils.unet import UNet, build_unet
from utils.workspace import written_whole

RESULTS = Path(__file__).parent / "results"


def floating_point_operations(size, width):
    """Operations of one slice's training step, forward and backward, counted by torch."""
    model, image = UNet(width, 4, 0.0), torch.zeros(1, 1, size, size)
    with FlopCounterMode(display=False) as counter:
        model(image).sum().backward()
    return counter.get_total_flops()


def activation_bytes(size, width, bytes_each):
    """Least traffic of one slice's step: each layer's output written once and read twice.

    Once by the next layer and once by the backward pass, which writes and reads a gradient of
    the same size. Counted over the leaves of the network.
    """
    elements, model = [0], UNet(width, 4, 0.0)
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _m, _i, output: elements.__setitem__(0, elements[0] + output.numel())
            )
    with torch.no_grad():
        model(torch.zeros(1, 1, size, size))
    return elements[0] * bytes_each * 5


def ours(settings, slices, validation_slices, device):
    """Seconds of each epoch of our own loop, validation included."""
    sets = [Slices(count, settings.image_size) for count in (slices, validation_slices)]
    trainer = Trainer(build_unet(settings), settings, *sets)
    assert trainer.device.type == device.type
    while not trainer.is_over():
        trainer.run_epoch()
        print(f"  epoch {len(trainer.history)}: {trainer.history[-1]['seconds']:.1f} s", flush=True)
        if len(trainer.history) == 1:
            trainer.compile_if_it_pays()
    return [row["seconds"] for row in trainer.history]


def seconds_of_parts(make, settings, steps, device):
    """Median seconds that a step of this way spends in each of PARTS, after a first one."""
    way = make(settings.image_size, settings.width, settings.batch_size, device)
    stream = endless(way)
    timed = [training_step(way, stream) for _ in range(steps + 1)][1:]
    return [statistics.median(part) for part in zip(*timed, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=1151)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batches", type=int, nargs="+", default=[3, 8, 16, 32])
    parser.add_argument("--peak", type=float, help="TFLOP/s; 790 is an H200 in bfloat16")
    parser.add_argument("--bandwidth", type=float, help="TB/s; 4.8 is an H200")
    parser.add_argument(
        "--steps", type=int, default=20, help="steps timed of the plain loop, and in parts"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "full_job.csv")
    arguments = parser.parse_args()
    base = preset("vrikkis2024", image_size=arguments.size, epochs=arguments.epochs)
    validation_slices = max(1, arguments.slices // 5)
    device = Trainer(build_unet(base), base, *[Slices(3, arguments.size)] * 2).device
    plain_step = sum(seconds_of_parts(plain, base, arguments.steps, device))
    plain_seconds = plain_step / base.batch_size * arguments.slices * arguments.epochs
    print(hardware(device))
    print(f"plain loop, batch {base.batch_size}: {plain_seconds:.0f} s for the job's training")
    rows = []
    for batch_size in arguments.batches:
        print(f"ours, batch {batch_size}")
        settings = replace(base, batch_size=batch_size)
        seconds = ours(settings, arguments.slices, validation_slices, device)
        rate = arguments.slices * arguments.epochs / sum(seconds)
        row = {"batch": batch_size, "job s": sum(seconds), "slices/s": rate}
        row["faster than plain"] = plain_seconds / sum(seconds)
        parts = seconds_of_parts(ours_in_parts, settings, arguments.steps, device)
        shares = [100 * part / sum(parts) for part in parts]
        rows.append(row | dict(zip((f"{part} %" for part in PARTS), shares, strict=True)))
    table = pd.DataFrame(rows)
    if arguments.peak and arguments.bandwidth:
        operations = floating_point_operations(arguments.size, base.width)
        traffic = activation_bytes(arguments.size, base.width, bytes_each=2)
        bound = max(operations / arguments.peak, traffic / arguments.bandwidth) / 1e12
        table["of roofline %"] = 100 * table["slices/s"] * bound
        print(f"{operations / 1e9:.1f} GFLOP and {traffic / 1e9:.2f} GB a slice: at most")
        print(f"{1 / bound:.0f} slices/s at the roofline")
    print(table.round(2).to_string(index=False))
    with written_whole(arguments.out) as temporary:
        temporary.write_text(f"# {hardware(device)}\n{table.to_csv(index=False)}")


if __name__ == "__main__":
    main()
