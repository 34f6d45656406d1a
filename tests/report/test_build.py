"""What can be said of the report without LaTeX: its sources, stale figures, faults in a log."""

import os
import re
import shutil

import pytest

from report import build as report
from report.build import main
from report.numbers import as_tex
from studies import plan as study_plan
from studies import robustness
from utils.errors import InputError
from utils.report import latex_name, save_numbers

RUN = "model.safetensors"


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A run, a study with two runs, and figures and numbers of both, as notebooks export them."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    (tmp_path / "data/phantom/Images").mkdir(parents=True)
    runs, figures = tmp_path / "data/phantom/derived/runs", tmp_path / "figures/phantom"
    files = [runs / name / RUN for name in ("quick", "losses/bce", "losses/dice")]
    for file in (*files, figures / "figure1_loss.pdf", figures / "loss_study.pdf"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.parent.name)
    save_numbers("phantom", {"run": "quick"})
    save_numbers("phantom", {"runs": ["losses/*"], "figures": ["loss_study"]}, "loss_study")
    return figures


def refuse_stale(figures, used=("figure1_loss", "loss_study")):
    report.refuse_stale(report.read_studies([figures]), used)


def test_fresh_figures_pass_whatever_the_clock_says(exported):
    """After the clock went back, or files were copied, all times lie the wrong way round."""
    refuse_stale(exported)
    for age, file in enumerate(sorted(exported.parents[1].rglob("*.*"), reverse=True)):
        os.utime(file, (1e9 + age, 1e9 + age))
    refuse_stale(exported)
    for age, file in enumerate(sorted(exported.parents[1].rglob("*.*"))):
        os.utime(file, (1e9 + age, 1e9 + age))
    refuse_stale(exported)


@pytest.mark.parametrize(
    ("file", "numbers", "notebook"),
    [
        ("figure1_loss.pdf", "metrics", "04"),
        ("loss_study.pdf", "loss_study", "05"),
        ("metrics.json", "metrics", "04"),
    ],
)
def test_a_figure_of_another_time_is_named(exported, file, numbers, notebook):
    (exported / file).write_text('{"run": "quick", "and": "the notebook then stopped"}')
    said = rf"{file} in figures/phantom are not those that were exported with {numbers}\.json\. "
    with pytest.raises(InputError, match=said + f"Run notebook {notebook} again"):
        refuse_stale(exported)


@pytest.mark.parametrize("run", ["quick", "losses/bce", "losses/dice"])
def test_a_run_trained_again_makes_its_figures_stale(exported, run):
    weights = exported.parents[1] / "data/phantom/derived/runs" / run / RUN
    weights.write_text("other weights")
    os.utime(weights, (1e8, 1e8))
    with pytest.raises(InputError, match=f"do not show the run {run.split('/')[0]}.* as it is now"):
        refuse_stale(exported)


def test_a_further_run_of_a_study_makes_its_figures_stale(exported):
    more = exported.parents[1] / "data/phantom/derived/runs/losses/focal" / RUN
    more.parent.mkdir()
    more.write_text("more")
    with pytest.raises(InputError, match="do not show the run losses"):
        refuse_stale(exported)


@pytest.mark.parametrize("content", [None, "{", '{"runs": {}}', '{"runs": 1, "figures": {}}'])
def test_without_sound_checksums_the_notebook_is_named(exported, content):
    file = exported / "metrics.sums"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(InputError, match=r"metrics\.sums is missing, damaged .*Run notebook 04"):
        refuse_stale(exported)


def test_a_missing_figure_is_named(exported):
    with pytest.raises(InputError, match=r"lacks figure9_none\.pdf\. Run notebook 04"):
        refuse_stale(exported, ["figure9_none"])
    (exported / "loss_study.pdf").unlink()
    with pytest.raises(InputError, match=r"lacks loss_study\.pdf\. Run notebook 05"):
        refuse_stale(exported)


def test_a_run_that_is_gone_is_named(exported):
    weights = exported.parents[1] / "data/phantom/derived/runs/quick" / RUN
    weights.unlink()
    with pytest.raises(InputError, match="has no run quick, which figures/phantom shows"):
        refuse_stale(exported)


def test_without_any_run_the_figures_alone_are_looked_at(exported):
    """Figures that came from another machine, of an older version without checksums too."""
    shutil.rmtree(exported.parents[1] / "data")
    refuse_stale(exported)
    for file in exported.glob("*.sums"):
        file.unlink()
    refuse_stale(exported)


@pytest.mark.parametrize("content", ["{}", '{"runs": []}', '{"runs": ["x"], "figures": []}'])
def test_numbers_that_name_no_run_are_refused(exported, content):
    (exported / "loss_study.json").write_text(content)
    with pytest.raises(InputError, match=r"loss_study\.json does not say which runs"):
        refuse_stale(exported, [])


@pytest.mark.parametrize("content", ["[1]", '{"runs": "x"}', '{"run": ["x"]}', '{"a":' * 5000])
def test_numbers_of_another_form_are_refused(exported, content):
    (exported / "loss_study.json").write_text(content)
    with pytest.raises(InputError, match=r"loss_study\.json is .*damaged.* Run notebook 05 again"):
        refuse_stale(exported, [])


