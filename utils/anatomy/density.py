"""What is measured in lungs that have been found: volumes, mass, and how much of them is air."""

from collections.abc import Sequence

import numpy as np

from utils.anatomy.lungs import LEFT, RIGHT, bounding_box, litres

LOW = {"laa950": -950, "laa910": -910}  # HU: Gevenois 1996, Müller 1988
THIRDS = ("lower", "middle", "upper")


def lung_measures(hu: np.ndarray, labels: np.ndarray, spacing: Sequence[float]) -> dict[str, float]:
    """Volumes, mass and densities of both lungs and of each, as a flat table row.

    hu : int16 Hounsfield units; labels : of `split_lungs`; both [slices, rows, cols], slice 0 at
    the feet. spacing : (slice, row, col) mm. Of `both`, `right` and `left`: litres, under these
    names; `_mean_hu`; `_mass_g`, a voxel of h HU weighing h / 1000 + 1 g per ml (air 0, water 1;
    nothing below -1000); `_laa950` and `_laa910`, percent of voxels below -950 and -910 HU;
    `_pd15_hu`, the lowest HU that at least 15 percent of voxels do not exceed (Dirksen 1999). Of
    each lung `_lower`, `_middle`, `_upper`: litres in the thirds of its own height, to which a
    slice belongs as a whole. No lung has 0 litres, 0 g and NaN densities. All but the volumes
    depend on breath, dose, slice thickness and kernel: compare like with like.
    """
    box = bounding_box(labels, margin=0) or np.s_[:0, :0, :0]
    hu, labels = hu[box], labels[box]
    lowest = int(hu.min(initial=0))
    length = int(hu.max(initial=0)) - lowest + 1
    values = lowest + np.arange(length)
    row: dict[str, float] = {}
    thirds, counts = {}, {}
    for name, side in (("right", RIGHT), ("left", LEFT)):
        there = labels == side
        counts[name] = np.bincount(hu[there].astype(np.int32) - lowest, minlength=length)
        used = np.trim_zeros(there.sum((1, 2)))
        third = 3 * np.arange(len(used)) // max(len(used), 1)
        for part, voxels in zip(THIRDS, np.bincount(third, used, minlength=3), strict=True):
            thirds[f"{name}_{part}"] = float(litres(voxels, spacing))
    counts = {"both": counts["right"] + counts["left"], **counts}
    for name, each in counts.items():
        row[name] = float(litres(each.sum(), spacing))
    row |= thirds
    for name, each in counts.items():
        row |= {f"{name}_{key}": value for key, value in _densities(values, each, spacing).items()}
    return row


def _densities(values, counts, spacing):
    """What a histogram of HU tells: counts of each of the values."""
    total = counts.sum()
    grams = 1e3 * litres(counts @ np.maximum(values / 1000 + 1, 0), spacing)
    if not total:
        return {"mean_hu": np.nan, "mass_g": 0.0, **dict.fromkeys(LOW, np.nan), "pd15_hu": np.nan}
    low = {key: float(100 * counts[values < hu].sum() / total) for key, hu in LOW.items()}
    fifteenth = values[np.searchsorted(counts.cumsum(), 0.15 * total)]
    return {
        "mean_hu": float(counts @ values / total),
        "mass_g": float(grams),
        **low,
        "pd15_hu": float(fifteenth),
    }
