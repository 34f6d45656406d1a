"""Sentences about results hold: each stands in its file as claims.csv fills it from the numbers.

A claim is text with Python in braces, which is computed here from what was exported, measured or
set, and a condition under `holds`. Whoever changes a number or a comparison in the prose changes
its claim, and so the condition that it must meet. Numbers of prose without a claim are refused.
"""

import re

import pandas as pd
import pytest
from claim_builders import CLAIMS, KNOWN, NO_CLAIM, READ, WORDS, filled
from prose_builders import prose

from utils.workspace import REPOSITORY


@pytest.mark.parametrize("name", [n for n in READ if n == "README.md" or n.endswith("ipynb")])
def test_numbers_in_prose_have_a_claim(name):
    """But for exercises, whose solutions the notebooks check."""
    text = re.sub(r"^## Exercises.*?^## ", "", prose(name), flags=re.DOTALL | re.MULTILINE)
    for row in CLAIMS[CLAIMS["file"] == name].itertuples():
        text = text.replace(filled(row.claim, name), "")
    left = NO_CLAIM.sub("", text)
    assert re.findall(rf".{{0,40}}(?:\d|{WORDS}).{{0,20}}", left, re.IGNORECASE) == []


@pytest.mark.parametrize("row", CLAIMS.itertuples(), ids=lambda row: f"{row.file}-{row.Index}")
def test_a_claim_stands_in_its_file_and_holds(row):
    assert filled(row.claim, row.file) in prose(row.file)
    assert not row.holds or eval(row.holds, dict(KNOWN))  # noqa: S307 as above


def test_what_the_reports_print_is_what_the_page_on_them_lists():
    """Values of others in the LaTeX report, against the notes taken of the five reports."""
    notes = " ".join(pd.read_csv(REPOSITORY / "docs" / "redo_the_reports.csv")["printed"].dropna())
    listed = {float(number) for number in re.findall(r"\d+\.\d+", notes)}
    claimed = "".join(CLAIMS["claim"])
    for section in sorted((REPOSITORY / "report" / "sections").glob("*.tex")):
        for number in re.findall(r"\\published\{([^}]*)\}", section.read_text()):
            known = float(number) in listed or f"\\published{{{{{number}}}}}" in claimed
            assert known, f"{section.name}: {number}"


def test_the_weights_card_has_the_scores_of_the_benchmark():
    """Each patient's row, each disease and each field of view, as the benchmark wrote them."""
    card, loo = prose("weights/README.md"), KNOWN["loo"]
    for row in loo.itertuples():
        false_positives = f"{row.network_false_positive_slices} | {row.false_positive_slices}"
        assert (
            f"| {row.case} | {row.dsc_3d:.3f} | {row.dsc_lung_slices:.3f} | "
            f"{row.worst_lung_slice:.2f} | {false_positives} | "
        ) in card
    for column in loo.columns[loo.columns.str.match("with |field_")]:
        name = column.removeprefix("with ").removeprefix("field_")
        cells = " | ".join(f"{score:.3f}" for score in loo[column])
        assert f"| {name} | {cells} |" in card
