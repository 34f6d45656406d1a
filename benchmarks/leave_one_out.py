"""Leave one patient out: train the `best` preset on all patients but one, score that one.

    python -m benchmarks.leave_one_out FOLDER           every fold, then the table
    python -m benchmarks.leave_one_out FOLDER --final   the shipped weights, from all patients

FOLDER is a data set of real patients (Images/, Segmentations/). Training begins on the phantom,
once for all folds, and goes on with the patients. A fold that was killed goes on where it was;
a finished one is kept. Results go to benchmarks/results/leave_one_out.csv, runs to build/.
"""

import argparse
import time

import numpy as np
import pandas as pd

from utils import training
from utils.dataset import SliceDataset, Split, split_cases
from utils.evaluation import patient_metrics, slice_metrics
from utils.lungs import body_midline, split_lungs
from utils.masks import load_masks
from utils.pairing import create_paired_data
from utils.postprocessing import postprocess
from utils.predict import WEIGHTS, segment
from utils.settings import preset, to_json
from utils.statistics import with_interval
from utils.surface import lung_table
from utils.volumes import load_cases
from utils.weights import load_weights, save_weights
from utils.workspace import REPOSITORY, written_whole

RESULTS = REPOSITORY / "benchmarks" / "results" / "leave_one_out.csv"
RUNS = REPOSITORY / "build" / "leave_one_out"
NEAR = 25.0  # mm from the first and the last lung slice: where all that is difficult happens
PHANTOM_EPOCHS = 4
SCORES = {
    "dsc_3d": "3-D DSC",
    "dsc_lung_slices": "DSC of lung slices",
    "worst_lung_slice": "worst lung slice",
    "hallucinated_slices": "lung-free slices with a lung",
    "hd95": "HD95 / mm",
    "msd": "mean surface distance / mm",
    "surface_dice": "surface Dice at 2 mm",
}


def telling_slices(mask, step):
    """Numbers of the slices worth training on: all near the lung's ends, every second elsewhere.

    mask : [slices, rows, cols]; step : mm between slices. Neighbours in the middle of the lung
    are nearly copies of one another; the time is better spent on the ends.
    """
    lung = np.flatnonzero(mask.any((1, 2)))
    z = np.arange(len(mask))
    near = (np.abs(z - lung[0]) * step <= NEAR) | (np.abs(z - lung[-1]) * step <= NEAR)
    return np.flatnonzero(near | (z % 2 == 0))


def slices_of(dataset):
    """(volumes, pairs, telling pairs) of a data set."""
    volumes = load_cases(dataset)
    pairs = create_paired_data(volumes, load_masks(dataset))
    telling = {}
    for name, (hu, mask) in pairs.items():
        chosen = telling_slices(mask, volumes[name].spacing[0])
        telling[name] = (hu[chosen], mask[chosen])
    return volumes, pairs, telling


def train(settings, telling, names, few, folder, start_from):
    """Train on some patients: (model, seconds that the epochs took).

    The weights are those of the last epoch, when the rate has come down to 0.

    The loss on `few`, a handful of phantom slices, is watched but chooses nothing: to choose by
    the patient left out would be to look at the answer.
    """
    train_set = SliceDataset(
        telling, names, settings.image_size, settings.window, settings.body_only
    )
    split = Split(train=tuple(names), validation=("phantom",), test=())
    model, history = training.train(settings, split, train_set, few, folder, start_from=start_from)
    return load_weights(model, folder / "last.safetensors"), history["seconds"].sum()


def begin_on_phantom(settings):
    """Weights file of a run on the phantom, and the few slices that are watched.

    The phantom's test patients are left out, so that they stay unseen for the shipped weights.
    """
    _, _, telling = slices_of("phantom")
    split = split_cases(telling, settings.seed)
    every_third = {name: (hu[::3], mask[::3]) for name, (hu, mask) in telling.items()}
    few = SliceDataset(
        every_third, split.validation, settings.image_size, settings.window, settings.body_only
    )
    short = preset("best", epochs=PHANTOM_EPOCHS)
    train(short, telling, split.train + split.validation, few, RUNS / "phantom", None)
    return RUNS / "phantom" / "last.safetensors", few


def score(model, settings, volume, truth, name):
    """One row of the table: the patient left out, network alone and after post-processing."""
    start = time.perf_counter()
    mask = segment(model, volume.hu, settings)
    after = postprocess(mask, volume.hu, volume.spacing)
    row = {"case": name, "seconds_to_predict": time.perf_counter() - start}
    for prefix, stage in (("", after), ("network_", mask)):
        patient = patient_metrics(slice_metrics(stage, truth).assign(case=name, split="")).iloc[0]
        row |= {prefix + key: patient[key] for key in list(SCORES)[:4]}
    row["lung_free_slices"] = patient["lung_free_slices"]
    middle = body_midline(volume.hu)
    sides = (split_lungs(part, volume.spacing, middle) for part in (after, truth))
    for scores in lung_table(*sides, volume.spacing).to_dict("records"):
        lung = scores.pop("lung")
        prefix = "" if lung == "both" else f"{lung}_"
        row |= {prefix + key: value for key, value in scores.items()}
    return row


def summary(table):
    """The table's means with intervals over patients, as lines of text."""
    lines = [f"{len(table)} patients, each scored by a network that has not seen it"]
    for column, title in SCORES.items():
        total = f", {table[column].sum():.0f} in all" if column.startswith("hall") else ""
        lines.append(
            f"{title:32s} {with_interval(table[column])}  "
            f"least {table[column].min():.3f}, most {table[column].max():.3f}{total}"
        )
    return "\n".join(lines)


def leave_one_out(dataset):
    """Every fold that `RESULTS` does not hold for these settings; prints and returns the table."""
    settings = preset("best")
    volumes, pairs, telling = slices_of(dataset)
    start_from, few = begin_on_phantom(settings)
    rows = []
    for name in pairs:
        others = [other for other in pairs if other != name]
        model, seconds = train(settings, telling, others, few, RUNS / name, start_from)
        row = score(model, settings, volumes[name], pairs[name][1], name)
        rows.append(row | {"seconds_to_train": seconds})
        with written_whole(RESULTS) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.5f")
        print(f"{name}: {row['dsc_3d']:.4f} in 3-D, {row['dsc_lung_slices']:.4f} a slice")
    table = pd.DataFrame(rows)
    print(summary(table))
    return table


def ship(dataset):
    """Train on all patients and write `weights/`."""
    settings = preset("best")
    _, _, telling = slices_of(dataset)
    start_from, few = begin_on_phantom(settings)
    model, _ = train(settings, telling, sorted(telling), few, RUNS / "final", start_from)
    save_weights(WEIGHTS / "model.safetensors", model.state_dict(), "see README.md")
    with written_whole(WEIGHTS / "settings.json") as temporary:
        temporary.write_text(to_json(settings) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set of real patients, by name or by path")
    parser.add_argument("--final", action="store_true", help="train the weights that are shipped")
    options = parser.parse_args()
    (ship if options.final else leave_one_out)(options.folder)
