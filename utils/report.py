"""The numbers that the report prints: JSON of the notebooks, and LaTeX names made from it."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.records import read_record
from utils.workspace import figures_folder, shown, workspace, write_json, written_whole


def save_numbers(dataset: Path | str, numbers: dict[str, Any], study: str | None = None) -> None:
    """Write `metrics.json`, or `<study>.json` for a further study, and from all `numbers.tex`.

    numbers : nested dict whose leaves are numbers or texts. Integers and `settings` are printed
    as they are, other numbers as `as_tex` says.

    `runs` and `figures` are held against each other by `make report`: lists of the runs that the
    numbers come from (patterns below `data/<name>/derived/runs`), and of the figures saved beside
    them that show the same runs. Checksums of all runs and figures, as they are now, lie beside
    the numbers: whether these show the runs is told by content and not by clocks.
    """
    folder = figures_folder(dataset)
    file, runs = folder / f"{study or 'metrics'}.json", runs_of(folder)
    write_json(file, numbers)
    shows = {
        "runs": checksums(runs, "**/model.safetensors"),
        "numbers": checksums(folder, file.name),
    }
    write_json(file.with_suffix(".sums"), shows | {"figures": checksums(folder, "*.pdf")})
    write_numbers_tex(folder)
    print(f"saved {shown(file)} and numbers.tex")


def runs_of(figures: Path) -> Path:
    """Folder of the runs of the data set whose figures lie in this folder."""
    return workspace() / "data" / figures.name / "derived" / "runs"


def checksums(folder: Path, pattern: str) -> dict[str, str]:
    """CRC-32 of each file below a folder that fits a pattern, by its path from there."""
    files = sorted(folder.glob(pattern))
    return {f.relative_to(folder).as_posix(): f"{zlib.crc32(f.read_bytes()):08x}" for f in files}


def write_numbers_tex(folder: Path) -> None:
    r"""Turn the JSON files of a figures folder into `numbers.tex`.

    Each leaf becomes one LaTeX name, its path joined by dots, that the report prints by
    `\result{test.dsc_3d.mean}`, or `\result{loss_study.bce.mean}` for `loss_study.json`; a name
    that does not exist stops the build. `\ifresult{name}{text}` prints the text if it exists, also
    when the text is a row of a table. A report may read several folders.
    """
    lines = [
        "% Made from the .json files here by `make report`; do not edit.",
        r"\providecommand{\result}[1]{\ifcsname result:#1\endcsname\csname result:#1\endcsname"
        r"\else\PackageError{results}{No number is called '#1' in the exported .json}{}\fi}",
        r"\providecommand{\resultprinted}[1]{#1}\providecommand{\resultleftout}[1]{}",
        r"\providecommand{\ifresult}[1]{\ifcsname result:#1\endcsname"
        r"\expandafter\resultprinted\else\expandafter\resultleftout\fi}",
    ]
    for file in sorted(folder.glob("*.json")):
        prefix = () if file.stem == "metrics" else (file.stem,)
        for name, value in flattened(read_record(file, "numbers", "Export it again."), prefix):
            text = as_tex(value, chosen=name.startswith("settings."))
            lines.append(rf"\expandafter\def\csname result:{name}\endcsname{{{text}}}")
    with written_whole(folder / "numbers.tex") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def latex_name(name: str) -> str:
    """A name as one part of a LaTeX name: "0.7 BCE + 0.3 Dice" gives "0_7_bce_0_3_dice"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def flattened(
    tree: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, int | float | str]]:
    """Leaves of a nested dict as (dotted path, value)."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flattened(value, (*path, name))
        else:
            yield ".".join((*path, name)), value


def as_tex(value: int | float | str, chosen: bool = False) -> str:
    """A number or text as LaTeX prints it; special characters of texts are escaped.

    Letters other than Latin ones, for which the report has no font, become their code: U+6570.

    Three decimals, one from 10 on, none from 100 on. A number that was chosen and not measured
    is printed as short as it is.
    """
    if isinstance(value, float) and chosen:
        value = f"{value:g}"
    elif isinstance(value, float):
        digits = 3 if abs(value) < 10 else 1 if abs(value) < 100 else 0
        value = f"{value:.{digits}f}"
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"}
    special |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    foreign = re.compile("[^ -~¡-ſ–—‘’“”…]")
    text = foreign.sub(lambda found: f"U+{ord(found[0]):04X} ", str(value))
    return "".join(special.get(character, character) for character in text)
