"""Exported figures and the numbers that LaTeX reads."""

import base64
import io
import json
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import torch
from PIL import Image

matplotlib.use("Agg")

import pytest

import studies
from utils.evaluation.tables import slice_metrics
from utils.plots import lessons as plots
from utils.plots import style as figures
from utils.report import latex_name, save_numbers


def test_a_figure_is_saved_twice_and_always_the_same(empty_dataset, tmp_path):
    figures.use_style()
    contents = []
    for _ in range(2):
        figure, axes = figures.new_figure()
        axes[0, 0].plot([0, 1], [0, 1])
        figures.save_figure(figure, "line", empty_dataset)
        contents.append(
            [(tmp_path / f"figures/mini/line{s}").read_bytes() for s in (".pdf", ".png")]
        )
    assert contents[0] == contents[1]
    assert contents[0][0].startswith(b"%PDF") and contents[0][1].startswith(b"\x89PNG")


def test_line_art_is_shown_as_svg_that_is_always_the_same():
    figures.use_style()
    drawn = []
    for _ in range(2):
        figure, axes = figures.new_figure()
        axes[0, 0].plot([0, 1], [0, 1], label="a line")
        axes[0, 0].legend()
        (kind, svg), *others = figure._repr_mimebundle_()[0].items()
        assert kind == "image/svg+xml" and not others
        drawn.append(svg)
    assert drawn[0] == drawn[1]
    assert ">a line</text>" in drawn[0]  # text, not its outlines


def test_a_picture_is_shown_as_png_of_twice_the_pixels_and_few_shades():
    figures.use_style()
    figure, axes = figures.new_figure(height=2, dpi=50)
    noise = np.random.default_rng(0).random((64, 64))
    axes[0, 0].imshow(noise, cmap="gray", vmin=0, vmax=1)
    data, metadata = figure._repr_mimebundle_()
    png = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    shown = metadata["image/png"]
    assert set(data) == {"image/png"}
    assert [n // 2 for n in png.size] == [shown["width"], shown["height"]]
    assert 80 < shown["height"] < 120  # 2 inches of 50 pixels, cut to what is drawn
    colours = {colour for _, colour in png.convert("RGB").getcolors()}
    assert (255, 255, 255) in colours and (0, 0, 0) in colours
    assert 10 < len(colours) < 40


def test_numbers_are_json(empty_dataset, tmp_path):
    numbers = {"data set": "a_b & c", "test": {"dsc": {"mean": 0.98765}, "slices": 12}}
    save_numbers(empty_dataset, numbers)
    folder = tmp_path / "figures/mini"
    assert json.loads((folder / "metrics.json").read_text()) == numbers


def test_a_name_becomes_a_key():
    assert latex_name("0.7 BCE + 0.3 Dice, 1310 px") == "0_7_bce_0_3_dice_1310_px"
    assert latex_name("couch: there (0) or not (1)") == "couch_there_0_or_not_1"


def test_histograms_show_every_slice_of_their_part():
    prediction = np.zeros((4, 32, 32), np.uint8)
    truth = prediction.copy()
    truth[3, :4] = 1
    table = slice_metrics(prediction, truth)
    slices = pd.concat([table.assign(split="train"), table[:2].assign(split="test")])
    figure = plots.dsc_histograms(slices, 20)
    train, test = figure.axes
    heights = [patch.get_height() for patch in train.patches]
    assert heights[-1] == 75 and heights[0] == 25 and sum(heights) == 100
    assert test.get_title() == "test: 2 slices"


def test_curves_tell_lung_free_slices_apart():
    truth = np.zeros((3, 32, 32), np.uint8)
    truth[1] = 1
    figure = plots.slice_curves(slice_metrics(truth, truth))
    with_lung, without = figure.axes[0].collections
    assert with_lung.get_offsets()[:, 0].tolist() == [1]
    assert without.get_offsets()[:, 0].tolist() == [0, 2]


def test_curves_of_many_patients_are_drawn_in_the_order_given():
    truth = np.zeros((3, 32, 32), np.uint8)
    truth[1] = 1
    slices = pd.concat([slice_metrics(truth, truth), slice_metrics(truth * 0, truth)])
    with_lung, without = plots.slice_curves(slices, "dsc").axes[0].collections
    assert with_lung.get_offsets().tolist() == [[1, 1], [4, 0]]  # found, then missed
    without = without.get_offsets()
    assert without.data[:, 0].tolist() == [0, 2, 3, 5]
    assert np.ma.getmaskarray(without)[:, 1].all()  # no DSC: no mark


@pytest.mark.parametrize("others", [["validation"], ["test"], []])
def test_training_curves_show_the_parts_that_were_measured(others):
    history = pd.DataFrame({"epoch": [1, 2]})
    for part in ("train", "validation", *others):
        for score in ("loss", "accuracy", "dsc"):
            history[f"{part}_{score}"] = [0.5, 0.25] if part in ("train", *others) else np.nan
    for axis in plots.training_curves(history).axes:
        assert [line.get_label() for line in axis.lines] == ["train", *others]


def test_ticks_of_logarithmic_axes_are_numbers():
    """Formulas are switched off, for a name may hold a dollar: matplotlib's own ticks are some."""
    figures.use_style()
    volume = SimpleNamespace(hu=np.linspace(-1000, 1000, 8**3).reshape(8, 8, 8))
    pictures = SimpleNamespace(
        images=torch.rand(2, 8, 8), truth=torch.arange(128).view(2, 8, 8) % 2
    )
    drawn = (
        plots.hu_histogram({"Case_000": volume}),
        studies.gradient_of_slices([0.01, 0.1], {"BCE": [1, 100]}),
        studies.grey_values(pictures, ("background", "lung")),
    )
    for figure in drawn:
        figure.canvas.draw()
        axis = figure.axes[0]
        ticks = [tick.get_text() for tick in (*axis.get_xticklabels(), *axis.get_yticklabels())]
        assert ticks and not [text for text in ticks if "$" in text]
