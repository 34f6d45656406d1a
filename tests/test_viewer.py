"""The viewer without a browser: pictures, scores, packing, page, animation and bad input."""

import base64
import json
import re
import zlib
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from scipy.ndimage import binary_erosion
from skimage.color import rgb2lab
from traitlets import TraitError

from utils import viewer_packing as packing
from utils.errors import InputError
from utils.viewer import SliceViewer, animation, export_html, slice_viewer, still
from utils.viewer_frames import OVERLAYS, PLANES, checked_case

SHAPE, SPACING = (13, 40, 36), (5.0, 0.8, 0.8)


@pytest.fixture
def chest():
    """Noise with two lungs, a prediction that differs, lung-free slices at both ends."""
    rng = np.random.default_rng(4)
    hu = rng.normal(0, 300, SHAPE).round().astype(np.int16)
    truth, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[2:11, 8:30, 4:14] = truth[3:9, 8:32, 20:32] = 1
    prediction[2:10, 9:31, 4:15] = prediction[3:9, 8:32, 20:32] = prediction[12, 3:5, 3:5] = 1
    return hu, truth, prediction


def as_volume(hu, name="Case_007"):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5, 0.8, 0.8, 1
    affine[:3, 3] = (-150, -140, -700)
    return SimpleNamespace(hu=hu, spacing=SPACING, affine=affine, identity={"case": name})


def dice(truth, prediction):
    return 2 * (truth * prediction).sum() / (truth.sum() + prediction.sum())


# ------------------------------------------------------------------------------------ pictures


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
        "truth": t, "prediction": p, "missed": t & ~p, "spurious": p & ~t, "agreed": t & p
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


# -------------------------------------------------------------------------------------- scores


def test_scores_are_those_of_each_slice(chest):
    hu, truth, prediction = chest
    scores = packing.scores(checked_case(hu, truth, prediction))
    for plane, axis in {"axial": 0, "coronal": 1, "sagittal": 2}.items():
        for i in range(SHAPE[axis]):
            t, p = truth.take(i, axis).astype(int), prediction.take(i, axis).astype(int)
            assert scores[plane]["area"][i] == t.sum()
            found = scores[plane]["dice"][i]
            if t.sum() + p.sum() == 0:
                assert found is None
            else:
                assert found == pytest.approx(dice(t, p), abs=1e-4)
    axial = scores["axial"]
    # slice 10 holds truth alone, slice 12 prediction alone; the larger of the two is worse
    assert axial["worst"] == 10 and axial["dice"][10] == axial["dice"][12] == 0
    assert axial["dice"][axial["best"]] == max(d for d in axial["dice"] if d is not None)
    assert axial["poor"] == [i for i, d in enumerate(axial["dice"]) if d is not None and d < 0.9]


def test_jumps_are_missing_where_nothing_is_to_be_compared():
    empty = np.zeros(SHAPE, np.uint8)
    scores = packing.scores(checked_case(empty.astype(np.int16), empty, empty))["axial"]
    assert set(scores["dice"]) == {None}
    assert (scores["best"], scores["worst"], scores["poor"]) == (None, None, [])
    assert packing.scores(checked_case(empty.astype(np.int16)))["axial"] == {}


# ------------------------------------------------------------------------------------- packing


def unpacked(case, step, given):
    """An independent reader of the format that viewer_packing's head describes."""
    hu, masks = np.zeros(case.hu.shape, int), np.zeros((given, *case.hu.shape), int)
    for first, (values, bits) in packing.chunks(case, step):
        low, high = np.frombuffer(zlib.decompress(values), np.uint8).astype(int).reshape(2, -1)
        zigzag = low + 256 * high
        delta = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2).reshape(-1, *hu.shape[1:])
        last = first + len(delta)
        delta[:, :, 0] = delta[:, :, 0].cumsum(axis=1)
        hu[first:last] = delta.cumsum(axis=2) * step
        flat = np.frombuffer(zlib.decompress(bits), np.uint8).reshape(given, -1 if given else 0)
        for mask, packed in zip(masks, flat, strict=True):
            mask[first:last] = np.unpackbits(packed)[: delta.size].reshape(delta.shape)
    return hu, masks


def test_packing_loses_nothing(chest):
    case = checked_case(*chest)
    hu, (truth, prediction) = unpacked(case, 1, 2)
    assert (hu == case.hu).all()
    assert (truth == case.truth).all() and (prediction == case.prediction).all()


