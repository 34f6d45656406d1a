"""Disease laid into the lungs of a CT, real or drawn, with the truth that goes with it.

What counts as lung is what LCTSC's guide to contouring (RTOG 1106) says: inflated, collapsed,
consolidated, fibrotic and emphysematous lung and the small vessels inside it are lung; tumours,
pleural effusion, the vessels of the hilum, windpipe and main bronchi are not.
Each of DISEASES is (hu, truth, spacing, severity, rng) -> (hu, truth), new arrays: int16 HU and
0/1 [slices, rows, cols], slice 0 at the feet, row 0 in front, column 0 at the patient's right;
spacing : (slice, row, col) mm; severity : 0 (none) to 1; rng : Generator, one state of which gives
one place. Sizes follow the lung's, so a child's fits. Looks were set by eye, not for diagnosis.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import ndimage

from studies.noise import grain
from utils.anatomy import LEFT, RIGHT, body_midline, bounding_box, litres, split_lungs
from utils.datasets import ramp_spectrum

RIM = 2  # pixels around a lung, half air and half wall: a dark seam beside what is dense


def _laid(paint, sides, hu, truth, spacing, severity, rng):
    """A disease of DISEASES. paint(lung, severity) gets one of `sides`, labels or both as bits."""
    hu, truth = np.array(hu), np.array(truth)  # new ones, in memory
    labels = split_lungs(truth, spacing, body_midline(hu))
    there = [side for side in sides if (labels & side).any()]
    if there and severity > 0:
        lung = _Lung(hu, labels, there[rng.integers(len(there))], np.array(spacing), rng)
        paint(lung, severity)
        hu[lung.box] = np.rint(lung.hu.clip(-1024))
        truth[lung.box][lung.gone] = 0
    return hu, truth


class _Lung:
    """One lung or both, cut out of a scan. Fields are float32 [z, y, x]; lengths are mm."""

    def __init__(self, hu, labels, side, mm, rng):
        part = (labels & side) > 0
        self.size = min(1, litres(part.sum(), mm).item() / 2.5) ** (1 / 3)  # 1: a man's lung
        self.box, self.mm, self.rng = bounding_box(part, RIM + 1), mm, rng
        self.part, self.hu = part[self.box], hu[self.box].astype(np.float32)
        rim = ndimage.binary_dilation(self.part, np.ones((1, 3, 3)), RIM) & (labels[self.box] == 0)
        self.within, self.gone = self.part | (rim & (self.hu < -150)), np.zeros_like(self.part)
        axes = zip(np.indices(self.part.shape, np.float32, sparse=True), mm.tolist(), strict=True)
        self.z, self.y, self.x = (axis * step for axis, step in axes)
        x = self.x.max() - self.x if side == RIGHT else self.x
        self.up, self.back, self.out = (a / max(a.max(), 1) for a in (self.z, self.y, x))
        around = np.maximum(1, np.rint(20 * self.size / mm)).astype(int)
        self.rind = 1 - ndimage.uniform_filter(self.part.astype(np.float32), around)  # 0 inside
        spectrum = ramp_spectrum(self.hu.shape[1:], mm[1], 0.3).astype(np.float32)
        noise = grain(rng.standard_normal(self.hu.shape, np.float32), spectrum)
        soft = (np.abs(self.hu - 40) < 60)[..., 2:]  # tissue that shows the scan's own noise
        soft = soft | ~soft.any()
        own, new = (np.median(np.abs(a[..., 2:] - a[..., :-2])[soft]) for a in (self.hu, noise))
        self.grain = noise * np.float32(own / new)

    def noise(self, size):
        """Smooth noise of unit variance: cubic B-splines on nodes `size` mm apart in a man."""
        at = [1 + axis.reshape(-1, 1) / (size * self.size) for axis in (self.z, self.y, self.x)]
        nodes = self.rng.standard_normal([int(each.max()) + 3 for each in at], np.float32)
        far = [np.abs(each - np.arange(n)) for each, n in zip(at, nodes.shape, strict=True)]
        far = [np.maximum(2 - f, 0) ** 3 - 4 * np.maximum(1 - f, 0) ** 3 for f in far]
        # 0.35 is what is left of their deviation, as in the phantom's canvas
        return np.einsum("ai,bj,ck,ijk->abc", *far, nodes, optimize=True) / (6**3 * 0.35)

    def place(self, where):
        """A random voxel of a mask, or of the lung if it is empty: (z, y, x) mm."""
        voxels = np.flatnonzero(where if where.any() else self.part)
        voxel = np.unravel_index(voxels[self.rng.integers(len(voxels))], self.part.shape)
        return (voxel * self.mm).tolist()

    def distance(self, place, stretch=(1, 1, 1)):
        """Distance from (z, y, x) mm, along each axis divided by `stretch`."""
        axes = zip((self.z, self.y, self.x), place, stretch, strict=True)
        return np.sqrt(sum(((axis - at) / by) ** 2 for axis, at, by in axes))

    def grown(self, field, share, where=None):
        """The field less the value below which a share of the lung, or of a mask, lies."""
        where = self.part if where is None or not where.any() else where
        return field - float(np.quantile(field[where], share))

    def paint(self, field, hu, edge=None, most=1.0, gone=False):
        """Mix `most` HU and noise in where a field is < 0, fading over `edge` mm or one pixel."""
        cover = np.clip(0.5 - field / (edge or self.mm[1].item()), 0, 1) * most
        cover *= self.within if np.max(hu) > -500 else self.part
        self.hu += cover * (hu + self.grain - self.hu)
        self.gone |= (cover > 0.5) & gone

    def paint_bronchi(self, field):
        """Air in thin branches where a field is below 0: along the lines where two noises are 0."""
        line = 15 * self.size * np.hypot(self.noise(21), self.noise(21)) - 1.3
        self.paint(np.maximum(line, field + 3), -950)


def consolidation(lung, severity):
    """Up to nine tenths of a lobe as dense as muscle, patchy at its rim; bronchi keep their air."""
    fissure = (lung.up - 0.1 - 0.6 * lung.back) * lung.z.max() + 4 * lung.noise(60)
    fissure *= (-1) ** int(lung.rng.integers(2))  # the lobe above it, or the one below
    lobe = lung.part & (fissure < 0)
    spread = lung.distance(lung.place(lobe)) + 14 * lung.size * lung.noise(35)
    spread = lung.grown(spread, 0.9 * severity, lobe)
    lung.paint(np.maximum(spread - 10 + 4 * lung.noise(12), fissure), 20, edge=20, most=0.5)
    filled = np.maximum(spread + 5 * lung.noise(9), fissure)
    lung.paint(filled, 32 + 8 * lung.noise(20), edge=4)
    lung.paint_bronchi(filled)


def ground_glass(lung, severity):
    """Haze in patches over up to 0.7 of both lungs; vessels show through it."""
    field = lung.noise(40) + 0.6 * lung.noise(15) - 0.8 * lung.back
    share = np.clip(0.38 + 0.1 * lung.noise(10), 0.2, 0.6)
    lung.paint(lung.grown(field, 0.7 * severity), 20, edge=1.0, most=share)


def effusion(lung, severity):
    """Fluid in one pleural space: it lies at the back and climbs along the wall."""
    field = 0.15 * lung.z - lung.y - 50 * lung.size * lung.rind + lung.noise(50)
    lung.paint(lung.grown(field, 0.6 * severity), 5, gone=True)


def tumour(lung, severity):
    """A lobulated ball of 20 to 70 mm in a man, at the chest wall or the mediastinum."""
    centre = lung.place(lung.part & (lung.rind > 0.2) & (np.abs(lung.up - 0.5) < 0.3))
    bumps = 6 * lung.noise(30) + 1.2 * lung.noise(9) - 10 - 25 * severity
    lung.paint(lung.distance(centre) + lung.size * bumps, 40 + 8 * lung.noise(20), gone=True)


def emphysema(lung, severity):
    """All lung darker, down to a median of -950 HU, with holes, most of them at the top."""
    soft = np.clip((-500 - lung.hu) / 200, 0, 1) * lung.part  # not the vessels
    before = float(np.median(lung.hu[lung.part]))
    field = 3 * (lung.noise(14) + 0.6 * lung.noise(8) - lung.up)
    lung.paint(lung.grown(field, 0.4 * severity), -985, edge=1.5, most=soft)
    change = before - np.median(lung.hu[lung.part]) + severity * min(0, -950 - before)
    lung.hu += soft * min(0, float(change))


def bullae(lung, severity):
    """Bubbles of air with thin walls under the pleura, up to 200 ml in a man's lungs."""
    rind, field = lung.part & (lung.rind > 0.2) & (lung.up > 0.35), np.inf
    for smaller, *stretch in lung.rng.uniform((0, *[0.8] * 3), (14, *[1.5] * 3), (6, 4)).tolist():
        field = np.minimum(field, lung.distance(lung.place(rind), stretch) + smaller)
    field = lung.grown(field, 0.04 * severity)
    lung.paint(np.abs(field) - 0.8, -100, most=0.3)
    lung.paint(field + 0.8, -990)


