"""Exported numbers as LaTeX reads them."""

import pytest

from report.numbers import as_tex, write_numbers_tex
from utils.report import save_numbers


def test_numbers_for_latex(empty_dataset, tmp_path):
    numbers = {"data set": "a_b & c", "test": {"dsc": {"mean": 0.98765}, "slices": 12}}
    save_numbers(empty_dataset, numbers)
    folder = tmp_path / "figures/mini"
    write_numbers_tex(folder)
    tex = (folder / "numbers.tex").read_text()
    assert r"\csname result:test.dsc.mean\endcsname{0.988}" in tex
    assert r"\csname result:test.slices\endcsname{12}" in tex
    assert r"{a\_b \& c}" in tex


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (9.9994, "9.999"),
        (-37.96, "-38.0"),
        (652.5, "652"),
        (-1310.0, "-1310"),
        (4073, "4073"),
        ("50 %", r"50 \%"),
    ],
)
def test_large_numbers_lose_their_decimals(value, printed):
    assert as_tex(value) == printed


def test_numbers_follow_the_json(empty_dataset, tmp_path):
    save_numbers(empty_dataset, {"dsc": 0.5})
    folder = tmp_path / "figures/mini"
    (folder / "metrics.json").write_text('{"dsc": 0.25}')
    write_numbers_tex(folder)
    assert "{0.250}" in (folder / "numbers.tex").read_text()
