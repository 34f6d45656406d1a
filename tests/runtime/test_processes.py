"""Several processes: two of half the batch against one of the whole, and how they are started."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from utils import dataset
from utils.dataset import EpochBatches
from utils.errors import InputError
from utils.runtime import processes
from utils.runtime.processes import (
    SharedBatchNorm,
    first_process_first,
    rank_and_count,
    summed_over_processes,
)

ROOT = Path(__file__).resolve().parents[2]

# What each of the two processes runs: a data set of an odd number of slices, dropout off
WORKER = """
import sys
from pathlib import Path

import torch

torch.set_num_threads(1)
from kill_training import SPLIT, sets
from utils.runtime import best_device, devices, process_group
from utils.settings import Settings
from utils.training import train

settings = Settings(
    image_size=32, width=4, levels=3, epochs=3, batch_size=4, dropout=0.0, learning_rate=0.003
)
folder = Path(sys.argv[1])
with process_group(best_device()):
    train(settings, SPLIT, *sets(), folder / "mixed")
    devices.CPU_FLAGS = Path("none")  # a processor that is not asked for bfloat16
    train(settings, SPLIT, *sets(), folder / "float32")
"""
PRECISIONS = {"float32": 1e-4, "mixed": 5e-3}  # how far losses may lie apart, of their value


def histories_of(processes, folder):
    """The histories of runs in so many processes, by precision.

    Mixed is bfloat16 where the processor is fast in it, and float32 once more elsewhere.
    """
    (folder / "worker.py").write_text(WORKER)
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "builders")]),
        "OMP_NUM_THREADS": "1",
    }
    command = [*start, str(folder / "worker.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("epoch  1/3") == len(PRECISIONS)  # only the first process speaks
    return {name: pd.read_csv(folder / name / "history.csv") for name in PRECISIONS}


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """(alone, together): what one process learns, and what two of half the batch learn."""
    return [histories_of(n, tmp_path_factory.mktemp(f"processes{n}")) for n in (1, 2)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_two_processes_of_half_the_batch_are_one_of_the_whole(precision, histories):
    """Losses agree over three epochs to 1e-4 of their value in float32, accuracy and DSC to 1e-2.

    bfloat16 has eight bits: rounding alone moves a loss by a part in a thousand.
    """
    alone, together = (each[precision] for each in histories)
    for column in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(together[column], alone[column], rtol=PRECISIONS[precision])
    for column in ("train_accuracy", "train_dsc", "validation_accuracy", "validation_dsc"):
        np.testing.assert_allclose(together[column], alone[column], atol=1e-2)


def share(monkeypatch, rank, processes, slices, batch_size, shuffle):
    monkeypatch.setattr(dataset, "rank_and_count", lambda: (rank, processes))
    batches = EpochBatches(slices, batch_size, shuffle, seed=5)
    assert len(batches) == len(list(batches))
    return list(batches)


@pytest.mark.parametrize("slices", [9, 10, 11, 12])
def test_shares_of_a_batch(monkeypatch, slices):
    """Learning: equal shares of the same batches. Measuring: every slice exactly once."""
    whole = share(monkeypatch, 0, 1, slices, 4, True)
    parts = [share(monkeypatch, rank, 2, slices, 4, True) for rank in (0, 1)]
    for batch, ours, theirs in zip(whole, *parts, strict=len(whole) == len(parts[0])):
        assert len(ours) == len(theirs)
        assert set(ours) | set(theirs) == set(batch[: len(ours) * 2])
    assert sum(map(len, parts[0] + parts[1])) >= slices - 1
    measured = [share(monkeypatch, rank, 3, slices, 4, False) for rank in (0, 1, 2)]
    seen = [i for part in measured for batch in part for i in batch]
    assert sorted(seen) == list(range(slices))


def test_a_batch_that_cannot_be_shared(monkeypatch):
    with pytest.raises(InputError, match="3 slices cannot be shared equally by 2 processes"):
        share(monkeypatch, 0, 2, 10, 3, True)


def test_alone_nothing_is_shared():
    assert rank_and_count() == (0, 1)
    assert summed_over_processes([1.5, 2.0], torch.device("cpu")) == [1.5, 2.0]


@pytest.mark.parametrize("rank", [0, 1])
def test_where_the_first_process_fails_the_others_have_their_turn(monkeypatch, rank):
    """Or they wait for it, and end in the words of the network between them."""
    order = []
    monkeypatch.setattr(processes, "rank_and_count", lambda: (rank, 2))
    monkeypatch.setattr(processes.distributed, "barrier", lambda: order.append("barrier"))

    def turn():
        order.append("turn")
        raise InputError("not aligned")

    with pytest.raises(InputError, match="not aligned"), first_process_first():
        turn()
    assert order == (["turn", "barrier"] if rank == 0 else ["barrier", "turn"])


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_shared_batch_norm_is_batch_norm(monkeypatch, kind):
    """In one process, sums over processes being the identity, against nn.BatchNorm2d.

    bfloat16 is what it is given on processors that multiply it fast.
    """
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: None)
    generator = torch.Generator().manual_seed(0)
    x = (5 + 3 * torch.randn(4, 3, 6, 6, generator=generator)).to(kind)
    plain, ours = torch.nn.BatchNorm2d(3), SharedBatchNorm(3)
    results = []
    for norm in (plain, ours):
        image = x.clone().requires_grad_()
        result = norm(image)
        (result * x.flip(0)).sum().backward()
        results.append((result, image.grad, norm.weight.grad, norm.running_mean, norm.running_var))
    tolerance = 1e-4 if kind == torch.float32 else 0.02  # eight bits tell two parts in a hundred
    for theirs, mine in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)
    ours.eval(), plain.eval()
    assert torch.equal(ours(x).isfinite(), plain(x).isfinite())


def test_the_slurm_file(tmp_path):
    """bash accepts it, and what it would start is torchrun on every node."""
    script = ROOT / "slurm/train.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    for name, body in {
        "scontrol": 'echo "node1\nnode2"',
        "srun": 'echo "$OMP_NUM_THREADS $*"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    asked = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_GPUS_PER_NODE": "h100:4",
        "SLURM_CPUS_PER_TASK": "16",
        "SLURM_JOB_ID": "7",
        "DATASET": "lctsc",
    }
    done = subprocess.run(["bash", script], env=asked, capture_output=True, text=True, check=True)
    threads, *started = done.stdout.split()
    assert threads == "4"
    command = " ".join(started)
    assert command.startswith("--ntasks=2 --ntasks-per-node=1 .venv/bin/torchrun --nnodes 2")
    assert (
        "--nproc-per-node 4 --rdzv-id 7 --rdzv-backend c10d --rdzv-endpoint node1:29500" in command
    )
    assert command.endswith("-m utils.training --dataset lctsc --preset quick")
    settings = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --requeue" in settings
