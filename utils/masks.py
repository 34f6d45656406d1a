"""Lung masks from the coursework's npz files."""

import zipfile

import numpy as np
from tqdm.auto import tqdm

from utils.errors import InputError
from utils.workspace import dataset_folder

# More voxels than any chest CT has; a header that promises more is damaged or hostile
MOST_VOXELS = 4000 * 1024 * 1024


def load_mask(file):
    """Read the array `masks` of an npz file as uint8 0/1, [slices, rows, cols], feet end first.

    Accepts bool, 0/1 and 0/255 in any number type, and float 0.0/1.0. Raises InputError for
    anything else: not an npz, no `masks`, Python objects inside (they are never unpickled),
    not three-dimensional, or values that are not those of a binary mask.
    """
    masks = _read_array(file)
    if masks.ndim != 3:
        raise InputError(
            f"{file.name}: `masks` has shape {masks.shape}; expected [slices, rows, cols]."
        )
    if masks.dtype == bool:
        return masks.astype(np.uint8)
    values = np.unique(masks)
    if set(values.tolist()) <= {0, 1}:
        return masks.astype(np.uint8)
    if set(values.tolist()) <= {0, 255}:
        return (masks == 255).astype(np.uint8)
    found = ", ".join(f"{value:g}" for value in values[:6]) + (" …" if len(values) > 6 else "")
    raise InputError(
        f"{file.name}: `masks` holds the values {found}; expected a binary mask, 0 and 1 or 0 "
        "and 255. Threshold a soft mask, or pick one label of a label map, before it is used."
    )


def load_masks(dataset):
    """Read every `Segmentations/<case>_seg.npz` of a data set: name of case -> uint8 mask.

    Raises one InputError that lists everything wrong with any of them.
    """
    folder = dataset_folder(dataset) / "Segmentations"
    files = sorted(folder.glob("*_seg.npz")) if folder.is_dir() else []
    if not files:
        raise InputError(
            f"{dataset}: no masks found; expected files such as Segmentations/Case_000_seg.npz, "
            "each with an array `masks`."
        )
    masks, problems = {}, []
    for file in tqdm(files, desc="masks", unit="case"):
        try:
            masks[file.name.removesuffix("_seg.npz")] = load_mask(file)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError(" ".join(problems))
    return masks


def _read_array(file):
    """The array `masks` of an npz, after a look at what its header promises."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open("masks.npy") as member:
            version = np.lib.format.read_magic(member)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(member)
        if dtype.hasobject or dtype.kind not in "buif":
            raise InputError(
                f"{file.name}: `masks` is of type {dtype}, not of numbers; it was not opened."
            )
        if np.prod(shape, dtype=float) > MOST_VOXELS:
            raise InputError(
                f"{file.name}: `masks` claims the shape {shape}, more than any scan has."
            )
        with np.load(file, allow_pickle=False) as archive:
            return archive["masks"]
    except KeyError as error:
        raise InputError(
            f"{file.name}: there is no array `masks` in it; save the mask with "
            "np.savez_compressed(file, masks=mask)."
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file.name}: this is not a readable npz file ({error}); write the mask again."
        ) from error
