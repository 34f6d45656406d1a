"""Who trains or scores comes through one door: no mask that was changed since notebook 02."""

import runpy

import nbformat
import numpy as np
import pytest
from dicom_factory import set_pixels, write_series
from volume_builders import cones

from utils import training
from utils.alignment import check_cases, load_aligned, write_verdicts
from utils.cases import create_paired_data, load_cases, load_masks
from utils.dataset import Split
from utils.errors import InputError
from utils.settings import Settings
from utils.workspace import REPOSITORY
from utils.workspace import workspace as workspace_folder

NAMES = ("Case_000", "Case_001", "Case_002")


@pytest.fixture
def judged(empty_dataset, workspace):
    """Name of a data set of three patients after notebook 02, and its folder of masks."""
    hu, mask = cones()
    folder = workspace / "data" / empty_dataset
    (folder / "Segmentations").mkdir()

    def edit(slice_of_chest, k):
        set_pixels(slice_of_chest, hu[k].astype(int) + 1024)
        slice_of_chest.PixelSpacing = [300 / hu.shape[2]] * 2  # a body as wide as a body

    for name in NAMES:
        write_series(folder / "Images" / name, len(hu), edit)
        np.savez_compressed(folder / "Segmentations" / f"{name}_seg.npz", masks=mask)
    pairs = create_paired_data(load_cases(empty_dataset), load_masks(empty_dataset))
    found = check_cases(pairs)
    assert {verdict.verdict for verdict in found.values()} == {"aligned"}
    write_verdicts(empty_dataset, found)
    return empty_dataset, folder / "Segmentations"


def by_notebook(name):
    """A function of a data set: what the notebook does until its cases are loaded."""

    def go(dataset):
        cells = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4).cells
        imports, parameters, *codes = [c.source for c in cells if c.cell_type == "code"]
        chosen = parameters.replace('DATASET = "phantom"', f"DATASET = {dataset!r}")
        loading = next(code for code in codes if "pairs = " in code).split("\n\n")[0]
        script = workspace_folder() / "notebook.py"
        script.write_text("\n".join([imports, chosen, loading]))
        return runpy.run_path(str(script))["pairs"]

    return go


def by_training(dataset):
    training.train_dataset(dataset, Settings(image_size=16), REPOSITORY / "nowhere")


DOORS = {
    "notebook 03": by_notebook("03_unet_training.ipynb"),
    "notebook 04": by_notebook("04_evaluation_and_figures.ipynb"),
    "training": by_training,
    "load_aligned": load_aligned,
}


@pytest.mark.parametrize("door", DOORS)
def test_a_test_patients_mask_reversed_since_notebook_02_stops(judged, door, monkeypatch):
    dataset, masks = judged
    split = Split(NAMES[:1], NAMES[1:2], NAMES[2:])
    monkeypatch.setattr(training, "load_run", lambda folder: (None, None, split))
    monkeypatch.setattr(training, "train", lambda *given: pytest.fail("trained"))
    file = masks / "Case_002_seg.npz"
    mask = load_masks(dataset)["Case_002"]
    np.savez_compressed(file, masks=mask[::-1])
    with pytest.raises(InputError, match=r": Case_002 \(changed since\).*run notebook 02 again"):
        DOORS[door](dataset)
    file.unlink()
    with pytest.raises(InputError, match="Case_002 has an image but no mask"):
        DOORS[door](dataset)
    np.savez_compressed(file, masks=mask)
    (masks.parent / "derived/alignment.json").unlink()
    with pytest.raises(InputError, match="Run notebook 02 first"):
        DOORS[door](dataset)


@pytest.mark.parametrize("door", [door for door in DOORS if door != "training"])
def test_masks_as_notebook_02_saw_them_are_let_in(judged, door, monkeypatch):
    split = Split(NAMES[:1], NAMES[1:2], NAMES[2:])
    monkeypatch.setattr(training, "load_run", lambda folder: (None, None, split))
    folder = workspace_folder() / "data/mini/derived/runs/quick"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,train_loss\n1,0.5\n")
    found = DOORS[door](judged[0])
    assert list(found[1] if isinstance(found, tuple) else found) == list(NAMES)


def test_volumes_and_pairs_of_one_data_set(judged):
    dataset, _ = judged
    volumes, pairs = load_aligned(dataset)
    hu, mask = cones()
    assert list(volumes) == list(pairs) == list(NAMES)
    for name in NAMES:
        assert np.array_equal(volumes[name].hu, hu) and np.array_equal(pairs[name].mask, mask)
        assert volumes[name].spacing == pairs[name].spacing
