"""From a folder of DICOM files to a volume in Hounsfield units, or one clear error."""

# fmt: off
from utils.dicom.containers import CONTAINERS, case_folders, unpacked
from utils.dicom.files import list_files, list_names, reason_to_skip
from utils.dicom.frames import frames_of
from utils.dicom.header import ENCAPSULATED, read_header
from utils.dicom.pixels import LOWEST_HU, stored_frames
from utils.dicom.reader import Volume, read_series, series_summary
from utils.dicom.values import integer, items, library_silenced, numbers, stored_vr, text

__all__ = [
    "CONTAINERS", "ENCAPSULATED", "LOWEST_HU", "Volume", "case_folders", "frames_of", "integer",
    "items", "library_silenced", "list_files", "list_names", "numbers", "read_header",
    "read_series", "reason_to_skip", "series_summary", "stored_frames", "stored_vr", "text",
    "unpacked",
]
# fmt: on
