"""Values of single DICOM elements: a number, a text, or a clear error."""

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from utils.errors import InputError, refusals

LONGEST_TEXT = 10_240  # bytes looked at (PS3.5 6.2); of a million escapes pydicom makes minutes
ITEM = 0xFFFEE000  # tag that starts an item, and so never stands within one
refusal = refusals(__file__)


def text(dataset: Dataset, keyword: str) -> str:
    """Value of an element as stripped text; "" where it is absent, empty or unreadable."""
    try:
        item = _item(dataset, keyword)
    except InputError:
        return ""
    if item is None:
        return ""
    raw = item.value if isinstance(item, RawDataElement) else None
    coded = (item.VR or dictionary_VR(item.tag)) in ("US", "UL")
    plain = isinstance(raw, bytes) and raw.isascii() and b"\x1b" not in raw
    if isinstance(raw, bytes) and not coded and (plain or len(raw) > LONGEST_TEXT):
        return raw[:LONGEST_TEXT].decode("ascii", "replace").strip(" \0")  # PS3.5 6.1.2.5.3
    try:
        value = dataset[item.tag].value
    except Exception:  # an undecodable text is no text
        return ""
    return "" if value is None else str(value).strip(" \0")


def numbers(dataset: Dataset, keyword: str, count: int = 1) -> tuple[float, ...] | None:
    """Value of a numeric element as a tuple of finite floats; None where absent or empty.

    Raises InputError for anything but `count` finite decimal numbers (PS3.5 6.2: a decimal
    string has a point, never a comma).
    """
    item = _item(dataset, keyword)
    if item is None:
        return None
    value = _stored(dataset, item, keyword)
    if value is None or value == "" or value == []:
        return None
    several = list(value) if hasattr(value, "__iter__") else [value]
    parts = value.split("\\") if isinstance(value, str) else several
    try:
        found = tuple(_finite(part) for part in parts)
    except (TypeError, ValueError):
        raise refusal("no_number", keyword, _short(value)) from None
    if len(found) != count:
        raise refusal("values", keyword, len(found), _short(value), count)
    return found


def number(dataset, keyword):
    """Value of a numeric element with one value, or None where it is absent or empty."""
    found = numbers(dataset, keyword)
    return found and found[0]


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int | None:
    """Value of a whole-number element; `default` where it is absent or empty."""
    found = number(dataset, keyword)
    if found is None:
        return default
    if found != int(found):
        raise InputError(f"{keyword} is {found}, not a whole number. Correct the header")
    return int(found)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence as a list; [] where it is absent or is not a sequence.

    Raises InputError for an item of damaged length that has swallowed the items after it.
    """
    try:
        item = _item(dataset, keyword)
        if item is None:
            return []
        found = [entry for entry in dataset[item.tag].value if hasattr(entry, "get_item")]
    except Exception:  # hostile bytes under a sequence's tag
        return []
    if any(ITEM in entry.keys() for entry in found):
        raise InputError(f"an item of {keyword} runs into the next: damaged. Fetch the file again")
    return found


def stored_vr(dataset: Dataset, tag: BaseTag) -> str:
    """Value representation of an element without parsing its value; "" if it is not known."""
    item = dataset.get_item(tag)
    if item.VR or item.tag.is_private:
        return item.VR or ""
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""


@contextmanager
def library_silenced() -> Iterator[None]:
    """Hide pydicom's warnings: what matters of them is said in our own notes and errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _tag(keyword):
    return Tag(tag_for_keyword(keyword))


def _item(dataset, keyword):
    """The element as stored (not converted), or None."""
    try:
        return dataset.get_item(_tag(keyword))
    except KeyError:
        return None
    except Exception:  # pydicom converts an element without a value after all
        raise InputError(f"{keyword} cannot be read. Correct the header") from None


def _stored(dataset, item, keyword):
    """The element's value; decimal strings and short integers without pydicom's conversion,
    which would take longer than all else in the header."""
    if isinstance(item, RawDataElement) and isinstance(item.value, bytes):
        vr = item.VR or dictionary_VR(item.tag)
        if vr in ("DS", "IS"):
            return item.value.decode("latin-1").strip(" \0")
        if vr in ("US", "SS") and len(item.value) == 2:
            order = "little" if item.is_little_endian else "big"
            return int.from_bytes(item.value, order, signed=vr == "SS")
    try:
        return dataset[item.tag].value
    except Exception:
        raise refusal("no_value", keyword, _short(item.value)) from None


def _finite(part):
    """float(part), but no "1_000", "nan" or "inf"."""
    if isinstance(part, bytes | bytearray) or "_" in str(part):
        raise ValueError(part)
    value = float(part)
    if not math.isfinite(value):
        raise ValueError(part)
    return value


def _short(value):
    shown = repr(value)
    if re.search(r"[^\W\d_]{3}", re.sub("nan|inf", "", shown)):  # a word might be a name
        return "a text"
    return shown if len(shown) <= 60 else shown[:57] + "…"
