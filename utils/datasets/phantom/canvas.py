"""Drawing tools of the synthetic CT: smooth noise, and one axial section being painted.

Lengths are millimetres of a standard patient; x grows to the patient's left, y to the back and
z to the head. A shape is an implicit function f: about the distance to its surface in mm,
negative inside, so shapes combine by minimum (union) and maximum (intersection). Planes are
float32 and numbers plain floats: a NumPy scalar would turn every plane into float64.
"""

import functools
import json
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

# The standard man: curves by height, (z, value); tubes, their points (x, y, z) and radii
SHAPES = json.loads(Path(__file__).with_name("shapes.json").read_bytes())


class Noise:
    """Smooth random field of unit variance, wavelength about `size` mm (cubic B-splines)."""

    def __init__(self, rng, size, x, y, z_range):
        self.size, self.origin = size, (z_range[0], y.min(), x.min())
        ends = (z_range[1], y.max(), x.max())
        shape = [int((b - a) / size) + 5 for a, b in zip(self.origin, ends, strict=True)]
        # 0.35 is the standard deviation that cubic B-splines leave of white noise in 3-D
        self.lattice = (rng.standard_normal(shape) / 0.35).astype(np.float32)
        self.rows, self.columns = self._taps(y, 1), self._taps(x, 2)

    def _taps(self, values, axis):
        """First of the four neighbours of each value, and their cubic B-spline weights."""
        t = (np.asarray(values) - self.origin[axis]) / self.size
        first = np.floor(t).astype(int)
        t = t - first
        weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
        return first, (np.stack(weights) / 6).astype(np.float32)

    def __call__(self, z, rows):
        """The field in the plane z on a slice of rows: float32 [rows, cols]."""
        first, weights = self._taps(z, 0)
        plane = sum(weights[k] * self.lattice[first + k] for k in range(4))
        first, weights = self.columns
        plane = sum(weights[k] * plane[:, first + k] for k in range(4))
        first, weights = self.rows[0][rows], self.rows[1][:, rows, None]
        return sum(weights[k] * plane[first + k] for k in range(4))


