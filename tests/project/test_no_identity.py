"""Nothing that is written says who the patient is: canaries in every text of every header.

A SEG and an RTSTRUCT name patient and study, or no archive would file them with their series
(SECURITY.md); all else holds names of cases and files alone.
"""

import os
import shutil

import numpy as np
import pydicom
import pytest
from canaries import DAY, ROOT, SMALL, WORD, change, data_set, found_below, found_in
from matplotlib.text import Text

from utils import (
    alignment,
    cases,
    dicom,
    evaluation,
    inference,
    plots,
    predict,
    report,
    training,
    viewer,
    workspace,
)
from utils.masks.names import TABLES
from utils.settings import preset

SETTINGS = dict(epochs=1, image_size=32, pixel_size=12.0, width=2, levels=2, batch_size=4)
# What a SEG takes from its series: patient and study, and which slices it lies on
OF_STUDY = {*TABLES["type 2"], *TABLES["place"], "FrameOfReferenceUID"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A data set of three small cases, whose every text is a canary, in a workspace of its own."""
    place = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNG_WORKSPACE", str(place))
        yield data_set(place / "data" / "small")


@pytest.fixture
def drawn(monkeypatch):
    """Every text that matplotlib is given, as what a picture says cannot be read from its bytes."""
    texts, original = [], Text.set_text
    monkeypatch.setattr(Text, "set_text", lambda self, s: texts.append(str(s)) or original(self, s))
    return texts


def go_the_road():
    """Notebooks 01 to 04 in few words, on the data set `small`."""
    plots.use_style()
    volumes = cases.load_cases("small")
    print(*map(dicom.series_summary, volumes.values()), *volumes.values(), sep="\n")
    pairs = cases.create_paired_data(volumes, cases.load_masks("small"))
    verdicts = alignment.check_cases(pairs)
    alignment.write_verdicts("small", verdicts)
    plots.save_figure(plots.contrast_bars(verdicts), "contrast", "small")
    plots.save_figure(plots.three_planes(volumes["Case_000"]), "planes", "small")
    run = workspace.run_folder("small", "quick", SMALL)
    training.train_dataset("small", preset("quick", **SETTINGS), run)
    model, hyper, _ = training.load_run(run)
    predictions = inference.segment_cases(model, pairs, hyper, run)
    slices = evaluation.slice_metrics(predictions["Case_001"], pairs["Case_001"].mask)
    slices = slices.assign(case="Case_001", split="test")
    evaluation.write_tables(run, slices, evaluation.patient_metrics(slices))
    report.save_numbers("small", {"run": run.name, "figures": ["contrast"]})
    out = workspace.derived_folder("small")
    viewer.export_html(out / "page.html", volumes["Case_000"], pairs["Case_000"].mask)
    viewer.animation(out / "moving.png", volumes["Case_000"], pairs["Case_000"].mask, frames=4)
    return run


def test_the_canaries_are_found_again(small, tmp_path):
    """What the other tests do not find must be findable: in a file as it is, and packed."""
    file = next((small / "Images" / "Case_000").iterdir())
    assert len(found_in(file.read_bytes())) > 500
    np.savez_compressed(tmp_path / "a.npz", text=np.array(f"{WORD}00100010"))
    figure, axes = plots.new_figure()
    axes[0, 0].set_title(f"{WORD} and {DAY}")
    figure.savefig(tmp_path / "a.pdf")
    figure.savefig(tmp_path / "a.png", metadata={"Title": f"µ {ROOT}.1"})
    (tmp_path / "b.txt").write_text(WORD, encoding="utf-16")
    assert set(found_below(tmp_path)) == {"a.npz", "a.pdf", "a.png", "b.txt"}


def test_the_road_leaves_names_of_cases_alone(small, drawn, capsys):
    go_the_road()
    said = capsys.readouterr()
    assert found_below(small.parents[1], skip=[small / "Images"]) == {}
    assert found_in(f"{said.out}{said.err}{drawn}".encode()) == []
    assert any(drawn)


def two_patients(dataset, number):
    dataset.PatientID = f"{WORD}{number % 2}"


def two_series(dataset, number):
    dataset.SeriesInstanceUID = f"{ROOT}.{number % 2}"


FAULTS = {
    "two patients": two_patients,
    "two series": two_series,
    "a modality": lambda dataset, _: setattr(dataset, "Modality", WORD.upper()),
    "a long UID": lambda dataset, _: setattr(dataset, "StudyInstanceUID", f"{ROOT}.{'1' * 60}"),
    "a unit": lambda dataset, _: setattr(dataset, "RescaleType", WORD),
    "a text for a number": lambda dataset, _: dataset.add_new(0x00281053, "LO", f"{WORD} 1"),
    "a text for a place": lambda dataset, _: dataset.add_new(0x00200032, "LO", WORD),
    "photometric": lambda dataset, _: setattr(dataset, "PhotometricInterpretation", WORD.upper()),
}


def test_predict_names_no_patient_whatever_is_wrong(small, tmp_path, drawn, capsys):
    new, whole = tmp_path / "new", small / "Images" / "Case_000"
    for name, fault in FAULTS.items():
        (new / name).mkdir(parents=True)
        for file in sorted(whole.iterdir())[8:12]:
            shutil.copy(file, new / name)
        change(new / name, fault)
    os.symlink(whole, new / "whole")
    out, formats = tmp_path / "out", ["seg", "nifti", "rtstruct"]
    assert predict.main([str(new), "--out", str(out), "--format", *formats]) == 1
    assert (out / "volumes.csv").read_text().count("predict.log has") == len(FAULTS)
    said = capsys.readouterr()
    objects = {"whole_seg.dcm", "whole_rtstruct.dcm"}
    found = found_below(out)
    assert found.keys() <= objects, found
    assert found_in(f"{said.out}{said.err}{drawn}".encode()) == []
    for name in objects & found.keys():
        dataset = pydicom.dcmread(out / name)
        kept = {e.keyword for e in dataset.iterall() if e.VR != "SQ" and found_in(repr(e).encode())}
        assert {word.removeprefix("Referenced") for word in kept} <= OF_STUDY
