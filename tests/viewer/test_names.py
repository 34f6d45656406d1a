"""A case whose name is HTML: it is shown as text, and never becomes an element."""

import json
from html.parser import HTMLParser

import pytest
from chest_builders import case, stand_in
from viewer_builders import as_volume, noisy_chest

from utils import predict
from utils.viewer import export_html, slice_viewer
from utils.viewer.page import SCRIPT

stand_in = pytest.fixture(stand_in)
NAMES = [
    "<img src=x onerror=alert(1)>",
    "</script><img src=x onerror=alert(1)>",
    "</title><img src=x onerror=alert(1)>",
    "<!--<script><img src=x onerror=alert(1)>",
    "\"'><img src=x onerror=alert(1)>",
]


class Elements(HTMLParser):
    """Start tags of a page as (name, attributes), and the text of its scripts and title."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        tag, attributes = self.found[-1] if self.found else ("", {})
        key = attributes.get("id", tag)
        self.texts[key] = self.texts.get(key, "") + data


@pytest.fixture(scope="module")
def chest():
    return noisy_chest()


def assert_harmless(text):
    page = Elements(text)
    assert all(tag != "img" and not any(a.startswith("on") for a in attributes)
               for tag, attributes in page.found)  # fmt: skip
    return page


@pytest.mark.parametrize("name", NAMES)
def test_the_exported_page_shows_the_name_as_text(chest, tmp_path, name):
    volume = as_volume(chest[0], name=name)
    text = export_html(tmp_path / "page.html", volume, *chest[1:]).read_text("utf-8")
    other = as_volume(chest[0], name="Case_000")
    plain = export_html(tmp_path / "plain.html", other, *chest[1:]).read_text("utf-8")
    page = assert_harmless(text)
    assert [tag for tag, _ in page.found] == [tag for tag, _ in Elements(plain).found]
    assert json.loads(page.texts["case"])["state"]["_case"]["name"] == name
    assert page.texts["title"].strip() == f"Slice viewer {name}"


@pytest.mark.parametrize("name", NAMES)
def test_the_widget_sends_the_name_as_text_alone(chest, name):
    """What viewer.js sets it as is text: no innerHTML is there."""
    viewer = slice_viewer(as_volume(chest[0], name=name), *chest[1:])
    data, _ = viewer._repr_mimebundle_()
    assert_harmless(data.get("text/html", "") + data.get("text/plain", "").replace("<", "&lt;"))
    assert viewer.get_state()["_case"]["name"] == name


def test_no_script_of_the_viewer_makes_html_of_text():
    ways = ("innerHTML", "outerHTML", "insertAdjacent", "document.write")
    assert not any(way in SCRIPT.read_text("utf-8") for way in ways)


@pytest.mark.usefixtures("stand_in")
def test_a_folder_of_that_name_is_segmented_and_its_row_shows_text(tmp_path):
    name, out = NAMES[0], tmp_path / "out"
    case(tmp_path / "in" / name)
    case(tmp_path / "in" / f"{name}2")[5].unlink()
    table, faults = predict.predict_folder(tmp_path / "in", out)
    assert list(table["case"]) == [name, f"{name}2"] and len(faults) == 1
    assert table["fault"][1] == faults[0] and faults[0].startswith(f"{name}2: ")
    page = assert_harmless(table._repr_html_())
    assert name in "".join(page.texts.values())
    assert (out / f"{name}_seg.npz").is_file() and (out / f"{name}_seg.dcm").is_file()
