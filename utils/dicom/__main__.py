"""`python -m utils.dicom`: the summary of a series, or of each case of a data set."""

import sys

from utils.dicom.reader import main

if __name__ == "__main__":
    sys.exit(main())
