"""Many cases: what is known of each lies beside its results, so that none is done twice.

`<case>_report.json` says what they were made from and by, in what time, and the row of the table.
"""

import hashlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from utils.cases import sources_of
from utils.dicom import frames_of, read_header
from utils.errors import InputError, printable
from utils.records import checksum, read_record
from utils.runtime import best_device
from utils.workspace import REPOSITORY, write_json, write_table

FORMAT = 1  # raise it when results change, so that finished cases are done again
PACKAGES = ("torch", "numpy", "scipy", "pydicom", "highdicom")
AT_REST, PER_VOXEL = 0.6e9, 24  # bytes: of a process without a scan, and of each voxel of one
ENDINGS = (".png", "_seg.npz", "_seg.dcm", "_seg.nii.gz", "_rtstruct.dcm")  # of results
TEXTS = ["doubts", "notes", "fault"]  # columns
ENDED = "Its process was ended again and again, as for want of memory. Try it alone"


def memory_of(case: Path, most: float = np.inf) -> float:
    """Bytes that a case needs, by its first header or its size; InputError if more than `most`."""
    voxels = 2 * case.stat().st_size if case.is_file() else 0  # seldom packed to under a quarter
    with suppress(Exception):  # the loader says what is wrong
        for name in [] if voxels else (names := sources_of(case)[0]):
            if header := read_header(case / name, name):
                coding = frames_of(header)[0].coding
                voxels = len(names) * coding.frames * coding.rows * coding.cols
                break
    if (need := AT_REST + PER_VOXEL * voxels) > most:
        may = f"{most / 1e9:.1f} GB may be used. Give more by --memory, or take a larger machine"
        raise InputError(f"It needs about {need / 1e9:.1f} GB of memory, and {may}")
    return need


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of the bytes of files, one after the other; a pipe is not waited for."""
    digest = hashlib.sha256()
    for file in filter(Path.is_file, files):
        with open(file, "rb") as source:
            while block := source.read(2**20):
                digest.update(block)
    return digest.hexdigest()


@cache
def _made_with():
    """What this process works with: versions, this project's code, device, threads."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions["utils"] = digest_of(sorted((REPOSITORY / "utils").rglob("*.py")))
    device, threads = str(best_device()), torch.get_num_threads()
    return {"versions": versions, "python": sys.version, "device": device, "threads": threads}


def once(
    case: Path, stem: Path, series: str | None, facts: dict[str, Any], work: Callable[..., Any]
) -> dict[str, Any]:
    """The report of a case: that of an earlier run if nothing has changed, or a new one.

    stem : of the results' names. series, facts : what decides the results; facts name no patient
    and are kept. work(lap) : returns the case's row, and calls lap(stage, value) as each ends.
    """
    file, since = stem.with_name(f"{stem.name}_report.json"), time.monotonic()
    seconds: dict[str, float] = {}
    names, sources = sources_of(case, series)
    told = json.dumps([FORMAT, sources, facts], sort_keys=True).encode()
    made_from = hashlib.sha256(told).hexdigest()
    report = kept(file)
    if report and (report["made_from"], report["files"]) == (made_from, _sizes(stem)):
        return report
    file.unlink(missing_ok=True)

    def lap(stage, value):
        seconds[stage] = round(time.monotonic() - since - sum(seconds.values()), 3)
        return value

    row, content = work(lap), digest_of(case / name for name in names)
    report = {"made_from": made_from, "input": content, **facts, **_made_with()}
    report |= {"seconds": seconds, "row": row, "files": _sizes(stem)}
    write_json(file, report | {"checksum": checksum(report)})
    return report


def kept(file: Path) -> dict[str, Any] | None:
    """The report of a case as it was written, or None."""
    with suppress(InputError):
        report = read_record(file, "report", "")
        return report if report.pop("checksum") == checksum(report) else None
    return None


def _sizes(stem):
    """Name -> bytes of the files that a case's results are."""
    files = [stem.with_name(stem.name + ending) for ending in ENDINGS]
    return {file.name: file.stat().st_size for file in files if file.is_file()}


class Results:
    """The table `volumes.csv` of a run's cases, and its log."""

    def __init__(self, out: Path, names: Sequence[str], columns: Sequence[str]) -> None:
        self.out, self.names, self.columns = out, names, columns
        earlier = ((n, kept(out / f"{name}_report.json")) for n, name in enumerate(names))
        self.rows: dict[int, Any] = {n: report["row"] for n, report in earlier if report}
        self.log = out / "predict.log"
        self.log.unlink(missing_ok=True)
        self.write()

    def keep(self, number: int, row: dict[str, Any]) -> None:
        """Put a case's row into the table, which is written unless that took long just now."""
        self.rows[number] = row | {"case": self.names[number]}
        if time.monotonic() > self.next:
            self.write()

    def write(self) -> pd.DataFrame:
        """Write and return the table, in the order of cases; what a case has not stays empty."""
        began = time.monotonic()
        rows = [self.rows[number] for number in sorted(self.rows)]
        table = pd.DataFrame(rows, columns=self.columns).astype({"slices": "Int64"})
        table[TEXTS] = table[TEXTS].astype(object).fillna("")
        write_table(self.out / "volumes.csv", table, float_format="%.4f")
        self.next = time.monotonic() + 20 * (time.monotonic() - began)
        return table

    def gather(self, outcomes: Iterable[tuple[int, Any]]) -> tuple[pd.DataFrame, list[str]]:
        """(table, faults) of reports or faults as they come, which are kept at once."""
        bar = tqdm(outcomes, "segmenting", len(self.names), unit="case", smoothing=0.05)
        try:
            for number, found in bar:
                found = found or {"row": {}, "fault": ENDED, "trace": ""}
                if "fault" in found:
                    found["row"]["fault"] = self._logged(self.names[number], **found)
                self.keep(number, found["row"])
        finally:
            table = self.write()
        return table, [fault for fault in table["fault"] if fault]

    def _logged(self, case, fault, trace, row):
        """A fault as one sentence that begins with the case, its traceback kept in the log."""
        with self.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{case}\n{trace}\n")
        said = printable(fault if fault.startswith(case) else f"{case}: {fault}")
        return f"{said.rstrip('.')}. {self.log.name} has the traceback."
