"""Which files of a folder are slices, and why the others are left out."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from utils.dicom.header import STANDARD, Source, read_header
from utils.dicom.values import integer, text
from utils.errors import InputError, refusals
from utils.workspace import left_behind

MOST_FILES = 20_000  # an archive given by mistake would fill the memory with headers
MOST_HELD = 1024**3  # bytes of headers, and of whole slices where deflated, that a series may take
# modalities of objects that accompany a series and are no slices of it
COMPANIONS = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "RTRECORD", "SR", "PR", "KO", "REG", "DOC"}
PLACES = ("ImagePositionPatient", "SliceLocation", "PerFrameFunctionalGroupsSequence")
NOT_DICOM, EMPTY = "not DICOM", "empty (0 bytes)"
refusal = refusals(__file__)


@dataclass
class Scan:
    """What a folder holds: slices to be, and skipped files by reason."""

    sources: list[Source] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)  # reason -> names
    files: int = 0

    def skip(self, reason, name):
        self.skipped.setdefault(reason, []).append(name)

    def summary(self):
        """Skipped files in words: "2 not DICOM (README, Thumbs.db); 1 SEG (seg.dcm)"."""
        return "; ".join(
            f"{len(names)} {reason} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for reason, names in self.skipped.items()
        )


def list_files(folder: Path | str) -> list[tuple[str, Path]]:
    """All files below a folder as sorted (name, path) pairs; see `list_names`."""
    return [(name, Path(folder, name)) for name in list_names(folder)]


def list_names(folder: Path | str) -> list[str]:
    """Names of all files below a folder (links followed once), relative to it, sorted."""
    found, visited = [], set()

    def refuse(error):
        raise InputError(f"the folder {error.filename} cannot be read ({error.strerror})")

    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        here = os.stat(parent)
        if (here.st_dev, here.st_ino) in visited:  # a link back to a folder already read
            folders.clear()
            continue
        visited.add((here.st_dev, here.st_ino))
        folders.sort()
        below = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        found += [prefix + name for name in names]
        if len(found) > MOST_FILES:
            raise InputError(f"more than {MOST_FILES:,} files. Give the folder of one series")
    return sorted(found)


def scan_folder(folder):
    """Read the header of every file below `folder` and sort out what is no slice.

    Returns a Scan. Raises InputError for a file that may be a slice but cannot be read: to
    leave it out would make the volume silently shorter.
    """
    scan, strangers, held = Scan(), [], 0
    for name, path in list_files(folder):
        scan.files += 1
        above = name.split("/")[:-1]
        if path.name.startswith("._") or any(left_behind(folder) for folder in above):
            scan.skip("left by the system", name)
            continue
        if path.name.upper() == "DICOMDIR":
            scan.skip("DICOMDIR", name)
            continue
        source = read_header(path, name)
        if source is None:
            strangers.append((name, path))
        elif reason := reason_to_skip(source):
            scan.skip(reason, name)
        else:
            scan.sources.append(source)
            held += source.pixel_offset if source.inflated is None else source.size
        if held > MOST_HELD:
            raise refusal("memory", name, MOST_HELD >> 20)
    suffixes = {source.path.suffix.lower() for source in scan.sources} | {".dcm", ".dicom", ".ima"}
    patterns = {_pattern(source.path.name) for source in scan.sources}
    lost = [one for one in strangers if _named_like_a_slice(one[1], suffixes, patterns)]
    if lost:
        name, path = lost[0]
        found = "is empty (0 bytes)" if path.stat().st_size == 0 else "is not readable as DICOM"
        more = f", and {len(lost) - 1} more such files of {scan.files}" if len(lost) > 1 else ""
        raise refusal("lost", name, found, more)
    for name, path in strangers:
        scan.skip(EMPTY if path.is_file() and not path.stat().st_size else NOT_DICOM, name)
    return scan


def missing_slices(scan, sources):
    """A note where files that are no DICOM may stand for slices that did not arrive, in a list.

    InstanceNumber, which mostly counts from 1, tells of slices at an end, where no gap shows.
    """
    strange = scan.skipped.get(NOT_DICOM, []) + scan.skipped.get(EMPTY, [])
    strange = [last for name in strange if not left_behind(last := name.split("/")[-1])]
    stems = {_stem(source.path.name) for source in sources}
    patterns = {_pattern(stem) for stem in stems}  # 1-001.txt beside 1-001.dcm replaces no slice
    named = [n for n in strange if _pattern(_stem(n)) in patterns and _stem(n) not in stems]
    try:
        numbers = {integer(source.dataset, "InstanceNumber", 0) for source in sources}
    except InputError:
        numbers = {0}
    absent = max(numbers) - len(numbers) if min(numbers) > 0 else 0
    note = (
        f"{len(named or strange)} files in the place of slices are no DICOM, and {absent} numbers "
        "up to the highest InstanceNumber have no slice: slices may be missing."
    )
    return [note] if named or (absent and len(strange) >= min(absent, 2)) else []


def reason_to_skip(source: Source) -> str:
    """Reason to leave a DICOM file out, or "" for a slice.

    An object without pixels is left out only if its SOP class says that it has none: a CT
    slice cut off before its pixels is an error, not a report.
    """
    modality, sop_class = source.facts.modality, UID(source.facts.sop_class).name
    if "Directory" in sop_class:
        return "DICOMDIR"
    if "CT Image" not in sop_class and (modality in COMPANIONS or "Segmentation" in sop_class):
        return f"{modality or 'SEG'} object"
    if source.pixel_tag is None:
        if _of_a_private_class(source) or ("Storage" in sop_class and "Image" not in sop_class):
            return f"{modality or sop_class} object without pixels"
        raise refusal("no_pixels", source.name, source.size)
    kinds, placed = source.facts.image_type.upper(), any(k in source.dataset for k in PLACES)
    if "SCREEN SAVE" in kinds or ("Secondary Capture" in sop_class and not placed):
        return "screenshot"
    return "localizer" if "LOCALIZER" in kinds else ""


def _of_a_private_class(source):
    """Whether a file without pixels is an object of its maker's own, and no slice that was cut off.

    The file meta information, if it is whole, says so; else the class that stands before a
    modality. An image would have said next how many rows it has.
    """
    meta = text(getattr(source.dataset, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    stated = (not source.bare and meta) or (source.facts.modality and source.facts.sop_class)
    return bool(stated) and not stated.startswith(STANDARD) and "Rows" not in source.dataset


def _stem(name):
    """A file's name without suffixes: "IM0012.dcm.part" gives "IM0012", "CT.1.2" itself."""
    return re.sub(r"(\.[A-Za-z]\w*)+$", "", name)


def _pattern(name):
    """A file's name with # for its numbers: "IM0012.dcm" gives "im#.dcm", "CT.1.2.840" "ct.#"."""
    return re.sub(r"[0-9a-f-]{16,}|\d+(\.\d+)*", "#", name.lower())


def _named_like_a_slice(path, suffixes, patterns):
    """True for a stranger that may be a lost slice: a slice's name, or suffix and no text in it."""
    suffix, alike = path.suffix.lower(), _pattern(path.name) in patterns
    if path.name.startswith(".") or not path.is_file() or not (alike or suffix in suffixes):
        return False
    with open(path, "rb") as file:
        start = file.read(4096)
    return alike or suffix != "" or not start or b"\0" in start
