"""A scan in, lungs out: a trained U-Net on whole volumes.

python -m utils.predict FOLDER --out OUT    lungs of a series, or of each case of a folder
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from torch import nn
from tqdm.auto import tqdm

from utils import workspace
from utils.anatomy import body_midline, lung_measures, reasons_to_doubt, split_lungs, stages
from utils.dicom import CONTAINERS, read_header, read_series, unpacked
from utils.errors import InputError, command, printable, refused
from utils.inference import segment, steadiness
from utils.masks import WRITERS, save_mask
from utils.plots import prediction_summary, use_style
from utils.runtime import best_device
from utils.settings import Settings, read_settings
from utils.training import load_weights
from utils.unet import build_unet

WEIGHTS = workspace.REPOSITORY / "weights"  # the shipped model: model.safetensors and settings.json
LEAST_STEADY = 0.975  # it reaches 0.984 to 0.992 on ten scans that go well
NOTHING = np.zeros((1, 1, 1), np.int16)
MEASURES = list(lung_measures(NOTHING, NOTHING, (1, 1, 1)))
COLUMNS = ["case", "slices", *MEASURES, "doubts", "notes", "fault"]
LOG = "predict.log"


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
    settings = read_settings(described)
    return load_weights(build_unet(settings), weights, settings).to(best_device()), settings


def case_folders(folder: Path | str) -> list[Path]:
    """The series to segment: one folder each, or one file (NIfTI, NRRD, MetaImage, zip of DICOM).

    folder : one series (DICOM files directly in it), a data set (`Images/Case_000` …), or a
    folder whose sub-folders or files are a series each. Raises InputError when there is none.
    """
    folder = Path(folder)
    if _is_container(folder):
        return [folder]
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Give a series, or a folder of cases.")
    folder = folder / "Images" if (folder / "Images").is_dir() else folder
    if not workspace.holds_files(folder):
        raise InputError(f"{folder} holds no file, expected a CT series. Check the path.")
    subfolders = sorted([*workspace.cases_in(folder), *filter(_is_container, folder.iterdir())])
    if not subfolders or any(_is_dicom(entry) for entry in folder.iterdir() if entry.is_file()):
        return [folder]
    return subfolders


def _is_container(file):
    """Whether a file holds a whole scan that is not a folder of DICOM files."""
    return file.is_file() and file.name.lower().endswith(CONTAINERS) and file.name[0] != "."


def _is_dicom(file):
    """Whether a file is DICOM, or would be but for a fault; a README and a CD's index are not."""
    try:
        return file.name.upper() != "DICOMDIR" and read_header(file, file.name) is not None
    except InputError:
        return True


def predict_series(
    folder: Path | str,
    out: Path,
    model: nn.Module,
    settings: Settings,
    series: str | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    formats: Sequence[str] = ("seg",),
) -> dict[str, Any]:
    """Segment one series and write what was found: `<case>_seg.npz`, `.png` and `_seg.dcm`.

    The DICOM SEG refers to the series and holds right and left lung as two segments; the npz
    holds `masks`, uint8 0/1 [slices, rows, cols], slice 0 at the feet end, as data sets of this
    project do. series : of several in the folder, see `read_series`. on_row : called with the row
    before anything that is made from it. formats : of `masks.WRITERS`, for both lungs; NIfTI alone
    where the scan is no DICOM. Returns the row, a dict: `case`, `slices`, `anatomy.lung_measures`,
    `doubts` and `notes`, a text each: what the loader noted, and which format is not there
    as headers or mask do not suffice for it. Raises InputError for what the loader refuses.
    """
    volume = read_series(folder, series)
    mask = segment(model, volume.hu, settings, volume.spacing, batch_size=1)
    steps = list(stages(mask, volume.hu, volume.spacing))
    mask = steps[-1][1].astype(np.uint8)
    steady = steadiness(model, volume.hu, mask, settings, volume.spacing)
    labels = split_lungs(mask, volume.spacing, body_midline(volume.hu))
    measures = lung_measures(volume.hu, labels, volume.spacing)
    sentences = reasons_to_doubt(volume, labels)
    sentences += [sentence for *_, sentence in steps if sentence]
    if steady < LEAST_STEADY:
        sentences.append(f"Mirrored and moved slices are answered unlike (DSC {steady:.3f}).")
    case = volume.identity["case"]
    row = {"case": case, "slices": len(mask), **measures}
    row |= {"doubts": " ".join(sentences), "notes": " ".join(volume.notes)}
    out.mkdir(parents=True, exist_ok=True)
    save_mask(out / f"{case}_seg.npz", mask)
    if on_row:
        on_row(row)
    with workspace.written_whole(out / f"{case}.png") as temporary:
        prediction_summary(volume, labels, measures, sentences).savefig(temporary)
    plt.close()
    notes = _write_masks(labels, volume, out / case, formats if volume.files else ["nifti"])
    row["notes"] = " ".join([*volume.notes, *notes])
    return row


