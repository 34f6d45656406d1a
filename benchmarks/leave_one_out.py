"""Leave one patient out: train the `best` preset on all patients but one, score that one.

    python -m benchmarks.leave_one_out FOLDER

FOLDER is a data set of real patients (Images/, Segmentations/). Every fold is trained as the
shipped weights are (weights/make.py). A fold that was killed goes on where it was; a finished one
is kept. Results go to benchmarks/results/leave_one_out.csv, runs to build/.
"""

import argparse
import time

import pandas as pd

from utils.anatomy import body_midline, postprocess, split_lungs
from utils.cases import create_paired_data, load_cases, load_masks
from utils.evaluation import lung_table, patient_metrics, slice_metrics, with_interval
from utils.inference import segment
from utils.settings import preset
from utils.workspace import REPOSITORY, write_table
from weights.make import train_on

RESULTS = REPOSITORY / "benchmarks" / "results" / "leave_one_out.csv"
RUNS = REPOSITORY / "build" / "leave_one_out"
SCORES = {
    "dsc_3d": "3-D DSC",
    "dsc_lung_slices": "DSC of lung slices",
    "worst_lung_slice": "worst lung slice",
    "false_positive_slices": "lung-free slices with a lung",
    "hd95": "HD95 / mm",
    "msd": "mean surface distance / mm",
    "surface_dice": "surface Dice at 2 mm",
}


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
    middle = body_midline(volume.hu)
    sides = (split_lungs(part, volume.spacing, middle) for part in (after, truth))
    for scores in lung_table(*sides, volume.spacing).to_dict("records"):
        lung = scores.pop("lung")
        prefix = "" if lung == "both" else f"{lung}_"
        row |= {prefix + key: value for key, value in scores.items()}
    return row


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


def leave_one_out(dataset):
    """Every fold that `RESULTS` does not hold for these settings; prints and returns the table."""
    settings, volumes = preset("best"), load_cases(dataset)
    pairs = create_paired_data(volumes, load_masks(dataset))
    rows = []
    for name in pairs:
        others = {other: pair for other, pair in pairs.items() if other != name}
        model, history = train_on(settings, others, RUNS / name)
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
    leave_one_out(parser.parse_args().folder)
