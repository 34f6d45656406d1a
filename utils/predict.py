"""A scan in, lungs out: a trained U-Net on whole volumes.

python -m utils.predict FOLDER --out OUT    lungs of a series, or of each case of a folder
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from matplotlib import pyplot as plt
from torch import nn

from utils import workspace
from utils.anatomy import body_midline, lung_measures, reasons_to_doubt, split_lungs, stages
from utils.cohort import Results, digest_of, memory_of, once
from utils.dicom import CONTAINERS, case_folders, read_series, unpacked
from utils.errors import InputError, command, printable, refused
from utils.inference import segment, steadiness
from utils.masks import WRITERS, save_mask
from utils.plots import prediction_summary, use_style
from utils.runtime import best_device, keep_freed_memory, spread
from utils.settings import Settings, read_settings
from utils.training import load_weights
from utils.unet import build_unet

WEIGHTS = workspace.REPOSITORY / "weights"  # the shipped model: model.safetensors and settings.json
LEAST_STEADY = 0.965  # it reaches 0.982 to 0.989 on nine scans that go well, 0.972 with a bulla
NOTHING = np.zeros((1, 1, 1), np.int16)
MEASURES = list(lung_measures(NOTHING, NOTHING, (1, 1, 1)))
COLUMNS = ["case", "slices", *MEASURES, "doubts", "notes", "fault"]


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


def predict_series(
    folder: Path | str,
    out: Path,
    model: nn.Module,
    settings: Settings,
    series: str | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    formats: Sequence[str] = ("seg",),
    lap: Callable[[str, Any], Any] = lambda stage, value: value,
) -> dict[str, Any]:
    """Segment one series and write what was found: `<case>_seg.npz`, `.png` and `_seg.dcm`.

    The DICOM SEG refers to the series and holds right and left lung as two segments; the npz
    holds `masks`, uint8 0/1 [slices, rows, cols], slice 0 at the feet end, as data sets of this
    project do. series : of several in the folder, see `read_series`. on_row : called with the row
    before anything that is made from it; lap : with each stage as it ends, and what came of it.
    formats : of `masks.WRITERS`, for both lungs; NIfTI alone where the scan is no DICOM. Returns
    the row: `case`, `slices`, `anatomy.lung_measures`, `doubts` and `notes`, a text each: what the
    loader noted, and which format is not there. Raises InputError for what the loader refuses.
    """
    keep_freed_memory()  # as arrays of half the scan come and go
    volume = lap("reading", read_series(folder, series))
    mask, sentences = _mask_and_doubts(volume, model, settings, lap)
    labels = split_lungs(mask, volume.spacing, body_midline(volume.hu))
    measures = lung_measures(volume.hu, labels, volume.spacing)
    sentences = [*reasons_to_doubt(volume, labels), *sentences]
    case = lap("sides, measures, doubts", volume.identity["case"])
    row = {"case": case, "slices": len(mask), **measures}
    row |= {"doubts": " ".join(sentences), "notes": " ".join(volume.notes)}
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()  # anew: writing needs little of what came before
    save_mask(out / f"{case}_seg.npz", mask)
    del mask
    if on_row:
        on_row(row)
    with workspace.written_whole(out / f"{case}.png") as temporary:
        prediction_summary(volume, labels, measures, sentences).savefig(temporary)
    plt.close()
    lap("picture", None)
    notes = _write_masks(labels, volume, out / case, formats if volume.files else ["nifti"])
    row["notes"] = lap("formats", " ".join([*volume.notes, *notes]))
    return row


def _mask_and_doubts(volume, model, settings, lap):
    """The mask of both lungs, post-processed, uint8, and what steps and steadiness have to say."""
    mask, sentences = lap("network", segment(model, volume.hu, settings, volume.spacing)), []
    for _, after, _, sentence in stages(mask, volume.hu, volume.spacing):
        mask, sentences = after.view(np.uint8), [*sentences, sentence]  # earlier ones are let go
    lap("post-processing", mask)
    steady = steadiness(model, volume.hu, mask, settings, volume.spacing)
    if lap("steadiness", steady) < LEAST_STEADY:
        sentences.append(f"Mirrored and moved slices are answered unlike (DSC {steady:.3f}).")
    return mask, filter(None, sentences)


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
    workers: int = 0,
    scheduler: Any = None,
    most: float = 0.0,
) -> tuple[pd.DataFrame, list[str]]:
    """Segment a series or each case of a folder into `out`; see `predict_series`.

    Returns (`volumes.csv` with a row a case, faults). What goes wrong with a case is its row's
    `fault`, with a traceback in the log; what is finished is not done again. Raises InputError,
    before anything is computed, where there is no case or `out` is no place to write to. series :
    by default what `series.txt` says. workers, scheduler, most : of `spread`; else done here.
    """
    folder, out, model_folder = Path(folder), Path(out).absolute(), Path(model_folder).absolute()
    cases, chosen = [c.absolute() for c in case_folders(folder)], workspace.chosen_series(folder)
    _check_out(out, folder)
    model = load_model(model_folder)
    weights = digest_of([model_folder / "model.safetensors"])
    facts = {"weights": weights, "settings": asdict(model[1]), "formats": [*formats]}
    names = [_result_name(case) for case in cases]
    first = {name: n for n, name in reversed([*enumerate(names)])}
    jobs = [
        {"case": case, "stem": out / name, "taken": first[name] < n, "model": model_folder,
         "series": series or chosen.get(case.name), "facts": facts, "most": most}
        for n, (case, name) in enumerate(zip(cases, names, strict=True))
    ]  # fmt: skip
    with workspace.locked(out.resolve()):
        results = Results(out, names, COLUMNS)
        if workers or scheduler:
            function, costs = "utils.predict:_segmented", lambda job: memory_of(job["case"])
            found = spread(function, jobs, workers, scheduler, costs, most)
        else:
            keep = (partial(results.keep, n) for n in range(len(jobs)))
            found = enumerate(map(partial(_segmented, model=model), jobs, keep))
        return results.gather(found)


def _result_name(case):
    """How the results of a case are called: as its folder, or as its file without the ending."""
    endings = [e for e in CONTAINERS if case.name.lower().endswith(e) and case.is_file()]
    return printable(case.name[: len(case.name) - len((*endings, "")[0])])


def _segmented(job, keep=lambda row: None, model=None):
    """The report of a case, or its row so far, its fault and a traceback; in whatever process."""
    row, case, stem = {}, job["case"], job["stem"]

    def on_row(found):
        keep(row | found)
        row.update(found)

    def work(lap):
        memory_of(case, job["most"] or psutil.virtual_memory().total)
        network = model or _loaded(job["model"], job["facts"]["weights"])
        use_style()
        with unpacked(case) as opened:
            options = job["series"], on_row, job["facts"]["formats"], lap
            return predict_series(opened, stem.parent, *network, *options)

    try:
        if job["taken"]:
            raise InputError(f"The results of another case are called {stem.name}. Rename one")
        return once(case, stem, job["series"], job["facts"], work)
    except Exception as error:  # any fault of one case is its own
        said = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return {"row": row, "fault": said, "trace": traceback.format_exc()}


@cache
def _loaded(folder, weights):
    """The model of a folder, in a process that is asked for many cases."""
    if digest_of([folder / "model.safetensors"]) == weights:
        return load_model(folder)
    raise InputError(f"The weights in {folder} were changed meanwhile. Start again")


def _check_out(out, folder):
    """Make the folder for results, or raise InputError."""
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f"--out {out} lies in the input {folder}. Choose a folder elsewhere.")
    with refused(f"--out {out} is no folder that can be written to", "Choose another.", OSError):
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()


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
    parser.add_argument("--workers", type=int, default=0, help="processes, one case each at a time")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, in place of --workers")
    parser.add_argument("--memory", type=float, default=0, help="GB for all at work; else all")
    chosen = parser.parse_args(arguments)
    options = chosen.model, chosen.series, chosen.format, chosen.workers, chosen.scheduler
    table, faults = predict_folder(chosen.folder, chosen.out, *options, 1e9 * chosen.memory)
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
