"""Several processes that train one model together, as `torchrun` starts them.

Every process holds the whole model and takes its share of each batch; gradients and metrics
are brought together, so that the run is the one that a single process would make.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


def rank_and_count() -> tuple[int, int]:
    """(number of this process, how many there are); (0, 1) outside torchrun."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, for the time of a with block.

    NCCL connects GPUs, gloo processors. Without torchrun nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_process_first() -> Iterator[None]:
    """Run a with block in the first process and only then in the others.

    For what fills a cache: the first one writes it, the others read it, or fail as it did.
    """
    first = rank_and_count()[0] == 0
    if not first:
        wait_for_all()
    try:
        yield
    finally:
        if first:
            wait_for_all()


def wait_for_all() -> None:
    """Go on when every process has come to this point."""
    if rank_and_count()[1] > 1:
        distributed.barrier()


def summed_over_processes(values: list[float], device: torch.device | None) -> list[float]:
    """A list of numbers, each summed over all processes in float64."""
    if rank_and_count()[1] == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(tensor)
    return tensor.tolist()


def parallel_model(model: nn.Module, device: torch.device) -> nn.Module:
    """The model as it learns: itself, or wrapped so that its gradients are averaged.

    Batch normalisation then takes its statistics over the whole batch, not over each process's
    share: a share of one or two slices has statistics that are too noisy to learn with, and the
    run would not be the one of a single process. model : changed in place where need be.
    """
    if rank_and_count()[1] == 1:
        return model
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return DistributedDataParallel(model, device_ids=[device], broadcast_buffers=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SharedBatchNorm
    return DistributedDataParallel(model, broadcast_buffers=False)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the mean and variance of the batch of all processes.

    For processors; torch.nn.SyncBatchNorm does the same on GPUs alone. Each process must hold
    equally many slices, as EpochBatches sees to.
    """

    def forward(self, x):
        """x [n, c, h, w] -> same shape and type; outside of training as nn.BatchNorm2d.

        Statistics are taken in float32, as nn.BatchNorm2d takes them of bfloat16 too.
        """
        if not self.training:
            return super().forward(x)
        processes = rank_and_count()[1]
        variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        whole_mean = SumOverProcesses.apply(mean) / processes
        # variance of the whole: within the shares and between them
        spread = variance + (mean - whole_mean) ** 2
        whole_variance = SumOverProcesses.apply(spread) / processes
        with torch.no_grad():
            count = x.numel() / x.shape[1] * processes
            self.num_batches_tracked += 1
            share = self.momentum or 1 / float(self.num_batches_tracked)  # None: a plain mean
            self.running_mean.lerp_(whole_mean, share)
            self.running_var.lerp_(whole_variance * count / (count - 1), share)
        scale = self.weight * torch.rsqrt(whole_variance + self.eps)
        shift = self.bias - whole_mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class SumOverProcesses(torch.autograd.Function):
    """A tensor summed over all processes; its gradient is the sum of all their gradients."""

    @staticmethod
    def forward(ctx, tensor):
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
        return tensor

    @staticmethod
    def backward(ctx, gradient):
        return SumOverProcesses.apply(gradient)
