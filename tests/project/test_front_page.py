"""What the README shows: its modules tell their use, its tables are those exported."""

import json
import re
import runpy
import shutil
import sys
from importlib.util import find_spec

import pytest

from docs import front_page
from utils.workspace import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def test_every_make_target_and_module_exists():
    named = set(
        re.findall(r"make ([a-z-]+)", README + (REPOSITORY / "CONTRIBUTING.md").read_text())
    )
    made = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert named and named <= made
    modules = set(re.findall(r"-m (utils[.\w]+)", README))
    assert modules
    for module in modules:
        assert find_spec(module), module


@pytest.mark.parametrize("module", sorted(set(re.findall(r"-m (utils[.\w]+)", README))))
def test_every_module_says_how_it_is_used(module, monkeypatch, capsys):
    if module == "utils.datasets.phantom":
        pytest.skip("takes no arguments; `make phantom` runs it")
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    # as `python -m` does, in this process, which has torch and matplotlib already
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_the_tables_are_made_from_the_committed_results():
    results = json.loads(front_page.RESULTS.read_text())
    assert front_page.table(results) in README
    assert front_page.other_table(results) in README
    assert front_page.speed_table() in README


def test_a_changed_result_changes_the_table(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(
        "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
        "<!-- other results -->\nold\n<!-- end of other results -->\n"
    )
    scores = {"dsc_lung_slices": 0.5, "worst_lung_slice": 0.25, "dsc_3d": {"mean": 0.75}}
    scores |= {"false_positive_slices": 3, "lung_free_slices": 9}
    slices = {"ct_slices": {"F1": 0.125}}
    front_page.write_tables(page, {"phantom": {"test": scores}, "synthetic_ct_slices": slices})
    text = page.read_text()
    assert "| 0.500 | 0.250 | 0.750 | 3 of 9 |" in text
    assert "| 0.682 | 0.125 |" in text and "0.953" not in text
    assert "old" not in text and text.startswith("before\n") and "\nafter\n" in text


def test_a_job_on_a_gpu_is_told_when_it_has_been_measured(tmp_path):
    for name in ("predict_stages.csv", "training_speed.csv"):
        shutil.copy(front_page.BENCHMARKS / name, tmp_path)
    assert "**not measured**" in front_page.speed_table(tmp_path)
    rows = "batch,job s,faster than plain\n3,90,2.5\n16,40,5.5\n"
    (tmp_path / "full_job.csv").write_text(f"# Some GPU, 8 threads, torch 2\n{rows}")
    told = front_page.speed_table(tmp_path)
    assert "| 90 s with batches of 3, 2.5 times as fast as the usual loop with its 3; 40 s" in told
    assert "16, 5.5 times as fast as the usual loop with its 3: on Some GPU, 8 threads |" in told
    assert "not measured" not in told


def test_the_pictures_are_small():
    pictures = sorted((REPOSITORY / "figures" / "readme").glob("*.*"))
    assert (REPOSITORY / "figures" / "readme" / "overlay.gif") in pictures
    assert (REPOSITORY / "figures" / "readme" / "overlay.gif").stat().st_size <= 3e6
    assert sum(file.stat().st_size for file in pictures) < 5e6
