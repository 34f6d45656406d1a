"""The benchmark's peers do what they are said to do: same pixels, same network, same steps."""

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import full_job
from benchmarks.full_job import activation_bytes, floating_point_operations
from benchmarks.training_peers import Items, Slices, ours, plain
from benchmarks.training_speed import endless, inference, keep, training_step
from utils.unet import UNet

CPU = torch.device("cpu")


def test_both_data_paths_hand_out_the_same_pixels():
    gathered, single = Slices(4, 16), Items(4, 16)
    images, truths = gathered.__getitems__([2, 0])
    for row, item in enumerate((2, 0)):
        image, truth = single[item]
        torch.testing.assert_close(images[row], image)
        assert torch.equal(truths[row], truth)
    assert 0 < truths.mean() < 1


@pytest.mark.parametrize("make", [ours, plain])
def test_a_step_is_timed_in_its_parts_and_learns(make):
    torch.manual_seed(0)
    way = make(16, 4, 2, CPU)
    stream, before = endless(way), way.model.last.weight.clone()
    parts = [training_step(way, stream) for _ in range(6)]  # more than one pass over the data
    assert all(len(seconds) == 4 and min(seconds) > 0 for seconds in parts)
    assert not torch.equal(way.model.last.weight, before)
    assert inference(way, stream) > 0


def test_a_run_over_other_sizes_adds_its_rows(tmp_path):
    file = tmp_path / "speed.csv"

    def rows(size, width, rate):
        return pd.DataFrame({"size": size, "width": width, "way": ["a", "b"], "rate": rate})

    keep(file, "this machine", rows(256, 16, 1.0))
    keep(file, "this machine", rows(128, 64, 2.0))
    keep(file, "this machine", rows(256, 16, 3.0))
    assert file.read_text().startswith("# this machine\n")
    kept = pd.read_csv(file, comment="#")
    assert list(kept["rate"]) == [3, 3, 2, 2] and list(kept["way"]) == ["a", "b"] * 2
    keep(file, "another machine", rows(128, 16, 4.0))
    assert list(pd.read_csv(file, comment="#")["rate"]) == [4, 4]


def test_the_roofline_by_hand():
    # the first convolution: 2 · 9 · 1 · 4 operations a pixel, forward and for its weights
    # (its input needs no gradient); everything else scales with the pixels too
    small, large = (floating_point_operations(size, 4) for size in (16, 32))
    assert large == pytest.approx(4 * small)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        UNet(4, 4)(torch.zeros(1, 1, 16, 16))
    assert 2 * counter.get_total_flops() < small < 3 * counter.get_total_flops()
    assert activation_bytes(32, 4, 2) == 4 * activation_bytes(16, 4, 2)
    assert activation_bytes(16, 4, 4) == 2 * activation_bytes(16, 4, 2)


def test_the_roofline_that_is_written_down_is_what_the_network_counts():
    operations, traffic = floating_point_operations(512, 16), activation_bytes(512, 16, 2)
    assert f"{operations / 1e9:.1f} GFLOP and {traffic / 1e9:.2f} GB a slice" in full_job.__doc__
    for name, peak, bandwidth in (("H100", 989e12, 3.35e12), ("H200", 790e12, 4.8e12)):
        times = operations / peak, traffic / bandwidth
        (line,) = (line for line in full_job.__doc__.splitlines() if line.strip().startswith(name))
        assert f"= {1e6 * times[0]:.0f} µs," in line and f"= {1e6 * times[1]:.0f} µs:" in line
        assert abs(1 / max(times) - int(line.split()[-2].replace(",", ""))) < 10
    assert f"at least {11510 * 1.02498e9 / 3.35e12:.1f} s" in full_job.__doc__
