"""Weights as safetensors, a format that holds numbers only and cannot run code."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from utils.errors import refused
from utils.workspace import shown, written_whole


def save_weights(file: Path, weights: dict[str, torch.Tensor], fingerprint: str) -> None:
    """Write a state dict, whole or not at all, with the text that tells what it was made from."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with written_whole(file) as temporary:
        save_file(weights, temporary, metadata={"made_from": fingerprint})


def made_from(weights_file):
    """The fingerprint stored in a weights file; None when there is none or it is damaged."""
    try:
        with safe_open(weights_file, framework="pt") as file:
            return (file.metadata() or {}).get("made_from")
    except (SafetensorError, OSError):
        return None


def load_weights(model: nn.Module, weights_file: Path) -> nn.Module:
    """Fill a model with weights from a safetensors file; returns it in evaluation mode.

    Raises InputError when the file is missing, damaged or of another network.
    """
    with _of_this_network(weights_file):
        model.load_state_dict(_read(weights_file))
    # torch's hints of Module.to know no memory_format
    return model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def begin_with(model, weights_file):
    """Fill a model with the weights of another run, its last layer only if the classes agree.

    Raises InputError when the file is missing, damaged or of another network.
    """
    with _of_this_network(weights_file):
        weights, own = _read(weights_file), model.state_dict()
        for name in ("last.weight", "last.bias"):
            if name in weights and weights[name].shape != own[name].shape:
                weights[name] = own[name]
        model.load_state_dict(weights)


def _read(weights_file):
    """All tensors of a file by name."""
    with safe_open(weights_file, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def _of_this_network(weights_file):
    """Refuses, within a with block, a file that cannot be used."""
    found = f"{shown(weights_file)} does not hold the weights of this U-Net"
    advice = "Train the run again (notebook 03); the file was left as it is."
    return refused(found, advice, (SafetensorError, OSError, RuntimeError))
