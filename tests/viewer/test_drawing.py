"""Pictures of slices: window, planes, overlays and their colours, held to formulas."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from skimage.color import rgb2lab
from viewer_builders import SHAPE, noisy_chest

from utils.errors import InputError
from utils.viewer import slice_viewer, still
from utils.viewer.case import PLANES
from utils.viewer.drawing import OVERLAYS


@pytest.fixture
def chest():
    return noisy_chest()


def test_window_maps_hu_linearly_to_grey():
    hu = np.array([[[-3000, -1350, -975, -600, -225, 150, 3000]]], np.int16)
    grey = still(hu, window="lung", index=0)
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 0] == grey[..., 2]).all()
    assert grey[0, :2, 0].tolist() == [0, 0] and grey[0, -2:, 0].tolist() == [255, 255]
    np.testing.assert_allclose(grey[0, 2:5, 0], [63.75, 127.5, 191.25], atol=1)


def test_planes_show_the_right_voxels_with_the_feet_down():
    hu = np.full((3, 4, 5), -1000, np.int16)
    hu[0, 1, 4] = 1000  # at the feet, near the front, on the patient's left
    bright = {
        plane: np.argwhere(still(hu, plane=plane, index=index)[..., 0] == 255).tolist()
        for plane, index in {"axial": 0, "coronal": 1, "sagittal": 4}.items()
    }
    assert bright == {"axial": [[1, 4]], "coronal": [[2, 4]], "sagittal": [[2, 1]]}
    assert (PLANES["coronal"]["bottom"], PLANES["coronal"]["right"]) == ("F", "L")
    assert (PLANES["sagittal"]["left"], PLANES["axial"]["left"]) == ("A", "R")


@pytest.mark.parametrize("overlay", list(OVERLAYS))
def test_tint_blends_each_colour_where_its_mask_is(chest, overlay):
    hu, truth, prediction = chest
    plain = still(hu, index=5).astype(float)
    tinted = still(hu, truth, prediction, index=5, overlay=overlay, opacity=0.25)
    t, p = truth[5].astype(bool), prediction[5].astype(bool)
    where = {
        "truth": t, "prediction": p, "missed": t & ~p, "false positive": p & ~t, "agreed": t & p
    }  # fmt: skip
    for name, colour in OVERLAYS[overlay]["layers"]:
        rgb = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
        plain[where[name]] = 0.75 * plain[where[name]] + 0.25 * rgb
    np.testing.assert_allclose(tinted, plain, atol=1)


def test_outline_is_the_mask_without_its_erosion(chest):
    hu, truth, _ = chest
    drawn = still(hu, truth, index=5, overlay="truth", outline=True)
    changed = (drawn != still(hu, index=5)).any(axis=2)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    edge = (truth[5] > 0) & ~binary_erosion(truth[5], cross)
    assert edge.any() and (changed <= edge).all() and changed.sum() > 0.95 * edge.sum()


def test_colours_of_a_legend_differ_for_the_colour_blind():
    # Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1, linear RGB
    eyes = {
        "usual": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    for overlay in ("both", "difference"):
        names = [bytes.fromhex(colour[1:]) for _, colour in OVERLAYS[overlay]["layers"]]
        for eye, matrix in eyes.items():
            linear = (np.frombuffer(b"".join(names), np.uint8).reshape(-1, 3) / 255) ** 2.2
            seen = rgb2lab(np.clip(linear @ np.transpose(matrix), 0, 1) ** (1 / 2.2))
            gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
            assert min(gaps) > 25, (overlay, eye, gaps)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"plane": "frontal"}, r"no plane 'frontal' here; choose one of \['axial'"),
        ({"window": "liver"}, "no window 'liver'"),
        ({"window": (40, 0)}, "0 HU wide"),
        ({"overlay": "prediction"}, r"no overlay 'prediction' here; choose one of \['none'\]"),
        ({"opacity": 40}, "opacity is 40"),
        ({"index": 13}, "no axial slice 13; there are slices 0 to 12"),
        ({"spacing": (1, 1)}, r"spacing is \(1.0, 1.0\)"),
    ],
)
def test_bad_choices_are_one_clear_error(look, message):
    with pytest.raises(InputError, match=message):
        slice_viewer(np.zeros(SHAPE, np.int16), **look)
