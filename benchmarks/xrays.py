"""Lungs on real chest X-rays, of children and of adults: from nothing, and fine-tuned.

    python -m benchmarks.xrays FOLDER            half an hour on one core

FOLDER holds two sets of pictures, `cxr_children` and `cxr_covid` (data/README.md tells what they
are). Of each a third of the patients is kept aside and scored once, at the pictures' own size; a
fifth of the others is the validation part, by which RECIPE was chosen (`--tune` scores that part
and no other). A third set, `cxr`, is scored alone, if it is there: its masks follow another
convention. Runs are kept in build/xrays, so that a benchmark that was killed goes on where it was.

Notebook 07 shows the results: benchmarks/results/xrays.csv, one row a run and test picture, and
xrays_training.csv, one row a run and epoch. `--ship` puts the network of both sets, from nothing,
into weights/xray.
"""

import argparse
import dataclasses
from pathlib import Path

import pandas as pd
import torch

from benchmarks.results import FOLDER
from studies import images, paired_gain, synthetic
from utils.dataset import Split
from utils.evaluation import interval_text, with_interval
from utils.overlap import iou
from utils.settings import preset, settings_to_json
from utils.training import save_weights, train
from utils.workspace import REPOSITORY, write_table, written_whole

RUNS, WEIGHTS = REPOSITORY / "build" / "xrays", REPOSITORY / "weights" / "xray"
CHILDREN, ADULTS, OUTSIDE = "cxr_children", "cxr_covid", "cxr"
SYNTHETIC = "synthetic_xrays"
LUNGS = {0: 0, 1: 1, 2: 1, 3: 0, 255: 1}  # value in a mask -> class
PICTURES = 130  # in an epoch, at least
RECIPE = preset(
    "quick",
    image_size=192,
    width=16,
    levels=5,
    widest=128,
    dropout=0.0,
    dsc_threshold=0.0,
    batch_size=4,
    epochs=60,
    optimiser="adamw",
    weight_decay=1e-4,
    rotate=8.0,
    shift=0.08,
    zoom=0.15,
    brightness=0.06,
    noise=0.02,
    keep="last",
)
BEFORE = dataclasses.replace(RECIPE, epochs=10)  # on simulated X-rays, before real ones
SHIPPED, TUNED = "both, from nothing", "both, from synthetic"
# name -> sets that train, and the run whose weights it begins with
PLAN = {
    SHIPPED: ([CHILDREN, ADULTS], None),
    "before": ([SYNTHETIC], None),
    TUNED: ([CHILDREN, ADULTS], "before"),
}


def loaded(folder):
    """Equalised pictures of a set, and their split by patient."""
    pictures = [images.equalised(p) for p in images.load_pictures(folder, LUNGS)]
    return pictures, images.split_by_patient([p.name for p in pictures], 1 / 3, seed=2024)


def joined(sets):
    """Sets as one: their pictures, and the parts of their splits put together."""
    parts = zip(*(vars(split).values() for _, split in sets), strict=True)
    return [p for pictures, _ in sets for p in pictures], Split(*(sum(part, ()) for part in parts))


def run_folder(name):
    """Where a run of PLAN lies."""
    return RUNS / name.replace(",", "").replace(" ", "_")


def trained(name, sets, before):
    """Train a run of PLAN, go on with it, or take it as it is: (model, history)."""
    pictures, split = joined(sets)
    learn, choose, _ = images.image_datasets(pictures, split, RECIPE.image_size)
    start = before and run_folder(before) / "model.safetensors"
    settings = BEFORE if name == "before" else RECIPE
    learn = images.long_epoch(learn, PICTURES)
    return train(settings, split, learn, choose, run_folder(name), start_from=start)


def scores(model, pictures, **about):
    """IoU of the lungs in each picture, at its own size, as rows of the table."""
    masks = images.picture_masks(model, pictures, RECIPE)
    sizes = [((m & (p.truth > 0)).sum(), m.sum(), (p.truth > 0).sum())
             for m, p in zip(masks, pictures, strict=True)]  # fmt: skip
    names = [p.name for p in pictures]
    table = {"picture": names, "patient": map(images.patient_of, names)}
    return pd.DataFrame(table | {"iou": [float(iou(*each)) for each in sizes]}).assign(**about)


def of_patients(table, run, name):
    """IoU of a run on a set, mean over each patient's pictures, in the order of patients."""
    rows = table[(table["run"] == run) & (table["set"] == name)]
    return rows.groupby("patient")["iou"].mean()


def summary(table):
    """What the table says: means with intervals over patients, and gains in the same patients."""
    lines = []
    for (run, name), rows in table.groupby(["run", "set"], sort=False):
        each = with_interval(of_patients(table, run, name))
        worst = f"worst picture {rows['iou'].min():.3f}"
        lines.append(f"{run:24s}{name:14s}{rows['iou'].mean():.3f}, by patient {each}, {worst}")
    if TUNED in set(table["run"]):
        for name in table["set"].unique():
            gain = paired_gain(*(of_patients(table, run, name) for run in (SHIPPED, TUNED)))
            lines.append(f"{name}: {TUNED} minus {SHIPPED}: {interval_text(gain, sign='+')}")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help=f"holds {CHILDREN} and {ADULTS}")
    parser.add_argument("--tune", action="store_true", help="score the validation part, no other")
    parser.add_argument("--ship", action="store_true", help="write weights/xray too")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sets = {name: loaded(chosen.folder / name) for name in (CHILDREN, ADULTS)}
    part = "validation" if chosen.tune else "test"
    kept = {name: [p for p in pictures if p.name in getattr(split, part)]
            for name, (pictures, split) in sets.items()}  # fmt: skip
    if not chosen.tune and (chosen.folder / OUTSIDE).is_dir():
        kept[OUTSIDE] = loaded(chosen.folder / OUTSIDE)[0]
    sets[SYNTHETIC] = loaded(synthetic.make_set(SYNTHETIC))
    rows, histories = [], []
    for run, (names, before) in PLAN.items():
        model, history = trained(run, [sets[name] for name in names], before)
        histories.append(history.assign(run=run))
        if run != "before":
            rows += [scores(model, pictures, run=run, set=name) for name, pictures in kept.items()]
            print(summary(pd.concat(rows)), flush=True)
        if not chosen.tune:
            write_table(FOLDER / "xrays.csv", pd.concat(rows), float_format="%.4f")
            write_table(FOLDER / "xrays_training.csv", pd.concat(histories), float_format="%.4f")
        if run == SHIPPED and chosen.ship:
            ship(model)


def ship(model):
    """Put a network and its settings into weights/xray."""
    save_weights(WEIGHTS / "model.safetensors", model.state_dict(), "python -m benchmarks.xrays")
    with written_whole(WEIGHTS / "settings.json") as temporary:
        temporary.write_text(settings_to_json(RECIPE) + "\n")


if __name__ == "__main__":
    main()
