"""What the alignment check catches: every case of the data sets with every fault put in.

    python -m benchmarks.alignment_faults [DATASET ...]

Default: the synthetic patients (made if need be) and, where LUNG_REAL_DATA names the folder of
real patients, those of LCTSC. A fault is caught if the verdict is not `aligned`, and named if it
is the fault's own name; an honest mask of an ill or cut-off chest has to be `aligned`. Prints the
tables and keeps them in benchmarks/results.
"""

import dataclasses
import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image
from tqdm.auto import tqdm

from benchmarks.honest_masks import HONEST
from benchmarks.results import keep_goals, machine, publish, table
from utils.alignment import Verdict, check_case, correct_mask
from utils.anatomy import body_mask, body_midline, split_lungs
from utils.cases import create_paired_data, load_cases, load_masks
from utils.datasets.phantom import make_phantom


def shifted(axis, by):
    """Fault that moves a mask along an axis, and the verdict that names it."""
    return f"shifted by {by:+d} {axis}", lambda mask: correct_mask(mask, f"shift {axis} by {by}")


# verdict that is due -> the fault
FAULTS = dict(
    [
        ("aligned", lambda mask: mask),
        ("reversed", lambda mask: mask[::-1]),
        *(shifted("slices", by) for by in (1, -1, 2, -2, 5, -5)),
        ("flipped up-down", lambda mask: mask[:, ::-1]),
        ("mirrored", lambda mask: mask[:, :, ::-1]),
        ("transposed", lambda mask: mask.swapaxes(1, 2)),
        *(shifted(axis, by) for axis in ("rows", "columns") for by in (10, -10)),
    ]
)
OTHER = "another patient's mask"
IN_SLICE = np.ones((1, 7, 7))


def middle(mask, axis):
    """Index that halves a mask along an axis."""
    others = tuple(other for other in range(3) if other != axis)
    return int(np.average(np.arange(mask.shape[axis]), weights=mask.sum(others)))


def half(mask, axis, upper=False):
    """A mask of which one half along an axis is left."""
    left = np.arange(mask.shape[axis]) < middle(mask, axis)
    return mask * (left != upper).reshape([-1 if other == axis else 1 for other in range(3)])


# What a contrast over all voxels hardly sees: name -> (word of the verdict that is due, fault)
PARTS = {
    "the right lung alone": ("incomplete", lambda hu, mask: half(mask, 2)),
    "the left lung alone": ("incomplete", lambda hu, mask: half(mask, 2, upper=True)),
    "the upper half lost": ("incomplete", lambda hu, mask: half(mask, 0)),
    "the lower half lost": ("incomplete", lambda hu, mask: half(mask, 0, upper=True)),
    "every second slice empty": ("gaps", lambda hu, mask: mask * emptied(mask, 2)),
    "every third slice empty": ("gaps", lambda hu, mask: mask * emptied(mask, 3)),
    "the lungs' convex hull": ("tissue", lambda hu, mask: np.stack([hull(each) for each in mask])),
    "air of the room included": ("outside", lambda hu, mask: np.maximum(mask, room(hu))),
    "upper half shifted by 3 slices": (
        "shifted in part",
        lambda hu, mask: half(mask, 0) | correct_mask(half(mask, 0, True), "shift slices by 3"),
    ),
    "upper half shifted by 10 rows": (
        "shifted in part",
        lambda hu, mask: half(mask, 0) | correct_mask(half(mask, 0, True), "shift rows by 10"),
    ),
    "3 pixels too wide": ("thick", lambda hu, mask: ndimage.binary_dilation(mask, IN_SLICE)),
    "3 pixels too narrow": ("thin", lambda hu, mask: ndimage.binary_erosion(mask, IN_SLICE)),
}


# One synthetic patient has one lung
OF_TWO_LUNGS = ("the lungs' convex hull", "right lung taken out", "left lung taken out")


def emptied(mask, every):
    return (np.arange(len(mask)) % every > 0)[:, None, None]


def hull(mask):
    return convex_hull_image(mask) if mask.any() else mask


def room(hu):
    """Air that reaches the picture's edge, without the body."""
    return (hu < -900) & ~body_mask(hu, (3, 350 / hu.shape[1], 350 / hu.shape[2]))


UNSEEN = """\
What goes unseen, by design or by nature: a shift of one pixel within the slice, which is what two
readers differ by and is called aligned; left for right in a chest that is symmetric to the last
voxel, where both placements fit equally well (a small difference between `best` and `rival` says
so, and `tests/alignment` holds the check to it); a border that lies one pixel
off, and the last slices of a lung, 8 ml of three litres, left out."""


def of_another(mask, shape):
    """Another patient's mask on this grid: slices cut off, or empty ones added, at the head."""
    laid = np.zeros(shape, mask.dtype)
    common = tuple(slice(min(n, m)) for n, m in zip(shape, mask.shape, strict=True))
    laid[common] = mask[common]
    return laid


