"""What can be held here of Windows and macOS: names, encodings, processes, modules, commands."""

import ast
import re
import subprocess

import pytest

from utils.workspace import REPOSITORY

FOLDERS = (
    "utils",
    "studies",
    "report",
    "data",
    "weights",
    "docs",
    "slurm",
)  # benchmarks measure on Linux
CODE = sorted(file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
LINUX_ALONE = {"fcntl", "grp", "pwd", "pty", "resource", "termios"}
LINUX_CALLS = {"fork", "forkpty", "geteuid", "getuid", "kill", "killpg", "mkfifo", "setuid"}
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def calls(file):
    """(name, call) of every call in a file, by the last part of its name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def without_encoding(file):
    """Lines on which text is read or written in whatever encoding the machine has."""
    for name, call in calls(file):
        texts = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if is_text(a)]
        named = any(keyword.arg == "encoding" for keyword in call.keywords) or "utf-8" in texts
        binary = any(re.fullmatch(r"[rwxa]\+?b", text) for text in texts)
        opens = name in ("open", "fdopen") and any(re.fullmatch(r"[rwxa]\+?", t) for t in texts)
        if not (named or binary) and (name in ("read_text", "write_text") or opens):
            yield f"{file.name}:{call.lineno}"


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def kept_files():
    """Files of the repository, as git lists them."""
    done = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git repository")
    return done.stdout.splitlines()


def test_text_has_an_encoding():
    """The default of Windows is not UTF-8."""
    assert [line for file in CODE for line in without_encoding(file)] == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Path(f).read_text()", 1),
        ("Path(f).write_text('a')", 1),
        ("open(f, 'w')", 1),
        ("open(f, 'rb')", 0),
        ("Path(f).read_text('utf-8')", 0),
        ("Path(f).write_text('a', encoding='ascii')", 0),
    ],
)
def test_an_encoding_that_is_missing_is_seen(tmp_path, line, count):
    (tmp_path / "code.py").write_text(line, "utf-8")
    assert len(list(without_encoding(tmp_path / "code.py"))) == count


def test_no_module_or_call_of_one_system_alone():
    for file in CODE:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not names & LINUX_ALONE, file
        owned = {name for name, call in calls(file) if ast.unparse(call.func).startswith("os.")}
        assert not owned & LINUX_CALLS, file


def test_processes_are_spawned():
    """A fork is not to be had on Windows, and on macOS not safe."""
    for file in CODE:
        for name, call in calls(file):
            if name == "get_context":
                assert [argument.value for argument in call.args] == ["spawn"], file
            if name in ("ProcessPoolExecutor", "Pool"):
                assert "context" in ast.unparse(call), file


def test_names_of_files_are_legal_on_every_system():
    names = kept_files()
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert not re.search(r'[<>:"|?*\\]', name) and len(name) < 150, name
        for part in name.split("/"):
            assert not RESERVED.fullmatch(part) and part[-1] not in ". ", name


def test_the_lines_for_windows_need_no_shell_of_unix():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (windows,) = re.findall(r"^- \*\*Windows\*\*.*$", readme, re.MULTILINE)
    commands = re.findall(r"`([^`]+)`", windows)
    assert len(commands) > 4
    for command in commands:
        assert not re.search(r"&&|\$|'|(?<!\w)/|\\ |~", command), command