def collapsed_lobe(lung, severity):
    """A wedge along the spine, from the hilum to the base, almost without air."""
    field = 60 * lung.size * (lung.out - 0.9 * lung.back + 0.35 * lung.up) + 1.5 * lung.noise(25)
    field = lung.grown(field, 0.25 * severity)
    lung.paint(field, 42 + 6 * lung.noise(20))
    lung.paint_bronchi(field)


def _dome(lung, severity):
    """A diaphragm that stands higher: (field below 0 under it, mm of its top)."""
    y, x = (axis.max().item() / 2 for axis in (lung.y, lung.x))
    bowl = lung.z + lung.distance((0, y, x), (np.inf, 1, 1)) ** 2 / (150 * lung.size)
    dome = lung.grown(bowl, 0.45 * severity)
    return dome + 2 * lung.noise(50), (bowl - dome).max().item()


def raised_left_dome(lung, severity):
    """The diaphragm pushed up from below by a stomach and loops of colon that hold gas."""
    size, y, x = lung.size, lung.y.max().item() / 2, lung.x.max().item() / 2
    dome, top = _dome(lung, severity)
    stomach = lung.distance((top - 40 * size, y, x - 10 * size), (1, 1.3, 1)) - 32 * size
    fluid = np.maximum(stomach, y + 8 * size - lung.y)  # it lies behind the gas
    colon = 2 * lung.noise(12) - 15 * size
    turns = [(-32, -45 * np.sin(a), 42 * np.cos(a)) for a in np.linspace(-0.4, 2.2, 5)]
    loops = lung.rng.normal(turns, 4) * size + (top, y, x)  # from the side to the front
    colon += np.minimum.reduce([lung.distance(loop) for loop in loops.tolist()])
    lung.paint(dome, 45, gone=True)
    lung.paint(dome + 7, -95)
    for gut, hu in ((stomach, -980), (fluid, 15), (colon, -970)):
        lung.paint(np.maximum(gut - 3, dome + 3), 45)
        lung.paint(np.maximum(gut, dome + 6), hu)


def raised_right_dome(lung, severity):
    """The liver high in the chest: round, even and no lung, unlike a lobe that is filled."""
    lung.paint(_dome(lung, severity)[0], 55, gone=True)


EITHER = (RIGHT, LEFT)
DISEASES: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "consolidation": partial(_laid, consolidation, EITHER),
    "ground glass": partial(_laid, ground_glass, (RIGHT | LEFT,)),
    "effusion": partial(_laid, effusion, EITHER),
    "tumour": partial(_laid, tumour, EITHER),
    "emphysema": partial(_laid, emphysema, (RIGHT | LEFT,)),
    "bullae": partial(_laid, bullae, (RIGHT | LEFT,)),
    "collapsed lobe": partial(_laid, collapsed_lobe, EITHER),
    "raised left dome": partial(_laid, raised_left_dome, (LEFT,)),
    "raised right dome": partial(_laid, raised_right_dome, (RIGHT,)),
}
