"""Is this mask the mask of this volume? Measured, not only looked at.

python -m utils.alignment DATASET        the table of verdicts; exit code 1 if any is bad
"""

import dataclasses
import itertools
import json
import sys

import numpy as np
from scipy import ndimage
from tqdm.auto import tqdm

from utils.dataset import create_paired_data
from utils.errors import InputError
from utils.masks import load_masks
from utils.volumes import load_cases
from utils.workspace import derived_folder, shown, write_json

# Aerated lung lies between about -950 and -500 HU; air is included, so that emphysema and the
# padding of clipped scans count, since the rind around the mask tells lung from open air
LUNG_LIKE_HU = (-1024, -350)
RIND_PX = 3
# The masks of real patients and phantoms reach 0.9 in place, 0.75 one slice off, and no more
# than 0.45 on another patient, wherever they are moved
LEAST_CONTRAST = 0.6
# A whole pixel in the plane is within what two readers differ by; one slice is not
MOST_OFFSET = (0, 1, 1)
SAMPLE = 20_000  # voxels; all placements are judged on the same ones, so noise mostly cancels
SLICES_EACH_WAY = 6

AXES = ("slices", "rows", "columns")
ORIENTATIONS = tuple(itertools.product((False, True), repeat=4))  # transpose, 3 flips
FAULTS = ("transposed", "reversed", "flipped up-down", "mirrored")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the check says of one case, and the numbers behind it.

    verdict : "aligned", "reversed", "mirrored", "flipped up-down", "transposed",
    "shifted by 2 slices" (or rows, columns), several of these joined, or "unrelated".
    contrast : of the mask as given. best : of the placement that fits best. rival : the best
    contrast among all other orientations, so that best - rival says how sure the orientation
    is; where they are close, a symmetric chest cannot tell it. correction : the steps by which
    `correct` would move the mask into place; nothing is ever moved unasked.
    """

    verdict: str
    contrast: float
    best: float
    rival: float
    correction: tuple[str, ...]


def lung_contrast(hu, mask):
    """How much more lung-like is the tissue under a mask than the rind around it? -1 to 1.

        contrast = share of lung-like voxels under the mask
                 - share of lung-like voxels in a rind of 3 pixels around it, slice by slice

    A lung is airy and has a chest wall around it, so an aligned mask scores high. A mask over
    muscle scores low for its inside, a mask over the air of the room for its rind.

    hu : int16 [slices, rows, cols]. mask : uint8 0/1, same shape. NaN when the mask is empty.
    """
    points = _mask_and_rind(mask, most=mask.size)
    return _contrast(_lung_like(hu), points)


def check_case(hu, mask):
    """Try a mask in every orientation and, from there, shifted; returns a Verdict.

    The orientations are the 16 that flips of the three axes and a transposition make, each at
    shifts of up to six slices; from the best of them a pattern search finds the best shift.
    """
    lung_like, points = _lung_like(hu), _mask_and_rind(mask, SAMPLE)
    given = _contrast(lung_like, points)
    if np.isnan(given):
        return Verdict("unrelated", given, given, given, ())

    found = {}
    for orientation in ORIENTATIONS:
        if orientation[0] and hu.shape[1] != hu.shape[2]:
            continue
        turned = [_turn(p, hu.shape, orientation) for p in points]
        coarse = [p[::4] for p in turned]
        shifts = [(dz, 0, 0) for dz in range(-SLICES_EACH_WAY, SLICES_EACH_WAY + 1)]
        start = max(shifts, key=lambda shift, p=coarse: _contrast(lung_like, p, shift))
        found[orientation] = (_contrast(lung_like, turned, start), start, turned)
    leading = sorted(found, key=lambda orientation: found[orientation][0])[-3:]
    for orientation in leading:
        _, start, turned = found[orientation]
        shift = _climb(lung_like, turned, start)
        found[orientation] = (_contrast(lung_like, turned, shift), shift, turned)
    ranked = sorted(found, key=lambda orientation: found[orientation][0])
    best, shift, _ = found[ranked[-1]]
    if best < LEAST_CONTRAST:
        return Verdict("unrelated", given, best, found[ranked[-2]][0], ())
    steps = _steps(ranked[-1], shift)
    return Verdict(_name(ranked[-1], shift), given, best, found[ranked[-2]][0], steps)


def check_cases(pairs):
    """Check every pair of `create_paired_data`; name -> Verdict."""
    bar = tqdm(pairs.items(), desc="alignment", unit="case")
    return {name: check_case(*pair) for name, pair in bar}


def correct(mask, *steps):
    """Move a mask by named steps, in their order; returns a copy, filled with 0 where it ends.

    Steps are those of `Verdict.correction`: "transpose", "flip slices" (rows, columns), or
    "shift slices by -2" (rows, columns). Raises InputError for any other.
    """
    for step in steps:
        match step.split():
            case ["transpose"]:
                mask = mask.swapaxes(1, 2)
            case ["flip", axis] if axis in AXES:
                mask = np.flip(mask, AXES.index(axis))
            case ["shift", axis, "by", number] if axis in AXES and number.lstrip("-").isdigit():
                shift = [int(number) if name == axis else 0 for name in AXES]
                mask = ndimage.shift(mask, shift, order=0)
            case _:
                raise InputError(
                    f"There is no correction {step!r}; use transpose, flip AXIS or shift AXIS by "
                    f"N, where AXIS is one of {', '.join(AXES)}."
                )
    return np.ascontiguousarray(mask)


def write_verdicts(dataset, verdicts):
    """Write `alignment.json` for notebook 03; returns its path."""
    file = derived_folder(dataset) / "alignment.json"
    write_json(file, {name: dataclasses.asdict(verdict) for name, verdict in verdicts.items()})
    return file


def require_aligned(dataset, names):
    """Raise InputError unless notebook 02 found every one of these cases aligned."""
    file = derived_folder(dataset) / "alignment.json"
    if not file.exists():
        raise InputError(
            f"{shown(file)} is missing: whether masks and images belong together has not been "
            "checked. Run notebook 02 first."
        )
    verdicts = {name: entry["verdict"] for name, entry in json.loads(file.read_text()).items()}
    bad = [
        f"{name} ({verdicts.get(name, 'not checked')})"
        for name in names
        if verdicts.get(name) != "aligned"
    ]
    if bad:
        raise InputError(
            f"Not aligned according to {shown(file)}: {', '.join(bad)}. Training on them would "
            "teach nonsense: correct these masks or remove the cases, then run notebook 02 again."
        )


def _lung_like(hu):
    """Where HU could be lung; bool, same shape."""
    return (hu >= LUNG_LIKE_HU[0]) & (hu <= LUNG_LIKE_HU[1])


def _mask_and_rind(mask, most):
    """Coordinates int32 [n, 3] of voxels under the mask and in its rind, `most` of each."""
    inside, rind = [np.empty((0, 3), np.int32)], [np.empty((0, 3), np.int32)]
    for z, slice_mask in enumerate(mask):
        rows, cols = slice_mask.any(1).nonzero()[0], slice_mask.any(0).nonzero()[0]
        if len(rows) == 0:
            continue
        corner = [max(0, where[0] - RIND_PX) for where in (rows, cols)]
        box = slice_mask[corner[0] : rows[-1] + RIND_PX + 1, corner[1] : cols[-1] + RIND_PX + 1]
        around = ndimage.binary_dilation(box, iterations=RIND_PX) & (box == 0)
        for chosen, places in ((box, inside), (around, rind)):
            y, x = chosen.nonzero()
            z_of_all = np.full(len(y), z)
            places.append(np.stack([z_of_all, y + corner[0], x + corner[1]], 1, dtype=np.int32))
    random = np.random.default_rng(0)
    return [
        points if len(points) <= most else points[random.choice(len(points), most, replace=False)]
        for points in map(np.concatenate, (inside, rind))
    ]


def _contrast(lung_like, points, shift=(0, 0, 0)):
    """Lung contrast of a mask given by its points, shifted; voxels outside are not lung-like."""
    shares = []
    for coordinates in points:
        if len(coordinates) == 0:
            return float("nan")
        moved = coordinates + np.array(shift, np.int32)
        moved = moved[((moved >= 0) & (moved < lung_like.shape)).all(1)]
        index = np.ravel_multi_index(tuple(moved.T), lung_like.shape)
        shares.append(np.take(lung_like.reshape(-1), index).sum() / len(coordinates))
    return float(shares[0] - shares[1])


def _turn(points, shape, orientation):
    """Points of a mask in another orientation about the middle of the volume."""
    transpose, *flips = orientation
    turned = points[:, [0, 2, 1]] if transpose else points.copy()
    for axis, flip in enumerate(flips):
        if flip:
            turned[:, axis] = shape[axis] - 1 - turned[:, axis]
    return turned


def _climb(lung_like, points, shift):
    """Best shift by a pattern search: steps of 16 pixels down to 1, as long as they help."""
    best = _contrast(lung_like, points, shift)
    for pixels in (16, 8, 4, 2, 1):
        steps = np.concatenate([np.diag([1, pixels, pixels]), -np.diag([1, pixels, pixels])])
        while True:
            neighbours = [tuple((np.array(shift) + step).tolist()) for step in steps]
            contrasts = [_contrast(lung_like, points, neighbour) for neighbour in neighbours]
            if max(contrasts) <= best:
                break
            best = max(contrasts)
            shift = neighbours[contrasts.index(best)]
    return shift


def _name(orientation, shift):
    """What is wrong with a mask that fits after being turned and shifted like this."""
    faults = [fault for fault, found in zip(FAULTS, orientation, strict=True) if found]
    for axis, pixels, least in zip(AXES, shift, MOST_OFFSET, strict=True):
        if abs(pixels) > least:
            faults.append(f"shifted by {-pixels:+d} {axis}")
    return " and ".join(faults) or "aligned"


def _steps(orientation, shift):
    """The same as steps for `correct`."""
    transpose, *flips = orientation
    steps = ["transpose"] if transpose else []
    steps += [f"flip {axis}" for axis, flip in zip(AXES, flips, strict=True) if flip]
    for axis, pixels, least in zip(AXES, shift, MOST_OFFSET, strict=True):
        if abs(pixels) > least:
            steps.append(f"shift {axis} by {pixels}")
    return tuple(steps)


def main(arguments):
    """Print the verdict of each case of a data set; 1 if any is not aligned."""
    if len(arguments) != 1:
        print("usage: python -m utils.alignment DATASET", file=sys.stderr)
        return 1
    try:
        pairs = create_paired_data(load_cases(arguments[0]), load_masks(arguments[0]))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    verdicts = check_cases(pairs)
    for name, verdict in verdicts.items():
        steps = f"; to correct: {', '.join(verdict.correction)}" if verdict.correction else ""
        print(
            f"{name}  {verdict.verdict}  (contrast {verdict.contrast:.2f} as given, "
            f"{verdict.best:.2f} at best, {verdict.rival:.2f} in any other orientation{steps})"
        )
    return int(any(verdict.verdict != "aligned" for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
