"""What is written about utils is true: names exist, chapters are complete, the walk goes down."""

import ast
import graphlib
import importlib
import io
import json
import pkgutil
import re
import tokenize

import pytest

import studies
from utils.workspace import REPOSITORY

UTILS, DOCS = REPOSITORY / "utils", REPOSITORY / "docs"
ROOMS = sorted(file.parent.name for file in UTILS.glob("*/__init__.py"))
FILES = sorted(file.stem for file in UTILS.glob("*.py") if file.stem != "__init__")
FACES = sorted(file.parent for file in UTILS.glob("*/**/__init__.py"))
GROUND = {"errors", "records", "workspace"}  # that everyone may know
FILE_NAME = re.compile(r".*\.(py|js|css|md|toml|txt|tex|json|csv|npy|npz|dcm|pdf|safetensors|yml)")
PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += [REPOSITORY / folder / "README.md" for folder in ("data", "figures", "weights")]


def exists(name, *within):
    """Whether a dotted name is a module or something in one, seen from any of `within`."""
    for place in within:
        whole = f"{place}.{name}".lstrip(".")
        owner, last = whole.rsplit(".", 1)
        try:
            found = pkgutil.resolve_name(owner)
            # a field of a record may have no default, and a module may not be imported yet
            if last not in getattr(found, "__annotations__", {}):
                pkgutil.resolve_name(whole)
        except (ImportError, AttributeError):
            continue
        return True
    return False


def dotted(text, ticks):
    """Names such as room.function between so many backticks, with or without arguments."""
    found = re.findall(rf"(?<!`){ticks}(\w+(?:\.\w+)+)(?:\([^`]*\))?{ticks}(?!`)", text)
    return [name for name in found if not FILE_NAME.fullmatch(name)]


def module_of(file):
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def prose(file):
    """All docstrings and comments of a Python file."""
    text = file.read_text()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    told = [ast.get_docstring(n) or "" for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*told, *(t.string for t in tokens if t.type == tokenize.COMMENT)])


