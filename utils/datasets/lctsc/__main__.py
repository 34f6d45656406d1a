"""`python -m utils.datasets.lctsc`: fetch patients of the public collection."""

import sys

from utils.datasets.lctsc.making import main

if __name__ == "__main__":
    sys.exit(main())
