"""A headless Chromium, a JupyterLab and a Voila, each started once for all browser tests."""

import pytest
from front_ends import FLAGS, chromium, jupyterlab, server


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium by Playwright, or a skip that says what is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if not chromium():
        pytest.skip("no chromium here: apt-get install --no-install-recommends chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium(), args=FLAGS)
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


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """The folder in which the servers run and the notebooks lie."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="session")
def lab(browser, desk):
    """Address of a running JupyterLab."""
    with jupyterlab(desk) as address:
        yield address


@pytest.fixture(scope="session")
def voila(browser, desk):
    """Address of a running Voila."""
    with server(desk, "voila", "--no-browser", "--Voila.ip=127.0.0.1") as address:
        yield address
