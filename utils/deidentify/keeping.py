"""The keep-list (keep.toml), applied to one object: whatever is not on it stays behind."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

_TABLES = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
WORDS = {name: words.split() for name, words in _TABLES.items()}
KEEP = tomllib.loads((Path(__file__).parent / "keep.toml").read_text(encoding="utf-8"))
OBJECTS, OTHERWISE = KEEP["objects"], KEEP["otherwise"]
FORMS = {word: form for form, words in KEEP["forms"].items() for word in words.split()}
FORMS |= {word: form for form in ("terms", "patterns", "words") for word in KEEP[form]}
TERMS = {
    word: {term.upper(): term for term in (listed.split() if isinstance(listed, str) else listed)}
    for word, listed in KEEP["terms"].items()
}
PATTERNS = {word: re.compile("|".join(listed.split())) for word, listed in KEEP["patterns"].items()}
NUMBER = re.compile(r"[+-]?(\d{1,6}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?")
DEEPEST = 12  # sequences within sequences; an enhanced CT has five


def rewritten(dataset, names, counts=None):
    """A data set that holds what the keep-list names, with pixels yet to come.

    names : gives the new UIDs, dates and names (`Pseudonyms`). counts : a Counter of
    (attribute, what was done) to be added to. Texts come from closed lists, all else is left out.
    """
    copy = _kept(dataset, names, {} if counts is None else counts)
    copy.PatientName = copy.PatientID = names.name(str(dataset.get("PatientID", "")))
    copy.PatientIdentityRemoved = "YES"
    copy.DeidentificationMethod = ["Keep-list of attributes", "Dates shifted"]
    copy.DeidentificationMethodCodeSequence = [_coded("DCM", c) for c in ("113100", "113107")]
    copy.add(DataElement(Tag(0x0028, 0x0303), "CS", "MODIFIED"))  # temporal information
    meta = copy.file_meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = copy.SOPClassUID
    meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationVersionName = "PYDICOM " + version("pydicom")
    copy.preamble = b"\0" * 128
    return copy


def _kept(dataset, names, counts, depth=0):
    """What the keep-list names of a data set or of an item."""
    copy = Dataset()
    for tag in dataset.keys():
        keyword = keyword_for_tag(tag)
        form, done = FORMS.get(keyword), "left out"
        if form is not None and depth < DEEPEST:
            with suppress(Exception):  # pydicom may raise nearly anything on hostile values
                copy[tag] = _element(dataset, tag, keyword, form, names, counts, depth)
                done = form
        row = (keyword or ("private" if tag.is_private else "unknown"), done)
        counts[row] = counts.get(row, 0) + 1
    return copy


def _element(dataset, tag, keyword, form, names, counts, depth):
    """One element of the copy; anything but one, which no data set takes, where none is due."""
    vr, most = dictionary_VR(tag), dictionary_VM(tag)
    most = int(most) if most.isdigit() else None  # values that an element may have; None: any
    if form == "numbers" and vr in ("DS", "IS"):
        return _digits(dataset, tag, vr, most)
    element = dataset[tag]
    if form in ("sequences", "codes"):
        items = [_item(item, keyword, names, counts, depth + 1) for item in element.value]
        items = [item for item in items if item is not None]
        if not items and keyword in OTHERWISE:
            items = [_coded(*OTHERWISE[keyword].split())]
        return DataElement(tag, "SQ", items) if items or not len(element.value) else None
    values = [part.strip(" \0") for part in texts(element)][:most]
    if form == "numbers":
        ordinary = (v == 0 or 1e-9 <= abs(v) < 1e6 for v in map(float, values))  # no eight letters
        if len(values) < element.VM or not all(ordinary):
            return None
        if vr != "US or SS":
            return DataElement(tag, vr, element.value)
        sign = 0x8000 * (dataset.PixelRepresentation == 1)  # some write one as if it were the other
        return DataElement(tag, "SS" if sign else "US", ((element.value & 0xFFFF) ^ sign) - sign)
    value = _RULES[form](keyword, values, dataset, names)
    single = isinstance(value, list) and len(value) == 1
    return None if value is None else DataElement(tag, vr, value[0] if single else value)


def _digits(dataset, tag, vr, most):
    """Numbers that are stored as text, byte by byte as they were; None if they are no numbers."""
    stored = dataset.get_item(tag).value
    text = stored.decode("ascii") if isinstance(stored, bytes) else "\\".join(texts(dataset[tag]))
    parts = [part.strip(" \0") for part in text.split("\\")]
    fit = (NUMBER.fullmatch(part) and abs(float(part)) < 1e6 for part in parts)
    if len(parts) > (most or len(parts)) or (parts != [""] and not all(fit)):
        return None
    data = "\\".join(parts).encode()
    data += b" " * (len(data) % 2)
    return RawDataElement(tag, vr, len(data), data, 0, False, True)


def texts(element):
    """Values of an element as texts; none for an empty one."""
    value = element.value
    if value is None:
        return []
    several = not isinstance(value, str) and hasattr(value, "__iter__") and element.VR != "PN"
    return [str(part) for part in (value if several else [value])]


def _item(item, keyword, names, counts, depth):
    """An item of a sequence; None if it lost what it must have, or is an unknown code."""
    copy = _kept(item, names, counts, depth)
    if FORMS[keyword] == "codes":
        known = _coded(str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeValue", "")))
        return known and Dataset({**known, **copy})
    return copy if all(word in copy for word in KEEP["needs"].get(keyword, "").split()) else None


def _coded(scheme, value):
    """The item of a code that pydicom's dictionary knows, in the dictionary's words; else None."""
    found = scheme, value
    if scheme in ("SRT", "SNM3", "99SDM"):  # SNOMED RT, whose codes have others in SNOMED CT
        found = "SCT", mapping["SRT"].get(value, "")
    listed = concepts.get(found[0], {}).values()
    meanings = [codes[found[1]][0] for codes in listed if found[1] in codes]
    if not meanings:
        return None
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    item.CodeMeaning = min(meanings, key=len)[:64]
    return item


def anatomical(name):
    """True if every word of a structure's name is an anatomical term, such as "Lt Lung".

    Three digits or more are no term: they may be the patient's number, or birth date.
    """
    words = re.findall(r"[^\W\d_]+", name.lower())
    plain = re.fullmatch(r"[\w ./,()+-]{1,64}", name, re.ASCII)
    few = len(re.findall(r"\d", name)) < 3
    return bool(words) and bool(plain) and few and set(words) <= set(WORDS["anatomy"])


def _term(keyword, values, *_):
    listed = TERMS[keyword]
    found = [listed.get(value.upper(), OTHERWISE.get(keyword)) for value in values if value]
    return None if None in found else found[:8]


def _structure(_keyword, values, item, _names):
    name = "\\".join(values)
    number = item.get("ROINumber", item.get("SegmentNumber", ""))
    return name if anatomical(name) else f"Structure {number}".strip()


_RULES = {  # form -> function of keyword, values as texts, data set and `names`
    "counts": lambda _k, values, *_: [
        v if re.fullmatch(r"-?\d{1,4}", v) else "1" for v in values if v
    ],
    "new_uids": lambda _k, values, _d, names: [new for v in values if (new := names.uid(v))],
    "classes": lambda _k, values, *_: values[0] if values[0] in UID_dictionary else None,
    "dates": lambda keyword, values, _d, names: [
        day + "000000" * keyword.endswith("DateTime") for v in values if (day := names.date(v))
    ],
    "tags": lambda k, _v, ds, _n: ds[k].value if dictionary_has_tag(ds[k].value) else None,
    "empty": lambda *_: "",
    "case": lambda *_: "",
    "structures": _structure,
    "terms": _term,
    "patterns": lambda keyword, values, *_: [
        v if PATTERNS[keyword].fullmatch(v) else OTHERWISE[keyword] for v in values if v
    ][:2],
    "words": lambda keyword, *_: KEEP["words"][keyword],
}
