"""The public collection, fetched and made a data set.

python -m utils.datasets.lctsc --patients 12         a coursework's size, about 1 GB
python -m utils.datasets.lctsc --patients all        the whole collection, 60 patients, 5.2 GB
python -m utils.datasets.lctsc --patients LCTSC-Train-S1-001,LCTSC-Test-S2-101
"""

import argparse
import sys

from utils.datasets.lctsc.making import make_dataset
from utils.errors import command


@command
def main(arguments=None):
    """Fetch the public LCTSC collection; 1 if it cannot be done."""
    parser = argparse.ArgumentParser(description="Fetch the public LCTSC collection.")
    parser.add_argument(
        "--patients", default="12", help="a number, `all`, or patients' names joined by commas"
    )
    make_dataset(parser.parse_args(arguments).patients)


if __name__ == "__main__":
    sys.exit(main())
