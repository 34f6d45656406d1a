"""The network sees millimetres: from a scan's grid to pixels of one size, and back.

A structure has the same number of pixels in every scan, whatever field of view was chosen at the
scanner. Nothing is squeezed: what a scan does not fill is air, what is too wide is cropped (for
training alone). Each way is a matrix for the rows and one for the columns, exact in millimetres.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from utils.anatomy import body_mask, bounding_box
from utils.errors import InputError
from utils.settings import Settings

AIR = -1000.0  # HU; what lies around a scan


@dataclasses.dataclass(frozen=True)
class Grid:
    """The network's pixels on the slices of one scan; each field is (row, column)."""

    count: tuple[int, ...]  # pixels of the network
    pixel: tuple[float, ...]  # mm
    start: tuple[float, ...]  # mm from the scan's first edge to the grid's, below 0 when padded
    scan_count: tuple[int, ...]  # pixels of the scan
    scan_pixel: tuple[float, ...]  # mm

    def to_network(self, slices: torch.Tensor, around: float) -> torch.Tensor:
        """Slices on the network's grid, `around` where there is no scan; float32.

        slices : tensor [n, rows, cols]. Larger pixels are means over area, the honest way down:
        every voxel counts, and noise falls as it should.
        """
        there = self.count, self.pixel, self.start, self.scan_count, self.scan_pixel
        return _resampled(slices.float() - around, *there) + around

    def to_scan(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of the network brought back to the scan's grid, linearly between centres; float32.

        maps : tensor [n, rows, cols] of `count`, on any device.
        """
        start = tuple(-s for s in self.start)
        back = self.scan_count, self.scan_pixel, start, self.count, self.pixel
        return _resampled(maps.float(), *back)


def _resampled(maps: torch.Tensor, *pairs) -> torch.Tensor:
    """Maps [n, rows, cols] resampled by the weights of each axis, the one that shrinks first.

    pairs : the arguments of `axis_weights`, each as (row, column).
    """
    rows, cols = (
        torch.from_numpy(axis_weights(*axis)).to(maps.device) for axis in zip(*pairs, strict=True)
    )
    if len(rows) < maps.shape[1]:
        return _few_rows(rows, maps) @ cols.T
    return _few_rows(rows, maps @ cols.T)


def _few_rows(weights, maps):
    """weights @ maps where nearly all weights are 0: the few rows that count, one after another."""
    counts = weights != 0
    first, result = counts.int().argmax(1), 0
    for step in range(int(counts.sum(1).max())):
        at = (first + step).clamp(max=maps.shape[1] - 1)
        new = (first + step == at)[:, None]  # not the last row a second time
        result = result + weights.gather(1, at[:, None]) * new * maps[:, at]
    return result


def axis_weights(
    count_to: int, size_to: float, start: float, count_from: int, size_from: float
) -> np.ndarray:
    """Weights by which pixels along one axis become pixels of another size; [count_to, count_from].

    Pixel i of the result reaches from start + i · size_to to start + (i + 1) · size_to, in mm from
    the first edge of the old ones. It takes the mean of what it covers, or, where it is smaller
    than they are, what lies at its centre when values run linearly from centre to centre. Nothing
    has weight beyond the ends. Returns float32; a row sums to the share that lies on old pixels.
    """
    left = start + size_to * np.arange(count_to)[:, None]
    edges = size_from * np.arange(count_from)
    if size_to >= size_from:
        covered = np.minimum(left + size_to, edges + size_from) - np.maximum(left, edges)
        return (covered.clip(0) / size_to).astype(np.float32)
    at = (left + size_to / 2) / size_from - 0.5
    inside = (at > -0.5) & (at < count_from - 0.5)
    at = at.clip(0, count_from - 1)  # half a pixel beyond the outermost centres
    return ((1 - abs(at - np.arange(count_from))).clip(0) * inside).astype(np.float32)


def whole_grid(shape: Sequence[int], spacing: Sequence[float], settings: Settings) -> Grid:
    """The grid that takes in whole slices, for prediction: never cropped, never squeezed.

    shape : (slices, rows, cols) and spacing : (slice, row, col) mm of the scan. At least
    `image_size` pixels, as in training, and as many as the U-Net can halve; the scan lies in the
    middle, its first edge on an edge of the grid's pixels. Of `pixel_size` 0, see `_squeezed`.
    """
    size = settings.pixel_size
    if size == 0:
        return _squeezed(shape, settings)
    sides = np.multiply(shape[1:], spacing[1:])
    step = 2 ** (settings.levels - 1)
    least = [max(settings.image_size, math.ceil(side / size - 1e-6)) for side in sides]
    count = tuple(step * math.ceil(pixels / step) for pixels in least)
    start = tuple(_on_edge(each / 2, size) for each in sides - np.multiply(count, size))
    return Grid(count, (size, size), start, tuple(shape[1:]), tuple(spacing[1:]))


def _squeezed(shape, settings):
    """The whole slice in the network's square, whatever its field of view; in pixels of the scan.

    Right as long as all scans have the same field of view, and wrong in silence where they do not:
    cropped to half the field, a lung looks twice as large to the network.
    """
    count, scan = (settings.image_size,) * 2, tuple(shape[1:])
    return Grid(count, (scan[0] / count[0], scan[1] / count[1]), (0.0, 0.0), scan, (1.0, 1.0))


def _on_edge(start, size):
    """The nearest whole number of pixels: a scan of the same pixels then passes unblurred."""
    return size * round(start / size)


def square_grid(
    name: str, hu: np.ndarray, mask: np.ndarray, spacing: Sequence[float], settings: Settings
) -> Grid:
    """The square that training sees: `image_size` pixels of `pixel_size` mm.

    A scan that is smaller lies in the middle. A larger one is cropped round the middle of the
    body, moved as far as the lungs of the mask need. Raises InputError when they do not fit. Of
    `pixel_size` 0, see `_squeezed`.
    """
    size, side = settings.pixel_size, settings.image_size * settings.pixel_size
    if size == 0:
        return _squeezed(hu.shape, settings)
    if size < 0:
        raise InputError(f"pixel_size is {size:g} mm, expected 0 or more (utils/settings.py).")
    starts = []
    for axis in (1, 2):
        scan = hu.shape[axis] * spacing[axis]
        start = (scan - side) / 2
        if scan > side:
            start = _cropped(name, axis, hu, mask, spacing, side, settings)
        starts.append(_on_edge(start, size))
    count = (settings.image_size, settings.image_size)
    return Grid(count, (size, size), tuple(starts), tuple(hu.shape[1:]), tuple(spacing[1:]))


def _cropped(name, axis, hu, mask, spacing, side, settings):
    """Where a square of `side` mm begins on one axis of a scan that is larger."""
    scan, size = hu.shape[axis] * spacing[axis], spacing[axis]
    body = bounding_box(body_mask(hu, spacing), margin=0)
    middle = scan / 2 if body is None else (body[axis].start + body[axis].stop) * size / 2
    start = min(max(middle - side / 2, 0), scan - side)
    lungs = bounding_box(mask, margin=0)
    if lungs is None:
        return start
    one = settings.pixel_size  # to spare on either side
    first, last = lungs[axis].start * size - one, lungs[axis].stop * size + one
    if last - first > side:
        raise InputError(
            f"{name}: the lungs measure {last - first - 2 * one:.0f} mm along axis {axis}; with a "
            f"pixel on either side that is {last - first - side:.0f} mm more than the square of "
            f"{side:g} mm that the network sees in training. Choose a larger image_size or "
            "pixel_size (utils/settings.py)."
        )
    return min(max(start, last - side), first)
