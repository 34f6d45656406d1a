"""Sets of image/mask pairs: which mask belongs to which picture, and are they sound?

    <set>/images/<name>.png         PNG or TIFF, 8 or 16 bits, grey
    <set>/masks/<name>.png          or <name>_mask.png; 0/1, 0/255 or a map of labels

The folders of the public sets are known too: `CXR_png` with `mask` (Shenzhen), `CXR_png` with
`ManualMask/leftMask` and `rightMask` (Montgomery), `2d_images` with `2d_masks` (Kaggle).
"""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from studies.images.files import SUFFIXES, read_grey
from utils.anatomy import LEFT, RIGHT
from utils.errors import InputError
from utils.workspace import workspace

IMAGE_FOLDERS = ("images", "CXR_png", "2d_images")
# for each layout the folders that hold a mask of every picture: one, or left and right lung
SIDES = ("leftMask", "rightMask")
MASK_FOLDERS = ("masks",), ("mask",), ("2d_masks",), SIDES, tuple(f"ManualMask/{s}" for s in SIDES)
NO_PICTURES = (".txt", ".md", ".csv", ".json", ".xml", ".db", ".ini")  # lie about, and may
# picture -> patient, where a collection tells it in its table and not by the names
TABLE = Path(__file__).with_name("patients.csv").read_text("utf-8")
RANDOM_NAMES = dict(row.split(",") for row in TABLE.split()[1:])
SHOWN = 20  # problems listed in one message; the number of all is told


