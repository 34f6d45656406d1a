"""The public collection of the 2017 Lung CT Segmentation Challenge."""

from utils.datasets.lctsc.making import make_dataset

__all__ = ["make_dataset"]
