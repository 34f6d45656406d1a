"""Where things lie, and that files are written whole or not at all."""

import errno
import json
import os
import subprocess
import sys

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


def test_a_linked_data_set_has_one_name_everywhere(root, monkeypatch):
    """Figures and derived files go by the folder's own name, whichever way it is called."""
    (root / "elsewhere/other/Images").mkdir(parents=True)
    (root / "work/data").mkdir(parents=True)
    (root / "work/data/mine").symlink_to(root / "elsewhere/other")
    monkeypatch.chdir(root)
    for name in (
        "mine",
        str(root / "work/data/mine"),
        str(root / "elsewhere/other"),
        "elsewhere/other",
    ):
        assert workspace.derived_folder(name) == root / "work/data/other/derived"
        assert workspace.figures_folder(name) == root / "work/figures/other"
    assert workspace.figures_folder("not there") == root / "work/figures/not there"


@pytest.mark.parametrize("content", ["", "[1", "{}", '{"folder": 3}', "\xff"])
def test_a_damaged_note_of_the_source_is_one_sentence(root, content):
    (root / "work/data/mine/Images").mkdir(parents=True)
    marker = workspace.derived_folder("mine") / "source.json"
    marker.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"source\.json is .*damaged.* Delete data/mine/derived"):
        workspace.derived_folder("mine")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG])
def test_what_the_system_denies_is_one_sentence_and_the_old_stays(tmp_path, monkeypatch, number):
    file = tmp_path / "numbers.json"
    workspace.write_json(file, {"a": 1})

    def denied(*_):
        raise OSError(number, os.strerror(number))

    said = rf"numbers\.json cannot be written \({os.strerror(number)}\)\. Free some space, or"
    monkeypatch.setattr(workspace.Path, "replace", denied)
    with pytest.raises(InputError, match=said):
        workspace.write_json(file, {"a": 2})
    assert json.loads(file.read_text()) == {"a": 1} and os.listdir(tmp_path) == ["numbers.json"]


def test_a_folder_in_the_place_of_a_file_is_one_sentence(tmp_path):
    (tmp_path / "numbers.json").mkdir()
    with pytest.raises(InputError, match=r"numbers\.json cannot be written \(Is a directory\)"):
        workspace.write_json(tmp_path / "numbers.json", {})
    with pytest.raises(InputError, match=r"cannot be written .*(Not a directory|File exists)"):
        workspace.write_json(tmp_path / "plain/numbers.json", (tmp_path / "plain").touch())


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_and_folders_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        workspace.write_json(tmp_path / "new/a.json", {})
        with workspace.locked(tmp_path / "run"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "new/a.json").stat().st_mode & 0o777 == 0o666 & ~mask
    for folder in ("new", "run"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o777 & ~mask


def test_what_killed_processes_left_is_swept_before_and_after(tmp_path):
    """A worker may be killed while the folder is locked; nothing of a user's is swept."""
    left, own = f"{workspace.UNFINISHED}{16 * 'a'}.png", f"{workspace.UNFINISHED}notes.txt"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / left).touch()
    (tmp_path / "run" / own).touch()
    with workspace.locked(tmp_path / "run"):
        assert [file.name for file in (tmp_path / "run").iterdir()] == [own]
        (tmp_path / "run" / left).touch()
    assert [file.name for file in (tmp_path / "run").iterdir()] == [own]


def test_a_longest_name_can_be_written(tmp_path):
    """The name of what is unfinished does not grow with that of the file."""
    workspace.write_json(tmp_path / f"{250 * 'n'}.json", {})


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


@pytest.mark.parametrize(
    "name",
    ".ipynb_checkpoints ._Case_000 __MACOSX @eaDir Thumbs.db desktop.ini ~$list.xlsx".split(),
)
def test_what_systems_leave_behind_is_no_case(tmp_path, name):
    for folder in ("Case_000", name):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1-001.dcm").write_bytes(b"x")
    assert workspace.left_behind(name)
    assert [case.name for case in workspace.cases_in(tmp_path)] == ["Case_000"]


def test_an_empty_folder_is_a_case_only_if_it_is_named_like_one(tmp_path):
    """`Case_002` lost its files, which must be said; `new folder` never had any."""
    for folder in ("Case_000", "Case_002", "new folder", "only a thumbnail/@eaDir", "shut"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Case_000/1-001.dcm").write_bytes(b"x")
    (tmp_path / "only a thumbnail/.DS_Store").write_bytes(b"x")
    (tmp_path / "linked").symlink_to(tmp_path / "Case_000", target_is_directory=True)
    names = [case.name for case in workspace.cases_in(tmp_path)]
    assert names == ["Case_000", "Case_002", "linked"]
    with pytest.raises(InputError, match="nowhere cannot be read"):
        workspace.cases_in(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_opened_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    def shut(folder, onerror, **options):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return iter([])

    assert not workspace.holds_files(tmp_path)
    monkeypatch.setattr(workspace.os, "walk", shut)
    assert workspace.holds_files(tmp_path)


def test_series_of_cases_that_hold_several_are_read_from_a_file(tmp_path):
    assert workspace.chosen_series(tmp_path) == {}
    (tmp_path / "series.txt").write_text("Fall (1)   1.2.3\n\nMüller largest\n", encoding="utf-8")
    assert workspace.chosen_series(tmp_path) == {"Fall (1)": "1.2.3", "Müller": "largest"}
    (tmp_path / "series.txt").write_bytes(b"\xef\xbb\xbfCase_000 largest\r\n")  # as Windows does
    assert workspace.chosen_series(tmp_path) == {"Case_000": "largest"}
    (tmp_path / "series.txt").write_text("Case_000\n")
    with pytest.raises(InputError, match=r"series\.txt has a line of one word"):
        workspace.chosen_series(tmp_path)


@pytest.mark.parametrize("name", ["series.txt", "confirmed.txt"])
def test_what_is_said_of_cases_is_not_read_without_end(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 30)  # takes no room on the disk
    ask = {"series.txt": workspace.chosen_series, "confirmed.txt": workspace.confirmed_values}
    with pytest.raises(InputError, match=f"{name} has more than 1 MB, expected lines of a case"):
        ask[name](tmp_path)


def test_an_error_shows_what_cannot_be_printed_as_an_escape():
    """A name that is not UTF-8, an order to the terminal, and a sign that turns the line round."""
    error = InputError("Case_\udcff \x1b[2J \u202e: “ö”\nsecond line")
    assert str(error) == "Case_\\udcff \\x1b[2J \\u202e: “ö”\nsecond line"


@pytest.mark.parametrize(
    "fault", [InputError("a “word”"), OSError(28, "No space left", "/x/ö.npz")]
)
def test_a_terminal_without_quotes_and_umlauts_gets_question_marks(fault):
    """And what the system denies is one sentence, not a traceback."""
    code = "\n".join(
        (
            "import sys",
            "from utils.errors import InputError, command",
            "@command",
            "def main():",
            "    print('“ö”')",
            f"    raise {fault!r}"
            if isinstance(fault, InputError)
            else f"    raise OSError{(*fault.args, fault.filename)}",
            "sys.exit(main())",
        )
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "???\n" and done.returncode == 1
    expected = "a ?word?\n" if isinstance(fault, InputError) else "/x/?.npz: No space left"
    assert done.stderr.startswith(expected)