def imported(file):
    """Modules of utils that a file imports, itself never."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "utils":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                path = REPOSITORY.joinpath(*inner.split("."))
                is_module = path.is_dir() or path.with_suffix(".py").exists()
                yield inner if is_module else node.module


def acquaintances(name):
    """Rooms and files of utils that a room or file imports, the ground left out."""
    files = [UTILS / f"{name}.py"] if name in FILES else (UTILS / name).rglob("*.py")
    return {module.split(".")[1] for file in files for module in imported(file)} - GROUND - {name}


def stated(text):
    """Whom a chapter says that its room knows."""
    (told,) = re.findall(r"It\s+knows\s+(.*?)\.(?=\s|$)", text, re.DOTALL)
    return set() if told == "nobody" else set(re.findall(r"``(\w+)``", told))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.rst")), ids=lambda page: page.stem)
def test_a_page_names_what_is_there(page):
    """As `room.function`, or from `utils` on."""
    for name in dotted(page.read_text(), "``"):
        assert exists(name, "utils") or (
            exists(name, "") and name.startswith(("studies.", "utils."))
        ), name


def test_the_walk_is_long_enough_to_mean_something():
    walk = (DOCS / "walk.rst").read_text()
    assert len(set(dotted(walk, "``"))) > 45
    for path in re.findall(r"``((?:tests|utils)/[\w/.]+)``", walk):
        assert (REPOSITORY / path).exists(), path


def test_no_file_leads_back_to_itself():
    graph = {
        module_of(file): set(imported(file))
        for file in UTILS.rglob("*.py")
        if file.name != "__init__.py"  # faces bring names from files, and files use faces
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError
    graph["utils.errors"] = {"utils.predict"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_the_table_of_contents_lists_every_room_and_file():
    contents = ast.get_docstring(ast.parse((UTILS / "__init__.py").read_text()))
    listed = re.findall(r"^    (\w+/?) +\S", contents, re.MULTILINE)
    assert sorted(listed) == sorted([*(f"{room}/" for room in ROOMS), *FILES])


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_its_chapter(room):
    """In the contents; it shows every face, and tells the constants and whom the room knows."""
    chapter = (DOCS / "rooms" / f"{room}.rst").read_text()
    assert f"   rooms/{room}\n" in (DOCS / "index.rst").read_text()
    assert stated(chapter) == acquaintances(room)
    for face in FACES:
        if face == UTILS / room or UTILS / room in face.parents:
            module = importlib.import_module(module_of(face))
            assert f"automodule:: {module.__name__}\n   :members:" in chapter
            constants = {n for n in module.__all__ if not callable(getattr(module, n))}
            assert constants <= set(re.findall(r"``(\w+)``", chapter))


def test_the_studies_have_their_chapter():
    """They stand on utils and not in it."""
    chapter = (DOCS / "rooms" / "studies.rst").read_text()
    files = (REPOSITORY / "studies").rglob("*.py")
    known = {module.split(".")[1] for file in files for module in imported(file)} - GROUND
    assert "   rooms/studies\n" in (DOCS / "index.rst").read_text()
    assert stated(chapter) == known
    assert "automodule:: studies\n   :members:" in chapter
    constants = {n for n in studies.__all__ if not callable(getattr(studies, n))}
    assert constants <= set(re.findall(r"``(\w+)``", chapter))


@pytest.mark.parametrize("file", FILES)
def test_a_single_file_has_its_section(file):
    (section,) = re.findall(
        rf"^``utils\.{file}``\n-+\n(.*?)(?=^``utils|\Z)",
        (DOCS / "rooms" / "files.rst").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert f"automodule:: utils.{file}\n   :members:" in section
    if file not in GROUND:
        assert stated(section) == acquaintances(file)


@pytest.mark.parametrize(
    "file", sorted(UTILS.rglob("*.py")), ids=lambda file: str(file.relative_to(UTILS))
)
def test_a_file_of_utils_names_what_is_there(file):
    """In its docstrings and comments: from `utils` on, from its own room on, or a library's."""
    module = module_of(file)
    rooms = [module.rsplit(".", up)[0] for up in range(module.count(".") + 1)]
    shown = [f"utils.{name}" for name in (*FILES, *ROOMS)]  # `Volume.files`, of whatever file
    for name in dotted(prose(file), "`"):
        classes = shown if name[0].isupper() else []
        assert exists(name, "utils", module, *rooms, "", *classes), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_of_the_repository_names_what_is_there(page):
    text = page.read_text()
    for name in dotted(text, "`"):
        assert exists(name, "", "utils") or (REPOSITORY / name).exists(), name
    for path in re.findall(r"`((?:utils|tests|benchmarks|docs|slurm)/[\w/.]*)`", text):
        assert (REPOSITORY / path).exists(), path
    for command in re.findall(r"-m ((?:utils|benchmarks|weights|docs|tests)[\w.]*)", text):
        path = REPOSITORY.joinpath(*command.rstrip(".").split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), command


@pytest.mark.parametrize(
    "notebook", sorted((REPOSITORY / "notebooks").glob("*.ipynb")), ids=lambda file: file.stem
)
def test_a_notebook_names_what_is_there(notebook):
    """In its prose; what its cells call is seen when they run."""
    cells = json.loads(notebook.read_text())["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for name in dotted(text, "`"):
        if name.split(".")[0] in {*ROOMS, *FILES}:
            assert exists(name, "utils"), name


def test_the_rules_refuse():
    assert not exists("dicom.nobody", "utils", "")
    assert exists("dicom.Volume.on_stored_grid", "utils")
    assert dotted("`a.b`, ``c.d`` and `e.f(1)`, `g.py`", "`") == ["a.b", "e.f"]
    assert stated("Much. It knows ``dicom``,\n``masks``.\n") == {"dicom", "masks"}
    assert stated("It knows nobody.") == set()
