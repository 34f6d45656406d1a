"""How long a slice takes to show: this viewer against two usual ways, in one headless browser.

Run with `python benchmarks/viewer_speed.py`; needs chromium and playwright. One notebook, served
by JupyterLab, shows 150 slices of 512 × 512 with two overlays in three ways:

- viewer: `utils.viewer.slice_viewer`, drawn in the browser;
- image: frames composed in NumPy and pushed as PNG into an `ipywidgets.Image` by `observe`;
- interact: `ipywidgets.interact` around a function that draws a matplotlib figure.

Each is driven through its own slider; the clock runs in the browser, from the slider's event to
the first repaint that shows the new picture.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import nbformat

sys.path.append(str(Path(__file__).parents[1] / "tests" / "browser"))
from front_ends import FLAGS, chromium, jupyterlab

STEPS = 15

CELLS = [
    """\
import io
import time
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from utils.viewer import slice_viewer, still
from utils.viewer.drawing import checked_view, compose

rng = np.random.default_rng(0)
z, y, x = np.ogrid[-1:1:150j, -1:1:512j, -1:1:512j]
lungs = ((np.abs(x) - 0.4) / 0.3) ** 2 + (y / 0.5) ** 2 + (z / 0.9) ** 2 < 1
body = (x / 0.95) ** 2 + (y / 0.75) ** 2 + 0 * z < 1
hu = np.where(lungs, -850, np.where(body, 40, -1000)).astype(np.int16)
for one in hu:
    one += rng.normal(0, 20, one.shape).astype(np.int16)
found = np.roll(lungs, 4, axis=2)""",
    "viewer = slice_viewer(hu, lungs, found, spacing=(2.5, 0.7, 0.7), index=60)\nviewer",
    """\
view = checked_view(hu, lungs, found)
picture, slider = ipywidgets.Image(format="png"), ipywidgets.IntSlider(60, max=149)


def push(change):
    content = io.BytesIO()
    Image.fromarray(compose(view.at(change["new"]))).save(content, "PNG")
    picture.value = content.getvalue()


slider.observe(push, "value")
push({"new": 60})
picture.add_class("pushed-image")
slider.add_class("pushed-slider")
ipywidgets.VBox([slider, picture])""",
    """\
def draw(i):
    plt.figure(figsize=(5.12, 5.12), dpi=100)
    plt.imshow(hu[i], cmap="gray", vmin=-1350, vmax=150)
    for mask, colours in ((lungs, "Blues"), (found, "Oranges")):
        plt.imshow(np.ma.masked_equal(mask[i], 0), cmap=colours, vmin=0, vmax=1, alpha=0.5)
    plt.axis("off")
    plt.show()


redrawn = ipywidgets.interactive(draw, i=ipywidgets.IntSlider(60, max=149))
redrawn.add_class("redrawn")
redrawn""",
    "print('ready')",
]

# The viewer's slider is an ordinary input; the others are moved as a linked widget would move
# them: by an arrow key on their handle.
TIME = """async ({slider, picture, steps}) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const times = [];
  for (let i = 0; i < steps; i++) {
    const handle = document.querySelector(slider), start = performance.now();
    let shown;
    if (picture === "canvas") {
      handle.value = Number(handle.value) + 1;
      handle.dispatchEvent(new Event("input"));
      shown = performance.now();
    } else {
      const source = () => document.querySelector(picture)?.src;
      const before = source();
      const key = {key: "ArrowRight", keyCode: 39, bubbles: true, cancelable: true};
      handle.dispatchEvent(new KeyboardEvent("keydown", key));
      while (!source() || source() === before || !document.querySelector(picture).complete) {
        if (performance.now() - start > 20000) throw Error("no new picture after 20 s");
        await new Promise((done) => setTimeout(done));
      }
      await document.querySelector(picture).decode();
      shown = performance.now();
    }
    await painted();
    times.push([shown - start, performance.now() - start]);
    await new Promise((done) => setTimeout(done, 250)); // let the kernel come to rest
  }
  return times;
}"""

WAYS = {
    "viewer (canvas in the browser)": (".slice-viewer .slider", "canvas"),
    "frames pushed into Image": (
        ".pushed-slider .noUi-handle",
        "img.pushed-image",
    ),
    "interact redrawing matplotlib": (".redrawn .noUi-handle", ".redrawn .jp-OutputArea img"),
}


def measured(page, address):
    """Seconds until the viewer is open, and for each way the times of its steps in ms."""
    page.goto(f"{address}/lab/workspaces/speed/tree/speed.ipynb?reset")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
    run_cell(page, 0)
    page.wait_for_selector(".jp-CodeCell >> nth=0 >> text=/\\[\\d+\\]:/", timeout=60_000)
    page.evaluate(
        """() => {
          const start = performance.now(), seen = window.opened = {};
          const watch = () => {
            const root = document.querySelector(".slice-viewer");
            if (root && !seen.picture && root.querySelector(".still").hidden)
              seen.picture = performance.now() - start;
            if (root?.dataset.loaded === "true") seen.all = performance.now() - start;
            else setTimeout(watch, 5);
          };
          watch();
        }"""
    )
    run_cell(page, 1)
    page.wait_for_function("window.opened.all", timeout=60_000)
    opened = page.evaluate("window.opened")
    for number in (2, 3, 4):
        run_cell(page, number)
    page.wait_for_selector("pre:has-text('ready')", timeout=60_000)
    page.wait_for_selector(".redrawn img", timeout=60_000)
    page.wait_for_timeout(1_000)
    times = {}
    for way, (slider, picture) in WAYS.items():
        asked = {"slider": slider, "picture": picture, "steps": STEPS}
        times[way] = page.evaluate(TIME, asked)
    return opened, times


def run_cell(page, number):
    """Select a cell and run it; a click right after the kernel's start is sometimes lost."""
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(number)
    for _ in range(5):
        prompt.click()
        page.click("jp-button[title^='Run this cell'], [data-jp-item-name=run] jp-button")
        page.wait_for_timeout(500)
        if prompt.text_content().strip() != "[ ]:":
            return
    raise RuntimeError("JupyterLab ran no cell")


def main():
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, desk / "speed.ipynb")
        with jupyterlab(desk) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            opened, times = measured(browser.new_page(), address)
            browser.close()
    print(
        f"150 slices of 512 × 512 with two masks: first slice after {opened['picture']:.0f} ms, "
        f"all slices after {opened['all']:.0f} ms (from the click on Run)"
    )
    print(f"{'way':34}{'picture, median':>18}{'slowest':>10}{'repainted, median':>20}   (ms)")
    for way, pairs in times.items():
        shown, painted = zip(*pairs, strict=True)
        print(
            f"{way:34}{statistics.median(shown):18.1f}{max(shown):10.1f}"
            f"{statistics.median(painted):20.1f}"
        )


if __name__ == "__main__":
    main()
