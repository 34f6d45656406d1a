"""A folder of CT files into a Volume in Hounsfield units, or one clear error.

What is done with each kind of damaged or unusual input is told by its test in tests/dicom/.
"""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np

from utils.dicom import geometry
from utils.dicom.containers import CONTAINERS, read_image, refusal, unpacked
from utils.dicom.files import missing_slices, scan_folder
from utils.dicom.frames import MOST_SLICES, frames_of
from utils.dicom.judged import check_one_thing, chosen_frames, chosen_parts
from utils.dicom.pixels import load_pixels
from utils.dicom.plausible import doubts
from utils.dicom.series import check_uniform, one_series, without_copies
from utils.dicom.values import library_silenced
from utils.errors import InputError, about, printable


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A CT series on the canonical grid.

    hu : int16 [slices, rows, cols], Hounsfield units, read-only. Slice 0 is the feet end, row 0
    anterior, column 0 the patient's right. spacing : (slice, row, col) in mm. affine : float64
    4x4, (slice, row, col, 1) -> patient coordinates (LPS) in mm. identity : str -> str, the case's
    name and what its header's `identity` says; nothing of the patient. files : source file of each
    slice, along the axis that is the files' slice axis (axis 0 unless the series is coronal or
    sagittal). notes : warnings, one sentence each. stored_axes : senses of the files' slice, row
    and column axis, such as "HPL", the canonical ones, or "FAR"; the methods go from the
    canonical grid to that of the files.
    """

    hu: np.ndarray
    spacing: tuple[float, float, float]
    affine: np.ndarray
    identity: dict[str, str] = dataclasses.field(repr=False)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stored_axes: str = "HPL"

    @property
    def doubted(self) -> list[str]:
        """Keywords of header values that notes call suspect (`plausible`)."""
        return re.findall(r"\bsuspect: (\w+)", " ".join(self.notes))

    def confirmed(self, keyword: str) -> "Volume":
        """This volume, where a person vouches for a header value: notes doubt it no more."""
        said = rf"suspect: ({re.escape(keyword)})\b"
        notes = [re.sub(said, r"confirmed: \1", note) for note in self.notes]
        return dataclasses.replace(self, notes=tuple(notes))

    @property
    def _stored_places(self):
        """(axis of the canonical grid, sense) of the files' slice, row and column axis."""
        return [geometry.SENSES[letter] for letter in self.stored_axes]

    @property
    def _stored_affine(self):
        """As `affine`, of the grid of the source files."""
        return geometry.turned_affine(self.affine, self.hu.shape, self._stored_places)

    def on_stored_grid(self, array: np.ndarray) -> np.ndarray:
        """View of a canonical array [slices, rows, cols] on the grid of the source files.

        The result's first axis follows `files`, its rows and columns those of each file: the
        way back for a mask that goes to DICOM SEG.
        """
        return geometry.turned(array, self._stored_places)

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """(slices, rows, cols) of the grid of the source files."""
        return self.on_stored_grid(self.hu).shape

    def stored_index(self, points: np.ndarray) -> np.ndarray:
        """Where points [n, 3] in mm (LPS) lie on the grid of the files: (slice, row, col), [n, 3].

        Fractions of voxels, rounded to a millionth: a point on a voxel's centre must be on it
        whatever the last bits of the arithmetic.
        """
        inverse = np.linalg.inv(self._stored_affine)
        return np.round(points @ inverse[:3, :3].T + inverse[:3, 3], 6)

    def stored_points(self, index: np.ndarray) -> np.ndarray:
        """The way back: places (slice, row, col) [n, 3] on the grid of the files, in mm (LPS)."""
        affine = self._stored_affine
        return index @ affine[:3, :3].T + affine[:3, 3]


def read_series(folder: Path | str, series_uid: str | None = None) -> Volume:
    """Read one CT series from all files below `folder` (PS3.3 C.7.6.2, C.11.1).

    folder : or a zip of such files, or one volume as NIfTI, NRRD, MHA or MHD in Hounsfield units,
    which has no `files`. series_uid : SeriesInstanceUID to take where there are several, or
    "largest" for that of most slices; and, after a comma or alone, which of its slices, such as
    "AcquisitionNumber=1". Raises InputError for anything that would give a wrong,
    incomplete or ambiguous volume. Nothing is ever written.
    """
    folder = Path(folder)
    if folder.is_file() and folder.name.lower().endswith(CONTAINERS):
        return _read_container(folder, series_uid)
    case = printable(Path(os.path.abspath(folder)).name)  # a link's own name, not its target's
    if not folder.is_dir():
        raise refusal("no_folder", folder, ", ".join(CONTAINERS))
    with about(case), library_silenced():
        return _read(folder, case, series_uid)


