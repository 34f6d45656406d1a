"""The loop: it learns, repeats itself, keeps its best weights, and trusts no file."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from utils.cases import Pair
from utils.dataset import SliceDataset, Split, batches
from utils.errors import InputError
from utils.losses import CombinedLoss
from utils.overlap import dsc
from utils.settings import Settings
from utils.training import run as training
from utils.training.epoch import measure
from utils.training.loop import Trainer, best_epoch, blindness, has_stalled, stop_if_diverged
from utils.training.weights import begin_with
from utils.unet import build_unet
from utils.workspace import UNFINISHED

SPLIT = Split(("Case_000",), ("Case_001",), ("Case_002",))
TINY = Settings(
    image_size=32, pixel_size=1, width=4, levels=3, epochs=12, batch_size=2, dsc_threshold=0
)


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
        pairs[name] = Pair(hu, mask, (1.0, 1.0, 1.0))
    return tuple(SliceDataset(pairs, [name], TINY) for name in pairs)


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
    measured = measure(model, batches(sets[1], 4), loss)
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


def test_what_a_kill_after_the_last_weights_left_behind_is_taken_away(sets, tmp_path):
    """Killed between the last two lines of a run: finished, but its checkpoint still there."""
    training.train(TINY, SPLIT, *sets, tmp_path)
    finished = sorted(tmp_path.iterdir())
    for name in ("checkpoint.safetensors", f"{UNFINISHED}{16 * 'a'}.csv"):
        (tmp_path / name).write_text("half")
    training.train(TINY, SPLIT, *sets, tmp_path)
    assert sorted(tmp_path.iterdir()) == finished


def test_divergence_is_told_and_leaves_no_weights(sets, tmp_path):
    wild = Settings(**{**TINY.__dict__, "learning_rate": 1e30})
    with pytest.raises(InputError, match="diverged in epoch 1"):
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
    measured = measure(model, batches(sets[1], 5), loss)
    assert measured["accuracy"] == pytest.approx((predicted == truths.bool()).float().mean().item())
    expected = dsc(predicted[:, 0], truths[:, 0])[lung.numpy()].mean()
    assert measured["dsc"] == pytest.approx(expected)


def test_a_run_that_is_not_there(tmp_path):
    said = r"no model\.safetensors, no settings\.json, no split\.json"
    with pytest.raises(InputError, match=said):
        training.load_run(tmp_path)


@pytest.mark.parametrize("file", ["settings.json", "split.json"])
@pytest.mark.parametrize("text", ["", "[1]", '{"train": 3}'])
def test_a_run_whose_files_are_damaged(sets, tmp_path, file, text):
    training.train(replace(TINY, epochs=1), SPLIT, *sets, tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match="Train the run again"):
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


def test_an_exploding_loss_is_told_although_it_is_a_number():
    row = {"epoch": 3, "train_loss": 12.0, "validation_loss": 1.0}
    with pytest.raises(InputError, match=r"epoch 3: the training loss is 12.*Try .* such as 0\.01"):
        stop_if_diverged(row, replace(TINY, learning_rate=0.1))
    stop_if_diverged(row | {"train_loss": 0.9, "validation_loss": 40.0}, TINY)  # one odd epoch


@pytest.mark.parametrize("gone", ["nan", "inf"])
def test_a_loss_that_is_no_number_is_told(gone):
    row = {"epoch": 2, "train_loss": 0.5, "validation_loss": float(gone)}
    with pytest.raises(InputError, match="diverged in epoch 2"):
        stop_if_diverged(row, TINY)


def test_two_epochs_without_lung_are_told_once():
    history = [{"epoch": n, "train_dsc": dsc} for n, dsc in enumerate((0.4, 0.04, 0.0, 0.01), 1)]
    told = [blindness(history[:n], replace(TINY, learning_rate=0.1)) for n in range(1, 5)]
    assert told[0] is told[1] is told[3] is None
    assert told[2].startswith("Epochs 2 and 3 found next to no lung: training DSC 0.000.")
    assert told[2].endswith("below 0.1, such as 0.01.")
    assert blindness(history[1:3], TINY)  # from the start
    undefined = [{"epoch": n, "train_dsc": float("nan")} for n in (1, 2)]  # no slice with lung
    assert blindness(undefined, TINY) is None


def test_rmsprop_at_the_courseworks_rate_of_a_tenth_is_told(sets, tmp_path, capsys):
    wild = replace(TINY, optimiser="rmsprop", learning_rate=0.1, schedule="none", epochs=2)
    training.train(wild, SPLIT, *sets, tmp_path)
    assert "found next to no lung" in capsys.readouterr().out


class Killed(Exception):
    """Stands in for a signal in the middle of a run."""


@pytest.mark.parametrize("changes", [{}, {"optimiser": "rmsprop", "schedule": "plateau"}])
def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(sets, tmp_path, changes, capsys):
    settings = Settings(**{**TINY.__dict__, "epochs": 5, "noise": 0.1, "rotate": 10, **changes})
    _, unbroken = training.train(settings, SPLIT, *sets, tmp_path / "a")

    def cut(history):
        if len(history) in (1, 3):
            raise Killed

    for _ in range(3):
        try:
            torch.rand(7)  # chance that something else takes must not matter
            _, broken = training.train(settings, SPLIT, *sets, tmp_path / "b", on_epoch=cut)
        except Killed:
            assert not (tmp_path / "b/model.safetensors").exists()
    columns = [name for name in unbroken if name != "seconds"]
    pd.testing.assert_frame_equal(broken[columns], unbroken[columns])
    for name in ("model.safetensors", "last.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not (tmp_path / "b/checkpoint.safetensors").exists()
    assert "going on after epoch 3" in capsys.readouterr().out


def test_early_stopping_by_hand():
    history = [
        {"epoch": n, "validation_loss": loss}
        for n, loss in enumerate([0.9, 0.5, 0.6, 0.5, 0.7], start=1)
    ]
    assert best_epoch(history) == 2  # the earliest of equals
    assert not has_stalled(history[:3], 2) and has_stalled(history[:4], 2)
    assert not has_stalled(history, 0) and not has_stalled([], 1)


def test_early_stopping_looks_at_validation(sets, tmp_path):
    """Where the validation's truth is turned round, to learn is to become worse."""
    settings = Settings(**{**TINY.__dict__, "early_stopping": 2})
    inverted = copy.copy(sets[1])
    inverted.truth = 255 - sets[1].truth
    history = training.train(settings, SPLIT, sets[0], inverted, tmp_path)[1]
    assert len(history) < 12
    assert len(history) - (history["validation_loss"].idxmin() + 1) == 2
    assert history["train_loss"].is_monotonic_decreasing


