"""Weights as safetensors, a format that holds numbers only and cannot run code."""

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from utils.errors import refused
from utils.records import parsed
from utils.settings import Settings, settings_from_json, settings_to_json
from utils.workspace import shown, written_whole


def save_weights(
    file: Path, weights: dict[str, torch.Tensor], fingerprint: str, history: list[Any] | None = None
) -> None:
    """Write a state dict, whole or not at all, with the text that tells what it was made from.

    history : of the training, kept beside the weights but for the seconds that it took.
    """
    facts: dict[str, Any] = {"made_from": fingerprint}
    if history:
        facts["history"] = [{n: v for n, v in row.items() if n != "seconds"} for row in history]
    write_tensors(file, weights, facts)


def write_tensors(file, tensors, facts):
    """Write tensors by name, and what JSON holds, with a checksum of both; whole or not at all.

    All facts are one text: safetensors keeps several in no order, and equal runs are equal bytes.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    facts = facts | {"checksum": _checksum(tensors, facts)}
    with written_whole(file) as temporary:
        try:
            save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})
        except SafetensorError as error:  # a full disk, which that library does not call so
            raise OSError(str(error)) from error


def read_tensors(file):
    """(tensors by name, facts) of a file of `write_tensors`; of another's without a checksum.

    Raises ValueError, OSError, RuntimeError or SafetensorError for a file that is damaged.
    """
    with safe_open(file, framework="pt") as archive:
        facts = archive.metadata() or {}
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}
    if "facts" in facts:
        facts = parsed(facts["facts"], "facts")
        if facts.pop("checksum") != _checksum(tensors, facts):
            raise ValueError("its checksum is another than that of its content")
    return tensors, facts


def _checksum(tensors, facts):
    """CRC-32 of tensors and facts, as text."""
    checksum = zlib.crc32(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        told = f"{name} {tensor.dtype} {list(tensor.shape)}".encode()
        content = tensor.flatten().view(torch.uint8).numpy()
        checksum = zlib.crc32(content.data, zlib.crc32(told, checksum))
    return f"{checksum:08x}"


def facts_of(weights_file):
    """The texts kept in a weights file; none when there is no such file or it is damaged."""
    try:
        return read_tensors(weights_file)[1]
    except (SafetensorError, OSError, ValueError, RuntimeError):
        return {}


def trained_as(facts, settings=None, split=None):
    """What weights say of their run; these settings and split where they say nothing."""
    try:
        return parsed(facts["made_from"], "made_from")
    except (ValueError, KeyError):  # of another's weights, or of those that a script has averaged
        return {"settings": settings and settings_to_json(settings), "split": split}


def load_weights(
    model: nn.Module, weights_file: Path, settings: Settings | None = None
) -> nn.Module:
    """Fill a model with weights from a safetensors file; returns it in evaluation mode.

    Raises InputError when the file is missing, damaged, of another network, or says that it was
    trained with other settings than these.
    """
    with _of_this_network(weights_file):
        weights, facts = read_tensors(weights_file)
        if settings and settings_from_json(trained_as(facts, settings)["settings"]) != settings:
            raise ValueError("they were trained with other settings than settings.json holds")
        model.load_state_dict(sound(weights, model))
    # torch's hints of Module.to know no memory_format
    return model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def begin_with(model, weights_file):
    """Fill a model with the weights of another run, its last layer only if the classes agree.

    Raises InputError when the file is missing, damaged or of another network.
    """
    with _of_this_network(weights_file):
        weights, own = read_tensors(weights_file)[0], model.state_dict()
        for name in ("last.weight", "last.bias"):
            if name in weights and weights[name].shape != own[name].shape:
                weights[name] = own[name]
        model.load_state_dict(sound(weights, model))


def sound(weights, model):
    """Weights whose types are the model's own, of finite values and variances not below 0.

    model : None for other tensors, which are float32.
    """
    own = model.state_dict() if model else {}
    for name, tensor in weights.items():
        kind = own[name].dtype if name in own else torch.float32
        if tensor.dtype != kind:
            raise ValueError(f"{name} is of {tensor.dtype}, expected {kind}")
        below = name.endswith(("running_var", "num_batches_tracked")) and (tensor < 0).any()
        if below or not tensor.isfinite().all():
            raise ValueError(f"{name} has values that are not finite, or variances below 0")
    return weights


def _of_this_network(weights_file):
    """Refuses, within a with block, a file that cannot be used."""
    found = f"{shown(weights_file)} does not hold the weights of this U-Net"
    advice = "Train the run again (notebook 03); the file was left as it is."
    return refused(found, advice, (SafetensorError, OSError, RuntimeError, ValueError))
