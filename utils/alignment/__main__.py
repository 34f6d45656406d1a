"""`python -m utils.alignment`: the table of verdicts of a data set."""

import sys

from utils.alignment.verdict import main

if __name__ == "__main__":
    sys.exit(main())
