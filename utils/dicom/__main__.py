"""`python -m utils.dicom FOLDER`: a summary of the series, or of each case of a data set."""

import argparse
import sys
from pathlib import Path

from utils.dicom.reader import read_series, series_summary
from utils.errors import InputError


def main(arguments=None):
    """Print the summary of a series, or of each case of a data set; 1 if any is refused."""
    parser = argparse.ArgumentParser(prog="python -m utils.dicom", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="a DICOM series, or a data set with Images/")
    folder = parser.parse_args(arguments).folder
    images = folder / "Images"
    cases = sorted(path for path in images.iterdir() if path.is_dir()) if images.is_dir() else []
    failed = 0
    for case in cases or [folder]:
        try:
            print(series_summary(read_series(case)))
        except InputError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