@dataclasses.dataclass(frozen=True)
class Pair:
    """A picture and the files of its mask: one, or the left lung's and the right lung's."""

    name: str
    image: Path
    masks: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A pair that has been read."""

    name: str
    image: np.ndarray  # [rows, cols] as stored: uint8, uint16, …
    truth: np.ndarray  # uint8 [rows, cols], class of each pixel


def image_folder(dataset: Path | str) -> Path:
    """Folder of an image set, given by name (`data/<name>`) or path; InputError if none."""
    for folder in (workspace() / "data" / dataset, workspace() / dataset, Path(dataset)):
        if any((folder / name).is_dir() for name in IMAGE_FOLDERS):
            return folder.resolve()
    raise InputError(
        f"There is no image set {dataset!r}: neither a name under data/ nor a path to a folder "
        "that holds images/ and masks/. `python -m studies.synthetic` makes the embedded "
        "sets; data/README.md says where the public ones are had."
    )


def patient_of(name: str) -> str:
    """The patient whom a file's name tells, or else the name itself.

    `Case_003_z045`, `P7_view2`, `p-day35-PA` and `person1_virus_6` end in a slice, a view, a time
    or a picture of their patient: what comes before is the same person. So it is with `IM-0011`
    of `IM-0011-0001` (Kermany et al. 2018), and taken to be with figures of one paper, `x_Fig3`.
    Random names are looked up in patients.csv: of the COVID-19 image repository (Winther et al.).
    """
    mark = r"[_-](?:(?:z|slice|view|day|fig|virus|bacteria)[_-]?\d+|admission|\d+[_-]hours?"
    mark += r"|(?<=^IM-\d{4}-)\d{4})(?:[_-].*)?$"
    return RANDOM_NAMES.get(name) or re.sub(mark, "", name, flags=re.IGNORECASE) or name


def find_pairs(dataset):
    """Pair pictures with masks by name, in order of name: a list of `Pair`.

    Raises one InputError that lists every picture without mask, mask without picture, name
    with two files and file that cannot be a picture. Nothing is passed over but the small
    files that systems and people leave behind (hidden ones, texts, tables).
    """
    folder, problems = image_folder(dataset), []
    beside = next(name for name in IMAGE_FOLDERS if (folder / name).is_dir())
    images = _by_name(folder / beside, problems)
    layout = next(
        (names for names in MASK_FOLDERS if all((folder / name).is_dir() for name in names)), None
    )
    if layout is None:
        raise InputError(f"{folder.name}: there is no folder masks/ beside the pictures' folder.")
    masks = [_by_name(folder / name, problems, images) for name in layout]
    for name in sorted(images):
        missing = [where for where, found in zip(layout, masks, strict=True) if name not in found]
        problems += [f"{images[name].name} has no mask in {where}/" for where in missing]
    for found in masks:
        problems += [
            f"{found[n].name} is a mask without an image" for n in found if n not in images
        ]
    if not images and not problems:
        problems = ["there is no picture in it"]
    _refuse(folder, problems)
    return [
        Pair(name, images[name], tuple(found[name] for found in masks)) for name in sorted(images)
    ]


def load_pictures(dataset: Path | str, classes: dict[int, int] | None = None) -> list[Picture]:
    """Read and check all pairs of a set: a list of `Picture`, in order of name.

    classes : value in the mask -> class, for maps of labels; with {0: 0, 1: 1, 2: 1, 3: 0} the
    values 1 and 2 become class 1. Without it a binary mask is due: bool, 0/1 or 0/255. Masks of
    left and right lung are merged, into their union or into the labels LEFT and RIGHT
    (should they overlap, the left one is kept).
    Raises one InputError that lists every file that is unreadable, of another size than its
    image, or of other values; nothing is resized, mended or left out to make it fit.
    """
    pairs, pictures, problems = find_pairs(dataset), [], []
    for pair in tqdm(pairs, desc="pictures", unit="pair", leave=False):
        try:
            image = read_grey(pair.image)
            if image.dtype == bool:
                raise InputError(f"{pair.image.name} is black and white, expected shades of grey")
            pictures.append(Picture(pair.name, image, _truth(pair, image.shape, classes)))
        except InputError as problem:
            problems.append(str(problem))
    _refuse(image_folder(dataset), problems)
    return pictures


def integrity_table(pictures: Iterable[Picture]) -> pd.DataFrame:
    """What was found in each pair: size, type and range of the image, share of each class."""
    rows = []
    for picture in pictures:
        name, image = picture.name, picture.image
        row = {"name": name, "patient": patient_of(name)}
        row |= {"rows": image.shape[0], "cols": image.shape[1], "type": str(image.dtype)}
        row |= {"least": image.min(), "greatest": image.max()}
        shares = np.bincount(picture.truth.ravel()) / picture.truth.size
        row |= {f"class {number} / %": 100 * share for number, share in enumerate(shares)}
        rows.append(row)
    return pd.DataFrame(rows).fillna(0)


def _by_name(folder, problems, images=None):
    """Files of a folder by the name of the picture they belong to; adds to `problems`.

    images : given for a folder of masks, where `<name>_mask` belongs to `<name>` too.
    """
    found = defaultdict(list)
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() in NO_PICTURES:
            continue
        if file.is_dir() or file.suffix.lower() not in SUFFIXES:
            kind = "a folder" if file.is_dir() else "neither PNG nor TIFF"
            problems.append(f"{folder.name}/{file.name} is {kind}")
            continue
        name = file.stem
        if images is not None and name not in images:
            name = name.removesuffix("_mask")
        found[name].append(file)
    problems += [
        f"{folder.name}/ holds {' and '.join(file.name for file in files)} of one name"
        for files in found.values()
        if len(files) > 1
    ]
    return {name: files[0] for name, files in found.items()}


def _truth(pair, shape, classes):
    """Class of each pixel, uint8, from the mask or the two masks of a pair."""
    masks = []
    for file in pair.masks:
        masks.append(read_grey(file))
        if masks[-1].shape != shape:
            found, expected = (" x ".join(map(str, size)) for size in (masks[-1].shape, shape))
            raise InputError(f"{file.name} has {found} pixels, but its image {expected}")
    if len(masks) == 1:
        return to_classes(masks[0], classes, pair.masks[0].name)
    left, right = (to_classes(m, None, f.name) for m, f in zip(masks, pair.masks, strict=True))
    if classes is None:
        return left | right
    merged = np.where(left, LEFT, right * RIGHT)
    return to_classes(merged, classes, pair.masks[0].name)


def to_classes(mask, classes, name):
    """Map a mask's values to classes, uint8; InputError when it holds others than expected.

    classes : value -> class, or None where a binary mask is due. name : for the message.
    """
    values = np.unique(mask)
    expected = ", ".join(map(str, classes)) if classes else "0 and 1, or 0 and 255"
    if classes is None:
        classes = {0: 0, 255 if 255 in values else 1: 1}
    if set(values.tolist()) <= set(classes):
        table = np.zeros(max(classes) + 1, np.uint8)
        table[list(classes)] = list(classes.values())
        return table[mask.astype(np.intp)]
    found = ", ".join(f"{value:g}" for value in values[:6]) + (" …" if len(values) > 6 else "")
    raise InputError(f"{name} holds the values {found}; expected {expected}")


def _refuse(folder, problems):
    """One InputError for a list of problems, if there are any."""
    if problems:
        listed = "; ".join(problems[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError(
            f"{folder.name}: {len(problems)} problem(s) in its pairs: {listed}{more}. Mend or move "
            "these files and start again; nothing was left out and nothing was written."
        )
