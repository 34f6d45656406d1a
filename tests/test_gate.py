"""The gate says no: each contract of import-linter refuses one line that breaks it."""

import re
import shutil
import subprocess
import sys

from utils.workspace import REPOSITORY

BREAKS = {  # contract -> (file of utils, line that breaks it)
    "Floors": ("dicom/files.py", "from utils.masks import load_mask"),
    "utils knows no study": ("predict.py", "import studies"),
    "Data sets are drawn": ("datasets/noise.py", "import utils.datasets.phantom"),
    "torch stays out": ("anatomy/lungs.py", "import torch"),
    "matplotlib is known": ("training/epoch.py", "import matplotlib"),
    "anywidget is known": ("plots/style.py", "import anywidget"),
    "highdicom is known": ("dicom/frames.py", "import highdicom"),
    "every function can be called": ("viewer/page.py", "from IPython import display"),
}


def linted(folder):
    """What import-linter says of the utils in a folder: (exit code, its lines)."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_says_no(tmp_path):
    """import-linter keeps every contract of the house as it is, and none with a line more."""
    for package in ("studies", "utils"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    code, said = linted(tmp_path)
    assert code == 0, said
    contracts = re.findall(r"^(.+) KEPT\b", said, re.MULTILINE)
    assert len(contracts) == len(BREAKS)
    for file, line in BREAKS.values():
        with open(tmp_path / "utils" / file, "a") as source:
            source.write(f"\n\ndef planted():\n    {line}\n")
    code, said = linted(tmp_path)
    assert code == 1
    broken = re.findall(r"^(.+) BROKEN\b", said, re.MULTILINE)
    for begin in BREAKS:
        assert any(name.startswith(begin) for name in broken), (begin, said)
    (tmp_path / "utils" / "attic.py").write_text("")  # a room that nobody has given a place
    assert "attic" in linted(tmp_path)[1]
