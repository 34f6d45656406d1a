"""Whether one series is one thing: one patient, one phase, one kernel, one unit.

A series is judged as a whole here and nowhere else. `judged.json` says which elements must be equal
over all slices, and which may come in blocks but not to and fro.
"""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydicom.datadict import tag_for_keyword

from utils.dicom.values import text
from utils.errors import refusals

RULES = json.loads(Path(__file__).with_name("judged.json").read_text(encoding="utf-8"))
JUDGED = [*RULES["equal"], *RULES["blocks"], *RULES["noted"]]
KINDS = {"ImageType": 3, "FrameType": 3}  # values that must be equal; others are a maker's own
MOST_PHASES = 10  # that may be interleaved in one series
MOST_LISTED = 8  # values in a message
refusal = refusals(__file__)


def check_unit(name, kinds, unit):
    """Refuse what is no attenuation by its ImageType or FrameType, or by its RescaleType."""
    words = [what for what, names in RULES["not_attenuation"].items() if _has(names, kinds)]
    if words or unit not in ("", "HU"):  # PS3.3 C.11.1.1.2: US is unspecified
        said = f"ImageType {kinds}" if words else f"RescaleType {unit}"
        raise refusal("unit", name, words[0] if words else f"in {unit}", said)


@cache
def _has(names, kinds):
    """Whether a word of a pattern stands by itself in an ImageType."""
    return re.search(rf"(?<![A-Z0-9])({names})(?![A-Z0-9])", kinds.upper())


def chosen_parts(asked):
    """What is asked for: SeriesInstanceUID, "largest" or None, and [(keyword, value)].

    asked : such as "1.2.3", "AcquisitionNumber=1", "largest,ContentTime=101500..101530", or None.
    Raises InputError for an element that no series is judged by.
    """
    words = [word.split("=", 1) for word in re.split(r",(?=\w+=)", asked or "") if word]
    parts = [word for word in words if len(word) == 2]
    unknown = [keyword for keyword, _ in parts if keyword not in JUDGED]
    if unknown:
        raise refusal("unknown", unknown[0], ", ".join(JUDGED))
    return next((word[0] for word in words if len(word) == 1), None), parts


def chosen_frames(frames, parts):
    """The frames whose elements have the values of `chosen_parts`; InputError where none has."""
    for keyword, value in parts:
        low, dots, high = value.partition("..")
        said, wanted = _said(frames, keyword, KINDS.get(keyword)), _plain(value)
        kept = [
            frame
            for frame, word in zip(frames, said, strict=True)
            if _plain(word) == wanted or (dots and _number(low) <= _number(word) <= _number(high))
        ]
        if not kept:
            raise refusal("none_chosen", keyword, value, _shown(frames, _tellable(keyword, said)))
        frames = kept
    return frames


def check_one_thing(frames):
    """Notes on what differs among a series' frames, which are in order of their places.

    Raises InputError where one series holds two things: elements that must be equal are not, or
    others change to and fro. An element that a slice lacks contradicts nothing.
    """
    notes = []
    held = [dict(p for place in frame.places[::-1] for p in place.items()) for frame in frames]
    for keyword in JUDGED:
        tag = tag_for_keyword(keyword)
        raw = [getattr(elements.get(tag), "value", None) for elements in held]
        if raw.count(raw[0]) == len(raw):
            continue
        said = _said(frames, keyword, KINDS.get(keyword))
        words = [_plain(word) for word in said]
        if len(set(words) - {""}) < 2:
            continue
        said = _tellable(keyword, said)
        kind = "contradiction" if keyword in RULES["equal"] else "interleaved"
        if kind == "contradiction" or _to_and_fro(words, keyword.endswith("Time")):
            raise refusal(kind, keyword, _shown(frames, said), _choice(keyword, said))
        if keyword in RULES["noted"]:
            notes.append(f"{keyword} is {_shown(frames, said)}.")
    kinds = [frame.source.facts.image_type for frame in frames]
    for k in (k for k, frame in enumerate(frames) if len(frame.places) > 1):  # of an enhanced CT
        kinds[k] = _said([frames[k]], "FrameType")[0] or kinds[k]
        check_unit(frames[k].name, kinds[k], _said([frames[k]], "RescaleType")[0])
    derived = [kind for kind in kinds if _has(RULES["derived"], kind)]
    if derived:
        notes.append(f"{len(derived)} slices are reckoned from others: ImageType {derived[0]}.")
    for keyword in ("SeriesDescription", "DerivationDescription"):
        told = _said(frames[:1], keyword)[0]
        found = [what for what, words in RULES["described"].items() if _has(words, told)]
        notes += [f"{keyword} tells of {what} (suspect: {keyword})." for what in found[:1]]
    return notes


def _said(frames, keyword, most=None):
    """An element of each frame as text, "" where there is none; of several values the first."""
    found = [next(filter(None, (text(p, keyword) for p in f.places)), "") for f in frames]
    if most is None:
        return found
    parted = [re.split(r"[\\,]", word.strip("[]")) for word in found]
    return ["\\".join(value.strip(" '") for value in values[:most]) for values in parted]


def _tellable(keyword, said):
    """Values as messages may keep them: of what may tell the patient, only which are alike."""
    known = {word: f"value {k}" for k, word in enumerate(dict.fromkeys(filter(None, said)), 1)}
    return [known.get(word, "") for word in said] if keyword in RULES["untold"] else said


def _plain(word):
    """A text in which what only looks different is equal: numbers, case, the ends of names."""
    number = _number(word)
    return f"{number:.10g}" if number == number else re.sub(r"[\s^]+", " ", word).strip().casefold()


def _number(word):
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _to_and_fro(words, is_time):
    """Whether values along the patient leave and come back, as those of interleaved stacks do.

    Times may do so by some seconds, as slices are not always written in turn: they are judged by
    whether every second (third …) slice has its own range, or how far a step leads on average.
    """
    runs = 1 + sum(one != next_one for one, next_one in pairwise(words))
    if not is_time and runs > len(set(words)) + ("" in words):
        return True
    numbers = np.array([_number(word) for word in words])
    if len(words) < 4 or np.isnan(numbers).any():
        return False
    for count in range(2, min(len(words) // 2, MOST_PHASES) + 1):
        parts = [numbers[k::count] for k in range(count)]
        ranges = sorted((part.min(), part.max()) for part in parts)
        if all(one[1] < other[0] for one, other in pairwise(ranges)):
            return True
    return bool(np.abs(np.diff(numbers)).mean() > max(np.ptp(numbers) / 2, 1))


def _shown(frames, said):
    """Values of an element and the slices that have them, the first of many."""
    names = {}
    for frame, word in zip(frames, said, strict=True):
        names.setdefault(word or "missing", []).append(frame.name)
    listed = [
        f"{word} in {', '.join(found[:3])}{f' and {len(found) - 3} more' * (len(found) > 3)}"
        for word, found in list(names.items())[:MOST_LISTED]
    ]
    return "; ".join(listed) + (" and more" if len(names) > MOST_LISTED else "")


def _choice(keyword, said):
    """An example of a choice: one value, or of many numbers the range below the widest gap."""
    if keyword in RULES["untold"]:
        return f"{keyword}=…"
    values = np.unique([_number(word) for word in said if word])
    if len(values) <= MOST_LISTED // 2 or np.isnan(values).any():
        return f"{keyword}={next(filter(None, said))}"
    return f"{keyword}={values[0]:.12g}..{values[int(np.diff(values).argmax())]:.12g}"
