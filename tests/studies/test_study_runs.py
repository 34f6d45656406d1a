"""Networks and data sets of the benchmarks that train beside the loss study."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import loss_study, modalities, study_runs
from benchmarks.unnormalised_unet import unnormalised_unet
from studies.images.dataset import ImageDataset
from studies.images.pairs import Picture
from utils.anatomy.body import AIR
from utils.cases import Pair
from utils.dataset import Split
from utils.settings import Settings
from utils.unet import build_unet

TINY = Settings(image_size=16, width=4, levels=2, dropout=0, epochs=1, batch_size=4)


def test_without_normalisation_it_is_the_same_network_with_a_bias_more():
    """Normalisation by mean 0 and variance 1, as it is at first, changes nothing but by 1e-5."""
    ours, bare = build_unet(TINY).eval(), unnormalised_unet(TINY).eval()
    assert not [m for m in bare.modules() if isinstance(m, nn.BatchNorm2d)]
    images = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(bare(images), ours(images), rtol=1e-3, atol=1e-4)
    biases = [m.bias for m in bare.modules() if isinstance(m, nn.Conv2d)]
    assert all(bias is not None and bias.requires_grad for bias in biases)


def test_another_network_is_trained_in_the_place_of_ours():
    data = ImageDataset(pictures("Case_000_view0", "Case_001_view0"), 16)
    model = study_runs.trained(TINY, data, data, unnormalised_unet)
    assert not model.training and not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not torch.equal(model.last.weight, unnormalised_unet(TINY).last.weight)


def pictures(*names):
    """Pictures whose left half is dark and of class 1, on bright ground."""
    image = np.full((16, 16), 200, np.uint8)
    image[:, :8] = 20
    return [Picture(name, image, (image < 100).astype(np.uint8)) for name in names]


def test_repeated_pictures_come_equally_often_or_once_more():
    assert modalities.repeated(["a", "b", "c"], 7) == ["a", "b", "c", "a", "b", "c", "a"]
    assert modalities.repeated(["a", "b", "c"], 2) == ["a", "b"]


class Dark(nn.Module):
    """Calls the dark half lung, and an eighth of the picture beside it."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        logits = 0.5 - x
        logits[..., 8:10] = 1
        return logits


def test_iou_of_lungs_is_a_mean_over_the_pictures_of_each_patient(monkeypatch):
    monkeypatch.setattr(modalities, "SIZE", 16)
    shown = pictures("Case_000_view0", "Case_000_view1", "Case_001_view0")
    shown[1].truth[:, 8:10] = 1  # what is called lung beside the dark half is lung here
    iou = modalities.lungs_iou(Dark(), shown)
    assert iou.index.tolist() == ["Case_000", "Case_001"]
    assert iou.tolist() == pytest.approx([0.9, 0.8])  # 8 of 10 columns, but for the second


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
    data = loss_study.other_data(pairs, split)
    _, air, same_split = data["without couch"]
    assert same_split == split
    assert (air["a"].hu[:, 56:58] == AIR).all()  # the couch
    assert (air["a"].hu[mask > 0] == -850).all()
    assert data["half the patients"][2].train == ("a",)
    _, weak, _ = data["labels by threshold"]
    overlap = (weak["a"].mask & mask).sum() / mask.sum()
    assert overlap > 0.9
    assert weak["c"].mask is mask and weak["d"].mask is mask  # nobody is scored on weak labels
