"""From volume to mask: shape, place, and which kept predictions are trusted."""

import contextlib
import io
import shutil
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
import torch
from dicom_factory import write_series
from matplotlib import pyplot as plt
from phantom_builders import small_patient
from threshold_builders import MM, SETTINGS, Threshold, blob_of_lung

from utils import inference, predict
from utils.datasets.phantom.making import write_case
from utils.dicom import case_folders
from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.inference import segment
from utils.masks.npz import load_mask
from utils.masks.seg_reader import seg_masks
from utils.settings import Settings, settings_to_json
from utils.training.weights import save_weights
from utils.unet import build_unet

scan = pytest.fixture(blob_of_lung, name="scan")


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_the_mask_lies_where_the_lung_is(scan, batch_size):
    hu, truth = scan
    mask = segment(Threshold(), hu, SETTINGS, MM, batch_size)
    assert mask.shape == hu.shape and mask.dtype == np.uint8
    # a pixel of the network is 4 x 4 px; the outline must be finer than that
    assert (mask != truth).mean() < 0.005
    assert mask.sum() == pytest.approx(truth.sum(), rel=0.02)


def test_a_network_trained_on_bodies_alone_sees_no_couch(scan):
    """A stripe of foam under the body, as dark as lung, is air for such a network, and so gone."""
    y, x = np.mgrid[:96, :128]
    hu = np.where(np.hypot(y - 40, x - 64) < 35, 0, -1000)
    hu[np.hypot(y - 40, x - 64) < 15] = -800
    hu[80:88] = -800
    hu = np.stack([hu] * 3).astype(np.int16)
    settings = Settings(image_size=32, pixel_size=2.0, window=(-2000.0, 0.0))
    model = Between()
    plain = segment(model, hu, settings, MM)
    bare = segment(model, hu, replace(settings, body_only=True), MM)
    assert plain[:, 82:86].all() and not bare[:, 78:].any()
    assert bare[:, 32:48, 56:72].all()


class Between(Threshold):
    """Calls -900 to -500 HU lung, in a window from -2000 to 0."""

    def forward(self, x):
        return 0.1 - (x - 0.65).abs()


