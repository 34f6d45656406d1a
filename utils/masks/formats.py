"""The formats in which a mask goes out; NIfTI, for who works without DICOM, is written here."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from utils.dicom import Volume
from utils.errors import about
from utils.masks.rtstruct_writer import write_rtstruct
from utils.masks.seg_writer import checked_labels, write_seg
from utils.workspace import written_whole


def write_nifti(
    mask: np.ndarray,
    volume: Volume,
    file: Path | str,
    regions: tuple[str, ...] = ("both",),
    algorithm: str | None = None,
) -> None:
    """Write a label map (0, or the number of a region) as NIfTI; all as `write_seg`.

    On the canonical grid, in its place in the patient. file : ends in .nii.gz. The series need not
    come from DICOM files.
    """
    import SimpleITK  # half a second, and few write NIfTI

    file = Path(file)
    with about(file.name):
        labels = checked_labels(np.asarray(mask), volume, regions)
        image = SimpleITK.GetImageFromArray(labels)
        columns = volume.affine[:3, 2::-1]  # SimpleITK's axes are x, y, z, in LPS as ours
        lengths = np.linalg.norm(columns, axis=0)
        image.SetSpacing(lengths.tolist())
        image.SetDirection((columns / lengths).ravel().tolist())
        image.SetOrigin(volume.affine[:3, 3].tolist())
        with tempfile.TemporaryDirectory() as folder, written_whole(file) as temporary:
            made = Path(folder, "mask.nii.gz")  # the name tells SimpleITK to compress
            SimpleITK.WriteImage(image, str(made))
            shutil.copyfile(made, temporary)


# format -> (how its file's name goes on after the case's, function that writes it); all functions
# take (mask, volume, file, regions, algorithm)
WRITERS = {
    "seg": ("_seg.dcm", write_seg),
    "nifti": ("_seg.nii.gz", write_nifti),
    "rtstruct": ("_rtstruct.dcm", write_rtstruct),
}
