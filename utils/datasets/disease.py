"""Disease laid into the lungs of a CT, real or drawn, with the truth that goes with it.

What counts as lung is what LCTSC's guide to contouring (RTOG 1106) says: inflated, collapsed,
consolidated, fibrotic and emphysematous lung and the small vessels inside it are lung; tumours,
pleural effusion, the vessels of the hilum, windpipe and main bronchi are not.

Each of DISEASES is (hu, truth, spacing, severity, rng) -> (hu, truth), new arrays: int16 HU and
0/1 [slices, rows, cols], slice 0 at the feet, row 0 in front, column 0 at the patient's right;
spacing in mm (slice, row, col); severity 0 (none) to 1; rng a Generator, of which one state gives
one place. Sizes follow the lung's, so a child's fits. Looks were set by eye, not for diagnosis.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from utils.anatomy import LEFT, RIGHT, body_midline, bounding_box, litres, split_lungs
from utils.datasets.noise import grain, ramp_spectrum

DISEASES: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {}
RIM = 2  # pixels around the lung: half air, half wall, a dark seam beside what is dense
IN_SLICE = ndimage.generate_binary_structure(2, 1)[None]


def _disease(*sides):
    """Enter a painter (lung, severity) in DISEASES; it gets one of `sides`, each a tuple."""

    def enter(paint):
        def laid(hu, truth, spacing, severity, rng):
            hu, truth = hu.copy(), truth.copy()
            labels = split_lungs(truth, spacing, body_midline(hu))
            there = [side for side in sides if np.isin(labels, side).any()]
            if there and severity > 0:
                lung = _Lung(hu, labels, there[rng.integers(len(there))], spacing, rng)
                paint(lung, severity)
                hu[lung.box] = np.rint(np.clip(lung.hu, -1024, None))
                truth[lung.box][lung.gone & lung.part] = 0
            return hu, truth

        DISEASES[paint.__name__.replace("_", " ")] = laid

    return enter


def _spline(lattice, start, steps, shape):
    """Cubic B-splines over a lattice, read at start + step·i along each axis; float32 `shape`."""
    weights = []
    for nodes, step, count in zip(lattice.shape, steps, shape, strict=True):
        far = np.abs(start + step * np.arange(count)[:, None] - np.arange(nodes))
        weight = np.maximum(2 - far, 0) ** 3 - 4 * np.maximum(1 - far, 0) ** 3
        weights.append((weight / weight.sum(1, keepdims=True)).astype(np.float32))
    return np.einsum("ai,bj,ck,ijk->abc", *weights, lattice.astype(np.float32), optimize=True)


class _Lung:
    """One lung or both, cut out of a scan. Fields are float32 [z, y, x], lengths in mm."""

    def __init__(self, hu, labels, side, spacing, rng):
        part, self.mm, self.rng = np.isin(labels, side), np.array(spacing), rng
        self.size = min(1.2, float(np.cbrt(litres(part.sum(), spacing) / 2.5)))  # a man's lung: 1
        self.box = bounding_box(part, RIM + 1)
        self.part, self.hu = part[self.box], hu[self.box].astype(np.float32)
        near = ndimage.binary_dilation(self.part, IN_SLICE, RIM) & (labels[self.box] == 0)
        self.within = self.part | (near & (self.hu < -150))
        self.gone = np.zeros(self.part.shape, bool)
        shape = self.part.shape
        self.axes = [
            (np.arange(n, dtype=np.float32) * mm).reshape(np.roll((n, 1, 1), axis))
            for axis, (n, mm) in enumerate(zip(shape, spacing, strict=True))
        ]
        z, y, x = self.axes
        x = x.max() - x if side == (RIGHT,) else x
        self.up, self.back, self.out = (each / max(each.max(), 1) for each in (z, y, x))
        step = np.maximum(1, np.rint(3 / self.mm).astype(int))  # a distance needs no finer grid
        depth = np.pad(self.part[:: step[0], :: step[1], :: step[2]], 1)
        depth = ndimage.distance_transform_edt(depth, step * self.mm)
        self.depth = _spline(depth, 1, 1 / step, shape)
        white = rng.standard_normal(shape, np.float32)
        noise = grain(white, ramp_spectrum(shape[1:], spacing[1], 0.3).astype(np.float32))
        soft = (np.abs(self.hu - 40) < 60)[..., 2:]
        own, drawn = (np.abs(a[..., 2:] - a[..., :-2])[soft] for a in (self.hu, noise))
        self.grain = noise * np.float32(np.median(own) / np.median(drawn) if soft.any() else 0)

    def noise(self, size):
        """Smooth field of unit variance, of a wavelength of about `size` mm in a man's lung."""
        steps = self.mm / (size * self.size)
        white = self.rng.standard_normal(np.ceil(steps * self.part.shape).astype(int) + 3)
        return _spline(white, 1, steps, self.part.shape) / 0.35  # as in the phantom's canvas

    def near(self, where, stretch=(1, 1, 1)):
        """Distance from a random place of a mask; shorter along axes that are stretched."""
        places = np.argwhere(where if where.any() else self.part)
        return self.distance(places[self.rng.integers(len(places))] * self.mm, stretch)

    def distance(self, place, stretch=(1, 1, 1)):
        """Distance from (z, y, x) in mm."""
        axes = zip(self.axes, place, stretch, strict=True)
        return np.sqrt(sum(((axis - float(at)) / by) ** 2 for axis, at, by in axes))

    def grown(self, field, share, where=None):
        """The field less the value below which a share of the lung, or of a mask, lies."""
        where = self.part if where is None or not where.any() else where
        return field - float(np.quantile(field[where], share))

    def paint(self, field, hu, edge=None, most=1.0, gone=False):
        """Mix HU, with noise, into the lung where a field is below 0.

        edge : mm over which it fades, one pixel by default; most : share that is mixed in at
        most; gone : what is painted is lung no more.
        """
        cover = np.clip(0.5 - field / (edge or self.mm[1]), 0, 1) * most
        cover *= self.within if np.max(hu) > -500 else self.part
        self.hu += cover * (hu + self.grain - self.hu)
        if gone:
            self.gone |= cover > 0.5

    def air_in_bronchi(self, field):
        """Thin branches of air where a field is below 0: along lines on which two noises are 0."""
        line = 6 * np.hypot(self.noise(45), self.noise(45)) - 1.5
        self.paint(np.maximum(line, field + 3), -950.0)


