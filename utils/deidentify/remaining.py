"""What of a patient a de-identified copy still shows: every element, compared with the original."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom import dcmread
from pydicom.uid import UID

from utils.dicom import library_silenced, list_files, read_header, stored_vr, text
from utils.errors import refused

TABLE = "dicomfields_2026c"  # PS3.15 table E.1-1
STANDARD = "1.2.840.10008."
DUMMIES = {"", "ANONYMIZED", "00010101", "000000.00", "000Y", "0", "None", "UNKNOWN"}
NUMBERS = {"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "OW", "OF", "OD", "AT"}
TABLES = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
WORDS = {name: words.split() for name, words in TABLES.items()}


@dataclass
class _Original:
    """Identifying values of the original files."""

    words: set[str] = field(default_factory=set)  # lower case; searched for in texts
    uids: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)  # dates, times of day to the second
    by_tag: dict[int, set[str]] = field(default_factory=dict)  # tag -> values, where profiled

    @cached_property
    def pattern(self):
        """Finds any of the words or days in a lower-case text (once all are collected).

        A name may touch digits ("doe41") but no letters: "does" does not tell of Mrs Doe.
        """
        days = [form for date in self.dates if len(date) == 8 for form in _written_days(date)]
        words = [
            rf"(?<!{_kin(word[0])}){re.escape(word)}(?!{_kin(word[-1])})" for word in self.words
        ]
        return re.compile("|".join(words + days) or r"(?!)")


def _kin(character):
    """What would go on with a word that ends in this character: letters, or digits too."""
    return "[^\\W\\d_]" if character.isalpha() else r"\w"


def _written_days(date):
    """Patterns of the ways in which a day, given as YYYYMMDD, stands in free text."""
    year, month, day = date[:4], date[4:6], date[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return [re.escape(date), *(r"[-./ ]".join(map(re.escape, order)) for order in orders)]


def remaining_identifiers(original_folder, copy_folder):
    """List each element of the copy that still carries an identifying value of the original.

    Every element is looked at, those of sequences, private ones and the file meta information
    too, besides preamble and file name; pixels are not (see `burned_in`). Identifying are names,
    IDs, dates, times, UIDs that DICOM does not define, institutions, any text that holds one of
    these, and the unchanged value of any attribute that the Basic Profile removes or replaces.

    Returns a list of (file, element, value, reason), empty if nothing was found.
    """
    table = dicom_anonymization_database_selector(TABLE)["ALL_TAGS"]
    profiled = {tag for tag in table if len(tag) == 2}
    original, found = _Original(), []
    with library_silenced():
        for name, path in list_files(Path(original_folder)):
            if read_header(path, name) is not None:
                for _, element in _elements(_read(path, name)):
                    _collect(original, element, profiled)
        for name, path in list_files(Path(copy_folder)):
            held = _word_in(name, original)
            if held:
                found.append((name, "file name", name, f"holds {held}"))
            if read_header(path, name) is None:
                found.append((name, "file", name, "is not DICOM and was not looked at"))
                continue
            dataset = _read(path, name)
            if any(dataset.preamble or b""):
                found.append((name, "preamble", "…", "is not empty"))
            for place, element in _elements(dataset):
                reason = _reason(original, element)
                if reason:
                    found.append((name, place, str(element.value)[:64], reason))
    return found


def burned_in(dataset):
    """Reasons to look at a file's pixels by eye: text about the patient may be drawn in them."""
    reasons = []
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        reasons.append("BurnedInAnnotation is YES: the pixels hold text")
    sop_class = UID(text(dataset, "SOPClassUID")).name
    if "Secondary Capture" in sop_class or "SECONDARY" in text(dataset, "ImageType").upper():
        reasons.append("secondary capture: the pixels may be a screenshot with text")
    if any(tag.group & 0xFF00 == 0x6000 and tag.element == 0x0102 for tag in dataset.keys()):
        groups = {tag.group for tag in dataset.keys() if tag.group & 0xFF00 == 0x6000}
        if any((group, 0x3000) not in dataset for group in groups):
            reasons.append("an overlay lies in unused bits of the pixels")
    return reasons


def anatomical(name):
    """True if every word of a structure's name is an anatomical term, such as "Lt Lung".

    A number of three digits or more is no term: it may be the patient's.
    """
    words = re.findall(r"[^\W\d_]+|\d{3,}", name.lower())
    return bool(words) and set(words) <= set(WORDS["anatomy"])


def _read(path, name):
    with refused(f"{name} cannot be read", "Fetch it again"):
        return dcmread(path, force=True, stop_before_pixels=True)


def _elements(dataset, place=""):
    """All elements but sequences, with their place such as `ROI[2].Name`; file meta first."""
    meta = getattr(dataset, "file_meta", None)
    if meta is not None:
        yield from _elements(meta, "file meta ")
    for tag in sorted(dataset.keys()):
        stored = dataset.get_item(tag).value
        if isinstance(stored, bytes) and len(stored) > 64 and stored_vr(dataset, tag) in NUMBERS:
            continue  # a long list of numbers, such as a contour's points
        element = dataset[tag]
        name = place + (element.keyword or str(element.tag))
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from _elements(item, f"{name}[{index}].")
        else:
            yield name, element


def _values(element):
    """Values of an element as stripped texts."""
    value = element.value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    several = not isinstance(value, str) and hasattr(value, "__iter__") and element.VR != "PN"
    parts = list(value) if several else [value]
    return [shown for part in parts if (shown := str(part).strip(" \0")) not in DUMMIES]


def _collect(original, element, profiled):
    """Add what an element of an original file says about the patient."""
    for value in _values(element):
        if element.VR == "UI":
            if not value.startswith(STANDARD) and element.keyword != "ImplementationClassUID":
                original.uids.add(value)
        elif element.VR in ("DA", "DT", "TM"):
            original.dates.add(_day_or_second(element.VR, value))
        elif element.VR == "PN":
            parts = [part for part in re.split(r"[\^=\s,]+", value.lower()) if part]
            joined = [first + second for first in parts for second in parts if first != second]
            words = [value.lower(), *parts, *joined]
            original.words.update(word for word in words if len(word) >= 3)
        elif element.keyword in WORDS["identifying"] and len(value) >= 3:
            original.words.add(value.lower())
        if (element.tag.group, element.tag.element) in profiled:
            original.by_tag.setdefault(element.tag, set()).add(value)
    original.dates.discard("")


def _day_or_second(vr, value):
    """The part of a date or time that identifies: a day, or a time to the second."""
    return value[:8] if vr in ("DA", "DT") else value[:6] if len(value) >= 6 else ""


def _word_in(value, original):
    """An identifying word of the original that stands in a text, or ""."""
    held = original.pattern.search(value.lower())
    return repr(held[0]) if held else ""


def _reason(original, element):
    """Why an element of the copy is a finding, or ""."""
    if element.tag.is_private:
        return "private element"
    for value in _values(element):
        if element.VR == "UI":
            if value in original.uids:
                return "UID of the original"
        elif element.VR in ("DA", "DT", "TM"):
            if _day_or_second(element.VR, value) in original.dates:
                return "date or time of the original"
        elif element.VR not in NUMBERS or len(value) >= 6:  # 100 may be anything
            held = _word_in(value, original)
            if held:
                return f"holds {held} of the original"
        kept = element.keyword == "ROIName" and anatomical(value)
        if value in original.by_tag.get(element.tag, ()) and not kept:
            return "unchanged though the Basic Profile removes or replaces it"
    return ""
