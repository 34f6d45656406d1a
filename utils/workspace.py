"""Where data sets, derived files and figures lie, and how a file is written whole."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from utils.errors import InputError, refused
from utils.records import read_record

if TYPE_CHECKING:
    import pandas as pd

REPOSITORY = Path(__file__).resolve().parent.parent
# What macOS, Windows and network drives leave in folders, besides hidden files and folders
LEFT_BEHIND = """__macosx @eadir @recycle @tmp #recycle #snapshot $recycle.bin lost+found thumbs.db
    desktop.ini""".split()
MOST_SAID = 1_000_000  # bytes of series.txt or confirmed.txt
UNFINISHED = ".lungs-unfinished-"  # so begins the name of what is being written, and no user's file


def workspace() -> Path:
    """Folder that holds `data/` and `figures/`: $LUNG_WORKSPACE, or the repository itself."""
    return Path(os.environ.get("LUNG_WORKSPACE") or REPOSITORY).resolve()


def dataset_folder(dataset: Path | str) -> Path:
    """Folder of a data set, given by name (`data/<name>`) or by path.

    A relative path may start from the repository's root or from the current folder, so that
    the same parameter works on the command line and inside `notebooks/`. Raises InputError
    when there is no such folder or no `Images/` in it.
    """
    for candidate in _candidates(dataset):
        if (candidate / "Images").is_dir():
            return candidate.resolve()
    hint = "`make phantom` makes it" if dataset == "phantom" else "data/README.md shows the layout"
    raise InputError(
        f"There is no data set {dataset!r}: neither a name under data/ nor a path to a folder "
        f"that holds Images/Case_000, Images/Case_001 … ({hint})."
    )


def _candidates(dataset):
    """Where a data set of this name or path may lie."""
    return [workspace() / "data" / dataset, REPOSITORY / dataset, Path(dataset)]


def left_behind(name: str) -> bool:
    """Whether a system left a file or folder of this name, which is then no case and no mask."""
    return name.startswith((".", "~$")) or name.lower() in LEFT_BEHIND


def cases_in(folder: Path) -> list[Path]:
    """The folders in a folder that are a case each, links among them, by name.

    Neither what systems left nor an empty folder is one, unless it is named like those that hold
    files: then its own did not arrive, which the loader says.
    """
    with refused(f"{folder} cannot be read", "Give permission.", OSError):
        entries = sorted(folder.iterdir())
        found = [entry for entry in entries if entry.is_dir() and not left_behind(entry.name)]
    filled = {entry.name: holds_files(entry) for entry in found}
    patterns = {re.sub(r"\d+", "#", name) for name in filled if filled[name]}
    return [e for e in found if filled[e.name] or re.sub(r"\d+", "#", e.name) in patterns]


def holds_files(folder: Path) -> bool:
    """Whether anything but what systems left lies below a folder; a shut one may hold something."""
    shut: list[OSError] = []
    walk = os.walk(folder, onerror=shut.append, followlinks=True)
    return any(not left_behind(name) for _, _, names in walk for name in names) or bool(shut)


def chosen_series(folder: Path) -> dict[str, str]:
    """`series.txt` of a data set or folder of cases: case -> `series_uid` of `read_series`.

    A line for each case that holds several series, such as `Case_000 1.2.840.113619.2.55`, or
    several things in one: `Case_001 AcquisitionNumber=2`.
    """
    return dict(_said_of_cases(folder / "series.txt", "a SeriesInstanceUID"))


def confirmed_values(folder: Path) -> list[tuple[str, str]]:
    """`confirmed.txt` of a data set: (case, keyword) of header values that are right though odd.

    A line for each, such as `Case_000 RescaleIntercept`: see `dicom.plausible`.
    """
    return _said_of_cases(folder / "confirmed.txt", "a keyword such as RescaleIntercept")


def _said_of_cases(file, what):
    """(case, word) of each line of a file that may be there; InputError beyond MOST_SAID bytes."""
    if file.is_file() and file.stat().st_size > MOST_SAID:
        raise InputError(f"{file} has more than 1 MB, expected lines of a case and {what}.")
    text = file.read_text(encoding="utf-8-sig", errors="replace") if file.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [re.fullmatch(r"(.+?)\s+(\S*?\w+=.*|\S+)", line) for line in lines]
    if not all(found):
        raise InputError(f"{file} has a line of one word, expected a case and {what}.")
    return [line.groups() for line in found if line]


def derived_folder(dataset: Path | str) -> Path:
    """Folder for everything computed from a data set, created: `derived_of` its own name.

    A data set outside the workspace is never written into, also where a link leads to it. Two data
    sets of one name are told apart by `source.json`.
    """
    source = dataset_folder(dataset)
    derived = derived_of(source.name)
    marker = derived / "source.json"
    if marker.exists():
        owner = read_record(marker, "source", f"Delete {shown(derived)}.")["folder"]
        if owner != str(source):
            raise InputError(
                f"{shown(derived)} was computed from another data set of the same name ({owner}), "
                f"not from {source}. Rename one of the two folders, or delete {shown(derived)}."
            )
    else:
        write_json(marker, {"folder": str(source)})
    return derived


def derived_of(name: str) -> Path:
    """`data/<name>/derived`, or where `data/<name>` is a link `data/<name>.linked/derived`."""
    folder = workspace() / "data" / name
    return (folder.with_name(f"{name}.linked") if folder.is_symlink() else folder) / "derived"


def run_folder(dataset: Path | str, preset_name: str, changes: str = "") -> Path:
    """Folder of a training run, which is named after its preset and what was changed of it.

    changes : as for `settings.fields`; what a folder cannot be called becomes "_".
    """
    name = ",".join([preset_name, *sorted(changes.split())])
    return derived_folder(dataset) / "runs" / re.sub(r"[^\w.,=()+-]", "_", name)


def figures_folder(dataset: Path | str) -> Path:
    """Folder of the exported figures and numbers of a data set: `figures/<its name>`.

    As for `derived_folder` the name is that of the folder itself where a link leads to it; a disk
    that is away leaves its link.
    """
    found = [f for f in _candidates(dataset) if (f / "Images").is_dir() or f.is_symlink()]
    found += [folder for folder in _candidates(dataset) if folder.is_dir()]
    return workspace() / "figures" / [*found, Path(dataset)][0].resolve().name


def shown(path: Path | str) -> Path:
    """A path as a reader should see it: relative to the workspace where it lies inside."""
    path = Path(path)
    return path.relative_to(workspace()) if path.is_relative_to(workspace()) else path


def unlinked(folder: Path) -> Path:
    """A folder to write in. Raises InputError for a link within the workspace's derived files."""
    for place in map(shown, (folder, *folder.parents)):
        ours = not place.is_absolute() and {"derived", "figures"} & set(place.parts)
        if ours and (workspace() / place).is_symlink():
            raise InputError(f"{place} is a link. Nothing is written there; remove it.")
    return folder


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it into place if nothing fails.

    A reader sees the old file or the new one, never half of one; a killed process leaves the
    old file intact (PEP 428's Path.replace is atomic within a file system). Raises InputError
    where the system denies it, as on a full disk.
    """
    path = Path(path)
    temporary = path.with_name(f"{UNFINISHED}{os.urandom(8).hex()}{path.suffix}")
    advice = "Free some space, or give permission. What was there before is as it was."
    with refused(f"{shown(path)} cannot be written", advice, OSError):
        unlinked(path.parent).mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()  # with the mode of any new file, which not all libraries give
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and have it alone for the time of a with block; another process waits.

    What killed processes had begun to write there is swept away before and after, as is safe then.
    Raises InputError for a link, through which nothing is written, and where the system denies it.
    """
    advice = "Free some space, or give permission. Finished files are as they were."
    with refused(f"{shown(folder)} cannot be written to", advice, OSError):
        if unlinked(folder).is_symlink():
            raise InputError(f"{shown(folder)} is a link. Nothing is written there; remove it.")
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Another process works in {shown(folder)}; this one waits.", flush=True)
            lock.acquire()
        with lock:
            for over in (False, True):
                for leftover in folder.glob(UNFINISHED + 16 * "[0-9a-f]" + "*"):
                    leftover.unlink()
                if not over:
                    yield


def write_table(path: Path | str, table: "pd.DataFrame", **options: Any) -> None:
    """Write a DataFrame as CSV without its index, whole or not at all; options : of `to_csv`."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, **options)


def write_json(path: Path | str, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")
