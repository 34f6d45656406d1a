"""`make` as a reader would type it, for tests."""

import subprocess
import sys

from utils.workspace import REPOSITORY


def make(*arguments, **options):
    """Run make with this very Python in place of .venv's, which need not exist here."""
    command = ["make", "--no-print-directory", *arguments, f"PY={sys.executable}", "INSTALLED="]
    command += [argument for argument in arguments if argument.startswith("PY=")]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, **options)
