"""Hyper-parameters of a training run: one frozen record and its named presets."""

import ast
import dataclasses
import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from utils.errors import InputError, about, refusals, refused
from utils.records import check, parsed, read_record

refusal = refusals(__file__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that decides what a training run computes, besides the data.

    Written beside the weights as `settings.json`, so that a run can be read back and repeated.
    """

    split: str = "thirds"  # of the patients; or first8, random8: see dataset.split_cases
    # what the network sees
    image_size: int = 128  # px; side of the square that the network sees
    # mm; every slice is resampled to it, then padded or cropped, see utils/scale.py. 0: the whole
    # slice is squeezed into the square, which is right where all fields of view are the same
    pixel_size: float = 0.0
    window: tuple[float, float] = (-1000.0, 400.0)  # HU mapped to 0 and 1, clipped outside
    body_only: bool = False  # couch and clothes replaced by air, see anatomy.body_in_air
    classes: int = 1  # 1: lung or not; more: label maps, the background counted
    # the network
    width: int = 16  # channels of the first level, doubled at each level below
    levels: int = 4  # resolutions, the bottleneck included: 16-32-64-128
    widest: int = 0  # channels at most, however deep; 0 sets no bound
    dropout: float = 0.1  # probability, after each pooling
    # the loss
    loss: str = "combined"  # see losses.loss_from_settings
    beta: float = 0.5  # weight of binary cross-entropy; soft Dice gets 1 - beta
    dsc_threshold: float = 1310.0  # px of a 512 x 512 slice; see losses.CombinedLoss
    # the loop
    batch_size: int = 8
    epochs: int = 10
    optimiser: str = "adam"  # adam, adamw or rmsprop
    learning_rate: float = 0.01
    momentum: float = 0.9  # of rmsprop alone
    weight_decay: float = 0.0  # L2 penalty; adamw's own decoupled form
    schedule: str = "onecycle"  # onecycle, plateau or none
    patience: int = 3  # plateau: epochs without a lower validation loss before a tenth of the rate
    clip_norm: float = 0.0  # longest gradient allowed; 0 is any
    early_stopping: int = 0  # epochs without a lower validation loss before the end; 0: never
    keep: str = "best"  # weights: of the epoch with the lowest validation loss, or of the "last"
    seed: int = 2024
    # augmentation of training slices, see utils/augment.py: the greatest change; 0 is none
    flip_rows: bool = False
    flip_columns: bool = False
    rotate: float = 0.0  # degrees
    shift: float = 0.0  # share of the side
    zoom: float = 0.0  # share: 0.1 draws from 90 % to 110 %
    shear: float = 0.0  # degrees
    brightness: float = 0.0  # of the range 0 to 1
    noise: float = 0.0  # standard deviation, of the range 0 to 1
    blur: float = 0.0  # standard deviation, px
    moved: float = 1.0  # share of the slices that are flipped, turned, moved, scaled and sheared
    lesions: float = 0.0  # share of the slices with emptier or denser lungs, and with a bulla
    cut: float = 0.0  # share of the slices whose field of view is cut
    crop: int = 0  # px; side of the square, out of each slice, that training sees; 0: all of it

    def __post_init__(self) -> None:
        """Raise InputError for a field of another type or out of its range (records.json).

        And for a window turned round, or a size that the levels cannot halve, down to 2 x 2 px:
        of a single pixel, batch normalisation has no spread.
        """
        with refused("These settings cannot be", "Choose what settings.py says.", ValueError):
            check(dataclasses.asdict(self), "settings")
        object.__setattr__(self, "window", tuple(map(float, self.window)))
        if self.window[0] >= self.window[1]:
            raise InputError(f"The window {self.window} is turned round: the lower end is first.")
        step = 2 ** (self.levels - 1)
        if self.image_size % step or self.image_size < 2 * step:
            near = max(2, round(self.image_size / step)) * step
            sizes = self.image_size, step, 2 * step, self.levels, self.levels - 1, near
            raise refusal("image size", *sizes)


TABLES = Path(__file__).with_name("training").joinpath("presets.toml").read_text("utf-8")
PRESETS = {name: Settings(**changes) for name, changes in tomllib.loads(TABLES).items()}


def preset(name: str, **changes: Any) -> Settings:
    """The preset of this name, with some fields changed. Raises InputError for an unknown name."""
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return dataclasses.replace(PRESETS[name], **changes)


def fields(text: str) -> dict[str, Any]:
    """Fields of Settings written as "name=value name=value": for `preset(name, **fields(text))`.

    Values are written as in Python, texts without quotes: "epochs=3 schedule=none flip_rows=True".
    Raises InputError for a name that Settings do not have; the values are checked by Settings.
    """
    found = {}
    kinds = {field.name: field.type for field in dataclasses.fields(Settings)}
    for part in text.split():
        name, _, value = part.partition("=")
        if name not in kinds:
            raise refusal("no setting", name, text, ", ".join(kinds))
        found[name] = value
        if kinds[name] is not str:
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                found[name] = ast.literal_eval(value)
        if kinds[name] is float and type(found[name]) is int:
            found[name] = float(found[name])
    return found


def settings_to_json(settings: Settings) -> str:
    """Settings as JSON text."""
    return json.dumps(dataclasses.asdict(settings), indent=1)


def settings_from_json(text: str) -> Settings:
    """Settings from JSON text; fields that are not there take their defaults.

    Raises InputError when the text is no JSON, has no window, a field of another version, or a
    value that cannot be.
    """
    try:
        return Settings(**parsed(text, "settings"))
    except ValueError as error:  # an InputError of Settings is one too
        raise refusal("other settings", error) from error


def read_settings(file: Path) -> Settings:
    """Settings from a JSON file; InputError that names it when it cannot be read."""
    with about(str(file), " Train the run again (notebook 03)."):
        return Settings(**read_record(file, "settings", ""))
