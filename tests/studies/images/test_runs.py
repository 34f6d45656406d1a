"""Runs on pictures: several classes through the same network, loss and loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from studies.images import labels as label_metrics
from studies.images import runs as image_runs
from studies.images.pairs import Picture
from utils.dataset import Split
from utils.settings import preset
from utils.training.run import load_run, train


def pictures(count=12, size=32):
    """Three grey levels in random blocks: what a network learns within a few steps."""
    rng = np.random.default_rng(0)
    for number in range(count):
        blocks = rng.integers(0, 3, (size // 8, size // 8)).astype(np.uint8)
        truth = np.kron(blocks, np.ones((8, 8), np.uint8))
        image = truth.astype(np.uint16) * 25_000 + rng.integers(0, 6000, truth.shape)
        yield Picture(f"p{number:02d}", image.astype(np.uint16), truth)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    sets = list(pictures())
    names = [picture.name for picture in sets]
    split = Split(tuple(names[:8]), tuple(names[8:10]), tuple(names[10:]))
    parts = image_runs.image_datasets(sets, split, 32)
    hyper = preset("quick", image_size=32, classes=3, width=4, levels=2, dropout=0.0)
    hyper = replace(hyper, epochs=40, batch_size=4, dsc_threshold=0.0)
    folder = tmp_path_factory.mktemp("run")
    model, _ = train(hyper, split, *parts[:2], folder)
    return model, parts, folder


def test_three_classes_are_learnt_by_the_common_loop(run):
    model, (_, _, test), folder = run
    each = image_runs.confusion_of(model, test)
    assert each.shape == (2, 3, 3) and each.sum() == 2 * 32 * 32
    assert label_metrics.mean_dice(each.sum(0)) > 0.9
    reloaded, *_ = load_run(folder)
    assert torch.equal(image_runs.predict_labels(reloaded, test), predictions(model, test))


def predictions(model, test):
    labels = image_runs.predict_labels(model, test, batch_size=1)
    assert labels.dtype == torch.uint8 and labels.shape == (2, 32, 32)
    return labels


class Brightness(torch.nn.Module):
    """Calls bright what is brighter than half; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.last = torch.nn.Parameter(torch.ones(1))
        self.shown = []

    def forward(self, x):
        self.shown.append(x)
        return x - 0.5 * self.last


@pytest.mark.parametrize("shape", [(30, 60), (60, 44)])
def test_a_mask_has_its_pictures_own_shape(shape):
    image = np.full(shape, 50, np.uint8)
    image[10:20, 4:30] = 200
    model, hyper = Brightness(), preset("quick", image_size=64, flip_columns=True)
    (mask,) = image_runs.picture_masks(model, [Picture("a", image, image)], hyper)
    assert mask.shape == shape and mask.dtype == bool
    assert np.count_nonzero(mask != (image > 100)) <= 0.1 * (2 * 10 + 2 * 26)  # of the outline
    assert torch.equal(model.shown[0].flip(3), model.shown[1])  # the mirrored one is asked too


def test_runs_lie_in_the_workspace_not_in_the_set(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "work"))
    (tmp_path / "elsewhere/xrays/images").mkdir(parents=True)
    folder = image_runs.image_run_folder(tmp_path / "elsewhere/xrays", "first")
    assert folder == tmp_path / "work/data/xrays/derived/runs/first"
