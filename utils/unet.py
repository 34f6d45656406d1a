"""The U-Net of Ronneberger, Fischer and Brox (2015, arXiv:1505.04597), small and padded."""

from itertools import pairwise

import torch
from torch import nn

from utils.settings import Settings


class ConvBlock(nn.Sequential):
    """Twice: 3x3 convolution, batch normalisation, ReLU. [n, c_in, h, w] -> [n, c_out, h, w]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(
            # batch normalisation brings its own shift, so the convolution needs no bias
            nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Down(nn.Sequential):
    """Halve the resolution, drop out, convolve. [n, c_in, h, w] -> [n, c_out, h/2, w/2]."""

    def __init__(self, c_in: int, c_out: int, dropout: float) -> None:
        super().__init__(nn.MaxPool2d(2), nn.Dropout(dropout), ConvBlock(c_in, c_out))


class Up(nn.Module):
    """Double the resolution, join the skip connection, convolve."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(c_in, c_out, 2, stride=2)
        self.convolve = ConvBlock(2 * c_out, c_out)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """x [n, c_in, h, w] and skip [n, c_out, 2h, 2w] -> [n, c_out, 2h, 2w]."""
        return self.convolve(torch.cat([skip, self.upsample(x)], dim=1))


class UNet(nn.Module):
    """Image in, one map of logits for each class out; sigmoid or softmax belong to the loss.

    With width 16 and four levels it is the network of the coursework: 16-32-64-128 channels.
    Channels double from level to level until they are `widest`, if that is not 0. Rows and
    columns must be divisible by 2**(levels - 1).
    """

    def __init__(
        self,
        width: int = 16,
        levels: int = 4,
        dropout: float = 0.5,
        classes: int = 1,
        widest: int = 0,
    ) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(levels)]
        channels = [min(count, widest or count) for count in channels]
        self.first = ConvBlock(1, channels[0])
        self.down = nn.ModuleList(
            Down(above, below, dropout) for above, below in pairwise(channels)
        )
        self.up = nn.ModuleList(Up(below, above) for below, above in pairwise(reversed(channels)))
        self.last = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [n, 1, h, w] -> logits [n, classes, h, w]."""
        skips = [self.first(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop())
        return self.last(x)


def build_unet(settings: Settings) -> UNet:
    """The U-Net that these settings describe, its weights drawn from the settings' seed."""
    torch.manual_seed(settings.seed)
    s = settings
    return UNet(s.width, s.levels, s.dropout, s.classes, s.widest)


@torch.inference_mode()
def layer_table(model: nn.Module, image_size: int) -> list[tuple[str, str, tuple[int, ...], int]]:
    """What happens to one image on its way through the network.

    Returns rows (name, kind, output shape, parameters), one for each block in the order in
    which the blocks run, found by running the model rather than by reading its code.
    """
    rows = []

    def note(name):
        def hook(module, _inputs, output):
            count = sum(p.numel() for p in module.parameters())
            rows.append((name, type(module).__name__, tuple(output.shape[1:]), count))

        return hook

    blocks = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, ConvBlock | nn.MaxPool2d | nn.Dropout | nn.ConvTranspose2d)
        or name == "last"
    }
    handles = [module.register_forward_hook(note(name)) for name, module in blocks.items()]
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()(torch.zeros(1, 1, image_size, image_size, device=device))
    model.train(was_training)
    for handle in handles:
        handle.remove()
    return rows
