"""The report as PDF, from exported figures and numbers that show the last runs: `make report`.

python -m report.build --dataset phantom      build/report/report.pdf, or a sentence why not
python -m report.build --images a b c         with notebook 07's figures of other image sets
"""

import argparse
import fnmatch
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from report.numbers import write_numbers_tex
from studies.synthetic import SETS
from utils.errors import InputError, command
from utils.records import read_record
from utils.report import checksums, runs_of
from utils.workspace import REPOSITORY, figures_folder, shown, workspace, written_whole

SOURCES = REPOSITORY / "report"
PACKAGES = "latexmk texlive-latex-extra texlive-science texlive-fonts-recommended lmodern"
MARGIN = 5.0  # pt that a line may stick out before it is seen
ERROR = re.compile(r"^! (?! ).*$", re.MULTILINE)
UNDEFINED = re.compile(r"^(?:LaTeX|Package \w+) Warning: .*(?:undefined|multiply).*$", re.MULTILINE)
OVERFULL = re.compile(r"^Overfull \\[hv]box \((\S+)pt too \w+\).*$", re.MULTILINE)
# Study (a .json file of a figures folder) -> the notebook that exports it
NOTEBOOKS = {"metrics": "04", "loss_study": "05", "robustness": "06", "noise_study": "06"}
NOTEBOOKS |= dict.fromkeys(("ct_slices", "xrays", "three_classes"), "07")


def build_report(dataset: Path | str, images: Sequence[Path | str] | None = None) -> Path:
    """Build the report on the figures and numbers of one data set of CTs; returns the PDF's path.

    images : image sets whose studies (notebooks 06 and 07) are printed beside it; by default
    those of the embedded ones that have figures. `numbers.tex` is made again from the JSON files
    first, so that no old number can be printed.
    Raises InputError when figures are missing or older than the run that the numbers come from,
    when LaTeX is missing, and when the text has undefined references or lines in the margin.
    """
    folders = [figures_folder(dataset), *map(figures_folder, SETS if images is None else images)]
    if not (folders[0] / "metrics.json").is_file():
        raise InputError(
            f"{shown(folders[0])} has no numbers. Run `make run DATASET={dataset}` first."
        )
    if images is None:
        folders = [folder for folder in folders if folder.is_dir()]
    if not shutil.which("latexmk"):
        raise InputError(f"LaTeX is needed; on Debian: apt-get install {PACKAGES}")
    refuse_stale(read_studies(folders), used_figures())
    for exported in folders:
        write_numbers_tex(exported)
    return run_latex(folders)


def run_latex(folders):
    """Let latexmk build the sources with figures and numbers of these folders; the PDF's path.

    In a scratch folder, where all has plain names: latexmk hands paths to a shell, and LaTeX reads
    % # $ { ~ of a path as its own.
    """
    target = workspace() / "build" / "report"
    pdf, log = target / "report.pdf", target / "report.log"
    for old in (pdf, log):  # an old one would be taken for this one's
        old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch, "report")
        shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        for number, folder in enumerate(folders):
            shutil.copytree(folder, sources / f"figures{number}")
        listed = "".join(f"{{figures{number}/}}" for number in range(len(folders)))
        command = ["latexmk", "-pdf", "-g", "-silent", "-halt-on-error", "-outdir=out"]
        command += [rf"-usepretex=\def\figurefolders{{{listed}}}", "report.tex"]
        # no shell, and of a user's names none
        finished = subprocess.run(command, cwd=sources, capture_output=True, text=True)  # noqa: S603
        for made in (pdf, log):
            if (sources / "out" / made.name).is_file():
                with written_whole(made) as temporary:
                    shutil.copyfile(sources / "out" / made.name, temporary)
    faults = log_faults(log.read_text("utf-8", "replace")) if log.exists() else [finished.stderr]
    if faults or finished.returncode:
        lines = "\n  ".join(faults or finished.stderr.splitlines()[-5:])
        raise InputError(f"The report does not build; {shown(log)} says more:\n  {lines}")
    return pdf


def used_figures():
    """Names of the figures that the report's sources include."""
    text = "".join(file.read_text("utf-8") for file in sorted(SOURCES.rglob("*.tex")))
    return re.findall(r"\\includegraphics(?:\[[^\]]*\])?\{([^}]+)\}", text)


