"""What a CT comes in: a folder of DICOM or a zip of one; or NIfTI, NRRD, MetaImage, one file."""

import gzip
import math
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from utils.dicom.files import MOST_FILES
from utils.dicom.frames import LARGEST_SIDE, MOST_SLICES
from utils.dicom.header import read_header
from utils.dicom.pixels import LARGEST_VOLUME, LOWEST_HU
from utils.errors import InputError, refusals, refused
from utils.workspace import cases_in, holds_files

READERS = {".nii": "Nifti", ".nii.gz": "Nifti", ".nrrd": "Nrrd", ".nhdr": "Nrrd",
           ".mha": "Meta", ".mhd": "Meta"}  # fmt: skip
CONTAINERS = (*READERS, ".zip")  # endings of names, in lower case
LONGEST_LINE = 500  # bytes of a field of NRRD; a thousand make SimpleITK crash
LEAST_AIR = 0.01  # of all voxels; around and in a chest there is far more
LARGEST_UNPACKED = 4 * 1024**3  # bytes of a zip; a few thousand slices
refusal = refusals(__file__)


def case_folders(folder: Path | str) -> list[Path]:
    """The series to segment: one folder each, or one file (NIfTI, NRRD, MetaImage, zip of DICOM).

    folder : one series (DICOM files directly in it), a data set (`Images/Case_000` …), or a
    folder whose sub-folders or files are a series each. Raises InputError when there is none.
    """
    folder = Path(folder)
    if _is_container(folder):
        return [folder]
    if not folder.is_dir():
        raise refusal("no_folder", folder, ", ".join(CONTAINERS))
    folder = folder / "Images" if (folder / "Images").is_dir() else folder
    if not holds_files(folder):
        raise InputError(f"{folder} holds no file, expected a CT series. Check the path.")
    subfolders = sorted([*cases_in(folder), *filter(_is_container, folder.iterdir())])
    if not subfolders or any(_is_dicom(entry) for entry in folder.iterdir() if entry.is_file()):
        return [folder]
    return subfolders


def _is_container(file):
    """Whether a file holds a whole scan that is not a folder of DICOM files."""
    return file.is_file() and file.name.lower().endswith(CONTAINERS) and file.name[0] != "."


def _is_dicom(file):
    """Whether a file is DICOM, or would be but for a fault; a README and a CD's index are not."""
    try:
        return file.name.upper() != "DICOMDIR" and read_header(file, file.name) is not None
    except InputError:
        return True


@contextmanager
def unpacked(path: Path | str) -> Iterator[Path]:
    """A zip's files in a temporary folder of its name, which lasts as long as the with block.

    Any other path is given back as it is. Raises InputError for a zip that is damaged, encrypted
    or larger than any series.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, path.stem)
        folder.mkdir()
        damaged = refused(f"{path.name} cannot be unpacked", "Fetch it again")
        with damaged, zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            shut = any(member.flag_bits & 1 for member in members)
            if shut or len(members) > MOST_FILES or size > LARGEST_UNPACKED:
                raise refusal("zip", path.name, len(members), size / 1e9, ", encrypted" * shut)
            archive.extractall(folder)  # zipfile strips what would lead out of the folder
        yield folder


def read_image(path, suffix):
    """Stored HU int16 [slices, rows, cols] of one file, its affine (index -> LPS, mm), and notes.

    suffix : its ending, a key of READERS. Raises InputError where the file does not say how it
    lies in the patient, or holds other values than Hounsfield units.
    """
    import SimpleITK  # half a second, and few series need it

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(f"{READERS[suffix]}ImageIO")
    damaged = refused("it cannot be read", "Convert or fetch it again")
    with tempfile.TemporaryDirectory() as folder, damaged:
        if suffix.startswith(".nii"):
            path = _nifti_alone(path, suffix, Path(folder, "scan.nii"))
        elif READERS[suffix] == "Nrrd":
            _check_nrrd(path)
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _check_header(reader, path)
        image = reader.Execute()
        values = SimpleITK.GetArrayFromImage(image)
    affine = np.eye(4)  # from (slice, row, col); SimpleITK has (x, y, z) in LPS
    affine[:3, :3] = (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    if not np.isfinite(affine).all() or not all(0.01 <= s <= 100 for s in image.GetSpacing()):
        raise InputError(f"its voxels have sides of {image.GetSpacing()} mm. Convert it again")
    return *_hounsfield(values), affine


def _nifti_alone(path, suffix, alone):
    """A NIfTI file unpacked as `alone`: beside x.nii, SimpleITK takes that for x.nii.gz."""
    opened = gzip.open if suffix.endswith(".gz") else open
    damaged = refused("it cannot be unpacked", "Fetch it again")
    with damaged, opened(path, "rb") as source, open(alone, "wb") as target:
        while block := source.read(2**24):
            target.write(block)
            if target.tell() > LARGEST_UNPACKED:
                raise InputError("it unpacks to more than any series has")
    return alone


def _check_header(reader, path):
    """Refuse an image of no series' size, one cut off, one that tells not left from right."""
    size = reader.GetSize()
    known = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    if len(size) != 3 or reader.GetNumberOfComponents() != 1:
        raise InputError(f"an image of {size} voxels, expected one volume of grey values")
    if max(size) > LARGEST_SIDE or size[2] > MOST_SLICES or math.prod(size) > LARGEST_VOLUME:
        raise InputError(f"an image of {size} voxels, more than any series has")
    if "Nifti" in reader.GetImageIO():
        _check_nifti(known, size, path)
        placed = {known.get("qform_code", "0"), known.get("sform_code", "0")} != {"0"}
    elif "Nrrd" in reader.GetImageIO():
        placed = "NRRD_space" in known
    else:
        with open(path, "rb") as file:
            placed = b"TransformMatrix" in file.read(4096)
    if not placed:
        raise refusal("not_placed")