def test_a_plateau_is_one_of_validation(sets, monkeypatch):
    falling = iter((0.9, 0.8, 0.7, 0.6))
    monkeypatch.setattr("utils.training.loop.learn", lambda *_: {"loss": next(falling)})
    monkeypatch.setattr("utils.training.loop.measure", lambda *_: {"loss": 0.5})
    trainer = Trainer(build_unet(TINY), replace(TINY, schedule="plateau", patience=1), *sets)
    for _ in range(4):
        trainer.run_epoch()
    assert [row["learning_rate"] for row in trainer.history] == [0.01, 0.01, 0.01, 0.001]


def test_starting_from_the_weights_of_another_run(sets, tmp_path):
    training.train(TINY, SPLIT, *sets, tmp_path / "a")
    frozen = Settings(**{**TINY.__dict__, "learning_rate": 1e-12, "epochs": 1})
    start = tmp_path / "a/model.safetensors"
    _, nothing = training.train(frozen, SPLIT, *sets, tmp_path / "b")
    _, tuned = training.train(frozen, SPLIT, *sets, tmp_path / "b", start_from=start)
    assert tuned["train_dsc"][0] > 0.9 > nothing["train_dsc"][0]
    three = build_unet(Settings(**{**TINY.__dict__, "classes": 3}))
    last = three.last.weight.clone()
    begin_with(three, start)
    assert torch.equal(three.last.weight, last)
    assert torch.equal(three.first[0].weight, training.load_run(tmp_path / "a")[0].first[0].weight)
