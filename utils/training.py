"""The training loop: epochs, metrics as they come, the best weights kept, a run written down."""

import json
import math
import time
import zlib

import numpy as np
import pandas as pd
import torch

from utils import checkpoint, losses
from utils.dataset import Split, batches
from utils.epoch import learn, measure
from utils.errors import InputError
from utils.optimisation import Schedule, build_optimiser
from utils.settings import from_json, to_json
from utils.unet import build_unet
from utils.weights import begin_with, load_weights, made_from, save_weights
from utils.workspace import shown, write_json, written_whole

# Mean loss at which training is called exploding: an untrained network has about 1
EXPLODED = 10


def best_device():
    """The accelerator when torch finds one, otherwise the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def run_fingerprint(settings, split, train_set, validation_set, start_from=None):
    """What a run is made from, as text: equal text, equal result on one machine."""
    pixels = 0
    for dataset in (train_set, validation_set):
        for start in range(0, len(dataset), 16):
            indices = list(range(start, min(start + 16, len(dataset))))
            for tensor in dataset.__getitems__(indices):
                pixels = zlib.crc32(tensor.cpu().contiguous().numpy(), pixels)
    parts = {"settings": to_json(settings), "split": split.__dict__, "pixels": f"{pixels:08x}"}
    if start_from is not None:
        parts["start_from"] = f"{zlib.crc32(start_from.read_bytes()):08x}"
    return json.dumps(parts)


def train(settings, split, train_set, validation_set, run_folder, start_from=None, on_epoch=None):
    """Train a U-Net; go on with it where it was killed; or take the finished run as it is.

    train_set, validation_set : any data set with `__len__` and `__getitems__`, which returns
    (images float32 [n, 1, h, w], truths [n, 1, h, w] of labels 0, 1 …). start_from : weights
    file of another run to begin with. on_epoch : called after each epoch with the history.

    Writes `settings.json`, `split.json`, after each epoch `checkpoint.safetensors` and
    `history.csv`, at last `last.safetensors` and `model.safetensors`, the weights of the last
    epoch and of that with the lowest validation loss. A run made from other things is replaced.
    Returns (model in evaluation mode, history as a DataFrame, one row an epoch). Raises
    InputError when the loss diverges.
    """
    fingerprint = run_fingerprint(settings, split, train_set, validation_set, start_from)
    if made_from(run_folder / "model.safetensors") == fingerprint:
        print(f"{shown(run_folder)} is trained already on the same data and settings.")
        model, *_ = load_run(run_folder)
        return model, pd.read_csv(run_folder / "history.csv")

    model = build_unet(settings)
    if start_from is not None:
        begin_with(model, start_from)
    model = model.to(best_device(), memory_format=torch.channels_last)
    loader = batches(train_set, settings.batch_size, shuffle=True, seed=settings.seed)
    validation_loader = batches(validation_set, settings.batch_size)
    optimiser = build_optimiser(model.parameters(), settings)
    schedule = Schedule(optimiser, settings, len(loader))
    loss = losses.from_settings(settings)

    state = (model, optimiser, schedule)
    kept = checkpoint.restore(run_folder / "checkpoint.safetensors", fingerprint, *state)
    if kept is None:
        _begin_run(run_folder, settings, split)
    else:
        print(f"{shown(run_folder)}: going on after epoch {len(kept[1])}.")
    best_weights, history = kept or ({}, [])

    while len(history) < settings.epochs and not has_stalled(history, settings.early_stopping):
        start, epoch = time.perf_counter(), len(history) + 1
        seed_epoch(loader, settings.seed, epoch)
        row = {"epoch": epoch, "learning_rate": optimiser.param_groups[0]["lr"]}
        training = learn(model, loader, loss, optimiser, settings, schedule.after_step)
        validation = measure(model, validation_loader, loss)
        row |= {f"train_{name}": value for name, value in training.items()}
        row |= {f"validation_{name}": value for name, value in validation.items()}
        history.append(row | {"seconds": time.perf_counter() - start})
        print(describe_epoch(history[-1], settings.epochs), flush=True)
        stop_if_diverged(history[-1], settings)
        schedule.after_epoch(validation["loss"])
        if best_epoch(history) == epoch:
            best_weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        checkpoint.save(
            run_folder / "checkpoint.safetensors", fingerprint, *state, best_weights, history
        )
        with written_whole(run_folder / "history.csv") as temporary:
            pd.DataFrame(history).to_csv(temporary, index=False)
        if on_epoch:
            on_epoch(pd.DataFrame(history))

    with written_whole(run_folder / "history.csv") as temporary:
        pd.DataFrame(history).to_csv(temporary, index=False)
    save_weights(run_folder / "last.safetensors", model.state_dict(), fingerprint)
    save_weights(run_folder / "model.safetensors", best_weights, fingerprint)
    (run_folder / "checkpoint.safetensors").unlink(missing_ok=True)
    model.load_state_dict(best_weights)
    return model.eval(), pd.DataFrame(history)


def seed_epoch(loader, seed, epoch):
    """Decide everything that is left to chance in an epoch: order, dropout, augmentation.

    An epoch's chance depends on its number alone and not on what ran before it, so a run that
    was killed goes on as if nothing had happened.
    """
    loader.batch_sampler.epoch = epoch
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]))


def best_epoch(history):
    """Number of the epoch with the lowest validation loss, the earliest of equals."""
    return min(history, key=lambda row: row["validation_loss"])["epoch"]


def has_stalled(history, patience):
    """Whether the validation loss has found no new low for `patience` epochs; never for 0."""
    return bool(patience and history) and len(history) - best_epoch(history) >= patience


def stop_if_diverged(row, settings):
    """Raise InputError when losses are not finite or far above those of an untrained network."""
    finite = math.isfinite(row["train_loss"] + row["validation_loss"])
    if finite and row["train_loss"] < EXPLODED:
        return
    raise InputError(
        f"Training has diverged in epoch {row['epoch']}: the training loss is "
        f"{row['train_loss']:.3g}, the validation loss {row['validation_loss']:.3g}. "
        f"Try a learning rate below {settings.learning_rate:g}, such as "
        f"{settings.learning_rate / 10:g}, or clip_norm=1. The weights of this epoch were not kept."
    )


def describe_epoch(row, epochs):
    """One line for a row of the history."""
    parts = [
        f"{name} loss {row[f'{name}_loss']:.4f} accuracy {row[f'{name}_accuracy']:.4f} "
        f"DSC {row[f'{name}_dsc']:.3f}"
        for name in ("train", "validation")
    ]
    return f"epoch {row['epoch']:2d}/{epochs}: {' | '.join(parts)} | {row['seconds']:.0f} s"


def _begin_run(run_folder, settings, split):
    """Write what a new run is made from; take away what an older one left."""
    for name in ("model", "last", "checkpoint"):
        (run_folder / f"{name}.safetensors").unlink(missing_ok=True)
    (run_folder / "history.csv").unlink(missing_ok=True)
    with written_whole(run_folder / "settings.json") as temporary:
        temporary.write_text(to_json(settings))
    write_json(run_folder / "split.json", split.__dict__)


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
