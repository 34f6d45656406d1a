"""`python -m utils.training`: train on a data set, in one process or several."""

import sys

from utils.training.run import main

if __name__ == "__main__":
    sys.exit(main())
