"""Pictures of evaluation: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from volume_builders import volume_of

from utils.plots import scores as plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def volume():
    hu = np.full((12, 30, 40), 40, np.int16)
    return volume_of(hu, (5.0, 2.0, 2.0), case="Case_007")


def test_summary_names_volumes_and_doubts():
    labels = np.zeros((12, 30, 40), np.uint8)
    labels[2:10, 5:25, 5:15], labels[2:10, 5:25, 25:35] = 1, 2
    litres = {"both": 4.21, "right": 2.3, "left": 1.91}
    figure = plots.prediction_summary(volume(), labels, litres, ["Something is odd."])
    (text,) = figure.axes[-1].texts
    for part in ("Case_007", "4.21 l", "right 2.30 l", "left 1.91 l", "! Something is odd."):
        assert part in text.get_text()
    titles = [axis.get_title() for axis in figure.axes]
    assert [t for t in titles if t.startswith("slice")] == [
        f"slice {z}" for z in (8, 7, 6, 5, 4, 3)
    ]
    coronal = figure.axes[titles.index("coronal, seen from the front")]
    assert coronal.get_aspect() == pytest.approx(2.5)


def test_summary_is_drawn_without_lung_too():
    litres = {"both": 0.0, "right": 0.0, "left": 0.0}
    figure = plots.prediction_summary(volume(), np.zeros((12, 30, 40), np.uint8), litres, [])
    assert len(figure.axes) == 8


def test_reliability_curve_is_drawn_through_its_points():
    curve = pd.DataFrame({"confidence": [0.1, 0.9], "frequency": [0.2, 0.7], "pixels": [5, 900]})
    axis = plots.reliability_curves({"all": curve}, {"all": 0.123}).axes[0]
    assert axis.lines[1].get_xydata().tolist() == [[0.1, 0.2], [0.9, 0.7]]
    assert "all: ECE 0.123" in [text.get_text() for text in axis.get_legend().get_texts()]


def test_intervals_are_bars_from_low_to_high():
    table = pd.DataFrame({"dsc": {"one": (0.9, 0.8, 0.95), "two": (0.7, 0.7, 0.7)}})
    axis = plots.score_intervals(table, {"dsc": "DSC"}).axes[0]
    assert axis.get_xlabel() == "DSC"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
    (bars,) = [c for c in axis.collections if hasattr(c, "get_segments")]
    assert bars.get_segments()[0].tolist() == [[pytest.approx(0.8), 1], [pytest.approx(0.95), 1]]


def test_doubt_is_drawn_on_one_scale_from_0_to_1():
    hu, mask = np.zeros((8, 8), np.int16), np.eye(8, dtype=np.uint8)
    doubt = np.full((8, 8), 0.3, np.float32)
    figure = plots.doubt_maps([("a", hu, mask, mask * 0, doubt), ("b", hu, mask, mask, doubt)])
    pictures = [axis.images[0] for axis in figure.axes[2:4]]
    assert [picture.get_clim() for picture in pictures] == [(0, 1), (0, 1)]
