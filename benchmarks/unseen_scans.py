"""Score weights on scans that they have not seen: other scanners, fields, thicknesses.

    python -m benchmarks.unseen_scans FOLDER [--weights WEIGHTS]

FOLDER is a data set (Images/, Segmentations/) whose masks are trusted enough to be held against;
WEIGHTS a folder with model.safetensors and settings.json, those of `weights/` by default. Prints a
row for each case, with what `predict` would warn of, and writes
benchmarks/results/unseen_scans.csv.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.leave_one_out import score
from utils.anatomy import body_midline, postprocess, reasons_to_doubt, split_lungs
from utils.cases import create_paired_data, load_cases, load_masks
from utils.inference import segment
from utils.predict import WEIGHTS, load_model
from utils.workspace import REPOSITORY, write_table

RESULTS = REPOSITORY / "benchmarks" / "results" / "unseen_scans.csv"


def unseen_scans(dataset, weights=WEIGHTS):
    """The table of all cases of a data set, which is also written and printed."""
    model, settings = load_model(weights)
    volumes, rows = load_cases(dataset), []
    pairs = create_paired_data(volumes, load_masks(dataset))
    for name, (_, truth, spacing) in pairs.items():
        volume = volumes[name]
        row = score(model, settings, volume, truth, name)
        found = postprocess(segment(model, volume.hu, settings, spacing), volume.hu, spacing)
        labels = split_lungs(found, spacing, body_midline(volume.hu))
        row["warnings"] = " ".join(reasons_to_doubt(volume, labels))
        row |= {"slice_mm": spacing[0], "field_mm": spacing[1] * volume.hu.shape[1]}
        rows.append(row)
        write_table(RESULTS, pd.DataFrame(rows), float_format="%.5f")
        print(f"{name}: {row['dsc_3d']:.4f} in 3-D. {row['warnings']}", flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set with masks, by name or by path")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of a model")
    chosen = parser.parse_args()
    unseen_scans(chosen.folder, chosen.weights)
