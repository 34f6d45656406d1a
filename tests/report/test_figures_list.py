"""Figures and numbers that notebooks export, and the places that must know of them."""

import ast
import json
import re

from report import build as report
from utils.workspace import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))
LIST = (REPOSITORY / "figures" / "README.md").read_text()


def calls(notebook, function):
    """Calls of a room's function, such as `report.save_numbers`, in a notebook's code, as trees."""
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                    yield node


def saved():
    """(notebook, figure, parameter that names the data set) of every figure that is saved."""
    for notebook in NOTEBOOKS:
        for call in calls(notebook, "plots.save_figure"):
            _, name, dataset = call.args
            assert isinstance(name, ast.Constant), f"{notebook.name}: {ast.unparse(call)}"
            yield notebook.name, name.value, ast.unparse(dataset)


def listed():
    """The same of every row of the list, whose headings are links to notebooks."""
    notebook = None
    for line in LIST.splitlines():
        if heading := re.match(r"\| \*\*\[.*\]\(\.\./notebooks/(.+)\)\*\*", line):
            notebook = heading[1]
        elif row := re.match(r"\| `(\w+)` \| `(\w+)` \| \w.+ \|$", line):
            yield notebook, row[1], row[2]


def test_the_list_is_of_the_figures_that_notebooks_save():
    assert len(list(saved())) > 15
    assert sorted(saved()) == sorted(listed())


def test_every_figure_of_the_report_is_saved_by_a_notebook():
    assert report.used_figures()
    assert set(report.used_figures()) <= {name for _, name, _ in saved()}


def test_the_report_numbers_its_figures_as_the_notebook_does():
    """LaTeX counts figures in the order of the text; notebook 04 has the number in the name."""
    main = (report.SOURCES / "report.tex").read_text()
    order = re.findall(r"\\input\{(sections/\w+)\}", main)
    sections = [(report.SOURCES / f"{name}.tex").read_text() for name in order]
    names = re.findall(r"\\includegraphics(?:\[[^\]]*\])?\{([^}]+)\}", "".join(sections))
    numbered = [int(name[6:].split("_")[0]) for name in names if name.startswith("figure")]
    assert numbered == list(range(1, len(numbered) + 1))
    assert all(name.startswith("figure") for name in names[: len(numbered)])


def test_every_exported_study_is_known_to_the_report_and_listed():
    """Its numbers are held against their runs by notebook, and its file is named in the list."""
    exported = {}
    for notebook in NOTEBOOKS:
        for call in calls(notebook, "report.save_numbers"):
            study = {word.arg: word.value.value for word in call.keywords}.get("study", "metrics")
            exported[study] = notebook.name[:2]
    assert exported == report.NOTEBOOKS
    for study in report.NOTEBOOKS:
        assert f"`{study}.json`" in LIST
