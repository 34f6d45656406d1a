"""The plan: every configuration is its own, and the reports' losses are theirs."""

import dataclasses

import pytest

from studies import plan as study_plan
from utils.losses import CombinedLoss, loss_from_settings


def test_every_configuration_is_its_own_and_names_a_loss():
    plan = study_plan.FULL.values()
    settings = [dataclasses.replace(study_plan.SMALL, **changes) for changes in plan]
    assert len(set(settings)) == len(settings)
    for each in settings:
        loss_from_settings(each)  # refuses a name that there is not
    assert study_plan.REDUCED.items() <= study_plan.FULL.items()


def loss_of(name):
    return loss_from_settings(dataclasses.replace(study_plan.SMALL, **study_plan.FULL[name]))


def test_the_reports_losses_are_theirs():
    first = loss_of("0.7 BCE + 0.3 Dice, 1310 px")
    assert isinstance(first, CombinedLoss) and first.beta == 0.7 and not first.squared
    assert first.dsc_threshold == pytest.approx(1310 * (study_plan.SMALL.image_size / 512) ** 2)
    second = study_plan.FULL["0.5 BCE + 0.5 Dice, rate 0.1"]
    assert second["learning_rate"] == 0.1
    assert loss_of("0.5 BCE + 0.5 Dice, rate 0.1").squared
    assert loss_of("0.5 BCE + 0.5 Dice, rate 0.1").dsc_threshold == 0