def _read_container(path, series_uid):
    """Volume of a single file: see `containers`."""
    suffix = next(ending for ending in CONTAINERS if path.name.lower().endswith(ending))
    case = path.name[: -len(suffix)]
    with about(path.name), library_silenced():
        if suffix == ".zip":
            with unpacked(path) as folder:
                return dataclasses.replace(_read(folder, case, series_uid), files=())
        stored, notes, affine = read_image(path, suffix)
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        canonical = geometry.canonical_axes((affine[:3, :3] / lengths).T)
        facts = {"identity": {"case": case}, "notes": tuple(notes)}
        return _volume(stored, affine, lengths, canonical, **facts)


def _volume(stored, affine, lengths, canonical, **facts):
    """Volume of an array as stored, its affine, its voxels' sides in mm, and its canonical axes."""
    hu = np.ascontiguousarray(geometry.turned(stored, canonical))
    hu.setflags(write=False)
    spacing = tuple(float(lengths[axis]) for axis, _ in canonical)
    return Volume(hu, spacing, geometry.turned_affine(affine, stored.shape, canonical), **facts)


def _read(folder, case, series_uid):
    """Volume of the folder, or InputError without the case's name."""
    scan = scan_folder(folder)
    notes = [f"Skipped {scan.summary()}."] if scan.skipped else []
    series_uid, parts = chosen_parts(series_uid)
    sources, others = one_series(scan, series_uid)
    notes += others + missing_slices(scan, sources)
    bare = [source.name for source in sources if source.bare]
    if bare:
        notes.append(
            f"{len(bare)} files have no DICOM preamble or file meta information ({bare[0]}"
            f"{', …' if len(bare) > 1 else ''}); their coding was guessed from their bytes."
        )
    frames = chosen_frames([f for source in sources for f in frames_of(source)], parts)
    if len(frames) > MOST_SLICES:
        raise InputError(f"{len(frames)} slices, expected at most {MOST_SLICES}. Split the series")
    check_uniform(frames)
    axes = geometry.common_orientation(frames)
    positions, place_notes = geometry.place_slices(frames, axes)
    order = np.argsort(positions @ axes[0], kind="stable")
    frames, positions = [frames[k] for k in order], positions[order]
    notes += check_one_thing(frames)
    frames, positions, copy_notes = without_copies(frames, positions, positions @ axes[0])
    step, step_notes = _step(frames, positions, axes)
    canonical = geometry.canonical_axes(axes)
    stored, pixel_notes = load_pixels(frames)
    row, col = frames[0].pixel_spacing
    affine = np.eye(4)
    affine[:3] = np.column_stack([step, axes[1] * row, axes[2] * col, positions[0]])
    notes += [*place_notes, *copy_notes, *step_notes, *pixel_notes]
    facts = {"notes": tuple(map(printable, notes)), "stored_axes": geometry.axes_code(canonical)}
    facts["identity"] = {"case": case, **frames[0].source.identity()}
    facts["files"] = tuple(str(frame.source.path) for frame in frames)
    volume = _volume(stored, affine, (np.linalg.norm(step), row, col), canonical, **facts)
    doubted = doubts(volume, frames, np.linalg.norm(step) if len(frames) > 1 else None)
    return dataclasses.replace(volume, notes=(*volume.notes, *doubted))


def _step(frames, positions, axes):
    """Way in mm from one slice to the next (LPS vector), and notes."""
    names = [frame.name for frame in frames]
    if len(frames) > 1:
        thickness = [frame.thickness for frame in frames]
        notes = geometry.check_spacing(positions, axes, names, thickness)
        geometry.check_stack(positions, axes, names)
        return (positions[-1] - positions[0]) / (len(frames) - 1), notes
    thickness = frames[0].thickness
    known = thickness is not None and thickness > 0
    found = f"taken from SliceThickness, {thickness:g} mm" if known else "not known and set to 1 mm"
    return axes[0] * (thickness if known else 1.0), [
        f"Only one slice ({names[0]}): no volume, and the slice spacing is {found}."
    ]


def series_summary(volume: Volume) -> str:
    """A series in a few lines of text."""
    slices, rows, cols = volume.hu.shape
    step, row, col = volume.spacing
    size = f"{slices} slices of {rows} x {cols}, {step:.4g} x {row:.4g} x {col:.4g} mm"
    lines = [f"{volume.identity['case']}: {size}", f"{volume.hu.min()} to {volume.hu.max()} HU"]
    return "\n  ".join(lines + [f"note: {note}" for note in volume.notes])
