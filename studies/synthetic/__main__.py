"""`python -m studies.synthetic`: make the embedded sets of pictures."""

import sys

from studies.synthetic.making import SETS, make_set
from utils.errors import command
from utils.workspace import shown


@command
def main():
    """Make all embedded sets of pictures and say where they are; 1 if one cannot be made."""
    for name in SETS:
        print(f"Synthetic pictures: {shown(make_set(name))}")


if __name__ == "__main__":
    sys.exit(main())
