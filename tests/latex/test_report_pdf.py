"""The report as LaTeX builds it, from tables of invented scores and empty figures."""

import json
import re
import shutil
import subprocess
from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from utils import evaluation, figures, report
from utils.errors import InputError
from utils.settings import preset
from utils.statistics import nested_intervals

if not shutil.which("latexmk"):
    pytest.skip(f"no LaTeX here: apt-get install {report.PACKAGES}", allow_module_level=True)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A workspace with everything that notebook 04 exports."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    (tmp_path / "data" / "phantom" / "Images").mkdir(parents=True)
    truth = np.zeros((4, 16, 16), np.uint8)
    truth[1:, 4:12, 4:12] = 1
    prediction = np.roll(truth, 1, axis=0)
    parts = ("train", "validation", "test")
    slices = pd.concat(
        evaluation.slice_metrics(prediction, truth).assign(case=f"Case of {part}", split=part)
        for part in parts
    )
    history = pd.DataFrame({"epoch": [1, 2], "validation_loss": [0.5, 0.25]})
    patients = evaluation.patient_metrics(slices)
    numbers = evaluation.report_numbers(slices, patients, history, preset("quick"), "phantom")
    numbers |= {"run": "quick", "parameters": 1}
    numbers["postprocessed"] = evaluation.part_numbers(slices, patients)
    scores = dict.fromkeys(("dsc", "hd95", "msd", "surface_dice"), 0.5)
    rows = product(("threshold", "network", "postprocessed"), ("both", "right", "left"))
    challenge = pd.DataFrame([{"method": method, "lung": lung, **scores} for method, lung in rows])
    numbers["challenge"] = nested_intervals(challenge, ["method", "lung"], list(scores))
    figures.save_numbers("phantom", numbers)
    for name in report.used_figures():
        figures.save(figures.new_figure()[0], name, "phantom")
    plt.close("all")
    return tmp_path


def text_of(pdf):
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout


def test_it_builds_and_prints_the_numbers_of_the_json(exported):
    file = figures.figures_folder("phantom") / "metrics.json"
    first = text_of(report.build_report("phantom"))
    metrics = json.loads(file.read_text())
    assert f"{metrics['test']['dsc_lung_slices']:.3f}" in first

    metrics["test"]["dsc_lung_slices"] = 0.12345  # by hand: the PDF follows, without any notebook
    file.write_text(json.dumps(metrics))
    assert "0.123" not in first
    assert "0.123" in text_of(report.build_report("phantom"))


def test_a_number_that_is_gone_stops_the_build(exported):
    file = figures.figures_folder("phantom") / "metrics.json"
    metrics = json.loads(file.read_text())
    del metrics["test"]["dsc_20"]
    file.write_text(json.dumps(metrics))
    with pytest.raises(InputError, match=r"No number is called 'test\.dsc_20'"):
        report.build_report("phantom")


def test_it_has_at_most_three_thousand_words():
    if not shutil.which("texcount"):
        pytest.skip("texcount is missing: apt-get install texlive-extra-utils")
    sources = sorted(report.SOURCES.rglob("*.tex"))
    counted = subprocess.run(
        ["texcount", "-total", "-brief", *sources], capture_output=True, text=True, check=True
    )
    text, headings, captions = re.match(r"(\d+)\+(\d+)\+(\d+)", counted.stdout).groups()
    assert 800 < int(text) + int(headings) + int(captions) <= 3000
