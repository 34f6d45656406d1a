"""The check of a copy: what the keep-list would not give, and what the original says.

Each file is made again by the keep-list and must come out the same, byte by byte, pixels too; and
what of the original says who it is must not stand in any text, number, UID, date, pixel or file
name. No value is told.
"""

import re
from io import BytesIO

import numpy as np
from pydicom import dcmread, dcmwrite

from utils.deidentify.identity import elements
from utils.deidentify.keeping import FORMS, OBJECTS, rewritten
from utils.deidentify.pixels import clean_pixels
from utils.deidentify.pseudonyms import Kept
from utils.dicom import read_header
from utils.errors import InputError, refused
from utils.masks import load_mask

REPORT = "deidentification.csv"
NAME = r"(?:\w[\w. -]*-)?(CT|SEG|RTSTRUCT|IMAGE)-\d{4}\.dcm|\w[\w. -]*_seg\.npz"
OPEN = {"new_uids", "dates", "case", "numbers", "counts"}  # other forms are closed lists


def check(name, path, identity):
    """The findings in one file of a copy, as a list of (file, place, reason)."""
    data, last = path.read_bytes(), path.name
    said = identity.in_text(name) or (last == REPORT and identity.in_text(data))
    if said or not (last == REPORT or re.fullmatch(NAME, last, re.ASCII)):
        return [(name, "file name", _told(said, "none that de-identification gives"))]
    try:
        with refused("it cannot be read", "It is no copy"):
            if last.endswith(".npz"):
                again = BytesIO()
                np.savez_compressed(again, masks=load_mask(path))
                found = [("masks", "")] if again.getvalue() != data else []
            else:
                found = [] if last == REPORT else list(_in_object(path, data, identity))
    except InputError as problem:
        said, place = identity.in_bytes(data)
        found = [(f"byte {place:,}" if said else "file", _told(said, str(problem)))]
    return [(name, place, reason) for place, reason in found]


def _told(said, otherwise):
    return f"holds {said} of the original" if said else otherwise


def _in_object(path, data, identity):
    """Yield (place, reason) of the findings in a DICOM file."""
    source = read_header(path, path.name)
    kind = re.fullmatch(NAME, path.name)[1]
    object_kind = source and OBJECTS.get(source.facts.sop_class)
    in_colours = object_kind == "CT" and kind == "IMAGE"  # such a CT is copied as a picture
    if object_kind != kind and not in_colours:
        raise InputError("it is no CT, SEG or RTSTRUCT, and no picture")
    start = source.pixel_offset or len(data)
    said, place = identity.in_bytes(data[start:])
    if said:
        yield f"byte {start + place:,}", _told(said, "")
    buffer, again, found = BytesIO(), rewritten(source.dataset, Kept()), bool(said)
    clean_pixels(again, source, kind)
    dcmwrite(buffer, again, enforce_file_format=True)
    made = buffer.getvalue()
    buffer.seek(0)
    like = None if made == data else dict(elements(dcmread(buffer)))
    for place, element in elements(source.dataset):
        form, value = FORMS.get(getattr(element, "keyword", "")), getattr(element, "value", None)
        stays = like is None or getattr(like.get(place), "value", like) == value
        text = value if isinstance(value, bytes) else str(value)
        if not stays:
            found = True
            yield place, _told(identity.in_text(text), "not what the keep-list gives")
        elif form in OPEN or form is None:
            text = text.decode("latin-1") if isinstance(text, bytes) else text
            if said := (identity.in_text if form == "case" else identity.in_numbers)(text):
                yield place, _told(said, "")
    if made != data and not found:
        differ = (k for k, (a, b) in enumerate(zip(made, data, strict=False)) if a != b)
        at = next(differ, min(len(made), len(data)))
        said = identity.in_text(data[at : at + 4096])
        where = "preamble" if at < 132 else f"byte {at:,}" + " of the pixels" * (at >= start)
        yield where, _told(said, "bits or bytes that no element of a copy has")
