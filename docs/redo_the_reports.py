"""The tables of redo_the_reports.rst: how each item of the five reports is made, and what came out.

python -m docs.redo_the_reports      after `make studies` and `python -m benchmarks.redo_reports`

The items lie in redo_the_reports.csv; a name in braces there, such as {vrikkis.test.best:.3f}, is a
number that was exported: of benchmarks.redo_reports, or of the notebooks as the README shows them.
"""

import csv
import json
import re
import textwrap
from types import SimpleNamespace

from benchmarks.results import FOLDER as BENCHMARKS
from docs.front_page import RESULTS
from utils.workspace import REPOSITORY, shown, written_whole

PAGE = REPOSITORY / "docs" / "redo_the_reports.rst"
ITEMS = PAGE.with_suffix(".csv")
MARKED = r"(?<=\n\.\. {0}\n\n).*?(?=\.\. end of {0}\n)"  # where a report's table stands
COURSEWORK = ("vrikkis2024", "purvis2024")  # reports on patients of LCTSC
FULL, SMALL = "not run: needs LCTSC and a GPU", "not run yet"


def exported(dataset):
    """Numbers of benchmarks.redo_reports on a data set; none where it was not run there."""
    file = BENCHMARKS / f"redo_reports_{dataset}.json"
    return json.loads(file.read_bytes())["runs"] if file.exists() else {}


def filled(text, numbers, otherwise):
    """A text with its numbers, `{a.b:.3f}` being item b of item a; `otherwise` if one lacks."""
    named = json.loads(json.dumps(numbers), object_hook=lambda each: SimpleNamespace(**each))
    try:
        return text.format(**vars(named))
    except (AttributeError, KeyError):
        return otherwise


def table(rows, columns):
    """A table in reStructuredText; rows : of the CSV; columns : heading -> numbers to fill in."""
    cells = [("in the report", "made here by", "printed", *columns)]
    for row in rows:
        found = [
            filled(row["came out"], numbers, FULL if heading.endswith("LCTSC") else SMALL)
            for heading, numbers in columns.items()
        ]
        cells.append((row["in the report"], row["made here by"], row["printed"], *found))
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in cells:
        for mark, cell in zip("*" + " " * len(row), row, strict=False):
            width = {"initial_indent": f"   {mark} - ", "subsequent_indent": " " * 7}
            wrapped = textwrap.wrap(cell, 100, break_on_hyphens=False, **width)
            lines += wrapped or [f"   {mark} -"]
    return "\n".join(lines) + "\n\n"


def written(page, items, synthetic, full, pictures):
    """The page with its tables, from the numbers on the phantom, on LCTSC, and on pictures."""
    for report in dict.fromkeys(item["report"] for item in items):
        columns = {"here, synthetic": pictures}
        if report in COURSEWORK:
            columns = {"here, synthetic": synthetic, "here, LCTSC": full}
        lines = table([item for item in items if item["report"] == report], columns)
        between = re.compile(MARKED.format(report), re.DOTALL)
        page = between.sub(lambda _, lines=lines: lines, page)
    return page


def made():
    """The page as it should be, from what is committed."""
    with ITEMS.open(encoding="utf-8", newline="") as file:
        items = list(csv.DictReader(file))
    numbers = (exported("phantom"), exported("lctsc"), json.loads(RESULTS.read_bytes()))
    return written(PAGE.read_text(encoding="utf-8"), items, *numbers)


def main():
    """Put the tables between their marks."""
    text = made()
    with written_whole(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"written: {shown(PAGE)}")


if __name__ == "__main__":
    main()
