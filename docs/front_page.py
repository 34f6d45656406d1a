"""What the README shows: an animation, a picture of each notebook, the tables of results.

python -m docs.front_page      after `make run` and `make studies`: make everything again
"""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.results import FOLDER as BENCHMARKS
from utils.cases import load_cases, load_masks
from utils.viewer import animation
from utils.workspace import REPOSITORY, derived_folder, figures_folder, shown, write_json

FOLDER = REPOSITORY / "figures" / "readme"
RESULTS = FOLDER / "results.json"  # committed: what the tables were made from
LEAVE_ONE_OUT = BENCHMARKS / "leave_one_out.csv"
MOST_BYTES = 3_000_000  # of the animation
WIDTH = 360  # px, of a thumbnail
MARKED = r"(<!-- {0} -->\n).*?(<!-- end of {0} -->)"  # where a table of the README stands
ROWS = {  # path into results.json -> first columns of the row
    ("phantom", "test"): "12 **synthetic** patients, 4 unseen | default preset, network alone",
    ("phantom", "postprocessed.test"): "the same | post-processed",
    ("phantom", "challenge.threshold.both.dsc"): "the same | a threshold and morphology, nothing "
    "learnt (`utils/anatomy/threshold.py`)",
    ("lctsc", "leave_one_out"): "4 real patients of LCTSC, each left out once | `best` preset, "
    "post-processed",
}
PUBLISHED = (  # what others print, in the same columns
    "| other real patients of LCTSC | four networks of the challenge, [2017]"
    "(https://pmc.ncbi.nlm.nih.gov/articles/PMC8217246/table/T7) | | | 0.95 to 0.98 a lung | |",
    "| 2 other real patients of LCTSC | the first coursework report, [2024](report/references.bib) "
    "| 0.87 (median slices) | | | some |",
)

OTHERS = {  # exported by notebooks 06 and 07: (data set, study, path) -> first columns of the row
    ("synthetic_ct_slices", "ct_slices", "F1"): "CT slices as PNG | "
    "[Dansana and others](report/references.bib) | F1 of all test pixels | 0.682",
    ("synthetic_xrays", "xrays", "ours_fine_tuned.iou_both"): "chest X-rays | "
    "[Bartels and others](report/references.bib) | mean IoU of lung and background | 0.953",
    ("synthetic_tomography", "three_classes", "ours_all_pictures.mean"): "three classes | "
    "[Olander and others](report/references.bib) | mean Dice of the classes | 0.991",
    ("synthetic_tomography", "three_classes", "ours_five_pictures.mean"): "the same, five "
    "training pictures | | the same | 0.987",
    ("synthetic_tomography", "noise_study", "baseline_clean_and_noisy.mean"): "the same, noise "
    "in validation alone | | mean over pictures | 0.665",
    ("synthetic_tomography", "noise_study", "noise_in_training_clean_and_noisy.mean"): "the same, "
    "noise in training too | | mean over pictures | 0.991",
}


def table(results):
    """The README's table of results, as Markdown.

    results : nested dict of `metrics.json` files by data set; rows without results are left out.
    What others have published stands below.
    """
    lines = [
        "| tested on | by | DSC of lung slices | worst lung slice | 3-D DSC | lung-free slices "
        "with false positives |",
        "|---|---|---|---|---|---|",
    ]
    for (dataset, path), first in ROWS.items():
        scores = at(results.get(dataset, {}), path)
        if "mean" in scores:  # of 3-D DSC alone
            lines.append(f"| {first} | | | {scores['mean']:.3f} | |")
        elif scores:
            lines.append(
                f"| {first} | {scores['dsc_lung_slices']:.3f} | {scores['worst_lung_slice']:.3f} "
                f"| {scores['dsc_3d']['mean']:.3f} | {scores['false_positive_slices']} of "
                f"{scores['lung_free_slices']} |"
            )
    return "\n".join([*lines, *PUBLISHED]) + "\n"


def other_table(results):
    """The README's table of what the other three reports print, and what comes out here."""
    lines = ["| kind | report | score | printed | here, **synthetic** |", "|---|---|---|---|---|"]
    for (dataset, study, path), first in OTHERS.items():
        if score := at(results, f"{dataset}.{study}.{path}"):
            lines.append(f"| {first} | {score:.3f} |")
    return "\n".join(lines) + "\n"


