"""What the README tells a reader to type and to follow: every command has a check that runs it."""

import ast
import inspect
import re
import shlex

import pytest
import yaml
from make_builders import make

from utils import viewer
from utils.workspace import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "figures/README.md",
    "weights/README.md",
]
COMMAND = re.compile(r"(make|python|conda|torchrun|sbatch|pip|git|docker) |\.venv/bin/")

# Command -> what runs it: a line of .ci/run, or a test. All of make's are also tried dry, below.
CHECKED_BY = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    "make help": "tests/project/test_project.py::test_make_help_lists_the_two_commands",
    "make studies": (
        "tests/project/test_commands.py::test_notebooks_are_executed_one_after_the_other"
    ),
    "make run DATASET=path/to/folder": (
        "tests/project/test_commands.py::test_make_run_refuses_with_a_sentence"
    ),
    'make run DATASET=path/to/folder SET="epochs=10 beta=1" SPLIT=first8': (
        "tests/project/test_commands.py::test_settings_and_split_reach_the_run"
    ),
    "make run DATASET=lctsc PRESET=vrikkis2024": (
        "tests/project/test_commands.py::test_dataset_and_preset_reach_the_notebooks"
    ),
    'make run DATASET=lctsc PRESET=purvis2024 SET="beta=1"': (
        "tests/test_settings.py::test_the_reports_presets_are_true_to_them"
    ),
    "make deidentify FOLDER=path/to/folder OUT=path/to/copy [MAP=path/to/map.json]": (
        "tests/project/test_commands.py::test_make_deidentify_copies_a_case"
    ),
    "make data": ("tests/datasets/test_lctsc.py::test_the_command_fetches_or_says_what_is_wrong"),
    "make app": (
        "tests/browser/test_viewer_in_browser.py::test_voila_inspects_a_case_and_its_prediction"
    ),
    "make report": ".ci/run",
    "make docs": ".ci/run",
    "make bench": "tests/project/test_commands.py::test_every_benchmark_can_be_started",
    "conda env create -f environment.yml": (
        "tests/project/test_project.py::test_conda_installs_the_same_requirements"
    ),
    "conda activate lung-segmentation": (
        "tests/project/test_readme.py::test_the_conda_environment_has_its_name"
    ),
    "python -m utils.datasets.phantom && python -m utils.workflow": (
        "tests/project/test_commands.py::test_without_make_the_same_is_run"
    ),
    ".venv/bin/jupyter lab": "tests/browser/test_viewer_in_browser.py::test_jupyterlab_lesson",
    ".venv/bin/python -m utils.predict FOLDER --out OUT": (
        "tests/test_predict.py::test_a_folder_of_cases_is_segmented_case_by_case"
    ),
    ".venv/bin/python -m utils.predict COHORT --out OUT --workers 4": (
        "tests/test_cohort.py::test_processes_find_what_one_finds_byte_for_byte"
    ),
    "sbatch slurm/predict.sbatch": (
        "tests/test_cohort_slurm.py::test_jobs_of_slurm_find_what_one_process_finds"
    ),
    ".venv/bin/python -m utils.dicom FOLDER": (
        "tests/dicom/test_reader.py::test_command_goes_through_the_cases_of_a_data_set"
    ),
    "torchrun --nproc-per-node N -m utils.training --dataset phantom --preset quick": (
        "tests/project/test_commands.py::test_torchrun_starts_training"
    ),
    "sbatch slurm/train.sbatch": "tests/runtime/test_processes.py::test_the_slurm_file",
}


def commands():
    """Every command of the README: lines of its blocks, and code within its sentences."""
    blocks = re.findall(r"```\n(.*?)```", README, re.DOTALL)
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```\n.*?```", "", README, flags=re.DOTALL))
    return {command for command in (*lines, *inline) if COMMAND.match(command)}


def test_every_command_has_a_check():
    assert len(commands()) > 15
    assert commands() == set(CHECKED_BY)


def functions(file):
    """Names of all functions in a Python file, those in classes too."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("command", "check"), CHECKED_BY.items())
def test_every_check_exists(command, check):
    if check == ".ci/run":
        assert command in (REPOSITORY / ".ci" / "run").read_text().splitlines()
    else:
        file, name = check.split("::")
        assert name in functions(REPOSITORY / file)


@pytest.mark.parametrize("command", sorted(c for c in commands() if c.startswith("make ")))
def test_make_knows_what_to_do(command):
    dry = make("-n", *shlex.split(command)[1:])
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.strip()


def test_the_conda_environment_has_its_name():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    assert f"conda activate {environment['name']}" in commands()


def test_the_functions_named_in_sentences_take_these_arguments():
    assert "`slice_viewer(volume, mask, prediction)`" in README
    inspect.signature(viewer.slice_viewer).bind("volume", "mask", "prediction")
    assert '`export_html("case.html", volume, mask, prediction)`' in README
    inspect.signature(viewer.export_html).bind("case.html", "volume", "mask", "prediction")


def anchors(page):
    """Names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    """To a file, and where it names one, to a heading in it."""
    page = REPOSITORY / name
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(linked), f"{name}: {target}"