def test_rounded_packing_loses_half_a_step_at_most(chest):
    case = checked_case(chest[0])
    hu, _ = unpacked(case, 16, 0)
    low, high = packing.CLIP
    assert np.abs(hu - np.clip(case.hu, low, high)).max() <= 8


def test_plan_takes_the_least_lossy_way_that_fits(chest):
    case = checked_case(*chest)
    assert packing.plan(case, 10**9)[1:] == (1, 1)
    sizes = {}
    for budget in (20_000, 12_000, 5_000):
        small, reduction, step = packing.plan(case, budget)
        sizes[reduction, step] = sum(
            len(d) for _, data in packing.chunks(small, step) for d in data
        )
        assert sizes[reduction, step] <= budget
    assert len(sizes) == 3 and max(reduction for reduction, _ in sizes) > 1
    with pytest.raises(InputError, match="cannot be packed into"):
        packing.plan(case, 100)


def test_reduced_case_keeps_its_place():
    hu = np.arange(2 * 4 * 4, dtype=np.int16).reshape(2, 4, 4)
    small = packing.reduced(checked_case(as_volume(hu)), 2)
    assert small.hu.tolist() == [[[2, 4], [10, 12]], [[18, 20], [26, 28]]]
    # the middle of the first four pixels lies half a pixel from the first pixel's middle
    np.testing.assert_allclose(small.affine @ [0, 0, 0, 1], [-149.6, -139.6, -700, 1])
    np.testing.assert_allclose(small.affine @ [1, 1, 1, 1], [-148, -138, -695, 1])


def test_150_noisy_slices_travel_in_45_megabytes():
    rng = np.random.default_rng(1)  # white noise of 40 HU in every voxel, air and couch too
    hu = rng.normal(-200, 40, (8, 512, 512)).round().astype(np.int16)
    mask = (rng.random((8, 64, 64)) > 0.5).repeat(8, 1).repeat(8, 2)
    size = sum(len(part) for part in packing.pack(checked_case(hu, mask, ~mask), 0))
    assert size * 150 / 8 < 45e6


# -------------------------------------------------------------------------------------- widget


def test_widget_opens_on_most_lung_and_knows_where_it_is(chest):
    hu, truth, prediction = chest
    viewer = slice_viewer(as_volume(hu), truth, prediction)
    assert viewer.axial == truth.sum((1, 2)).argmax() and viewer.overlay == "difference"
    axial, coronal = viewer._case["planes"]["axial"], viewer._case["planes"]["coronal"]
    assert axial["first"] + 3 * axial["step"] == pytest.approx(-700 + 15)
    assert coronal["first"] == pytest.approx(-140)
    assert coronal["mm"] == pytest.approx((13 * 5.0, 36 * 0.8))
    assert viewer._case["name"] == "Case_007"
    assert repr(viewer) == f"SliceViewer(13 × 40 × 36, axial slice {viewer.axial}, difference)"


def test_overlay_follows_the_masks_at_hand(chest):
    hu, truth, prediction = chest
    assert slice_viewer(hu).overlay == "none"
    assert slice_viewer(hu, truth).overlay == "truth"
    viewer = slice_viewer(hu, prediction=prediction)
    assert list(viewer._case["overlays"]) == ["none", "prediction"]
    with pytest.raises(TraitError, match="without its masks"):
        viewer.overlay = "difference"


def test_state_is_observed_and_kept_within_the_volume(chest):
    viewer, seen = slice_viewer(chest[0], index=3), []
    viewer.observe(lambda change: seen.append(change["new"]), "axial")
    viewer.axial = 99
    viewer.axial = -5
    assert seen == [12, 0]


def test_slices_are_sent_on_request_alone(chest):
    viewer, sent = slice_viewer(*chest), []
    viewer.send = lambda content, buffers: sent.append((content, buffers))
    viewer._handle_custom_msg({"type": "other"}, [])
    assert not sent
    viewer._handle_custom_msg({"type": "load"}, [])
    assert sorted(content["first"] for content, _ in sent) == [0, 8]
    assert zlib.decompress(sent[0][1][0])
    assert not any(isinstance(v, bytes | memoryview) for v in viewer.get_state().values())


