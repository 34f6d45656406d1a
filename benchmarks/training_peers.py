"""The ways to train and to predict that benchmarks/training_speed.py times against each other.

Each is a model, a loss, an optimiser and a loader; all have the same width, depth, pixels and
batch, and learn from the same synthetic slices.
"""

from contextlib import nullcontext

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from utils.dataset import batches, to_unit_range
from utils.losses import CombinedLoss
from utils.runtime import mixed_precision
from utils.unet import UNet

WINDOW = (-1000.0, 400.0)


class Slices(Dataset):
    """Synthetic int16 slices with masks, gathered in batches as SliceDataset gathers them."""

    def __init__(self, count, size, device="cpu"):
        generator = torch.Generator().manual_seed(0)
        coarse = torch.randint(-1000, 400, (count, 8, 8), generator=generator, dtype=torch.int16)
        fine = coarse.repeat_interleave(size // 8, 1).repeat_interleave(size // 8, 2)
        self.hu = fine.to(device)
        self.truth = (fine < -500).to(device, torch.uint8)

    def __len__(self):
        return len(self.hu)

    def __getitems__(self, indices):
        images = to_unit_range(self.hu[indices], WINDOW)
        return images[:, None], self.truth[indices][:, None].float()


class Items(Slices):
    """The same slices as public repositories hand them out: one by one, from NumPy arrays."""

    __getitems__ = None

    def __init__(self, count, size):
        super().__init__(count, size)
        self.images, self.masks = self.hu.numpy(), self.truth.numpy()

    def __getitem__(self, i):
        image = (self.images[i].astype("float32") + 1000) / 1400
        image = torch.from_numpy(image.clip(0, 1)[None])
        return image, torch.from_numpy(self.masks[i].astype("float32")[None])


class PlainLoss(nn.Module):
    """Cross-entropy and Dice as most public repositories add them."""

    def forward(self, logits, truth):
        p = torch.sigmoid(logits)
        dice = 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
        return 0.5 * F.binary_cross_entropy_with_logits(logits, truth) + 0.5 * dice


class Way:
    """One way to train: what it is made of, and how it brings a batch to the device."""

    def __init__(self, name, model, loss, loader, device, channels_last=False, mixed=False):
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.name, self.loss, self.loader, self.device = name, loss, loader, device
        self.model = model.to(device, memory_format=layout)
        self.layout, self.mixed = layout, mixed
        self.optimiser = torch.optim.Adam(self.model.parameters(), 1e-3, fused=channels_last)

    def precision(self):
        """The context in which the model runs."""
        return mixed_precision(self.device) if self.mixed else nullcontext()

    def batch(self, loaded):
        """Images and truths on the device."""
        images, truths = loaded
        return images.to(self.device, memory_format=self.layout), truths.to(self.device)


def ours(size, width, batch_size, device):
    """channels_last, bfloat16 where it is fast, slices resident, batches gathered at once."""
    data = Slices(4 * batch_size, size, device)
    model = UNet(width, 4, 0.1)
    loader = batches(data, batch_size, shuffle=True)
    return Way("ours", model, CombinedLoss(0.5, 0), loader, device, channels_last=True, mixed=True)


def plain(size, width, batch_size, device):
    """float32, contiguous, one item after the other."""
    loader = DataLoader(Items(4 * batch_size, size), batch_size, shuffle=True)
    return Way("plain loop", UNet(width, 4, 0.1), PlainLoss(), loader, device)


def monai(size, width, batch_size, device):
    """MONAI's BasicUNet of the same widths; None where MONAI is not installed.

    BasicUNet has five levels; the fifth, which ours lacks, is as narrow as MONAI allows it to
    be without changing the four above, so it has a little more to do than ours.
    """
    try:
        from monai.networks.nets import BasicUNet
    except ImportError:
        return None
    features = (width, 2 * width, 4 * width, 8 * width, 8 * width, width)
    model = BasicUNet(2, 1, 1, features=features, norm="batch", dropout=0.1)
    loader = DataLoader(Items(4 * batch_size, size), batch_size, shuffle=True)
    return Way("MONAI BasicUNet", model, PlainLoss(), loader, device)


WAYS = (ours, plain, monai)
