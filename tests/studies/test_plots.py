"""Pictures of notebooks 05 to 07: that curves and pixels show what they say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from studies import plots as plots_images
from utils.plots import COLOURS, use_style


@pytest.fixture(autouse=True)
def closed_figures():
    use_style()
    yield
    plt.close("all")


def test_a_network_keeps_its_colour_in_every_panel():
    """Severities in falling order, many equal ones: sorting must not swap the networks."""
    rows = [
        {"trouble": trouble, "severity": s, "network": n, "mean": m, "low": m, "high": m}
        for trouble, severities in {"noise": range(0, 90, 10), "dose": range(90, 0, -10)}.items()
        for s in severities
        for n, m in (("first", 0.9), ("second", 0.4))
    ]
    figure = plots_images.severity_curves(pd.DataFrame(rows))
    panels = [axis for axis in figure.axes if axis.containers]
    assert [axis.get_xlabel() for axis in panels] == ["noise", "dose"]
    for axis in panels:
        first, second = (container[0] for container in axis.containers)
        assert (first.get_ydata() == 0.9).all() and (second.get_ydata() == 0.4).all()
        assert list(first.get_xdata()) == sorted(first.get_xdata())
    colours = {tuple(c[0].get_color() for c in axis.containers) for axis in panels}
    assert len(colours) == 1 and len(set(*colours)) == 2


def test_misclassified_pixels_have_the_colour_of_their_true_class():
    truth = torch.tensor([[0, 1, 2], [0, 1, 2]], dtype=torch.uint8)
    wrong = torch.tensor([[1, 2, 0], [0, 1, 2]], dtype=torch.uint8)
    figure = plots_images.misclassified([("a", torch.rand(2, 3), truth, wrong)])
    shown = np.asarray(figure.axes[2].images[0].get_array())
    assert shown[0].argmax(1).tolist() == [0, 1, 2] and not shown[1].any()  # red, green, blue


def test_confusion_matrix_names_counts_and_shares():
    figure = plots_images.confusion_figure(torch.tensor([[75, 25], [0, 1000]]), ("air", "lung"))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["75\n75.0 %", "25\n25.0 %", "0\n0.0 %", "1,000\n100.0 %"]
    assert figure.axes[0].get_xlabel() == "predicted" and figure.axes[0].get_ylabel() == "true"


def test_difference_shows_what_was_missed_and_what_is_false_positive():
    truth, prediction = torch.zeros(2, 8, 8, dtype=torch.uint8)
    truth[:, :4], prediction[:, 2:6] = 1, 1
    figure = plots_images.side_by_side([("a", torch.rand(8, 8), truth, prediction)])
    *_, difference = figure.axes
    assert difference.get_title() == "difference"
    false_positive, missed = (
        np.asarray(layer.get_array())[..., 3] > 0 for layer in difference.images[1:]
    )
    assert np.array_equal(false_positive[0], [False] * 4 + [True] * 2 + [False] * 2)
    assert np.array_equal(missed[0], [True] * 2 + [False] * 6)


def test_runs_are_compared_in_every_column_that_is_asked_for():
    tables = {
        name: pd.DataFrame({"epoch": [1, 2], "a_loss": [k, 0], "b_dsc": [0, k]})
        for k, name in enumerate("xyz")
    }
    figure = plots_images.two_histories(tables, ["a_loss", "b_dsc", "a_loss", "b_dsc"])
    assert [axis.get_ylabel() for axis in figure.axes] == ["a loss", "b DSC"] * 2
    for axis, column in zip(figure.axes, ["a_loss", "b_dsc"] * 2, strict=True):
        assert [list(line.get_ydata()) for line in axis.lines] == [
            table[column].tolist() for table in tables.values()
        ]
        assert len({line.get_color() for line in axis.lines}) == 3


def test_each_loss_is_a_line_of_its_own():
    figure = plots_images.gradient_of_slices([0.01, 0.1], {"BCE": [1, 1], "Dice": [9, 1]})
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["BCE", "Dice"]
    assert lines[0].get_color() == COLOURS["test"] and lines[1].get_xdata().tolist() == [1, 10]
