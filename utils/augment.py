"""Augmentation: slices moved, brightened, blurred and cut, their lungs made ill, batch by batch.

Each slice of a batch draws its own change, all slices are changed in one operation, on the
device where they lie. Chance comes from torch's global generator, as for dropout.
"""

import math

import torch
from torch.nn import functional as F

from utils.settings import Settings


def augment(
    images: torch.Tensor, truths: torch.Tensor, settings: Settings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch at random within the bounds of the settings.

    images : float [n, 1, h, w], 0 to 1. truths : [n, 1, h, w]. Shares of a pixel (floats of one
    class) are moved along as the image is; label maps by taking the nearest pixel, so that no label
    appears between two others. What moves in from beyond the edge is mirrored, in both alike.
    Returns (images, truths), of the same dtypes; with `Settings.crop` of h and w as small as that.
    """
    if moves(settings):
        rows, cols = images.shape[2:]
        theta = random_maps(len(images), rows, cols, settings).to(images.device)
        shares = truths.is_floating_point() and settings.classes == 1
        truths = warp(truths, theta, "bilinear" if shares else "nearest")
        images = warp(images, theta, "bilinear")
    if settings.cut:
        images, truths = with_cut_field(images, truths, settings.cut)
    if settings.crop:
        images, truths = cropped(images, truths, settings.crop)
    if settings.lesions:
        images = with_lesions(images, truths, settings.lesions)
    if settings.blur:
        images = blur(images, settings.blur * torch.rand(len(images), device=images.device))
    if settings.brightness or settings.noise:
        each = (len(images), 1, 1, 1)
        change = settings.brightness * (2 * torch.rand(each, device=images.device) - 1)
        sigma = settings.noise * torch.rand(each, device=images.device)
        images = (images + change + sigma * torch.randn_like(images)).clamp(0, 1)
    return images, truths


def moves(settings: Settings) -> bool:
    """Whether these settings move pixels."""
    s = settings
    return any((s.flip_rows, s.flip_columns, s.rotate, s.shift, s.zoom, s.shear))


def random_maps(n: int, rows: int, cols: int, settings: Settings) -> torch.Tensor:
    """n affine maps from the place of a pixel in the result to its place in the original.

    Rotation, shear and zoom are taken about the centre in pixels, then written in the
    coordinates of `affine_grid`, -1 to 1 over each side. Returns float32 [n, 2, 3].
    """

    def between(bound):
        return bound * (2 * torch.rand(n) - 1)

    angle = between(math.radians(settings.rotate))
    slant = torch.tan(between(math.radians(settings.shear)))
    scale = 1 / (1 + between(settings.zoom))  # a zoom of 1.1 looks at 1/1.1 of the original
    flip_x = 1 - 2 * (torch.rand(n) < settings.flip_columns / 2).float()
    flip_y = 1 - 2 * (torch.rand(n) < settings.flip_rows / 2).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    # rotation · shear · flip, on vectors (x, y)
    matrix = torch.stack(
        [
            torch.stack([cos * flip_x, (cos * slant - sin) * flip_y], 1),
            torch.stack([sin * flip_x, (sin * slant + cos) * flip_y], 1),
        ],
        1,
    )
    sides = torch.tensor([cols, rows], dtype=torch.float32)
    matrix = matrix * sides[None, None, :] / sides[None, :, None]
    shift = 2 * torch.stack([between(settings.shift), between(settings.shift)], 1)
    theta = torch.cat([matrix, shift[:, :, None]], 2)
    theta[torch.rand(n) > settings.moved] = torch.eye(2, 3)
    return theta


def with_lesions(images: torch.Tensor, truths: torch.Tensor, share: float) -> torch.Tensor:
    """Some slices with emptier or denser lungs, and some with a bulla; all of it is lung.

    images, truths : float [n, 1, h, w]. Each of both is drawn for a `share` of the slices. Density
    changes by a factor of 0.5 to 2.7 above the window's lower end. A bulla is an ellipse within
    the lung, its half axes 4 to 25 px, nearly as dark as air.
    """
    n, device = len(images), images.device

    def drawn(low, high):
        return low + (high - low) * torch.rand(n, device=device)[:, None, None, None]

    factor = torch.exp(drawn(-0.7, 1)).where(drawn(0, 1) < share, torch.ones(()))
    changed = images * (1 + (factor - 1) * truths)
    centre = torch.multinomial(truths.flatten(1) + 1e-6, 1)[:, :, None, None]
    y = torch.arange(images.shape[2], device=device)[:, None] - centre // images.shape[3]
    x = torch.arange(images.shape[3], device=device) - centre % images.shape[3]
    angle, tall, wide = drawn(0, math.pi), drawn(4, 25), drawn(4, 25)
    along, across = y * angle.cos() + x * angle.sin(), x * angle.cos() - y * angle.sin()
    bulla = ((along / tall) ** 2 + (across / wide) ** 2 < 1) & (drawn(0, 1) < share)
    return torch.where(bulla, changed * (1 + (drawn(0, 0.4) - 1) * truths), changed).clamp(0, 1)


def with_cut_field(
    images: torch.Tensor, truths: torch.Tensor, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """A `share` of the slices in a narrower field of view: air beyond a square or a disc.

    images, truths : float [n, 1, h, w], both 0 beyond the field, which is 0.4 to 0.9 of the slice
    wide and lies up to an eighth of it off the centre: it may cut the body, and the lung.
    """
    n, (rows, cols), device = len(images), images.shape[2:], images.device

    def drawn(low, high):
        return (low + (high - low) * torch.rand(n, device=device))[:, None, None]

    y = (torch.arange(rows, device=device)[:, None] / rows - drawn(0.375, 0.625)).abs()
    x = (torch.arange(cols, device=device) / cols - drawn(0.375, 0.625)).abs()
    half = drawn(0.2, 0.45)
    square, disc = torch.maximum(y, x) < half, torch.hypot(y, x) < half
    seen = torch.where(drawn(0, 1) < 0.5, square, disc) | (drawn(0, 1) >= share)
    return images * seen[:, None], truths * seen[:, None]


def cropped(
    images: torch.Tensor, truths: torch.Tensor, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same square of `side` px, somewhere, out of all images and truths of a batch."""
    top, left = (int(torch.randint(max(1, n - side + 1), ())) for n in images.shape[2:])
    part = ..., slice(top, top + side), slice(left, left + side)
    return images[part], truths[part]


def warp(images: torch.Tensor, theta: torch.Tensor, mode: str) -> torch.Tensor:
    """Each image of a batch resampled by its own affine map; dtype and shape stay."""
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(
        images.float(), grid, mode=mode, padding_mode="reflection", align_corners=False
    )
    return moved.to(images.dtype)


def blur(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur; sigma : px, [n], one for each image, at most 3. Borders are replicated."""
    x = torch.arange(-9, 10, device=images.device)
    # a tenth of a pixel blurs nothing and keeps the exponent finite
    kernel = torch.exp(-(x**2) / (2 * sigma.clamp(min=0.1)[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None, None]  # [n, 1, 1, 19]
    stack = images.movedim(0, 1)  # [1, n, h, w]: a group of its own for each image
    stack = F.conv2d(F.pad(stack, (9, 9, 0, 0), "replicate"), kernel, groups=len(images))
    stack = F.pad(stack, (0, 0, 9, 9), "replicate")
    return F.conv2d(stack, kernel.mT, groups=len(images)).movedim(0, 1)
