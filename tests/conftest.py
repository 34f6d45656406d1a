"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest
import torch
from dicom_factory import write_series

# the tensors of tests are tiny, and the tests themselves run side by side
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data():
    """Folder of real patients, named by LUNG_REAL_DATA; tests that need it skip without."""
    folder = os.environ.get("LUNG_REAL_DATA")
    if not folder:
        pytest.skip("LUNG_REAL_DATA is not set: no folder of real patients to test on")
    if not Path(folder).is_dir():
        pytest.skip(f"LUNG_REAL_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty folder in place of the repository, which all is read from and written to."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture
def empty_dataset(workspace):
    """Name of a data set that holds no case yet, in a workspace of its own."""
    (workspace / "data/mini/Images").mkdir(parents=True)
    return "mini"


@pytest.fixture
def two_cases(workspace):
    """Folder of a data set called small: Case_000 and Case_001, five slices each."""
    folder = workspace / "data" / "small"
    for name in ("Case_000", "Case_001"):
        write_series(folder / "Images" / name)
    return folder
