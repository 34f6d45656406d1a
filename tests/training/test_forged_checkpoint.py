"""Checkpoints whose checksum is right though no run has written them: refused in one sentence."""

import pytest
import torch
from kill_training import SETTINGS, sets

from utils.errors import InputError
from utils.training import checkpoint
from utils.training.loop import Trainer
from utils.training.weights import read_tensors, write_tensors
from utils.unet import build_unet


def fresh_trainer():
    return Trainer(build_unet(SETTINGS), SETTINGS, *sets())


@pytest.fixture(scope="module")
def trained():
    trainer = fresh_trainer()
    trainer.run_epoch()
    return trainer


def only(part):
    return lambda tensors, facts: [tensors.pop(n) for n in [*tensors] if n.startswith(part)]


def first(part, change):
    def forge(tensors, facts):
        name = next(name for name in tensors if name.startswith(part))
        tensors[name] = change(tensors[name])

    return forge


def setting(*path):
    """Forge one of the facts: a path of names and numbers, then its value."""

    def forge(tensors, facts):
        *names, last, value = path
        for name in names:
            facts = facts[name]
        facts[last] = value

    return forge


FORGED = {
    "weights of another type": first("model.first", torch.Tensor.double),
    "kept weights of another type": first("kept.first", torch.Tensor.half),
    "weights that are no numbers": first("model.first", lambda tensor: tensor * float("nan")),
    "weights of no dimension": first("model.first", lambda tensor: tensor.mean()),
    "more weights": lambda tensors, facts: tensors.update({"model.more": torch.zeros(2)}),
    "no kept weights": only("kept."),
    "no moments": only("optimiser."),
    "a moment too few": only("optimiser.0.exp_avg_sq"),
    "moments that are whole": first("optimiser.0.exp_avg", torch.Tensor.int),
    "moments that are no numbers": first("optimiser.0.exp_avg", lambda t: t * float("inf")),
    "a moment of no dimension": first("optimiser.0.exp_avg", lambda tensor: tensor.mean()),
    "a moment of another form": first("optimiser.0.exp_avg", lambda tensor: tensor[..., :1]),
    "more epochs than there are": lambda tensors, facts: facts.update(
        history=[facts["history"][0] | {"epoch": k} for k in range(1, SETTINGS.epochs + 2)]
    ),
    "epochs out of order": setting("history", 0, "epoch", 2),
    "a rate in words": setting("optimiser", 0, "lr", "fast"),
    "other parameters": setting("optimiser", 0, "params", [0]),
    "no schedule": setting("schedule", {}),
    "a schedule beyond its end": setting("schedule", "last_epoch", 10**9),
    "a schedule in words": setting("schedule", "last_epoch", "3"),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_checkpoint_is_refused_in_one_sentence(trained, tmp_path, forge):
    file = tmp_path / "c.safetensors"
    checkpoint.save_checkpoint(file, "this run", trained)
    tensors, facts = read_tensors(file)
    forge(tensors, facts)
    write_tensors(file, tensors, facts)
    with pytest.raises(InputError, match=r"c\.safetensors is no checkpoint of this run") as caught:
        checkpoint.restore_checkpoint(file, "this run", fresh_trainer())
    assert "Delete it and start again" in str(caught.value) and "\n" not in str(caught.value)
