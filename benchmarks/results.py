"""Tables that benchmarks print and keep in benchmarks/results, with the machine they ran on.

`python -m benchmarks.results` says of each goal whether the benchmark that was run last holds it.
"""

import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from utils.workspace import write_table, written_whole

FOLDER = Path(__file__).parent / "results"
GOALS = FOLDER / "goals.csv"


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


def keep_goals(benchmark, goals):
    """Keep a benchmark's goals, each (what, value, least, most), in the place of its earlier ones.

    A bound that is None is none. Returns the goals as rows of text for `table`.
    """
    kept = pd.read_csv(GOALS).to_dict("records") if GOALS.exists() else []
    kept = [row for row in kept if row["benchmark"] != benchmark]
    for what, value, least, most in goals:
        low, high = (-math.inf if least is None else least), (math.inf if most is None else most)
        bound = f"at least {least:g}" if most is None else f"at most {most:g}"
        reached = "yes" if low <= value <= high else "NO"
        kept.append(
            {
                "benchmark": benchmark,
                "what": what,
                "goal": bound,
                "value": value,
                "reached": reached,
            }
        )
    write_table(GOALS, pd.DataFrame(kept), float_format="%.3f")
    own = [row for row in kept if row["benchmark"] == benchmark]
    return [(row["what"], row["goal"], f"{row['value']:.2f}", row["reached"]) for row in own]


def main():
    """Print all goals, and which of them are reached."""
    goals = pd.read_csv(GOALS)
    rows = [
        [row.benchmark, row.what, row.goal, f"{row.value:.2f}", row.reached]
        for row in goals.itertuples()
    ]
    print(table(["benchmark", "what", "goal", "value", "reached"], rows))


if __name__ == "__main__":
    main()
