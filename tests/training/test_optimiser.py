"""Optimisers and schedules: the names lead where they say, and the rate goes as described."""

import pytest
import torch

from utils.errors import InputError
from utils.settings import Settings
from utils.training.optimiser import Schedule, build_optimiser


def weights():
    return [torch.nn.Parameter(torch.tensor([1.0]))]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)],
)
def test_names(name, kind):
    settings = Settings(optimiser=name, learning_rate=0.02, weight_decay=0.1, momentum=0.8)
    optimiser = build_optimiser(weights(), settings)
    assert type(optimiser) is kind
    assert optimiser.defaults["lr"] == 0.02 and optimiser.defaults["weight_decay"] == 0.1
    assert optimiser.defaults.get("momentum", 0.8) == 0.8


def test_rmsprop_with_momentum_and_decay_by_hand():
    """One step: v = 0.01 g², b = g / (√v + ε), w − lr · b, with g = 3 + 0.1 · w (L2)."""
    parameters = weights()
    settings = Settings(optimiser="rmsprop", learning_rate=0.02, weight_decay=0.1, momentum=0.8)
    optimiser = build_optimiser(parameters, settings)
    for _ in range(2):
        parameters[0].grad = torch.tensor([3.0])
        optimiser.step()
    w, v, b = 1.0, 0.0, 0.0
    for _ in range(2):
        g = 3 + 0.1 * w
        v = 0.99 * v + 0.01 * g**2
        b = 0.8 * b + g / (v**0.5 + 1e-8)
        w -= 0.02 * b
    assert parameters[0].item() == pytest.approx(w, rel=1e-5)


def rates(schedule_name, losses, steps_per_epoch=5):
    """The learning rate of each step, epoch after epoch with the validation losses given."""
    settings = Settings(schedule=schedule_name, patience=2, epochs=len(losses), learning_rate=0.1)
    optimiser = build_optimiser(weights(), settings)
    schedule = Schedule(optimiser, settings, steps_per_epoch)
    found = []
    for loss in losses:
        for _ in range(steps_per_epoch):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            if len(found) < steps_per_epoch * len(losses):
                schedule.after_step()
        schedule.after_epoch(loss)
    return found


def test_one_cycle_rises_for_three_tenths_and_falls_to_nothing():
    found = rates("onecycle", [1.0] * 20)
    assert max(found) == pytest.approx(0.1) and found.index(max(found)) == 29
    assert found[0] == pytest.approx(0.1 / 25) and found[-1] < 1e-5


def test_plateau_waits_and_divides_by_ten():
    found = rates("plateau", [1.0, 0.9, 0.9, 0.9, 0.9, 0.5, 0.4], 1)
    assert found == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_none_leaves_the_rate():
    assert set(rates("none", [1.0] * 4)) == {0.1}


def test_unknown_names_are_told():
    with pytest.raises(InputError, match="optimiser is 'adm', expected one of adam adamw rmsprop"):
        Settings(optimiser="adm")
    with pytest.raises(InputError, match="schedule is 'cosine', expected one of onecycle plateau"):
        Settings(schedule="cosine")
