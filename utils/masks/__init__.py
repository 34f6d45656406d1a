"""Lung masks as files: npz, RTSTRUCT and DICOM SEG, onto the grid of a volume and back."""

# fmt: off
from utils.masks.contours import fill_even_odd
from utils.masks.formats import WRITERS
from utils.masks.npz import load_mask, save_mask
from utils.masks.rtstruct import read_rtstruct
from utils.masks.seg_reader import read_seg
from utils.masks.seg_writer import write_seg

__all__ = [
    "WRITERS", "fill_even_odd", "load_mask", "read_rtstruct", "read_seg", "save_mask", "write_seg",
]
# fmt: on
