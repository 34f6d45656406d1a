"""Training from start to end: a run's files and its restart."""

import io
import json
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from utils.alignment import load_aligned
from utils.dataset import BatchSource, SliceDataset, Split, split_cases
from utils.errors import InputError, refused
from utils.records import check, read_record, text_of
from utils.runtime import best_device, first_process_first, rank_and_count, wait_for_all
from utils.settings import Settings, read_settings, settings_to_json
from utils.training.checkpoint import restore_checkpoint, save_checkpoint
from utils.training.loop import Trainer, blindness, describe_epoch, refusal
from utils.training.weights import begin_with, facts_of, load_weights, save_weights, trained_as
from utils.unet import build_unet
from utils.workspace import locked, shown, write_json, write_table, written_whole

AGAIN = "Train the run again (notebook 03)."


def run_fingerprint(
    settings: Settings,
    split: Split,
    train_set: BatchSource,
    validation_set: BatchSource,
    start_from: Path | None = None,
) -> str:
    """What a run is made from, as text: equal text, equal result on one machine."""
    pixels = 0
    for dataset in (train_set, validation_set):
        for start in range(0, len(dataset), 16):
            indices = list(range(start, min(start + 16, len(dataset))))
            for tensor in dataset.__getitems__(indices):
                pixels = zlib.crc32(tensor.cpu().contiguous().numpy().data, pixels)
    parts = {"settings": settings_to_json(settings), "split": split.__dict__}
    parts["pixels"] = f"{pixels:08x}"
    if start_from is not None:
        parts["start_from"] = f"{zlib.crc32(start_from.read_bytes()):08x}"
    return json.dumps(parts)


