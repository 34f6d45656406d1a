"""A training run under way: what changes from epoch to epoch, and when it has to stop."""

import math
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from utils import losses, runtime
from utils.dataset import BatchSource, batches
from utils.errors import refusals
from utils.settings import Settings
from utils.training.epoch import learn, measure
from utils.training.optimiser import Schedule, build_optimiser

# Mean loss at which training is called exploding: an untrained network has about 1
EXPLODED = 10

# Mean DSC of training slices below which the network calls everything background
BLIND = 0.05
refusal = refusals(__file__)


class Trainer:
    """Model, optimiser, schedule and loaders of a run, and how far it has come.

    model : the network as it begins, any that takes [n, 1, h, w]. history : a dict for each epoch
    so far. kept_weights : on the CPU, those of the epoch with the lowest validation loss, or of the
    last one (`Settings.keep`). The data sets are those of `training.train`.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        train_set: BatchSource,
        validation_set: BatchSource,
    ) -> None:
        chosen_by_loss = settings.keep == "best" or settings.early_stopping
        if not len(validation_set) and (chosen_by_loss or settings.schedule == "plateau"):
            raise refusal("no validation", settings.split)
        runtime.keep_freed_memory()
        self.settings = settings
        self.device = runtime.best_device()
        # torch's hints of Module.to know no memory_format
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learner = runtime.parallel_model(self.model, self.device)
        self.loss = losses.loss_from_settings(settings)
        self.loader = batches(
            resident(train_set, self.device), settings.batch_size, shuffle=True, seed=settings.seed
        )
        self.validation = batches(resident(validation_set, self.device), settings.batch_size)
        self.history: list[dict[str, Any]] = []
        self.kept_weights: dict[str, torch.Tensor] = {}
        self.optimiser = build_optimiser(self.model.parameters(), settings)
        self.schedule = Schedule(self.optimiser, settings, len(self.loader))

    def is_over(self) -> bool:
        """Whether the last epoch was run or validation has stalled for too long."""
        stalled = has_stalled(self.history, self.settings.early_stopping)
        return stalled or len(self.history) >= self.settings.epochs

    def run_epoch(self) -> None:
        """Learn from every training slice once, measure, and add a row to the history.

        Raises InputError when the loss has diverged.
        """
        start, epoch = time.perf_counter(), len(self.history) + 1
        self._seed(epoch)
        row = {"epoch": epoch, "learning_rate": self.optimiser.param_groups[0]["lr"]}
        how = self.loss, self.optimiser, self.settings, self.schedule.after_step
        learnt = learn(self.learner, self.loader, *how)
        measured = measure(self.model, self.validation, self.loss)
        row |= {f"train_{name}": value for name, value in learnt.items()}
        row |= {f"validation_{name}": value for name, value in measured.items()}
        row["seconds"] = time.perf_counter() - start
        stop_if_diverged(row, self.settings)
        self.history.append(row)
        self.schedule.after_epoch(row["validation_loss"])
        if self.settings.keep == "last" or best_epoch(self.history) == epoch:
            weights = self.model.state_dict().items()
            self.kept_weights = {name: value.detach().cpu().clone() for name, value in weights}

    def finished_model(self) -> nn.Module:
        """The model with the weights that are kept, in evaluation mode."""
        self.model.load_state_dict(self.kept_weights)
        return self.model.eval()

    def compile_if_it_pays(self) -> None:
        """Compile the model when the last epoch's duration says that the rest will win by it."""
        left = self.settings.epochs - len(self.history)
        if runtime.pays_to_compile(self.device, self.history[-1]["seconds"], left):
            self.model.compile()

    def _seed(self, epoch):
        """Decide everything that is left to chance in an epoch: order, dropout, augmentation.

        An epoch's chance depends on its number alone and not on what ran before it, so a run
        that was killed goes on as if nothing had happened.
        """
        self.loader.batch_sampler.epoch = epoch
        chance = np.random.SeedSequence([self.settings.seed, epoch, runtime.rank_and_count()[0]])
        torch.manual_seed(int(chance.generate_state(1, np.uint64)[0]))


def resident(dataset, device):
    """The data set on the device when it can be moved there and fits, otherwise as it is."""
    if hasattr(dataset, "to") and runtime.has_room(device, dataset.nbytes):
        return dataset.to(device)
    return dataset


def best_epoch(history):
    """Number of the epoch with the lowest validation loss, the earliest of equals."""
    return min(history, key=lambda row: row["validation_loss"])["epoch"]


def has_stalled(history, patience):
    """Whether the validation loss has found no new low for `patience` epochs; never for 0."""
    return bool(patience and history) and len(history) - best_epoch(history) >= patience


def stop_if_diverged(row, settings):
    """Raise InputError when losses are not finite or far above those of an untrained network."""
    seen = [row["train_loss"]]
    if not math.isnan(row.get("validation_accuracy", 1)):  # NaN where nobody validates
        seen.append(row["validation_loss"])
    if all(map(math.isfinite, seen)) and row["train_loss"] < EXPLODED:
        return
    rate, reached = settings.learning_rate, [row["train_loss"], row["validation_loss"]]
    raise refusal("diverged", row["epoch"], *reached, rate, rate / 10)


def blindness(history, settings):
    """A sentence when the last two epochs, but not yet three, found no lung; otherwise None.

    What too high a learning rate does to a network with batch normalisation: no activation can
    grow without bound, so the loss does not explode but stays where nothing is found. That may
    pass, so nothing is stopped.
    """
    blind = [row["train_dsc"] < BLIND for row in history[-3:]]
    if blind[-2:] != [True, True] or (len(blind) == 3 and blind[0]):
        return None
    last, rate = history[-1], settings.learning_rate
    return str(
        refusal("blind", last["epoch"] - 1, last["epoch"], last["train_dsc"], rate, rate / 10)
    )


def describe_epoch(row, epochs):
    """One line for a row of the history."""
    parts = [
        f"{name} loss {row[f'{name}_loss']:.4f} accuracy {row[f'{name}_accuracy']:.4f} "
        f"DSC {row[f'{name}_dsc']:.3f}"
        for name in ("train", "validation")
        if not math.isnan(row[f"{name}_accuracy"])  # nobody validates
    ]
    return f"epoch {row['epoch']:2d}/{epochs}: {' | '.join(parts)} | {row['seconds']:.0f} s"
