"""A trained network on whole volumes: logits, probabilities and masks on the scan's own grid."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from utils.anatomy import body_in_air
from utils.cases import Pairs
from utils.dataset import to_unit_range
from utils.masks import load_mask, save_mask
from utils.overlap import dice
from utils.scale import AIR, whole_grid
from utils.settings import Settings
from utils.workspace import locked

MOVED = (3, -5)  # pixels of the network, down and left; not what it halves evenly


def segment(
    model: nn.Module,
    hu: np.ndarray,
    settings: Settings,
    spacing: Sequence[float],
    batch_size: int = 16,
) -> np.ndarray:
    """Segment the lungs of one volume.

    hu : int16 [slices, rows, cols], Hounsfield units; may be memory-mapped, as only a batch of
    slices is read at a time. spacing : (slice, row, col) mm. batch_size : slices at a time on an
    accelerator; on a processor, each core has one. Returns a uint8 mask 0/1 of the same shape:
    where `slice_logits` are above 0.
    """
    mask = np.empty(hu.shape, np.uint8)
    hu = body_in_air(hu) if settings.body_only else hu

    def fill(batch):
        mask[batch] = (slice_logits(model, hu[batch], settings, spacing) > 0).cpu().numpy()

    _spread(fill, len(hu), batch_size, model)
    return mask


def _spread(function, count, size, model):
    """function(slice) of each `size` of `count`; on a processor of each one, in a thread a core.

    Many cores at one small slice wait for each other after every layer.
    """
    cores = torch.get_num_threads()
    threads, size = (cores, 1) if next(model.parameters()).device.type == "cpu" else (1, size)
    batches = [slice(start, start + size) for start in range(0, count, size)]
    try:
        with ThreadPoolExecutor(threads, "", torch.set_num_threads, (cores // threads,)) as pool:
            return list(pool.map(torch.inference_mode()(function), batches))
    finally:
        torch.set_num_threads(cores)  # of threads to come


@torch.inference_mode()
def slice_logits(
    model: nn.Module, hu: np.ndarray, settings: Settings, spacing: Sequence[float]
) -> torch.Tensor:
    """Logits of some slices on the scan's own grid; float32 tensor, shape of `hu`.

    hu : int16 [n, rows, cols], Hounsfield units. spacing : (slice, row, col) mm. Slices are
    resampled to the pixel size on which the model was trained and laid in air
    (`scale.whole_grid`); its logits are brought back linearly *before* they are thresholded: so
    the outline is finer than the network's own pixels.
    """
    grid = whole_grid(hu.shape, spacing, settings)
    slices = grid.to_network(torch.from_numpy(np.array(hu)), AIR)
    images = to_unit_range(slices, settings.window)[:, None]
    images = images.to(next(model.parameters()).device, memory_format=torch.channels_last)
    return grid.to_scan(logits_of(model, images, settings)[:, 0])


def logits_of(model: nn.Module, images: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Logits of a batch, float32; [n, 1, h, w] -> [n, 1, h, w].

    A network that was trained on mirrored slices is asked for the mirrored slice too, and the
    mean of both answers is taken: chance errors of the two differ, the lungs are the same.
    """
    logits = model(images).float()
    if settings.flip_columns:
        logits = (logits + model(images.flip(3)).float().flip(3)) / 2
    return logits


def steadiness(
    model: nn.Module, hu: np.ndarray, mask: np.ndarray, settings: Settings, spacing: Sequence[float]
) -> float:
    """DSC of the network's answers to slices as they are and mirrored, or moved: the lesser.

    hu, mask : [slices, rows, cols]; at most twelve slices are looked at, spread over those with
    lung in the mask, and ten pixels of the network about it: what it draws in the room is taken
    away elsewhere. NaN when no lung is found. Where a network guesses, its answers differ.
    """
    used = np.flatnonzero(mask.any((1, 2)))
    used = used[np.unique(np.linspace(0, len(used) - 1, min(12, len(used))).astype(int))]
    hu = (body_in_air(hu) if settings.body_only else hu)[used]
    grid, device = whole_grid(hu.shape, spacing, settings), next(model.parameters()).device
    (down, right), pool = MOVED, nn.functional.max_pool2d

    def counts(batch):
        """Pixels of the three answers, and those that each shares with the first."""
        slices = grid.to_network(torch.from_numpy(hu[batch]), AIR)
        images = to_unit_range(slices, settings.window)[:, None].to(device)
        near = grid.to_network(torch.from_numpy(mask[used[batch]] > 0), 0)[:, None].to(device)
        near = pool(pool(near, (21, 1), 1, (10, 0)), (1, 21), 1, (0, 10)) > 0
        one, mirrored = model(images) > 0, (model(images.flip(3)) > 0).flip(3)
        moved = (model(images.roll((down, right), (2, 3))) > 0).roll((-down, -right), (2, 3))
        answers = torch.stack([one, mirrored, moved]) & near
        return torch.stack([answers.sum((1, 2, 3, 4)), (answers & one).sum((1, 2, 3, 4))]).cpu()

    none = torch.zeros(2, 3, dtype=torch.int64)
    sizes, shared = torch.stack([none, *_spread(counts, len(used), 12, model)]).sum(0)
    return min(float(dice(shared[n], sizes[0], sizes[n])) for n in (1, 2))


@torch.inference_mode()
def slice_probabilities(
    model: nn.Module, hu: np.ndarray, settings: Settings, spacing: Sequence[float]
) -> np.ndarray:
    """Probability of lung at every pixel of some slices; float32, shape of `hu`.

    hu, spacing : as for `slice_logits`. The model's mode (dropout on or off) is left as it is.
    """
    return torch.sigmoid(slice_logits(model, hu, settings, spacing)).cpu().numpy()


def segment_cases(
    model: nn.Module, pairs: Pairs, settings: Settings, run_folder: Path
) -> dict[str, np.ndarray]:
    """Segment every case of `create_paired_data`; name -> uint8 mask.

    Masks are kept in `predictions/` of the run's folder. One is taken from there only if it was
    made by the same weights from the same voxels of the same size, and is what was written then;
    checksums tell.
    """
    weights = zlib.crc32((run_folder / "model.safetensors").read_bytes())
    predictions = {}
    for name, (hu, _, spacing) in tqdm(pairs.items(), desc="segmenting", unit="case"):
        file = run_folder / "predictions" / f"{name}.npz"
        voxels, size = np.ascontiguousarray(hu).data, np.array(spacing).data
        made_from = [weights, zlib.crc32(voxels), zlib.crc32(size)]
        with locked(file.parent):
            mask = _kept_prediction(file, made_from, hu.shape)
            if mask is None:
                mask = segment(model, hu, settings, spacing)
                checksums = np.array([*made_from, zlib.crc32(mask.data)], np.uint32)
                save_mask(file, mask, made_from=checksums)
        predictions[name] = mask
    return predictions


def _kept_prediction(file, made_from, shape):
    """The mask in a predictions file; None when it is absent, damaged or of another origin."""
    try:
        mask = load_mask(file)
        with np.load(file, allow_pickle=False) as archive:
            stated = archive["made_from"].tolist()
    except Exception:  # of damaged bytes NumPy and zipfile may raise nearly anything
        return None
    return mask if mask.shape == shape and stated == [*made_from, zlib.crc32(mask)] else None
