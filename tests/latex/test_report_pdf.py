"""The report as LaTeX builds it, from tables of invented scores and empty figures."""

import json
import re
import shutil
import subprocess
import sys
from itertools import product

import invented
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from report import build as report
from utils.errors import InputError
from utils.evaluation import tables as evaluation
from utils.evaluation.intervals import nested_intervals
from utils.plots import style as figures
from utils.report import save_numbers
from utils.settings import preset

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
    figures.save_figure(figures.new_figure()[0], "figure1_training", "phantom")
    plt.close("all")
    for name in report.used_figures():
        if name.startswith("figure"):
            copy_empty_figure("phantom", name)
    save_numbers("phantom", numbers)
    return tmp_path


def write_by_hand(file, metrics):
    """Other numbers, and nothing that vouches for those that were exported."""
    file.write_text(json.dumps(metrics))
    file.with_suffix(".sums").unlink(missing_ok=True)


def copy_empty_figure(dataset, name):
    folder = figures.figures_folder(dataset)
    folder.mkdir(exist_ok=True)
    empty = figures.figures_folder("phantom") / "figure1_training.pdf"
    if empty != folder / f"{name}.pdf":
        shutil.copy(empty, folder / f"{name}.pdf")


@pytest.fixture
def studied(exported):
    """The same after notebooks 05 to 07."""
    copy_empty_figure("phantom", "loss_gradients")
    for dataset, studies in invented.STUDIES.items():
        for study, numbers in studies.items():
            for name in numbers["figures"]:
                copy_empty_figure(dataset, name)
            save_numbers(dataset, {"dataset": dataset, **numbers}, study)
    return exported


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
    write_by_hand(file, metrics)
    assert "0.123" not in first
    assert "0.123" in text_of(report.build_report("phantom"))


