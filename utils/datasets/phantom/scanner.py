"""What is not anatomy in the synthetic CT: vessel trees in voxels, nodules, the scanner."""

import numpy as np
from scipy import fft, ndimage

from utils.datasets.noise import ramp_spectrum
from utils.datasets.phantom.patients import Patient


def grow_tree(root, targets, thinnest):
    """Vessels from `root` (mm) to all `targets` [n, 3]: start, end [n, 3], radius [n] in mm.

    A minimum spanning tree that also weighs the way back to the root branches as vessels do
    (Cuntz et al. 2010, doi:10.1371/journal.pcbi.1000877); radii follow Murray's law, the cube
    of a parent's radius being the sum of the cubes of its children's.
    """
    nodes = np.vstack([root, targets]).astype(np.float32)
    count = len(nodes)
    parent, path = np.zeros(count, int), np.zeros(count, np.float32)
    cost = np.linalg.norm(nodes - nodes[0], axis=1)
    order, reached = [], np.zeros(count, bool)
    reached[0], cost[0] = True, np.inf
    for _ in range(count - 1):
        new = int(cost.argmin())
        order.append(new)
        reached[new] = True
        path[new] = path[parent[new]] + np.linalg.norm(nodes[new] - nodes[parent[new]])
        through = np.linalg.norm(nodes - nodes[new], axis=1) + 0.35 * path[new]
        better = ~reached & (through < cost)
        cost[better], parent[better], cost[new] = through[better], new, np.inf
    cubes = np.full(count, thinnest**3)
    for node in reversed(order):
        cubes[parent[node]] += cubes[node]
    return nodes[parent[order]], nodes[order], np.cbrt(cubes[order])


def splat(start, end, radius, shape, spacing, rng):
    """Share of each voxel that vessels fill (float32, `shape`), by scattering points in them.

    start, end : [n, 3] in mm as (z, y, x) from the centre of voxel 0. radius : [n] in mm.
    """
    length = np.linalg.norm(end - start, axis=1)
    voxel = float(np.prod(spacing))
    volume = np.pi * radius**2 * length
    points = np.clip(np.ceil(volume / voxel * 6), np.ceil(length / 1.0), 2500).astype(int)
    which = np.repeat(np.arange(len(start)), points)
    t = rng.random((len(which), 1), np.float32)
    inside = rng.standard_normal((len(which), 3), np.float32)
    inside *= radius[which, None] * np.cbrt(rng.random((len(which), 1), np.float32))
    inside /= np.linalg.norm(inside, axis=1, keepdims=True) / radius[which, None] + 1e-6
    at = (start[which] + t * (end - start)[which] + inside) / spacing
    share = (volume / points / voxel)[which]
    low = np.floor(at).astype(int)
    keep = ((low >= 0) & (low < np.array(shape) - 1)).all(axis=1)
    low, high, share = low[keep], (at - low)[keep], share[keep]
    flat, index, weight = np.ravel_multi_index(low.T, shape), [], []
    for corner in np.ndindex(2, 2, 2):
        weight.append(share * np.prod(np.where(corner, high, 1 - high), axis=1))
        index.append(flat + np.ravel_multi_index(corner, shape))
    filled = np.bincount(np.concatenate(index), np.concatenate(weight), int(np.prod(shape)))
    return np.minimum(filled, 1).reshape(shape).astype(np.float32)


def hila(patient, spacing):
    """Voxels (fractional) where the vessels of the right and the left lung come in."""
    middle = (patient.matrix - 1) / 2
    carina = np.array((-patient.bottom * patient.scale[2], *patient.shift[::-1]))
    places = (carina + np.array((-10, 8, x)) * patient.scale[::-1] for x in (-40, 40))
    return [place / spacing + (0, middle, middle) for place in places]


def add_vessels(
    hu: np.ndarray,
    lung: np.ndarray,
    within: np.ndarray,
    patient: Patient,
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Grow a patient's vessels in the lungs and put them into HU, in place.

    hu, lung : float32, HU and cover of lung; within : bool or 0/1, where vessels may end, all
    [slices, rows, cols]. spacing : mm. Two trees grow from each hilum, for arteries and veins,
    towards random places in that side's lung.
    """
    inside, trees, (right, left) = np.argwhere(within) * spacing, [], hila(patient, spacing)
    middle = (right[2] + left[2]) / 2 * spacing[2]
    for side, hilum in ((-1, right), (1, left)):
        near = inside[(inside[:, 2] - middle) * side > 0]
        if len(near) < 200:
            continue
        for lower in (0, 22):
            root = hilum * spacing - (lower, 0, 0)
            targets = near[rng.integers(len(near), size=min(520, len(near) // 40))]
            targets = targets + rng.uniform(-0.5, 0.5, targets.shape) * spacing
            trees.append(grow_tree(root, targets, 0.6 * patient.scale[0]))
    start, end, radius = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    vessels = splat(start, end, radius, within.shape, spacing, rng)
    hu += lung * vessels * (45 + patient.contrast - hu)


def add_nodules(hu, mask, spacing, count, rng):
    """Put `count` round nodules of 3 to 10 mm radius and 35 HU into the lungs, in place."""
    inside = np.argwhere(mask)
    for _ in range(count):
        centre, radius = inside[rng.integers(len(inside))], rng.uniform(3, 10)
        reach = np.ceil((radius + spacing) / spacing).astype(int)
        low, high = np.maximum(centre - reach, 0), centre + reach + 1
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        voxels = np.moveaxis(np.indices(hu[window].shape), 0, -1) + low - centre
        distance = np.linalg.norm(voxels * spacing, axis=-1)
        cover = np.clip((radius - distance) / (0.6 * spacing.mean()) + 0.5, 0, 1) * mask[window]
        hu[window] += (cover * (35 - hu[window])).astype(np.float32)


def scan(hu, pixel, noise, blur, rng):
    """What a scanner makes of ideal sections: point spread, correlated noise, streaks.

    hu : float32 [slices, rows, cols], changed in place. pixel : mm. noise : standard deviation
    in HU in an average chest. blur : sigma of the point spread in mm.
    Noise is that of filtered back projection (`noise.py`); rows with a long way through tissue
    and bone (shoulders) get more of it, smeared along the row.
    """
    rows, columns = hu.shape[1:]
    grainy = ramp_spectrum((rows, columns), pixel, 0.22 / blur).astype(np.float32)
    along_row = fft.rfftfreq(columns, pixel)[None]
    streaky = (grainy * np.exp(-((along_row / 0.02) ** 2))).astype(np.float32)
    for section in hu:
        section[:] = ndimage.gaussian_filter(section, blur / pixel)
        way = ((section > -400).sum(axis=1) + 3 * (section > 250).sum(axis=1)) * (pixel / 300)
        way = np.maximum(ndimage.gaussian_filter1d(way, 3), 0.2).astype(np.float32)[:, None]
        white = fft.rfft2(rng.standard_normal((rows, columns), np.float32))
        level = 0.7 + 0.3 * float(way.max())
        for spectrum, amount in (
            (grainy, np.float32(level)),
            (streaky, 0.35 * np.maximum(way - 0.8, 0) ** 1.5),
        ):
            if np.any(amount):
                grain = fft.irfft2(white * spectrum, (rows, columns))
                section += grain * (amount * np.float32(noise / grain.std()))
