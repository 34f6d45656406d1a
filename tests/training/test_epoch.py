"""Metrics of an epoch against torchmetrics and `utils.overlap`, and the learning step."""

import pytest
import torch
from torchmetrics.functional.classification import jaccard_index, multiclass_accuracy
from torchmetrics.functional.segmentation import dice_score

from utils import losses
from utils.dataset import batches
from utils.overlap import dsc, predicted_labels
from utils.settings import Settings
from utils.training.epoch import batch_sums, epoch_means, learn, measure
from utils.training.optimiser import build_optimiser
from utils.unet import build_unet

TINY = Settings(image_size=16, width=4, levels=2, epochs=1, batch_size=4, dropout=0.0)


class Labelled:
    """A data set as others may bring it: images and label maps of stripes, gathered in batches."""

    def __init__(self, slices=10, classes=3):
        generator = torch.Generator().manual_seed(1)
        self.truths = torch.randint(classes, (slices, 1, 4, 4), generator=generator)
        self.truths = self.truths.repeat_interleave(4, 2).repeat_interleave(4, 3)
        noise = torch.rand(slices, 1, 16, 16, generator=generator)
        self.images = (self.truths + noise) / classes

    def __len__(self):
        return len(self.images)

    def __getitems__(self, indices):
        return self.images[indices], self.truths[indices]


def test_binary_metrics_against_evaluation():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 1, 8, 8, generator=generator)
    truths = (torch.rand(9, 1, 8, 8, generator=generator) > 0.7).float()
    truths[3] = 0
    parts = [
        batch_sums(torch.tensor(float(k)), logits[s], truths[s])
        for k, s in enumerate((slice(0, 4), slice(4, 8), slice(8, 9)))
    ]
    found = epoch_means(parts)
    lung = truths.flatten(1).any(1)
    assert found["loss"] == pytest.approx((0 * 4 + 1 * 4 + 2 * 1) / 9)
    assert found["accuracy"] == pytest.approx(((logits > 0) == truths.bool()).float().mean())
    assert found["dsc"] == pytest.approx(dsc(logits[:, 0] > 0, truths[:, 0])[lung.numpy()].mean())
    index = {"task": "multiclass", "num_classes": 2}
    assert found["iou"] == pytest.approx(jaccard_index(logits > 0, truths.long(), **index).item())


def test_label_metrics_against_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, 8, 8, generator=generator)
    labels = torch.randint(3, (6, 1, 8, 8), generator=generator)
    found = epoch_means([batch_sums(torch.tensor(0.5), logits, labels)])
    predicted = logits.argmax(1)
    assert torch.equal(predicted_labels(logits)[:, 0], predicted)
    expected = multiclass_accuracy(predicted, labels[:, 0], 3, average="micro")
    assert found["accuracy"] == pytest.approx(expected.item())
    score = dice_score(predicted, labels[:, 0], 3, input_format="index", average="none")
    assert found["dsc"] == pytest.approx(score.mean().item())
    index = jaccard_index(predicted, labels[:, 0], task="multiclass", num_classes=3)
    assert found["iou"] == pytest.approx(index.item())


def test_a_class_that_a_slice_does_not_hold_scores_nothing():
    labels = torch.zeros(1, 1, 2, 2)
    logits = torch.tensor([5.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert epoch_means([batch_sums(torch.tensor(0.0), logits, labels)])["dsc"] == 1
    nothing = epoch_means([batch_sums(torch.tensor(0.0), -logits[:, :1], labels)])
    assert nothing["accuracy"] == 1 and nothing["dsc"] != nothing["dsc"]
    assert nothing["iou"] == 1  # of the background, the one class that occurs


@pytest.mark.parametrize("loss", ["combined", "two_sided"])
def test_label_maps_are_learnt(loss):
    settings = Settings(**{**TINY.__dict__, "classes": 3, "loss": loss, "learning_rate": 0.02})
    model, data = build_unet(settings), Labelled()
    assert model.last.out_channels == 3
    minimised = losses.loss_from_settings(settings)
    optimiser = build_optimiser(model.parameters(), settings)
    before = measure(model, batches(data, 4), minimised)
    for _ in range(15):
        learn(model, batches(data, 4, shuffle=True), minimised, optimiser, settings)
    after = measure(model, batches(data, 4), minimised)
    assert after["loss"] < before["loss"] / 2 and after["dsc"] > 0.9 > before["dsc"]


def test_gradients_are_clipped():
    """Plain gradient descent at rate 1 moves the weights by the clipped norm at most."""
    settings = Settings(**{**TINY.__dict__, "clip_norm": 0.01})
    model, data = build_unet(settings), Labelled(4, 2)
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    before = torch.nn.utils.parameters_to_vector(model.parameters()).clone()
    learn(model, batches(data, 4), losses.loss_from_settings(settings), optimiser, settings)
    step = torch.nn.utils.parameters_to_vector(model.parameters()) - before
    assert step.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_even_odds_are_background_and_shares_are_rounded():
    logits = torch.tensor([-1.0, 0.0, 0.5, 2.0]).view(1, 1, 1, 4)
    assert predicted_labels(logits).flatten().tolist() == [0, 0, 1, 1]
    shares = torch.tensor([0.0, 0.4, 0.6, 1.0]).view(1, 1, 1, 4)
    found = epoch_means([batch_sums(torch.tensor(0.0), logits, shares)])
    assert (found["accuracy"], found["dsc"]) == (1, 1)


def test_measuring_judges_each_slice_alone_and_changes_nothing():
    model, data, loss = build_unet(TINY).train(), Labelled(10, 2), losses.loss_from_settings(TINY)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    alone = measure(model, batches(data, 1), loss)
    model.train()
    assert measure(model, batches(data, 4), loss) == pytest.approx(alone, rel=1e-2)  # bfloat16
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_truths_move_with_their_images_and_every_step_is_told():
    """A network that returns its image, which is its truth too: flipped alike, no loss."""
    data, steps, seen = Labelled(10, 2), [], []
    data.images = data.truths = data.truths.float()
    mirror = torch.nn.Conv2d(1, 1, 1)
    torch.nn.init.ones_(mirror.weight)
    torch.nn.init.zeros_(mirror.bias)

    def loss(logits, truths):
        seen.append(truths)
        return (logits - truths).abs().mean()

    settings = Settings(**{**TINY.__dict__, "flip_columns": True})
    optimiser = torch.optim.SGD(mirror.parameters(), 0.0)
    torch.manual_seed(0)
    found = learn(mirror, batches(data, 4), loss, optimiser, settings, lambda: steps.append(1))
    assert found["loss"] < 1e-5 and len(steps) == 3  # batches of 4, 4 and 2
    moved = ((torch.cat(seen) - data.truths).abs() > 1e-3).flatten(1).any(1)
    assert 0 < moved.sum() < 10
