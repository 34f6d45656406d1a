"""`python -m utils.deidentify FOLDER --out OUT [--map FILE]`: a copy that names no patient."""

import argparse
import sys

from utils.deidentify.copying import deidentify
from utils.errors import command, printable


@command
def main(arguments=None):
    """De-identify a case, or a data set with Images/; 1 if any case was not delivered."""
    parser = argparse.ArgumentParser(prog="python -m utils.deidentify", description=main.__doc__)
    parser.add_argument("folder", help="DICOM files of one patient, or a data set with Images/")
    parser.add_argument("--out", required=True, help="new folder for the copy")
    parser.add_argument("--map", help="new file that leads back to the patients; else none does")
    parser.add_argument("--case", default="Case_000", help="name of the patient in the copy")
    parser.add_argument("--despite-findings", action="store_true", help="deliver all the same")
    also = "copy this picture, though it may show text (give one --also for each)"
    parser.add_argument("--also", action="append", default=[], metavar="FILE", help=also)
    options = parser.parse_args(arguments)
    if not (options.folder and options.out):
        parser.error("give the folder to copy, and --out with a new one")
    places = options.folder, options.out, options.case, options.map or None
    report = deidentify(*places, options.despite_findings, options.also)
    for title in ("left_out", "flags", "refused", "remaining"):
        for row in report[title]:
            told = row if isinstance(row, str) else ": ".join(row)
            print(printable(f"{title.replace('_', ' ')}: {told}"))
    print(f"{report['files']} files copied to {printable(options.out)}, see deidentification.csv")
    return int(bool(report["refused"] or report["remaining"]))


if __name__ == "__main__":
    sys.exit(main())