def test_display_carries_a_still_picture(chest):
    data, _ = slice_viewer(*chest)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_executed_notebook_stays_small(tmp_path):
    code = (
        "import numpy as np\nfrom utils.viewer import slice_viewer\n"
        "hu = np.random.default_rng(0).integers(-1000, 1000, (40, 256, 256), np.int16)\n"
        "mask = np.zeros(hu.shape, bool)\nmask[5:30, 50:200, 60:180] = True\n"
        "slice_viewer(hu, mask, mask)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=60, kernel_name="python3", store_widget_state=True).execute()
    output = notebook.cells[0].outputs[0]
    assert output.output_type == "execute_result" and "image/png" in output.data
    assert notebook.metadata.widgets  # the state is there, and with it the still picture
    assert len(nbformat.writes(notebook)) < 500_000  # the volume alone has 5 MB


# -------------------------------------------------------------------------- page and animation


def read_page(path):
    text = path.read_text(encoding="utf-8")
    return text, json.loads(re.search(r'id="case">(.*?)</script>', text, re.S)[1])


def test_page_is_self_contained_and_holds_no_identity(chest, tmp_path):
    volume = as_volume(chest[0], name="</script><b>Case_007 & Co")
    volume.identity["patient_id"] = "SECRET-17"
    text, held = read_page(export_html(tmp_path / "page.html", volume, *chest[1:]))
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import", text)
    assert "default-src 'none'" in text and "SECRET-17" not in text and "<b>" not in text
    assert held["state"]["_case"]["name"] == volume.identity["case"]
    assert held["state"]["_case"]["loss"] == ""  # it all fits, so nothing is lost


def test_page_of_a_large_case_fits_and_says_what_it_lost(chest, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.viewer.PAGE_BYTES", 209_000)
    small, held = read_page(export_html(tmp_path / "page.html", *chest, plane="coronal", index=21))
    whole = packing.scores(checked_case(*chest))
    case = held["state"]["_case"]
    assert case["step"] > 1 and f"multiples of {case['step']}" in case["loss"]
    assert case["shape"][1] < 40 and "means of" in case["loss"] and len(small) < 209_000
    assert case["planes"]["axial"]["dice"] == whole["axial"]["dice"]
    assert case["planes"]["coronal"]["dice"] == whole["coronal"]["dice"][:: 40 // case["shape"][1]]
    assert held["state"]["coronal"] == 21 * case["shape"][1] // 40


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_moves_and_is_small(chest, tmp_path, suffix):
    path = animation(tmp_path / f"chest{suffix}", *chest, spacing=SPACING, frames=8)
    with Image.open(path) as picture:
        assert picture.n_frames == 8 and max(picture.size) <= 448
    assert path.stat().st_size <= 3_000_000


def test_animation_has_the_true_aspect_ratio(chest, tmp_path):
    path = animation(tmp_path / "a.gif", *chest, spacing=SPACING, plane="coronal", frames=4)
    with Image.open(path) as picture:
        assert picture.width / picture.height == pytest.approx(36 * 0.8 / (13 * 5), rel=0.01)


# ----------------------------------------------------------------------------------- bad input

HU = np.zeros(SHAPE, np.int16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((HU, np.zeros((14, 40, 36))), r"mask has the shape \(14, 40, 36\)"),
        ((HU, None, HU[:-1]), r"prediction has the shape \(12, 40, 36\)"),
        ((HU[0],), r"shape \(40, 36\); expected \[slices, rows, cols\]"),
        ((HU[:0],), "none of them 0"),
        ((np.full(SHAPE, np.nan),), r"NaN or infinity, first at .* = \[0, 0, 0\]"),
        ((HU.astype("U1"),), "values are of type <U1"),
        ((HU.astype(complex),), "values are of type complex128"),
        ((HU.astype(np.int32) + 70_000,), "beyond int16"),
        ((HU, HU + 255), "other than 0 and 1"),
        ((HU, HU + 0.3), "Threshold it first, for example mask > 0.5"),
        ((HU, HU + np.nan), "other than 0 and 1"),
        ((HU, HU.astype(str)), "mask's values are of type"),
    ],
)
def test_bad_arrays_are_one_clear_error(arguments, message):
    with pytest.raises(InputError, match=message):
        slice_viewer(*arguments)


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
        slice_viewer(HU, **look)


def test_animation_of_another_kind_is_refused(chest, tmp_path):
    with pytest.raises(InputError, match=r"\.gif, \.webp and \.png"):
        animation(tmp_path / "a.mp4", *chest)


def test_other_number_types_are_taken_as_hu():
    assert slice_viewer(HU, spacing=np.array(SPACING))._held.spacing == SPACING
    assert (still(HU.astype(float) - 600.4, index=0) == still(HU - np.int16(600), index=0)).all()
    assert isinstance(slice_viewer(HU.astype(np.uint8)), SliceViewer)
