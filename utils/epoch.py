"""Once through a loader: learning or measuring, and the metrics of the epoch."""

import torch
from tqdm.auto import tqdm

from utils.augment import augment


def learn(model, loader, loss, optimiser, settings, after_step=None):
    """Take one optimiser step for each batch; returns the epoch's metrics as `measure` does.

    The weights change under the metrics, slices are augmented and dropout is on, so training
    metrics run a little behind validation metrics. after_step : called without arguments.
    """
    model.train()
    rows = []
    for images, truths in _on_device(loader, model, "train"):
        images, truths = augment(images, truths, settings)
        optimiser.zero_grad()
        logits = model(images)
        value = loss(logits, truths)
        value.backward()
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()
        if after_step:
            after_step()
        rows.append(batch_sums(value.detach(), logits.detach(), truths))
    return means(rows)


@torch.no_grad()
def measure(model, loader, loss):
    """Mean loss over slices, accuracy over pixels, mean DSC; see `batch_sums`. Learns nothing."""
    model.eval()
    rows = []
    for images, truths in _on_device(loader, model, "validate"):
        logits = model(images)
        rows.append(batch_sums(loss(logits, truths), logits, truths))
    return means(rows)


def _on_device(loader, model, label):
    """The batches of a loader, on the model's device, under a progress bar."""
    device = next(model.parameters()).device
    for images, truths in tqdm(loader, desc=label, leave=False):
        images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
        yield images, truths.to(device, non_blocking=True)


def predicted_labels(logits):
    """Labels [n, 1, h, w]: 0 or 1 from one map of logits, the likeliest class from several."""
    if logits.shape[1] == 1:
        return (logits > 0).long()  # a logit of 0 is a probability of 0.5
    return logits.argmax(1, keepdim=True)


def batch_sums(value, logits, truths):
    """What a batch adds to its epoch's metrics; float32 [5], left on the device.

    Sums over slices of: loss, slices, binary accuracy, DSC, and how many DSC were summed.
    DSC (Dice 1945) is taken for each slice and class that the slice's truth holds: of lung for
    one map of logits, of every class with the background for several. An absent class scores
    nothing here, found or not. Truths that are shares of a pixel are rounded.
    """
    predicted, truths = predicted_labels(logits), truths.round().long()
    classes = range(1, 2) if logits.shape[1] == 1 else range(logits.shape[1])
    score, scored = torch.zeros_like(value), torch.zeros_like(value)
    for label in classes:
        p, t = (predicted == label).flatten(1), (truths == label).flatten(1)
        held = t.any(1)
        dsc = 2 * (p & t).sum(1) / (p.sum(1) + t.sum(1)).clamp(min=1)
        score += (dsc * held).sum()
        scored += held.sum()
    n = len(truths)
    right = (predicted == truths).flatten(1).float().mean(1).sum()
    return torch.stack([value * n, torch.full_like(value, n), right, score, scored]).float()


def means(rows):
    """The metrics of an epoch from the sums of its batches; the device is waited for here."""
    loss, slices, right, score, scored = torch.stack(rows).cpu().double().sum(0).tolist()
    return {
        "loss": loss / slices,
        "accuracy": right / slices,
        "dsc": score / scored if scored else float("nan"),
    }
