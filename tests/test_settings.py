"""Presets and their way to JSON and back."""

import pytest

from utils.errors import InputError
from utils.settings import PRESETS, preset, settings_from_json, settings_to_json


@pytest.mark.parametrize("name", PRESETS)
def test_settings_survive_json(name):
    assert settings_from_json(settings_to_json(preset(name))) == PRESETS[name]


def test_the_coursework_preset_is_the_first_report():
    report = PRESETS["coursework"]
    assert (report.image_size, report.batch_size, report.epochs) == (512, 3, 10)
    assert (report.learning_rate, report.beta, report.dsc_threshold) == (0.01, 0.7, 1310)
    assert (report.dropout, report.width * 2 ** (report.levels - 1)) == (0.5, 128)


def test_settings_of_an_older_run_can_be_read():
    """Fields that it did not know take the values that it ran with."""
    old = settings_from_json('{"window": [-1000, 400], "width": 8}')
    assert (old.width, old.classes, old.loss, old.optimiser) == (8, 1, "combined", "adam")
    assert old.pixel_size == 0  # slices were squeezed into the square


def test_a_preset_with_changes_and_an_unknown_one():
    assert preset("quick", epochs=2).epochs == 2
    with pytest.raises(InputError, match="no preset 'quik'; choose one of quick, coursework"):
        preset("quik")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"window": [0, 1], "warp": 9}', '{"window": 3}'])
def test_unreadable_settings(text):
    with pytest.raises(InputError, match="settings cannot be read"):
        settings_from_json(text)
