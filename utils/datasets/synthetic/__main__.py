"""`python -m utils.datasets.synthetic`: make the embedded sets of pictures."""

import sys

from utils.datasets.synthetic.making import main

if __name__ == "__main__":
    sys.exit(main())
