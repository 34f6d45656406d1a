"""Hyper-parameters of a training run: one frozen record and its named presets."""

import ast
import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

from utils.errors import InputError


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
        """Raise InputError for a size that the levels cannot halve, down to 2 x 2 px.

        Of a single pixel, batch normalisation has no spread.
        """
        step = 2 ** (self.levels - 1)
        if self.image_size % step or self.image_size < 2 * step:
            raise InputError(
                f"image_size is {self.image_size} px, expected a multiple of {step} px, at least "
                f"{2 * step}: a network of {self.levels} levels halves it {self.levels - 1} times. "
                f"Take {max(2, round(self.image_size / step)) * step}, or change levels."
            )


TABLES = tomllib.loads((Path(__file__).parent / "presets.toml").read_text(encoding="utf-8"))
PRESETS = {name: Settings(**changes) for name, changes in TABLES.items()}


def preset(name: str, **changes: Any) -> Settings:
    """The preset of this name, with some fields changed. Raises InputError for an unknown name."""
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return dataclasses.replace(PRESETS[name], **changes)


def fields(text: str) -> dict[str, Any]:
    """Fields of Settings written as "name=value name=value": for `preset(name, **fields(text))`.

    Values are written as in Python, texts without quotes: "epochs=3 schedule=none flip_rows=True".
    Raises InputError for a name that Settings do not have, or a value of another type.
    """
    found = {}
    kinds = {field.name: field.type for field in dataclasses.fields(Settings)}
    for part in text.split():
        name, _, value = part.partition("=")
        if name not in kinds:
            raise InputError(
                f"There is no setting {name!r} (in {text!r}); choose from {', '.join(kinds)}."
            )
        found[name] = _of_kind(name, value, kinds[name])
    return found


def _of_kind(name, text, kind):
    """The value that a text writes for a field of Settings."""
    if kind is str:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if kind is float and type(value) is int:
        return float(value)
    ends = list(map(type, value)) if type(value) is tuple else []
    window = len(ends) == 2 and set(ends) <= {int, float}
    if not (window if kind not in (int, float, bool) else type(value) is kind):
        raise InputError(f"{name}={text} cannot be: expected {getattr(kind, '__name__', kind)}.")
    return value


def settings_to_json(settings: Settings) -> str:
    """Settings as JSON text."""
    return json.dumps(dataclasses.asdict(settings), indent=1)


def settings_from_json(text: str) -> Settings:
    """Settings from JSON text; fields that are not there take their defaults.

    Raises InputError when the text is no JSON, has no window, or has a field of another version.
    """
    try:
        values = json.loads(text)
        values["window"] = tuple(float(bound) for bound in values["window"])
        return Settings(**values)
    except (ValueError, TypeError, KeyError) as error:  # an InputError of Settings is one too
        raise InputError(
            f"These settings cannot be read ({error}); they were written by another version or "
            "damaged. Train the run again (notebook 03)."
        ) from error
