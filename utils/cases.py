"""The cases of a data set: volumes (read once, then from a cache), masks, and both joined."""

import hashlib
import os
import stat
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from utils.dicom import Volume, list_names, read_header, read_series
from utils.errors import InputError, about, refusals
from utils.masks import load_mask
from utils.records import checksum, read_record
from utils.workspace import (
    cases_in,
    chosen_series,
    confirmed_values,
    dataset_folder,
    derived_folder,
    locked,
    write_json,
    written_whole,
)

refusal = refusals(__file__)

FORMAT = 6  # raise it when the loader's result changes, so that old caches are read again


class Pair(NamedTuple):
    """What is known of one case: its image, its mask and how large its voxels are."""

    hu: np.ndarray  # int16 [slices, rows, cols], Hounsfield units, slice 0 at the feet end
    mask: np.ndarray  # uint8 0/1, same shape
    spacing: tuple[float, float, float]  # mm: slice, row, column


Pairs = dict[str, Pair]  # case -> Pair, see `create_paired_data`


def case_names(dataset: Path | str) -> list[str]:
    """Names of a data set's cases, sorted: the folders below `Images/` that hold files."""
    images = dataset_folder(dataset) / "Images"
    names = [path.name for path in cases_in(images)]
    strange = [name for name in names if not name.isprintable()]
    if strange:
        raise refusal("unshown", images / strange[0])
    if not names:
        raise refusal("no case", images)
    return names


def load_cases(dataset: Path | str, cases: Sequence[str] | None = None) -> dict[str, Volume]:
    """Volumes of a data set by case name, from the cache where the source files are unchanged.

    dataset : name or path, as in `utils.workspace.dataset_folder`. cases : names to load, all by
    default. `hu` of each is a read-only memory map, so that many cases cost no memory. Raises
    one InputError that lists every case that cannot be read.
    """
    names = case_names(dataset)
    unknown = sorted(set(cases or []) - set(names))
    if unknown:
        images = dataset_folder(dataset) / "Images"
        raise refusal("unknown case", ", ".join(unknown), images, ", ".join(names))
    source, cache = dataset_folder(dataset), derived_folder(dataset) / "volumes"
    names, chosen = names if cases is None else list(cases), chosen_series(source)
    read = _each(names, lambda n: _load_case(source, n, cache, chosen.get(n)), "Loading cases")
    for case, keyword in confirmed_values(source):
        if case in read:
            read[case] = read[case].confirmed(keyword)
    return read


def load_masks(dataset: Path | str) -> dict[str, np.ndarray]:
    """Read every `Segmentations/<case>_seg.npz` of a data set: name of case -> uint8 mask.

    Raises one InputError that lists everything wrong with any of them.
    """
    folder = dataset_folder(dataset) / "Segmentations"
    files = sorted(folder.glob("[!.]*_seg.npz")) if folder.is_dir() else []
    if not files:
        raise refusal("no masks", dataset)
    by_case = {file.name.removesuffix("_seg.npz"): file for file in files}
    return _each(by_case, lambda name: load_mask(by_case[name]), "masks")


def _each(names, read, what):
    """Name -> read(name); one InputError lists all that cannot be read. what : beside the bar."""
    results, problems = {}, []
    for name in tqdm(names, desc=what, unit="case"):
        try:
            results[name] = read(name)
        except InputError as problem:
            problems.append(str(problem))
    if len(problems) > 1:
        problems.insert(0, f"{len(problems)} cases cannot be loaded.")
    if problems:
        raise InputError("\n".join(problems))
    return results


def create_paired_data(volumes: dict[str, Volume], masks: dict[str, np.ndarray]) -> Pairs:
    """Join images and masks by case: name -> Pair(HU [slices, rows, cols], mask, spacing).

    volumes : name -> Volume. masks : name -> uint8 array. Raises InputError that lists every
    image without mask, mask without image and pair of different shapes.
    """
    problems = [f"{name} has an image but no mask" for name in sorted(set(volumes) - set(masks))]
    problems += [f"{name} has a mask but no image" for name in sorted(set(masks) - set(volumes))]
    for name in sorted(set(volumes) & set(masks)):
        image_shape, mask_shape = volumes[name].hu.shape, masks[name].shape
        if image_shape != mask_shape:
            problems.append(f"{name}: image {image_shape} but mask {mask_shape}")
    if problems:
        raise refusal("no pairs", "; ".join(problems))
    return {name: Pair(v.hu, masks[name], v.spacing) for name, v in sorted(volumes.items())}


