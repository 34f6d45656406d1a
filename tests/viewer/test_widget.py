"""The viewer without a browser: widget, page and animation."""

import base64
import inspect
import io
import json
import re
import zlib

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from traitlets import TraitError
from viewer_builders import SPACING, as_volume, noisy_chest

from utils.errors import InputError
from utils.viewer import animation, export_html, slice_viewer
from utils.viewer.case import checked_case
from utils.viewer.drawing import OVERLAYS, checked_view
from utils.viewer.scores import scores


@pytest.fixture
def chest():
    return noisy_chest()


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


def test_widget_and_files_start_from_the_same_arguments(chest):
    parameters = inspect.signature(slice_viewer).parameters
    assert parameters == inspect.signature(checked_view).parameters
    asked = {"plane": "sagittal", "index": 4, "window": (40, 400), "outline": True}
    assert slice_viewer(*chest, **asked).view().state() == checked_view(*chest, **asked).state()


def test_view_is_what_the_traits_say_now(chest):
    viewer = slice_viewer(*chest, index=3)
    before = viewer.view()
    viewer.plane, viewer.coronal, viewer.opacity = "coronal", 7, 0.25
    after = viewer.view()
    assert (before.plane, before.index, before.opacity) == ("axial", 3, 0.5)
    assert (after.plane, after.index, after.opacity) == ("coronal", 7, 0.25)
    assert after.at(9).index == 9 and after.at(9).axial == 3


def test_overlay_follows_the_masks_at_hand(chest):
    hu, truth, prediction = chest
    assert slice_viewer(hu).overlay == "none"
    assert slice_viewer(hu, truth).overlay == "truth"
    viewer = slice_viewer(hu, prediction=prediction)
    assert list(viewer._case["overlays"]) == ["none", "prediction"]
    with pytest.raises(TraitError, match=r"no overlay .*; choose one of"):
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


def test_the_picture_keeps_the_colours_of_its_legend():
    """A palette made of the most frequent colours loses those of a few thin letters."""
    hu = np.random.default_rng(0).integers(-1350, 150, (2, 64, 64)).astype(np.int16)
    half = np.zeros(hu.shape, np.uint8)
    half[:, :, 32:] = 1
    viewer = slice_viewer(as_volume(hu), half, half, overlay="difference")
    png = base64.b64decode(viewer._repr_mimebundle_()[0]["image/png"])
    held = np.unique(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3), axis=0)
    for name, colour in OVERLAYS["difference"]["layers"]:
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(held.astype(int) - rgb).max(1).min() <= 15, name


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


def read_page(path):
    text = path.read_text(encoding="utf-8")
    return text, json.loads(re.search(r'id="case">(.*?)</script>', text, re.DOTALL)[1])


def test_page_is_self_contained_and_holds_no_identity(chest, tmp_path):
    volume = as_volume(chest[0], name="</script><b>Case_007 & Co")
    volume.identity["series_uid"] = "SECRET-17"
    text, held = read_page(export_html(tmp_path / "page.html", volume, *chest[1:]))
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import", text)
    assert "default-src 'none'" in text and "SECRET-17" not in text and "<b>" not in text
    assert held["state"]["_case"]["name"] == volume.identity["case"]
    assert held["state"]["_case"]["loss"] == ""  # it all fits, so nothing is lost


def test_page_of_a_large_case_fits_and_says_what_it_lost(chest, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.viewer.page.PAGE_BYTES", 209_000)
    small, held = read_page(export_html(tmp_path / "page.html", *chest, plane="coronal", index=21))
    whole = scores(checked_case(*chest))
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


def test_animation_of_another_kind_is_refused(chest, tmp_path):
    with pytest.raises(InputError, match=r"\.gif, \.webp and \.png"):
        animation(tmp_path / "a.mp4", *chest)
