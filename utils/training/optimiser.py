"""The optimiser and the learning rate's schedule that the settings name."""

import torch
from torch.optim import lr_scheduler

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


def build_optimiser(weights, settings):
    """The optimiser of these settings."""
    own = {"momentum": settings.momentum} if settings.optimiser == "rmsprop" else {"fused": True}
    rates = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    return OPTIMISERS[settings.optimiser](weights, **rates, **own)


class Schedule:
    """How the learning rate goes: asked after each step and after each epoch.

    `onecycle` rises for three tenths of all steps and falls to nearly nothing (Smith and Topin
    2018, arXiv:1708.07120); `plateau` divides the rate by ten when the validation loss has
    not fallen for `patience` epochs; `none` leaves it.
    """

    def __init__(self, optimiser, settings, steps_per_epoch):
        if settings.schedule == "onecycle":
            self.inner = lr_scheduler.OneCycleLR(
                optimiser, settings.learning_rate, total_steps=settings.epochs * steps_per_epoch
            )
        elif settings.schedule == "plateau":
            self.inner = lr_scheduler.ReduceLROnPlateau(optimiser, patience=settings.patience)
        else:
            self.inner = lr_scheduler.ConstantLR(optimiser, factor=1)

    def after_step(self):
        """To be called after each step of the optimiser."""
        if isinstance(self.inner, lr_scheduler.OneCycleLR):
            self.inner.step()

    def after_epoch(self, validation_loss):
        """To be called after each epoch with its validation loss."""
        if isinstance(self.inner, lr_scheduler.ReduceLROnPlateau):
            self.inner.step(validation_loss)
