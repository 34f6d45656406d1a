"""What the loss study tries: the small network, the losses, and what the reports wished for."""

import json
from pathlib import Path

from utils.settings import Settings

PLAN = json.loads(Path(__file__).with_name("plan.json").read_bytes())
# A network that learns in seconds; only comparisons within the study mean anything
SMALL = Settings(**PLAN["small"])
# Name -> what it changes in SMALL, whose loss is half BCE and half Dice with squares as in the
# second report, where the rate is 0.1; the first report has plain sums and 0.7 BCE, 1310 px
REDUCED = PLAN["reduced"]
LOSSES = REDUCED | PLAN["further losses"]
WISHED = PLAN["wished"]  # what the reports would have liked to change besides the loss
FULL = LOSSES | WISHED
