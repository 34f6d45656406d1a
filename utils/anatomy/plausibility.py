"""Is this scan like those the model has seen? Sentences that a person should read, or none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from utils.anatomy.body import ACROSS, body_mask
from utils.anatomy.extent import gas_within, left_out
from utils.anatomy.lungs import COARSE, litres, volumes_in_litres
from utils.anatomy.trachea import airway_mask, wall_share

DOUBTS = json.loads(Path(__file__).with_name("doubts.json").read_bytes())
# What the model was trained on, with some room (weights/README.md): name -> least, most, unit, why
SEEN, SENTENCES = DOUBTS["seen"], DOUBTS["sentences"]
SMALLER_LUNG = 0.25  # of the larger one's volume
LEFT_OUT_ML = 100.0  # of air like lung that the mask leaves out


# the volume is a utils.dicom.Volume, which anatomy cannot name: dicom stands above it
def reasons_to_doubt(volume: Any, labels: np.ndarray) -> list[str]:
    """Why the lungs found in a scan may not be worth trusting; a list of sentences, often empty.

    volume : Volume. labels : label map of `split_lungs`, what the model found. A model
    answers whatever it is given; these are the ways to notice that it was not a chest CT as it
    knows them, and what the mask itself shows: gas in it, lung beside it, lung cut off.
    """
    sentences = [*_of_the_scan(volume)]
    if not labels.any():
        return [*sentences, _sentence("none")]
    body = body_mask(volume.hu, volume.spacing)
    return [*sentences, *_of_the_lungs(volume, labels, body), *_of_the_air(volume, labels, body)]


def _sentence(kind, **values):
    return SENTENCES[kind].format(**values)


def _unseen(name, value):
    """A sentence if a value lies outside of what the model has seen (SEEN)."""
    low, high, unit, *_ = SEEN[name]
    if not low <= value <= high:
        yield _sentence("unseen", name=name, value=value, low=low, high=high, unit=unit)


def _of_the_scan(volume):
    """Doubts that need no result: values, orientation, spacing and noise."""
    seen = volume.hu[:: max(1, len(volume.hu) // 16), ::4, ::4]
    air, dense = (seen < -800).mean(), ((seen > -150) & (seen < 250)).mean()
    if air < 0.02 or dense < 0.02:
        yield _sentence("values", air=100 * air, dense=100 * dense)
    yield from _unseen("tilt against the patient's axes", _tilt(volume.affine))
    yield from _unseen("slices", volume.spacing[0])
    yield from _unseen("pixels", max(volume.spacing[1:]))
    yield from _unseen("noise", _noise(volume.hu))


def _noise(hu):
    """Standard deviation in soft tissue, HU, from the median difference of pixels in a row."""
    some = hu[:: max(1, len(hu) // 16)].astype(np.float32)
    differences = abs(np.diff(some))[abs(some[..., 1:]) < 150]
    return float(np.median(differences)) / (0.6745 * 2**0.5) if len(differences) else 0.0


def _of_the_lungs(volume, labels, body):
    """Doubts about what was found: volumes, density, and lungs that leave the scan."""
    found = volumes_in_litres(labels, volume.spacing)
    yield from _unseen("both lungs", found["both"])
    smaller, larger = sorted((found["right"], found["left"]))
    if smaller < SMALLER_LUNG * larger:
        side = "right" if found["right"] < found["left"] else "left"
        yield _sentence("smaller", side=side, smaller=smaller, larger=larger)
    mask, used = labels > 0, labels.any((1, 2))
    inside = volume.hu[mask]
    yield from _unseen("median of the lungs", float(np.median(inside)))
    yield from _unseen("denser than -200 HU in the lungs", 100 * float((inside > -200).mean()))
    inside_body = sum(np.count_nonzero(body[z] | mask[z]) for z in np.flatnonzero(used))
    share = np.count_nonzero(mask) / inside_body
    yield from _unseen("lungs in the body's cross-sections", 100 * share)
    ends = [end for end, z in (("feet", 0), ("head", -1)) if labels[z].any()]
    if ends:
        yield _sentence("ends", ends=" and ".join(ends))
    never = (volume.hu <= -1024).all(0)  # beyond the disc that was reconstructed
    never &= never.mean() > 0.05
    edge = ndimage.binary_dilation(never, ACROSS[1], border_value=1)
    cut = ((mask & edge).sum((1, 2)) > 2).sum()
    if cut:
        yield _sentence("edge", cut=cut, used=used.sum())


def _of_the_air(volume, labels, body):
    """Doubts from air in the body, on a grid of about 2 mm: lung left out, gas taken in."""
    step = max(1, round(COARSE / volume.spacing[2]))
    windpipe = airway_mask(volume.hu, volume.spacing)
    hu, labels, inside, windpipe = (
        array[:, ::step, ::step] for array in (volume.hu, labels, body, windpipe)
    )
    mask = labels > 0
    spacing = (volume.spacing[0], step * volume.spacing[1], step * volume.spacing[2])
    yield from _unseen("tissue just around the lungs", 100 * wall_share(mask, hu, spacing))
    lost = left_out(hu, mask, inside & ~windpipe, spacing).sum()
    if 1e3 * litres(lost, spacing) > LEFT_OUT_ML:
        yield _sentence("left out", ml=1e3 * litres(lost, spacing))
    gas = sum(np.count_nonzero(pool) for pool in gas_within(hu, mask, spacing))
    if gas:
        yield _sentence("gas", ml=1e3 * litres(gas, spacing))


def _tilt(affine):
    """Largest angle in degrees between the grid's axes and the patient's (z, y, x)."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = np.abs([axes[2, 0], axes[1, 1], axes[0, 2]])
    return float(np.degrees(np.arccos(np.clip(along, 0, 1))).max())