def test_studies_of_image_sets_are_held_against_their_own_runs(exported):
    pictures = exported.parent / "xrays_of_ours"
    run = exported.parents[1] / "data/xrays_of_ours/derived/runs/seed003_tuned" / RUN
    for file in (run, pictures / "side_by_side.pdf"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("as exported")
    (exported.parents[1] / "data/xrays_of_ours/images").mkdir()
    save_numbers("xrays_of_ours", {"runs": ["seed003_*"], "figures": ["side_by_side"]}, "xrays")
    studies = report.read_studies([exported, pictures])
    assert {"metrics", "loss_study", "xrays"} == set(studies)
    report.refuse_stale(studies, ["figure1_loss"])
    run.write_text("trained again")
    with pytest.raises(InputError, match=r"figures/xrays_of_ours do not show the run seed003_\*"):
        report.refuse_stale(studies, ["figure1_loss"])


def test_folders_that_cannot_be_read_together(exported):
    other = exported.parent / "other"
    with pytest.raises(InputError, match=r"figures/other has no numbers\. Run notebooks 06 and 07"):
        report.read_studies([exported, other])
    other.mkdir()
    (other / "loss_study.json").write_text("{}")
    with pytest.raises(InputError, match="are the same study of two data sets"):
        report.read_studies([exported, other])
    (other / "loss_study.json").rename(other / "xrays.json").write_text("{half")
    with pytest.raises(InputError, match=r"other/xrays\.json is .*damaged.*Run notebook 07 again"):
        report.read_studies([exported, other])


def test_the_sources_hold_no_result_of_their_own():
    """A number with two decimals would be one typed by hand, unless others have published it."""
    for file in report.SOURCES.rglob("*.tex"):
        text = file.read_text().split(r"\begin{document}")[-1]
        text = re.sub(r"\\includegraphics\[[^\]]*\]", "", text)
        told = re.findall(r"\\published\{[\d.]+\}", text)
        assert not told or re.search(r"\\cite[tp]\{", text), f"{file.name} cites nobody"
        assert not re.findall(r"\d\.\d\d", re.sub(r"\\published\{[\d.]+\}", "", text)), file.name


def test_every_citation_is_of_an_entry_and_every_entry_is_cited():
    text = "".join(file.read_text() for file in report.SOURCES.rglob("*.tex"))
    cited = {
        name for names in re.findall(r"\\cite\w*\{([^}]+)\}", text) for name in names.split(",")
    }
    bibliography = (report.SOURCES / "references.bib").read_text()
    entries = re.findall(r"^@\w+\{(\w+),", bibliography, re.MULTILINE)
    assert cited == set(entries) and len(entries) == len(set(entries))


def test_every_loss_of_the_study_has_its_row():
    text = (report.SOURCES / "sections/losses.tex").read_text()
    rows = re.findall(r"^ *\\lossrow\{(\w+)\}", text, re.MULTILINE)
    assert sorted(rows) == sorted(map(latex_name, study_plan.LOSSES))


def test_every_trouble_has_its_row():
    text = (report.SOURCES / "sections/robustness.tex").read_text()
    rows = re.findall(r"^ *\\troublerow\{(\w+)\}", text, re.MULTILINE)
    assert sorted(rows) == sorted(map(latex_name, robustness.TROUBLES))


def test_faults_of_a_log_are_found_also_where_latex_breaks_the_line():
    log = (
        "LaTeX Warning: Reference `fig:a-rather-long-name-of-a-figure' on page 3 undefin\n"
        "ed on input line 7.\n"
        "Package natbib Warning: Citation `nobody' on page 1 undefined on input line 3.\n"
        "Overfull \\hbox (4.9pt too wide) in paragraph at lines 1--2\n"
        "Overfull \\hbox (5.1pt too wide) in paragraph at lines 3--4\n"
        "LaTeX Font Warning: some size is not available\n"
    )
    faults = report.log_faults(log)
    assert len(faults) == 3
    assert "undefined" in faults[0] and "nobody" in faults[1] and "5.1pt" in faults[2]
    stopped = log + "! LaTeX Error: File `x' not found.\n!  ==> Fatal error occurred\n"
    assert report.log_faults(stopped) == ["! LaTeX Error: File `x' not found."]


def test_without_a_run_the_sentence_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    (tmp_path / "data" / "phantom" / "Images").mkdir(parents=True)
    assert main([]) == 1
    assert "Run `make run DATASET=phantom` first." in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        *("50%set", "set#1", "a$b", "a{b", "数据", "a&b~c^d", "$(touch X)", "`touch X`", '";X;"'),
        *("a\nb", "a\\b", "'a'", "😀", "Ж", "-r X"),
    ],
)
def test_latex_and_its_shell_meet_no_name_of_a_data_set(tmp_path, monkeypatch, name):
    """It would read % as the start of a comment: the figures lie in copies with plain names."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / name))
    figures = tmp_path / name / "figures" / name
    figures.mkdir(parents=True)
    (figures / "numbers.tex").write_text("% of this data set")
    called, copies = [], []

    def latexmk(command, cwd, **options):
        called.extend([*command, str(cwd)])
        copies.extend(file.name for file in (cwd / "figures0").iterdir())
        return report.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(report.subprocess, "run", latexmk)
    monkeypatch.setattr(report, "log_faults", lambda text: [])
    with pytest.raises(InputError, match="does not build"):  # there is no log: nothing was built
        report.run_latex([figures])
    assert called[-2:-1] == ["report.tex"] and called[-3].endswith("{{figures0/}}")
    assert not any(name in argument or str(tmp_path) in argument for argument in called)
    assert copies == ["numbers.tex"]


def test_letters_without_a_font_become_their_code():
    assert as_tex("数 50% Müller_Ω – “ő”") == r"U+6570  50\% Müller\_U+03A9  – “ő”"
