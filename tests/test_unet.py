"""The U-Net: shapes, size, and what its table says."""

import torch
from torch.nn import functional as F

from utils.settings import Settings
from utils.unet import UNet, build_unet, layer_table


def test_logits_have_the_shape_of_the_image():
    assert UNet(width=4, levels=3)(torch.zeros(2, 1, 32, 48)).shape == (2, 1, 32, 48)
    assert UNet(width=4, levels=2, classes=3)(torch.zeros(1, 1, 8, 8)).shape == (1, 3, 8, 8)


def conv_block(c_in, c_out):
    """Parameters of two 3x3 convolutions without bias and two batch normalisations."""
    return 9 * c_in * c_out + 2 * c_out + 9 * c_out * c_out + 2 * c_out


def test_parameters_counted_by_hand():
    down = conv_block(1, 16) + conv_block(16, 32) + conv_block(32, 64) + conv_block(64, 128)
    rise = sum(4 * 2 * c * c + c + conv_block(2 * c, c) for c in (64, 32, 16))
    model = UNet(width=16, levels=4)
    assert sum(p.numel() for p in model.parameters()) == down + rise + 16 + 1
    assert sum(p.numel() for p in UNet().parameters()) == down + rise + 16 + 1


def test_widest_bounds_the_channels():
    down = conv_block(1, 8) + conv_block(8, 16) + conv_block(16, 16) + conv_block(16, 16)
    rise = sum(4 * c_in * c + c + conv_block(2 * c, c) for c_in, c in ((16, 16), (16, 16), (16, 8)))
    model = UNet(width=8, levels=4, widest=16)
    assert sum(p.numel() for p in model.parameters()) == down + rise + 8 + 1
    assert model(torch.zeros(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_same_seed_same_weights():
    first, second = build_unet(Settings(seed=5)), build_unet(Settings(seed=5))
    other = build_unet(Settings(seed=6))
    assert torch.equal(first.first[0].weight, second.first[0].weight)
    assert not torch.equal(first.first[0].weight, other.first[0].weight)


def test_settings_reach_the_network():
    model = build_unet(Settings(width=4, levels=3, dropout=0.25, classes=3, widest=8))
    assert [down[1].p for down in model.down] == [0.25, 0.25]
    widths = [model.first[0].out_channels, *(down[2][0].out_channels for down in model.down)]
    assert widths == [4, 8, 8] and model.last.out_channels == 3


def test_layer_table_lists_every_parameter_once():
    model = UNet(width=4, levels=3).train()
    rows = layer_table(model, 32)
    assert sum(row[3] for row in rows) == sum(p.numel() for p in model.parameters())
    assert rows[0][2] == (4, 32, 32)
    assert ("down.1.1", "Dropout", (8, 8, 8), 0) in rows
    assert rows[-1] == ("last", "Conv2d", (1, 32, 32), 5)
    assert model.training  # the table leaves the model as it found it


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model, x = UNet(width=4, levels=3, dropout=0.5), torch.rand(2, 1, 16, 16)
    model.train()
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
    sober = UNet(width=4, levels=3, dropout=0.0).train()
    assert torch.equal(sober(x), sober(x))


def test_evaluation_uses_running_statistics():
    # in use, the answer for a slice must not depend on its neighbours in the batch
    model = UNet(width=4, levels=2).eval()
    x = torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[:1], model(x[:1]), atol=1e-5, rtol=0)


def written_out(weights, x, levels):
    """The paper's figure 1 as formulas on a trained network's weights, without its modules."""

    def block(x, name):
        for conv, norm in ((0, 1), (3, 4)):
            x = F.conv2d(x, weights[f"{name}.{conv}.weight"], padding=1)
            scale, shift, mean, variance = (
                weights[f"{name}.{norm}.{kind}"][:, None, None]
                for kind in ("weight", "bias", "running_mean", "running_var")
            )
            x = ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)
        return x

    seen = [block(x, "first")]
    for k in range(levels - 1):
        pooled = seen[-1].unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
        seen.append(block(pooled, f"down.{k}.2"))
    x = seen.pop()
    for k in range(levels - 1):
        kernel, shift = (weights[f"up.{k}.upsample.{kind}"] for kind in ("weight", "bias"))
        x = torch.einsum("nihw,ioab->nohawb", x, kernel).flatten(4).flatten(2, 3)
        x = block(torch.cat([seen.pop(), x + shift[:, None, None]], 1), f"up.{k}.convolve")
    return F.conv2d(x, weights["last.weight"], weights["last.bias"])


def test_logits_are_those_of_the_network_written_out():
    torch.manual_seed(0)
    model = UNet(width=3, levels=3, classes=2).double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():  # no part is left at what it would be without training
            tensor.copy_(torch.rand_like(tensor) - (0 if name.endswith("var") else 0.5))
    x = torch.rand(2, 1, 16, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = written_out(model.state_dict(), x, levels=3)
        torch.testing.assert_close(model(x), expected)
    assert expected.min() < 0 < expected.max() and expected.std() > 0.01
