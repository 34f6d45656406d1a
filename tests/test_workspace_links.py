"""Links among the files that the project makes: nothing is written through them."""

import pytest

from utils import workspace
from utils.errors import InputError


@pytest.fixture
def workspace_with(tmp_path, monkeypatch):
    """A function that makes one place in a workspace a link: (workspace, where it leads)."""

    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "work"))

    def make(link):
        work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
        (work / link).parent.mkdir(parents=True)
        elsewhere.mkdir()
        (elsewhere / "precious").touch()
        (work / link).symlink_to(elsewhere)
        (work / "data/mini/Images").mkdir(parents=True, exist_ok=True)
        return work, elsewhere

    return make


@pytest.mark.parametrize(
    "link", ["data/mini/derived", "data/mini/derived/runs", "figures", "figures/mini"]
)
def test_nothing_is_written_through_a_link_among_derived_files(workspace_with, link):
    root, elsewhere = workspace_with(link)
    below = root / {"figures": "figures/mini"}.get(link, link) / "deeper"
    said = rf"^{link} is a link\. Nothing is written there"
    with pytest.raises(InputError, match=said):
        workspace.write_json(below / "a.json", {})
    with pytest.raises(InputError, match=said), workspace.locked(below):
        pass
    assert sorted(elsewhere.iterdir()) == [elsewhere / "precious"]


def test_a_derived_folder_that_is_a_link_is_not_used(workspace_with):
    workspace_with("data/mini/derived")
    with pytest.raises(InputError, match=r"data/mini/derived is a link"):
        workspace.derived_folder("mini")


@pytest.mark.parametrize("link", ["data", "data/mini"])
def test_a_data_set_may_be_a_link(workspace_with, link):
    root, elsewhere = workspace_with(link)
    workspace.write_json(root / "data/mini/derived/a.json", {})
    assert [file.name for file in elsewhere.rglob("a.json")] == ["a.json"]
