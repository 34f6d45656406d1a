"""The project's prose, sentence by sentence, and what the committed notebooks show."""

import hashlib
import json
import re

from utils.workspace import REPOSITORY

NOTEBOOKS = [f"notebooks/{path.name}" for path in sorted(REPOSITORY.glob("notebooks/*.ipynb"))]
SECTIONS = [f"report/sections/{p.name}" for p in sorted(REPOSITORY.glob("report/sections/*.tex"))]
CARDS = ["weights/README.md", "weights/xray/README.md"]
FILES = ["README.md", *CARDS, *NOTEBOOKS, "report/report.tex", *SECTIONS]


def read(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def cells(name, kind):
    """Cells of one kind of a notebook."""
    return [cell for cell in json.loads(read(name))["cells"] if cell["cell_type"] == kind]


def prose(name):
    """The text of a page, or of a notebook's cells of Markdown."""
    if not name.endswith(".ipynb"):
        return read(name)
    return "\n\n".join("".join(cell["source"]) for cell in cells(name, "markdown"))


def lesson(number):
    """The file of a notebook by its number."""
    (name,) = [name for name in NOTEBOOKS if name.startswith(f"notebooks/{number}")]
    return name


def shown_text(number):
    """All text that the cells of a committed notebook have put out."""
    outputs = [output for cell in cells(lesson(number), "code") for output in cell["outputs"]]
    parts = [
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    ]
    return "\n".join("".join(part) for part in parts)


def shown(number, text):
    """Whether a committed notebook shows this text."""
    return text in shown_text(number)


def numbers(number, pattern):
    """Every number that a committed notebook shows where the pattern's group is."""
    found = [float(match) for match in re.findall(pattern, shown_text(number))]
    assert found, f"notebook {number} shows nothing like {pattern}"
    return found


def asserted(number, text):
    """Whether a cell of a notebook asserts this."""
    lines = "\n".join("".join(cell["source"]) for cell in cells(lesson(number), "code"))
    return any(text in line for line in re.findall(r"^ *assert .*", lines, re.MULTILINE))


NO_SENTENCE = {  # what is left out, by the end of a file's name; tables that are written anew
    "": r"```.*?```|^## Exercises.*?(?=^## )|^#.*?$|<!-- ([\w ]+) -->.*?<!-- end of \1 -->",
    ".tex": r"(?<!\\)%[^\n]*|\\begin\{(tabular|equation)\}.*?\\end\{\1\}|\\newcommand.*?\n\n"
    r"|^\s*\\(?:centering|includegraphics|begin|end|label|small|(?:sub)*section|input)[^\n]*$",
}
BLOCKS = re.compile(r"\n\s*\n|\n(?=- |\d\. |\|)|(?<=\|)\n", re.MULTILINE)
ENDS = re.compile(r"(?<=[.!?;:])\*{0,2}\)? +(?=[A-Z\\*`\[(0-9])")


def sentences(name):
    """Every sentence of a page's prose, its line breaks as spaces: tables row by row."""
    text = prose(name)
    for suffix, pattern in NO_SENTENCE.items():
        if name.endswith(suffix):
            text = re.sub(pattern, "", text, flags=re.DOTALL | re.MULTILINE)
    blocks = [" ".join(block.split()) for block in BLOCKS.split(text)]
    found = [sentence.strip() for block in blocks for sentence in ENDS.split(block)]
    return [sentence for sentence in found if re.search(r"[A-Za-z]{3}", sentence)]


def digest(sentence):
    """Eight characters that change with any change of a sentence."""
    return hashlib.sha256(sentence.encode()).hexdigest()[:8]
