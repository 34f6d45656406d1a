"""Leave one patient out: train the `best` preset on all patients but one, score that one.

    python -m benchmarks.leave_one_out FOLDER           every fold, then the table
    python -m benchmarks.leave_one_out FOLDER --final   the shipped weights, from all patients

FOLDER is a data set of real patients (Images/, Segmentations/). Training begins on the phantom,
once for all folds, goes on with the patients, and settles on them as they are, with no change of
brightness, noise or blur. A fold that was killed goes on where it was; a finished one is kept.
Results go to benchmarks/results/leave_one_out.csv, runs to build/.
"""

import argparse
import dataclasses
import time

import numpy as np
import pandas as pd
from torch.optim.swa_utils import update_bn

from utils import training
from utils.anatomy import body_midline, postprocess, split_lungs
from utils.cases import create_paired_data, load_cases, load_masks
from utils.dataset import SliceDataset, Split, batches, split_cases
from utils.evaluation import lung_table, patient_metrics, slice_metrics, with_interval
from utils.inference import segment
from utils.predict import WEIGHTS
from utils.settings import preset, settings_to_json
from utils.training import load_weights, save_weights
from utils.workspace import REPOSITORY, write_table, written_whole

RESULTS = REPOSITORY / "benchmarks" / "results" / "leave_one_out.csv"
RUNS = REPOSITORY / "build" / "leave_one_out"
NEAR = 25.0  # mm from the first and the last lung slice: where all that is difficult happens
PHANTOM_EPOCHS = 4
SETTLING = {"epochs": 3, "learning_rate": 1e-3, "brightness": 0.0, "noise": 0.0, "blur": 0.0}
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


def slice_set(settings, telling, names):
    """The chosen slices of some patients, at the size that the settings want."""
    return SliceDataset(telling, names, settings.image_size, settings.window, settings.body_only)


def train(settings, train_set, names, few, folder, start_from):
    """Train on the slices of some patients: (model, seconds that the epochs took).

    The weights are those of the last epoch, when the rate has come down to 0.

    The loss on `few`, a handful of phantom slices, is watched but chooses nothing: to choose by
    the patient left out would be to look at the answer.
    """
    split = Split(train=tuple(names), validation=("phantom",), test=())
    model, history = training.train(settings, split, train_set, few, folder, start_from=start_from)
    return load_weights(model, folder / "last.safetensors"), history["seconds"].sum()


def train_and_settle(settings, train_set, names, few, folder, start_from):
    """Train, then go on for `SETTLING` and renew the statistics; returns what `train` does."""
    _, seconds = train(settings, train_set, names, few, folder, start_from)
    calm = dataclasses.replace(settings, **SETTLING)
    begin = folder / "last.safetensors"
    model, more = train(calm, train_set, names, few, folder / "settled", begin)
    renew_statistics(model, train_set, settings.seed)
    return model, seconds + more


def renew_statistics(model, dataset, seed):
    """Take the means and variances of batch normalisation anew, from slices as they are.

    Those that training leaves are running averages over a few small batches of changed slices.
    Taken anew, each patient left out gained 0.0002 to 0.0024 in 3-D DSC (weights/README.md).
    """
    device = next(model.parameters()).device
    update_bn(batches(dataset, 16, shuffle=True, seed=seed), model, device)


def begin_on_phantom(settings):
    """Weights file of a run on the phantom, and the few slices that are watched.

    The phantom's test patients are left out, so that they stay unseen for the shipped weights.
    """
    _, _, telling = slices_of("phantom")
    split = split_cases(telling, settings.seed)
    every_third = {name: (hu[::3], mask[::3]) for name, (hu, mask) in telling.items()}
    few = slice_set(settings, every_third, split.validation)
    short, names = preset("best", epochs=PHANTOM_EPOCHS), split.train + split.validation
    train_set = slice_set(settings, telling, names)
    train(short, train_set, names, few, RUNS / "phantom", None)
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
        train_set = slice_set(settings, telling, others)
        model, seconds = train_and_settle(settings, train_set, others, few, RUNS / name, start_from)
        row = score(model, settings, volumes[name], pairs[name][1], name)
        rows.append(row | {"seconds_to_train": seconds})
        write_table(RESULTS, pd.DataFrame(rows), float_format="%.5f")
        print(f"{name}: {row['dsc_3d']:.4f} in 3-D, {row['dsc_lung_slices']:.4f} a slice")
    table = pd.DataFrame(rows)
    print(summary(table))
    return table


def ship(dataset):
    """Train on all patients and write `weights/`."""
    settings = preset("best")
    _, _, telling = slices_of(dataset)
    start_from, few = begin_on_phantom(settings)
    names, folder = sorted(telling), RUNS / "final"
    train_set = slice_set(settings, telling, names)
    model, _ = train_and_settle(settings, train_set, names, few, folder, start_from)
    save_weights(WEIGHTS / "model.safetensors", model.state_dict(), "see README.md")
    with written_whole(WEIGHTS / "settings.json") as temporary:
        temporary.write_text(settings_to_json(settings) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set of real patients, by name or by path")
    parser.add_argument("--final", action="store_true", help="train the weights that are shipped")
    options = parser.parse_args()
    (ship if options.final else leave_one_out)(options.folder)
