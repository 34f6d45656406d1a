"""nbval, as the notebooks are checked with it: every message is heard, and no drawing compared."""

import shutil
import subprocess
import sys

import nbformat

from utils.workspace import REPOSITORY

MANY = 20_000  # messages; 5,000 would still find room in the queues on either side


def checked(folder, cell):
    """What nbval says of a notebook with one cell."""
    shutil.copy(REPOSITORY / "notebooks" / "conftest.py", folder)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "one_cell.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--nbval"]
    done = subprocess.run(
        [*command, "--nbval-current-env", "one_cell.ipynb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_cell_may_send_any_number_of_messages(tmp_path):
    lines = f"from IPython.display import display\nfor i in range({MANY}):\n    display(i)"
    cell = nbformat.v4.new_code_cell(lines, metadata={"tags": ["nbval-ignore-output"]})
    said = checked(tmp_path, cell)
    assert "1 passed" in said, said


def test_a_drawing_may_differ_and_a_text_may_not(tmp_path):
    lines = (
        "from IPython.display import SVG, display\ndisplay(SVG(\"<svg><path d='M 0 1'/></svg>\"))"
    )
    cell = nbformat.v4.new_code_cell(lines, execution_count=1)
    shown = {
        "image/svg+xml": "<svg>another</svg>",
        "text/plain": "<IPython.core.display.SVG object>",
    }
    cell.outputs = [nbformat.v4.new_output("display_data", shown)]
    said = checked(tmp_path, cell)
    assert "1 passed" in said, said
    cell.outputs[0]["data"]["text/plain"] = "another"
    assert "1 failed" in checked(tmp_path, cell)
