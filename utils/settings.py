"""Hyper-parameters of a training run: one frozen record and its named presets."""

import dataclasses
import json

from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that decides what a training run computes, besides the data.

    Written beside the weights as `settings.json`, so that a run can be read back and repeated.
    """

    # what the network sees
    image_size: int = 128  # px; slices are resampled to image_size x image_size
    window: tuple[float, float] = (-1000.0, 400.0)  # HU mapped to 0 and 1, clipped outside
    # the network
    width: int = 16  # channels of the first level, doubled at each level below
    levels: int = 4  # resolutions, the bottleneck included: 16-32-64-128
    dropout: float = 0.1  # probability, after each pooling
    # the loss
    beta: float = 0.5  # weight of binary cross-entropy; soft Dice gets 1 - beta
    dsc_threshold: float = 1310.0  # px of a 512 x 512 slice; see losses.CombinedLoss
    # the loop
    batch_size: int = 8
    epochs: int = 10
    learning_rate: float = 0.01  # Adam; annealed to zero along a half cosine
    seed: int = 2024


PRESETS = {
    # minutes on two CPU cores
    "quick": Settings(),
    # the first report: 512 x 512, batches of 3, Adam at 0.01, dropout 0.5, BCE weighted 0.7
    "coursework": Settings(image_size=512, batch_size=3, dropout=0.5, beta=0.7),
}


def preset(name, **changes):
    """The preset of this name, with some fields changed. Raises InputError for an unknown name."""
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return dataclasses.replace(PRESETS[name], **changes)


def to_json(settings):
    """Settings as JSON text."""
    return json.dumps(dataclasses.asdict(settings), indent=1)


def from_json(text):
    """Settings from JSON text. Raises InputError when fields are unknown, missing or not JSON."""
    try:
        fields = json.loads(text)
        fields["window"] = tuple(float(bound) for bound in fields["window"])
        return Settings(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"These settings cannot be read ({error}); they were written by another version or "
            "damaged. Train the run again (notebook 03)."
        ) from error