def pair_fingerprint(hu: np.ndarray, mask: np.ndarray, spacing: Sequence[float]) -> str:
    """Short digest of a case's voxels, mask and mm; that of another content is another."""
    parts = (hu, mask, np.array(spacing, float))
    return " ".join(f"{zlib.crc32(np.ascontiguousarray(part).data):08x}" for part in parts)


def _load_case(source, name, cache, series):
    """One case from the cache, read again from its files if need be."""
    folder = source / "Images" / name
    names, fingerprint = sources_of(folder, series)
    place = folder, names, cache / f"{name}.npy", fingerprint
    volume = _cached(*place)
    if volume is None:
        with locked(cache):  # another process may have stored it meanwhile
            volume = _cached(*place) or _store(*place, series) or _cached(*place)
    if volume is None:
        raise refusal("not as written", name, cache / name)
    return volume


def sources_of(folder: Path, series: str | None = None) -> tuple[list[str], str]:
    """Names of all files below a folder, and a digest of them, their sizes, times and first bytes.

    And of `series`. A single file has the name "". Not of all bytes: to hash those would cost as
    much as to read the series, which is what the cache is to spare. Whoever edits a file changes
    the time of its last change, which nobody can set; and the first bytes hold the UIDs, which tell
    exchanged folders apart.
    """
    digest = hashlib.sha256((series or "").encode("utf-8", "replace"))
    with about(folder.name):
        names = list_names(folder) if folder.is_dir() else [""]
        try:
            for name in names:
                facts = os.stat(folder / name)
                line = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\n"
                digest.update(line.encode("utf-8", "replace"))
                if stat.S_ISREG(facts.st_mode):
                    with open(folder / name, "rb") as file:
                        digest.update(file.read(4096))
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror})") from None
    return names, digest.hexdigest()


def _store(folder, names, path, fingerprint, series):
    """Read a volume and write its array, then the JSON that vouches for it with a checksum.

    It says nothing of the patient: no header's text or UID, and of the files which of `names`.
    """
    volume = read_series(folder, series)
    with written_whole(path) as temporary:
        np.save(temporary, volume.hu, allow_pickle=False)
    time.sleep(0.02)  # a tick of the file system's clock: whoever edits it now changes its facts
    place = {name: number for number, name in enumerate(names)}
    facts = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "array": {"facts": _array_facts(path), "crc32": _checksum_of_file(path)},
        "shape": list(volume.hu.shape),
        "spacing_mm": list(volume.spacing),
        "affine_lps_mm": volume.affine.tolist(),
        "stored_axes": volume.stored_axes,
        "files": [place[os.path.relpath(file, folder)] for file in volume.files],
        "notes": list(volume.notes),
    }
    write_json(path.with_suffix(".json"), facts | {"checksum": checksum(facts)})


def _array_facts(path):
    """What changes when a file is replaced or written to; the third nobody can set."""
    facts = os.stat(path)
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def _checksum_of_file(path):
    """CRC-32 of a file; read piece by piece, as what is mapped would stay in memory."""
    checksum = 0
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            checksum = zlib.crc32(piece, checksum)
    return f"{checksum:08x}"


def _cached(folder, names, path, fingerprint):
    """Volume from the cache; None if it is absent, of other sources, damaged or foreign.

    An array that was touched since it was written, or copied, is read whole for its checksum.
    """
    try:
        facts = read_record(path.with_suffix(".json"), "volume", "")
        stated = facts.pop("checksum"), facts["format"], facts["fingerprint"]
        array = facts["array"]
        if stated != (checksum(facts), FORMAT, fingerprint):
            return None
        if array["facts"] != _array_facts(path) and array["crc32"] != _checksum_of_file(path):
            return None
        hu = np.load(path, mmap_mode="r", allow_pickle=False)
        files = tuple(os.path.join(folder, names[number]) for number in facts["files"])
        identity = {"case": folder.name, **read_header(Path(files[0]), folder.name).identity()}
    except (OSError, ValueError, LookupError, AttributeError, EOFError):
        return None
    if not isinstance(hu, np.memmap) or hu.dtype != np.int16 or list(hu.shape) != facts["shape"]:
        return None
    spacing, affine = tuple(facts["spacing_mm"]), np.array(facts["affine_lps_mm"], float)
    notes, axes = tuple(facts["notes"]), facts["stored_axes"]
    return Volume(hu, spacing, affine, identity, files, notes, axes)
