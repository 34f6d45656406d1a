"""A cohort: what is finished is not done twice, and what is not is not taken for it."""

import hashlib
import json
import os
import shutil

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
from chest_builders import case
from cohort_builders import results, small_cohort, small_model

from utils import cohort, predict
from utils.errors import InputError
from utils.predict import predict_folder
from utils.records import checksum


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Cases, model, and what was found of them."""
    folder = tmp_path_factory.mktemp("cohort")
    cases, model = small_cohort(folder, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1234567890")
        table, faults = predict_folder(cases, folder / "out", model)
    assert faults == [] and list(table["slices"]) == [6, 7, 8]
    return folder


@pytest.fixture
def again(made, tmp_path, monkeypatch):
    """A copy of it all, and a function that predicts again and says which cases were done."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    for part in ("in", "model", "out"):
        shutil.copytree(made / part, tmp_path / part)  # with the times of the files' contents …
    done, series = [], predict.predict_series

    def noted(folder, *others, **named):
        done.append(folder.name)
        return series(folder, *others, **named)

    monkeypatch.setattr(predict, "predict_series", noted)

    def run(**options):
        done.clear()
        options = {"model_folder": tmp_path / "model"} | options
        predict_folder(tmp_path / "in", tmp_path / "out", **options)
        return list(done)

    run()  # … but not of their last change, which nobody can set
    assert run() == []
    return tmp_path, run


def test_what_is_finished_is_not_done_again(made, again):
    folder, run = again
    assert run() == [] and results(folder / "out") == results(made / "out")


def test_another_source_is_done_again(again):
    folder, run = again
    first = min((folder / "in/P01").iterdir())
    first.write_bytes(first.read_bytes())  # the same bytes, written anew
    assert run() == ["P01"]
    case(folder / "in/P03", count=4)
    first.unlink()
    assert run() == ["P01", "P03"]
    case(folder / "in/P02", count=9)
    assert run() == ["P02"] and run() == []


@pytest.mark.parametrize("option", ["weights", "formats", "series"])
def test_other_weights_and_options_are_done_again(again, option):
    folder, run = again
    if option == "weights":
        small_model(folder / "model", seed=1)
    options = {"formats": {"formats": ["nifti"]}, "series": {"series": "largest"}}.get(option, {})
    assert run(**options) == ["P00", "P01", "P02"] and run(**options) == []


