"""Restart: killed for real, and from checkpoints that are missing, foreign or damaged."""

import itertools
import json

import pytest
import torch
from kill_training import SETTINGS, kill_and_compare, sets
from safetensors import safe_open
from safetensors.torch import save_file

from utils.errors import InputError
from utils.training import checkpoint
from utils.training.loop import Trainer
from utils.training.weights import read_tensors, write_tensors
from utils.unet import build_unet


def fresh_trainer():
    """A trainer at its beginning."""
    return Trainer(build_unet(SETTINGS), SETTINGS, *sets())


def test_killed_at_random_moments_it_ends_as_an_unbroken_run(tmp_path):
    epochs = kill_and_compare(tmp_path, kills=5, seed=1)
    assert len(set(epochs)) > 1  # it was really cut in the middle


@pytest.fixture(scope="module")
def trained():
    trainer = fresh_trainer()
    trainer.run_epoch()
    return trainer


def test_everything_comes_back(trained, tmp_path):
    checkpoint.save_checkpoint(tmp_path / "c.safetensors", "this run", trained)
    other = fresh_trainer()
    assert checkpoint.restore_checkpoint(tmp_path / "c.safetensors", "this run", other)
    assert other.history == trained.history
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[name], tensor)
        assert torch.equal(other.kept_weights[name], trained.kept_weights[name])
    before, after = trained.optimiser.state_dict(), other.optimiser.state_dict()
    assert json.dumps(before["param_groups"]) == json.dumps(after["param_groups"])
    for number, moments in before["state"].items():
        for name, tensor in moments.items():
            restored = after["state"][number][name]
            assert torch.equal(restored, tensor) and restored.stride() == tensor.stride()
    schedules = trained.schedule.inner.state_dict(), other.schedule.inner.state_dict()
    assert json.dumps(schedules[0]) == json.dumps(schedules[1])


@pytest.mark.parametrize("damage", ["missing", "foreign", "truncated", "empty", "pickle"])
def test_what_cannot_be_read_is_left_alone(trained, tmp_path, damage):
    file = tmp_path / "c.safetensors"
    if damage == "pickle":
        torch.save(trained.model.state_dict(), file)
    elif damage != "missing":
        checkpoint.save_checkpoint(
            file, "another run" if damage == "foreign" else "this run", trained
        )
    if damage in ("truncated", "empty"):
        file.write_bytes(file.read_bytes()[: 0 if damage == "empty" else -9])
    fresh = fresh_trainer()
    before = {name: tensor.clone() for name, tensor in fresh.model.state_dict().items()}
    assert not checkpoint.restore_checkpoint(file, "this run", fresh)
    assert not fresh.history
    assert all(torch.equal(before[n], t) for n, t in fresh.model.state_dict().items())


@pytest.mark.parametrize("part", ["model.last.weight", "optimiser.0.exp_avg", "history"])
def test_a_checkpoint_that_lies_is_refused(trained, tmp_path, part):
    file = tmp_path / "c.safetensors"
    checkpoint.save_checkpoint(file, "this run", trained)
    tensors, facts = read_tensors(file)
    if part == "history":
        del facts["history"]
    else:
        tensors[part.replace(".0.", ".99.")] = tensors.pop(part)[:0]
    write_tensors(file, tensors, facts)
    with pytest.raises(InputError, match=r"c\.safetensors is no checkpoint of this run"):
        checkpoint.restore_checkpoint(file, "this run", fresh_trainer())


@pytest.mark.parametrize("part", ["rate", "moment", "history"])
def test_a_checkpoint_whose_content_was_changed_is_not_gone_on_with(trained, tmp_path, part):
    """All plausible; only the checksum tells."""
    file = tmp_path / "c.safetensors"
    checkpoint.save_checkpoint(file, "this run", trained)
    with safe_open(file, framework="pt") as archive:
        facts, tensors = archive.metadata(), {n: archive.get_tensor(n) for n in archive.keys()}
    content = json.loads(facts["facts"])
    if part == "moment":
        tensors["optimiser.0.exp_avg"] += 1
    elif part == "rate":
        content["optimiser"][0]["lr"] *= 2
    else:
        content["history"][0]["validation_loss"] /= 2
    save_file(tensors, file, metadata={"facts": json.dumps(content)})
    fresh = fresh_trainer()
    assert not checkpoint.restore_checkpoint(file, "this run", fresh) and not fresh.history


def chance_of_epochs(trainer, count, monkeypatch):
    """What the next epochs leave to chance: random numbers, and the order of the slices."""
    drawn = []

    def learn(_model, loader, *_others):
        drawn.append((torch.rand(4).tolist(), [*itertools.chain(*loader.batch_sampler)]))
        return {"loss": 1.0}

    monkeypatch.setattr("utils.training.loop.learn", learn)
    monkeypatch.setattr("utils.training.loop.measure", lambda *_: {"loss": 1.0})
    for _ in range(count):
        trainer.run_epoch()
    return drawn


def test_each_epoch_has_a_chance_of_its_own_that_a_restart_repeats(monkeypatch):
    unbroken = chance_of_epochs(fresh_trainer(), 3, monkeypatch)
    for draws in zip(*unbroken, strict=True):  # dropout and augmentation; order
        assert all(one != other for one, other in itertools.combinations(draws, 2))
    restarted = fresh_trainer()
    restarted.history = [{"epoch": 1, "validation_loss": 1.0}]
    torch.rand(5)  # chance that something else takes
    assert chance_of_epochs(restarted, 2, monkeypatch) == unbroken[1:]


def test_processes_differ_in_dropout_and_share_one_order(monkeypatch):
    alone = chance_of_epochs(fresh_trainer(), 1, monkeypatch)[0]
    second = fresh_trainer()
    monkeypatch.setattr("utils.training.loop.runtime.rank_and_count", lambda: (1, 2))
    theirs = chance_of_epochs(second, 1, monkeypatch)[0]
    assert theirs[0] != alone[0] and theirs[1] == alone[1]