def _write_masks(labels, volume, stem, formats):
    """Write both lungs in each format; yields a sentence for each that there is no file of."""
    for kind in formats:
        ending, write = WRITERS[kind]
        file = stem.with_name(stem.name + ending)
        file.unlink(missing_ok=True)  # an older one would pass for this mask's
        try:
            write(labels, volume, file, ("right", "left"), "U-Net, utils.predict")
        except InputError as error:
            why = str(error).removesuffix("; nothing was written.")
            yield f"There is no {kind} file: {why}."


def predict_folder(
    folder: Path | str,
    out: Path | str,
    model_folder: Path = WEIGHTS,
    series: str | None = None,
    formats: Sequence[str] = ("seg",),
) -> tuple[pd.DataFrame, list[str]]:
    """Segment a series or each case of a folder into `out`; see `predict_series`.

    Writes `volumes.csv`, one row a case, anew after each. Whatever goes wrong with one case is its
    row's `fault`, with a traceback in the log; the others are segmented all the same. Returns
    (that table, faults). Raises InputError, before anything is computed, where there is no case or
    `out` is no place to write to. series : see `read_series`; by default what `series.txt` says.
    """
    folder, out = Path(folder), Path(out)
    cases, chosen = case_folders(folder), workspace.chosen_series(folder)
    _check_out(out, folder)
    model, settings = load_model(model_folder)
    use_style()
    rows: list[dict[str, Any]] = []

    def keep(found):
        rows[-1] |= found
        return _write_rows(rows, out)

    for case in tqdm(cases, desc="segmenting", unit="case"):
        rows.append({"case": printable(case.absolute().name)})
        wanted = series or chosen.get(case.name)
        try:
            with unpacked(case) as opened:
                table = keep(predict_series(opened, out, model, settings, wanted, keep, formats))
        except Exception as error:  # any fault of one case is its own
            table = keep({"fault": _logged(error, rows[-1]["case"], out)})
    return table, [row["fault"] for row in rows if "fault" in row]


def _check_out(out, folder):
    """Make the folder for results with an empty table, or raise InputError."""
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(
            f"--out {out} lies in the input {folder}, which is never written to. Choose another."
        )
    with refused(f"--out {out} is no folder that can be written to", "Choose another.", OSError):
        out.mkdir(parents=True, exist_ok=True)
        (out / LOG).unlink(missing_ok=True)
    _write_rows([], out)


def _write_rows(rows, out):
    """Write and return the table of all cases so far; what a case does not have stays empty."""
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"slices": "Int64"})
    texts = ["doubts", "notes", "fault"]
    table[texts] = table[texts].astype(object).fillna("")
    workspace.write_table(out / "volumes.csv", table, float_format="%.4f")
    return table


def _logged(error, case, out):
    """An error as one sentence that begins with the case, its traceback kept in the log."""
    with (out / LOG).open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{case}\n{traceback.format_exc()}\n")
    said = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    said = printable(said) if said.startswith(case) else printable(f"{case}: {said}")
    return f"{said.rstrip('.')}. {LOG} has the traceback."


@command
def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 1 when a case has a fault."""
    parser = argparse.ArgumentParser(description="Lungs of a CT series, or of a folder of cases")
    parser.add_argument("folder", help="a DICOM series, or a folder of them; never written to")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of a trained run")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--series", metavar="FILE", help="by a file of it, or its UID")
    which.add_argument("--largest", dest="series", action="store_const", const="largest")
    parser.add_argument("--format", nargs="+", choices=WRITERS, default=["seg"],
                        help="how to write both lungs beside npz (dcm2niix cannot read a SEG of two"
                        " segments: take nifti)")  # fmt: skip
    chosen = parser.parse_args(arguments)
    table, faults = predict_folder(
        chosen.folder, chosen.out, chosen.model, chosen.series, chosen.format
    )
    for row in table[table["both"].notna()].to_dict("records"):
        print(
            f"{row['case']}: {row['both']:.2f} litres (right {row['right']:.2f}, "
            f"left {row['left']:.2f}) on {row['slices']} slices"
        )
        for kind, text in (("Warning", row["doubts"]), ("Note", row["notes"])):
            print(f"  {kind}: {text}" * bool(text), end="\n" * bool(text))
    print(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    print(f"{chosen.out}: masks as npz and {', '.join(chosen.format)}, pictures, volumes.csv")
    print("For teaching and research; not a medical device.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
