"""Sentences about results hold: each stands in its file as claims.csv fills it from the numbers.

A claim is text with Python in braces, which is computed here from what was exported, measured or
set, and a condition under `holds`. Whoever changes a number or a comparison in the prose changes
its claim, and so the condition that it must meet. Numbers of prose without a claim are refused.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import studies
from utils import plots
from utils.alignment.placement import LUNG_LIKE_HU
from utils.datasets.phantom.patients import PATIENTS
from utils.evaluation import interval_text
from utils.settings import preset
from utils.workspace import REPOSITORY

CLAIMS = pd.read_csv(REPOSITORY / "tests" / "project" / "claims.csv", keep_default_na=False)
READ = sorted(set(CLAIMS["file"]))
TABLES = ("loss_study", "peer_unet", "unnormalised_unet", "modalities")
RUNS = pd.concat(studies.published_table(name)[0] for name in TABLES)
XRAYS = studies.published_table("xrays")[0]
EQUAL = "0.5 BCE + 0.5 Dice"
START = json.loads((REPOSITORY / "notebooks" / "00_start_here.ipynb").read_text())["cells"]
(ROAD,) = ["".join(c["source"]) for c in START if "lessons = [" in "".join(c["source"])]
MINUTES = re.findall(r",\s*(\d+),\s*([\d.]+),?\s*\)", ROAD)  # to read and to run, of each notebook
OWN_SQUARES = [n for n in studies.FULL if "Dice" in n or n in ("BCE", "adaptive")]


def mean(loss, score):
    """A score of the published loss study, over its seeds and patients."""
    return RUNS.loc[RUNS["loss"] == loss, score].mean()


def patients(name):
    """IoU of the lungs of one set of X-rays by the shipped network, as a mean over patients."""
    own = XRAYS[(XRAYS["set"] == name) & (XRAYS["run"] == "both, from nothing")]
    return own.groupby("patient")["iou"].mean().mean()


def sigmoid32(logit):
    return 1 / (1 + np.exp(np.float32(-logit)))


KNOWN = {
    "bce": lambda x, y: np.logaddexp(0, x) - x * y,
    "sigmoid32": sigmoid32,
    "gain": lambda *names: studies.study_gain(RUNS, *names),
    "told": lambda gain, digits=3, unit="": interval_text(gain, digits).replace(" ", unit + " ", 1),
    "mean": mean,
    "patients": patients,
    "known": list(studies.FULL),
    "usual": [n for n in OWN_SQUARES if not re.search("rate|sums|augmented", n)],
    "results": json.loads((REPOSITORY / "figures" / "readme" / "results.json").read_text()),
    "loo": pd.read_csv(REPOSITORY / "benchmarks" / "results" / "leave_one_out.csv"),
    "quick": preset("quick"),
    "preset": preset,
    "prose": lambda name: prose(name),
    "read": [float(minutes) for minutes, _ in MINUTES],
    "run": [float(minutes) for _, minutes in MINUTES],
    "SMALL": studies.SMALL,
    "PATIENTS": PATIENTS,
    "DISEASES": studies.DISEASES,
    "LUNG": plots.LUNG_WINDOW,
    "SOFT": plots.SOFT_TISSUE_WINDOW,
    "AIRY": LUNG_LIKE_HU,
    "EQUAL": EQUAL,
    "FIRST": "0.7 BCE + 0.3 Dice, 1310 px",
    "MINUTES": MINUTES,
    "torch": torch,
    "MORE": "0.3 BCE + 0.7 Dice",
    "MONAI": f"MONAI BasicUNet, {EQUAL}",
    "DSC": "dsc_lung_slices",
    "PX": "lung_free_false_positive_px",
}


def prose(name):
    """The text of a page, or of a notebook's cells of Markdown."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    if not name.endswith(".ipynb"):
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def filled(claim, file):
    """A claim with the values of its Python; prose has a real minus, LaTeX a hyphen."""
    text = eval(f"rf'''{claim}'''", dict(KNOWN))  # noqa: S307 the project's own table
    return text if file.endswith(".tex") else re.sub(r"(?<![\w.])-(?=\d)", "−", text)


# What is no claim: code, formulas, links, lists of numbers, cases, notebooks, years, 0 and 1
NO_CLAIM = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|^\|.*?$|^#.*?$|^\d\. "
    r"|\b\d+-bit|V7|LAA−9\d\d|PD15|COVID-19|\b0\d\b|Case_\d+|\b(?:19|20)\d\d\b|3-D|HD95|\bF1\b|DL2|PS3\.\d+|\b[01]\b(?![.,]\d)",
    re.DOTALL | re.MULTILINE,
)

WORDS = r"\b(?:four|five|six|seven|eight|nine|ten|twelve|sixteen|twenty|fifty|sixty|hundreds?|"
WORDS += r"thousands?|tenths?|fifth|hundredths?|million)\b"


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
