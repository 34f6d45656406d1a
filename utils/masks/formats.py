"""The formats in which a mask goes out to others."""

from utils.masks.nifti import write_nifti
from utils.masks.rtstruct_writer import write_rtstruct
from utils.masks.seg_writer import write_seg

# format -> (how its file's name goes on after the case's, function that writes it); all functions
# take (mask, volume, file, regions, algorithm)
WRITERS = {
    "seg": ("_seg.dcm", write_seg),
    "nifti": ("_seg.nii.gz", write_nifti),
    "rtstruct": ("_rtstruct.dcm", write_rtstruct),
}
