"""`python -m utils.datasets.phantom`: make the embedded data set."""

import sys

from utils.datasets.phantom.making import make_phantom
from utils.errors import command
from utils.workspace import shown


@command
def main():
    """Make the embedded data set and say where it is; 1 if its place is taken."""
    print(f"Synthetic chest CTs: {shown(make_phantom())}")


if __name__ == "__main__":
    sys.exit(main())
