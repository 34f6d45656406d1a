"""The whole loss study on the phantom: every loss, learning rate and wish, three seeds.

    python -m benchmarks.loss_study

Half an hour on two cores. Runs are kept in data/phantom/derived/runs/loss_study, so that a study
that was killed goes on where it was. Notebook 05 reads the result,
benchmarks/results/loss_study.csv: one row a configuration, seed and validation patient.
"""

import dataclasses
import datetime

import pandas as pd
from tqdm.auto import tqdm

import studies
from benchmarks.results import FOLDER, machine
from utils.anatomy import body_in_air, threshold_lungs
from utils.cases import create_paired_data, load_cases, load_masks
from utils.dataset import split_cases
from utils.workspace import derived_folder, written_whole

RESULTS = FOLDER / "loss_study.csv"
SEEDS = (1, 2, 3)


def other_data(pairs, split):
    """What the reports would have liked to change in the data, for `studies.run_study`.

    Returns name -> (configuration, pairs, split): the couch and all else outside the body set to
    air; half as many training patients, shown as often in all; and weak supervision, training
    patients labelled by `anatomy.threshold_lungs` in place of a reader.
    """
    air, weak = {}, {}
    for name, pair in tqdm(pairs.items(), desc="other data", unit="case", leave=False):
        air[name] = pair._replace(hu=body_in_air(pair.hu))
        drawn = name not in split.train
        labels = pair.mask if drawn else threshold_lungs(pair.hu, pair.spacing)
        weak[name] = pair._replace(mask=labels)
    few = dataclasses.replace(split, train=split.train[: len(split.train) // 2])
    return {
        "without couch": ({}, air, split),
        "half the patients": ({"epochs": 2 * studies.SMALL.epochs}, pairs, few),
        "labels by threshold": ({}, weak, split),
    }


def main():
    pairs = create_paired_data(load_cases("phantom"), load_masks("phantom"))
    split = split_cases(pairs, seed=2024)
    folder = derived_folder("phantom") / "runs" / "loss_study"
    other = other_data(pairs, split)
    groups = [(studies.LOSSES, pairs, split)]
    groups += [({name: changes}, data, who) for name, (changes, data, who) in other.items()]
    groups += [({name: changes}, pairs, split) for name, changes in studies.WISHED.items()]
    parts = []
    for configurations, data, patients in groups:
        parts.append(studies.run_study(configurations, SEEDS, data, patients, folder))
        publish(pd.concat(parts, ignore_index=True), RESULTS, "torch")


def publish(results, file, *packages):
    """Write a table of runs, its first line telling when and on what they were made."""
    about = f"# {datetime.date.today()}; {machine(*packages)}; synthetic patients of the phantom"
    with written_whole(file) as temporary:
        temporary.write_text(f"{about}\n{results.to_csv(index=False, float_format='%.6g')}")
    print(f"{len(results)} rows: {file}")


if __name__ == "__main__":
    main()
