"""Checkpoints: everything that a training run needs to go on after it was killed.

One safetensors file, renamed into place after each epoch: tensors by name, and in its header
JSON for what is not a tensor, and a checksum of both. Nothing is ever unpickled. No state of a
random generator is kept, because every epoch seeds its own from the settings' seed and its number.
"""

import torch
from safetensors import SafetensorError

from utils.errors import refused
from utils.training.weights import read_tensors, write_tensors
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
    """Put the contents of a checkpoint into a trainer."""
    trainer.history = facts["history"]
    trainer.model.load_state_dict(_below("model.", tensors))
    parameters = [p for group in trainer.optimiser.param_groups for p in group["params"]]
    moments = {}
    for name, tensor in _below("optimiser.", tensors).items():
        number, key = name.split(".")
        like = parameters[int(number)]
        if tensor.shape == like.shape:
            # moments lie in memory as their parameter does, or the last digits would differ
            tensor = torch.empty_like(like, device="cpu").copy_(tensor)
        moments.setdefault(int(number), {})[key] = tensor
    trainer.optimiser.load_state_dict({"state": moments, "param_groups": facts["optimiser"]})
    trainer.schedule.inner.load_state_dict(facts["schedule"])
    trainer.kept_weights = _below("kept.", tensors)


def _below(prefix, tensors):
    """The tensors whose name starts with prefix, which is taken off."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
