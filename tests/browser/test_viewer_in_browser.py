"""The viewer in a real browser: JupyterLab, Voila and the exported page.

Each road ends in the same check: a person's actions, and after each of them the canvas compared
pixel by pixel with the frame that NumPy composes from the arrays the notebook held.
"""

import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hands import Viewer, check_nothing_is_clipped, check_scores_and_clicks, try_everything
from nbclient import NotebookClient
from nbformat import sign

from utils.viewer import export_html
from utils.workspace import REPOSITORY, workspace

WAIT = 180_000  # ms, for a notebook's cells
SHAPE, SPACING = (24, 96, 88), (4.0, 1.5, 1.5)

SMALL = """\
import ipywidgets
import numpy as np

from utils.viewer import slice_viewer

held = np.load("small.npz")
viewer = slice_viewer(held["hu"], held["truth"], held["prediction"], spacing=held["spacing"])
linked = ipywidgets.IntSlider(viewer.axial, max=23, description="linked")
ipywidgets.jslink((linked, "value"), (viewer, "axial"))
heard = ipywidgets.Text(description="heard")
viewer.observe(lambda _: setattr(heard, "value", f"{viewer.plane} {viewer.axial}"))
viewer"""

KEEP = """\
import ipywidgets.widgets.widget
import numpy as np

from utils.viewer import SliceViewer

shown = [w for w in ipywidgets.widgets.widget._instances.values() if isinstance(w, SliceViewer)]
for number, one in enumerate(shown):
    held_case = one.view().case
    masks = {"truth": held_case.truth, "prediction": held_case.prediction}
    masks = {name: mask for name, mask in masks.items() if mask is not None}
    np.savez(f"held_{number}.npz", hu=held_case.hu, spacing=held_case.spacing, **masks)
print("kept", len(shown))"""


@pytest.fixture(scope="session")
def arrays():
    """A chest of noise with two lungs and a prediction that differs from them."""
    rng = np.random.default_rng(7)
    hu = rng.normal(-200, 400, SHAPE).round().astype(np.int16)
    truth, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[4:20, 20:70, 10:38] = truth[6:18, 18:72, 48:80] = 1
    prediction[4:19, 22:71, 10:39] = prediction[6:18, 18:72, 48:80] = 1
    prediction[22, 5:9, 5:9] = 1
    return {"hu": hu, "truth": truth, "prediction": prediction, "spacing": SPACING}


@pytest.fixture(scope="session")
def small(desk, arrays):
    """A notebook of four cells: the viewer, and two ordinary widgets that follow it."""
    np.savez(desk / "small.npz", **arrays)
    cells = [nbformat.v4.new_code_cell(source) for source in (SMALL, "linked", "heard")]
    return placed(notebook_of(cells), desk / "small.ipynb")


@pytest.fixture(scope="session")
def lesson(desk):
    """Notebook 02, or the one that $LUNG_VIEWER_NOTEBOOK names."""
    given = os.environ.get("LUNG_VIEWER_NOTEBOOK")
    source = Path(given) if given else REPOSITORY / "notebooks" / "02_alignment_check.ipynb"
    if not source.exists():
        pytest.skip(f"there is no {source.name}")
    if not given and not any(workspace().glob("data/phantom/derived/volumes/*.npy")):
        pytest.skip("notebook 02 needs the volumes that notebook 01 writes: run `make run` first")
    return placed(nbformat.read(source, as_version=4), desk / source.name)


