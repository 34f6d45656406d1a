"""What training minimises: cross-entropy, soft Dice, and their weighted sum."""

import torch
from torch import nn
from torch.nn import functional as F

from utils.errors import InputError
from utils.overlap import scaled_threshold
from utils.settings import Settings

EPSILON = 1e-6  # ε of the formulas: an empty map that is found empty scores 1


def soft_dice(
    probabilities: torch.Tensor,
    truth: torch.Tensor,
    dsc_threshold: float = 0.0,
    squared: bool = True,
) -> torch.Tensor:
    """Dice similarity of probabilities with a binary truth, slice by slice.

        DSC = (2 Σ p y + ε) / (Σ p² + Σ y² + ε)

    with squares under the fraction line, which *sum* (Milletari et al. 2016,
    arXiv:1606.04797); printed as a product in some reports, it would not reach 1. Without
    `squared` it is Σ p + Σ y: the same for 0 and 1, but a pixel at ½ then weighs twice as much.

    probabilities, truth : [n, 1, h, w]. dsc_threshold : px. Where the truth is empty, Dice
    jumps from 1 to 0 with the first false pixel; a slice with an empty truth and Σ p below
    the threshold therefore scores 1 (with no gradient).
    Returns float32 [n]; sums are taken in float32, since half precision loses digits there.
    """
    p = probabilities.float().flatten(1)
    y = truth.float().flatten(1)
    overlap = (p * y).sum(1)
    sizes = (p * p).sum(1) + (y * y).sum(1) if squared else p.sum(1) + y.sum(1)
    dice = (2 * overlap + EPSILON) / (sizes + EPSILON)
    practically_empty = (y.sum(1) == 0) & (p.sum(1) < dsc_threshold)
    return torch.where(practically_empty, torch.ones_like(dice), dice)


class CombinedLoss(nn.Module):
    """β · BCE + (1 − β) · (1 − DSC), the loss of the first report (its equation 4).

    beta : weight of the cross-entropy, 0 to 1; 1 is plain BCE, 0 plain soft Dice.
    dsc_threshold : px at the size of the images that the loss is given; see `soft_dice`, also
    for `squared`.
    """

    def __init__(self, beta: float, dsc_threshold: float, squared: bool = True) -> None:
        super().__init__()
        self.beta = beta
        self.dsc_threshold = dsc_threshold
        self.squared = squared

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """logits, truth : [n, 1, h, w]. Returns a scalar, the mean over the batch."""
        logits = logits.float()
        truth = truth.float()
        bce = F.binary_cross_entropy_with_logits(logits, truth)
        p = torch.sigmoid(logits)
        dice = soft_dice(p, truth, self.dsc_threshold, squared=self.squared).mean()
        return self.beta * bce + (1 - self.beta) * (1 - dice)


class AdaptiveLoss(nn.Module):
    """Cross-entropy where a slice holds almost no lung, more and more Dice where it is full.

        L = mean over slices of β(a) · BCE + (1 − β(a)) · (1 − DSC),
        β(a) = β + (1 − β) · exp(−a / a₀)

    with a the share of the slice that is lung in the truth: the idea that both reports end on.
    On an empty slice β is 1: pure cross-entropy, which says of every false pixel how wrong it
    is, where Dice is 1 whatever is predicted and says nothing (its gradient is zero). On a
    sliver, Dice alone pulls at each pixel with a force that grows as 1/|T|; as 1 − β(a) falls
    with |T|, its pull stays below 2 (1 − β) / (a₀ N) for N pixels. On a full slice the
    loss is `CombinedLoss` with its β.

    beta : weight of the cross-entropy on a full slice, 0 to 1. a0 : share of the slice at which
    Dice has 63 % of its final weight; 0.02 is a lung of 46 x 46 mm on a 325 mm field of view,
    a tenth of what the widest slices hold.
    """

    def __init__(self, beta: float, a0: float = 0.02) -> None:
        super().__init__()
        self.beta = beta
        self.a0 = a0

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """logits, truth : [n, 1, h, w]. Returns a scalar, the mean over the batch."""
        logits, truth = logits.float(), truth.float()
        bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        beta = self.bce_weight(truth.flatten(1).mean(1))
        dice = soft_dice(torch.sigmoid(logits), truth)
        return (beta * bce.flatten(1).mean(1) + (1 - beta) * (1 - dice)).mean()

    def bce_weight(self, lung_share: torch.Tensor) -> torch.Tensor:
        """β(a) of slices whose share of lung is a; [n] -> [n]."""
        return self.beta + (1 - self.beta) * torch.exp(-lung_share / self.a0)


