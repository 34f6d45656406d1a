"""Lung masks from the coursework's npz files."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import InputError, about, refused
from utils.masks.names import refusal
from utils.workspace import written_whole

# Bytes once unpacked: 800 slices of 1024², 3200 of 512². A file that promises more is damaged or
# hostile: a hundred kilobytes of zip can hold gigabytes of zeros
LARGEST_ARRAY = 800 * 1024**2
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_mask(file: Path | str) -> np.ndarray:
    """Read the array `masks` of an npz file as uint8 0/1, [slices, rows, cols], feet end first.

    Accepts bool, 0/1 and 0/255 in any number type, and float 0.0/1.0. Raises InputError for
    anything else: not an npz, no `masks`, Python objects inside (they are never unpickled),
    not three-dimensional, or values that are not those of a binary mask.
    """
    file = Path(file)
    with about(file.name, end="."):
        if not file.is_file():  # opening a pipe would wait for ever
            raise InputError("this is no file; write the mask again")
        damaged = refused("this is not a readable npz file", "Write the mask again")
        with damaged, zipfile.ZipFile(file) as archive:
            return _read_masks(archive)


def save_mask(file: Path | str, mask: np.ndarray, **others: Any) -> None:
    """Write a mask as `load_mask` reads it, whole or not at all; others : further arrays."""
    with written_whole(file) as temporary:
        np.savez_compressed(temporary, masks=mask, **others)


def _read_masks(archive):
    """The array `masks` of an open npz, after a look at what its header promises."""
    if "masks.npy" not in archive.namelist():
        raise refusal("no masks")
    entry = archive.getinfo("masks.npy")
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError("encrypted, or not compressed as NumPy does; write the mask again")
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        if version not in HEADERS:
            raise InputError(f"`masks` is of npy version {version}; write the mask again")
        shape, column_major, dtype = HEADERS[version](member)
        if dtype.hasobject or dtype.kind not in "buif":
            raise InputError(f"`masks` is of type {dtype}, not of numbers; it was not opened")
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"`masks` has shape {shape}; expected [slices, rows, cols]")
        size = math.prod(shape) * dtype.itemsize
        if size > LARGEST_ARRAY:
            raise InputError(f"`masks` claims the shape {shape}, more than any scan has")
        if size != entry.file_size - member.tell():
            raise InputError(f"`masks` claims the shape {shape} but holds another number of bytes")
        if column_major:
            return _read_binary(member, shape[::-1], dtype).transpose()
        return _read_binary(member, shape, dtype)


def _read_binary(member, shape, dtype):
    """Read an array slice by slice as uint8 0/1, which needs little more memory than the result."""
    mask = np.empty(shape, np.uint8)
    high = None  # 1 or 255, as the first voxel that is not 0 tells
    for part in mask:
        values = np.frombuffer(member.read(part.size * dtype.itemsize), dtype).reshape(part.shape)
        np.not_equal(values, 0, out=part.view(bool))
        if not part.any():
            continue
        high = values.max() if high is None else high
        if high not in (1, 255) or (values != part * high).any():
            found = np.unique(np.append(values, [0, high] if high in (1, 255) else 0))
            listed = ", ".join(f"{v:g}" for v in found[:6]) + (" …" if len(found) > 6 else "")
            raise refusal("not binary", listed)
    if member.read(1):  # the end, where zipfile holds the checksum against what was read
        raise InputError("`masks` goes on after its last voxel; write the mask again")
    return mask
