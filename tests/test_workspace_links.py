"""Links among the files that the project makes: nothing is written through them."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from dicom_factory import write_series

from utils import workspace as places
from utils.alignment import Verdict, write_verdicts
from utils.cases import create_paired_data, load_cases, load_masks
from utils.errors import InputError
from utils.report import runs_of, save_numbers
from utils.workspace import dataset_folder, figures_folder, run_folder


@pytest.fixture
def workspace_with(tmp_path, monkeypatch):
    """A function that makes one place in a workspace a link: (workspace, where it leads)."""

    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "work"))

    def make(link):
        work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
        (work / link).parent.mkdir(parents=True)
        elsewhere.mkdir()
        (elsewhere / "precious").touch()
        (work / link).symlink_to(elsewhere)
        (work / "data/mini/Images").mkdir(parents=True, exist_ok=True)
        return work, elsewhere

    return make


@pytest.mark.parametrize(
    "link", ["data/mini/derived", "data/mini/derived/runs", "figures", "figures/mini"]
)
def test_nothing_is_written_through_a_link_among_derived_files(workspace_with, link):
    root, elsewhere = workspace_with(link)
    below = root / {"figures": "figures/mini"}.get(link, link) / "deeper"
    said = rf"^{link} is a link\. Nothing is written there"
    with pytest.raises(InputError, match=said):
        places.write_json(below / "a.json", {})
    with pytest.raises(InputError, match=said), places.locked(below):
        pass
    assert sorted(elsewhere.iterdir()) == [elsewhere / "precious"]


def test_a_derived_folder_that_is_a_link_is_not_used(workspace_with):
    workspace_with("data/mini/derived")
    with pytest.raises(InputError, match=r"data/mini/derived is a link"):
        places.derived_folder("mini")


def test_all_data_may_lie_elsewhere(workspace_with):
    _, elsewhere = workspace_with("data")
    places.write_json(places.derived_folder("mini") / "a.json", {})
    assert [file.name for file in elsewhere.rglob("a.json")] == ["a.json"]


@pytest.fixture(params=["scans", "mine"])
def linked(workspace, tmp_path_factory, request):
    """A data set on another disk, and a link to it of the same or another name: (name, folder)."""
    folder = tmp_path_factory.mktemp("disk") / "scans"
    write_series(folder / "Images/Case_000")
    (folder / "Segmentations").mkdir()
    mask = np.zeros((5, 8, 6), np.uint8)
    np.savez_compressed(folder / "Segmentations/Case_000_seg.npz", masks=mask)
    (workspace / "data").mkdir()
    (workspace / "data" / request.param).symlink_to(folder)
    return request.param, folder


def everything(folder):
    return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in folder.rglob("*")}


def test_nothing_is_written_into_a_linked_data_set(linked, workspace):
    """Which a disk may hold that cannot be written to; what is computed lies in the workspace."""
    name, folder = linked
    before = everything(folder)
    volumes = load_cases(name)
    pairs = create_paired_data(volumes, load_masks(name))
    write_verdicts(name, {"Case_000": Verdict("aligned", 1.0, 1.0, 0.1, ())})
    run = run_folder(name, "quick")
    run.mkdir(parents=True)
    (run / "model.safetensors").write_bytes(b"weights")
    save_numbers(name, {"run": "quick"})
    assert everything(folder) == before and list(pairs) == ["Case_000"]
    own = workspace / "data" / ("scans.linked" if name == "scans" else "scans")
    assert sorted(file.name for file in own.glob("derived/[!.]*")) == [
        "alignment.json",
        "runs",
        "source.json",
        "volumes",
    ]
    assert run.parent == runs_of(figures_folder(name)) == own / "derived/runs"
    sums = json.loads((workspace / "figures/scans/metrics.sums").read_text())
    assert list(sums["runs"]) == ["quick/model.safetensors"]


def test_figures_are_found_while_the_disk_is_away(linked, workspace):
    """The report reads from where notebook 04 exported to."""
    name, folder = linked
    before = figures_folder(name)
    folder.rename(folder.with_name("away"))
    assert figures_folder(name) == before == workspace / "figures/scans"


def test_a_folder_of_results_alone_is_no_data_set(linked, workspace, monkeypatch):
    """Derived files of `here` lie under data/, and the data set itself where one stands."""
    _, folder = linked
    (workspace / "data/here").mkdir()
    monkeypatch.chdir(folder.parent)
    (folder.parent / "here").symlink_to(folder)
    assert dataset_folder("here") == folder
    assert figures_folder("here") == workspace / "figures/scans"


def test_make_clean_follows_no_link(tmp_path):
    shutil.copy(places.REPOSITORY / "Makefile", tmp_path)
    for kept in ("disk/derived/a.json", "disk/figures/b.pdf", "data/own/Images/c"):
        (tmp_path / kept).parent.mkdir(parents=True)
        (tmp_path / kept).touch()
    for gone in ("data/own/derived/x/d.json", "data/disk.linked/derived/e", "figures/own/f.pdf"):
        (tmp_path / gone).parent.mkdir(parents=True)
        (tmp_path / gone).touch()
    (tmp_path / "figures/own/g.png").touch()
    (tmp_path / "data/disk").symlink_to(tmp_path / "disk")
    (tmp_path / "figures/disk").symlink_to(tmp_path / "disk/figures")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    files = {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()}
    assert {f for f in files if not f.startswith(("data/disk/", "figures/disk/"))} == {
        *("Makefile", "disk/derived/a.json", "disk/figures/b.pdf", "data/own/Images/c"),
        "figures/own/g.png",
    }
