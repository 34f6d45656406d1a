"""What make and torchrun do with what a reader types: names, settings and splits arrive whole."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from dicom_factory import write_series
from make_builders import make

from utils import settings, workflow
from utils.errors import InputError
from utils.workspace import REPOSITORY


def test_dataset_and_preset_reach_the_notebooks():
    dry = make("-n", "run", "DATASET=a folder", "PRESET=vrikkis2024").stdout
    assert dry.splitlines() == [
        f'{sys.executable} -m utils.workflow --dataset "$DATASET" --preset "$PRESET" --set "$SET" '
        '--split "$SPLIT"'
    ]
    assert settings.preset("vrikkis2024").image_size == 512
    for name, parameters in (workflow.NOTEBOOKS | workflow.STUDIES).items():
        notebook = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4)
        (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        assigned = {
            ast.unparse(target) for node in ast.parse(cell.source).body for target in node.targets
        }
        assert set(parameters) <= assigned, name


@pytest.mark.parametrize("target", ["run", "studies", "report", "data", "app"])
def test_no_name_reaches_the_shell_as_a_command(tmp_path, target):
    """Backticks in a name are part of the name."""
    name = f"`touch {tmp_path / 'ran'}`"
    echo = shutil.which("echo")
    make(
        target, f"DATASET={name}", f"SET={name}", f"PATIENTS={name}", f"PY={echo}", "-o", "phantom"
    )
    assert not (tmp_path / "ran").exists()
    said = make(target, f"DATASET={name}", f"PATIENTS={name}", f"PY={echo}", "-o", "phantom").stdout
    assert name in said or target == "app"  # Voilà reads the environment


@pytest.mark.parametrize("name", ["share$/ct", "a $x $(HOME) $$", "50% #1 {ü}", 'it\'s "a" \\b'])
@pytest.mark.parametrize("target", ["run", "studies", "report"])
def test_a_name_arrives_as_it_was_typed(target, name):
    said = make(target, f"DATASET={name}", f"PY={shutil.which('echo')}", "-o", "phantom").stdout
    assert f"--dataset {name}" in said


def test_settings_and_split_reach_the_run(tmp_path):
    echo = shutil.which("echo")
    said = make("run", "SET=epochs=3 beta=1", "SPLIT=first8", f"PY={echo}", "-o", "phantom").stdout
    assert said.endswith("--set epochs=3 beta=1 --split first8\n")
    environment = os.environ | {"LUNG_WORKSPACE": str(tmp_path)}
    (tmp_path / "data" / "mini" / "Images").mkdir(parents=True)
    done = make("run", "DATASET=mini", "SET=epoch=3", env=environment)
    assert done.returncode != 0 and "There is no setting 'epoch'" in done.stderr


def test_make_run_refuses_with_a_sentence(tmp_path):
    """Nothing but a sentence, before any notebook is started."""
    environment = os.environ | {"LUNG_WORKSPACE": str(tmp_path)}
    done = make("run", "DATASET=path/to/folder", env=environment)
    assert done.returncode != 0
    assert "There is no data set 'path/to/folder'" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_make_deidentify_copies_a_case(tmp_path):
    """Into a folder whose name a shell would take for a command."""
    write_series(tmp_path / "in")
    out = tmp_path / "$(touch x) copy"
    done = make("deidentify", f"FOLDER={tmp_path / 'in'}", f"OUT={out}")
    assert done.returncode == 0, done.stderr
    assert len(list(out.rglob("*.dcm"))) == 5 and (out / "deidentification.csv").is_file()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of two notebooks of one cell, with a data set."""
    (tmp_path / "data" / "mini" / "Images").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    for name, code in {
        "first": "print('first of', DATASET)",
        "second": "from utils.errors import InputError\nraise InputError('no lung')",
    }.items():
        parameters = nbformat.v4.new_code_cell("DATASET = None")
        parameters.metadata["tags"] = ["parameters"]
        cells = [parameters, nbformat.v4.new_code_cell(code)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(workflow.workspace, "REPOSITORY", tmp_path)
    return tmp_path


def test_notebooks_are_executed_one_after_the_other(repository, capsys):
    """What `make run` and `make studies` do with 01 to 07, on two small ones, and a refusal."""
    with pytest.raises(InputError, match=r"^second: no lung$"):
        workflow.run_notebooks("mini", "quick", {"first": ("DATASET",), "second": ()})
    assert "first of mini" in capsys.readouterr().out
    executed = repository / "data" / "mini" / "derived" / "notebooks" / "first.ipynb"
    outputs = nbformat.read(executed, as_version=4).cells[-1].outputs
    assert outputs[0].text == "first of mini\n"
    committed = nbformat.read(repository / "notebooks" / "first.ipynb", as_version=4)
    assert not committed.cells[-1].outputs


def test_braces_in_a_name_are_no_parameters(repository, capsys):
    """papermill reads {x} in a path as the name of a parameter."""
    (repository / "data" / "{x} of {}" / "Images").mkdir(parents=True)
    run_into = workflow.run_notebooks("{x} of {}", "quick", {"first": ("DATASET",)})
    assert "first of {x} of {}" in capsys.readouterr().out
    assert (run_into / "first.ipynb").is_file() and "{x} of {}" in str(run_into)


def test_without_make_the_same_is_run():
    """The conda door's two modules are those that `make run` starts, in this order."""
    dry = make("-n", "run").stdout
    started = re.findall(r"-m (utils[.\w]+)", dry)
    assert started == re.findall(
        r"-m (utils[.\w]+)", "python -m utils.datasets.phantom && python -m utils.workflow"
    )
    defaults = inspect.signature(workflow.run_notebooks).parameters["notebooks"].default
    said = make("run", f"PY={shutil.which('echo')}").stdout
    assert "--dataset phantom --preset quick --set  --split" in said and len(defaults) == 4


def test_every_benchmark_can_be_started():
    modules = re.findall(r"-m (benchmarks\.\w+)", make("-n", "bench").stdout)
    assert len(modules) > 3
    for module in modules:
        file = REPOSITORY / f"{module.replace('.', '/')}.py"
        assert "\ndef main(" in file.read_text() and "__main__" in file.read_text(), module


def test_torchrun_starts_training(tmp_path):
    """As far as the data set, which is not there; two processes train in test_distributed."""
    command = "torchrun --nproc-per-node N -m utils.training --dataset phantom --preset quick"
    assert command in (REPOSITORY / "README.md").read_text()
    arguments = command.replace(" N ", " 1 ").split()[1:]
    environment = os.environ | {"LUNG_WORKSPACE": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "There is no data set 'phantom'" in done.stderr