def notebook_of(cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def placed(notebook, path):
    """Write the notebook without outputs, and with a last cell that keeps what is shown."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    notebook.cells.append(nbformat.v4.new_code_cell(KEEP))
    nbformat.write(notebook, path)
    return path


def run_in_lab(page, lab, notebook):
    """Open a notebook in JupyterLab and run all its cells; wait for a viewer to be loaded."""
    page.goto(f"{lab}/lab/workspaces/{notebook.stem}/tree/{notebook.name}?reset")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
    for _ in range(5):  # a click right after the kernel's start is sometimes lost
        page.click("li.lm-MenuBar-item:has-text('Run')")
        page.click("li[data-command='runmenu:run-all']")
        page.wait_for_timeout(2_000)
        if page.locator(".jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"\[[\d*]+\]")).count():
            break
    return shown(page)


def shown(page):
    """The first viewer on the page, once all its slices are there."""
    failed = "[data-mime-type$=error], [data-mime-type$=stderr], pre:has-text('There was an error')"
    page.wait_for_selector(f".slice-viewer[data-loaded=true], {failed}", timeout=WAIT)
    page.wait_for_selector(f"pre:has-text('kept'), {failed}", timeout=WAIT)
    assert not page.locator(failed).all_text_contents()
    return page.locator(".slice-viewer").first


def kept(desk):
    return dict(np.load(desk / "held_0.npz"))


def screenshot(page, name):
    """Save what the page shows where $LUNG_SCREENSHOTS names a folder to look at."""
    if os.environ.get("LUNG_SCREENSHOTS"):
        page.screenshot(path=Path(os.environ["LUNG_SCREENSHOTS"]) / f"{name}.png")


def test_jupyterlab_small(page, lab, small, desk, arrays):
    viewer = Viewer(page, run_in_lab(page, lab, small), arrays)
    try_everything(viewer)
    check_scores_and_clicks(viewer)
    screenshot(page, "lab")
    viewer.slider().fill("13")
    # the front end's own link, and what Python heard by `observe`
    assert page.locator(".widget-readout").first.text_content() == "13"
    page.wait_for_function("document.querySelector('.widget-text input').value === 'axial 13'")
    assert kept(desk)["hu"].shape == SHAPE


def test_jupyterlab_still_picture_before_the_kernel(page, lab, desk, arrays):
    source = SMALL.rsplit("\n", 1)[0] + "\nviewer"
    notebook = notebook_of([nbformat.v4.new_code_cell(source)])
    np.savez(desk / "small.npz", **arrays)
    resources = {"metadata": {"path": str(desk)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    nbformat.write(notebook, desk / "unsigned.ipynb")
    page.goto(f"{lab}/lab/workspaces/unsigned/tree/unsigned.ipynb?reset")
    page.wait_for_selector(".jp-OutputArea img", timeout=60_000)  # the PNG, for it is not trusted
    sign.NotebookNotary(data_dir=str(desk / ".jupyter" / "DATA_DIR")).sign(notebook)
    nbformat.write(notebook, desk / "signed.ipynb")
    still = page.locator(".slice-viewer img.still")
    for _ in range(3):  # on a busy machine JupyterLab may draw before it has read the state
        page.goto(f"{lab}/lab/workspaces/signed/tree/signed.ipynb?reset")
        page.wait_for_selector(".jp-OutputArea-output", timeout=60_000)
        page.wait_for_timeout(5_000)
        if still.count():
            break
    assert still.is_visible()
    assert "Still picture of axial slice" in page.text_content(".slice-viewer .status")


def test_jupyterlab_lesson(page, lab, lesson, desk):
    root = run_in_lab(page, lab, lesson)
    try_everything(Viewer(page, root, kept(desk)))
    screenshot(page, "lesson")


def test_voila(page, voila, small, arrays):
    page.goto(f"{voila}/voila/render/{small.name}")
    viewer = Viewer(page, shown(page), arrays)
    try_everything(viewer)
    check_scores_and_clicks(viewer)
    screenshot(page, "voila")


def test_voila_lesson(page, voila, lesson, desk):
    page.goto(f"{voila}/voila/render/{lesson.name}", timeout=WAIT)
    try_everything(Viewer(page, shown(page), kept(desk)))


def test_voila_inspects_a_case_and_its_prediction(page, voila, desk):
    source = REPOSITORY / "notebooks" / "inspect_a_case.ipynb"
    notebook = placed(nbformat.read(source, as_version=4), desk / source.name)
    page.goto(f"{voila}/voila/render/{notebook.name}", timeout=WAIT)
    viewer, held = shown(page), kept(desk)
    assert {"truth", "prediction"} <= set(held)
    try_everything(Viewer(page, viewer, held))
    screenshot(page, "inspect")
    names = page.locator(".widget-dropdown select option").all_text_contents()
    page.select_option(".widget-dropdown select", names[-1])
    page.wait_for_selector(f".slice-viewer[data-loaded=true]:has-text('{names[-1]}')", timeout=WAIT)


@pytest.mark.parametrize("width", [700, 1000])
def test_exported_page(page, tmp_path, arrays, width):
    held = {name: arrays[name] for name in ("hu", "truth", "prediction")}
    path = export_html(
        tmp_path / "page.html", held["hu"], held["truth"], held["prediction"], spacing=SPACING
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path.as_uri())
    page.wait_for_selector(".slice-viewer[data-loaded=true]")
    viewer = Viewer(page, page.locator(".slice-viewer"), arrays)
    screenshot(page, f"page-{width}")
    check_nothing_is_clipped(viewer)
    try_everything(viewer)
    check_scores_and_clicks(viewer)
    assert asked == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_exported_page_of_rounded_values(page, tmp_path, arrays, monkeypatch):
    monkeypatch.setattr("utils.viewer.packing.STEPS", (16,))
    path = export_html(tmp_path / "page.html", arrays["hu"], spacing=SPACING)
    page.goto(path.as_uri())
    page.wait_for_selector(".slice-viewer[data-loaded=true]")
    rounded = np.rint(np.clip(arrays["hu"], -1100, 1500) / 16).astype(np.int16) * np.int16(16)
    viewer = Viewer(page, page.locator(".slice-viewer"), {"hu": rounded, "spacing": SPACING})
    viewer.matches()
    assert "multiples of 16" in viewer.text("status")
    page.click("canvas.canvas")
    assert viewer.text("value").startswith("≈ ")
