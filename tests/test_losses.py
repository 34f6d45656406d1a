"""Losses against values worked out by hand."""

import math

import pytest
import torch

from utils.errors import InputError
from utils.losses import (
    AdaptiveLoss,
    CombinedLoss,
    LabelLoss,
    loss_from_settings,
    soft_dice,
    two_sided_dice,
)
from utils.overlap import scaled_threshold
from utils.settings import Settings


def maps(*values):
    """A batch with one slice of one row."""
    return torch.tensor(values).view(1, 1, 1, -1)


def test_soft_dice_by_hand():
    # 2 (0.8 + 0.4) / (0.64 + 0.16 + 0.04 + 0 + 1 + 1) = 2.4 / 2.84
    score = soft_dice(maps(0.8, 0.4, 0.2, 0.0), maps(1.0, 1.0, 0.0, 0.0))
    assert score.item() == pytest.approx(2.4 / 2.84, abs=1e-5)


def test_soft_dice_with_plain_sums_by_hand():
    score = soft_dice(maps(0.8, 0.4, 0.2, 0.0), maps(1.0, 1.0, 0.0, 0.0), squared=False)
    assert score.item() == pytest.approx(2.4 / (1.4 + 2), abs=1e-5)


def test_settings_name_the_binary_losses():
    plain = loss_from_settings(Settings(loss="combined_sum", image_size=64))
    assert isinstance(plain, CombinedLoss) and not plain.squared
    assert (plain.beta, plain.dsc_threshold) == (
        Settings.beta,
        scaled_threshold(Settings.dsc_threshold, 64, 64),
    )
    assert loss_from_settings(Settings(loss="combined")).squared
    adaptive = loss_from_settings(Settings(loss="adaptive", beta=0.3))
    assert isinstance(adaptive, AdaptiveLoss) and adaptive.beta == 0.3


def test_soft_dice_denominator_is_a_sum():
    # with a product under the fraction line this perfect prediction would score 2·3/9
    truth = maps(1.0, 1.0, 1.0, 0.0)
    assert soft_dice(truth, truth).item() == pytest.approx(1, abs=1e-6)


def test_soft_dice_of_each_slice_alone():
    p = torch.cat([maps(1.0, 0.0), maps(0.0, 1.0)])
    y = torch.cat([maps(1.0, 0.0), maps(1.0, 0.0)])
    assert soft_dice(p, y).tolist() == pytest.approx([1, 0], abs=1e-5)
    assert soft_dice(p, y, squared=False).tolist() == pytest.approx([1, 0], abs=1e-5)


def test_without_a_threshold_nothing_is_forgiven():
    assert soft_dice(maps(0.5, 0.0), maps(0.0, 0.0)).item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("predicted", "threshold", "expected"), [(3, 4, 1.0), (4, 4, 0.0), (3, 0, 0.0), (0, 0, 1.0)]
)
def test_dsc_threshold_forgives_little_on_an_empty_truth(predicted, threshold, expected):
    p = torch.zeros(1, 1, 4, 4)
    p.view(-1)[:predicted] = 1
    score = soft_dice(p, torch.zeros_like(p), threshold)
    assert score.item() == pytest.approx(expected, abs=1e-5)


def test_dsc_threshold_is_a_sum_of_probabilities():
    p = torch.full((1, 1, 2, 4), 0.5)  # Σ p = 4, Σ p² = 2
    scores = [soft_dice(p, 0 * p, threshold).item() for threshold in (3.9, 4.1)]
    assert scores == pytest.approx([0, 1], abs=1e-5)


def test_dsc_threshold_says_nothing_where_there_is_lung():
    p, y = maps(1.0, 0.0, 0.0), maps(0.0, 0.0, 1.0)
    assert soft_dice(p, y, dsc_threshold=100).item() == pytest.approx(0, abs=1e-5)


def test_combined_loss_by_hand():
    # p = (3/4, 1/2), y = (1, 0)
    logits, truth = maps(math.log(3), 0.0), maps(1.0, 0.0)
    bce = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    dice = 2 * 0.75 / (0.5625 + 0.25 + 1)
    value = CombinedLoss(beta=0.7, dsc_threshold=0)(logits, truth)
    assert value.item() == pytest.approx(0.7 * bce + 0.3 * (1 - dice), abs=1e-5)


