"""What lungs, windpipe and body look like on CT, and what that says about a mask."""

# fmt: off
from utils.anatomy.body import body_in_air, body_mask
from utils.anatomy.lungs import (
    LEFT, RIGHT, body_midline, bounding_box, litres, split_lungs, volumes_in_litres,
)
from utils.anatomy.plausibility import reasons_to_doubt
from utils.anatomy.postprocessing import postprocess, stages
from utils.anatomy.threshold import threshold_lungs

__all__ = [
    "LEFT", "RIGHT", "body_in_air", "body_mask", "body_midline", "bounding_box", "litres",
    "postprocess", "reasons_to_doubt", "split_lungs", "stages", "threshold_lungs",
    "volumes_in_litres",
]
# fmt: on
