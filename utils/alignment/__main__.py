"""`python -m utils.alignment DATASET`: the verdict of each case."""

import argparse
import sys

from utils.alignment.verdict import check_cases
from utils.cases import create_paired_data, load_cases, load_masks
from utils.errors import command


@command
def main(arguments=None):
    """Print the verdict of each case of a data set; 1 if any is not aligned."""
    parser = argparse.ArgumentParser(prog="python -m utils.alignment", description=main.__doc__)
    parser.add_argument("dataset", help="name under data/, or a folder")
    dataset = parser.parse_args(arguments).dataset
    volumes = load_cases(dataset)
    verdicts = check_cases(create_paired_data(volumes, load_masks(dataset)), volumes)
    for name, verdict in verdicts.items():
        steps = f"; to correct: {', '.join(verdict.correction)}" if verdict.correction else ""
        print(
            f"{name}  {verdict.verdict}  (contrast {verdict.contrast:.2f} as given, "
            f"{verdict.best:.2f} at best, {verdict.rival:.2f} in any other orientation{steps})"
        )
    return int(any(verdict.verdict != "aligned" for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
