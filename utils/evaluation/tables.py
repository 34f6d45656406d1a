"""How good is a segmentation? Metrics for each slice and for each patient."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from utils.anatomy import stages
from utils.overlap import dsc, pixel_scores, scaled_threshold
from utils.settings import Settings
from utils.workspace import dataset_folder, write_table

# Thresholds of the first report, in pixels of a 512 x 512 slice: 0.5 % and 0.008 % of it
DSC_THRESHOLDS = (1310, 20)
COUNTS = ("lung_free_slices", "false_positive_slices", "lung_free_false_positive_px")


def slice_metrics(prediction: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Metrics of each slice of one case, as a table in slice order.

    prediction, truth : uint8 0/1 arrays [slices, rows, cols].
    Columns: `slice` (0 is the feet end); the confusion matrix in pixels, `overlap_px` (true
    positives), `false_positive_px` (false positives), `missed_px` (false negatives) and
    `background_px` (true negatives), with its margins `lung_px` and `predicted_px`; `dsc` (NaN
    where both masks are empty), `dsc_1310` and `dsc_20` (the first report's rule, thresholds
    scaled from 512 x 512 to this size); and what `overlap.pixel_scores` makes of the counts.
    """
    predicted, true = prediction.astype(bool), truth.astype(bool)
    support, found, tp = (
        np.count_nonzero(mask, axis=(1, 2)) for mask in (true, predicted, true & predicted)
    )
    fp, fn = found - tp, support - tp
    tn = true[0].size - tp - fp - fn
    table = {
        "slice": np.arange(len(true)),
        "lung_px": support,
        "predicted_px": found,
        "overlap_px": tp,
        "false_positive_px": fp,
        "missed_px": fn,
        "background_px": tn,
        "dsc": dsc(predicted, true),
    }
    for threshold in DSC_THRESHOLDS:
        scaled = scaled_threshold(threshold, *truth.shape[1:])
        table[f"dsc_{threshold}"] = dsc(predicted, true, scaled)
    return pd.DataFrame(table | pixel_scores(tp, fp, tn, fn))


def patient_metrics(slices: pd.DataFrame) -> pd.DataFrame:
    """One row a patient from a table of slices (columns `case` and `split` beside the metrics).

    `dsc_3d` takes all voxels of the patient at once, so every voxel weighs the same;
    `dsc_lung_slices` is the mean over slices that contain lung, so every slice weighs the same
    and an unseen sliver of lung at the apex counts as 0. `lung_free_slices` are those without
    lung, `false_positive_slices` those of them where the model found some all the same, and
    `lung_free_false_positive_px` how much it found there in all. `iou`, `precision`, `recall` and
    `specificity` pool the patient's voxels as `dsc_3d` does (`overlap.pixel_scores`). A missed
    patient scores 0 in `dsc_3d`; one without lung and without prediction is undefined (NaN).
    """
    rows = []
    for (split, name), case in slices.groupby(["split", "case"]):
        lung = case["lung_px"] > 0
        confusion = case[["overlap_px", "false_positive_px", "background_px", "missed_px"]].sum()
        pooled = {key: float(value) for key, value in pixel_scores(*confusion).items()}
        row = {"split": split, "case": name, "slices": len(case), "dsc_3d": pooled["f1"]}
        row["dsc_lung_slices"] = case.loc[lung, "dsc"].mean()
        row["worst_lung_slice"] = case.loc[lung, "dsc"].min()
        row["accuracy"] = case["accuracy"].mean()
        row |= {key: pooled[key] for key in ("iou", "precision", "recall", "specificity")}
        row["lung_free_slices"] = int((~lung).sum())
        row["false_positive_slices"] = int((~lung & (case["predicted_px"] > 0)).sum())
        row["lung_free_false_positive_px"] = int(case.loc[~lung, "predicted_px"].sum())
        rows.append(row)
    return pd.DataFrame(rows)


def step_gains(
    mask: np.ndarray, hu: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]
) -> pd.DataFrame:
    """Scores of one patient before and after each step, as a table.

    Columns are those of `patient_metrics` and `taken_ml`, what the step took away; one row for
    "network alone" and one after each of `anatomy.stages`, in their order.
    """
    rows = [("network alone", mask > 0, 0.0)]
    rows += [(name, after, taken) for name, after, taken, _ in stages(mask, hu, spacing)]
    tables = [
        patient_metrics(slice_metrics(stage.astype(np.uint8), truth).assign(case=name, split=""))
        for name, stage, _ in rows
    ]
    table = pd.concat(tables).drop(columns="split").rename(columns={"case": "after"})
    return table.assign(taken_ml=[taken for *_, taken in rows])


def write_tables(run_folder: Path, slices: pd.DataFrame, patients: pd.DataFrame) -> None:
    """Write `slices.csv` and `patients.csv` into a run's folder."""
    for name, table in (("slices", slices), ("patients", patients)):
        write_table(run_folder / f"{name}.csv", table)


def ranked_slice(case: pd.DataFrame, rank: str) -> tuple[int, float]:
    """The "best", "median" or "worst" slice of one case's table, as (slice, DSC).

    Slices where both masks are empty have no DSC and are passed over. The median is a slice
    that exists: the lower of the two middle ones when their number is even. Of slices that score
    alike, as all false positives without lung do, the one with more wrong pixels is the worse.
    """
    wrong = case["false_positive_px"] + case["missed_px"]
    scored = case.assign(right=-wrong).dropna(subset="dsc").sort_values(["dsc", "right"])
    position = {"worst": 0, "median": (len(scored) - 1) // 2, "best": len(scored) - 1}[rank]
    row = scored.iloc[position]
    return int(row["slice"]), float(row["dsc"])


def report_numbers(
    slices: pd.DataFrame,
    patients: pd.DataFrame,
    history: pd.DataFrame,
    settings: Settings,
    dataset: Path | str,
) -> dict[str, Any]:
    """The numbers that the report prints, as a nested dict for `report.save_numbers`.

    `best_epoch` is the epoch whose weights were kept.
    """
    kept = history.iloc[-1 if settings.keep == "last" else history["validation_loss"].argmin()]
    return {
        "dataset": dataset_folder(dataset).name,
        "patients": len(patients),
        "slices": len(slices),
        "training": {"epochs": len(history), "best_epoch": int(kept["epoch"])},
        "settings": dataclasses.asdict(settings),
        **part_numbers(slices, patients),
    }


def part_numbers(slices: pd.DataFrame, patients: pd.DataFrame) -> dict[str, Any]:
    """Scores of each part (train, validation, test) from both tables, as a nested dict."""
    numbers = {}
    for part, group in patients.groupby("split"):
        of_part, dsc_3d = slices[slices["split"] == part], group["dsc_3d"]
        numbers[part] = {
            "patients": len(group),
            "slices": len(of_part),
            **{count: int(group[count].sum()) for count in COUNTS},
            **{score: float(of_part[score].mean()) for score in ("accuracy", "dsc_1310", "dsc_20")},
            # over all slices with lung of all patients of this part
            "dsc_lung_slices": float(of_part.loc[of_part["lung_px"] > 0, "dsc"].mean()),
            "worst_lung_slice": float(group["worst_lung_slice"].min()),
            "dsc_3d": {"mean": dsc_3d.mean(), "least": dsc_3d.min(), "most": dsc_3d.max()},
        }
    return numbers
