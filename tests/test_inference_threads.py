"""On a processor each core has a slice of its own: the same masks, and nothing left behind."""

import threading

import numpy as np
import pytest
import torch
from threshold_builders import MM, SETTINGS, Threshold, blob_of_lung

from utils.inference import segment, slice_logits, steadiness
from utils.unet import build_unet


@pytest.fixture
def three_cores():
    """As on a machine of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Watched(Threshold):
    """Keeps who asked, with how many cores, about how many slices; waits until three have."""

    def __init__(self):
        super().__init__()
        self.asked, self.all_here = [], threading.Barrier(3)

    def forward(self, x):
        self.asked.append((threading.get_ident(), torch.get_num_threads(), len(x)))
        self.all_here.wait(10)
        return super().forward(x)


class Broken(Threshold):
    def forward(self, x):
        raise MemoryError


@pytest.mark.usefixtures("three_cores")
def test_three_slices_at_a_time_each_with_one_core():
    model, hu = Watched(), blob_of_lung()[0][:3]
    segment(model, hu, SETTINGS, MM)
    threads, cores, slices = zip(*model.asked, strict=True)
    assert len(set(threads)) == 3 and set(cores) == {1} and set(slices) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_cores")
def test_cores_are_given_back_after_a_fault():
    hu, _ = blob_of_lung()
    with pytest.raises(MemoryError):
        segment(Broken(), hu, SETTINGS, MM)
    assert torch.get_num_threads() == 3
    counts = []
    asks = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    asks.start()
    asks.join()
    assert counts == [3]  # of threads that begin later


@pytest.mark.usefixtures("three_cores")
def test_more_cores_give_the_same_answers():
    hu, lung = blob_of_lung()
    model = build_unet(SETTINGS).eval()
    middle = slice_logits(model, hu, SETTINGS, MM).median()
    model.last.bias.data -= middle  # half of the pixels are lung to it
    many = segment(model, hu, SETTINGS, MM), steadiness(model, hu, lung, SETTINGS, MM)
    torch.set_num_threads(1)
    alone = segment(model, hu, SETTINGS, MM), steadiness(model, hu, lung, SETTINGS, MM)
    assert np.array_equal(many[0], alone[0]) and 0.4 < many[0].mean() < 0.6
    assert many[1] == alone[1]
