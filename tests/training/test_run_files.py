"""A run that contradicts itself is told in one sentence, or trained again: never taken."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
from kill_training import SETTINGS, SPLIT
from safetensors import safe_open
from safetensors.torch import save_file

from utils.errors import InputError
from utils.predict import load_model
from utils.training import run as training
from utils.training.weights import load_weights
from utils.unet import build_unet

ONE = replace(SETTINGS, epochs=1)


def rewrite(file, **changes):
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | changes))


def spoilt_weights(file, name, change):
    """The same file with one tensor changed, and no checksum that would tell."""
    with safe_open(file, framework="pt") as archive:
        tensors = {key: archive.get_tensor(key) for key in archive.keys()}
    tensors[name] = change(tensors[name])
    save_file(tensors, file)


VARIANCE = "first.1.running_var"
SPOILT = {
    "NaN": ("last.bias", lambda t: t * float("nan")),
    "infinite": ("last.bias", lambda t: t + float("inf")),
    "whole numbers": ("last.weight", lambda t: t.to(torch.int32)),
    "truths": ("last.bias", lambda t: t > 0),
    "complex": ("last.bias", lambda t: t.to(torch.complex64)),
    "doubles": ("last.bias", lambda t: t.double()),
    "a variance below 0": (VARIANCE, lambda t: -t),
    "a variance of NaN": (VARIANCE, lambda t: t * float("nan")),
    "another shape": ("last.bias", lambda t: t.repeat(2)),
    "a count below 0": ("first.1.num_batches_tracked", lambda t: t - 99999),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_weights_that_no_network_has_are_refused_and_trained_again(run, parts, fault, capsys):
    file = run / "model.safetensors"
    spoilt_weights(file, *SPOILT[fault])
    for load in (training.load_run, load_model):
        with pytest.raises(InputError, match=r"model\.safetensors does not hold the weights"):
            load(run)
    training.train(ONE, SPLIT, *parts, run)
    assert "trained already" not in capsys.readouterr().out
    training.load_run(run)


def test_weights_of_which_one_number_was_changed_are_refused(run):
    """As plausible as before; only the checksum tells."""
    file = run / "model.safetensors"
    with safe_open(file, framework="pt") as archive:
        tensors, facts = {k: archive.get_tensor(k) for k in archive.keys()}, archive.metadata()
    tensors["last.bias"] += 1e-3
    save_file(tensors, file, metadata=facts)
    with pytest.raises(InputError, match="its checksum is another than that of its content"):
        training.load_run(run)


@pytest.mark.parametrize(
    "changes",
    [
        *({"window": [400, -1000]}, {"window": [float("nan"), 400]}, {"window": [0, 0]}),
        *({"image_size": "128"}, {"image_size": 17.5}, {"image_size": -5}, {"levels": 0}),
        *({"width": -2}, {"beta": 7}, {"epochs": 10**400}, {"pixel_size": -1}, {"warp": 1}),
        *({"window": [-1000, 300]}, {"body_only": True}),  # could be, but were not
    ],
    ids=str,
)
def test_settings_that_were_not_those_of_the_training_are_refused(run, changes):
    rewrite(run / "settings.json", **changes)
    said = r"(settings\.json.*|do.s not hold the weights.*) ?Train the run again \(notebook 03\)"
    for load in (training.load_run, load_model):
        with pytest.raises(InputError, match=said):
            load(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"test": ["Case_000"]},
        {"train": ["Case_002"], "test": ["Case_000"]},
        {"test": "Case_002"},
        {"test": []},
        {"train": ["Case_000", "Case_000"]},
        {"train": []},
        {"train": [7]},
        {"further": []},
    ],
    ids=str,
)
def test_another_split_is_refused(run, changes):
    rewrite(run / "split.json", **changes)
    with pytest.raises(InputError, match=r"split\.json is .*Train the run again \(notebook 03\)"):
        training.load_run(run)


def test_the_split_of_another_run_is_refused(run, parts, tmp_path):
    other = replace(SPLIT, train=SPLIT.test, test=SPLIT.train)
    training.train(ONE, other, *parts, tmp_path / "other")
    shutil.copy(tmp_path / "other/split.json", run)
    with pytest.raises(InputError, match=r"split\.json is not the split of these weights"):
        training.load_run(run)


@pytest.mark.parametrize("column", ["train_loss", "validation_dsc", "learning_rate", "epoch"])
def test_another_history_is_refused_and_trained_again(run, parts, column, finished):
    table = pd.read_csv(run / "history.csv")
    table[column] = table[column] / 2 + (column == "epoch")
    table.to_csv(run / "history.csv", index=False)
    with pytest.raises(InputError, match=r"history\.csv is missing, damaged or of another run"):
        training.load_run(run)
    _, history = training.train(ONE, SPLIT, *parts, run)
    as_it_was = pd.read_csv(finished / "history.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(history.drop(columns="seconds"), as_it_was)


@pytest.mark.parametrize("lost", ["history.csv", "split.json", "settings.json", "last.safetensors"])
@pytest.mark.parametrize("how", ["gone", "empty", "binary", "a folder"])
def test_what_a_run_lost_does_not_stop_its_training(run, parts, lost, how, finished):
    file = run / lost
    file.unlink()
    if how == "a folder":
        file.mkdir()
        if lost != "last.safetensors":
            with pytest.raises(InputError, match="cannot be written"):
                training.train(ONE, SPLIT, *parts, run)
        return
    if how != "gone":
        file.write_bytes(b"\xff\0\x80" * (how == "binary"))
    if lost != "last.safetensors":  # which nobody reads again; notebook 04 reads the others
        with pytest.raises(InputError, match=rf"{lost}.*notebook 03"):
            training.load_run(run)
    model, _ = training.train(ONE, SPLIT, *parts, run)
    assert (run / "split.json").read_text() == (finished / "split.json").read_text()
    assert (run / "settings.json").read_text() == (finished / "settings.json").read_text()
    as_it_was = load_weights(build_unet(ONE), finished / "model.safetensors")
    assert torch.equal(model.last.weight, as_it_was.last.weight)
    training.load_run(run)
