"""The drawing of the network against the network."""

from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from utils.plots.network import architecture
from utils.unet import UNet, layer_table


def test_every_block_is_drawn_once_and_the_parameters_are_the_model_s():
    model = UNet(width=4, levels=3)
    figure = architecture(layer_table(model, 32))
    (axis,) = figure.axes
    boxes = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    # five double convolutions, two poolings, two transposed convolutions, the last convolution
    assert len(boxes) == 10
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in axis.get_title()
    assert [text.get_text() for text in axis.texts][:2] == ["4", "32²"]
    # two skip connections, from box to box and joined with as many channels from below
    skips = [line for line in axis.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    assert [text.get_text() for text in axis.texts if "+" in text.get_text()] == [
        "8 + 8 channels",
        "4 + 4 channels",
    ]
    edges = {box.get_x() for box in boxes}, {box.get_x() + box.get_width() for box in boxes}
    assert len(skips) == 2
    for line in skips:
        assert line.get_xdata()[0] in edges[1] and line.get_xdata()[1] in edges[0]
    # and an arrow from each box to the next
    assert sum(line.get_linestyle() == "-" for line in axis.lines) == len(boxes) - 1
    plt.close(figure)