class LabelLoss(nn.Module):
    """β · CE + (1 − β) · (1 − mean DSC over slices and classes), for label maps.

    Dice takes each class as a binary map with the rest as its background, so that a small class
    weighs as much as a large one. dsc_threshold : as in CombinedLoss, for classes that a slice
    does not hold. two_sided : the Dice loss of `two_sided_dice` in place of `soft_dice`.
    """

    def __init__(self, beta: float, dsc_threshold: float = 0.0, two_sided: bool = False) -> None:
        super().__init__()
        self.beta = beta
        self.dsc_threshold = dsc_threshold
        self.two_sided = two_sided

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """logits [n, classes, h, w], labels [n, 1, h, w] of 0 … classes − 1. Returns a scalar."""
        logits, labels = logits.float(), labels[:, 0].long()
        entropy = F.cross_entropy(logits, labels)
        truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)
        # [n · classes, h, w]: every class of every slice as a binary map of its own
        maps = torch.softmax(logits, 1).flatten(0, 1), truth.flatten(0, 1)
        dice = two_sided_dice(*maps) if self.two_sided else soft_dice(*maps, self.dsc_threshold)
        return self.beta * entropy + (1 - self.beta) * (1 - dice.mean())


def two_sided_dice(probabilities: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Half the Dice of the structure plus half the Dice of everything else, map by map.

        (Σ p y + ε) / (Σ p + y + ε) + (Σ (1 − p)(1 − y) + ε) / (Σ 2 − p − y + ε)

    One minus this is DL2 of Sudre et al. 2017 (arXiv:1707.03237), written there for two
    classes: an empty truth still rewards an empty prediction, by its second half.
    probabilities, truth : [n, …]. Returns float32 [n].
    """
    p = probabilities.float().flatten(1)
    y = truth.float().flatten(1)
    inside = ((p * y).sum(1) + EPSILON) / ((p + y).sum(1) + EPSILON)
    outside = (((1 - p) * (1 - y)).sum(1) + EPSILON) / ((2 - p - y).sum(1) + EPSILON)
    return inside + outside


def loss_from_settings(settings: Settings) -> nn.Module:
    """The loss that these settings name: a module of (logits, truth), a scalar.

    `combined` is CombinedLoss, or LabelLoss when there are several classes; `combined_sum` takes
    Dice with plain sums under the fraction line; `adaptive` is AdaptiveLoss; `two_sided` is
    LabelLoss in its two-sided form. Raises InputError for any other name.
    """
    size = settings.image_size
    threshold = scaled_threshold(settings.dsc_threshold, size, size)
    binary = {
        "combined": lambda: CombinedLoss(settings.beta, threshold),
        "combined_sum": lambda: CombinedLoss(settings.beta, threshold, squared=False),
        "adaptive": lambda: AdaptiveLoss(settings.beta),
    }
    labels = {
        "combined": lambda: LabelLoss(settings.beta, threshold),
        "two_sided": lambda: LabelLoss(settings.beta, two_sided=True),
    }
    losses = labels if settings.classes > 1 else binary
    if settings.loss not in losses:
        raise InputError(
            f"There is no loss {settings.loss!r} for classes = {settings.classes}; "
            f"choose one of {', '.join(losses)}."
        )
    return losses[settings.loss]()
