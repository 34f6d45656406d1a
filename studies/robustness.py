"""How a trained network bears what CT images suffer: each trouble at growing severity."""

import dataclasses

import numpy as np
import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from studies import degradations
from studies.plan import PLAN
from utils.anatomy import body_in_air
from utils.evaluation import bootstrap_interval, interval_numbers
from utils.inference import segment
from utils.overlap import dsc
from utils.settings import Settings

Networks = dict[str, tuple[nn.Module, Settings]]  # name -> (model, its settings)
Scan = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]  # HU, mask, spacing in mm

# trouble -> severities, the first of them harmless
TROUBLES = PLAN["troubles"]


def degraded(
    trouble: str,
    severity: float,
    hu: np.ndarray,
    mask: np.ndarray,
    spacing: tuple[float, float, float],
    settings: Settings,
) -> tuple[np.ndarray, np.ndarray, Settings]:
    """A CT, its mask and the settings to segment it with, at one severity of one of TROUBLES.

    hu : [slices, rows, cols]. mask : 0/1, same shape. spacing : mm (slice, row, col). Returns
    (HU float32, mask, settings); only another window changes the settings.
    """
    plain = np.asarray(hu, np.float32)
    match trouble:
        case "Gaussian noise / HU":
            return degradations.white_noise(hu, severity), mask, settings
        case "dose / %":
            return degradations.lower_dose(hu, spacing[1], severity / 100), mask, settings
        case "slices averaged":
            return *degradations.thicker_slices(hu, mask, severity), settings
        case "intercept too high by / HU":
            return degradations.shifted_intercept(hu, severity), mask, settings
        case "rotation / degrees":
            return *degradations.rotated(hu, mask, severity), settings
        case "couch: there (0) or not (1)":
            return body_in_air(plain) if severity else plain, mask, settings
        case "window's width / HU":
            middle = sum(settings.window) / 2
            window = (middle - severity / 2, middle + severity / 2)
            return plain, mask, dataclasses.replace(settings, window=window)
    raise ValueError(f"no such trouble: {trouble}")


def severity_table(networks: Networks, cases: list[Scan]) -> pd.DataFrame:
    """DSC of the slices with lung, under every severity of each of TROUBLES.

    networks : name -> (model, settings). cases : list of (HU, mask, spacing). Returns one row a
    trouble, severity and network: `mean` over slices of all cases, with the bootstrap interval
    `low` to `high`. Slices of one patient are alike: the interval says how sure the mean is for
    these patients, not for others.
    """
    rows = []
    steps = [(trouble, severity) for trouble, all_of in TROUBLES.items() for severity in all_of]
    for trouble, severity in tqdm(steps, desc="troubles", leave=False):
        for name, each in slice_scores(networks, cases, trouble, severity).items():
            row = {"trouble": trouble, "severity": severity, "network": name}
            rows.append(row | interval_numbers(bootstrap_interval(each)))
    return pd.DataFrame(rows)


def slice_scores(
    networks: Networks, cases: list[Scan], trouble: str, severity: float
) -> dict[str, np.ndarray]:
    """DSC of each slice with lung of all cases, under one trouble: network -> float64 array.

    networks and cases as in `severity_table`; slices are the same for all networks.
    """
    scores: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for hu, mask, spacing in cases:
        for name, (model, settings) in networks.items():
            worse, truth, chosen = degraded(trouble, severity, hu, mask, spacing, settings)
            scores[name].append(lung_slice_dsc(segment(model, worse, chosen, spacing), truth))
    return {name: np.concatenate(each) for name, each in scores.items()}


def lung_slice_dsc(prediction, truth):
    """DSC of each slice whose truth holds lung, float64; 0 where nothing of it was found."""
    return dsc(prediction, truth)[truth.any((1, 2))]
