"""Masks that come as DICOM objects: which structure is which lung, and of which series."""

import re
from collections.abc import Iterable

import numpy as np

from utils.dicom import text
from utils.errors import InputError

# Names of the lungs as clinics write them, as `plain_name` gives them
ALIASES = {
    **dict.fromkeys(
        "lung l|lung lt|lung left|l lung|lt lung|left lung|lungl|lunglt|lungleft|ltlung|leftlung"
        "|pulmo sin|pulmo sinister".split("|"),
        "left",
    ),
    **dict.fromkeys(
        "lung r|lung rt|lung right|r lung|rt lung|right lung|lungr|lungrt|lungright|rtlung"
        "|rightlung|pulmo dex|pulmo dexter".split("|"),
        "right",
    ),
    **dict.fromkeys(
        "lungs|both lungs|lungs both|lung both|lungs total|total lungs|total lung|lung total"
        "|bilateral lungs|lungs bilateral|lung bilateral|lung bilat".split("|"),
        "both",
    ),
}


def plain_name(name):
    """A structure's name in lower case, its separators as one space."""
    return re.sub(r"[\s_.,^()\-]+", " ", name.casefold()).strip()


def united(masks: dict[str, np.ndarray], names: Iterable[str]) -> np.ndarray:
    """Both lungs as one uint8 mask from `region -> mask`; InputError if one lung is missing.

    names : of all structures in the file, for the message.
    """
    if "both" not in masks and len(masks) == 1:
        drawn, other = ("left", "right") if "left" in masks else ("right", "left")
        raise InputError(
            f"only the {drawn} lung is there, expected the {other} one too. The structures are: "
            f"{', '.join(names)}. Add the missing one's name to ALIASES in utils/masks/names.py, "
            "or read the lungs apart"
        )
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
            raise InputError(
                f"drawn on {what} {', '.join(sorted(stated)[:3])}, but this is {own}. "
                "Fetch the file that belongs to this series"
            )
    if series and own_series:
        return []
    if frames and own_frame:
        return ["It names no series: that it belongs here rests on its frame of reference alone."]
    raise InputError(
        "it names neither the series nor the frame of reference that it was drawn on, so that "
        "it cannot be told whose it is. Export it again with its references"
    )


def uids(datasets, keyword="SeriesInstanceUID"):
    """Values of a UID element in a list of data sets, cut after the 64 characters of a UID."""
    return [text(dataset, keyword)[:64] for dataset in datasets]
