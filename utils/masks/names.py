"""Masks that come as DICOM objects: which structure is which lung, and of which series."""

import json
import re
from pathlib import Path

import numpy as np

from utils.dicom import items, read_header, text
from utils.errors import InputError, refusals

# Names, words and codes of lungs, and what every object written has in common
TABLES = json.loads(Path(__file__).with_name("tables.json").read_bytes())
# Names of which the words say nothing, as `plain_name` gives them -> region: "left", "both" …
ALIASES: dict[str, str] = {}
LOBES = TABLES["lobes"]
LUNG = TABLES["SNOMED CT lungs"]
REGIONS = {code: region for region, code in LUNG.items()} | TABLES["SNOMED CT lobes"]
REGIONS |= TABLES["SNOMED RT"] | TABLES["tissue"]  # older files; 3D Slicer: as the label says
SNOMED = TABLES["schemes"]  # names under which files refer to it
DISEASE = re.compile(TABLES["disease"])  # in a code's meaning
SWAPPED = 10.0  # mm by which the left lung's centre lies to the right of the right one's
refusal = refusals(__file__)  # an InputError, of the room's messages.json
# What a word says, apart or glued to others: as in TG-263, by TotalSegmentator, in clinics
WORDS = {word: set(s.split()) for s, words in TABLES["words"].items() for word in words.split()}
WORD = "|".join(sorted(WORDS, key=len, reverse=True))


def plain_name(name):
    """A structure's name in lower case, its separators as one space."""
    return re.sub(r"[\s_.,^()\-]+", " ", name.casefold()).strip()


def region_named(name, aliases=ALIASES):
    """Region that a structure's name says: "both", "left", "right", a lobe such as "left upper
    lobe", or "lung" where no side is told; None for a name with any other word in it."""
    plain = plain_name(name)
    if plain in aliases or not re.fullmatch(f"(?:(?>{WORD}) ?)++", plain):
        return aliases.get(plain)
    said = set().union(*(WORDS[word] for word in re.findall(WORD, plain)))
    sides = said & LOBES.keys()
    if "middle" in said:
        sides.add("right")
    side = sides.pop() if len(sides) == 1 else ""
    if "lobe" in said:
        return next((n for n in LOBES.get(side, ()) if said | {side} >= set(n.split())), None)
    if "lung" not in said:
        return None
    return side or ("both" if sides or "both" in said else "lung")


def other_than_lung(code):
    """Whether an item of a code sequence says that something is no lung, whatever its label."""
    known = text(code, "CodingSchemeDesignator") in SNOMED
    meaning = plain_name(text(code, "CodeMeaning"))
    return (known and text(code, "CodeValue") not in REGIONS) or bool(DISEASE.search(meaning))


def joined(masks, mm):
    """Notes on what became, in place, of regions -> masks: lobes make their lung, "lung" is both.

    mm : width of a column. Raises InputError for a lung of which a lobe is missing, and for lungs
    that lie on each other's side, or in the same place.
    """
    notes = []
    for side, lobes in LOBES.items():
        drawn = {lobe: masks.pop(lobe) for lobe in lobes if lobe in masks}
        if drawn and masks.keys() & {side, "both"}:
            notes.append(f"{', '.join(drawn)} left out: that lung is there as a whole.")
        elif drawn and len(drawn) < len(lobes):
            missing = ", ".join(lobe for lobe in lobes if lobe not in drawn)
            raise InputError(f"of the {side} lung there is no {missing}. Add it, or the whole lung")
        elif drawn:
            masks[side] = np.bitwise_or.reduce(list(drawn.values()))
            notes.append(f"{len(drawn)} lobes were united as {side} lung.")
    if "lung" in masks:
        mask = masks.pop("lung")
        if masks:
            notes.append("“Lung” left out: its side is not told, and others are.")
        else:
            masks["both"] = mask
            notes.append("“Lung” alone was taken for both lungs.")
    pair = [masks.get(side, np.zeros(1)) for side in ("left", "right")]
    if all(mask.any() for mask in pair):
        columns = np.arange(pair[0].shape[2])  # the first at the patient's right
        left, right = (np.average(columns, weights=mask.sum((0, 1))) for mask in pair)
        shared = np.count_nonzero(pair[0] & pair[1]) / min(map(np.count_nonzero, pair))
        if (right - left) * mm > SWAPPED or shared > 0.5:
            raise refusal("sides", (right - left) * mm, 100 * shared)
    empty = [region for region, mask in masks.items() if not mask.any()]
    return notes + [f"The structures called {region} enclose no voxel." for region in empty]


def united(masks, names):
    """Both lungs as one uint8 mask from `region -> mask`; InputError if one lung is missing.

    names : of all structures in the file, for the message.
    """
    if "both" not in masks and len(masks) == 1:
        drawn, other = ("left", "right") if "left" in masks else ("right", "left")
        raise refusal("one lung missing", drawn, other, ", ".join(names))
    return np.bitwise_or.reduce(list(masks.values()))


def check_series(volume, series, frames):
    """Refuse an object made on another series; notes where it does not say.

    series, frames : SeriesInstanceUIDs and FrameOfReferenceUIDs that the object refers to.
    """
    own_series = volume.identity.get("series_uid", "")
    own_frame = volume.identity.get("frame_of_reference_uid", "")
    series, frames = set(series) - {""}, set(frames) - {""}
    pairs = (("series", series, own_series), ("frame of reference", frames, own_frame))
    for what, stated, own in pairs:
        if stated and own and own not in stated:
            raise refusal("another series", what)
    if series and own_series:
        return []
    if frames and own_frame:
        return ["It names no series: that it belongs here rests on its frame of reference alone."]
    raise refusal("nothing referred to")


def check_images(volume, structures, keyword):
    """Refuse a structure drawn on other images than the volume's alone; notes where some are.

    structures : name -> items, in whose sequence `keyword` its images stand, if anywhere. Nothing
    is said where the volume's files are gone.
    """
    paths = [path for path in dict.fromkeys(map(Path, volume.files)) if path.is_file()]
    own, notes = None, []
    for name, entries in structures.items():
        images = [image for entry in entries for image in items(entry, keyword)]
        images = set(uids(images, "ReferencedSOPInstanceUID")) - {""}
        if images and own is None:
            headers = [read_header(path, path.name) for path in paths]
            own = {header.facts.instance_uid for header in headers if header}
        if images and own and not images & own:
            raise refusal("other images", name, len(images))
        if own and images - own:
            notes.append(f"“{name}” refers to {len(images - own)} images that were not loaded.")
    return notes


def uids(datasets, keyword="SeriesInstanceUID"):
    """Values of a UID element in a list of data sets, cut after the 64 characters of a UID."""
    return [text(dataset, keyword)[:64] for dataset in datasets]
