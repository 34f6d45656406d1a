"""Is this scan like those the model has seen? Sentences that a person should read, or none."""

from typing import Any

import numpy as np

from utils.anatomy.lungs import LEFT, RIGHT, volumes_in_litres

# What the model was trained on, with some room; see weights/README.md
PIXEL = (0.5, 1.5)  # mm
SLICE = (0.5, 10.0)  # mm
FIELD_OF_VIEW = (250.0, 600.0)  # mm
LITRES = (1.0, 9.0)  # both lungs; from an expired woman's to an inspired tall man's
SMALLER_LUNG = 0.25  # of the larger one's volume
LUNG_HU = (-950.0, -500.0)  # median inside the lungs
TILT = 10.0  # degrees between the slices and the patient's axes


# the volume is a utils.dicom.Volume, which anatomy cannot name: dicom stands above it
def reasons_to_doubt(volume: Any, labels: np.ndarray) -> list[str]:
    """Why the lungs found in a scan may not be worth trusting; a list of sentences, often empty.

    volume : Volume. labels : label map of `split_lungs`, what the model found. A model
    answers whatever it is given; these are the ways to notice that it was not a chest CT as it
    knows them: no air, HU that are none, slices askew, too coarse, another part of the body.
    """
    sentences = _of_the_scan(volume)
    if not labels.any():
        return [*sentences, "No lung was found: is this a CT of the chest, in Hounsfield units?"]
    return sentences + _of_the_lungs(volume, labels)


def _of_the_scan(volume):
    """Doubts that need no result: values, orientation and spacing."""
    sentences = []
    step, row, col = volume.spacing
    seen = volume.hu[:: max(1, len(volume.hu) // 16), ::4, ::4]
    air, dense = (seen < -800).mean(), ((seen > -150) & (seen < 250)).mean()
    if air < 0.02 or dense < 0.02:
        sentences.append(
            f"Unusual values: {100 * air:.0f} % of the voxels are as dark as air and "
            f"{100 * dense:.0f} % are soft tissue in Hounsfield units; expected 2 % of each at "
            "least. Check RescaleIntercept."
        )
    tilt = _tilt(volume.affine)
    if tilt > TILT:
        sentences.append(
            f"The slices stand {tilt:.0f}° askew to the patient's axes; the model has seen at most "
            f"{TILT:.0f}°."
        )
    side = max(row * volume.hu.shape[1], col * volume.hu.shape[2])
    for name, value, (low, high) in (
        ("slices", step, SLICE),
        ("pixels", max(row, col), PIXEL),
        ("field of view", side, FIELD_OF_VIEW),
    ):
        if not low <= value <= high:
            sentences.append(
                f"The {name} measure {value:.3g} mm; the model has seen {low:g} to {high:g} mm."
            )
    return sentences


def _of_the_lungs(volume, labels):
    """Doubts about what was found: volumes, density, and lungs that leave the scan."""
    sentences = []
    litres = volumes_in_litres(labels, volume.spacing)
    if not LITRES[0] <= litres["both"] <= LITRES[1]:
        sentences.append(
            f"The lungs measure {litres['both']:.2f} litres; expected {LITRES[0]:g} to "
            f"{LITRES[1]:g}. Is the whole chest in the scan?"
        )
    smaller, larger = sorted((litres["right"], litres["left"]))
    if smaller < SMALLER_LUNG * larger:
        side = "right" if litres["right"] < litres["left"] else "left"
        sentences.append(
            f"The {side} lung measures {smaller:.2f} litres against {larger:.2f}: collapsed, "
            "removed, or missed."
        )
    hu = float(np.median(volume.hu[(labels == RIGHT) | (labels == LEFT)]))
    if not LUNG_HU[0] <= hu <= LUNG_HU[1]:
        sentences.append(
            f"The median inside the lungs is {hu:.0f} HU; expected {LUNG_HU[0]:.0f} to "
            f"{LUNG_HU[1]:.0f}."
        )
    ends = [end for end, z in (("feet", 0), ("head", -1)) if labels[z].any()]
    if ends:
        sentences.append(
            f"The lungs reach the scan's {' and '.join(ends)} end: they are cut off, and their "
            "volume is too small."
        )
    return sentences


def _tilt(affine):
    """Largest angle in degrees between the grid's axes and the patient's (z, y, x)."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = np.abs([axes[2, 0], axes[1, 1], axes[0, 2]])
    return float(np.degrees(np.arccos(np.clip(along, 0, 1))).max())
