"""The claims of claims.csv, and what is known here to compute and to prove them."""

import json
import re
from statistics import NormalDist

import numpy as np
import pandas as pd
import prose_builders as pages
import torch
from prose_builders import prose

import studies
from utils import plots
from utils.alignment.placement import LUNG_LIKE_HU
from utils.datasets.phantom.patients import PATIENTS
from utils.evaluation import interval_text
from utils.losses import CombinedLoss
from utils.settings import preset, settings_from_json
from utils.unet import build_unet
from utils.workspace import REPOSITORY

CLAIMS = pd.read_csv(REPOSITORY / "tests" / "project" / "claims.csv", keep_default_na=False)
READ = sorted(set(CLAIMS["file"]))
RESULTS = REPOSITORY / "benchmarks" / "results"
TABLES = ("loss_study", "peer_unet", "unnormalised_unet", "modalities")
RUNS = pd.concat(studies.published_table(name)[0] for name in TABLES)
XRAYS = studies.published_table("xrays")[0]
EQUAL = "0.5 BCE + 0.5 Dice"
START = ["".join(cell["source"]) for cell in pages.cells(pages.lesson("00"), "code")]
(ROAD,) = [source for source in START if "lessons = [" in source]
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


def on_empty(beta, threshold, false_pixels):
    """The loss of a slice of 128 x 128 without lung, on which so many pixels are called lung."""
    logits = torch.where(torch.arange(128**2) < false_pixels, 6.0, -20.0).view(1, 1, 128, 128)
    return CombinedLoss(beta, threshold)(logits, torch.zeros_like(logits)).item()


def seen(levels):
    """Pixels along a row on which one of the lowest level depends: see notebook 03."""
    return 1 + sum(4 * 2**level + (2 ** (level - 1) if level else 0) for level in range(levels))


def tried(begins):
    """Numbers of the first row of the shipped weights' table of recipes that begins like this."""
    (row, *_) = re.findall(rf"^\| {re.escape(begins)}.*$", prose("weights/README.md"), re.MULTILINE)
    return [float(cell) for cell in row.split("|")[2:-1]]


DENSE = (  # rows with three more of each dense disease
    "the recipe before, three more",
    "full slices, three more",
    "full slices, contrast and noise, raised livers",
    "the same, six levels | 18",
    "all slices of the five, ill as well, a leg, three more",
)


def settings_of(folder):
    return settings_from_json((REPOSITORY / folder / "settings.json").read_text(encoding="utf-8"))


def weights(settings):
    """How many numbers a network of these settings learns."""
    return sum(p.numel() for p in build_unet(settings).parameters())


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
    "loo": pd.read_csv(RESULTS / "leave_one_out.csv"),
    "quick": preset("quick"),
    "preset": preset,
    "prose": prose,
    "shown": pages.shown,
    "asserted": pages.asserted,
    "numbers": pages.numbers,
    "number": lambda *where: pages.numbers(*where)[0],
    "on_empty": on_empty,
    "seen": seen,
    "tried": tried,
    "THREE": [tried(row)[2] for row in DENSE],
    "card": settings_of("weights"),
    "xray": settings_of("weights/xray"),
    "weights": weights,
    "NormalDist": NormalDist,
    "redo": json.loads((RESULTS / "redo_reports_phantom.json").read_text())["runs"],
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
