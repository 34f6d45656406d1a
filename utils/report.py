"""From exported figures and numbers to the PDF of the report: `make report`.

python -m utils.report --dataset phantom      build/report/report.pdf, or a sentence why not
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from utils.errors import InputError
from utils.figures import write_numbers_tex
from utils.workspace import REPOSITORY, derived_folder, figures_folder, shown, workspace

SOURCES = REPOSITORY / "report"
PACKAGES = "latexmk texlive-latex-extra texlive-science texlive-fonts-recommended lmodern"
MARGIN = 5.0  # pt that a line may stick out before it is seen
FAULTS = re.compile(
    r"^(?:LaTeX|Package \w+) Warning: .*(?:undefined|multiply).*$|^! .*$", re.MULTILINE
)
OVERFULL = re.compile(r"^Overfull \\[hv]box \((\S+)pt too \w+\).*$", re.MULTILINE)


def build_report(dataset):
    """Build the report on the figures and numbers of one data set; returns the PDF's path.

    `numbers.tex` is made again from the JSON files first, so that no old number can be printed.
    Raises InputError when figures are missing or older than the run that the numbers come from,
    when LaTeX is missing, and when the text has undefined references or lines in the margin.
    """
    figures = figures_folder(dataset)
    if not (figures / "metrics.json").is_file():
        raise InputError(
            f"{shown(figures)} has no numbers. Run `make run DATASET={dataset}` first."
        )
    if not shutil.which("latexmk"):
        raise InputError(f"LaTeX is needed; on Debian: apt-get install {PACKAGES}")
    write_numbers_tex(figures)
    refuse_stale(figures, derived_folder(dataset), used_figures())
    folder = workspace() / "build" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    # relative, so that LaTeX meets no blank or tilde of the path to the repository
    exported = Path(os.path.relpath(figures, SOURCES)).as_posix()
    command = ["latexmk", "-pdf", "-g", "-silent", "-halt-on-error", f"-outdir={folder}"]
    command += [rf"-usepretex=\def\figures{{{exported}}}", "report.tex"]
    finished = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    log = folder / "report.log"
    faults = log_faults(log.read_text(errors="replace")) if log.exists() else [finished.stderr]
    if faults or finished.returncode:
        listed = "\n  ".join(faults or finished.stderr.splitlines()[-5:])
        raise InputError(f"The report does not build; {shown(log)} says more:\n  {listed}")
    return folder / "report.pdf"


def used_figures():
    """Names of the figures that the report's sources include."""
    text = "".join(file.read_text() for file in sorted(SOURCES.rglob("*.tex")))
    return re.findall(r"\\includegraphics(?:\[[^\]]*\])?\{([^}]+)\}", text)


def refuse_stale(figures, derived, names):
    """Raise InputError for figures and numbers that are older than the run they are to show.

    Figures of the studies (notebooks 05 and later) may be missing: the report leaves those
    sections out. They are held against nothing here, as their runs are not kept.
    """
    metrics = figures / "metrics.json"
    run = json.loads(metrics.read_text()).get("run", "")
    weights = derived / "runs" / run / "model.safetensors"
    ours = [figures / f"{name}.pdf" for name in names if name.startswith("figure")]
    missing = [file.name for file in ours if not file.is_file()]
    if missing:
        raise InputError(f"{shown(figures)} lacks {', '.join(missing)}. Run notebook 04 first.")
    if weights.is_file():
        trained = weights.stat().st_mtime
        stale = [file.name for file in (*ours, metrics) if file.stat().st_mtime < trained]
        if stale:
            raise InputError(
                f"{', '.join(stale)} in {shown(figures)} are older than the run {run!r} that "
                "they should show. Run notebook 04 again."
            )


def log_faults(log):
    """Lines of a LaTeX log that a finished report must not have."""
    log = re.sub(r"(?<=.{79})\n", "", log)  # LaTeX breaks its log's lines after 79 characters
    margins = [m[0] for m in OVERFULL.finditer(log) if float(m[1]) > MARGIN]
    return [match[0] for match in FAULTS.finditer(log)] + margins


def main(arguments=None):
    """Command line; exit code 1 when the report does not build."""
    parser = argparse.ArgumentParser(description="Build the report as PDF")
    parser.add_argument("--dataset", default="phantom", help="name under data/, or a folder")
    try:
        print("report:", shown(build_report(parser.parse_args(arguments).dataset)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
