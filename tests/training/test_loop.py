"""The trainer: any network, which weights are kept, a run that was cut off."""

from dataclasses import replace

import pytest
import torch
from kill_training import SETTINGS, SPLIT, sets
from torch import nn

from utils.errors import InputError
from utils.training import loop, run
from utils.training.loop import Trainer
from utils.unet import build_unet

TINY = replace(SETTINGS, epochs=4, brightness=0.3)


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
    trainer = finished(replace(TINY, epochs=1), Averages())
    assert isinstance(trainer.finished_model(), Averages) and len(trainer.history) == 1


def test_compiling_has_to_pay_in_the_epochs_that_are_left(monkeypatch):
    asked = []
    monkeypatch.setattr(loop.runtime, "pays_to_compile", lambda _, *rest: asked.append(rest))
    trainer = Trainer(build_unet(TINY), TINY, *sets())
    trainer.history = [{"seconds": 7.0}]
    trainer.compile_if_it_pays()
    assert asked == [(7.0, 3)]  # of four epochs one is over


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


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_run_cut_off_anywhere_ends_as_an_unbroken_one(tmp_path, cut):
    settings = replace(TINY, keep="last")
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
