"""Tables that benchmarks print and keep in benchmarks/results, with the machine they ran on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from utils.workspace import written_whole

FOLDER = Path(__file__).parent / "results"


def machine(*packages):
    """One line: processor, cores, Python and the versions of packages that are installed."""
    facts = [f"{processor()}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
    for package in packages:
        try:
            facts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            facts.append(f"{package} not installed")
    return "; ".join(facts)


def processor():
    """Name of the processor, as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(header, rows):
    """A Markdown table, its columns padded so that it reads well in a terminal too."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def publish(name, text):
    """Print a result and keep it as benchmarks/results/<name>.md."""
    print(text)
    with written_whole(FOLDER / f"{name}.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
