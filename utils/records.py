"""What is read back, checked at the door: each kind of record has one form, in records.json.

A form is a text (as "whole from 1 to 9", "number from 0 to 1 or nan", "text of 20", "one of a b",
"any"), a list [form of each entry, least, most], a table of the form of each name ("name?" may be
missing, "*" stands for any other), or the name of another form.
"""

import json
import zlib
from pathlib import Path
from typing import Any

from utils.errors import refused

FORMS = json.loads(Path(__file__).with_name("records.json").read_text(encoding="utf-8"))
MOST_BYTES = 4 * 2**20  # of a file, of which JSON makes fifty times as many in memory


def read_record(file: Path, kind: str, advice: str) -> Any:
    """Content of a JSON file of the form `kind`; InputError with the advice for any other."""
    with refused(f"{file} is missing, damaged or of another version", advice):
        return parsed(text_of(file), kind)


def text_of(file: Path) -> str:
    """Text of a file of bounded size. Raises OSError, or ValueError."""
    if file.exists() and not (file.is_file() and file.stat().st_size <= MOST_BYTES):
        raise ValueError("no file of at most 4 MB")
    return file.read_text(encoding="utf-8")


def parsed(text: str, kind: str) -> Any:
    """What JSON says, if it has the form `kind`. Raises ValueError that says what has not."""
    try:
        content = json.loads(text)
        check(content, kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return content


def checksum(facts: dict[str, Any]) -> str:
    """CRC-32 of a record, which is kept in it to tell damage."""
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


def check(value: Any, form: Any, where: str = "") -> None:
    """Raise ValueError that names the place where a value has not this form."""
    form = FORMS.get(form, form) if isinstance(form, str) else form
    parts: dict[Any, Any] = {}
    if isinstance(form, str):
        good = _is(value, *form.split(" "))
        if form == "any" and isinstance(value, dict):
            parts = dict.fromkeys(value, form)
    elif isinstance(form, list):
        good = isinstance(value, list | tuple) and form[1] <= len(value) <= form[2]
        parts = dict.fromkeys(range(len(value)), form[0]) if good else {}
    else:
        due = {name for name in form if name[-1] not in "?*"}
        good = isinstance(value, dict) and due <= set(value)
        parts = {n: form.get(n, form.get(f"{n}?", form.get("*"))) for n in value} if good else {}
        good, form = good and None not in parts.values(), f"these fields: {', '.join(form)}"
    if not good:
        raise ValueError(f"{where[1:] or 'it'} is {value!r:.60}, expected {form!s:.200}")
    for name, part in parts.items():
        check(value[name], part, f"{where}.{name}")


def _is(value, kind, *words):
    """Whether a value is what the words of a form say."""
    if kind in ("whole", "number"):
        types = (int,) if kind == "whole" else (int, float)
        undefined = "nan" in words and value != value
        return type(value) in types and (float(words[1]) <= value <= float(words[3]) or undefined)
    if kind == "text":
        return isinstance(value, str) and len(value) <= int(words[1])
    return kind == "any" or json.dumps(value).strip('"') in words
