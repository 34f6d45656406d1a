"""Starting what a notebook is looked at with: a headless Chromium, JupyterLab, Voila."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()


def chromium():
    """Path of the installed Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def jupyterlab(folder):
    """Serve `folder` by JupyterLab (a context manager that yields the address)."""
    # cells out of sight are drawn too, so that a viewer farther down can be found
    settings = folder / ".jupyter/CONFIG_DIR/lab/user-settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    options = ("--no-browser", "--allow-root", "--ServerApp.root_dir=.", "--LabApp.news_url=None")
    open_to_all = ("--ServerApp.ip=127.0.0.1", "--ServerApp.token=", "--ServerApp.password=")
    return server(folder, "jupyterlab", *options, *open_to_all)


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
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 (our own server, just started)
            return address
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the server did not answer:\n{log.read_text()[-2000:]}")
