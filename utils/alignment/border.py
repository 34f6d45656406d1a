"""Where a mask's border lies off the lung's own: slice by slice, lung by lung."""

import numpy as np

from utils.alignment.placement import climb, contrast_of, is_lung_like, mask_and_rind

GRID = 4.0  # mm between lines
REACH = (5, 12, 12)  # voxels each way in which the lung's own border is sought
CLEAR = 0.85  # of a line is as one step from lung to what is around it makes it
SAME = 1.5  # pixels in which lines agree
# What a line votes for a shift: by how much it is off, less what good masks are off
LESS, MOST_OFF = (0.55, 1.5, 1.5), 3.0
DISAGREE = 0.4  # of the lines of a part; in ill lungs fewer do, but on few slices
# Moved to where they fit best, the masks of real patients and phantoms reach 0.90 and more on their
# own volume. On another's they reach at most 0.50 among the real patients and 0.70 among phantoms
LEAST_CONTRAST = 0.75
LEAST_VOTE, LEAST_GAIN, PART_GAIN = 0.02, 0.03, 0.05  # of lines; of contrast; 0.035 in ill lung
MOST_OFFSET = (0, 1, 1)  # a pixel in the plane is within what two readers differ by; a slice is not


def lines_across(hu, mask, spacing):
    """Lines across a mask's border along slices, rows and columns: three int arrays [5, n].

    off : voxels by which the lung goes on beyond the mask, or ends within it (negative). sign :
    1 where the mask ends up the axis, -1 down. z, x : slice and column. clear : 1 if lung ends.
    """
    every, lines = max(1, round(GRID / spacing[2])), []
    for axis, reach in enumerate(REACH):
        step = [every if other not in (0, axis) else 1 for other in range(3)]
        part = tuple(slice(None, None, each) for each in step)
        change = np.diff(mask[part].view(np.int8), axis=axis)
        at = list(np.unravel_index(np.flatnonzero(change != 0), change.shape))
        sign = -change[tuple(at)].astype(int)
        places = (at[axis] + (sign > 0))[:, None] + sign[:, None] * np.arange(-reach, reach)
        index, end = [each[:, None] for each in at], mask.shape[axis]
        index[axis] = places.clip(0, end - 1)
        dark = is_lung_like(hu[part][tuple(index)]) & (places >= 0) & (places < end)
        inner = np.pad(np.cumsum(dark, 1), ((0, 0), (1, 0)))
        steps = np.arange(2 * reach + 1)
        right = 2 * inner - inner[:, -1:] + 2 * reach - steps  # voxels on their side of each step
        off = np.argmax(right - 0.01 * abs(steps - reach), 1) - reach
        clear = (right.max(1, initial=0) >= CLEAR * 2 * reach) & (abs(off) <= reach - 2)
        z = at[0] + ((sign < 0) if axis == 0 else 0)
        lines.append(np.array([off, sign, z, at[2] * step[2], clear]))
    return lines


def thickness(lines):
    """(pixels by which a mask is too thin, or too thick: negative; share of lines that agree).

    Of the lines in the plane; the mean near the mode, as lines from haze or ill lung stray.
    """
    off, *_, clear = np.concatenate(lines[1:], axis=1)
    seen = off[clear > 0]
    if not len(seen):
        return 0.0, 0.0
    counts = np.convolve(np.bincount(seen + REACH[1], minlength=3), (1, 1, 1), "same")
    thin = float(seen[abs(seen + REACH[1] - counts.argmax()) <= 1].mean())
    return thin, float((abs(seen - thin) <= SAME).sum() / len(off))


def shifted_part(hu, mask, lines):
    """The part of a mask that lies elsewhere: (first slice, last, half, shift), or None.

    half : "right ", "left " or "" for both; shift : (slices, rows, columns) that would mend it.
    Runs of slices whose lines vote for one way, or agree with nothing, are tried in other places.
    """
    thin, _ = thickness(lines)
    middle = int(np.average(np.arange(mask.shape[2]), weights=mask.any(0).sum(0)))
    halves = {"": slice(None), "right ": slice(middle), "left ": slice(middle, None)}
    runs = []
    for axis, (off, sign, z, x, clear) in enumerate(lines):
        vote = (off - (thin if axis else 0)) * sign
        votes = [(np.clip(vote * way, -MOST_OFF, MOST_OFF) - LESS[axis]) * clear for way in (1, -1)]
        if axis:
            votes.append(~((clear > 0) & (abs(off - thin) <= SAME)) - DISAGREE)
        for half, here in zip(halves, (x >= 0, x < middle, x >= middle), strict=True):
            for each in votes:
                weight, *ends = _heaviest(np.bincount(z[here], each[here], len(mask)))
                runs.append((weight / max(1, len(off)), *ends, half))
    lung_like = None
    for weight, start, stop, half in sorted(runs, reverse=True)[:3]:
        if weight > LEAST_VOTE:
            part = np.zeros_like(mask)
            part[start:stop, :, halves[half]] = mask[start:stop, :, halves[half]]
            lung_like = is_lung_like(hu) if lung_like is None else lung_like
            points = mask_and_rind(part)
            shift, best = climb(lung_like, points, (0, 0, 0))
            beyond = any(abs(by) > most for by, most in zip(shift, MOST_OFFSET, strict=True))
            gained = best - contrast_of(lung_like, points) > PART_GAIN
            if beyond and gained and best >= LEAST_CONTRAST:
                return start, stop - 1, half, shift
    return None


def _heaviest(weights):
    """(weight, start, stop) of the run of slices that weighs most."""
    sums = np.concatenate([[0], np.cumsum(weights)])
    stop = int(np.argmax(sums - np.minimum.accumulate(sums)))
    start = int(np.argmin(sums[: stop + 1]))
    return float(sums[stop] - sums[start]), start, stop