def train(
    settings: Settings,
    split: Split,
    train_set: BatchSource,
    validation_set: BatchSource,
    run_folder: Path,
    start_from: Path | None = None,
    on_epoch: Callable[[pd.DataFrame], None] | None = None,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a U-Net; go on with it where it was killed; or take the finished run as it is.

    train_set, validation_set : any data set with `__len__` and `__getitems__`, which returns
    (images float32 [n, 1, h, w], truths [n, 1, h, w] of labels 0, 1 …). start_from : weights
    file of another run to begin with. on_epoch : called after each epoch with the history.

    Writes `settings.json`, `split.json`, after each epoch `checkpoint.safetensors` and
    `history.csv`, at last `last.safetensors` and `model.safetensors`, the weights of the last
    epoch and those that are kept (`Trainer.finished_model`). A run made from other things, or
    damaged, is replaced. Returns (model in evaluation mode, history as a DataFrame, one row an
    epoch). Raises InputError when the loss diverges, and where nothing can be written.
    """
    fingerprint = run_fingerprint(settings, split, train_set, validation_set, start_from)
    writes = rank_and_count()[0] == 0  # of several processes the first alone
    with locked(run_folder) if writes else nullcontext():
        wait_for_all()  # until the folder is the first one's
        same = facts_of(run_folder / "model.safetensors").get("made_from") == fingerprint
        if same and (finished := _finished(run_folder, settings, split, writes)):
            return finished
        model = build_unet(settings)
        if start_from is not None:
            begin_with(model, start_from)
        trainer = Trainer(model, settings, train_set, validation_set)
        resumed = restore_checkpoint(run_folder / "checkpoint.safetensors", fingerprint, trainer)
        wait_for_all()  # until every process has read what the first one is about to change
        if writes:
            _begin_run(run_folder, settings, split, trainer, resumed)
        _run_epochs(run_folder, fingerprint, trainer, writes, on_epoch)
        if writes:
            _end_run(run_folder, fingerprint, trainer)
    return trainer.finished_model(), pd.DataFrame(trainer.history)


def _finished(run_folder, settings, split, writes):
    """(model, history) of a run made from the same; None when weights or history are unfit."""
    if writes:  # what was lost beside the weights
        _describe(run_folder, settings, split)
    wait_for_all()
    try:
        model, history = load_run(run_folder)[0], _history(run_folder)
    except InputError as fault:
        print(f"{fault} That is done now.", flush=True)
        return None
    if writes:
        (run_folder / "checkpoint.safetensors").unlink(missing_ok=True)
        print(f"{shown(run_folder)} is trained already on the same data and settings.")
    return model, history


def _history(run_folder):
    """The history of a run as a DataFrame; InputError if its weights keep another, or none fits."""
    file, weights = run_folder / "history.csv", run_folder / "model.safetensors"
    with refused(f"{shown(file)} is missing, damaged or of another run", AGAIN):
        text = "\n".join(line[:2000] for line in text_of(file).split("\n"))  # columns take minutes
        table = pd.read_csv(io.StringIO(text), nrows=100_001)
        rows = table.to_dict("records")
        check(rows, "history")
        kept = pd.DataFrame(facts_of(weights).get("history", rows))
        columns = list(kept.columns.drop("seconds", errors="ignore"))
        if not np.allclose(table[columns], kept[columns], rtol=1e-12, equal_nan=True):
            raise ValueError("its weights keep another")
    return table


def _run_epochs(run_folder, fingerprint, trainer, writes, on_epoch):
    """Every epoch that is left; after each the checkpoint, the history, and a line."""
    first = len(trainer.history) + 1
    while not trainer.is_over():
        trainer.run_epoch()
        if writes:
            print(describe_epoch(trainer.history[-1], trainer.settings.epochs), flush=True)
            if warning := blindness(trainer.history, trainer.settings):
                print(warning, flush=True)
            save_checkpoint(run_folder / "checkpoint.safetensors", fingerprint, trainer)
            history = pd.DataFrame(trainer.history)
            write_table(run_folder / "history.csv", history)
            if on_epoch:
                on_epoch(history)
        if len(trainer.history) == first:
            trainer.compile_if_it_pays()


def _begin_run(run_folder, settings, split, trainer, resumed):
    """Write what a new run is made from and take away what an older one left, unless it goes on."""
    if resumed:
        print(f"{shown(run_folder)}: going on after epoch {len(trainer.history)}.", flush=True)
    _describe(run_folder, settings, split)  # first: on a full disk the older one stays
    if not resumed:
        for name in ("model.safetensors", "last.safetensors", "checkpoint.safetensors"):
            (run_folder / name).unlink(missing_ok=True)
        (run_folder / "history.csv").unlink(missing_ok=True)


def _describe(run_folder, settings, split):
    """Write what a run is made from."""
    with written_whole(run_folder / "settings.json") as temporary:
        temporary.write_text(settings_to_json(settings), "utf-8")
    write_json(run_folder / "split.json", split.__dict__)


def _end_run(run_folder, fingerprint, trainer):
    """Write the weights; those named `model`, written last, say that the run is finished."""
    history = trainer.history
    save_weights(run_folder / "last.safetensors", trainer.model.state_dict(), fingerprint)
    write_table(run_folder / "history.csv", pd.DataFrame(history))
    save_weights(run_folder / "model.safetensors", trainer.kept_weights, fingerprint, history)
    (run_folder / "checkpoint.safetensors").unlink(missing_ok=True)


def load_run(run_folder: Path) -> tuple[nn.Module, Settings, Split]:
    """Read a finished run: (model in evaluation mode, settings, split).

    Raises InputError when the run is missing or damaged, or its settings, split or history are
    not those with which its weights were trained.
    """
    names = "model.safetensors", "settings.json", "split.json", "history.csv"
    files = [run_folder / name for name in names]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise refusal("no model", shown(run_folder), ", no ".join(missing))
    weights_file, settings_file, split_file, _ = files
    settings, split = read_settings(settings_file), read_record(split_file, "split", AGAIN)
    model = load_weights(build_unet(settings), weights_file, settings)
    if trained_as(facts_of(weights_file), split=split)["split"] != split:
        raise refusal("another split", shown(split_file))
    _history(run_folder)
    return model.to(best_device()), settings, Split(**{n: tuple(v) for n, v in split.items()})


def train_dataset(dataset: Path | str, settings: Settings, run_folder: Path) -> None:
    """Train on a data set as notebook 03 does, into `run_folder`.

    dataset : name or path, as in `utils.workspace.dataset_folder`. Masks must have passed
    notebook 02. run_folder : see `utils.workspace.run_folder`.
    """
    with first_process_first():  # the others find the volumes in the cache
        _, pairs = load_aligned(dataset)
    split = split_cases(pairs, settings.seed, settings.split)
    train_set, validation_set = (
        SliceDataset(pairs, names, settings) for names in (split.train, split.validation)
    )
    train(settings, split, train_set, validation_set, run_folder)
