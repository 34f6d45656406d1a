"""Checkpoints: everything that a training run needs to go on after it was killed.

One safetensors file, renamed into place after each epoch: tensors by name, and in its header
JSON for what is not a tensor, and a checksum of both. Nothing is ever unpickled. No state of a
random generator is kept, because every epoch seeds its own from the settings' seed and its number.
"""

import json
import re

import torch
from safetensors import SafetensorError

from utils.errors import refused
from utils.records import check
from utils.training.weights import read_tensors, sound, write_tensors
from utils.workspace import shown


def save_checkpoint(file, fingerprint, trainer):
    """Write where a trainer has come to, whole or not at all. fingerprint : text of the run."""
    tensors = {f"model.{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    tensors |= {f"kept.{name}": tensor for name, tensor in trainer.kept_weights.items()}
    optimiser = trainer.optimiser.state_dict()
    for number, moments in optimiser["state"].items():
        tensors |= {f"optimiser.{number}.{name}": tensor for name, tensor in moments.items()}
    facts = {
        "fingerprint": fingerprint,
        "history": trainer.history,
        "optimiser": optimiser["param_groups"],
        "schedule": trainer.schedule.inner.state_dict(),
    }
    write_tensors(file, tensors, facts)


def restore_checkpoint(file, fingerprint, trainer):
    """Put a new trainer to where `save_checkpoint` found another; returns whether that was done.

    Not when there is no checkpoint, it belongs to another run, or it is damaged: the trainer
    then stays as it was. Raises InputError for one that is whole but does not fit.
    """
    try:
        tensors, facts = read_tensors(file)
    except (OSError, SafetensorError, RuntimeError, ValueError):
        return False
    if facts.get("fingerprint") != fingerprint:
        return False
    found = f"{shown(file)} is no checkpoint of this run, although it says so"
    damage = (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError)
    with refused(found, "Delete it and start again; nothing was written.", damage):
        _fill(trainer, facts, tensors)
    return True


def _fill(trainer, facts, tensors):
    """Put the contents of a checkpoint into a trainer; ValueError for what none has written."""
    optimiser, schedule = trainer.optimiser, trainer.schedule.inner
    check(facts["history"], "history")
    epochs = [row["epoch"] for row in facts["history"]]
    own = optimiser.state_dict()["param_groups"], schedule.state_dict()
    found = facts["optimiser"], facts["schedule"]
    steps = found[1]["last_epoch"]
    fits = epochs == [*range(1, len(epochs) + 1)] and len(epochs) <= trainer.settings.epochs
    if not fits or _form(found) != _form(own) or steps > found[1].get("total_steps", steps):
        raise ValueError("its epochs, optimiser or schedule are those of another run")
    trainer.kept_weights = sound(_below("kept.", tensors), trainer.model)
    trainer.model.load_state_dict(trainer.kept_weights)  # to see that they are all there
    trainer.model.load_state_dict(sound(_below("model.", tensors), trainer.model))
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    moments = {number: {} for number in range(len(parameters))}
    for name, tensor in sound(_below("optimiser.", tensors), None).items():
        number, key = name.split(".")
        like = parameters[int(number)]
        if key != "step":
            # moments lie in memory as their parameter does, or the last digits would differ
            tensor = torch.empty_like(like, device="cpu").copy_(tensor.view(like.shape))
        moments[int(number)][key] = tensor
    if len({tuple(sorted(each)) for each in moments.values()}) != 1 or not moments[0]:
        raise ValueError("moments of the optimiser are missing")
    optimiser.load_state_dict({"state": moments, "param_groups": facts["optimiser"]})
    schedule.load_state_dict(facts["schedule"])
    trainer.history = facts["history"]


def _form(value):
    """What JSON makes of a value, with 0 for each number."""
    return re.sub(r"-?[\d.]+(e[+-]?\d+)?|-?Infinity|NaN", "0", json.dumps(value))


def _below(prefix, tensors):
    """The tensors whose name starts with prefix, which is taken off."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
