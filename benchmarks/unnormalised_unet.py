"""What batch normalisation brings: our U-Net without it, trained just as notebook 05 trains ours.

    python -m benchmarks.unnormalised_unet          a minute on one core

Notebook 05 shows the result, benchmarks/results/unnormalised_unet.csv.
"""

import torch
from torch import nn

import studies
from benchmarks.loss_study import publish
from benchmarks.results import FOLDER
from benchmarks.study_runs import compute_as_the_study, phantom_sets, runs_of
from utils.unet import ConvBlock, build_unet

NAME = "U-Net without batch normalisation, 0.5 BCE + 0.5 Dice"


def unnormalised_unet(settings):
    """Our U-Net of the same first weights, a bias in the place of each normalisation."""
    model = build_unet(settings)
    blocks = [module for module in model.modules() if isinstance(module, ConvBlock)]
    for block in blocks:
        for i, layer in enumerate(block):
            if isinstance(layer, nn.BatchNorm2d):
                block[i] = nn.Identity()
                block[i - 1].bias = nn.Parameter(torch.zeros(layer.num_features))
    return model


def main():
    compute_as_the_study()
    scores = runs_of(NAME, studies.SMALL, unnormalised_unet, *phantom_sets())
    publish(scores, FOLDER / "unnormalised_unet.csv", "torch")


if __name__ == "__main__":
    main()
