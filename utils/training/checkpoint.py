"""Checkpoints: everything that a training run needs to go on after it was killed.

One safetensors file, renamed into place after each epoch: tensors by name, and in its header
JSON for what is not a tensor. Nothing is ever unpickled. No state of a random generator is
kept, because every epoch seeds its own from the settings' seed and its number.
"""

import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from utils.errors import refused
from utils.workspace import shown, written_whole


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
    header = {name: json.dumps(value) for name, value in facts.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_whole(file) as temporary:
        save_file(tensors, temporary, metadata=header)


def restore_checkpoint(file, fingerprint, trainer):
    """Put a new trainer to where `save_checkpoint` found another; returns whether that was done.

    Not when there is no checkpoint, it belongs to another run, or it cannot be read: the
    trainer then stays as it was. Raises InputError for one that can be read but does not fit.
    """
    try:
        with safe_open(file, framework="pt") as archive:
            facts = {name: json.loads(text) for name, text in archive.metadata().items()}
            if facts["fingerprint"] != fingerprint:
                return False
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}
    except (OSError, SafetensorError, ValueError, AttributeError, KeyError):
        return False
    found = f"{shown(file)} is no checkpoint of this run, although it says so"
    damage = (RuntimeError, ValueError, KeyError, IndexError, TypeError)
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
