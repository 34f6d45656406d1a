"""Run the notebooks one after the other on a data set: `make run`, without opening a browser."""

import argparse
import os
import sys
from pathlib import Path

import papermill

from utils import workspace
from utils.errors import InputError, command
from utils.settings import fields, preset

# Notebook -> the parameters that its cell tagged `parameters` has
NOTEBOOKS = {
    "01_dicom_handling": ("DATASET",),
    "02_alignment_check": ("DATASET",),
    "03_unet_training": ("DATASET", "PRESET", "SET"),
    "04_evaluation_and_figures": ("DATASET", "PRESET", "SET"),
}
# A kernel warns that it talks over TCP without encryption; here it is this machine's own loopback
QUIET = ["--IPKernelApp.log_level=ERROR"]
STUDIES = {  # what the reports also studied, each on its own
    "05_loss_study": ("DATASET",),
    "06_robustness": (),
    "07_other_images": (),
}


def run_notebooks(
    dataset: str,
    preset_name: str,
    notebooks: dict[str, tuple[str, ...]] = NOTEBOOKS,
    changes: str = "",
) -> Path:
    """Execute notebooks on one data set; the committed notebooks stay as they are.

    changes : fields of the preset to change, see `settings.fields`.
    The executed copies go to `data/<its name>/derived/notebooks/`. What a notebook prints
    appears as it comes. Raises InputError with the notebook's own sentence when one stops.
    """
    folder = workspace.dataset_folder(dataset)
    preset(preset_name, **fields(changes))  # a wrong name is told now, not after two notebooks
    committed = workspace.REPOSITORY / "notebooks"
    executed = workspace.unlinked(workspace.derived_folder(dataset) / "notebooks")
    executed.mkdir(exist_ok=True)
    by_name = folder == workspace.workspace() / "data" / dataset
    values = {"DATASET": dataset if by_name else str(folder), "PRESET": preset_name}
    values["SET"] = changes
    # the kernel of this very environment, also where a user has installed others
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    for name, parameters in notebooks.items():
        print(f"\n{name}", flush=True)
        paths = [str(place / f"{name}.ipynb") for place in (committed, executed)]
        try:
            papermill.execute_notebook(
                *(path.replace("{", "{{").replace("}", "}}") for path in paths),  # no parameters
                {parameter: values[parameter] for parameter in parameters},
                kernel_name="python3",
                cwd=committed,
                stdout_file=sys.stdout,
                extra_arguments=QUIET,
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == InputError.__name__:
                raise InputError(f"{name}: {error.evalue}") from error
            raise
    return executed


@command
def main() -> None:
    """Command line: `python -m utils.workflow --dataset phantom --preset quick`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    parser.add_argument("--preset", default="quick", help="hyper-parameters, see settings.py")
    parser.add_argument("--set", default="", help='its fields to change: "epochs=3 beta=1"')
    parser.add_argument("--split", default="", help="thirds, first8, random8 or the like")
    parser.add_argument("--studies", action="store_true", help="notebooks 05 to 07 instead")
    arguments = parser.parse_args()
    notebooks = STUDIES if arguments.studies else NOTEBOOKS
    changes = f"{arguments.set} split={arguments.split}" if arguments.split else arguments.set
    executed = run_notebooks(arguments.dataset, arguments.preset, notebooks, changes.strip())
    figures = workspace.figures_folder(arguments.dataset)
    print(f"\nFigures and numbers: {workspace.shown(figures)}/")
    for file in sorted(figures.glob("*.pdf")):
        print(f"  {file.name}")
    print(f"Executed notebooks:  {workspace.shown(executed)}/")


if __name__ == "__main__":
    sys.exit(main())
