"""A scan in, lungs out: a trained U-Net on whole volumes."""

import zipfile
import zlib

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from utils.dataset import resample, to_unit_range
from utils.workspace import written_whole


@torch.inference_mode()
def segment(model, hu, settings, batch_size=16):
    """Segment the lungs of one volume.

    hu : int16 [slices, rows, cols], Hounsfield units; may be memory-mapped, as only a batch of
    slices is read at a time. Slices are resampled to the size on which the model was trained,
    and its logits are brought back by bilinear interpolation *before* they are thresholded:
    so the outline is finer than the network's own pixels.
    Returns a uint8 mask 0/1 of the same shape.
    """
    device = next(model.parameters()).device
    mask = np.empty(hu.shape, np.uint8)
    for start in range(0, len(hu), batch_size):
        slices = torch.from_numpy(np.array(hu[start : start + batch_size]))
        images = to_unit_range(resample(slices, settings.image_size), settings.window)[:, None]
        images = images.to(device, memory_format=torch.channels_last)
        logits = F.interpolate(
            model(images).float(), size=hu.shape[1:], mode="bilinear", align_corners=False
        )
        mask[start : start + batch_size] = (logits[:, 0] > 0).cpu().numpy()
    return mask


def segment_cases(model, pairs, settings, run_folder):
    """Segment every case of `create_paired_data`; name -> uint8 mask.

    Masks are kept in `predictions/` of the run's folder. One is taken from there only if it
    was made by the same weights from the same voxels, which two checksums tell.
    """
    weights = zlib.crc32((run_folder / "model.safetensors").read_bytes())
    predictions = {}
    for name, (hu, _) in tqdm(pairs.items(), desc="segmenting", unit="case"):
        file = run_folder / "predictions" / f"{name}.npz"
        made_from = np.array([weights, zlib.crc32(np.ascontiguousarray(hu))], np.uint32)
        mask = _kept_prediction(file, made_from)
        if mask is None:
            mask = segment(model, hu, settings)
            with written_whole(file) as temporary:
                np.savez_compressed(temporary, masks=mask, made_from=made_from)
        predictions[name] = mask
    return predictions


def _kept_prediction(file, made_from):
    """The mask in a predictions file; None when it is absent, damaged or of another origin."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            if np.array_equal(archive["made_from"], made_from):
                return archive["masks"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    return None
