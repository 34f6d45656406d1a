"""Versions in use, held against security advisories that are known; `pip-audit` knows more."""

import importlib.metadata
import re

import pytest
from packaging.version import Version

from utils.workspace import REPOSITORY

# package -> first version without the flaw, and the advisory
MENDED = {
    "pydicom": ("3.0.2", "paths of a DICOMDIR lead out of its folder"),
    "torch": ("2.8.0", "CVE-2025-32434 (torch.load), CVE-2025-3730"),
    "pillow": ("11.3.0", "CVE-2025-48379"),
    "jupyterlab": ("4.4.8", "CVE-2025-59842"),
    "jupyter-core": ("5.8.1", "CVE-2025-30167"),
    "voila": ("0.5.6", "CVE-2024-30265"),
    "tornado": ("6.5.0", "CVE-2025-47287"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "requests": ("2.32.4", "CVE-2024-47081"),
    "urllib3": ("2.6.0", "CVE-2025-66418"),
    "h11": ("0.16.0", "CVE-2025-43859"),
    "tqdm": ("4.66.3", "CVE-2024-34062"),
    "certifi": ("2024.7.4", "CVE-2024-39689"),
    "idna": ("3.7", "CVE-2024-3651"),
    "mistune": ("2.0.3", "CVE-2022-34749"),
}
PINNED = re.compile(r"^([\w-]+)==(\S+) +# \S")


def lines():
    text = (REPOSITORY / "requirements.txt").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("package", MENDED)
def test_no_version_with_a_known_flaw_is_in_use(package):
    first, advisory = MENDED[package]
    try:
        used = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    assert Version(used) >= Version(first), advisory


def test_every_direct_dependency_is_pinned_to_a_version_without_a_known_flaw():
    pins = dict(PINNED.match(line).groups() for line in lines())
    assert len(pins) == len(lines())
    known = pins.keys() & MENDED.keys()
    assert known >= {"pydicom", "torch", "jupyterlab", "voila"}
    assert all(Version(pins[name]) >= Version(MENDED[name][0]) for name in known)
