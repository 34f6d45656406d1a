"""The repository itself: its promises in requirements, environment, notebooks and Makefile."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0*.ipynb"))


def requirement_lines():
    return [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]


def test_every_requirement_is_pinned_has_a_reason_and_is_installed():
    for line in requirement_lines():
        match = re.fullmatch(r"([\w.-]+)==(\S+)\s+# \S.+", line)
        assert match, f"not `name==version  # reason`: {line}"
        assert version(match[1]).split("+")[0] == match[2]


def test_conda_installs_the_same_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "-r requirements.txt" in pip
    assert "python=3.11" in environment["dependencies"]


def imported(file):
    """Top-level names of all that a Python file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_every_library_that_is_imported_is_required():
    """What is imported is ours, Python's own, or installed by a line of requirements.txt."""
    required = {re.match(r"[\w.-]+", line)[0].lower() for line in requirement_lines()}
    # part of what a required library gives its users: matplotlib's pictures, Jupyter's own parts
    required |= {
        "pillow",
        "pyyaml",
        "traitlets",
        "ipython",
        "nbformat",
        "nbclient",
        "idc-index-data",
        "packaging",
    }
    files = [
        file
        for folder in ("studies", "utils", "tests", "benchmarks", "docs", "report", "weights")
        for file in (ROOT / folder).rglob("*.py")
    ]
    files.append(ROOT / "data" / "lctsc.py")
    folders = {file.relative_to(ROOT).parts[0] for file in files}
    ours = folders | {file.stem for file in files}
    installed = packages_distributions()
    peers = (ROOT / "benchmarks" / "requirements.txt").read_text()
    peers = re.findall(r"^[\w.-]+", peers, re.MULTILINE)
    for file in files:
        allowed = required | set(peers) if "benchmarks" in file.parts else required
        for name in imported(file):
            if name in sys.stdlib_module_names or name in ours:
                continue
            brought_by = {dist.lower().replace("_", "-") for dist in installed.get(name, [])}
            assert allowed & brought_by or name in allowed, (file, name)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    """A committed notebook is executed, so that nbval has something to compare."""

    def cells(self, notebook):
        cells = json.loads(notebook.read_text())["cells"]
        return [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]

    def test_executed_in_order_without_errors_or_warnings(self, notebook):
        counts = [cell["execution_count"] for cell in self.cells(notebook)]
        assert counts == list(range(1, len(counts) + 1))
        for cell in self.cells(notebook):
            for output in cell["outputs"]:
                assert output["output_type"] != "error"
                assert "Warning" not in "".join(output.get("text", ""))

    def test_cells_are_short_and_the_file_is_small(self, notebook):
        assert notebook.stat().st_size < 1.5e6
        for cell in self.cells(notebook):
            assert len("".join(cell["source"]).splitlines()) <= 30

    def test_opens_with_title_imports_and_parameters(self, notebook):
        first = json.loads(notebook.read_text())["cells"][0]
        assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith("# 0")
        tags = [cell["metadata"].get("tags", []) for cell in self.cells(notebook)]
        assert tags[1] == ["parameters"]

    def test_shows_no_path_of_any_machine(self, notebook):
        text = notebook.read_text()
        assert str(ROOT) not in text
        assert not re.search(r"/(home|Users|root|tmp|work)/", text)

    def test_ends_with_regression_checks_that_are_compared(self, notebook):
        last = self.cells(notebook)[-1]
        assert "nbval-ignore-output" not in last["metadata"].get("tags", [])
        assert "".join(last["outputs"][0]["text"]).count("\n") >= 3


def test_make_help_lists_the_two_commands():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"^run +\S", shown.stdout, re.MULTILINE)
    assert re.search(r"^test +\S", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize("answer", ["exit 1", "exit 127"])
def test_a_python_that_is_too_old_or_none_at_all_is_one_sentence(tmp_path, answer):
    """Instead of pip's, which lists versions of a package that it could not find."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    old = tmp_path / "python3.10"
    old.write_text(f"#!/bin/sh\n{answer}\n")
    old.chmod(0o755)
    made = subprocess.run(
        ["make", "-s", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode and not (tmp_path / ".venv").exists()
    assert made.stdout.startswith(f"Python 3.11 or newer is needed, {old} was found: make setup")


def folder_with_makefile(folder):
    """A project of nothing but its Makefile, and a Python that makes an environment of a script."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "pyproject.toml"):
        (folder / name).touch()
    python = folder / "python3.12"
    python.write_text(
        """#!/bin/sh
[ "$3" = --clear ] && rm -rf .venv
[ "$1 $2" = "-m venv" ] && { echo "$*" >> log; mkdir -p .venv/bin; cp "$0" .venv/bin/python; }
[ "$2" = "utils.datasets.phantom" ] && echo "into $LUNG_WORKSPACE"
exit 0
"""
    )
    python.chmod(0o755)
    return lambda *what: subprocess.run(
        ["make", "-s", *what, "PYTHON=./python3.12"], cwd=folder, capture_output=True, text=True
    )


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path):
    """As after an upgrade of the system: .venv/bin/python is a link that leads nowhere."""
    make = folder_with_makefile(tmp_path / "project")
    assert make("setup").returncode == 0 and make("setup").returncode == 0
    log, python = tmp_path / "project/log", tmp_path / "project/.venv/bin/python"
    assert log.read_text() == "-m venv .venv\n"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    made = make("phantom")  # any command, not setup alone
    assert made.returncode == 0, made.stderr
    assert "The Python of .venv does not start any more: .venv is made anew." in made.stdout
    assert log.read_text() == "-m venv .venv\n-m venv --clear .venv\n"
    assert make("setup").stdout == ""


@pytest.mark.parametrize("name", ["with spaces and é", "a $(touch ran) `touch ran` 'b' \"c\""])
def test_notebooks_are_tested_in_any_path(tmp_path, name):
    make = folder_with_makefile(tmp_path / name)
    made = make("test-notebooks")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines() == [f"into {tmp_path / name}/build/test"]
    assert not (tmp_path / name / "ran").exists()