def test_combined_loss_hands_its_threshold_and_its_sums_on():
    # p = 1/2 at two pixels without lung: Σ p = 1, which a threshold of 2 forgives
    nothing = maps(0.0, 0.0)
    assert CombinedLoss(0, dsc_threshold=2)(nothing, nothing).item() == 0
    plain = CombinedLoss(0, dsc_threshold=0, squared=False)(nothing, maps(1.0, 0.0))
    assert plain.item() == pytest.approx(1 - 2 * 0.5 / (1 + 1), abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_sums(dtype):
    # 512² ones sum to 262144: infinity in float16, a rounded number in bfloat16
    truth = torch.ones(1, 1, 512, 512)
    half = CombinedLoss(0.5, 1310)(torch.full_like(truth, 2).to(dtype), truth)
    assert half.item() == pytest.approx(
        CombinedLoss(0.5, 1310)(torch.full_like(truth, 2), truth).item(), rel=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_before_anything_is_computed(dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 32, 32, generator=generator).to(dtype)
    labels = torch.randint(3, (2, 1, 32, 32), generator=generator)
    for loss in (LabelLoss(0.5), LabelLoss(0.5, two_sided=True)):
        assert loss(logits, labels) == loss(logits.float(), labels)
    for loss in (CombinedLoss(0.5, 9), AdaptiveLoss(0.5)):
        assert loss(logits[:, :1], labels > 0) == loss(logits[:, :1].float(), labels > 0)


def test_loss_has_the_right_gradient():
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    truth = (torch.rand(2, 1, 3, 3) > 0.5).double()
    loss = CombinedLoss(0.3, 0)
    loss(logits, truth).backward()
    step = torch.zeros_like(logits)
    step[1, 0, 2, 1] = 1e-2
    with torch.no_grad():
        numeric = (loss(logits + step, truth) - loss(logits - step, truth)) / 2e-2
    assert logits.grad[1, 0, 2, 1].item() == pytest.approx(numeric.item(), abs=1e-4)


def test_threshold_scales_with_area():
    assert scaled_threshold(1310, 512, 512) == 1310
    assert scaled_threshold(1310, 256, 256) == pytest.approx(327.5)
    assert scaled_threshold(1310, 512, 256) == scaled_threshold(1310, 256, 512) == 655


class TestAdaptiveLoss:
    def test_by_hand(self):
        # a = 1/2, a₀ = 1/4, β = 0.4: β(a) = 0.4 + 0.6 e⁻²; p = (3/4, 1/2), y = (1, 0)
        logits, truth = maps(math.log(3), 0.0), maps(1.0, 0.0)
        weight = 0.4 + 0.6 * math.exp(-2)
        bce = (-math.log(3 / 4) - math.log(1 / 2)) / 2
        dice = 2 * 0.75 / (0.5625 + 0.25 + 1)
        value = AdaptiveLoss(0.4, a0=0.25)(logits, truth)
        assert value.item() == pytest.approx(weight * bce + (1 - weight) * (1 - dice), abs=1e-5)

    def test_each_slice_has_a_weight_of_its_own(self):
        empty, full = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
        logits = torch.linspace(-3, 1, 64).view(1, 1, 8, 8)  # right about more of the empty slice
        loss = AdaptiveLoss(0.5)
        both = loss(logits.repeat(2, 1, 1, 1), torch.cat([empty, full]))
        assert both.item() == pytest.approx(
            (loss(logits, empty) + loss(logits, full)).item() / 2, abs=1e-6
        )

    def test_an_empty_slice_is_scored_by_cross_entropy_alone(self):
        logits, empty = torch.linspace(-2, 2, 64).view(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
        bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, empty)
        assert AdaptiveLoss(0.3)(logits, empty).item() == pytest.approx(bce.item(), abs=1e-6)

    def test_a_full_slice_is_scored_as_by_the_combined_loss(self):
        logits, truth = torch.linspace(-2, 2, 64).view(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
        assert AdaptiveLoss(0.3)(logits, truth).item() == pytest.approx(
            CombinedLoss(0.3, 0)(logits, truth).item(), abs=1e-5
        )

    def test_dice_alone_is_blind_on_an_empty_slice_and_this_loss_is_not(self):
        empty = torch.zeros(1, 1, 32, 32)

        def pull(loss):
            logits = torch.zeros(1, 1, 32, 32, requires_grad=True)
            loss(logits, empty).backward()
            return logits.grad.abs().sum().item()

        assert pull(CombinedLoss(0, 0)) < 1e-6
        assert pull(AdaptiveLoss(0)) == pytest.approx(0.5, abs=1e-3)  # Σ |p − y| / N with p = ½

    def test_the_pull_of_a_sliver_stays_bounded(self):
        """Of a missed sliver: the smaller it is, the harder Dice pulls at each of its pixels."""

        def pull(loss, pixels):
            truth = torch.zeros(1, 1, 64, 64)
            truth.view(-1)[:pixels] = 1
            logits = torch.full_like(truth, -4).requires_grad_()
            loss(logits, truth).backward()
            return logits.grad.view(-1)[0].abs().item()

        dice = [pull(CombinedLoss(0, 0), n) for n in (8, 1)]
        adaptive = [pull(AdaptiveLoss(0), n) for n in (8, 1)]
        assert dice[1] > 3 * dice[0]
        assert adaptive[1] < 1.1 * adaptive[0]


def test_label_loss_by_hand():
    # two pixels, three classes; softmax of logits log(1, 2, 1) and log(6, 1, 1)
    p = torch.tensor([[0.25, 0.5, 0.25], [0.75, 0.125, 0.125]])
    logits, labels = p.log().T.reshape(1, 3, 1, 2), torch.tensor([1, 0]).view(1, 1, 1, 2)
    entropy = -(math.log(0.5) + math.log(0.75)) / 2
    dice = [
        2 * 0.75 / (0.25**2 + 0.75**2 + 1),
        2 * 0.5 / (0.5**2 + 0.125**2 + 1),
        0.0,  # class 2 is nowhere, but found a little
    ]
    value = LabelLoss(beta=0.4)(logits, labels)
    assert value.item() == pytest.approx(0.4 * entropy + 0.6 * (1 - sum(dice) / 3), abs=1e-5)
    # with the threshold that little is forgiven
    value = LabelLoss(beta=0.4, dsc_threshold=1)(logits, labels)
    assert value.item() == pytest.approx(0.4 * entropy + 0.6 * (1 - (sum(dice) + 1) / 3), abs=1e-5)


def test_two_sided_dice_by_hand():
    p, y = maps(0.8, 0.4, 0.2), maps(1.0, 0.0, 0.0)
    # 0.8 / (0.8 + 0.4 + 0.2 + 1) + (0.6 + 0.8) / (0.2 + 0.6 + 0.8 + 2)
    assert two_sided_dice(p, y).item() == pytest.approx(0.8 / 2.4 + 1.4 / 3.6, abs=1e-5)
    perfect = two_sided_dice(torch.cat([y, 0 * y]), torch.cat([y, 0 * y]))
    assert perfect.tolist() == pytest.approx([1, 1.5], abs=1e-5)
    whole = maps(1.0, 1.0)  # no background is there, and none is found
    assert two_sided_dice(whole, whole).item() == pytest.approx(1.5, abs=1e-5)


def test_two_sided_label_loss_by_hand():
    # two classes at one pixel, p = (1/4, 3/4), truth class 1: without ε class 1 scores
    # 0.75 / 1.75 + 0 / 0.25 and class 0 the same two the other way round
    logits = torch.tensor([1.0, 3.0]).log().view(1, 2, 1, 1)
    value = LabelLoss(0.4, two_sided=True)(logits, torch.ones(1, 1, 1, 1))
    expected = 0.4 * -math.log(0.75) + 0.6 * (1 - 0.75 / 1.75)
    assert value.item() == pytest.approx(expected, abs=1e-4)


def test_the_loss_that_settings_name():
    found = loss_from_settings(Settings(beta=0.3, image_size=256, dsc_threshold=1310))
    assert (type(found), found.beta, found.dsc_threshold) == (CombinedLoss, 0.3, 327.5)
    found = loss_from_settings(Settings(classes=2, loss="two_sided", beta=0.3))
    assert type(found) is LabelLoss and found.two_sided and found.beta == 0.3
    found = loss_from_settings(Settings(classes=3, beta=0.3, image_size=256, dsc_threshold=1310))
    assert (type(found), found.beta, found.dsc_threshold) == (LabelLoss, 0.3, 327.5)
    assert not found.two_sided
    message = "no loss 'two_sided' for classes = 1; choose one of combined, combined_sum, adaptive"
    with pytest.raises(InputError, match=message):
        loss_from_settings(Settings(loss="two_sided"))
