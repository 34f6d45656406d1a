"""The house that utils is: faces, sizes, hints, what notebooks may import.

Who may import whom is held by import-linter (pyproject.toml, `make lint`, test_gate.py); here is
what it cannot say. Each rule is a function of sources, so that it is also seen to refuse.
"""

import ast
import importlib
import json
import re

import pytest

from utils.workspace import REPOSITORY

UTILS = REPOSITORY / "utils"
FACES = sorted(
    file
    for package in (UTILS, REPOSITORY / "studies")
    for file in package.rglob("__init__.py")
    if file.parent != UTILS and "__all__" in file.read_text()
)
ROOMS = {".".join(file.parent.relative_to(REPOSITORY).parts) for file in FACES}
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))

MOST_ENTRIES = 30  # of utils: what a student lists
MOST_NAMES = 180  # that all faces show together
FACE_LINES, FILE_LINES, FUNCTION_LINES, UTILS_LINES = 40, 250, 45, 12_000
MOST_IMPORTS = 11  # names from utils in notebooks 01 to 04
NOT_IN_LESSONS = {"utils.datasets", "studies"}
PACKAGES = "studies", "utils"


def room_of(module):
    """The room that a module is or lies in, or None for a single file."""
    inside = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(inside, key=len, default=None)


def imports(tree):
    """(module, name) of everything imported from PACKAGES; name is None for `import utils.x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.name, None) for a in node.names if a.name.split(".")[0] in PACKAGES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            yield from ((node.module, alias.name) for alias in node.names)


def past_the_face(tree, own=None):
    """Imports that enter a room other than by its face; own : the room of the importing file."""
    found = []
    for module, name in imports(tree):
        target = f"{module}.{name}" if f"{module}.{name}" in modules() else module
        room = room_of(target)
        enters = room and target != room and not target.endswith(".__main__")
        if enters and room != own and not (own or "").startswith(room + "."):
            found.append(target)
    return found


def modules():
    """Names of all modules of PACKAGES."""
    files = files_of(*PACKAGES)
    return {".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files}


def long_functions(tree, most=FUNCTION_LINES):
    """(name, lines) of functions that are too long."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lines = ((n.name, n.end_lineno - n.lineno + 1) for n in ast.walk(tree) if isinstance(n, kinds))
    return [(name, count) for name, count in lines if count > most]


def shown_names(tree):
    """`__all__` of a face, and the names that it imports."""
    listed = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    brought = {alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom)
               for alias in n.names}  # fmt: skip
    return (listed[0] if listed else None), brought


