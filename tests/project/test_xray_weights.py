"""The shipped network of chest X-rays: small, attributed, and good on pictures kept aside."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import xrays
from studies import images
from utils.evaluation import bootstrap_interval
from utils.settings import settings_from_json
from utils.training import load_weights
from utils.unet import build_unet
from utils.workspace import REPOSITORY

LEAST = {xrays.CHILDREN: 0.93, xrays.ADULTS: 0.90}  # IoU of the lungs, mean over patients


def shipped():
    settings = settings_from_json((xrays.WEIGHTS / "settings.json").read_text())
    return load_weights(build_unet(settings), xrays.WEIGHTS / "model.safetensors"), settings


def test_they_are_small_and_of_the_recipe():
    names = sorted(path.name for path in xrays.WEIGHTS.iterdir())
    assert names == ["README.md", "model.safetensors", "settings.json"]
    assert (xrays.WEIGHTS / "model.safetensors").stat().st_size < 6e6
    model, settings = shipped()
    assert settings == xrays.RECIPE and not model.training


def test_the_card_names_sources_licences_convention_and_limits():
    card = (xrays.WEIGHTS / "README.md").read_text()
    for part in ("10.17632/rscbjbr9sj", "Kermany", "V7 Labs", "10.6084/m9.figshare.12275009",
                 "CC BY 3.0", "CC BY 4.0", "behind the heart", "Not a medical device"):  # fmt: skip
        assert part in card


def test_the_card_repeats_what_was_measured():
    table = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "xrays.csv", dtype={"patient": str})
    card = (xrays.WEIGHTS / "README.md").read_text()
    for name, least in LEAST.items():
        rows = table[(table["run"] == xrays.SHIPPED) & (table["set"] == name)]
        mean, low, high = bootstrap_interval(rows.groupby("patient")["iou"].mean())
        assert mean >= least
        line = next(line for line in card.splitlines() if line.startswith(f"| `{name}`"))
        for number in (rows["iou"].mean(), mean, low, high, rows["iou"].min()):
            assert f"{number:.3f}" in line


def test_no_patient_is_on_two_sides_of_the_benchmark():
    """The table's patients are those that names and the collections' tables tell."""
    table = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "xrays.csv", dtype=str)
    assert (table["picture"].map(images.patient_of) == table["patient"]).all()
    assert not table.duplicated(["run", "set", "picture"]).any()


@pytest.mark.parametrize("name", LEAST)
def test_they_find_the_lungs_of_pictures_kept_aside(real_data, name):
    """A few of them, on the pictures' own grid; the scores are those of the benchmark's table."""
    pictures, split = xrays.loaded(real_data / name)
    few = [p for p in pictures if p.name in split.test][::6]
    model, settings = shipped()
    masks = images.picture_masks(model, few, settings)
    overlap = [
        (mask & (p.truth > 0)).sum() / (mask | (p.truth > 0)).sum()
        for mask, p in zip(masks, few, strict=True)
    ]
    table = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "xrays.csv")
    table = table[table["run"] == xrays.SHIPPED].set_index("picture")["iou"]
    # processors round bfloat16 and float32 differently at the outline
    np.testing.assert_allclose(overlap, [table[p.name] for p in few], atol=0.01)