class LeftHalf(Threshold):
    """Draws the left half of the image, whatever is on it: as blind to mirroring as can be."""

    def forward(self, x):
        logits = torch.full_like(x, -1)
        logits[..., : x.shape[3] // 2] = 3
        return logits


def test_a_network_trained_on_mirrored_slices_is_asked_twice(scan):
    images = torch.zeros(1, 1, 4, 4)
    once = inference.logits_of(LeftHalf(), images, SETTINGS)
    twice = inference.logits_of(LeftHalf(), images, Settings(flip_columns=True))
    assert once[0, 0, 0].tolist() == [3, 3, -1, -1] and (twice == 1).all()


class LungDensity(Threshold):
    """Calls lung what is neither air nor tissue: -950 to -600 HU."""

    def forward(self, x):
        return 0.125 - (x - 0.225).abs()


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Two small synthetic patients as a data set, with their true masks."""
    folder = tmp_path_factory.mktemp("data set é")
    for number in range(2):
        patient = small_patient(number, matrix=96, slices=24)
        write_case(patient, folder / "Images", folder / "Segmentations")
    return folder


@pytest.fixture(scope="class")
def stand_in():
    """In place of a trained network, one that goes by density alone."""
    settings = Settings(image_size=96, pixel_size=4.0, window=(-1000.0, 0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "load_model", lambda folder: (LungDensity(), settings))
        yield


@pytest.fixture(scope="class")
def predicted(stand_in, cases, tmp_path_factory):
    """The folder written for both cases, and what was printed."""
    out, printed = tmp_path_factory.mktemp("predicted") / "out", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert predict.main([str(cases), "--out", str(out)]) == 0
    return out, printed.getvalue()


@pytest.mark.usefixtures("stand_in")
class TestCommandLine:
    def test_a_folder_of_cases_is_segmented_case_by_case(self, predicted):
        out, printed = predicted
        names = sorted(path.name for path in out.iterdir())
        endings = (".png", "_report.json", "_seg.dcm", "_seg.npz")
        written = [f"Case_00{n}{ending}" for n in (0, 1) for ending in endings]
        assert names == sorted([*written, "volumes.csv"])
        table = pd.read_csv(out / "volumes.csv")
        for row in table.to_dict("records"):
            assert row["both"] == pytest.approx(row["right"] + row["left"], abs=2e-4)
            assert f"{row['case']}: {row['both']:.2f} litres" in printed
        assert "not a medical device" in printed

    def test_what_is_written_is_the_lung(self, cases, predicted):
        out, _ = predicted
        volume = read_series(cases / "Images/Case_000")
        truth = load_mask(cases / "Segmentations/Case_000_seg.npz")
        mask = load_mask(out / "Case_000_seg.npz")
        assert (mask & truth).sum() > 0.75 * truth.sum()  # what density alone can do
        sides = seg_masks(out / "Case_000_seg.dcm", volume)
        assert np.array_equal(sides["right"] | sides["left"], mask > 0)
        columns = {side: np.nonzero(part)[2].mean() for side, part in sides.items()}
        assert columns["right"] < columns["left"]  # column 0 is at the patient's right
        litres = pd.read_csv(out / "volumes.csv").set_index("case").loc["Case_000"]
        voxel = np.prod(volume.spacing) * 1e-6
        assert litres["left"] == pytest.approx(sides["left"].sum() * voxel, abs=1e-4)
        assert plt.imread(out / "Case_000.png").std() > 0.1

    def test_one_series_alone_is_segmented(self, cases, tmp_path):
        assert predict.main([str(cases / "Images/Case_001"), "--out", str(tmp_path)]) == 0
        assert (tmp_path / "Case_001_seg.dcm").exists()

    def test_a_refused_case_is_told_and_the_others_are_segmented(self, cases, tmp_path, capsys):
        shutil.copytree(cases / "Images", tmp_path / "in")
        slices = sorted((tmp_path / "in/Case_000").iterdir())
        slices[10].unlink()
        assert predict.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
        assert "Case_000: " in capsys.readouterr().err
        assert not list((tmp_path / "out").glob("Case_000*"))
        assert (tmp_path / "out/Case_001_seg.npz").exists()

    def test_a_scan_without_lung_is_warned_of(self, tmp_path, capsys):
        write_series(tmp_path / "in", 12, rows=64, cols=64)
        assert predict.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
        assert "No lung was found" in capsys.readouterr().out
        assert not load_mask(tmp_path / "out/in_seg.npz").any()

    @pytest.mark.parametrize("name", ["absent", "empty"])
    def test_a_folder_without_series_is_one_clear_error(self, tmp_path, capsys, name):
        (tmp_path / "empty").mkdir()
        assert predict.main([str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
        assert name in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_licence_beside_the_cases_does_not_make_them_one_series(cases, tmp_path):
    shutil.copytree(cases / "Images", tmp_path / "in")
    (tmp_path / "in/LICENSE").write_text("CC BY 4.0, " * 40)
    names = [folder.name for folder in case_folders(tmp_path / "in")]
    assert names == ["Case_000", "Case_001"]
    assert case_folders(tmp_path / "in/Case_001") == [tmp_path / "in/Case_001"]


def test_a_folder_without_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no model, expected model\.safetensors"):
        predict.load_model(tmp_path)


def test_a_pickle_in_place_of_weights_is_refused(tmp_path):
    (tmp_path / "settings.json").write_text(settings_to_json(Settings(width=4, levels=2)))
    torch.save({"first": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="does not hold the weights"):
        predict.load_model(tmp_path)


def test_a_run_of_ones_own_is_read(tmp_path):
    settings = Settings(width=4, levels=2, image_size=32)
    (tmp_path / "settings.json").write_text(settings_to_json(settings))
    network = build_unet(settings)
    save_weights(tmp_path / "model.safetensors", network.state_dict(), "test")
    model, found = predict.load_model(tmp_path)
    assert found == settings and not model.training
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model(images), network.eval()(images), atol=1e-5)
