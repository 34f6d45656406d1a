"""Where things lie, and that files are written whole or not at all."""

import json
import os

import pytest
from IPython.core.interactiveshell import InteractiveShell

from utils import workspace
from utils.errors import InputError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "work"))
    return tmp_path


def test_a_data_set_by_name_by_path_and_not_at_all(root, monkeypatch):
    (root / "work/data/mine/Images").mkdir(parents=True)
    (root / "elsewhere/Images").mkdir(parents=True)
    assert workspace.dataset_folder("mine") == root / "work/data/mine"
    assert workspace.dataset_folder(str(root / "elsewhere")) == root / "elsewhere"
    monkeypatch.chdir(root)
    assert workspace.dataset_folder("elsewhere") == root / "elsewhere"
    with pytest.raises(InputError, match="no data set 'nobody'"):
        workspace.dataset_folder("nobody")


def test_nothing_is_written_into_a_data_set_from_outside(root):
    source = root / "elsewhere/hôpital 7"
    (source / "Images").mkdir(parents=True)
    derived = workspace.derived_folder(str(source))
    assert derived == root / "work/data/hôpital 7/derived"
    assert [path.name for path in source.iterdir()] == ["Images"]


def test_two_data_sets_of_one_name_do_not_mix(root):
    for parent in ("a", "b"):
        (root / parent / "lungs/Images").mkdir(parents=True)
    workspace.derived_folder(str(root / "a/lungs"))
    with pytest.raises(InputError, match="another data set of the same name"):
        workspace.derived_folder(str(root / "b/lungs"))
    workspace.derived_folder(str(root / "a/lungs"))


def test_a_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "new folder/numbers.json"
    workspace.write_json(file, {"a": 1})
    with pytest.raises(TypeError):
        workspace.write_json(file, {"a": object()})
    assert json.loads(file.read_text()) == {"a": 1}
    assert os.listdir(file.parent) == ["numbers.json"]  # no temporary file is left


def test_files_get_ordinary_permissions(tmp_path):
    file = tmp_path / "a.json"
    plain = tmp_path / "plain"
    plain.touch()
    workspace.write_json(file, {})
    assert file.stat().st_mode == plain.stat().st_mode


def test_notebooks_show_our_errors_in_one_line(capsys):
    InteractiveShell.instance().run_cell(
        "from utils.errors import InputError; raise InputError('Do this.')"
    )
    shown = capsys.readouterr()
    assert (shown.out + shown.err).strip() == "InputError: Do this."
