"""A finished run of one epoch, and a copy of it to be spoilt."""

import shutil
from dataclasses import replace

import pytest
from kill_training import SETTINGS, SPLIT, sets

from utils.training import run as training

ONE = replace(SETTINGS, epochs=1)


@pytest.fixture(scope="module")
def parts():
    return sets()


@pytest.fixture(scope="module")
def finished(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    training.train(ONE, SPLIT, *parts, folder)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to be spoilt."""
    return shutil.copytree(finished, tmp_path / "run")