class Section:
    """One axial plane: coordinates `x`, `y` [rows, cols] and `z`, named `noise` planes, `hu`."""

    def __init__(self, x, y, z, pixel, noise, hu):
        self.x, self.y, self.z, self.pixel, self.noise, self.hu = x, y, z, pixel, noise, hu

    def at(self, where, planes=None):
        """The section on a window (a view) or on a set of pixels (a copy).

        planes : names of the noise planes to take along, default all.
        """
        noise = {name: self.noise[name][where] for name in planes or self.noise}
        return Section(self.x[where], self.y[where], self.z, self.pixel, noise, self.hu[where])

    def cover(self, f):
        """Share of each pixel covered by the shape f < 0 (partial volume), 0 to 1."""
        cover = f * (-1 / self.pixel)
        cover += 0.5
        return np.clip(cover, 0, 1, out=cover)

    def paint(self, f, value):
        """Mix `value` (HU, number or plane) into the pixels that the shape f < 0 covers."""
        change = value - self.hu
        change *= self.cover(f)
        self.hu += change

    def window(self, x0, x1, y0, y1):
        """Rows and columns that can hold the box, or None if the plane misses it."""
        rows, columns = self.x.shape
        window = _reach(self.y[:, columns // 2], y0, y1), _reach(self.x[rows // 2], x0, x1)
        return None if None in window else window

    def ellipsoid(self, centre, radii, value, wobble=0.0, cut=None):
        """Paint an ellipsoid whose surface wobbles by `wobble` mm times the coarse noise.

        cut : y in mm; only what lies in front of it is painted (gas above a fluid level).
        value : HU, or a function of the noise planes that gives HU.
        """
        (cx, cy, cz), (rx, ry, rz) = centre, radii
        if abs(self.z - cz) > rz + 3:
            return
        window = self.window(cx - rx, cx + rx, cy - ry, cy + ry)
        if window is None:
            return
        part = self.at(window)
        f = ellipsoid(part, centre, radii) + wobble * part.noise["coarse"]
        f = f if cut is None else np.maximum(f, part.y - cut)
        part.paint(f, value(part.noise) if callable(value) else value)

    def tube(self, points, radii):
        """Implicit function of a tube through `points`, and its window; (None, None) if far."""
        pieces = [
            (a, b, ra, rb)
            for a, b, ra, rb in zip(points, points[1:], radii, radii[1:], strict=False)
            if min(a[2], b[2]) - 3 - max(ra, rb) < self.z < max(a[2], b[2]) + 3 + max(ra, rb)
        ]
        if not pieces:
            return None, None
        xs, ys, _ = zip(*(end for piece in pieces for end in piece[:2]), strict=True)
        r = max(radii)
        window = self.window(min(xs) - r, max(xs) + r, min(ys) - r, max(ys) + r)
        if window is None:
            return None, None
        return np.minimum.reduce([self._capsule(*piece, window) for piece in pieces]), window

    def _capsule(self, a, b, ra, rb, window):
        ox, oy, oz = self.x[window] - a[0], self.y[window] - a[1], self.z - a[2]
        d = [end - begin for begin, end in zip(a, b, strict=True)]
        t = np.clip((ox * d[0] + oy * d[1] + oz * d[2]) / sum(c * c for c in d), 0, 1)
        distance = np.sqrt((ox - t * d[0]) ** 2 + (oy - t * d[1]) ** 2 + (oz - t * d[2]) ** 2)
        return distance - (ra + t * (rb - ra))


def _reach(axis, low, high):
    """Slice of a nearly even axis that covers low to high (mm), or None if it misses them."""
    first, step = float(axis[0]), float(axis[-1] - axis[0]) / (len(axis) - 1)
    # coordinates are bent by a few millimetres: the margin keeps everything inside
    start = max(int((low - 12 - first) / step), 0)
    stop = min(int((high + 12 - first) / step) + 2, len(axis))
    return slice(start, stop) if start < stop else None


def ellipsoid(s, centre, radii, axes=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    """Implicit function of an ellipsoid whose directions are the rows of `axes`."""
    x, y, z = s.x - centre[0], s.y - centre[1], s.z - centre[2]
    scaled = [(a * x + b * y + c * z) / r for (a, b, c), r in zip(axes, radii, strict=True)]
    return (np.sqrt(sum(o * o for o in scaled)) - 1) * min(radii)


def oval(x, y, half, front, back, squareness):
    """Implicit function of an oval, from an ellipse (squareness 2) to nearly a square (0)."""
    middle, depth = (front + back) / 2, (back - front) / 2
    y = y - middle
    dx, dy = (x / half) ** 2, (y / depth) ** 2
    r = np.sqrt(np.sqrt(dx * dx + dy * dy + squareness * dx * dy)) + 1e-6
    return (1 - 1 / r) * np.sqrt(x * x + y * y)


def smooth_union(f, g, k):
    """Union of two shapes whose crease is rounded over about k mm (polynomial minimum)."""
    h = np.maximum(k - np.abs(f - g), 0)
    return np.minimum(f, g) - h * h * (0.25 / k)


def ramp(t, knots, values):
    """Piecewise linear function of a plane t (np.interp in float32, and faster)."""
    result = np.full(t.shape, values[0], np.float32)
    for a, b, va, vb in zip(knots, knots[1:], values, values[1:], strict=False):
        result += np.clip(t - a, 0, b - a) * ((vb - va) / (b - a))
    return result


def between(height, z, value):
    """Linear interpolation of one number, as a plain float."""
    return float(np.interp(height, z, value))


def curve(name):
    """Smooth monotone curve through the points of that name in SHAPES: a function of a height."""
    z, value = zip(*sorted(SHAPES["curves"][name]), strict=True)
    smooth = PchipInterpolator(z, value, extrapolate=True)
    return functools.cache(lambda height: float(smooth(height)))
