"""Checkpoints: everything that a training run needs to go on after it was killed.

One safetensors file, renamed into place after each epoch: tensors by name, and in its header
JSON for what is not a tensor. Nothing is ever unpickled. No state of a random generator is
kept, because every epoch seeds its own from the settings' seed and its number.
"""

import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from utils.workspace import written_whole


def save(file, fingerprint, model, optimiser, schedule, best_weights, progress):
    """Write a checkpoint, whole or not at all.

    fingerprint : text that tells the run. best_weights : state dict. progress : what JSON can
    hold, such as the history of the epochs so far.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best_weights.items()}
    state = optimiser.state_dict()
    for number, values in state["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
    facts = {
        "fingerprint": fingerprint,
        "groups": state["param_groups"],
        "schedule": schedule.inner.state_dict(),
        "progress": progress,
    }
    header = {name: json.dumps(value) for name, value in facts.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_whole(file) as temporary:
        save_file(tensors, temporary, metadata=header)


def restore(file, fingerprint, model, optimiser, schedule):
    """Put model, optimiser and schedule back to where `save` found them.

    Returns (best weights, progress), or None, with everything as it was, when there is no
    checkpoint, it belongs to another run, or it is damaged.
    """
    try:
        with safe_open(file, framework="pt") as archive:
            facts = {name: json.loads(text) for name, text in archive.metadata().items()}
            if facts["fingerprint"] != fingerprint:
                return None
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}
    except (OSError, SafetensorError, ValueError, AttributeError, KeyError):
        return None
    model.load_state_dict(_below("model.", tensors))
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state = {}
    for name, tensor in _below("optimiser.", tensors).items():
        number, key = name.split(".")
        like = parameters[int(number)]
        # moments lie in memory as their parameter does, or the last digits would differ
        if tensor.shape == like.shape:
            tensor = torch.empty_like(like, device="cpu").copy_(tensor)
        state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": facts["groups"]})
    schedule.inner.load_state_dict(facts["schedule"])
    return _below("best.", tensors), facts["progress"]


def _below(prefix, tensors):
    """The tensors whose name starts with prefix, which is taken off."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
