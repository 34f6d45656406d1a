"""The repository itself: its promises in requirements, environment, notebooks and Makefile."""

import json
import re
import subprocess
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
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


def test_every_library_that_is_imported_is_required():
    """What utils and tests import is either ours, Python's own, or in requirements.txt."""
    import sys

    required = {re.match(r"[\w.-]+", line)[0].lower() for line in requirement_lines()}
    # import name -> the requirement that brings it, where the two differ
    brought = {"dicomanonymizer": "dicom-anonymizer", "PIL": "matplotlib", "yaml": "jupyterlab"}
    brought |= {"traitlets": "ipywidgets", "IPython": "ipywidgets", "nbformat": "jupyterlab"}
    ours = {"utils", "tests", "benchmarks"}
    for file in [*ROOT.glob("utils/*.py"), *ROOT.glob("tests/*.py")]:
        if file.name == "test_dicom_real.py":  # compares with second readers where installed
            continue
        for name in re.findall(r"^(?:from|import) (\w+)", file.read_text(), re.MULTILINE):
            if name in sys.stdlib_module_names or name in ours | {"dicom_factory"}:
                continue
            assert brought.get(name, name).lower() in required, f"{file.name} imports {name}"
    assert requires("matplotlib") and any("pillow" in need for need in requires("matplotlib"))


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
