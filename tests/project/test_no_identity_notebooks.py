"""The same canaries through the notebooks themselves, as `make run` executes and keeps them.

They take minutes: set LUNG_NOTEBOOKS=1 (with LUNG_NOTEBOOKS=01,02 those alone).
"""

import os

import pytest
from canaries import SMALL, data_set, found_below, found_in

from utils import workflow

ASKED = os.environ.get("LUNG_NOTEBOOKS", "")
CHOSEN = {name: given for name, given in workflow.NOTEBOOKS.items()
          if ASKED == "1" or name[:2] in ASKED.split(",")}  # fmt: skip


@pytest.mark.skipif(not CHOSEN, reason="LUNG_NOTEBOOKS is not set: notebooks take minutes")
def test_executed_notebooks_hold_names_of_cases_alone(workspace, capsys):
    small = data_set(workspace / "data" / "small")
    workflow.run_notebooks("small", "quick", CHOSEN, SMALL)
    said = capsys.readouterr()
    found = found_below(workspace, skip=[small / "Images"])
    found = {name: what for name, what in found.items() if not name.endswith("_seg.dcm")}
    assert found == {}  # but for SEG (SECURITY.md), into which test_no_identity looks
    assert found_in(f"{said.out}{said.err}".encode()) == []
