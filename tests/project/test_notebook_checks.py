"""nbval, as the notebooks are checked with it, hears the end of a cell that says very much."""

import shutil
import subprocess
import sys

import nbformat

from utils.workspace import REPOSITORY

MANY = 20_000  # messages; 5,000 would still find room in the queues on either side


def test_a_cell_may_send_any_number_of_messages(tmp_path):
    shutil.copy(REPOSITORY / "notebooks" / "conftest.py", tmp_path)
    lines = f"from IPython.display import display\nfor i in range({MANY}):\n    display(i)"
    cell = nbformat.v4.new_code_cell(lines, metadata={"tags": ["nbval-ignore-output"]})
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "talkative.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--nbval"]
    done = subprocess.run(
        [*command, "--nbval-current-env", "talkative.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout
