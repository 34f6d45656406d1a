"""`python -m utils.datasets.phantom`: make the embedded data set."""

import sys

from utils.datasets.phantom.making import main

if __name__ == "__main__":
    sys.exit(main())
