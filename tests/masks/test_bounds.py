"""What a structure set may cost, and what its names may do to a terminal."""

import warnings

import numpy as np
import pytest
from contour_builders import BOX, a_volume, drawn
from rtstruct_factory import write_rtstruct

from utils.errors import InputError
from utils.masks import rtstruct as reader
from utils.masks.filling import crossings
from utils.masks.rtstruct import read_rtstruct


def zigzag(points):
    """A polygon that goes up and down over 40 rows, from left to right."""
    return np.column_stack(
        [np.tile([10.3, 50.3], points // 2), np.linspace(10.1, 60.1, points)]
    ).round(3)


def test_points_times_rows_have_a_bound(tmp_path, monkeypatch):
    """Without one, a file of the size that is allowed took hours on slices of 512 rows."""
    costs = 10 * 400 * (1 + 40)
    assert crossings({2: [zigzag(400)] * 10}, 60) == pytest.approx(costs, rel=0.01)
    contours = drawn(2, zigzag(400)) * 10
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours), ("Both lungs", contours)])
    monkeypatch.setattr(reader, "MOST_CROSSINGS", 2.1 * costs)
    read_rtstruct(file, a_volume())
    monkeypatch.setattr(reader, "MOST_CROSSINGS", 1.9 * costs)
    with pytest.raises(InputError, match="its contours have more than"):
        read_rtstruct(file, a_volume())


def test_a_row_that_no_contour_reaches_costs_nothing():
    assert crossings({0: [np.array([[-1e5, 0], [1e5, 5], [0, 9]])]}, 60) == 3 + 60 + 60 + 0


def test_names_of_structures_move_no_cursor_and_fill_no_screen(tmp_path):
    names = ["Lungs", "Lung\x1b[2J\x07", "Lung\u202e"]
    file = write_rtstruct(tmp_path / "rt.dcm", [(name, drawn(2, BOX)) for name in names])
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        read_rtstruct(file, a_volume())
    said = "".join(str(note.message) for note in notes)
    assert said.isprintable()
    long = write_rtstruct(tmp_path / "long.dcm", [("x\x1b" * 10**6, drawn(2, BOX))])
    with pytest.raises(InputError, match="no lung among its 1 structures: x") as caught:
        read_rtstruct(long, a_volume())
    assert len(str(caught.value)) < 8000 and str(caught.value).isprintable()
