"""What a person does with the viewer, done in a browser; each picture is held against NumPy's."""

import base64

import numpy as np
import pytest

from utils.viewer import still
from utils.viewer.case import PLANES


class Viewer:
    """One viewer on a page, and the arrays it should show."""

    def __init__(self, page, root, arrays):
        self.page, self.root = page, root
        self.hu, self.truth = arrays["hu"], arrays.get("truth")
        self.prediction = arrays.get("prediction")
        self.extent = np.multiply(self.hu.shape, arrays["spacing"])

    def choose(self, control, value):
        self.root.locator(f"select.{control}").select_option(value)

    def value(self, control):
        return self.root.locator(f".{control}").input_value()

    def text(self, part):
        return self.root.locator(f".{part}").text_content()

    def slider(self):
        return self.root.locator("input.slider")

    def index(self):
        return int(self.slider().input_value())

    def canvas(self):
        """The pixels on the canvas, uint8 RGB."""
        width, height, data = self.root.locator("canvas.canvas").evaluate(
            """canvas => {
              const {width, height} = canvas;
              const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
              let text = "";
              for (let i = 0; i < pixels.length; i += 32768)
                text += String.fromCharCode(...pixels.subarray(i, i + 32768));
              return [width, height, btoa(text)];
            }"""
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]

    def matches(self):
        """Compare the canvas with NumPy's frame of what the controls say; return that frame."""
        frame = still(
            self.hu,
            self.truth,
            self.prediction,
            plane=self.value("plane"),
            index=self.index(),
            window=(float(self.value("centre")), float(self.value("width"))),
            overlay=self.value("overlay"),
            outline=self.value("outline") == "outline",
            opacity=float(self.value("opacity")),
        )
        drawn = self.canvas()
        assert drawn.shape == frame.shape
        assert np.abs(drawn.astype(int) - frame).max() <= 1
        return frame


def try_everything(viewer):
    """Slice, plane, window, overlay: change each and compare the picture each time."""
    frames = [viewer.matches()]

    def changed():
        frames.append(viewer.matches())
        same_shape = frames[-1].shape == frames[-2].shape
        assert not same_shape or (frames[-1] != frames[-2]).any()

    use_keys_and_mouse(viewer, changed)
    for plane in ("coronal", "sagittal", "axial"):
        viewer.choose("plane", plane)
        changed()
        edges = {side: viewer.text(f"mark.{side}") for side in ("left", "right", "top", "bottom")}
        assert edges == {side: PLANES[plane][side] for side in edges}
        box = viewer.root.locator("canvas.canvas").bounding_box()
        height, width = np.delete(viewer.extent, PLANES[plane]["axis"])
        assert box["width"] / box["height"] == pytest.approx(width / height, rel=0.02)
    for window in ("mediastinum", "bone", "lung"):
        viewer.choose("window", window)
        changed()
    viewer.root.locator(".width").fill("700")
    viewer.root.locator(".width").press("Enter")
    changed()
    assert viewer.value("window") == "free"
    viewer.choose("window", "lung")
    viewer.root.locator("input.opacity").fill("0.8")
    for overlay in viewer.root.locator("select.overlay option").all_text_contents():
        for style in ("tint", "outline"):
            viewer.choose("overlay", overlay)
            viewer.choose("outline", style)
            viewer.matches()


def use_keys_and_mouse(viewer, changed):
    start = viewer.index()
    viewer.slider().focus()
    viewer.page.keyboard.press("ArrowRight")
    assert viewer.index() == start + 1
    changed()
    viewer.page.keyboard.press("ArrowDown")
    assert viewer.index() == start
    changed()
    viewer.slider().scroll_into_view_if_needed()
    box, last = viewer.slider().bounding_box(), int(viewer.slider().get_attribute("max"))
    at, y = box["x"] + 8 + (box["width"] - 16) * start / last, box["y"] + box["height"] / 2
    viewer.page.mouse.move(at, y)
    viewer.page.mouse.down()
    viewer.page.mouse.move(box["x"] + box["width"] * (0.4 if start > last / 2 else 0.6), y, steps=4)
    viewer.page.mouse.up()
    assert abs(viewer.index() - start) >= 1
    changed()


def check_scores_and_clicks(viewer):
    """DSC, jumps and the HU under a click, each computed here in its own way."""
    pairs = zip(viewer.truth, viewer.prediction, strict=True)
    both = [(t.sum() + p.sum(), 2 * (t & p).sum()) for t, p in pairs]
    dice = [twice / total if total else None for total, twice in both]
    scored = [i for i, value in enumerate(dice) if value is not None]
    viewer.choose("plane", "axial")
    viewer.root.locator("button.worst").click()
    assert dice[viewer.index()] == min(dice[i] for i in scored)
    viewer.root.locator("button.best").click()
    assert dice[viewer.index()] == max(dice[i] for i in scored)
    assert viewer.text("dice") == f"DSC {dice[viewer.index()]:.3f} in this slice"
    poor = [i for i in scored if dice[i] < 0.9]
    for _ in poor:
        before = viewer.index()
        viewer.root.locator("button.next").click()
        assert viewer.index() == next((i for i in poor if i > before), poor[0])
    viewer.slider().fill("0")
    assert dice[0] is None and viewer.text("dice") == "no lung in this slice"
    viewer.choose("plane", "coronal")
    viewer.slider().fill("40")
    box = viewer.root.locator("canvas.canvas").bounding_box()
    viewer.page.mouse.click(
        box["x"] + box["width"] * 30.5 / 88, box["y"] + box["height"] * (23 - 9 + 0.5) / 24
    )
    said = viewer.text("value").replace("−", "-")
    assert said == f"{viewer.hu[9, 40, 30]} HU at slice 9, row 40, column 30"
    viewer.choose("plane", "axial")
    assert viewer.index() == 9
    viewer.matches()


def check_nothing_is_clipped(viewer):
    """Every control lies within the viewer and the viewer within the page."""
    outer = viewer.root.bounding_box()
    for part in viewer.root.locator("select, input, button, canvas, li, .position, .status").all():
        if part.is_visible():
            box = part.bounding_box()
            assert outer["x"] <= box["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"]
    assert outer["x"] >= 0 and outer["x"] + outer["width"] <= viewer.page.viewport_size["width"]
