"""Weights of another network: refused by the file's name and with the reason."""

import pytest
import torch
from safetensors.torch import save_file

from utils.errors import InputError
from utils.settings import Settings
from utils.training.weights import begin_with, load_weights, save_weights
from utils.unet import build_unet


@pytest.mark.parametrize("fill", [begin_with, load_weights])
def test_weights_of_another_width_are_refused_with_the_reason(tmp_path, fill):
    file = tmp_path / "other.safetensors"
    save_file(build_unet(Settings(width=2, levels=2)).state_dict(), file)
    with pytest.raises(InputError, match=r"other\.safetensors does not .* \(size mismatch for"):
        fill(build_unet(Settings(width=4, levels=2)), file)


def test_weights_that_are_not_there_are_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors does not .* \(No such file"):
        load_weights(build_unet(Settings(width=2, levels=2)), tmp_path / "none.safetensors")


def test_weights_may_be_read_by_whom_any_new_file_may(tmp_path):
    """safetensors makes files of its own that only their owner may read."""
    save_weights(tmp_path / "model.safetensors", {"x": torch.zeros(2)}, "")
    (tmp_path / "any").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode
