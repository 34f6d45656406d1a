"""The numbers that the report prints, as JSON of the notebooks; report/numbers.py makes LaTeX."""

import re
import zlib
from pathlib import Path
from typing import Any

from utils.workspace import derived_of, figures_folder, shown, write_json


def save_numbers(dataset: Path | str, numbers: dict[str, Any], study: str | None = None) -> None:
    """Write `metrics.json`, or `<study>.json` for a further study.

    numbers : nested dict whose leaves are numbers or texts.

    `runs` and `figures` are held against each other by `make report`: lists of the runs that the
    numbers come from (patterns below `data/<name>/derived/runs`), and of the figures saved beside
    them that show the same runs. Checksums of all runs and figures, as they are now, lie beside
    the numbers: whether these show the runs is told by content and not by clocks.
    """
    folder = figures_folder(dataset)
    file, runs = folder / f"{study or 'metrics'}.json", runs_of(folder)
    write_json(file, numbers)
    shows = {"runs": checksums(runs, "**/model.safetensors")}
    shows["numbers"] = checksums(folder, file.name)
    write_json(file.with_suffix(".sums"), shows | {"figures": checksums(folder, "*.pdf")})
    print(f"saved {shown(file)}")


def runs_of(figures: Path) -> Path:
    """Folder of the runs of the data set whose figures lie in this folder."""
    return derived_of(figures.name) / "runs"


def checksums(folder: Path, pattern: str) -> dict[str, str]:
    """CRC-32 of each file below a folder that fits a pattern, by its path from there."""
    files = sorted(folder.glob(pattern))
    return {f.relative_to(folder).as_posix(): f"{zlib.crc32(f.read_bytes()):08x}" for f in files}


def latex_name(name: str) -> str:
    """A name as one part of a LaTeX name: "0.7 BCE + 0.3 Dice" gives "0_7_bce_0_3_dice"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
