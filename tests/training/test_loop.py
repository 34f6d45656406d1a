"""The trainer: any network, settling, which weights are kept, statistics taken anew."""

from dataclasses import replace

import pytest
import torch
from kill_training import SETTINGS, SPLIT, sets
from safetensors.torch import load_file
from torch import nn

from utils.errors import InputError
from utils.training import loop, run
from utils.training.loop import Trainer, renew_statistics
from utils.unet import build_unet

TINY = replace(SETTINGS, epochs=2, settling_epochs=2, settling_rate=1e-3, brightness=0.3)


class Averages(nn.Module):
    """Not a U-Net at all: a convolution of one weight, and normalisation."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(0.5), nn.BatchNorm2d(1))

    def forward(self, x):
        return self.body(x)


def finished(settings, model=None):
    """A trainer that has run all of its epochs."""
    trainer = Trainer(build_unet(settings) if model is None else model, settings, *sets())
    while not trainer.is_over():
        trainer.run_epoch()
    return trainer


def test_any_network_is_trained():
    trainer = finished(replace(TINY, epochs=1, settling_epochs=0), Averages())
    assert isinstance(trainer.finished_model(), Averages) and len(trainer.history) == 1


def test_settling_goes_on_at_its_own_rate_without_changed_intensities(monkeypatch):
    seen, learn = [], loop.learn

    def watched(model, loader, loss, optimiser, settings, after_step):
        seen.append((settings.brightness, settings.noise, settings.blur, settings.rotate))
        return learn(model, loader, loss, optimiser, settings, after_step)

    monkeypatch.setattr(loop, "learn", watched)
    trainer = finished(TINY)
    assert [row["epoch"] for row in trainer.history] == [1, 2, 3, 4]
    assert seen == [(0.3, 0.1, 0.0, 10)] * 2 + [(0.0, 0.0, 0.0, 10)] * 2
    # a cycle begins with a 25th of its rate (torch's OneCycleLR)
    rates = [row["learning_rate"] for row in trainer.history]
    assert rates[0] == pytest.approx(TINY.learning_rate / 25)
    assert rates[2] == pytest.approx(TINY.settling_rate / 25)
    # it goes on from the weights it had
    assert trainer.history[2]["train_loss"] < trainer.history[0]["train_loss"]


def test_settling_has_a_schedule_as_long_as_it_is():
    trainer = Trainer(build_unet(TINY), replace(TINY, epochs=4, settling_epochs=3), *sets())
    assert trainer.schedule.inner.total_steps == 4 * len(trainer.loader)
    trainer.settle()
    assert trainer.schedule.inner.total_steps == 3 * len(trainer.loader)


def test_compiling_has_to_pay_in_the_epochs_that_are_left(monkeypatch):
    asked = []
    monkeypatch.setattr(loop, "pays_to_compile", lambda _, *rest: asked.append(rest))
    trainer = Trainer(build_unet(TINY), TINY, *sets())
    trainer.history = [{"seconds": 7.0}]
    trainer.compile_if_it_pays()
    assert asked == [(7.0, 3)]  # of two epochs and two that settle, one is over


def test_weights_of_the_last_epoch_or_of_the_best(monkeypatch):
    losses, seen = iter((3.0, 1.0, 2.0, 4.0) * 2), []

    def measured(model, *_):
        seen.append(model.last.weight.detach().cpu().clone())
        return {"loss": next(losses), "accuracy": 0.5, "dsc": 0.5}

    monkeypatch.setattr(loop, "measure", measured)
    last = finished(replace(TINY, keep="last"))
    for name, value in last.model.state_dict().items():
        assert torch.equal(last.kept_weights[name], value.cpu())
    seen.clear()
    best = finished(replace(TINY, keep="best"))
    assert torch.equal(best.kept_weights["last.weight"], seen[1])
    assert not torch.equal(seen[1], seen[3])
    with pytest.raises(InputError, match="keep is 'first'"):
        finished(replace(TINY, keep="first"))


def test_renewed_statistics_are_those_of_unchanged_slices_without_dropout():
    model, (data, _) = Averages(), sets()
    trainer = Trainer(model, TINY, data, data)
    renew_statistics(model, trainer.loader)
    images, _ = data.__getitems__(range(len(data)))
    with torch.no_grad():
        maps = model.body[0](images)
    norm = model.body[2]
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), rtol=0.01, atol=1e-3)
    # bfloat16, where it is used, has eight bits. Variances are those of each batch, averaged: what
    # the means of batches differ by is not in them
    assert 0.5 * maps.var() < norm.running_var.item() <= 1.001 * maps.var()
    assert not model.training and norm.momentum == 0.1


def test_a_run_that_settles_writes_what_it_returns(tmp_path):
    settings = replace(TINY, keep="last", renew_statistics=True)
    model, history = run.train(settings, SPLIT, *sets(), tmp_path)
    assert len(history) == 4
    written, before = (load_file(tmp_path / f"{n}.safetensors") for n in ("model", "last"))
    for name, value in model.state_dict().items():
        assert torch.equal(value.cpu(), written[name])
    assert torch.equal(written["last.weight"], before["last.weight"])
    assert not torch.equal(written["first.1.running_mean"], before["first.1.running_mean"])


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_run_cut_off_anywhere_ends_as_an_unbroken_one(tmp_path, cut):
    """Also at the last epoch before it settles, and within the settling epochs."""
    settings = replace(TINY, keep="last", renew_statistics=True)
    whole, _ = run.train(settings, SPLIT, *sets(), tmp_path / "whole")

    def stop(history):
        if len(history) == cut:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(settings, SPLIT, *sets(), tmp_path / "cut", on_epoch=stop)
    resumed, history = run.train(settings, SPLIT, *sets(), tmp_path / "cut")
    assert len(history) == 4
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
