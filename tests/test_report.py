"""What can be said of the report without LaTeX: its sources, stale figures, faults in a log."""

import json
import os
import re

import pytest

from utils import report
from utils.errors import InputError


@pytest.fixture
def exported(tmp_path):
    """Figures, numbers and weights of a run, in the order in which a run writes them."""
    weights = tmp_path / "derived" / "runs" / "quick" / "model.safetensors"
    figures = tmp_path / "figures"
    weights.parent.mkdir(parents=True)
    figures.mkdir()
    files = [weights, figures / "figure1_loss.pdf", figures / "metrics.json"]
    for age, file in enumerate(reversed(files)):
        file.write_text(json.dumps({"run": "quick"}))
        os.utime(file, (1e9 - age, 1e9 - age))
    return tmp_path


def test_fresh_figures_pass(exported):
    report.refuse_stale(exported / "figures", exported / "derived", ["figure1_loss"])


@pytest.mark.parametrize("file", ["figure1_loss.pdf", "metrics.json"])
def test_a_file_older_than_its_run_is_named(exported, file):
    os.utime(exported / "figures" / file, (1e8, 1e8))
    with pytest.raises(InputError, match=rf"{file} in .* older than the run 'quick'.*notebook 04"):
        report.refuse_stale(exported / "figures", exported / "derived", ["figure1_loss"])


def test_a_missing_figure_is_named(exported):
    with pytest.raises(InputError, match=r"lacks figure9_none\.pdf"):
        report.refuse_stale(exported / "figures", exported / "derived", ["figure9_none"])


def test_the_sources_hold_no_result_of_their_own():
    """A number with three decimals in the text would be one typed by hand."""
    for file in report.SOURCES.rglob("*.tex"):
        assert not re.findall(r"\d\.\d{3}", file.read_text()), file.name
    assert "figure1_training" in report.used_figures()


def test_faults_of_a_log_are_found_also_where_latex_breaks_the_line():
    log = (
        "LaTeX Warning: Reference `fig:a-rather-long-name-of-a-figure' on page 3 undefin\n"
        "ed on input line 7.\n"
        "Package natbib Warning: Citation `nobody' on page 1 undefined on input line 3.\n"
        "Overfull \\hbox (4.9pt too wide) in paragraph at lines 1--2\n"
        "Overfull \\hbox (5.1pt too wide) in paragraph at lines 3--4\n"
        "LaTeX Font Warning: some size is not available\n"
    )
    faults = report.log_faults(log)
    assert len(faults) == 3
    assert "undefined" in faults[0] and "nobody" in faults[1] and "5.1pt" in faults[2]


def test_without_a_run_the_sentence_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    (tmp_path / "data" / "phantom" / "Images").mkdir(parents=True)
    assert report.main([]) == 1
    assert "Run `make run DATASET=phantom` first." in capsys.readouterr().err
