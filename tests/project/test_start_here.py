"""Notebook 00 against what it speaks of, and the frame that every lesson has."""

import ast
import json
import re

import pytest

from utils.datasets.phantom.patients import PATIENTS
from utils.workspace import REPOSITORY

FOLDER = REPOSITORY / "notebooks"
LESSONS = sorted(FOLDER.glob("0[1-7]*.ipynb"))
WORDS_A_MINUTE, LINES_A_MINUTE = 150, 12  # of text and of code, read to be understood


def sources(path, kind):
    """Sources of a notebook's cells of one kind."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


START = FOLDER / "00_start_here.ipynb"
TEXT = "\n".join(sources(START, "markdown"))


def lessons():
    """Rows of the table of notebooks: name, question, what it writes, minutes to read and run."""
    (code,) = [source for source in sources(START, "code") if "lessons = [" in source]
    assigned = [node for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    return ast.literal_eval(assigned[0].value)


def glossary():
    """The words that are explained."""
    table = TEXT.split("## Words")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows[1:]]


def test_every_lesson_is_in_the_table_in_order():
    assert [name for name, *_ in lessons()] == [path.stem for path in LESSONS]


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson[0])
def test_minutes_to_read_are_those_of_its_words_and_lines(lesson):
    path = FOLDER / f"{lesson[0]}.ipynb"
    words = sum(len(re.findall(r"\w[\w'’-]*", text)) for text in sources(path, "markdown"))
    lines = sum(bool(line.strip()) for c in sources(path, "code") for line in c.splitlines())
    minutes = words / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    assert minutes / 1.5 < lesson[3] < minutes * 1.5


def test_make_run_is_promised_no_longer_than_it_may_take():
    """`make run` executes 01 to 04; its bound is four minutes on two idle cores."""
    minutes = [minutes for *_, minutes in lessons()]
    assert min(minutes) > 0 and sum(minutes[:4]) <= 4


def test_the_disk_that_the_phantom_needs():
    """Files, cached volumes, and masks: twice the voxels of 16 bits, and a little."""
    (stated,) = re.findall(r"and ([\d.]+) GB for the synthetic data set", TEXT)
    voxels = sum(p.slices * p.matrix**2 for p in PATIENTS)
    assert 1.2 * 2 * 2 * voxels < float(stated) * 1e9 < 3 * 2 * 2 * voxels
    (asked,) = re.findall(r"free > ([\d.e]+)", "\n".join(sources(START, "code")))
    assert float(asked) == float(stated) * 1e9


def test_forty_words_are_explained_in_alphabetical_order():
    words = glossary()
    assert len(words) >= 40 and len(set(words)) == len(words)
    assert words == sorted(words, key=str.casefold)


@pytest.mark.parametrize("path", [START, *LESSONS], ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_to_files(path):
    targets = re.findall(r"\]\(([^)\s]+)\)", "\n".join(sources(path, "markdown")))
    assert targets
    for target in targets:
        if not re.match(r"https?://", target):
            assert (FOLDER / target.split("#")[0]).exists(), target


def test_the_five_reports_are_in_the_bibliography():
    table = TEXT.split("## The five reports")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| [")]
    entries = (REPOSITORY / "report" / "references.bib").read_text(encoding="utf-8")
    assert len(rows) == 5
    for row in rows:
        names = re.split(r", | and ", re.match(r"\| \[([^\]]+)\]", row)[1])
        year = row.split("|")[2].strip().replace("no date", "n.d.")
        (entry,) = [e for e in entries.split("\n@") if names[0] in e]
        assert all(name in entry for name in names) and year in entry


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_its_frame(path):
    """What one can do afterwards at the start; at the end key points and checked exercises."""
    texts = sources(path, "markdown")
    assert any("**Afterwards you can**" in text for text in texts[:2])
    places = {
        heading: next(i for i, text in enumerate(texts) if text.startswith(heading))
        for heading in ("## Key points", "## Exercises", "## Regression checks")
    }
    assert list(places.values()) == sorted(places.values())
    assert len(re.findall(r"^- ", texts[places["## Key points"]], re.MULTILINE)) >= 5
    exercises = texts[places["## Exercises"]].split("<details>")[0]
    count = len(re.findall(r"^\d\. ", exercises, re.MULTILINE))
    assert 3 <= count <= 5
    code = "\n".join(sources(path, "code"))
    if "<details>" not in texts[places["## Exercises"]]:
        for name in ("answers", "checks", "solutions"):
            (numbers,) = [
                {ast.literal_eval(key) for key in node.value.keys}
                for node in ast.parse(code).body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
            ]
            assert numbers == set(range(1, count + 1))
