"""A scan in, lungs out: a trained U-Net on whole volumes.

python -m utils.predict FOLDER --out OUT    lungs of a series, or of each case of a folder
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from torch import nn
from tqdm.auto import tqdm

from utils.anatomy import body_midline, reasons_to_doubt, split_lungs, stages, volumes_in_litres
from utils.dicom import read_series
from utils.errors import InputError, command
from utils.inference import segment, steadiness
from utils.masks import save_mask, write_seg
from utils.plots import prediction_summary, use_style
from utils.runtime import best_device
from utils.settings import Settings, settings_from_json
from utils.training import load_weights
from utils.unet import build_unet
from utils.workspace import REPOSITORY, write_table, written_whole

WEIGHTS = REPOSITORY / "weights"  # the shipped model: model.safetensors and settings.json
LEAST_STEADY = 0.98  # it reaches 0.991 on its training patients, 0.91 where they fall to 0.87


def load_model(folder: Path = WEIGHTS) -> tuple[nn.Module, Settings]:
    """The shipped model, or that of any run's folder: (model in evaluation mode, settings).

    Raises InputError when weights or settings are missing, damaged or do not fit together.
    """
    weights, described = folder / "model.safetensors", folder / "settings.json"
    if not weights.is_file() or not described.is_file():
        raise InputError(
            f"{folder} holds no model, expected model.safetensors and settings.json. "
            "Give the folder of a trained run, or leave --model out for the shipped one."
        )
    settings = settings_from_json(described.read_text())
    return load_weights(build_unet(settings), weights).to(best_device()), settings


def case_folders(folder: Path | str) -> list[Path]:
    """The series to segment: one folder each.

    folder : one series (DICOM files directly in it), a data set (`Images/Case_000` …), or a
    folder whose sub-folders are a series each. Raises InputError when there is nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Give a series, or a folder of cases.")
    if (folder / "Images").is_dir():
        folder = folder / "Images"
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    subfolders = [entry for entry in entries if entry.is_dir()]
    if not subfolders or any(_is_dicom(entry) for entry in entries if entry.is_file()):
        return [folder]  # an empty one is refused by the loader, which says why
    return subfolders


def _is_dicom(file):
    """Whether a file has the mark of DICOM (PS3.10, 7.1); a README has not."""
    try:
        with file.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def predict_series(
    folder: Path | str, out: Path, model: nn.Module, settings: Settings
) -> dict[str, Any]:
    """Segment one series and write what was found: `<case>_seg.dcm`, `<case>_seg.npz` and `.png`.

    The DICOM SEG refers to the series and holds right and left lung as two segments; the npz
    holds `masks`, uint8 0/1 [slices, rows, cols], slice 0 at the feet end, as data sets of this
    project do. Returns a dict: `case`, `slices`, litres (`both`, `right`, `left`), and `doubts`,
    one text. Raises InputError for what the loader refuses; then nothing is written.
    """
    volume = read_series(folder)
    mask = segment(model, volume.hu, settings, volume.spacing)
    steady = steadiness(model, volume.hu, mask, settings, volume.spacing)
    steps = list(stages(mask, volume.hu, volume.spacing))
    mask = steps[-1][1].astype(np.uint8)
    labels = split_lungs(mask, volume.spacing, body_midline(volume.hu))
    litres, sentences = volumes_in_litres(labels, volume.spacing), reasons_to_doubt(volume, labels)
    sentences += [sentence for *_, sentence in steps if sentence]
    if steady < LEAST_STEADY:
        sentences.append(f"Mirrored and moved slices are answered unlike (DSC {steady:.3f}).")
    case = volume.identity["case"]
    out.mkdir(parents=True, exist_ok=True)
    write_seg(labels, volume, out / f"{case}_seg.dcm", ("right", "left"), "U-Net, utils.predict")
    save_mask(out / f"{case}_seg.npz", mask)
    figure = prediction_summary(volume, labels, litres, sentences)
    with written_whole(out / f"{case}.png") as temporary:
        figure.savefig(temporary)
    plt.close(figure)
    return {"case": case, "slices": len(mask), **litres, "doubts": " ".join(sentences)}


def predict_folder(
    folder: Path | str, out: Path | str, model_folder: Path = WEIGHTS
) -> tuple[pd.DataFrame, list[str]]:
    """Segment a series or each case of a folder into `out`; see `predict_series`.

    Also writes `volumes.csv`, one row a case. Returns (that table, refusals), the latter a list
    of the loader's sentences for cases that were refused; the others are segmented all the same.
    """
    out = Path(out)
    model, settings = load_model(model_folder)
    use_style()
    rows, refusals = [], []
    for series in tqdm(case_folders(folder), desc="segmenting", unit="case"):
        try:
            rows.append(predict_series(series, out, model, settings))
        except InputError as error:
            refusals.append(str(error))
    table = pd.DataFrame(rows)
    if rows:
        write_table(out / "volumes.csv", table, float_format="%.4f")
    return table, refusals


@command
def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 1 when a case was refused."""
    parser = argparse.ArgumentParser(description="Lungs of a CT series, or of a folder of cases")
    parser.add_argument("folder", help="a DICOM series, or a folder of them; never written to")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of a trained run")
    options = parser.parse_args(arguments)
    table, refusals = predict_folder(options.folder, options.out, options.model)
    for row in table.to_dict("records"):
        print(
            f"{row['case']}: {row['both']:.2f} litres (right {row['right']:.2f}, "
            f"left {row['left']:.2f}) on {row['slices']} slices"
        )
        if row["doubts"]:
            print(f"  Warning: {row['doubts']}")
    for refusal in refusals:
        print(refusal, file=sys.stderr)
    if len(table):
        print(f"{options.out}: masks as DICOM SEG and npz, pictures, volumes.csv")
        print("For teaching and research; not a medical device.")
    return 1 if refusals else 0


if __name__ == "__main__":
    sys.exit(main())
