"""What the machine can do, asked and not assumed: accelerator, bfloat16, memory, compiler."""

import ctypes
import importlib.util
import os
import platform
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

CPU_FLAGS = Path("/proc/cpuinfo")

# torch.compile takes about a minute and saves a good quarter of each epoch after it
COMPILE_SECONDS = 60
COMPILE_GAIN = 0.25


def best_device() -> torch.device:
    """The accelerator when one can be used, otherwise the CPU; under torchrun, each its own.

    A build of torch for CUDA names its accelerator also where there is no driver or no GPU.
    """
    device = torch.accelerator.current_accelerator()
    if device is None or not torch.accelerator.is_available():
        return torch.device("cpu")
    if device.type == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere it would be emulated.

    A GPU is asked through torch. Of processors, those under Linux are asked for the flags
    avx512_bf16 and amx_bf16; all others are taken not to.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and CPU_FLAGS.exists():
        flags = set(CPU_FLAGS.read_text("utf-8").split())
        return bool(flags & {"avx512_bf16", "amx_bf16"})
    return False


def mixed_precision(device: torch.device) -> AbstractContextManager:
    """A context in which convolutions run in bfloat16 where that is fast; weights stay float32."""
    if has_fast_bfloat16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def pays_to_compile(device: torch.device, seconds_per_epoch: float, epochs_left: int) -> bool:
    """Whether torch.compile would win back, on a GPU, the time that it takes itself."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    return COMPILE_GAIN * seconds_per_epoch * epochs_left > COMPILE_SECONDS


def has_room(device: torch.device, nbytes: int) -> bool:
    """Whether a data set of so many bytes may lie on the device: in half of what is free there.

    Main memory is where it lies already.
    """
    if device.type == "cuda":
        return nbytes < torch.cuda.mem_get_info(device)[0] / 2
    return device.type == "cpu"


def keep_freed_memory() -> None:
    """Let the C library keep large buffers that were freed instead of returning them at once.

    A training step on the CPU frees and asks again for the same hundreds of megabytes. By
    default glibc gives buffers over 32 MB back to Linux each time, which then clears every page
    anew: nine tenths of the time that a step spends in the system. mallopt(3): M_MMAP_MAX 0,
    M_TRIM_THRESHOLD the greatest int. What was kept until now goes back at the call. Does nothing
    where the C library is another.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(-4, 0)
        libc.mallopt(-1, 2**31 - 1)
