"""The training loop: epochs, metrics as they come, the best weights kept, a run written down."""

import json
import math
import time
import zlib

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torchmetrics.classification import BinaryAccuracy
from tqdm.auto import tqdm

from utils.dataset import Split, batches
from utils.errors import InputError
from utils.evaluation import dsc
from utils.losses import CombinedLoss, scaled_threshold
from utils.settings import from_json, to_json
from utils.unet import build_unet
from utils.workspace import shown, write_json, written_whole


def best_device():
    """The accelerator when torch finds one, otherwise the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def run_fingerprint(settings, split, train_set, validation_set):
    """What a finished run was made from, as text: equal text, equal result on one machine."""
    pixels = 0
    for dataset in (train_set, validation_set):
        for tensor in (dataset.hu, dataset.truth):
            pixels = zlib.crc32(tensor.numpy(), pixels)
    return json.dumps(
        {"settings": to_json(settings), "split": split.__dict__, "pixels": f"{pixels:08x}"}
    )


def train(settings, split, train_set, validation_set, run_folder):
    """Train a U-Net, or take the finished run when it was made from exactly the same things.

    Writes `settings.json`, `split.json`, `history.csv` (after each epoch) and, last,
    `model.safetensors`, the weights of the epoch with the lowest validation loss.
    Returns (model in evaluation mode, history as a DataFrame, one row an epoch).
    """
    fingerprint = run_fingerprint(settings, split, train_set, validation_set)
    if _made_from(run_folder / "model.safetensors") == fingerprint:
        print(f"{shown(run_folder)} is trained already on the same data and settings.")
        model, *_ = load_run(run_folder)
        return model, pd.read_csv(run_folder / "history.csv")

    (run_folder / "model.safetensors").unlink(missing_ok=True)  # it belongs to an older run
    with written_whole(run_folder / "settings.json") as temporary:
        temporary.write_text(to_json(settings))
    write_json(run_folder / "split.json", split.__dict__)

    device = best_device()
    model = build_unet(settings).to(device, memory_format=torch.channels_last)
    loader = batches(train_set, settings.batch_size, shuffle=True, seed=settings.seed)
    validation_loader = batches(validation_set, settings.batch_size)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * len(loader)
    )
    threshold = scaled_threshold(settings.dsc_threshold, settings.image_size, settings.image_size)
    loss = CombinedLoss(settings.beta, threshold)

    history, best_loss, best_weights = [], math.inf, None
    for epoch in range(1, settings.epochs + 1):
        start = time.perf_counter()
        training = run_epoch(model, loader, loss, optimiser, schedule)
        validation = run_epoch(model, validation_loader, loss)
        row = {"epoch": epoch}
        row |= {f"train_{name}": value for name, value in training.items()}
        row |= {f"validation_{name}": value for name, value in validation.items()}
        row["seconds"] = time.perf_counter() - start
        history.append(row)
        print(describe_epoch(row, settings.epochs), flush=True)
        if not math.isfinite(training["loss"] + validation["loss"]):
            raise InputError(
                f"The loss became {training['loss']} in epoch {epoch}: training has diverged. "
                f"Try a learning rate below {settings.learning_rate:g}. No weights were written."
            )
        if validation["loss"] < best_loss:
            best_loss = validation["loss"]
            best_weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        with written_whole(run_folder / "history.csv") as temporary:
            pd.DataFrame(history).to_csv(temporary, index=False)

    model.load_state_dict(best_weights)
    with written_whole(run_folder / "model.safetensors") as temporary:
        weights = {name: tensor.contiguous() for name, tensor in best_weights.items()}
        save_file(weights, temporary, metadata={"made_from": fingerprint})
    return model.eval(), pd.DataFrame(history)


def run_epoch(model, loader, loss, optimiser=None, schedule=None):
    """Go once through a loader: learning when an optimiser is given, measuring otherwise.

    Returns the mean loss over slices, the binary accuracy over pixels and the mean DSC over
    the slices whose truth holds lung. While learning, the weights change under the metrics
    and dropout is on, so training metrics run a little behind validation metrics.
    """
    learning = optimiser is not None
    model.train(learning)
    device = next(model.parameters()).device
    accuracy = BinaryAccuracy().to(device)
    total_loss, slices, scores = 0.0, 0, []
    with torch.set_grad_enabled(learning):
        for images, truths in tqdm(loader, desc="train" if learning else "validate", leave=False):
            images = images.to(device, memory_format=torch.channels_last)
            truths = truths.to(device)
            logits = model(images)
            value = loss(logits, truths)
            if learning:
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                schedule.step()
            predictions = logits.detach() > 0  # a logit of 0 is a probability of 0.5
            accuracy.update(predictions, truths.int())
            scores.append(dsc(predictions[:, 0], truths[:, 0] > 0)[truths.flatten(1).any(1)])
            total_loss += value.item() * len(images)
            slices += len(images)
    return {
        "loss": total_loss / slices,
        "accuracy": accuracy.compute().item(),
        "dsc": torch.cat(scores).mean().item(),
    }


def describe_epoch(row, epochs):
    """One line for a row of the history."""
    parts = [
        f"{name} loss {row[f'{name}_loss']:.4f} accuracy {row[f'{name}_accuracy']:.4f} "
        f"DSC {row[f'{name}_dsc']:.3f}"
        for name in ("train", "validation")
    ]
    return f"epoch {row['epoch']:2d}/{epochs}: {' | '.join(parts)} | {row['seconds']:.0f} s"


def load_run(run_folder):
    """Read a finished run: (model in evaluation mode, settings, split).

    Raises InputError when the run is missing, damaged or does not fit its settings; weights
    are safetensors, a format that holds numbers only and cannot run code.
    """
    weights_file = run_folder / "model.safetensors"
    if not weights_file.exists():
        raise InputError(f"{shown(run_folder)} holds no trained model. Run notebook 03 first.")
    settings = from_json((run_folder / "settings.json").read_text())
    split = json.loads((run_folder / "split.json").read_text())
    split = Split(**{part: tuple(names) for part, names in split.items()})
    model = load_weights(build_unet(settings), weights_file)
    return model.to(best_device()), settings, split


def load_weights(model, weights_file):
    """Fill a model with weights from a safetensors file; returns it in evaluation mode."""
    try:
        with safe_open(weights_file, framework="pt") as file:
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})
    except (SafetensorError, RuntimeError, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(
            f"{shown(weights_file)} does not hold the weights of this U-Net ({first_line}). "
            "Train the run again (notebook 03); the file was left as it is."
        ) from error
    return model.to(memory_format=torch.channels_last).eval()


def _made_from(weights_file):
    """The fingerprint stored in a weights file; None when there is none or it is damaged."""
    try:
        with safe_open(weights_file, framework="pt") as file:
            return (file.metadata() or {}).get("made_from")
    except (SafetensorError, OSError):
        return None
