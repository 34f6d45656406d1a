"""The recipe of the shipped weights: `python -m weights.make FOLDER MORE …` trains and writes them.

FOLDER is a data set of real patients (Images/, Segmentations/) whose masks people drew. Training
meets them as they are, in thicker slices and with disease laid in, and the phantom's patients.
MORE are data sets with masks that a threshold drew: of them the slices full of lung, for other
scanners, fields and bodies. The `best` preset changes each slice again. The run goes to
build/weights; one that was killed goes on where it was.
"""

import argparse
from pathlib import Path

import numpy as np

from studies import DISEASES
from utils.cases import Pair, create_paired_data, load_cases, load_masks
from utils.dataset import SliceDataset, Split, split_cases
from utils.predict import WEIGHTS
from utils.settings import preset, settings_to_json
from utils.training import save_weights, train
from utils.workspace import REPOSITORY, written_whole

RUNS = REPOSITORY / "build" / "weights"
NEAR = 25.0  # mm from the first and the last lung slice: where all that is difficult happens
THICK = 3  # slices that become one: of 3 mm 9 mm
ILL_SLICES = 16  # of each disease in each patient
FULL = 9500.0  # mm² of lung in a slice: far from the ends, where people and thresholds draw alike


def telling_slices(mask, step):
    """Numbers of the slices worth training on: all near the lung's ends, every second elsewhere.

    mask : [slices, rows, cols]; step : mm between slices. Neighbours in the middle of the lung
    are nearly copies of one another; the time is better spent on the ends.
    """
    lung = np.flatnonzero(mask.any((1, 2)))
    z = np.arange(len(mask))
    near = (np.abs(z - lung[0]) * step <= NEAR) | (np.abs(z - lung[-1]) * step <= NEAR)
    return np.flatnonzero(near | (z % 2 == 0))


def ill_slices(pair, disease, rng):
    """A Pair of up to ILL_SLICES slices that a disease has changed; its severity is drawn."""
    hu, truth = DISEASES[disease](pair.hu, pair.mask, pair.spacing, rng.uniform(0.3, 1), rng)
    changed = np.flatnonzero((hu != pair.hu).any((1, 2)))
    some = changed[:: max(1, -(-len(changed) // ILL_SLICES))]
    return Pair(hu[some], truth[some], pair.spacing)


def all_forms(name, pair, seed):
    """One patient in all the forms that training meets: name -> Pair.

    Every form is a few slices: the patient as it is, in thick slices, and with each of DISEASES.
    """
    hu, mask, spacing = pair
    chosen = telling_slices(mask, spacing[0])
    forms = {name: Pair(hu[chosen], mask[chosen], spacing)}
    groups = (len(hu) // THICK, THICK, *hu.shape[1:])
    means = (a[: groups[0] * THICK].reshape(groups).mean(1, dtype=np.float32) for a in (hu, mask))
    thick, held = np.rint(next(means)), (next(means) > 0.5).astype(np.uint8)
    forms[f"{name}, thick slices"] = Pair(thick, held, (THICK * spacing[0], *spacing[1:]))
    rng = np.random.default_rng([seed, *name.encode()])
    return forms | {f"{name}, {disease}": ill_slices(pair, disease, rng) for disease in DISEASES}


def full_slices(pair):
    """A Pair of the telling slices that hold at least FULL mm² of lung."""
    hu, mask, spacing = pair
    area = np.count_nonzero(mask, (1, 2)) * spacing[1] * spacing[2]
    chosen = [z for z in telling_slices(mask, spacing[0]) if area[z] >= FULL]
    return Pair(hu[chosen], mask[chosen], spacing)


def phantom_pairs(seed):
    """Every second slice of the phantom's patients, without its test patients, and a handful.

    The test patients stay unseen. Returns (name -> Pair to train on, name -> Pair to watch).
    """
    pairs = create_paired_data(load_cases("phantom"), load_masks("phantom"))
    split = split_cases(pairs, seed)
    some = {
        step: {name: Pair(hu[::step], mask[::step], mm) for name, (hu, mask, mm) in pairs.items()}
        for step in (2, 6)
    }
    watched = {name: some[6][name] for name in split.validation}
    return {name: some[2][name] for name in split.train + split.validation}, watched


def train_on(settings, patients, more, folder):
    """Train on some patients, and on the full slices of more, name -> Pair, as was shipped.

    Returns what `training.train` does. The loss on a handful of phantom slices is watched but
    chooses nothing: to choose by a patient left out would be to look at the answer.
    """
    forms, watched = phantom_pairs(settings.seed)
    forms = {f"phantom, {name}": pair for name, pair in forms.items()}
    for name, pair in patients.items():
        forms |= all_forms(name, pair, settings.seed)
    forms |= {name: full_slices(pair) for name, pair in more.items()}
    split = Split(train=tuple(forms), validation=tuple(watched), test=())
    sets = (SliceDataset(part, list(part), settings) for part in (forms, watched))
    return train(settings, split, *sets, folder)


def pairs_of(dataset):
    """All cases of a data set, name -> Pair."""
    return create_paired_data(load_cases(dataset), load_masks(dataset))


def full_of(datasets):
    """All cases of more data sets, name -> Pair; two sets may use one name."""
    return {f"{d}, {name}": pair for d in datasets for name, pair in pairs_of(d).items()}


def make_weights(dataset, more, out):
    """Train on all patients of a data set, and on more, and write weights and settings."""
    settings = preset("best")
    model, _ = train_on(settings, pairs_of(dataset), full_of(more), RUNS / out.name)
    out.mkdir(parents=True, exist_ok=True)
    save_weights(out / "model.safetensors", model.state_dict(), "see README.md")
    with written_whole(out / "settings.json") as temporary:
        temporary.write_text(settings_to_json(settings) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data set of real patients, by name or by path")
    parser.add_argument("more", nargs="*", help="data sets with masks that nobody drew by hand")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder to write to")
    chosen = parser.parse_args()
    make_weights(chosen.folder, chosen.more, chosen.out)
