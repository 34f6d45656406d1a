"""Presets and their way to JSON and back."""

import pytest

from utils.errors import InputError
from utils.settings import PRESETS, fields, preset, settings_from_json, settings_to_json


@pytest.mark.parametrize("name", PRESETS)
def test_settings_survive_json(name):
    assert settings_from_json(settings_to_json(preset(name))) == PRESETS[name]


@pytest.mark.parametrize(
    ("name", "rate", "beta", "loss", "split"),
    [
        ("vrikkis2024", 0.01, 0.7, "combined_sum", "random8"),
        ("purvis2024", 0.1, 0.5, "combined", "first8"),
    ],
)
def test_the_reports_presets_are_true_to_them(name, rate, beta, loss, split):
    report = PRESETS[name]
    assert (report.image_size, report.pixel_size, report.batch_size) == (512, 0, 3)
    assert (report.epochs, report.optimiser, report.schedule) == (10, "adam", "none")
    assert (report.learning_rate, report.beta, report.dsc_threshold) == (rate, beta, 1310)
    assert (report.dropout, report.width * 2 ** (report.levels - 1)) == (0.5, 128)
    assert (report.loss, report.split, report.keep) == (loss, split, "last")
    assert report.early_stopping == 0 and report.brightness == report.rotate == 0


def test_fields_from_the_command_line():
    text = "epochs=3 schedule=none learning_rate=1 flip_rows=True window=(-1000,100.5)"
    found = fields(text)
    assert found == {
        "epochs": 3,
        "schedule": "none",
        "learning_rate": 1.0,
        "flip_rows": True,
        "window": (-1000, 100.5),
    }
    assert isinstance(found["learning_rate"], float) and fields("") == {}
    assert preset("quick", **found).flip_rows is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch=3", "There is no setting 'epoch'.*choose from split, image_size"),
        ("epochs", "epochs is '', expected whole from 1 to 100000"),
        ("epochs=3.5", "epochs is 3.5, expected whole"),
        ("epochs=True", "epochs is True, expected whole"),
        ("beta=half", "beta is 'half', expected number from 0 to 1"),
        ("flip_rows=1", "flip_rows is 1, expected one of false true"),
        ("window=(1,'a')", "window.1 is 'a', expected number"),
        ("beta=__import__('os')", "expected number"),
        ("image_size=-5", "image_size is -5, expected whole"),
        ("levels=0", "levels is 0, expected whole from 1"),
        ("width=-2", "width is -2, expected whole from 1"),
        ("window=(400,-1000)", r"window \(400.0, -1000.0\) is turned round"),
        ("keep=all", "keep is 'all', expected one of best last"),
        ("learning_rate=1e999", "learning_rate is inf, expected number"),
        ("learning_rate=0", "learning_rate is 0.0, expected number from 1e-12"),  # learns nothing
        ("dropout=1", "dropout is 1.0, expected number from 0 to 0.99"),  # nothing is left
        ("momentum=1", "momentum is 1.0, expected number from 0 to 0.9999"),  # nothing fades
    ],
)
def test_fields_that_cannot_be(text, said):
    with pytest.raises(InputError, match=said):
        preset("quick", **fields(text))


def test_settings_of_an_older_run_can_be_read():
    """Fields that it did not know take the values that it ran with."""
    old = settings_from_json('{"window": [-1000, 400], "width": 8}')
    assert (old.width, old.classes, old.loss, old.optimiser) == (8, 1, "combined", "adam")
    assert old.pixel_size == 0  # slices were squeezed into the square


def test_a_preset_with_changes_and_an_unknown_one():
    assert preset("quick", epochs=2).epochs == 2
    with pytest.raises(InputError, match="no preset 'quik'; choose one of quick, vrikkis2024"):
        preset("quik")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"window": [0, 1], "warp": 9}', '{"window": 3}'),
        *('{"window": [400, -1000]}', '{"window": [NaN, 400]}', '{"window": [0, 1, 2]}'),
        *('{"window": [0, 1], "image_size": "128"}', '{"window": [0, 1], "image_size": 17.5}'),
        *('{"window": [0, 1], "image_size": -5}', '{"window": [0, 1], "beta": 1e999}'),
        *('{"window": [0, 1], "epochs": true}', '{"window":' * 9000, '{"window": [0, "1"]}'),
    ],
    ids=lambda text: text[:40],
)
def test_unreadable_settings(text):
    with pytest.raises(InputError, match="settings cannot be read"):
        settings_from_json(text)


@pytest.mark.parametrize(
    ("size", "levels", "fitting"), [(100, 4, 96), (101, 4, 104), (8, 4, 16), (4, 1, None)]
)
def test_a_size_that_the_network_cannot_halve_is_refused_when_settings_are_made(
    size, levels, fitting
):
    """Three halvings of 100 px leave 12.5; of 8 px they leave one, whose spread is no number."""
    if fitting is None:
        assert preset("quick", image_size=size, levels=levels).image_size == size
        return
    step = 2 ** (levels - 1)
    found = rf"{size} px, expected a multiple of {step} px, at least {2 * step}: .*Take {fitting}"
    with pytest.raises(InputError, match=found):
        preset("quick", image_size=size, levels=levels)
    text = settings_to_json(PRESETS["quick"]).replace('"image_size": 128', f'"image_size": {size}')
    with pytest.raises(InputError, match=r"cannot be read \(image_size is"):
        settings_from_json(text)
    preset("quick", image_size=fitting, levels=levels)
