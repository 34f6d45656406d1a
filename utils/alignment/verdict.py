"""Is this mask the mask of this volume? Measured, not only looked at."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm.auto import tqdm

from utils.alignment.border import (
    LEAST_CONTRAST,
    LEAST_GAIN,
    MOST_OFFSET,
    lines_across,
    shifted_part,
    thickness,
)
from utils.alignment.placement import best_placements
from utils.anatomy import body_mask, extent_faults
from utils.cases import Pairs, create_paired_data, load_cases, load_masks, pair_fingerprint
from utils.dicom import Volume
from utils.errors import refusals
from utils.records import read_record
from utils.workspace import confirmed_values, dataset_folder, derived_folder, shown, write_json

# Where so many lines across the border agree, less contrast will do: of lung without air
LEAST_AGREEMENT = 0.33  # on other patients 0.22 at most, in a lone lung nine tenths full 0.42
# Pixels: the masks of real patients and phantoms, well or ill, lie 1.2 outside to 0.5 inside
THICK, THIN = -1.5, 1.0
NOMINAL = (3.0, 1.0, 1.0)  # mm, where the spacing is not told
AXES = ("slices", "rows", "columns")
SENTENCES = json.loads(Path(__file__).with_name("findings.json").read_bytes())
FAULTS = ("transposed", "reversed", "flipped up-down", "mirrored")
refusal = refusals(__file__)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the check says of one case, and the numbers behind it.

    verdict : "aligned", "reversed", "mirrored", "flipped up-down", "transposed",
    "shifted by 2 slices" (or rows, columns), several of these joined, or "unrelated"; of a mask
    that lies in its place "incomplete", "gaps", "outside", "gas", "tissue", "thick", "thin",
    several of these joined, or "shifted in part". details : a sentence for each of these, with
    numbers. contrast : of the mask as given. best : of the placement that fits best. rival : the
    best contrast among all other orientations, so that best - rival says how sure the orientation
    is; where they are close, a symmetric chest cannot tell it. correction : the steps by which
    `correct_mask` would move the mask into place; nothing is ever moved unasked.
    """

    verdict: str
    contrast: float
    best: float
    rival: float
    correction: tuple[str, ...]
    details: tuple[str, ...] = ()
    made_from: str = ""  # `cases.pair_fingerprint` of what was looked at, values vouched for


def check_case(
    hu: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float] = NOMINAL
) -> Verdict:
    """Find where a mask fits best and what it leaves out or holds besides; returns a Verdict.

    hu : int16 [slices, rows, cols]. mask : uint8 0/1, same shape. spacing : (slice, row, col) mm.
    """
    given, placements = best_placements(hu, mask)
    if not placements:
        return Verdict("unrelated", given, given, given, ())
    best, rival = placements[:2]
    numbers = given, best.contrast, rival.contrast
    lines = lines_across(hu, mask, spacing)
    thin, agreement = thickness(lines)
    if best.contrast < LEAST_CONTRAST and agreement < LEAST_AGREEMENT:
        beyond = _extent(hu, mask, spacing, 0).get("outside")
        within = best_placements(hu, mask * body_mask(hu, spacing))[1] if beyond else []
        if within and within[0].contrast >= LEAST_CONTRAST and not any(within[0].orientation):
            return Verdict("outside", *numbers, (), (beyond,))  # lungs, and the room's air
        return Verdict("unrelated", *numbers, ())
    found, faults, part = _extent(hu, mask, spacing, thin), [], None
    # a thick or thin mask has its best contrast, hardly better, where it does not belong
    moved = best.contrast >= LEAST_CONTRAST and best.contrast - given > LEAST_GAIN
    if any(best.orientation) or moved or THICK <= thin <= THIN:
        faults, steps = _faults(best) if best.contrast >= LEAST_CONTRAST else ([], [])
        part = None if any(best.orientation) else shifted_part(hu, mask, lines)
        if part and faults:
            moved = correct_mask(mask, *steps)
            part = shifted_part(hu, moved, lines_across(hu, moved, spacing)) and part
    if faults and not part:
        return Verdict(" and ".join(faults), *numbers, tuple(steps))
    if part:
        first, last, half, shift = part
        by = ", ".join(f"{-n:+d} {axis}" for axis, n in zip(AXES, shift, strict=True) if n)
        sentence = SENTENCES["shifted in part"].format(first=first, last=last, half=half, shift=by)
        found = {"shifted in part": sentence}
    return Verdict(" and ".join(found) or "aligned", *numbers, (), tuple(found.values()))


