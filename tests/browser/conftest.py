"""A headless Chromium, a JupyterLab and a Voila, each started once for all browser tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
OPEN = ("--no-browser", "--ServerApp.token=", "--ServerApp.password=", "--ServerApp.ip=127.0.0.1")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium by Playwright, or a skip that says what is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no chromium here: apt-get install --no-install-recommends chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    """A blank page of 1000 × 900 pixels that fails the test when a script on it throws."""
    errors = []
    opened = browser.new_page(viewport={"width": 1000, "height": 900})
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert not [error for error in errors if "slice" in error.lower() or "viewer" in error]


@contextmanager
def server(folder, *module):
    """Run `python -m module` in `folder` on a free port; yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(folder / ".jupyter" / name) for name in kept}
    log = folder / "server.log"
    command = [sys.executable, "-m", *module, f"--port={port}"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _answering(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.terminate()
        process.wait(20)


def _answering(address, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return address
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the server did not answer:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """The folder in which the servers run and the notebooks lie."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="session")
def lab(browser, desk):
    """Address of a running JupyterLab."""
    # cells out of sight are drawn too, so that a viewer farther down can be found
    settings = desk / ".jupyter/CONFIG_DIR/lab/user-settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    options = (*OPEN, "--ServerApp.root_dir=.", "--allow-root", "--LabApp.news_url=None")
    with server(desk, "jupyterlab", *options) as address:
        yield address


@pytest.fixture(scope="session")
def voila(browser, desk):
    """Address of a running Voila."""
    with server(desk, "voila", "--no-browser", "--Voila.ip=127.0.0.1") as address:
        yield address
