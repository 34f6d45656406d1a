"""Weights as safetensors, a format that holds numbers only and cannot run code."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from utils.errors import InputError
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
    _fill(model, _read(weights_file), weights_file)
    # torch's hints of Module.to know no memory_format
    return model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def begin_with(model, weights_file):
    """Fill a model with the weights of another run, its last layer only if the classes agree.

    Raises InputError when the file is missing, damaged or of another network.
    """
    weights, own = _read(weights_file), model.state_dict()
    for name in ("last.weight", "last.bias"):
        if name in weights and weights[name].shape != own[name].shape:
            weights[name] = own[name]
    _fill(model, weights, weights_file)


def _read(weights_file):
    """All tensors of a file by name."""
    try:
        with safe_open(weights_file, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise _refusal(weights_file, error) from error


def _fill(model, weights, weights_file):
    """Load a state dict that came from a file."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _refusal(weights_file, error) from error


def _refusal(weights_file, error):
    """The error for a file that cannot be used."""
    first_line = str(error).splitlines()[0]
    return InputError(
        f"{shown(weights_file)} does not hold the weights of this U-Net ({first_line}). "
        "Train the run again (notebook 03); the file was left as it is."
    )