def _check_nrrd(path):
    """Refuse a header's line that SimpleITK, if it is no field, quotes beyond its buffer's end."""
    with open(path, "rb") as file:
        lines = iter(lambda: file.readline(2**20).strip(b"\r\n"), b"")  # up to an empty one
        if any(len(x) > LONGEST_LINE and not re.match(rb"#|content:|[^:]+:=", x) for x in lines):
            raise InputError("a line of its header is no field: damaged. Fetch it again")


def _check_nifti(known, size, path):
    """Refuse an unpacked NIfTI whose header contradicts itself or its file: SimpleITK reads on."""
    start, bits = float(known["vox_offset"]), int(known["bitpix"])
    sides = [float(known[f"pixdim[{axis}]"]) for axis in (1, 2, 3)]
    columns = np.array([known[f"srow_{row}"].split()[:3] for row in "xyz"], float)
    placed = known.get("sform_code", "0") != "0"
    if placed and not np.allclose(np.linalg.norm(columns, axis=0), sides, rtol=0.01):
        raise InputError(f"its sform contradicts its voxels' sides {sides} mm. Convert it again")
    if start < 352 or min(sides) <= 0:
        raise InputError(f"voxels from byte {start:g} on, of {sides} mm. Convert it again")
    if start + math.prod(size) * bits // 8 > path.stat().st_size:
        raise InputError("it ends before its last voxel: truncated. Fetch it again")
    order = "<" if np.fromfile(path, "u1", 1)[0] else ">"  # the first number is 348 or 540
    slope, shift = (float(known[f"scl_{name}"]) for name in ("slope", "inter"))
    if not (math.isfinite(slope) and slope) and math.isfinite(shift) and shift:
        raise refusal("shift", slope, shift)  # which SimpleITK adds, and others do not
    if placed and known.get("qform_code", "0") != "0":
        face, *turn = np.fromfile(path, f"{order}f4", 48, offset=76)[[0, 45, 46, 47]]
        turn = Rotation.from_quat([*turn, max(0, 1 - np.dot(turn, turn)) ** 0.5]).as_matrix()
        if np.abs(turn * [1, 1, np.sign(face) or 1] - columns / sides).max() > 0.1:
            raise refusal("two_ways")
    if known["datatype"] in ("16", "64"):  # of NaN, NIfTI's library makes 0, that is water
        _check_numbers(np.memmap(path, f"{order}f{bits // 8}", "r", int(start), size))


def _check_numbers(values):
    """Refuse values of which some are NaN or infinite, with their count."""
    if wrong := values.size - np.count_nonzero(np.isfinite(values)):
        raise InputError(f"{wrong:,} of its voxels are no numbers. Put air, -1024, in their place")


def _hounsfield(values):
    """Values as HU int16, nothing below -1024, and notes; InputError where they are none."""
    _check_numbers(values)
    low, high = float(values.min()), float(values.max())
    if not (low > -1e6 and high <= np.iinfo(np.int16).max):
        raise InputError(f"it holds values of {low:g} to {high:g}, which no CT has")
    air = float((values < -500).mean())
    if air < LEAST_AIR:
        raise refusal("no_air", low, high, 100 * air)
    notes = ["It comes from no DICOM files: whose it is, and on which scanner, is not known."]
    if low < LOWEST_HU:
        notes.append(f"Values below {LOWEST_HU} HU, down to {low:g}, were set to {LOWEST_HU} HU.")
    return np.rint(np.maximum(values, LOWEST_HU)).astype(np.int16), notes