@_disease((RIGHT,), (LEFT,))
def consolidation(lung, severity):
    """Up to nine tenths of a lobe as dense as muscle, patchy at its rim; bronchi keep their air."""
    fissure = (lung.up - 0.1 - 0.6 * lung.back) * lung.axes[0].max() + 4 * lung.noise(60)
    fissure *= lung.rng.choice((-1.0, 1.0)).item()  # the lobe above it, or the one below
    lobe = lung.part & (fissure < 0)
    spread = lung.near(lobe) + 14 * lung.size * lung.noise(35)
    spread = lung.grown(spread, 0.9 * severity, lobe)
    lung.paint(np.maximum(spread - 10 + 4 * lung.noise(12), fissure), 20, edge=20, most=0.5)
    filled = np.maximum(spread + 5 * lung.noise(9), fissure)
    lung.paint(filled, 32 + 8 * lung.noise(20), edge=4)
    lung.air_in_bronchi(filled)


@_disease((RIGHT, LEFT))
def ground_glass(lung, severity):
    """Haze in patches over up to 0.7 of both lungs; vessels show through it."""
    field = lung.noise(40) + 0.6 * lung.noise(15) - 0.8 * lung.back
    share = np.clip(0.38 + 0.1 * lung.noise(10), 0.2, 0.6)
    lung.paint(lung.grown(field, 0.7 * severity), 20, edge=1.0, most=share)


