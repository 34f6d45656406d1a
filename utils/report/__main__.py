"""The report as PDF, from exported figures and numbers: `make report`.

python -m utils.report --dataset phantom      build/report/report.pdf, or a sentence why not
python -m utils.report --images a b c         with notebook 07's figures of other image sets
"""

import argparse
import sys

from utils.errors import command
from utils.report.build import build_report
from utils.workspace import shown


@command
def main(arguments=None):
    """Build the report; 1 when it does not build."""
    parser = argparse.ArgumentParser(description="Build the report as PDF")
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    parser.add_argument(
        "--images", nargs="+", metavar="SET", help="image sets in place of the embedded ones"
    )
    chosen = parser.parse_args(arguments)
    print("report:", shown(build_report(chosen.dataset, chosen.images)))


if __name__ == "__main__":
    sys.exit(main())