def read_studies(folders):
    """What the JSON files of figures folders hold: dict from study to (its file, its content).

    Raises InputError for a file that holds no numbers, a folder without any, and a study that two
    folders have: the report could print only one of them.
    """
    studies = {}
    for folder in folders:
        files = sorted(folder.glob("*.json"))
        if not files:
            raise InputError(
                f"{shown(folder)} has no numbers. Run notebooks 06 and 07 on it first."
            )
        for file in files:
            if file.stem in studies:
                raise InputError(
                    f"{shown(file)} and {shown(studies[file.stem][0])} are the same study of two "
                    "data sets, and the report prints one. Leave one out of --images."
                )
            studies[file.stem] = file, read_record(file, "numbers", again(file))
    return studies


def refuse_stale(studies, used):
    """Raise InputError for figures and numbers that are missing, or made from other runs.

    studies : of `read_studies`; used : names of the figures that the report includes. A study
    names its runs and the figures that show them. Notebook 04 has one run, and its figures are
    those whose names begin with `figure`. Checksums written beside the numbers tell (`.sums`).
    Where no run at all is kept, as after figures were brought from another machine, only the
    figures are held against them.
    """
    for file, content in studies.values():
        runs = content.get("runs") or ([content["run"]] if "run" in content else [])
        figures = content.get("figures", [n for n in used if n.startswith("figure")])
        if not runs or not figures:
            raise InputError(f"{shown(file)} does not say which runs it shows. {again(file)}")
        files = [file.parent / f"{name}.pdf" for name in figures]
        missing = [figure.name for figure in files if not figure.is_file()]
        if missing:
            raise InputError(f"{shown(file.parent)} lacks {', '.join(missing)}. {again(file)}")
        runs_folder = runs_of(file.parent)
        if file.with_suffix(".sums").exists() or runs_folder.is_dir():
            known = read_record(file.with_suffix(".sums"), "sums", again(file))
            then = known["figures"] | known["numbers"]
            now = checksums(file.parent, "*.pdf") | checksums(file.parent, file.name)
            other = [f.name for f in (*files, file) if now[f.name] != then.get(f.name)]
            if other:
                raise InputError(
                    f"{', '.join(other)} in {shown(file.parent)} are not those that "
                    f"were exported with {file.name}. {again(file)}"
                )
        if runs_folder.is_dir() and weights_now(file.parent, runs) != weights_of(known, runs):
            raise InputError(
                f"{file.name} and figures in {shown(file.parent)} do not show the run "
                f"{', '.join(runs)} as it is now. {again(file)}"
            )


def weights_of(known, runs):
    """Checksums of the weights of some runs, patterns below the folder of runs."""
    fitting = [re.compile(fnmatch.translate(f"{run}/*")) for run in runs]
    return {f: s for f, s in known["runs"].items() if any(fit.match(f) for fit in fitting)}


def weights_now(figures, runs):
    """The same of the runs as they are now.

    Raises InputError when there are runs, but none of these: what the figures show has been
    deleted or renamed since.
    """
    folder = runs_of(figures)
    weights = weights_of({"runs": checksums(folder, "**/model.safetensors")}, runs)
    if not weights:
        raise InputError(
            f"{shown(folder)} has no run {', '.join(runs)}, which figures/{figures.name} shows. "
            "Run the notebook that trains it again."
        )
    return weights


def again(file):
    """What to do about an exported file: which notebook makes it."""
    return f"Run notebook {NOTEBOOKS.get(file.stem, 'that exports it')} again."


def log_faults(log):
    """Lines of a LaTeX log that a finished report must not have.

    An error stops LaTeX before it knows its references, so it is told alone.
    """
    log = re.sub(r"(?<=.{79})\n", "", log)  # LaTeX breaks its log's lines after 79 characters
    margins = [m[0] for m in OVERFULL.finditer(log) if float(m[1]) > MARGIN]
    return ERROR.findall(log) or UNDEFINED.findall(log) + margins


@command
def main(arguments=None):
    """Build the report; 1 when it does not build."""
    parser = argparse.ArgumentParser(description="Build the report as PDF")
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    parser.add_argument(
        "--images", nargs="+", metavar="SET", help="image sets in place of the embedded ones"
    )
    chosen = parser.parse_args(arguments)
    print("report:", shown(build_report(chosen.dataset, chosen.images)))


if __name__ == "__main__":
    sys.exit(main())
