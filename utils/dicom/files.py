"""Which files of a folder are slices, and why the others are left out."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import UID

from utils.dicom.header import Source, read_header
from utils.errors import InputError

MOST_FILES = 20_000  # an archive given by mistake would fill the memory with headers
# modalities of objects that accompany a series and are no slices of it
COMPANIONS = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "RTRECORD", "SR", "PR", "KO", "REG", "DOC"}


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
    return sorted(found)


def scan_folder(folder):
    """Read the header of every file below `folder` and sort out what is no slice.

    Returns a Scan. Raises InputError for a file that may be a slice but cannot be read: to
    leave it out would make the volume silently shorter.
    """
    scan, strangers = Scan(), []
    listed = list_files(folder)
    if len(listed) > MOST_FILES:
        raise InputError(
            f"{len(listed):,} files, expected those of one case (at most {MOST_FILES:,}). "
            "Give the folder of one series"
        )
    for name, path in listed:
        scan.files += 1
        if path.name.upper() == "DICOMDIR":
            scan.skip("DICOMDIR", name)
            continue
        source = read_header(path, name)
        if source is None:
            strangers.append((name, path))
            continue
        reason = reason_to_skip(source)
        if reason:
            scan.skip(reason, name)
        else:
            scan.sources.append(source)
    suffixes = {source.path.suffix.lower() for source in scan.sources} | {".dcm", ".dicom", ".ima"}
    for name, path in strangers:
        if _named_like_a_slice(path, suffixes):
            found = "is empty (0 bytes)" if path.stat().st_size == 0 else "is not readable as DICOM"
            raise InputError(
                f"{name} {found} though it is named like a slice. "
                "Fetch the file again, or remove it if it is none"
            )
        scan.skip("not DICOM", name)
    return scan


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
        if "Storage" in sop_class and "Image" not in sop_class:
            return f"{modality or sop_class} object without pixels"
        raise InputError(
            f"{source.name} ends before its pixel data ({source.size:,} bytes): truncated. "
            "Fetch the file again"
        )
    if "LOCALIZER" in source.facts.image_type.upper():
        return "localizer"
    return ""


def _named_like_a_slice(path, suffixes):
    """True for a stranger that may be a damaged slice: the slices' suffix, and no text in it."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix not in suffixes or not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(4096)
    return suffix != "" or not start or b"\0" in start
