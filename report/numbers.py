"""Exported numbers as LaTeX: `numbers.tex` of a folder of figures, from its JSON files."""

import re

from utils.records import read_record
from utils.workspace import written_whole


def write_numbers_tex(folder):
    r"""Turn the JSON files of a figures folder into `numbers.tex`.

    Each leaf becomes one LaTeX name, its path joined by dots, that the report prints by
    `\result{test.dsc_3d.mean}`, or `\result{loss_study.bce.mean}` for `loss_study.json`; a name
    that does not exist stops the build. Integers and `settings` are printed as they are.
    `\ifresult{name}{text}` prints the text if it exists, also when the text is a row of a table.
    A report may read several folders.
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


def flattened(tree, path=()):
    """Leaves of a nested dict as (dotted path, value)."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flattened(value, (*path, name))
        else:
            yield ".".join((*path, name)), value


def as_tex(value, chosen=False):
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
