"""Train on a data set, in one process or several.

python -m utils.training --dataset phantom --preset quick
torchrun --nproc-per-node 2 -m utils.training --dataset phantom --preset quick
"""

import argparse
import sys

from utils.errors import command
from utils.runtime import best_device, process_group, rank_and_count
from utils.settings import fields, preset
from utils.training.run import train_dataset
from utils.workspace import run_folder, shown


@command
def main(arguments=None):
    """The command line, in one process or in each of those that torchrun started."""
    parser = argparse.ArgumentParser(prog="python -m utils.training", description=__doc__)
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    parser.add_argument("--preset", default="quick", help="hyper-parameters, see settings.py")
    parser.add_argument("--set", default="", help='its fields to change: "epochs=3 beta=1"')
    chosen = parser.parse_args(arguments)
    settings = preset(chosen.preset, **fields(chosen.set))
    folder = run_folder(chosen.dataset, chosen.preset, chosen.set)
    with process_group(best_device()):
        train_dataset(chosen.dataset, settings, folder)
        if rank_and_count()[0] == 0:
            print(f"run: {shown(folder)}")


if __name__ == "__main__":
    sys.exit(main())
