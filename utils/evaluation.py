"""How good is a segmentation? Metrics for each slice and for each patient."""

import dataclasses

import numpy as np
import pandas as pd
import torch
from torchmetrics.functional.classification import binary_accuracy

from utils.losses import scaled_threshold
from utils.workspace import dataset_folder, written_whole

# Thresholds of the first report, in pixels of a 512 x 512 slice: 0.5 % and 0.008 % of it
DSC_THRESHOLDS = (1310, 20)


def dsc(prediction, truth, threshold=None):
    """Dice similarity coefficient of binary masks, slice by slice (Dice 1945).

        DSC = 2 |P ∩ T| / (|P| + |T|)

    prediction, truth : bool tensors [n, rows, cols]. Returns float64 [n].

    What an empty slice scores: P and T empty is 0/0, which is NaN here; T empty and P not is 0.
    With a threshold (px) the rule of the first report holds instead: a slice whose truth is
    empty scores 1 when |P| < threshold, and 0 otherwise.
    """
    prediction, truth = prediction.bool().flatten(1), truth.bool().flatten(1)
    overlap = (prediction & truth).sum(1).double()
    predicted, true = prediction.sum(1).double(), truth.sum(1).double()
    score = 2 * overlap / (predicted + true)
    if threshold is not None:
        score = torch.where((true == 0) & (predicted < threshold), 1.0, score)
    return score


def slice_metrics(prediction, truth):
    """Metrics of each slice of one case, as a table in slice order.

    prediction, truth : uint8 0/1 arrays [slices, rows, cols].
    Columns: `slice` (0 is the feet end), `lung_px`, `predicted_px`, `overlap_px`, `dsc` (NaN where
    both masks are empty), `dsc_1310` and `dsc_20` (the first report's rule, thresholds scaled from
    512 x 512 to this size) and `accuracy` (share of pixels that are classified rightly).
    """
    predicted, true = torch.from_numpy(prediction).bool(), torch.from_numpy(truth).bool()
    table = {
        "slice": np.arange(len(true)),
        "lung_px": true.sum((1, 2)).numpy(),
        "predicted_px": predicted.sum((1, 2)).numpy(),
        "overlap_px": (predicted & true).sum((1, 2)).numpy(),
        "dsc": dsc(predicted, true).numpy(),
    }
    for threshold in DSC_THRESHOLDS:
        scaled = scaled_threshold(threshold, *truth.shape[1:])
        table[f"dsc_{threshold}"] = dsc(predicted, true, scaled).numpy()
    table["accuracy"] = binary_accuracy(
        predicted.flatten(1), true.flatten(1), multidim_average="samplewise"
    ).numpy()
    return pd.DataFrame(table)


def patient_metrics(slices):
    """One row a patient from a table of slices (columns `case` and `split` beside the metrics).

    `dsc_3d` takes all voxels of the patient at once, so every voxel weighs the same;
    `dsc_lung_slices` is the mean over slices that contain lung, so every slice weighs the same
    and an unseen sliver of lung at the apex counts as 0. `lung_free_slices` are those without
    lung, `hallucinated_slices` those of them where the model found some all the same.
    """

    rows = []
    for (split, name), case in slices.groupby(["split", "case"]):
        lung = case["lung_px"] > 0
        sizes = case["lung_px"].sum() + case["predicted_px"].sum()
        rows.append(
            {
                "split": split,
                "case": name,
                "slices": len(case),
                "dsc_3d": 2 * case["overlap_px"].sum() / sizes if sizes else np.nan,
                "dsc_lung_slices": case.loc[lung, "dsc"].mean(),
                "worst_lung_slice": case.loc[lung, "dsc"].min(),
                "accuracy": case["accuracy"].mean(),
                "lung_free_slices": int((~lung).sum()),
                "hallucinated_slices": int((~lung & (case["predicted_px"] > 0)).sum()),
            }
        )
    return pd.DataFrame(rows)


def write_tables(run_folder, slices, patients):
    """Write `slices.csv` and `patients.csv` into a run's folder."""
    for name, table in (("slices", slices), ("patients", patients)):
        with written_whole(run_folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)


def ranked_slice(case, rank):
    """The "best", "median" or "worst" slice of one case's table, as (slice, DSC).

    Slices where both masks are empty have no DSC and are passed over. The median is a slice
    that exists: the lower of the two middle ones when their number is even.
    """
    scored = case.dropna(subset="dsc").sort_values("dsc", kind="stable")
    position = {"worst": 0, "median": (len(scored) - 1) // 2, "best": len(scored) - 1}[rank]
    row = scored.iloc[position]
    return int(row["slice"]), float(row["dsc"])


def report_numbers(slices, patients, history, settings, dataset):
    """The numbers that the report prints, as a nested dict for `figures.save_numbers`."""
    best = history.loc[history["validation_loss"].idxmin()]
    numbers = {
        "dataset": dataset_folder(dataset).name,
        "patients": len(patients),
        "slices": len(slices),
        "training": {"epochs": len(history), "best_epoch": int(best["epoch"])},
        "settings": dataclasses.asdict(settings),
    }
    for part, group in patients.groupby("split"):
        of_part = slices[slices["split"] == part]
        numbers[part] = {
            "patients": len(group),
            "slices": len(of_part),
            "lung_free_slices": int(group["lung_free_slices"].sum()),
            "hallucinated_slices": int(group["hallucinated_slices"].sum()),
            "accuracy": float(of_part["accuracy"].mean()),
            "dsc_1310": float(of_part["dsc_1310"].mean()),
            "dsc_20": float(of_part["dsc_20"].mean()),
            # over all slices with lung of all patients of this part
            "dsc_lung_slices": float(of_part.loc[of_part["lung_px"] > 0, "dsc"].mean()),
            "worst_lung_slice": float(group["worst_lung_slice"].min()),
            "dsc_3d": {
                "mean": float(group["dsc_3d"].mean()),
                "least": float(group["dsc_3d"].min()),
                "most": float(group["dsc_3d"].max()),
            },
        }
    return numbers
