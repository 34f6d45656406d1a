"""What `predict` is given and told: names, notes, one of several series, places to write to."""

import os

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
from chest_builders import case, every, stand_in
from dicom_factory import SERIES
from matplotlib import pyplot as plt

from utils import predict
from utils.dicom import case_folders
from utils.masks.npz import load_mask
from utils.plots import prediction_summary

stand_in = pytest.fixture(stand_in, autouse=True)


def test_notes_of_the_loader_reach_the_terminal_the_table_and_the_picture(
    tmp_path, capsys, monkeypatch
):
    case(tmp_path / "in$1_{")
    (tmp_path / "in$1_{/README").write_text("x")
    feet = []
    monkeypatch.setattr(
        predict,
        "prediction_summary",
        lambda *given: (
            feet.append((figure := prediction_summary(*given)).get_supxlabel()) or figure
        ),
    )
    assert predict.main([str(tmp_path / "in$1_{"), "--out", str(tmp_path / "out")]) == 0
    note = "Skipped 1 not DICOM (README)."
    (row,) = pd.read_csv(tmp_path / "out/volumes.csv").to_dict("records")
    assert row["case"] == "in$1_{" and row["notes"] == note and feet == [note]
    assert f"  Note: {note}\n" in capsys.readouterr().out


def test_a_single_slice_is_segmented_and_pictured(tmp_path, monkeypatch):
    """Its coronal cut is one row of pixels."""
    (tmp_path / "in").mkdir()
    case(tmp_path / "all")[6].rename(tmp_path / "in/one.dcm")
    monkeypatch.setattr(predict, "prediction_summary", prediction_summary)
    assert predict.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    (row,) = pd.read_csv(tmp_path / "out/volumes.csv").to_dict("records")
    assert row["slices"] == 1 and "Only one slice" in row["notes"]
    assert load_mask(tmp_path / "out/in_seg.npz").shape == (1, 48, 48)
    assert plt.imread(tmp_path / "out/in.png").std() > 0.1


@pytest.mark.parametrize("where", ["taken", "taken/below", "in", "in/below", "/proc/x"])
def test_a_place_that_cannot_be_written_to_is_refused_first(tmp_path, capsys, monkeypatch, where):
    case(tmp_path / "in")
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(predict, "load_model", None)  # it would not be called in vain
    assert predict.main([str(tmp_path / "in"), "--out", str(tmp_path / where)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("--out /") and said.count("\n") == 1
    assert len(list((tmp_path / "in").iterdir())) == 12


def test_one_of_several_series_is_taken_by_its_uid(tmp_path, capsys):
    case(tmp_path / "all/A/thick", count=5)
    case(tmp_path / "all/A/thin", every(SeriesInstanceUID="1.2.3"), count=7)
    for arguments, slices in ((["--largest"], 7), (["--series", SERIES], 5), ([], 0)):
        out = tmp_path / f"out {slices}"
        predict.main([str(tmp_path / "all"), "--out", str(out), *arguments])
        (row,) = pd.read_csv(out / "volumes.csv").fillna(0).to_dict("records")
        assert row["slices"] == slices
    assert "2 series" in row["fault"] and "--series with a file of it" in row["fault"]
    (tmp_path / "all/series.txt").write_text("A 1.2.3")
    assert predict.main([str(tmp_path / "all"), "--out", str(tmp_path / "chosen")]) == 0
    assert load_mask(tmp_path / "chosen/A_seg.npz").shape[0] == 7


def test_a_name_that_is_not_utf_8_is_shown_by_an_escape(tmp_path, capsys):
    case(tmp_path / "in/P01")
    os.rename(tmp_path / "in/P01", os.fsencode(tmp_path / "in") + b"/P\xe9re")
    case(tmp_path / "in/a\nb")
    assert predict.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out/volumes.csv")
    assert sorted(table["case"]) == [r"P\udce9re", r"a\nb"]
    assert r"P\udce9re: " in capsys.readouterr().out
    assert load_mask(tmp_path / r"out/P\udce9re_seg.npz").any()


def test_an_index_of_a_cd_beside_the_cases_does_not_make_them_one_series(tmp_path):
    """But a slice does, though it may lack the mark of DICOM."""
    case(tmp_path / "in/A")
    case(tmp_path / "in/B")
    slice_ = next((tmp_path / "in/A").iterdir())
    (tmp_path / "in/DICOMDIR").write_bytes(slice_.read_bytes())
    assert len(case_folders(tmp_path / "in")) == 2
    (tmp_path / "in/bare").write_bytes(slice_.read_bytes()[132:])
    assert case_folders(tmp_path / "in") == [tmp_path / "in"]