@pytest.mark.parametrize("ending", [".png", "_seg.npz", "_seg.dcm", "_report.json"])
def test_a_result_that_is_gone_or_cut_off_is_made_again(made, again, ending):
    folder, run = again
    file = folder / f"out/P01{ending}"
    whole = file.read_bytes()
    file.unlink()
    assert run() == ["P01"]
    file.write_bytes(whole[: len(whole) // 2])
    assert run() == ["P01"] and results(folder / "out") == results(made / "out")


def forged(report, **changes):
    """A report of other content, whose checksum fits."""
    report = {k: v for k, v in (report | changes).items() if k != "checksum"}
    return json.dumps(report | {"checksum": checksum(report)})


DAMAGE = {
    "other litres": lambda r: json.dumps(r | {"row": r["row"] | {"both": 7.0}}),
    "a text for litres": lambda r: forged(r, row=r["row"] | {"both": "<b>7</b>"}),
    "a list for a row": lambda r: forged(r, row=[1, 2]),
    "too many slices": lambda r: forged(r, row=r["row"] | {"slices": 10**12}),
    "an endless number": lambda r: forged(r, row=r["row"] | {"both": 1e300}),
    "no row": lambda r: forged({k: v for k, v in r.items() if k != "row"}),
    "another's": lambda r: forged(r, made_from=64 * "0"),
    "nothing": lambda r: "",
    "a number": lambda r: "7",
    "nested": lambda r: '{"a":' * 50_000,
    "no JSON": lambda r: "\0\0\0",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_report_is_no_report(made, again, damage):
    folder, run = again
    file = folder / "out/P01_report.json"
    file.write_text(DAMAGE[damage](json.loads(file.read_text())))
    assert run() == ["P01"] and results(folder / "out") == results(made / "out")


def test_a_report_says_what_it_was_made_from_and_by(made):
    report = json.loads((made / "out/P01_report.json").read_text())
    content = b"".join(file.read_bytes() for file in sorted((made / "in/P01").iterdir()))
    assert report["input"] == hashlib.sha256(content).hexdigest()
    weights = (made / "model/model.safetensors").read_bytes()
    assert report["weights"] == hashlib.sha256(weights).hexdigest()
    assert report["settings"]["width"] == 4 and report["formats"] == ["seg"]
    assert report["device"] == "cpu" and report["threads"] >= 1
    assert report["versions"]["torch"].startswith("2.") and len(report["versions"]["utils"]) == 64
    stages = ["reading", "network", "post-processing", "steadiness"]
    assert list(report["seconds"])[:4] == stages and list(report["seconds"])[-1] == "formats"
    assert all(0 <= seconds < 600 for seconds in report["seconds"].values())
    assert "cut off" in report["row"]["doubts"] and "PATIENT" not in json.dumps(report).upper()
    table = pd.read_csv(made / "out/volumes.csv").set_index("case")
    assert report["row"]["both"] == pytest.approx(table.loc["P01", "both"], abs=1e-4)


def test_processes_find_what_one_finds_byte_for_byte(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    for workers in (1, 2):
        out = tmp_path / str(workers)
        predict_folder(made / "in", out, made / "model", workers=workers)
        assert results(out) == results(made / "out")


def test_a_cluster_finds_what_one_finds_byte_for_byte(made, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    options = {"processes": False, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, protocol="inproc://", **options) as cluster:
        predict_folder(made / "in", tmp_path / "out", made / "model", scheduler=cluster)
    assert results(tmp_path / "out") == results(made / "out")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_case_that_needs_too_much_memory_is_refused(made, tmp_path, workers):
    """P00 has 6 slices of 48 x 48, P02 eight of them; between what both need lies what there is."""
    most = cohort.AT_REST + cohort.PER_VOXEL * 7.5 * 48 * 48
    table, faults = predict_folder(
        made / "in", tmp_path / "out", made / "model", workers=workers, most=most
    )
    assert list(table["slices"].fillna(0)) == [6, 7, 0]
    assert len(faults) == 1 and faults[0].startswith(
        "P02: It needs about 0.6 GB of memory, and 0.6"
    )


def test_the_estimate_of_memory_is_that_of_all_slices(tmp_path):
    """By headers where there are some, compressed ones too; by bytes of a file."""
    case(tmp_path / "a", count=10)
    (tmp_path / "a/README").write_text("no scan")
    voxels = (cohort.memory_of(tmp_path / "a") - cohort.AT_REST) / cohort.PER_VOXEL
    assert voxels == 11 * 48 * 48  # the README might be a slice
    (tmp_path / "b.nii.gz").write_bytes(bytes(1000))
    assert cohort.memory_of(tmp_path / "b.nii.gz") == cohort.AT_REST + cohort.PER_VOXEL * 2000
    (tmp_path / "c").mkdir()
    (tmp_path / "c/1.dcm").write_bytes(bytes(128) + b"DICM" + os.urandom(500))
    assert cohort.memory_of(tmp_path / "c") == cohort.AT_REST
    with pytest.raises(InputError, match=r"^It needs about 0\.6 GB of memory, and 0\.5 GB may"):
        cohort.memory_of(tmp_path / "a", 5e8)


def test_a_pipe_among_the_files_is_not_waited_for(made, tmp_path):
    shutil.copytree(made / "in/P00", tmp_path / "in/P00")
    os.mkfifo(tmp_path / "in/P00/pipe")
    table, faults = predict_folder(tmp_path / "in", tmp_path / "out", made / "model")
    assert faults == [] and table["notes"][0] == "Skipped 1 not DICOM (pipe)."


def test_two_cases_of_one_name_do_not_overwrite_each_other(made, tmp_path):
    shutil.copytree(made / "in", tmp_path / "in")
    shutil.make_archive(str(tmp_path / "in/P00"), "zip", tmp_path / "in/P02")
    table, faults = predict_folder(tmp_path / "in", tmp_path / "out", made / "model")
    assert list(table["case"]) == ["P00", "P00", "P01", "P02"]
    assert list(table["slices"].fillna(0)) == [6, 0, 7, 8] and len(faults) == 1
    assert faults[0].startswith("P00: The results of another case are called P00. Rename one.")
