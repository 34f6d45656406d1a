"""Leave one patient out: which slices train, how a run settles, and what the table says."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from benchmarks import leave_one_out
from utils.dicom.reader import Volume
from utils.settings import Settings, settings_from_json
from utils.unet import build_unet


def test_telling_slices_are_all_near_the_ends_and_every_second_elsewhere():
    mask = np.zeros((100, 2, 2), np.uint8)
    mask[20:80] = 1
    chosen = set(leave_one_out.telling_slices(mask, 5.0).tolist())
    assert {*range(15, 26), *range(74, 85)} <= chosen  # 25 mm are five slices
    rest = set(range(100)) - {*range(15, 26), *range(74, 85)}
    assert chosen & rest == {z for z in rest if z % 2 == 0}


def test_score_of_a_patient_holds_both_lungs_and_each(monkeypatch):
    truth = np.zeros((20, 60, 80), np.uint8)
    truth[4:16, 10:50, 8:36], truth[4:16, 10:50, 44:72] = 1, 1
    volume = Volume(np.full(truth.shape, 40, np.int16), (5.0, 4.0, 4.0), np.eye(4), {})
    found = truth.copy()
    found[:, :, 44:] = 0  # the left lung is missed
    monkeypatch.setattr(leave_one_out, "segment", lambda *_: found)
    row = leave_one_out.score(None, Settings(), volume, truth, "Case_000")
    assert row["case"] == "Case_000" and round(row["dsc_3d"], 3) == 0.667
    assert (row["right_dsc"], row["left_dsc"]) == (1, 0)
    assert row["right_msd"] == 0 and row["left_msd"] > 100 and row["hd95"] > 20
    assert row["hallucinated_slices"] == 0 and row["network_dsc_3d"] == row["dsc_3d"]


def test_summary_gives_means_with_intervals():
    table = pd.DataFrame({key: [0.9, 1.0] for key in leave_one_out.SCORES})
    lines = leave_one_out.summary(table).splitlines()
    assert lines[0].startswith("2 patients") and len(lines) == 1 + len(leave_one_out.SCORES)
    assert "0.950 (0.900 to 1.000)" in lines[1] and "least 0.900, most 1.000" in lines[1]
    assert lines[4].endswith("2 in all")


def tiny_set(n, size=16):
    """Slices with a bright square on dark ground: pairs as `SliceDataset` takes them."""
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, -600, (n, size, size)).astype(np.int16)
    mask = np.zeros((n, size, size), np.uint8)
    mask[:, 4:12, 4:12] = 1
    return {"Case_000": (np.where(mask, hu, 40).astype(np.int16), mask)}


TINY = Settings(image_size=16, width=4, levels=2, dropout=0, epochs=2, batch_size=4, brightness=0.3)


def test_renewed_statistics_are_those_of_unchanged_slices():
    dataset = leave_one_out.slice_set(TINY, tiny_set(32), ["Case_000"])  # two batches
    model = build_unet(TINY).eval()
    leave_one_out.renew_statistics(model, dataset, seed=0)
    images, _ = dataset.__getitems__(range(len(dataset)))
    convolution, norm = model.first[0], model.first[1]
    with torch.no_grad():
        maps = convolution(images)
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert not model.training and norm.momentum == 0.1


def test_settling_goes_on_from_the_last_weights_without_changed_intensities(tmp_path):
    names = ["Case_000"]
    learn, few = (leave_one_out.slice_set(TINY, tiny_set(n), names) for n in (24, 4))
    model, seconds = leave_one_out.train_and_settle(TINY, learn, names, few, tmp_path, None)
    settled = settings_from_json((tmp_path / "settled" / "settings.json").read_text())
    assert (settled.brightness, settled.noise, settled.blur, settled.epochs) == (0, 0, 0, 3)
    assert settled.width == TINY.width
    begun = pd.read_csv(tmp_path / "history.csv")["train_loss"]
    went_on = pd.read_csv(tmp_path / "settled" / "history.csv")["train_loss"]
    assert len(begun) == 2 and len(went_on) == 3 and went_on[0] < begun[0]
    both = pd.concat([pd.read_csv(file)["seconds"] for file in tmp_path.rglob("history.csv")])
    assert seconds == pytest.approx(both.sum())
    weights = load_file(tmp_path / "settled" / "last.safetensors")
    torch.testing.assert_close(model.last.weight.cpu(), weights["last.weight"])
    key = "first.1.running_mean"
    assert not torch.equal(model.state_dict()[key].cpu(), weights[key])
