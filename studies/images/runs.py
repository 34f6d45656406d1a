"""Training runs on sets of pictures: where they lie, their data sets, their predictions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from studies.images.dataset import ImageDataset, unsquare
from studies.images.labels import matrices
from studies.images.pairs import Picture, image_folder
from utils.dataset import Split
from utils.inference import logits_of
from utils.overlap import predicted_labels
from utils.settings import Settings
from utils.unet import UNet
from utils.workspace import derived_of


def image_run_folder(dataset: Path | str, name: str) -> Path:
    """Folder of a run on an image set: `data/<its name>/derived/runs/<name>`, in the workspace."""
    return derived_of(image_folder(dataset).name) / "runs" / name


def image_datasets(
    pictures: Iterable[Picture], split: Split, size: int
) -> tuple[ImageDataset, ...]:
    """The three parts of a split as ImageDatasets: (train, validation, test)."""
    by_name = {picture.name: picture for picture in pictures}
    return tuple(
        ImageDataset([by_name[name] for name in part], size)
        for part in (split.train, split.validation, split.test)
    )


@torch.inference_mode()
def predict_labels(model: nn.Module, dataset: ImageDataset, batch_size: int = 16) -> torch.Tensor:
    """Class of each pixel of every picture, uint8 [n, rows, cols], at the network's size."""
    device, labels = next(model.parameters()).device, []
    for start in range(0, len(dataset), batch_size):
        indices = list(range(start, min(start + batch_size, len(dataset))))
        images, _ = dataset.__getitems__(indices)
        logits = model(images.to(device, memory_format=torch.channels_last))
        labels.append(predicted_labels(logits)[:, 0].to("cpu", torch.uint8))
    return torch.cat(labels)


@torch.inference_mode()
def picture_masks(
    model: nn.Module, pictures: Sequence[Picture], settings: Settings
) -> list[np.ndarray]:
    """Where each picture has its class 1, bool of its own shape; for networks of one map."""
    device, masks = next(model.parameters()).device, []
    for picture in pictures:
        images = ImageDataset([picture], settings.image_size).images[:, None].to(device)
        logits = unsquare(logits_of(model, images, settings)[0], picture.image.shape)
        masks.append((logits[0] > 0).cpu().numpy())
    return masks


def confusion_of(model: UNet, dataset: ImageDataset) -> torch.Tensor:
    """Confusion matrix of each picture of a data set, int64 [n, classes, classes]."""
    classes = max(model.last.out_channels, 2)
    return matrices(predict_labels(model, dataset), dataset.truth, classes)
