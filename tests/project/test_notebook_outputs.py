"""What the committed notebooks show a reader: nothing cut off, refuted or warned about."""

import ast
import json
import re

import papermill
import pytest

from utils.workspace import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
UNWANTED = {
    "a check that does not hold": r"\bFalse\b",
    "a warning": r"Warning\b|\bWARNING\b",
    "a text cut off by pandas": r"\w\.\.\.(\s|<|$)",
    "a traceback": r"Traceback",
}


def texts(notebook):
    """(cell's id, text) of every output, of tables also as HTML."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            for part in (output.get("text"), shown.get("text/plain"), shown.get("text/html")):
                yield cell["id"], "".join(part or [])
            yield cell["id"], "Traceback" if output["output_type"] == "error" else ""


def unwanted(notebook):
    """What of UNWANTED a notebook's outputs hold, a line each."""
    return [
        f"{cell} shows {what}: {found[0]!r}"
        for cell, text in texts(notebook)
        for what, pattern in UNWANTED.items()
        if (found := re.search(f".*(?:{pattern}).*", text))
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_hold_nothing_that_needs_an_excuse(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert unwanted(notebook) == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a check that does not hold", "validation DSC above 0.93 False"),
        ("a warning", "lib.py:3: RuntimeWarning: divide by zero"),
        ("a text cut off by pandas", "<td>Case_000, Case_001, Case_0...</td>"),
    ],
)
def test_each_is_seen(what, text):
    cell = {"id": "x", "outputs": [{"output_type": "stream", "text": [text]}]}
    (line,) = unwanted({"cells": [cell]})
    assert what in line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_of_code_was_executed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"])]
    assert all(cell["execution_count"] for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_finds_every_parameter(path):
    """One a line, and no other equals sign on it: what it cannot read it warns of as unknown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    names = {
        name.id
        for node in ast.parse("".join(cell["source"])).body
        for name in ast.walk(node.targets[0])
        if isinstance(name, ast.Name)
    }
    assert names and set(papermill.inspect_notebook(path)) == names
