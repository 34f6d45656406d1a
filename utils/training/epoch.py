"""Once through a loader: learning or measuring, and the metrics of the epoch."""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from utils.augment import augment
from utils.overlap import dice, iou, predicted_labels, share
from utils.runtime import mixed_precision, rank_and_count, summed_over_processes
from utils.settings import Settings


def learn(
    model: nn.Module,
    loader: DataLoader,
    loss: nn.Module,
    optimiser: Optimizer,
    settings: Settings,
    after_step: Callable[[], None] | None = None,
) -> dict[str, float]:
    """Take one optimiser step for each batch; returns the epoch's metrics as `measure` does.

    The weights change under the metrics, slices are augmented and dropout is on, so training
    metrics run a little behind validation metrics. after_step : called without arguments.
    """
    model.train()
    device, rows = next(model.parameters()).device, []
    for images, truths in on_device(loader, device, "train"):
        images, truths = augment(images, truths, settings)
        optimiser.zero_grad()
        with mixed_precision(device):
            logits = model(images)
        value = loss(logits, truths)
        value.backward()
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()
        if after_step:
            after_step()
        rows.append(batch_sums(value.detach(), logits.detach(), truths))
    return epoch_means(rows, device)


@torch.no_grad()
def measure(model: nn.Module, loader: DataLoader, loss: nn.Module) -> dict[str, float]:
    """Mean loss over slices, accuracy over pixels, mean DSC; see `batch_sums`. Learns nothing."""
    model.eval()
    device, rows = next(model.parameters()).device, []
    for images, truths in on_device(loader, device, "validate"):
        with mixed_precision(device):
            logits = model(images)
        rows.append(batch_sums(loss(logits, truths), logits, truths))
    return epoch_means(rows, device)


def on_device(loader, device, label):
    """The batches of a loader, on the device, under the first process's progress bar."""
    for images, truths in tqdm(loader, desc=label, leave=False, disable=rank_and_count()[0] > 0):
        images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
        yield images, truths.to(device, non_blocking=True)


def batch_sums(value, logits, truths):
    """What a batch adds to its epoch's metrics; float32 [5 + 3 classes], left on the device.

    Sums over slices of: loss, slices, binary accuracy, DSC, and how many DSC were summed; then the
    pixels that are right, predicted and true of every class, the background among them.
    DSC (`overlap.dice`) is taken for each slice and class that the slice's truth holds: of lung for
    one map of logits, of every class with the background for several. An absent class scores
    nothing here, found or not. Truths that are shares of a pixel are rounded.
    """
    predicted, truths = predicted_labels(logits), truths.round().long()
    score, scored, pixels = torch.zeros_like(value), torch.zeros_like(value), []
    for label in range(max(2, logits.shape[1])):
        p, t = (predicted == label).flatten(1), (truths == label).flatten(1)
        sizes = (p & t).sum(1), p.sum(1), t.sum(1)
        pixels += [size.sum() for size in sizes]
        if label or logits.shape[1] > 1:
            score += dice(*sizes).where(sizes[2] > 0, 0).sum()
            scored += (sizes[2] > 0).sum()
    n = len(truths)
    right = (predicted == truths).flatten(1).float().mean(1).sum()
    sums = (value * n, torch.full_like(value, n), right, score, scored, *pixels)
    return torch.stack([each.float() for each in sums])


def epoch_means(rows, device=None):
    """The metrics of an epoch from its batches' sums, those of all processes; waits for them.

    iou : mean over classes, the background among them, over all pixels (`overlap.iou`).
    NaN each where there was no slice: a split without validation patients.
    """
    totals = torch.stack(rows).cpu().double().sum(0).tolist() if rows else [0.0] * 11
    loss, slices, right, score, scored, *pixels = summed_over_processes(totals, device)
    means = share([loss, right, score], [slices, slices, scored]).tolist()
    means.append(iou(*torch.tensor(pixels).view(-1, 3).T).nanmean().item())
    return dict(zip(("loss", "accuracy", "dsc", "iou"), means, strict=True))