@_disease((RIGHT,), (LEFT,))
def effusion(lung, severity):
    """Fluid in one pleural space: it lies at the back and climbs along the wall."""
    climb = 35 * lung.size * np.exp(-lung.depth / (9 * lung.size))
    field = 0.15 * lung.axes[0] - lung.axes[1] - climb + lung.noise(50)
    lung.paint(lung.grown(field, 0.6 * severity), 5, gone=True)


@_disease((RIGHT,), (LEFT,))
def tumour(lung, severity):
    """A lobulated ball of 20 to 70 mm in a man, at the chest wall or the mediastinum."""
    rind = lung.part & (lung.depth < 12) & (np.abs(lung.up - 0.5) < 0.3)
    field = lung.near(rind) + lung.size * (6 * lung.noise(30) + 1.2 * lung.noise(9))
    field -= (10 + 25 * severity) * lung.size
    lung.paint(field, 40 + 8 * lung.noise(20), gone=True)


@_disease((RIGHT, LEFT))
def emphysema(lung, severity):
    """All lung darker, down to a median of -950 HU, with holes, most of them at the top."""
    soft = np.clip((-500 - lung.hu) / 200, 0, 1) * lung.part  # not the vessels
    median = float(np.median(lung.hu[lung.part]))
    goal = median + severity * min(0, -950 - median)
    field = 3 * (lung.noise(14) + 0.6 * lung.noise(8) - lung.up)
    lung.paint(lung.grown(field, 0.4 * severity), -985.0, edge=1.5, most=soft)
    lung.hu += soft * min(0, goal - float(np.median(lung.hu[lung.part])))


@_disease((RIGHT, LEFT))
def bullae(lung, severity):
    """Bubbles of air with thin walls under the pleura, up to 200 ml in a man's lungs."""
    rind, field = lung.part & (lung.depth < 9) & (lung.up > 0.35), np.float32(np.inf)
    for smaller in lung.rng.uniform(0, 14, 6):
        bubble = lung.near(rind, lung.rng.uniform(0.8, 1.5, 3).tolist())
        field = np.minimum(field, bubble + float(smaller))
    field = lung.grown(field, 0.04 * severity)
    lung.paint(np.abs(field) - 0.8, -100, most=0.3)
    lung.paint(field + 0.8, -990.0)


@_disease((RIGHT,), (LEFT,))
def collapsed_lobe(lung, severity):
    """A wedge along the spine, from the hilum to the base, almost without air."""
    field = 60 * lung.size * (lung.out - 0.9 * lung.back + 0.35 * lung.up) + 1.5 * lung.noise(25)
    field = lung.grown(field, 0.25 * severity)
    lung.paint(field, 42 + 6 * lung.noise(20))
    lung.air_in_bronchi(field)


@_disease((LEFT,))
def raised_left_dome(lung, severity):
    """The diaphragm pushed up from below by a stomach and loops of colon that hold gas."""
    size, (_, y, x) = lung.size, (float(axis.max()) / 2 for axis in lung.axes)
    bowl = lung.axes[0] + lung.distance((0, y, x), (np.inf, 1, 1)) ** 2 / (150 * size)
    dome = lung.grown(bowl, 0.45 * severity)
    top = float((bowl - dome).max())
    dome += 2 * lung.noise(50)
    stomach = lung.distance((top - 40 * size, y, x - 10 * size), (1, 1.3, 1)) - 32 * size
    fluid = np.maximum(stomach, y + 8 * size - lung.axes[1])  # it lies behind the gas
    colon = np.float32(np.inf)
    for turn in np.linspace(-0.4, 2.2, 5):  # from the back round the side to the front
        loop = (top - 32 * size, y - 45 * size * np.sin(turn), x + 42 * size * np.cos(turn))
        loop = lung.distance(loop + lung.rng.normal(0, 4, 3) * size)
        colon = np.minimum(colon, loop + size * (2 * lung.noise(12) - 15))
    lung.paint(dome, 45, gone=True)
    lung.paint(dome + 7, -95)
    for gut, hu in ((stomach, -980.0), (fluid, 15), (colon, -970.0)):
        lung.paint(np.maximum(gut - 3, dome + 3), 45)
        lung.paint(np.maximum(gut, dome + 6), hu)
