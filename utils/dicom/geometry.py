"""Where slices lie: their order, spacing and orientation in patient coordinates (LPS, mm).

LPS: x grows to the patient's left, y to the back, z to the head (PS3.3 C.7.6.2.1.1). The
canonical grid [slices, rows, cols] therefore runs along +z, +y, +x.
"""

import numpy as np

from utils.errors import refusals

refusal = refusals(__file__)

SAME_POSITION = 1e-3  # mm
OBLIQUE_LIMIT = 10.0  # degrees between an axis of the series and the nearest patient axis
TILT_LIMIT = 0.5  # degrees between the way from slice to slice and the slices' normal
# of the spacing: farther off, a slice is nearly shown at its neighbour's place
OFF_GRID_LIMIT = 0.25
CODES = {(0, 1): "L", (0, -1): "R", (1, 1): "P", (1, -1): "A", (2, 1): "H", (2, -1): "F"}
# the same the other way: letter -> (axis of the canonical grid, sense); its axis 0 runs along z
SENSES = {letter: (2 - patient, sign) for (patient, sign), letter in CODES.items()}


def common_orientation(frames):
    """Unit vectors [3, 3] of a series' slice, row and column axis (LPS).

    The slice axis is the normal of ImageOrientationPatient, in the sense that runs to the head
    (or back, or left), so that slices sorted along it are in canonical order. Raises InputError
    for a missing, skewed or mixed ImageOrientationPatient.
    """
    first = frames[0]
    for frame in frames:
        if frame.orientation is None:
            raise refusal("no_orientation", frame.name)
    all_axes = np.array([frame.orientation for frame in frames])
    differs = np.abs(all_axes - all_axes[0]).max(axis=1) > 1e-3
    if differs.any():
        other = frames[int(np.argmax(differs))]
        both = ((_list(frame.orientation), frame.name) for frame in (first, other))
        raise refusal("orientations", *next(both), *next(both))
    along_row, down_column = all_axes[0, :3], all_axes[0, 3:]
    lengths = np.linalg.norm(all_axes[0].reshape(2, 3), axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(along_row @ down_column) > 0.01:
        raise refusal("orientation", first.name, _list(first.orientation))
    along_row = along_row / lengths[0]
    normal = np.cross(along_row, down_column)
    normal /= np.linalg.norm(normal)
    down_column = np.cross(normal, along_row)
    return np.stack([normal * np.sign(normal[np.abs(normal).argmax()]), down_column, along_row])


def place_slices(frames, axes):
    """Positions [n, 3] of the slices in mm and notes on how they were found.

    ImagePositionPatient; where no slice has one, SliceLocation along the slice axis (PS3.3
    C.7.6.2.1.2 leaves its origin and sign open; that it grows to the head is assumed and noted).
    """
    missing = [frame for frame in frames if frame.position is None]
    if not missing:
        positions = np.array([frame.position for frame in frames])
        if np.abs(positions).max() > 1e5:
            worst = frames[int(np.abs(positions).max(axis=1).argmax())]
            raise refusal("position", worst.name, _list(worst.position))
        return positions, _location_notes(frames, positions @ axes[0])
    if len(missing) < len(frames) or any(frame.location is None for frame in frames):
        others = "other slices have it" if len(missing) < len(frames) else "SliceLocation too"
        raise refusal("no_position", missing[0].name, others)
    positions = np.outer([frame.location for frame in frames], axes[0])
    return positions, [
        "ImagePositionPatient is missing: slices were ordered by SliceLocation, taken to grow "
        "towards the head, and the origin of the patient coordinates is not known."
    ]


def _location_notes(frames, heights):
    """Note if SliceLocation contradicts the positions' order or distances."""
    if len(frames) < 2 or any(frame.location is None for frame in frames):
        return []
    order = np.argsort(heights, kind="stable")
    locations = np.array([frame.location for frame in frames])[order]
    gaps, stated = np.diff(heights[order]), np.diff(locations)
    stated = stated * np.sign(np.median(stated) or 1)  # either direction is allowed
    if (np.abs(stated - gaps) <= 0.1 * gaps + 0.1).all():
        return []
    return ["SliceLocation contradicts ImagePositionPatient: slices were ordered by position."]


def check_spacing(positions, axes, names, thickness):
    """Notes on the spacing of slices at positions [n >= 2, 3] in mm, sorted along axes[0].

    Raises InputError naming the neighbours where slices are missing or unevenly spaced, and for a
    slice far from where even spacing puts it: gaps that drift add up though each is within bounds.
    """
    heights = positions @ axes[0]
    gaps = np.diff(heights)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # lower median: of 3 and 6 mm, 3
    worst = int(np.abs(gaps - usual).argmax())
    deviation = abs(gaps[worst] - usual) / usual
    rounded = _evenly_rounded(heights)
    if deviation > 0.1 and not rounded:
        cause, tilt = _cause(gaps, usual, names, thickness), _tilt(positions, axes)[0]
        tilted = f" (gantry tilt of {tilt:.1f}°, too)" if tilt > TILT_LIMIT else ""
        raise refusal("gap", gaps[worst], names[worst], names[worst + 1], usual, cause, tilted)
    spacing = float(heights[-1] - heights[0]) / len(gaps)
    even = np.linspace(heights[0], heights[-1], len(heights))
    farthest = int(np.abs(heights - even).argmax())
    if abs(heights[farthest] - even[farthest]) > OFF_GRID_LIMIT * spacing and not rounded:
        places = heights[farthest], even[farthest]
        raise refusal("drift", names[farthest], *places, spacing, gaps.min(), gaps.max())
    if deviation <= 0.01:
        return []
    why = f", as positions rounded to {rounded:g} mm do" if rounded else ""
    return [
        f"The slice spacing varies by {100 * deviation:.0f} % ({gaps.min():.4g} to "
        f"{gaps.max():.4g} mm){why}; its mean is used."
    ]


def _evenly_rounded(heights):
    """The last decimal, in mm, of heights that lie evenly but for their rounding to it; else 0.

    Both ends are off by half of it at most, and so is each slice: together by no more than the
    whole. Of spacings under twice the decimal, a gap that was rounded up may hold a missing slice.
    """
    even = np.linspace(heights[0], heights[-1], len(heights))
    off = max(np.ptp(np.diff(heights)), np.abs(heights - even).max())
    for decimal in (1.0, 0.1, 0.01, 0.001):
        if np.abs(heights - decimal * np.rint(heights / decimal)).max() < 1e-6:
            return decimal if off <= 1.001 * decimal and even[1] - even[0] >= 2 * decimal else 0
    return 0


def _cause(gaps, usual, names, thickness):
    """Why slices are not evenly spaced, and what to do: some are missing, or it is so scanned."""
    times = gaps / usual
    missing = int(np.rint(times).sum()) - len(gaps)
    whole = missing > 0 and np.abs(times - np.rint(times)).max() <= 0.1
    absent = f"{missing} slice{'s are' if missing > 1 else ' is'} missing. Fetch the series again"
    at = 1 + int(np.abs(np.diff(gaps)).argmax()) if len(gaps) > 3 else 0
    parts = gaps[:at], gaps[at:]
    if min(map(len, parts)) > 1 and all(np.ptp(part) <= 0.1 * part.mean() for part in parts):
        change = "the spacing changes from {:.4g} to {:.4g} mm".format(*(p.mean() for p in parts))
        if whole and thickness[0] == thickness[-1]:
            return f"{change} at {names[at]}, or {absent}"
        return f"{change} at {names[at]}. Resample it to even spacing, or separate the parts"
    return absent if whole else "the slices are not evenly spaced. Fetch the series again"


def _tilt(positions, axes):
    """Degrees between the way from the first slice to the last and axes[0], and mm sideways."""
    way = positions[-1] - positions[0]
    rise = float(way @ axes[0])
    drift = float(np.linalg.norm(way - rise * axes[0]))
    return float(np.degrees(np.arctan2(drift, rise))), drift


def check_stack(positions, axes, names):
    """Refuse a stack whose slices are shifted sideways: a tilted gantry, or positions astray.

    positions [n >= 2, 3], sorted along the normal axes[0].
    """
    (tilt, drift), way = _tilt(positions, axes), positions[-1] - positions[0]
    if tilt > TILT_LIMIT and drift > 0.1:
        raise refusal("tilt", tilt)
    share = (positions - positions[0]) @ axes[0] / (way @ axes[0])
    astray = np.linalg.norm(positions - positions[0] - np.outer(share, way), axis=1)
    if astray.max() > 0.5:
        raise refusal("sideways", names[int(astray.argmax())], astray.max())


def canonical_axes(axes):
    """Which stored axis runs along z, y and x, and in which sense: [(axis, sign)] * 3.

    axes : unit vectors of the stored axes (slice, row, column) [3, 3]. Raises InputError if
    one is more than OBLIQUE_LIMIT degrees off every patient axis.
    """
    nearest = np.abs(axes).argmax(axis=1)
    angle = float(np.degrees(np.arccos(np.clip(np.abs(axes).max(axis=1).min(), 0, 1))))
    if sorted(nearest) != [0, 1, 2] or angle > OBLIQUE_LIMIT:
        raise refusal("oblique", angle, OBLIQUE_LIMIT)
    stored = {int(patient): axis for axis, patient in enumerate(nearest)}
    return [(stored[p], int(np.sign(axes[stored[p], p]))) for p in (2, 1, 0)]


def turned(array, places):
    """View of an array with its axes in another order and sense: [(axis, sign)] * 3.

    From the stored to the canonical grid by `canonical_axes`, and back by the `SENSES` of
    `axes_code`.
    """
    flips = tuple(slice(None, None, sign) for _, sign in places)
    return array.transpose([axis for axis, _ in places])[flips]


def turned_affine(affine, shape, places):
    """Affine (4x4, index -> LPS mm) of a `turned` array from that of the array of this shape."""
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (axis, sign) in enumerate(places):
        change[axis, new] = sign
        change[axis, 3] = 0 if sign > 0 else shape[axis] - 1
    return affine @ change


def axes_code(canonical):
    """Senses of the stored slice, row and column axis, such as "HPL" (canonical) or "FAR"."""
    letters = {axis: CODES[2 - k, sign] for k, (axis, sign) in enumerate(canonical)}
    return letters[0] + letters[1] + letters[2]


def _list(values):
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"
