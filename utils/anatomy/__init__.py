"""What lungs, windpipe and body look like on CT, and what that says about a mask."""

# fmt: off
from utils.anatomy.body import body_in_air, body_mask
from utils.anatomy.density import lung_measures
from utils.anatomy.extent import extent_faults
from utils.anatomy.lungs import LEFT, RIGHT, body_midline, bounding_box, litres, split_lungs
from utils.anatomy.plausibility import reasons_to_doubt
from utils.anatomy.postprocessing import postprocess, stages
from utils.anatomy.threshold import threshold_lungs

__all__ = [
    "LEFT", "RIGHT", "body_in_air", "body_mask", "body_midline", "bounding_box", "extent_faults",
    "litres", "lung_measures", "postprocess", "reasons_to_doubt", "split_lungs", "stages",
    "threshold_lungs",
]
# fmt: on
