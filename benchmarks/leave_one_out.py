"""Leave one patient out: train the `best` preset on all patients but one, score that one.

    python -m benchmarks.leave_one_out FOLDER MORE …

FOLDER and MORE are the data sets of weights/make.py: each patient of FOLDER is left out once, and
every fold is trained as the shipped weights are. A fold that was killed goes on where it was; a
finished one is kept. Each patient is also scored in narrower and wider fields of view, and with
disease laid in. Results go to benchmarks/results/leave_one_out.csv, runs to build/.
"""

import argparse
import time

import numpy as np
import pandas as pd

from studies import DISEASES
from utils.anatomy import body_midline, bounding_box, postprocess, split_lungs
from utils.cases import load_cases
from utils.evaluation import lung_table, patient_metrics, slice_metrics, with_interval
from utils.inference import segment
from utils.overlap import dice
from utils.settings import preset
from utils.workspace import REPOSITORY, write_table
from weights.make import full_of, pairs_of, train_on

RESULTS = REPOSITORY / "benchmarks" / "results" / "leave_one_out.csv"
RUNS = REPOSITORY / "build" / "leave_one_out"
FIELDS = (780, 420, 340, 300, 260)  # mm; of LCTSC 500 as scanned
SEVERITY = 0.5  # of each disease laid in, from 0 to 1
SCORES = {
    "dsc_3d": "3-D DSC",
    "dsc_lung_slices": "DSC of lung slices",
    "worst_lung_slice": "worst lung slice",
    "false_positive_slices": "lung-free slices with a lung",
    "hd95": "HD95 / mm",
    "msd": "mean surface distance / mm",
    "surface_dice": "surface Dice at 2 mm",
    "false_positives_per_missed": "false-positive voxels for each one missed",
    **{f"field_{field}": f"3-D DSC in a field of {field} mm" for field in FIELDS},
    **{f"with {disease}": f"3-D DSC with {disease}" for disease in DISEASES},
}


def in_field(array, middle, side, around):
    """The square of `side` px about the middle (row, column) of each slice, `around` beyond."""
    pad = side  # more than enough on all sides
    wide = np.pad(array, ((0, 0), (pad, pad), (pad, pad)), constant_values=around)
    part = (slice(at - side // 2 + pad, at - side // 2 + pad + side) for at in middle)
    return np.ascontiguousarray(wide[(slice(None), *part)])


def score_3d(model, settings, hu, truth, spacing):
    """3-D DSC of what a model finds, post-processed."""
    found = postprocess(segment(model, hu, settings, spacing), hu, spacing)
    return float(dice(np.count_nonzero(found & truth), found.sum(), np.count_nonzero(truth)))


def disease_scores(model, settings, volume, truth):
    """3-D DSC with each of DISEASES laid in at SEVERITY, held against the truth it leaves."""
    scores = {}
    for disease, laid_in in DISEASES.items():
        rng = np.random.default_rng(settings.seed)
        hu, ill = laid_in(volume.hu, truth, volume.spacing, SEVERITY, rng)
        scores[f"with {disease}"] = score_3d(model, settings, hu, ill, volume.spacing)
    return scores


def field_scores(model, settings, volume, truth):
    """3-D DSC, post-processed, of the scan cropped about its lungs or padded to each of FIELDS."""
    box, scores = bounding_box(truth, margin=0), {}
    middle = [(side.start + side.stop) // 2 for side in box[1:]]
    for field in FIELDS:
        side = round(field / volume.spacing[1])
        hu, seen = (
            in_field(array, middle, side, around)
            for array, around in ((volume.hu, -1000), (truth, 0))
        )
        scores[f"field_{field}"] = score_3d(model, settings, hu, seen, volume.spacing)
    return scores


def score(model, settings, volume, truth, name):
    """One row of the table: the patient left out, network alone and after post-processing."""
    start = time.perf_counter()
    mask = segment(model, volume.hu, settings, volume.spacing)
    after = postprocess(mask, volume.hu, volume.spacing)
    row = {"case": name, "seconds_to_predict": time.perf_counter() - start}
    for prefix, stage in (("", after), ("network_", mask)):
        patient = patient_metrics(slice_metrics(stage, truth).assign(case=name, split="")).iloc[0]
        row |= {prefix + key: patient[key] for key in list(SCORES)[:4]}
    row["lung_free_slices"] = patient["lung_free_slices"]
    missed = np.count_nonzero(truth > after)
    row["false_positives_per_missed"] = np.count_nonzero(after > truth) / max(missed, 1)
    middle = body_midline(volume.hu)
    sides = (split_lungs(part, volume.spacing, middle) for part in (after, truth))
    for scores in lung_table(*sides, volume.spacing).to_dict("records"):
        lung = scores.pop("lung")
        prefix = "" if lung == "both" else f"{lung}_"
        row |= {prefix + key: value for key, value in scores.items()}
    others = (volume, truth)
    return row | field_scores(model, settings, *others) | disease_scores(model, settings, *others)


def summary(table):
    """The table's means with intervals over patients, as lines of text."""
    lines = [f"{len(table)} patients, each scored by a network that has not seen it"]
    for column, title in SCORES.items():
        total = f", {table[column].sum():.0f} in all" if column == "false_positive_slices" else ""
        lines.append(
            f"{title:32s} {with_interval(table[column])}  "
            f"least {table[column].min():.3f}, most {table[column].max():.3f}{total}"
        )
    return "\n".join(lines)


def leave_one_out(dataset, more):
    """Every fold that `RESULTS` does not hold for these settings; prints and returns the table."""
    settings, volumes = preset("best"), load_cases(dataset)
    pairs, full, rows = pairs_of(dataset), full_of(more), []
    for name in pairs:
        others = {other: pair for other, pair in pairs.items() if other != name}
        model, history = train_on(settings, others, full, RUNS / name)
        row = score(model, settings, volumes[name], pairs[name].mask, name)
        rows.append(row | {"seconds_to_train": history["seconds"].sum()})
        write_table(RESULTS, pd.DataFrame(rows), float_format="%.5f")
        print(f"{name}: {row['dsc_3d']:.4f} in 3-D, {row['dsc_lung_slices']:.4f} a slice")
    table = pd.DataFrame(rows)
    print(summary(table))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set of real patients, by name or by path")
    parser.add_argument("more", nargs="*", help="data sets with masks that nobody drew by hand")
    chosen = parser.parse_args()
    leave_one_out(chosen.folder, chosen.more)
