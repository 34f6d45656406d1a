"""`python -m utils.dicom FOLDER`: a summary of the series, or of each case of a data set."""

import argparse
import sys
from pathlib import Path

from utils.dicom.reader import read_series, series_summary
from utils.errors import InputError, command
from utils.workspace import cases_in, chosen_series


@command
def main(arguments=None):
    """Print the summary of a series, or of each case of a data set; 1 if any is refused."""
    parser = argparse.ArgumentParser(prog="python -m utils.dicom", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="a DICOM series, or a data set with Images/")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--series", metavar="FILE", help="by a file of it, or its UID")
    which.add_argument("--largest", dest="series", action="store_const", const="largest")
    options = parser.parse_args(arguments)
    folder, images = options.folder, options.folder / "Images"
    cases = cases_in(images) if images.is_dir() else []
    chosen, failed = chosen_series(folder), 0
    for case in cases or [folder]:
        try:
            print(series_summary(read_series(case, options.series or chosen.get(case.name))))
        except InputError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
