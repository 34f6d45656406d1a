"""`python -m utils.report`: see `utils.report.build`."""

import sys

from utils.report.build import main

if __name__ == "__main__":
    sys.exit(main())
