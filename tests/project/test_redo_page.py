"""The page on the five reports: its numbers are those exported, its commands and figures exist."""

import ast
import json
import re

import pytest

from docs import redo_the_reports as page
from utils.settings import fields, preset
from utils.workspace import REPOSITORY

TEXT = page.PAGE.read_text()
ITEM = {"in the report": "figure 9", "made here by": "``it``", "printed": "0.5"}


def sources(notebook):
    """All that a notebook's cells hold, and its cell of parameters alone."""
    cells = json.loads(notebook.read_text())["cells"]
    text = ["".join(cell["source"]) for cell in cells]
    parameters = [t for t, c in zip(text, cells, strict=True) if c["metadata"].get("tags")]
    return "\n".join(text), "\n".join(t for t in parameters if "papermill" not in t)


def test_the_page_is_made_from_the_committed_numbers():
    assert page.made() == TEXT


def test_a_number_is_printed_where_it_is_asked_for():
    numbers = {"run": {"test": {"best": 0.12345}, "epochs": 7}}
    told = page.filled("{run.test.best:.3f} after {run.epochs}", numbers, "no")
    assert told == "0.123 after 7"
    assert page.filled("{run.train.best:.3f}", numbers, "no") == "no"
    assert page.filled("{walk}", numbers, "no") == "no"
    assert page.filled("", {}, "no") == ""


def test_a_changed_number_changes_the_table_of_its_report_alone():
    before = "Title\n\n.. purvis2024\n\nold\n\n.. end of purvis2024\n\n.. olander\n\nkept\n"
    item = ITEM | {"report": "purvis2024", "came out": "{run:.1f}"}
    after = page.written(before, [item], {"run": 0.25}, {}, {})
    assert "old" not in after and after.endswith(".. olander\n\nkept\n")
    cells = re.findall(r"^   [* ] - ?(.*)$", after, re.MULTILINE)
    headings = ["in the report", "made here by", "printed", "here, synthetic", "here, LCTSC"]
    assert cells == [*headings, "figure 9", "``it``", "0.5", "0.2", page.FULL]
    assert page.written(after, [item], {"run": 0.25}, {}, {}) == after


def test_every_report_has_its_table():
    """Named as in the bibliography."""
    reports = re.findall(r"^\.\. end of (\w+)$", TEXT, re.MULTILINE)
    bibliography = (REPOSITORY / "report" / "references.bib").read_text()
    assert len(reports) == 5
    for report in reports:
        assert re.search(rf"^@\w+{{{report},", bibliography, re.MULTILINE), report


@pytest.mark.parametrize("report", page.COURSEWORK)
def test_every_figure_of_the_coursework_reports_is_listed(report):
    numbers = {"vrikkis2024": range(1, 9), "purvis2024": ("1.1", "1.2")}
    numbers["purvis2024"] += tuple(f"2.{number}" for number in range(1, 11))
    (text,) = re.findall(rf"^\.\. {report}\n(.*?)^\.\. end", TEXT, re.MULTILINE | re.DOTALL)
    listed = " ".join(re.findall(r"^   \* - (figures? .*?):", text, re.MULTILINE)).split()
    assert {str(number) for number in numbers[report]} <= set(listed)


def test_figures_of_notebooks_are_saved_by_notebooks():
    saved = "\n".join(sources(file)[0] for file in (REPOSITORY / "notebooks").glob("*.ipynb"))
    named = set(re.findall(r"``((?:figure\d+|dansana2024|bartels2022|olander)_\w+)``", TEXT))
    assert len(named) > 8
    for name in named:
        assert f'"{name}"' in saved, name


def test_commands_name_what_is_there():
    settings = re.findall(r'make run.*PRESET=(\w+)(?: SET="(.*?)")?', TEXT)
    assert len(settings) > 3
    for name, changes in settings:
        preset(name, **fields(changes))
    for changes in re.findall(r'``(?:SET=)?"(.*?)"``', TEXT):
        preset("purvis2024", **fields(changes))
    joined = TEXT.replace("\\\n", " ")
    for name, rest in re.findall(r"papermill (notebooks/\S+) (.*)", joined):
        told = re.findall(r"-p (\w+)", rest)
        tree = ast.parse(sources(REPOSITORY / name)[1])
        known = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert told and set(told) <= known
