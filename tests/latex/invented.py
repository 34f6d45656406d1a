"""Invented numbers of every study, in the shape in which notebooks 05 to 07 export them."""

import re

from report import build as report
from studies import losses as loss_study
from studies import robustness
from utils.report import latex_name

BETWEEN = {"mean": 0.5, "low": 0.25, "high": 0.75}
NOISE = (
    "baseline, clean",
    "noise in training, clean and noisy",
    "baseline, clean and noisy",
    "baseline, noisy",
    "noise in training, noisy",
    "noisy pictures only, noisy",
    "noisy pictures only, clean",
    "one picture",
    "one picture, augmented",
    "crops of 48 px",
    "half the size",
)


def losses():
    """Notebook 05."""
    scores = dict.fromkeys(loss_study.SCORES, BETWEEN)
    table = (report.SOURCES / "sections" / "losses.tex").read_text()
    names = re.findall(r"^ *\\lossrow\{(\w+)\}", table, re.MULTILINE)
    rows = {name: {"label": name.replace("_", " "), **scores} for name in names}
    gain = {"0_7_bce_0_3_dice_1310_px": {"adaptive": scores}}
    study = {"runs": ["loss_study"], "figures": ["loss_study"], "seeds": 3, "epochs": 6}
    return study | {"size": 64, "patients": 2, "configurations": len(rows), "gain": gain} | rows


def ct():
    """Notebook 06, second part."""
    study = {"runs": ["06_*"], "figures": ["robustness_ct"], "part": "validation"}
    for name, severities in robustness.TROUBLES.items():
        networks = dict.fromkeys(
            ("as_it_comes", "noise_in_training", "brightness_in_training"), BETWEEN
        )
        rows = {f"at_{severity}": {"severity": severity, **networks} for severity in severities}
        worst = rows[f"at_{severities[-1]}"]
        study[latex_name(name)] = {"label": name, "worst": worst, **rows}
    return study | {"size": 64, "patients": 2}


def noise():
    """Notebook 06, first part."""
    names = ("noise", "by_epoch", "training_size")
    study = {"runs": ["06_*"], "figures": [f"olander_{name}" for name in names]}
    curve = {"best": 0.5, "best_epoch": 3, "last": 0.25, "last_five": 0.25}
    study |= dict.fromkeys(("validated_on_clean", "validated_on_clean_and_noisy"), curve)
    study |= {"kind": "synthetic", "sigma": 5000, "kept": 32}
    study |= {name: {"pictures": 5, **BETWEEN} for name in ("fewest", "most")}
    return study | {latex_name(name): BETWEEN for name in NOISE}


def pictures(run, figure, **scores):
    """Notebook 07, one of its three sets."""
    return {
        "runs": [run],
        "figures": [figure],
        "kind": "synthetic",
        "tested": 16,
        "size": 128,
    } | scores


XRAY = {"iou_both": 0.5, "iou_lungs": 0.5, "worst": 0.25, "epochs": 25}
CLASSES = dict.fromkeys(("pore", "grey_phase", "bright_phase", "mean"), 0.5)
SLICES = dict.fromkeys(("accuracy", "empty_mask_accuracy", "precision", "recall", "F1"), 0.5)
STUDIES = {  # data set -> study -> its numbers
    "phantom": {"loss_study": losses(), "robustness": ct()},
    "synthetic_ct_slices": {
        "ct_slices": pictures("dansana2024_*", "dansana2024_confusion", **SLICES)
    },
    "synthetic_xrays": {
        "xrays": pictures(
            "bartels2022_*",
            "bartels2022_side_by_side",
            ours_from_nothing=XRAY,
            ours_fine_tuned=XRAY,
            fine_tuning_gain={"mean": 0.5, "low": -0.25, "high": 0.75},
        )
    },
    "synthetic_tomography": {
        "noise_study": noise(),
        "three_classes": pictures(
            "olander_*",
            "olander_misclassified",
            ours_all_pictures=CLASSES,
            ours_two_sided_dice=CLASSES,
            ours_five_pictures=CLASSES,
        ),
    },
}