def _extent(hu, mask, spacing, thin):
    """What is wrong with a mask that lies in its place: verdict -> sentence."""
    found = {
        name: SENTENCES[name].format(ml=ml, count=len(z), first=z[0], last=z[-1])
        for name, (ml, z) in extent_faults(hu, mask, spacing).items()
    }
    if not THICK <= thin <= THIN:
        name = "thick" if thin < 0 else "thin"
        found[name] = SENTENCES[name].format(mm=abs(thin) * spacing[2], pixels=abs(thin))
    return found


def check_cases(pairs: Pairs, volumes: dict[str, Volume] | None = None) -> dict[str, Verdict]:
    """Check every pair of `create_paired_data`; name -> Verdict.

    volumes : those of the pairs, whose headers may be doubted. What is measured on doubtful
    Hounsfield units or millimetres is "unconfirmed" until `confirmed.txt` names the value.
    """
    found = {}
    for name, pair in tqdm(pairs.items(), desc="alignment", unit="case"):
        verdict, volume = check_case(*pair), (volumes or {}).get(name)
        vouched = re.findall(r"confirmed: (\w+)", " ".join(volume.notes)) if volume else []
        if volume and volume.doubted and verdict.verdict == "aligned":
            unsure = f"unconfirmed {' '.join(volume.doubted)} (confirmed.txt)"
            verdict = dataclasses.replace(verdict, verdict=unsure)
        made_from = " ".join([pair_fingerprint(*pair), *vouched])
        found[name] = dataclasses.replace(verdict, made_from=made_from)
    return found


def correct_mask(mask: np.ndarray, *steps: str) -> np.ndarray:
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
                raise refusal("no correction", step, ", ".join(AXES))
    return np.ascontiguousarray(mask)


def write_verdicts(dataset: Path | str, verdicts: dict[str, Verdict]) -> Path:
    """Write `alignment.json`, without which nothing is trained or scored; returns its path."""
    file = derived_folder(dataset) / "alignment.json"
    write_json(file, {name: dataclasses.asdict(verdict) for name, verdict in verdicts.items()})
    return file


def load_aligned(dataset: Path | str) -> tuple[dict[str, Volume], Pairs]:
    """Volumes and pairs of a data set, each of which notebook 02 found aligned as it is now."""
    volumes = load_cases(dataset)
    pairs = create_paired_data(volumes, load_masks(dataset))
    require_aligned(dataset, pairs)
    return volumes, pairs


def require_aligned(dataset, pairs):
    """Raise InputError unless notebook 02 found every one of these pairs aligned.

    A verdict is one on the very voxels, mask and words of `confirmed.txt`: after a change it
    counts no more.
    """
    file = derived_folder(dataset) / "alignment.json"
    if not file.exists():
        raise refusal("not checked", shown(file))
    verdicts = read_record(file, "alignment", "Run notebook 02 again, which writes it.")
    found = {name: verdicts.get(name, {"verdict": "not checked"}) for name in pairs}
    confirmed = confirmed_values(dataset_folder(dataset))
    for name, entry in found.items():
        if entry["verdict"] == "aligned":
            *seen, vouched = f"{entry['made_from']}   ".split(" ", 3)
            kept = all((name, word) in confirmed for word in vouched.split())
            if not kept or " ".join(seen) != pair_fingerprint(*pairs[name]):
                entry["verdict"] = "changed since"
    bad = [f"{name} ({e['verdict']})" for name, e in found.items() if e["verdict"] != "aligned"]
    if bad:
        raise refusal("not aligned", shown(file), ", ".join(bad))


def _faults(placement):
    """What is wrong with a mask that fits best in this placement, and steps for `correct_mask`."""
    turns = ("transpose", *(f"flip {axis}" for axis in AXES))
    found = np.flatnonzero(placement.orientation)
    faults, steps = [FAULTS[k] for k in found], [turns[k] for k in found]
    for axis, pixels, least in zip(AXES, placement.shift, MOST_OFFSET, strict=True):
        if abs(pixels) > least:
            faults.append(f"shifted by {-pixels:+d} {axis}")
            steps.append(f"shift {axis} by {pixels}")
    return faults, steps
