"""The plan: every configuration is its own, and other data are what they are called."""

import dataclasses

import numpy as np
import pytest

from utils.anatomy.body import AIR
from utils.cases import Pair
from utils.dataset import Split
from utils.losses import CombinedLoss, loss_from_settings
from utils.studies import plan as study_plan


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


def patient():
    """A body of 30 HU with two lungs on a couch, all boxes; spacing 2 mm."""
    hu = np.full((8, 64, 64), -1000, np.int16)
    hu[:, 10:50, 8:56] = 30
    hu[:, 56:58, 4:60] = 0
    mask = np.zeros(hu.shape, np.uint8)
    mask[1:7, 18:40, 14:28] = mask[1:7, 18:40, 36:50] = 1
    hu[mask > 0] = -850
    return hu, mask


def test_other_data_are_what_they_are_called():
    hu, mask = patient()
    pairs = {name: Pair(hu, mask, (5.0, 2.0, 2.0)) for name in "abcd"}
    split = Split(train=("a", "b"), validation=("c",), test=("d",))
    data = study_plan.other_data(pairs, split)
    _, air, same_split = data["without couch"]
    assert same_split == split
    assert (air["a"].hu[:, 56:58] == AIR).all()  # the couch
    assert (air["a"].hu[mask > 0] == -850).all()
    assert data["half the patients"][2].train == ("a",)
    _, weak, _ = data["labels by threshold"]
    overlap = (weak["a"].mask & mask).sum() / mask.sum()
    assert overlap > 0.9
    assert weak["c"].mask is mask and weak["d"].mask is mask  # nobody is scored on weak labels
