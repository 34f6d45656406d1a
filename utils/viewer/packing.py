"""A Case made small for the road to the browser: deltas, deflated, a few slices at a time.

Each chunk holds two zlib streams (RFC 1950), which every browser inflates by itself:

- `hu`: values q with HU = q * step. Each row as differences from the voxel on its left (the first
  column: from the row above), zigzag-coded so that small differences of either sign are small
  numbers; all low bytes first, then all high bytes.
- `masks`: the truth's voxels as bits (first voxel = highest bit), then the prediction's.

CT noise leaves nothing for string matching to find, so zlib's run-length strategy packs it
tighter than the default one and several times as fast.
"""

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from utils.viewer.case import PLANES, refusal
from utils.viewer.drawing import OVERLAYS, WINDOWS
from utils.viewer.scores import DISAGREE, scores

SLICES = 8  # in a chunk: the browser decodes one between two repaints
CLIP = (-1100, 1500)  # HU kept when HU are rounded; beyond lie only padding and metal
STEPS = (1, 4, 8, 12, 16)  # HU; 1 is lossless, 16 is 4 % of the narrowest preset window


def pack(case, first, step=1):
    """Pack slices first … first + SLICES - 1 of a Case: (hu, masks) as bytes."""
    chunk = slice(first, first + SLICES)
    hu = case.hu[chunk]
    if step > 1:
        hu = np.rint(np.clip(hu, *CLIP) / np.float32(step)).astype(np.int16)
    delta = hu.copy()
    delta[:, :, 1:] -= hu[:, :, :-1]
    delta[:, 1:, 0] -= hu[:, :-1, 0]
    zigzag = ((delta << 1) ^ (delta >> 15)).view(np.uint16)
    low, high = zigzag.astype(np.uint8), (zigzag >> 8).astype(np.uint8)
    given = [mask for mask in (case.truth, case.prediction) if mask is not None]
    return _deflate(low, high), _deflate(*(np.packbits(mask[chunk]) for mask in given))


def _deflate(*arrays):
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return b"".join(packer.compress(array) for array in arrays) + packer.flush()


def chunks(case, step=1, nearest=0):
    """Yield (first slice, (hu, masks)) for the whole Case, those nearest a slice first.

    Two threads pack while the caller sends: zlib and NumPy let go of the interpreter's lock.
    """
    firsts = sorted(range(0, len(case.hu), SLICES), key=lambda f: abs(f + SLICES // 2 - nearest))
    with ThreadPoolExecutor(2) as pool:
        yield from zip(firsts, pool.map(lambda first: pack(case, first, step), firsts), strict=True)


def plan(case, budget):
    """Find the least lossy way to pack a Case into `budget` bytes: (case, reduction, step).

    HU are rounded to multiples of `step`; where that does not suffice, rows and columns are
    averaged in squares of `reduction`. Judged on every fourth chunk, with 3 % to spare.
    Raises InputError when nothing fits.
    """
    for reduction in (1, 2, 4):
        small = reduced(case, reduction)
        firsts = range(0, len(small.hu), SLICES)[::4]
        share = sum(min(SLICES, len(small.hu) - first) for first in firsts) / len(small.hu)
        for step in STEPS:
            size = sum(len(data) for first in firsts for data in pack(small, first, step))
            if 1.03 * size / share <= budget:
                return small, reduction, step
    raise refusal("too large to pack", " × ".join(map(str, case.hu.shape)), budget / 1e6)


def reduced(case, factor):
    """The Case with squares of `factor` rows and columns averaged (masks: their first voxel)."""
    if factor == 1:
        return case
    rows, cols = (size // factor * factor for size in case.hu.shape[1:])
    corners = [case.hu[:, i:rows:factor, j:cols:factor] for i, j in np.ndindex(factor, factor)]
    total = sum(corner.astype(np.int32) for corner in corners)
    masks = {"truth": case.truth, "prediction": case.prediction}
    masks = {k: None if m is None else m[:, :rows:factor, :cols:factor] for k, m in masks.items()}
    affine = case.affine.copy()
    affine[:3, 3] += affine[:3, 1:3].sum(axis=1) * (factor - 1) / 2
    affine[:3, 1:3] *= factor
    spacing = tuple(np.multiply(case.spacing, (1, factor, factor)).tolist())
    hu = (total // factor**2).astype(np.int16)
    return replace(case, hu=hu, **masks, spacing=spacing, affine=affine)


def description(case, shrunk_from=None, reduction=1, step=1):
    """What the browser must know beside the slices: a dict for JSON.

    `shrunk_from` is the Case before `plan` made it smaller: areas and Dice stay its.
    """
    case_scores = scores(shrunk_from or case, reduction)
    planes = {}
    for plane, edges in PLANES.items():
        first, millimetres = case.positions(plane)
        planes[plane] = {
            **edges,
            "size": case.hu.shape[edges["axis"]],
            "first": first,
            "step": millimetres,
            "mm": case.size_mm(plane),
            **case_scores[plane],
        }
    return {
        "name": case.name,
        "shape": case.hu.shape,
        "masks": [case.truth is not None, case.prediction is not None],
        "planes": planes,
        "windows": WINDOWS,
        "overlays": {name: OVERLAYS[name] for name in case.overlays()},
        "disagree": DISAGREE,
        "step": step,
        "loss": _what_was_lost(reduction, step),
    }


def _what_was_lost(reduction, step):
    """What the reader of a page must know about its values; empty when nothing was lost."""
    lost = []
    if step > 1:
        low, high = CLIP
        lost.append(f"HU are rounded to multiples of {step} and end at {low} and {high}")
    if reduction > 1:
        lost.append(f"pixels are means of {reduction} × {reduction}")
    if not lost:
        return ""
    return f"To keep this page small, {' and '.join(lost)}; scores are of the original."