def with_faults(pairs):
    """Yield (case, fault, verdict due, HU, mask, spacing) for all cases and faults."""
    names = list(pairs)
    for name, (hu, mask, spacing) in pairs.items():
        for verdict, fault in FAULTS.items():
            yield name, verdict, verdict, hu, np.ascontiguousarray(fault(mask)), spacing
        both = len(np.unique(split_lungs(mask, spacing, body_midline(hu)))) == 3
        for fault, (due, made) in PARTS.items():
            if both or fault not in OF_TWO_LUNGS:
                yield name, fault, due, hu, made(hu, mask).astype(np.uint8), spacing
        following = names[(names.index(name) + 1) % len(names)]
        other = of_another(pairs[following].mask, mask.shape)
        yield name, OTHER, "unrelated", hu, other, spacing
        for what, made in HONEST.items():
            if both or what not in OF_TWO_LUNGS:
                ill = made(hu, mask, spacing, np.random.default_rng(names.index(name)))
                yield name, what, "aligned", *map(np.ascontiguousarray, ill), spacing


@dataclasses.dataclass(frozen=True)
class Check:
    """One fault put into one case, and what the check made of it in how many CPU seconds."""

    case: str
    fault: str
    due: str
    found: Verdict
    seconds: float

    @property
    def caught(self):
        """Not called aligned; or, without a fault, called so."""
        return (self.found.verdict == "aligned") == (self.due == "aligned")

    @property
    def named(self):
        return self.due in self.found.verdict.split(" and ")


def checked(dataset):
    """Check every case of a data set with every fault; returns a list of Check."""
    pairs = create_paired_data(load_cases(dataset), load_masks(dataset))
    bar = tqdm(
        with_faults(pairs),
        Path(dataset).name,
        len(pairs) * (len(FAULTS) + len(PARTS) + 1 + len(HONEST)),
        unit="check",
    )
    checks = []
    for case, fault, due, hu, mask, spacing in bar:
        start = time.process_time()
        found = check_case(hu, mask, spacing)
        checks.append(Check(case, fault, due, found, time.process_time() - start))
    return checks


def counted(checks, fault, what):
    """How many checks of a fault are `caught` or `named`: "12 of 12"."""
    hits = [getattr(check, what) for check in checks if check.fault == fault]
    return f"{sum(hits)} of {len(hits)}"


def report(results):
    """The whole result as Markdown; results : data set's name -> list of Check."""
    columns = [f"{name}: {what}" for name in results for what in ("caught", "by name")]
    rows = []
    for fault in [*FAULTS, *PARTS, OTHER]:
        row = ["as given" if fault == "aligned" else fault]
        for checks in results.values():
            row += [counted(checks, fault, "caught"), counted(checks, fault, "named")]
        rows.append(row)
    honest = [
        [what, *(counted(checks, what, "named") for checks in results.values())] for what in HONEST
    ]
    missed = [
        (name, c.case, c.fault, c.found.verdict, f"{c.found.contrast:.2f}", f"{c.found.best:.2f}")
        for name, checks in results.items()
        for c in checks
        if not c.named
    ]
    header = ("data set", "case", "fault", "verdict", "contrast as given", "at best")
    seconds = {name: np.median([c.seconds for c in checks]) for name, checks in results.items()}
    return "\n\n".join(
        [
            "# Faults that the alignment check finds",
            f"{machine('numpy', 'scipy')}. CPU seconds a case, median: "
            + ", ".join(f"{name} {time:.2f}" for name, time in seconds.items())
            + ". phantom: synthetic patients; lctsc: real ones.",
            "“Caught”: the verdict is not `aligned` (as given: it is). “By name”: it is the very "
            "fault. Another patient's mask is `unrelated`.",
            table(["fault", *columns], rows),
            "Honest masks, after RTOG 1106, of ill and cut-off chests: how many are `aligned`.",
            table(["honest", *results], honest),
            "Not by name:\n\n" + table(header, missed) if missed else "Every fault by its name.",
            UNSEEN,
        ]
    )


def main(datasets):
    """Check the data sets, print and keep the tables; 1 if a fault goes unseen."""
    results = {Path(dataset).name: checked(dataset) for dataset in datasets}
    publish("alignment_faults", report(results))
    caught = [check.caught for checks in results.values() for check in checks]
    keep_goals("alignment", [("share of the faults that are caught", np.mean(caught), 1, None)])
    return int(not all(caught))


def default_datasets():
    """The synthetic patients, made if need be, and the real ones where there are any."""
    make_phantom()
    real = os.environ.get("LUNG_REAL_DATA")
    return ["phantom", *([str(Path(real) / "lctsc")] if real else [])]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or default_datasets()))