def public_names(tree):
    """Functions and classes of a single file that do not begin with an underscore."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")}


def shown_by_file():
    """File of utils -> names that a face shows of it, or that are public as it stands alone."""
    shown = {file: public_names(ast.parse(file.read_text())) for file in UTILS.glob("[a-z]*.py")}
    for face in FACES:
        for node in ast.parse(face.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                file = REPOSITORY.joinpath(*node.module.split(".")).with_suffix(".py")
                shown.setdefault(file, set()).update(alias.name for alias in node.names)
    return shown


def functions_shown(tree, names):
    """Functions of these names, and of the classes `__init__` and the public methods."""
    for node in (node for node in tree.body if getattr(node, "name", None) in names):
        inside = [node] if isinstance(node, ast.FunctionDef) else node.body
        for function in (f for f in inside if isinstance(f, ast.FunctionDef)):
            if function.name == "__init__" or not function.name.startswith("_"):
                yield function


def without_hints(tree, names):
    """(function, what of it has no hint), of the functions that are shown."""
    found = []
    for function in functions_shown(tree, names):
        a = function.args
        arguments = [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]
        bare = [arg.arg for arg in arguments if arg and not arg.annotation and arg.arg != "self"]
        bare += [] if function.returns else ["return"]
        found += [(function.name, bare)] if bare else []
    return found


def code_of(notebook):
    """All code of a notebook as one tree."""
    cells = json.loads(notebook.read_text())["cells"]
    return ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))


def files_of(*folders):
    return [file for folder in folders for file in sorted((REPOSITORY / folder).rglob("*.py"))]


def test_a_student_can_list_it():
    entries = [entry for entry in UTILS.iterdir() if entry.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES
    lines = sum(len(file.read_text().splitlines()) for file in files_of("utils"))
    assert lines <= UTILS_LINES


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.parent.name)
def test_a_face_is_short_and_shows_what_it_brings(face):
    text = face.read_text()
    listed, brought = shown_names(ast.parse(text))
    assert len(text.splitlines()) < FACE_LINES
    assert set(listed) == brought and len(listed) == len(set(listed))
    assert ast.get_docstring(ast.parse(text))


def test_all_faces_together_show_few_names():
    names = [name for face in FACES for name in shown_names(ast.parse(face.read_text()))[0]]
    assert len(names) <= MOST_NAMES


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.parent.name)
def test_every_name_that_a_face_shows_is_wanted_outside(face):
    """By another room, a command line, a notebook, a benchmark, the docs, or the README."""
    outside = [file for file in files_of(*PACKAGES, "benchmarks", "docs", "weights")
               if face.parent not in file.parents or file.stem == "__main__"]  # fmt: skip
    text = "".join(file.read_text() for file in [*outside, *NOTEBOOKS, REPOSITORY / "README.md"])
    words = set(re.findall(r"\w+", text))
    assert set(shown_names(ast.parse(face.read_text()))[0]) <= words


@pytest.mark.parametrize("file", files_of(*PACKAGES), ids=lambda f: str(f.relative_to(REPOSITORY)))
def test_a_file_is_short_and_enters_by_faces(file):
    text = file.read_text()
    own = room_of(
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    )
    assert len(text.splitlines()) <= FILE_LINES
    assert long_functions(ast.parse(text)) == []
    assert past_the_face(ast.parse(text), own) == []


SHOWN = shown_by_file()


@pytest.mark.parametrize("file", sorted(SHOWN), ids=lambda f: str(f.relative_to(REPOSITORY)))
def test_what_is_shown_says_what_it_takes_and_gives(file):
    """mypy, as `make lint` runs it, checks the bodies of functions that have hints."""
    assert without_hints(ast.parse(file.read_text()), SHOWN[file]) == []


@pytest.mark.parametrize("file", files_of("benchmarks", "docs", "weights"), ids=lambda f: f.stem)
def test_who_stands_outside_enters_by_faces(file):
    assert past_the_face(ast.parse(file.read_text())) == []


def not_shown(tree):
    """What is asked of an imported module of utils (`dicom.read_series`) and not there."""
    held = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            held |= {a.name: importlib.import_module(a.name) for a in node.names if a.name in ROOMS}
        elif isinstance(node, ast.ImportFrom) and node.module in ("utils", "utils.datasets"):
            names = [(alias.asname or alias.name, alias.name) for alias in node.names]
            held |= {own: importlib.import_module(f"{node.module}.{name}") for own, name in names}
    asked = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    named = [(node.value.id, node.attr) for node in asked if isinstance(node.value, ast.Name)]
    return [
        f"{own}.{name}"
        for own, name in named
        if own in held and name not in getattr(held[own], "__all__", dir(held[own]))
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_imports_faces(notebook):
    tree = code_of(notebook)
    assert past_the_face(tree) == []
    assert not_shown(tree) == []
    if notebook.name[:2] in ("01", "02", "03", "04"):
        named = set(imports(tree))
        rooms = {room_of(f"{m}.{n}") or room_of(m) for m, n in named} - {None}
        assert not any(room.startswith(tuple(NOT_IN_LESSONS)) for room in rooms)
        assert len(named) <= MOST_IMPORTS


def test_the_rules_refuse():
    """Each on a source that breaks it."""
    inside = "from utils.dicom.reader import read_series"
    assert past_the_face(ast.parse(inside)) == ["utils.dicom.reader"]
    assert past_the_face(ast.parse(inside), own="utils.dicom") == []
    assert past_the_face(ast.parse("from utils.dicom import reader")) == ["utils.dicom.reader"]
    assert past_the_face(ast.parse("import utils.training.loop")) == ["utils.training.loop"]
    assert (
        past_the_face(ast.parse("from utils.dicom import read_series\nfrom utils import dicom"))
        == []
    )
    lines = "\n".join(["def long():", *["    x = 1"] * FUNCTION_LINES])
    assert long_functions(ast.parse(lines)) == [("long", FUNCTION_LINES + 1)]
    assert long_functions(ast.parse(lines.rsplit("\n", 1)[0])) == []
    asked = ast.parse("from utils import dicom\ndicom.read_series\ndicom.scan_folder")
    assert not_shown(asked) == ["dicom.scan_folder"]
    face = ast.parse('from utils.x.y import a, b\n__all__ = ["a"]')
    assert shown_names(face) == (["a"], {"a", "b"})
    hints = """
def whole(a: int, *b: str, c: float = 1, **d: int) -> None: ...
def half(a: int, *b, c=1, **d): ...
def hidden(a): ...
class Shown:
    def __init__(self, a): ...
    def whole(self) -> int: ...
    def half(self, a: int): ...
    def _own(self, a): ...
"""
    gaps = [
        ("half", ["b", "c", "d", "return"]),
        ("__init__", ["a", "return"]),
        ("half", ["return"]),
    ]
    assert without_hints(ast.parse(hints), {"whole", "half", "Shown"}) == gaps
    assert public_names(ast.parse(hints)) == {"whole", "half", "hidden", "Shown"}
