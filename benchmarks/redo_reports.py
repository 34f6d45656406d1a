"""The figures and numbers of the two coursework reports, made with their own settings.

    python -m benchmarks.redo_reports --set "image_size=64"     # the phantom, small
    python -m benchmarks.redo_reports --dataset lctsc           # in full: 512 x 512, wants a GPU

Three runs: the first report's, the second's with cross-entropy alone, and the second's with its
mixture. Both reports show the loss and the accuracy of their test patients epoch by epoch. So the
test patients are measured here after every epoch. They decide nothing: the rate is constant, the
number of epochs is given, and the last epoch's weights are kept.

Figures go to figures/<dataset>/, named by report and number. What the page docs/redo_the_reports
prints goes to benchmarks/results/redo_reports_<dataset>.json.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

import studies
from benchmarks.results import FOLDER, machine
from utils import alignment, evaluation, inference, plots, settings, training, unet
from utils.dataset import SliceDataset, split_cases
from utils.errors import command
from utils.workspace import dataset_folder, run_folder, shown, write_json

# run -> preset, and what is changed of it
RUNS = {
    "vrikkis": ("vrikkis2024", ""),
    "purvis_entropy": ("purvis2024", "beta=1"),
    "purvis_mixture": ("purvis2024", ""),
}
SHOWN = ("Case_001", "Case_003", "Case_004", "Case_011")  # by the first report
LOSSES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
RANKS = {"best": "2_8", "worst": "2_9", "median": "2_10"}  # the second report's figures


def trained(dataset, pairs, preset, changes):
    """One run of a report: (model, settings, history with test columns, predictions, slices)."""
    hyper = settings.preset(preset, **settings.fields(changes))
    split = split_cases(pairs, hyper.seed, hyper.split)
    folder = run_folder(dataset, f"redo_{preset}", changes)
    parts = [SliceDataset(pairs, names, hyper) for names in (split.train, split.test)]
    model, history = training.train(hyper, split, *parts, folder)
    history = history.rename(columns=lambda name: name.replace("validation", "test"))
    predictions = inference.segment_cases(model, pairs, hyper, folder)
    part_of = {name: part for part, names in vars(split).items() for name in names}
    slices = pd.concat(
        evaluation.slice_metrics(predictions[name], pair.mask).assign(
            case=name, split=part_of[name]
        )
        for name, pair in pairs.items()
    )
    return model, hyper, history, predictions, slices


def ranked(slices, rank, count):
    """So many slices of a table, of all its patients together: the best, the median or the worst.

    Slices without a DSC are passed over. Of equals, the one with more wrong pixels is the worse.
    """
    wrong = slices["false_positive_px"] + slices["missed_px"]
    table = slices.assign(right=-wrong).dropna(subset="dsc").sort_values(["dsc", "right"])
    first = {"worst": 0, "median": (len(table) - count) // 2, "best": len(table) - count}[rank]
    return table.iloc[max(0, first) :][:count]


def examples(chosen, pairs, predictions):
    """Rows of a table of slices for `plots.slice_examples`."""
    for row in chosen.itertuples():
        title = f"{row.case} ({row.split})\nslice {row.slice}, DSC {row.dsc:.3f}"
        hu, truth, _ = pairs[row.case]
        yield title, hu[row.slice], truth[row.slice], predictions[row.case][row.slice]


def vrikkis_figures(pairs, run):
    """Figures 1 to 8 of the first report, as (number, figure)."""
    model, hyper, history, predictions, slices = run
    yield "1", plots.training_curves(history)
    yield "2", plots.dsc_histograms(slices, 1310)
    yield "3", plots.dsc_histograms(slices, 20)
    cases_shown = [slices[slices["case"] == name] for name in SHOWN]
    yield "4", titled(plots.slice_curves(cases_shown[0]), f"{SHOWN[0]} (training)")
    for number, rank in {"5": "best", "6": "median", "7": "worst"}.items():
        chosen = pd.concat(ranked(case, rank, 1) for case in cases_shown)
        yield number, plots.slice_examples(list(examples(chosen, pairs, predictions)))
    yield "8", plots.architecture(unet.layer_table(model, hyper.image_size))


def purvis_figures(volumes, pairs, entropy, mixture):
    """Figures 1.1 to 2.10 of the second report, as (number, figure)."""
    model, hyper, _, predictions, slices = mixture
    fourth, fifth = volumes["Case_004"], volumes["Case_005"]
    figure, axes = plots.new_figure(height=3)
    z = 54 if len(fourth.hu) > 54 else len(fourth.hu) // 2
    plots.show_slice(axes[0, 0], fourth.hu[z], (fourth.hu.min(), fourth.hu.max()))
    axes[0, 0].set_title(f"Case_004, slice {z}, all values from black to white")
    yield "1_1", figure
    yield "1_2", titled(plots.three_planes(fifth), "Case_005")
    yield "2_1", plots.architecture(unet.layer_table(model, hyper.image_size))
    histories = {"cross-entropy": entropy[2], "half cross-entropy, half Dice": mixture[2]}
    yield "2_2_to_2_5", studies.two_histories(histories, LOSSES)
    for part, number in {"train": "2_6", "test": "2_7"}.items():
        of_part = slices[slices["split"] == part]
        figure = plots.slice_curves(of_part.sample(frac=1, random_state=0), "dsc")
        yield f"{number}_shuffled", titled(figure, f"{part}, shuffled", "slice")
        figure = plots.slice_curves(of_part, "dsc")
        for border in np.flatnonzero(of_part["slice"] == 0)[1:]:
            for axis in figure.axes:
                axis.axvline(border - 0.5, color="0.5", linestyle=":", linewidth=0.8)
        yield f"{number}_in_order", titled(figure, f"{part}, patient after patient", "slice")
    for rank, number in RANKS.items():
        chosen = ranked(slices[slices["split"] == "test"], rank, 4)
        yield number, plots.slice_examples(list(examples(chosen, pairs, predictions)))


def titled(figure, title, below=None):
    """The figure with a title above, and another name of its horizontal axes."""
    figure.suptitle(title)
    for axis in figure.axes if below else ():
        axis.set_xlabel(below)
    return figure


def numbers_of(run):
    """What the page prints of a run: its curves' ends, and its slices' scores."""
    _, hyper, history, _, slices = run
    last = history.iloc[-1]
    numbers = {"size": hyper.image_size, "epochs": len(history)}
    numbers |= {name: float(last[name]) for name in LOSSES}
    numbers["best_test_accuracy_epoch"] = int(history["test_accuracy"].argmax()) + 1
    numbers["highest_test_loss_epoch"] = int(history["test_loss"].argmax()) + 1
    for part, of_part in slices.groupby("split"):
        free = of_part[of_part["lung_px"] == 0]
        numbers[part] = {
            "patients": of_part["case"].nunique(),
            "slices": len(of_part),
            "lung_free": len(free),
            "false_positive": int((free["predicted_px"] > 0).sum()),
            "lowest_accuracy": float(of_part["accuracy"].min()),
            "highest_accuracy": float(of_part["accuracy"].max()),
            "share_above_95_at_1310": float((of_part["dsc_1310"] >= 0.95).mean()),
            "share_above_95_at_20": float((of_part["dsc_20"] >= 0.95).mean()),
            **{rank: float(ranked(of_part, rank, 1)["dsc"].iloc[0]) for rank in RANKS},
            "worst_accuracy": float(ranked(of_part, "worst", 4)["accuracy"].min()),
        }
    return numbers


def redo(dataset, changes=""):
    """Train the three runs on a data set, save every figure, and return the numbers."""
    volumes, pairs = alignment.load_aligned(dataset)
    runs = {
        name: trained(dataset, pairs, preset, f"{own} {changes}".strip())
        for name, (preset, own) in RUNS.items()
    }
    first, entropy, mixture = runs.values()
    plots.use_style()
    for report, figures in {
        "vrikkis2024": vrikkis_figures(pairs, first),
        "purvis2024": purvis_figures(volumes, pairs, entropy, mixture),
    }.items():
        for number, figure in figures:
            plots.save_figure(figure, f"{report}_{number}", dataset)
            plt.close(figure)
    return {name: numbers_of(run) for name, run in runs.items()}


@command
def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    parser.add_argument("--set", default="", help='fields to change in all runs: "image_size=64"')
    arguments = parser.parse_args()
    numbers = redo(arguments.dataset, arguments.set)
    file = FOLDER / f"redo_reports_{dataset_folder(arguments.dataset).name}.json"
    write_json(file, {"machine": machine("torch"), "runs": numbers})
    print(f"numbers: {shown(file)}")


if __name__ == "__main__":
    sys.exit(main())