def test_make_report(exported):
    variables = ["DATASET=phantom", f"PY={sys.executable}", "INSTALLED="]
    make = ["make", "--no-print-directory", "report", *variables]
    done = subprocess.run(make, cwd=report.REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "report: build/report/report.pdf\n", done.stderr
    assert (exported / "build" / "report" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_number_that_is_gone_stops_the_build(exported):
    file = figures.figures_folder("phantom") / "metrics.json"
    metrics = json.loads(file.read_text())
    del metrics["test"]["dsc_20"]
    write_by_hand(file, metrics)
    with pytest.raises(InputError, match=r"No number is called 'test\.dsc_20'"):
        report.build_report("phantom")


def test_a_split_without_validation_patients_has_a_report_too(exported):
    """As the two coursework reports': their column stays empty, their sentences are left out."""
    file = figures.figures_folder("phantom") / "metrics.json"
    metrics = json.loads(file.read_text())
    whole = " ".join(text_of(report.build_report("phantom")).split())
    assert "validation patients, who choose" in whole and "rises to" in whole
    del metrics["validation"], metrics["postprocessed"]["validation"]
    metrics["settings"] |= {"schedule": "none", "keep": "last", "learning_rate": 0.125}
    write_by_hand(file, metrics)
    text = " ".join(text_of(report.build_report("phantom")).split())
    assert "validation patients" not in text and "of 0.125 at first" in text
    assert "the last, are kept" in text and "and falls again" not in text


HEADINGS = (
    "Comparison of losses",
    "Robustness",
    "CT slices as pictures",
    "Chest X-rays",
    "Three classes, noise and few pictures",
    "Two Dice losses for three classes",
)


def test_studies_are_printed_when_they_have_been_made(exported):
    text = text_of(report.build_report("phantom"))
    assert not [heading for heading in HEADINGS if heading in text]
    assert "What five reports found" in text and "Section 5)" not in text


def test_studies_of_other_data_sets_are_found_and_followed(studied):
    first = text_of(report.build_report("phantom"))
    assert [heading for heading in HEADINGS if heading in first] == list(HEADINGS)
    assert "0.321" not in first and "soft dice plain sums" in first
    for dataset, study, path in [
        ("phantom", "loss_study", ("soft_dice", "worst_lung_slice", "mean")),
        ("phantom", "robustness", ("gaussian_noise_hu", "worst", "as_it_comes", "mean")),
        ("synthetic_ct_slices", "ct_slices", ("precision",)),
        ("synthetic_xrays", "xrays", ("ours_fine_tuned", "iou_lungs")),
        ("synthetic_tomography", "noise_study", ("baseline_noisy", "mean")),
        ("synthetic_tomography", "three_classes", ("ours_five_pictures", "pore")),
    ]:
        change(figures.figures_folder(dataset) / f"{study}.json", path, 0.32123)
    changed = text_of(report.build_report("phantom"))
    # in a table each; the loss also in a sentence, and the noise in one on the five reports
    assert changed.count("0.321") >= 8


def change(file, path, value):
    """Change one number of an exported file by hand."""
    numbers = inner = json.loads(file.read_text())
    for name in path[:-1]:
        inner = inner[name]
    assert path[-1] in inner
    inner[path[-1]] = value
    write_by_hand(file, numbers)


def test_a_study_may_be_of_a_set_of_ones_own(studied):
    folder = figures.figures_folder("synthetic_xrays")
    folder.rename(folder.with_name("xrays of ours"))
    assert "Chest X-rays" not in text_of(report.build_report("phantom"))
    text = text_of(report.build_report("phantom", ["xrays of ours"]))
    assert "Chest X-rays" in text and "CT slices as pictures" not in text


def test_a_row_that_was_not_run_is_left_out(studied):
    file = figures.figures_folder("phantom") / "loss_study.json"
    numbers = json.loads(file.read_text())
    del numbers["adaptive_augmented"], numbers["bce_rate_0_1"]
    write_by_hand(file, numbers)
    text = text_of(report.build_report("phantom"))
    assert "adaptive augmented" not in text and "bce rate 0 001" in text


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (r"See \ref{fig:nowhere}.", "Reference `fig:nowhere' on page .* undefined"),
        (r"As \citet{nobody} says.", "Citation `nobody' on page .* undefined"),
        (r"\label{fig:curves}", "Label `fig:curves' multiply defined"),
        (r"\includegraphics{figure99}", "File `figure99' not found"),
        (r"\noindent\rule{\dimexpr\linewidth+5.2pt}{1pt}", r"Overfull \\hbox \(5\.2"),
        (r"A \result{test.nothing}.", r"No number is called 'test\.nothing'"),
    ],
)
def test_each_fault_stops_the_build(exported, tmp_path, monkeypatch, added, said):
    copy = tmp_path / "report"
    shutil.copytree(report.SOURCES, copy)
    monkeypatch.setattr(report, "SOURCES", copy)
    with (copy / "sections" / "discussion.tex").open("a") as file:
        file.write(f"\n{added}\n")
    monkeypatch.setattr(report, "used_figures", lambda: ["figure1_training"])
    with pytest.raises(InputError, match=rf"does not build; .*report\.log says more:\n.*{said}"):
        report.build_report("phantom")


def test_a_line_a_little_in_the_margin_does_not(exported, tmp_path, monkeypatch):
    copy = tmp_path / "report"
    shutil.copytree(report.SOURCES, copy)
    monkeypatch.setattr(report, "SOURCES", copy)
    with (copy / "sections" / "discussion.tex").open("a") as file:
        file.write("\n\\noindent\\rule{\\dimexpr\\linewidth+4.8pt}{1pt}\n")
    assert report.build_report("phantom").is_file()


def test_a_figure_of_a_study_that_is_missing_stops_the_build(studied):
    (figures.figures_folder("phantom") / "loss_gradients.pdf").unlink()
    with pytest.raises(InputError, match="File `loss_gradients' not found"):
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