def speed_table(folder=BENCHMARKS):
    """The README's table of timings, from a folder of benchmarks' results; each names its machine.

    The job that wants a GPU stands there as not measured until `full_job.csv` is there.
    """
    stages = pd.read_csv(folder / "predict_stages.csv")
    scan, seconds = stages.iloc[0], stages.set_index(["way", "stage"])["seconds"]
    whole, memory = (seconds.xs(name, level="stage").iloc[0] for name in ("whole", "peak_gb"))
    gain = seconds["network", "the same in the usual loop"] / seconds["network", "ours"]
    lines = [
        "| job | how fast |",
        "|---|---|",
        f"| lungs of a series with `utils.predict`: {scan['slices']} slices of {scan['rows']} × "
        f"{scan['rows']}, reading and writing included | {whole:.1f} s and {memory:.2f} GB on "
        f"{scan['machine'].partition(';')[0]}; the network {gain:.1f} times as fast as a plain "
        "loop over slices |",
    ]
    file = folder / "training_speed.csv"
    hardware = about(file)
    faster = pd.read_csv(file, comment="#").set_index(["size", "width", "way"])["ours is faster by"]
    for size in (256, 512):
        plain, monai = (faster[size, 16, way] for way in ("plain loop", "MONAI BasicUNet"))
        lines.append(
            f"| a training step, {size} × {size}, width 16 | {plain:.1f} times as fast as the "
            f"usual loop and {monai:.1f} times as MONAI's BasicUNet on {hardware} |"
        )
    job = "**not measured**: `python -m benchmarks.full_job` does it"
    if (file := folder / "full_job.csv").exists():
        told = [
            f"{row['job s']:.0f} s with batches of {row['batch']:.0f}, "
            f"{row['faster than plain']:.1f} times as fast as the usual loop with its 3"
            for row in pd.read_csv(file, comment="#").to_dict("records")
        ]
        job = f"{'; '.join(told)}: on {about(file)}"
    lines.append(f"| the coursework's full job on a GPU | {job} |")
    return "\n".join(lines) + "\n"


def about(file):
    """The hardware in the first line of a benchmark's table."""
    return file.read_text("utf-8").partition("\n")[0].removeprefix("# ").partition(", torch")[0]


def at(numbers, path):
    """What stands at a dotted path of nested dicts; an empty dict where nothing does."""
    for key in path.split("."):
        numbers = numbers.get(key, {})
    return numbers


def leave_one_out():
    """The table of benchmarks/leave_one_out.py in the terms of `metrics.json`."""
    each = pd.read_csv(LEAVE_ONE_OUT)
    totals = each[["false_positive_slices", "lung_free_slices"]].sum().astype(int).to_dict()
    return totals | {
        "dsc_lung_slices": each["dsc_lung_slices"].mean(),
        "worst_lung_slice": each["worst_lung_slice"].min(),
        "dsc_3d": {"mean": each["dsc_3d"].mean()},
    }


def write_tables(readme, results):
    """Put the tables between their marks in the README."""
    text = readme.read_text("utf-8")
    tables = {"results": table(results), "other results": other_table(results)}
    for name, lines in (tables | {"speed": speed_table()}).items():
        between = re.compile(MARKED.format(name), re.DOTALL)
        text = between.sub(lambda mark, lines=lines: mark[1] + lines + mark[2], text)
    readme.write_text(text, "utf-8")


def first_test_patient():
    """(volume, truth, prediction) of the phantom's first test patient, from the last run."""
    run = derived_folder("phantom") / "runs" / "quick"
    name = json.loads((run / "split.json").read_bytes())["test"][0]
    with np.load(run / "predictions" / f"{name}.npz", allow_pickle=False) as archive:
        prediction = archive["masks"]
    return load_cases("phantom")[name], load_masks("phantom")[name], prediction


def thumbnail(notebook):
    """The tallest picture that a notebook shows, small; None when it shows none."""
    best = None
    for cell in json.loads(notebook.read_bytes())["cells"]:
        for output in cell.get("outputs", []):
            encoded = output.get("data", {}).get("image/png")
            if encoded:
                picture = Image.open(io.BytesIO(base64.b64decode("".join(encoded))))
                if best is None or picture.height > best.height:
                    best = picture.convert("RGB")
    if best is None:
        return None
    height = round(best.height * WIDTH / best.width)
    return best.resize((WIDTH, height), Image.Resampling.LANCZOS)


def main():
    """Make everything again."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    results["lctsc"] = {"leave_one_out": leave_one_out()}
    results["phantom"] = json.loads((figures_folder("phantom") / "metrics.json").read_bytes())
    for dataset, study, _ in OTHERS:
        exported = json.loads((figures_folder(dataset) / f"{study}.json").read_bytes())
        results.setdefault(dataset, {})[study] = exported
    write_json(RESULTS, results)
    write_tables(REPOSITORY / "README.md", results)
    for notebook in sorted((REPOSITORY / "notebooks").glob("0*.ipynb")):
        picture = thumbnail(notebook)
        if picture:
            picture.save(FOLDER / f"{notebook.stem}.png", optimize=True)
    volume, truth, prediction = first_test_patient()
    file = FOLDER / "overlay.gif"
    animation(file, volume, truth, prediction)
    print(f"{shown(file)}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
