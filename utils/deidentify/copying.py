"""De-identified copies of DICOM folders: Basic Profile of PS3.15 Annex E.

Beyond the profile itself (profile.py): file meta information, preamble and file names
are made anew, the copy is checked element by element, and a failure leaves nothing behind.
"""

import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from utils import dicom
from utils.deidentify.profile import apply_profile, forget_uids, profile_rules
from utils.deidentify.remaining import STANDARD, TABLE, WORDS, burned_in, remaining_identifiers
from utils.errors import InputError, about, refused
from utils.workspace import folder_written_whole


def deidentify(folder: Path | str, out_folder: Path | str, case_name: str) -> dict[str, Any]:
    """Write a de-identified copy of all DICOM files below `folder` into `out_folder`.

    One call gives new random UIDs, the same new one wherever an old one stood: a series and the
    RTSTRUCT or SEG that refers to it stay together if they lie below one folder. The link from
    old to new is kept nowhere. PatientID and PatientName become `case_name`; private elements
    go; dates become 00010101 or go; ROI names stay where they are anatomical terms. Files are
    renamed by modality and number, as names tell too.

    Returns a report: `files`, `left_out` (names), `counts` (of changes), `flags` (what a person
    must look at, such as text burned into the pixels), `before_after` (rows of the first file)
    and `remaining` (see `remaining_identifiers`; it should be empty). Raises InputError if the
    copy would touch the original, or a file cannot be read; then nothing is written.
    """
    folder, out_folder = Path(folder).resolve(), Path(out_folder).resolve()
    with about(folder.name):
        _check_folders(folder, out_folder, case_name)
        return _copy_folder(folder, out_folder, case_name)


def _copy_folder(folder, out_folder, case_name):
    """Copy into a temporary folder beside `out_folder`, check, and move into place."""
    report = {"files": 0, "left_out": [], "counts": Counter(), "flags": [], "before_after": []}
    forget_uids()  # new ones are random, and only for this call
    rules = profile_rules()
    try:
        with folder_written_whole(out_folder) as work:
            with dicom.library_silenced():
                for name, path in dicom.list_files(folder):
                    _copy(name, path, work, case_name, rules, report)
            if not report["files"]:
                raise InputError(f"{folder} holds no DICOM file to copy")
            report["remaining"] = remaining_identifiers(folder, work)
    finally:
        forget_uids()
    report["counts"] = dict(report["counts"])
    return report


def _check_folders(folder, out_folder, case_name):
    """Refuse a copy onto, into or around the original, and a case name that is no name."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to copy")
    if out_folder == folder or folder in out_folder.parents or out_folder in folder.parents:
        raise InputError(
            f"{out_folder} lies in or around the original {folder}, expected a folder elsewhere: "
            "the original is never changed. Choose another"
        )
    if out_folder.exists() and (not out_folder.is_dir() or any(out_folder.iterdir())):
        raise InputError(f"{out_folder} exists and is not empty. Choose a new folder")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,62}", case_name):
        raise InputError(
            f"The case name {case_name!r} is none, expected letters, digits and _ . - such as "
            "Case_000, at most 63"
        )


def _copy(name, path, work, case_name, rules, report):
    """One file into the copy, or its name into the report's `left_out`."""
    source = dicom.read_header(path, name)
    if source is None:
        report["left_out"].append(name)
        return
    _check_whole(source)
    copied = refused(f"{name} cannot be copied", "Free some space or give permission", OSError)
    with refused(f"{name} cannot be de-identified", "Remove or replace the file"), copied:
        dataset = dcmread(path, force=True)
        sop_class = dicom.text(dataset, "SOPClassUID")
        directory = "Directory" in UID(sop_class).name
        if directory or not sop_class.startswith(STANDARD):  # its rows name every other file
            report["left_out"].append(name)
            return
        before = _facts(dataset)
        report["flags"] += [f"{name}: {reason}" for reason in burned_in(dataset)]
        apply_profile(dataset, rules, report["counts"])
        _sign(dataset, case_name)
        modality = re.sub("[^A-Z]", "", dicom.text(dataset, "Modality")) or "OT"
        report["counts"][f"{modality} files"] += 1
        target = f"{modality}-{report['counts'][f'{modality} files']:04d}.dcm"
        dcmwrite(work / target, dataset, enforce_file_format=True)
    if not report["files"]:
        after = _facts(dataset)
        report["before_after"] = [(k, before[k], after.get(k, "—")) for k in before]
    report["files"] += 1


def _check_whole(source):
    """Refuse a file that ends early: its copy would look whole."""
    dicom.reason_to_skip(source)  # raises if an image ends before its pixels
    end = source.pixel_offset + source.pixel_length
    if source.pixel_length != dicom.ENCAPSULATED and end > source.size:
        raise InputError(
            f"{source.name} is truncated: {source.size:,} bytes where its header says {end:,}. "
            "Fetch the file again"
        )


def _sign(dataset, case_name):
    """Case name, the marks of a de-identified object (PS3.15 E.1.1) and a file meta of its own."""
    dataset.PatientID = dataset.PatientName = case_name
    dataset.PatientIdentityRemoved = "YES"
    package = version("dicom-anonymizer")
    dataset.DeidentificationMethod = [
        "PS3.15 Basic Profile",
        f"dicom-anonymizer {package} {TABLE.removeprefix('dicomfields_')}",
    ]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.DeidentificationMethodCodeSequence = [code]
    dataset.add(DataElement(Tag(0x0028, 0x0303), "CS", "REMOVED"))  # temporal information
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128


def _facts(dataset):
    """Elements that a reader would look at first: keyword -> value as text."""
    found = {keyword: dicom.text(dataset, keyword) or "—" for keyword in WORDS["shown"]}
    found["private elements"] = str(sum(tag.is_private for tag in dataset.keys()))
    return found
