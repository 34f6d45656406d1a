"""The loop: it learns, repeats itself, keeps its best weights, and trusts no file."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from utils import training
from utils.dataset import SliceDataset, Split, batches
from utils.errors import InputError
from utils.evaluation import dsc
from utils.losses import CombinedLoss
from utils.settings import Settings
from utils.unet import build_unet

SPLIT = Split(("Case_000",), ("Case_001",), ("Case_002",))
TINY = Settings(image_size=32, width=4, levels=3, epochs=12, batch_size=2, dsc_threshold=0)


@pytest.fixture(scope="module")
def sets():
    """Discs of lung of different sizes in a body of water, one a slice."""
    y, x = np.mgrid[:32, :32] - 15.5
    radius = np.hypot(y, x)
    pairs = {}
    for number, name in enumerate(("Case_000", "Case_001")):
        sizes = np.linspace(0, 11 - number, 12)[:, None, None]
        mask = (radius < sizes).astype(np.uint8)
        hu = np.where(mask, -800, np.where(radius < 14, 40, -1000)).astype(np.int16)
        pairs[name] = (hu, mask)
    window = TINY.window
    return tuple(SliceDataset(pairs, [name], 32, window) for name in pairs)


def test_it_learns_and_writes_a_run(sets, tmp_path, capsys):
    model, history = training.train(TINY, SPLIT, *sets, tmp_path)
    assert list(history["epoch"]) == list(range(1, 13))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] / 2
    assert history["validation_dsc"].max() > 0.9
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), history)
    assert not model.training
    assert capsys.readouterr().out.count("validation loss") == 12
    reloaded, settings, split = training.load_run(tmp_path)
    assert settings == TINY and split == SPLIT
    for name, tensor in reloaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_the_kept_weights_are_those_of_the_best_epoch(sets, tmp_path):
    model, history = training.train(TINY, SPLIT, *sets, tmp_path)
    loss = CombinedLoss(TINY.beta, 0)
    measured = training.run_epoch(model, batches(sets[1], 4), loss)
    assert measured["loss"] == pytest.approx(history["validation_loss"].min(), abs=1e-6)


def test_same_seed_same_run(sets, tmp_path):
    _, first = training.train(TINY, SPLIT, *sets, tmp_path / "a")
    _, second = training.train(TINY, SPLIT, *sets, tmp_path / "b")
    columns = [name for name in first if name != "seconds"]
    pd.testing.assert_frame_equal(first[columns], second[columns])


def test_a_finished_run_is_taken_only_for_the_same_settings_and_data(sets, tmp_path, capsys):
    training.train(TINY, SPLIT, *sets, tmp_path)
    written = (tmp_path / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    training.train(TINY, SPLIT, *sets, tmp_path)
    assert "trained already" in capsys.readouterr().out
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == written
    changed = Settings(**{**TINY.__dict__, "epochs": 1})
    _, history = training.train(changed, SPLIT, *sets, tmp_path)
    assert len(history) == 1
    sets[0].truth[0, 0, 0] ^= 1
    training.train(changed, SPLIT, *sets, tmp_path)
    sets[0].truth[0, 0, 0] ^= 1
    assert "trained already" not in capsys.readouterr().out


def test_divergence_is_told_and_leaves_no_weights(sets, tmp_path):
    wild = Settings(**{**TINY.__dict__, "learning_rate": 1e30})
    with pytest.raises(InputError, match="training has diverged"):
        training.train(wild, SPLIT, *sets, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_epoch_metrics_by_hand(sets):
    """One pass without learning against metrics computed over all slices at once."""
    torch.manual_seed(0)
    model, loss = build_unet(TINY).eval(), CombinedLoss(0.5, 0)
    images, truths = sets[1].__getitems__(list(range(len(sets[1]))))
    with torch.no_grad():
        predicted = model(images) > 0
    lung = truths.flatten(1).any(1)
    measured = training.run_epoch(model, batches(sets[1], 5), loss)
    assert measured["accuracy"] == pytest.approx((predicted == truths.bool()).float().mean().item())
    expected = dsc(predicted[:, 0], truths[:, 0])[lung].mean().item()
    assert measured["dsc"] == pytest.approx(expected)


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="Run notebook 03 first"):
        training.load_run(tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "pickle", "other shape", "empty"])
def test_weights_that_do_not_fit_are_refused(tmp_path, damage):
    file = tmp_path / "model.safetensors"
    if damage == "pickle":
        torch.save(build_unet(TINY).state_dict(), file)
    else:
        other = Settings(**{**TINY.__dict__, "width": 8})
        save_file(build_unet(other if damage == "other shape" else TINY).state_dict(), file)
    if damage in ("truncated", "empty"):
        file.write_bytes(file.read_bytes()[: 0 if damage == "empty" else -50])
    with pytest.raises(InputError, match="does not hold the weights of this U-Net"):
        training.load_weights(build_unet(TINY), file)
    assert file.exists()
