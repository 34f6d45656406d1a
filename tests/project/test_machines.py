"""Any path and any locale; a folder that may not be written."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series

from utils.workspace import REPOSITORY

CLEAN = {name: value for name, value in os.environ.items() if name[:3] not in ("LC_", "LAN")}
CLEAN |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
LOCALES = {
    "C": {"LC_ALL": "C"},
    "POSIX": {"LC_ALL": "POSIX"},
    "C, and no UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
PAGE = """
import sys
import numpy as np
from utils import alignment, datasets, deidentify, masks, plots, viewer
from studies import synthetic
from utils.datasets import phantom
viewer.export_html(sys.argv[1], np.zeros((2, 8, 8), np.int16))
"""


@pytest.fixture
def dataset(tmp_path):
    """A data set of one case whose path has spaces, an accent and a link in it."""
    folder = tmp_path / "a b é" / "hôpital 7"
    write_series(folder / "Images" / "Müller 3")
    (folder / "Segmentations").mkdir()
    masks = np.zeros((5, 8, 6), np.uint8)
    np.savez_compressed(folder / "Segmentations/Müller 3_seg.npz", masks=masks)
    (tmp_path / "linked é").symlink_to(folder)
    return tmp_path / "linked é"


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_names_with_accents_in_the_plainest_locale(dataset, tmp_path, locale):
    work = tmp_path / "work é x"
    done = subprocess.run(
        [sys.executable, "-m", "utils.alignment", dataset],
        env=CLEAN | LOCALES[locale] | {"LUNG_WORKSPACE": str(work)},
        capture_output=True,
        encoding="utf-8",
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.startswith("Müller 3  unrelated")
    written = sorted((work / "data/hôpital 7/derived/volumes").iterdir())
    assert [file.name for file in written] == ["Müller 3.json", "Müller 3.npy"]


@pytest.mark.parametrize("locale", LOCALES)
def test_what_lies_beside_the_code_is_read_in_any_locale(tmp_path, locale):
    """Tables, looks, the viewer's page: all UTF-8, whatever the machine is set to."""
    done = subprocess.run(
        [sys.executable, "-c", PAGE, tmp_path / "page.html"],
        env=CLEAN | LOCALES[locale],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without permission")
def test_a_workspace_that_may_not_be_written_is_one_sentence(dataset):
    code = "import os, sys; from utils.alignment.__main__ import main; os.setuid(65534); "
    with tempfile.TemporaryDirectory() as folder:
        mine, work = Path(folder) / "mine", Path(folder) / "work"
        shutil.copytree(dataset, mine)
        work.mkdir()
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", code + f"sys.exit(main([{str(mine)!r}]))"],
            env=CLEAN | {"LUNG_WORKSPACE": str(work)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert "cannot be written (Permission denied)" in done.stderr
        assert not list(work.iterdir())
