"""Arrays that may be larger than memory: mapped files, and pages given back."""

import math
import mmap
import shutil
import tempfile

import numpy as np
import psutil
import torch
from numpy.typing import DTypeLike

from utils.errors import refusals
from utils.workspace import shown, workspace

SHARE = 4  # an array that takes more than a quarter of the machine's memory goes to a file


def large_empty(shape: tuple[int, ...], dtype: DTypeLike) -> torch.Tensor:
    """A tensor like torch.empty's: in memory, or memory-mapped when it would take too much of it.

    dtype : of NumPy. The mapped file lies in `build/` of the workspace and has no name there, so
    that it goes with the tensor, and with the process even if that is killed. The system keeps
    in memory what fits and is used. Raises InputError when the disk has no room for it.
    """
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    if nbytes <= psutil.virtual_memory().total / SHARE:
        return torch.from_numpy(np.empty(shape, dtype))
    folder = workspace() / "build"
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if nbytes > free:  # a full disk would end the process without a word when pages are written
        raise refusals(__file__)("no room", nbytes / 1e9, shown(folder), free / 1e9)
    with tempfile.TemporaryFile(dir=folder) as file:  # the map outlives the file's handle
        return torch.from_numpy(np.memmap(file, dtype, "w+", shape=tuple(shape)))


def forget_pages(array: np.ndarray) -> None:
    """Give back the memory that reading a mapped file took; nothing for any other array.

    The array can be read again, from the file. Only one that is not writable is taken: of others
    changes would be lost.
    """
    writable, owner = array.flags.writeable, array.base
    while isinstance(owner, np.ndarray):
        owner = owner.base
    # where the system can be told: Windows cannot
    if isinstance(owner, mmap.mmap) and not writable and hasattr(owner, "madvise"):
        owner.madvise(mmap.MADV_DONTNEED)
