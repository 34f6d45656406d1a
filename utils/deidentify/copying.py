"""De-identified copies of a case or a data set: made by the keep-list, checked, then delivered."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from pydicom import dcmwrite
from tqdm.auto import tqdm

from utils import dicom
from utils.deidentify.identity import Identity
from utils.deidentify.keeping import WORDS, rewritten
from utils.deidentify.pixels import PIXEL_DATA, clean_pixels, judged, looks_like_text, refusal
from utils.deidentify.pseudonyms import CASE, Pseudonyms
from utils.deidentify.remaining import REPORT, check
from utils.errors import InputError, about, refused
from utils.masks import load_mask, save_mask
from utils.workspace import cases_in, chosen_series

CHOSEN = r"(2\.25\.\d+|largest)?,?(AcquisitionNumber=\d{1,4})?"  # in series.txt of a copy
UNFINISHED = ".deidentified-in-part"  # begins the name of a folder that is not yet whole


def deidentify(
    folder: Path | str,
    out_folder: Path | str,
    case_name: str = "Case_000",
    map_file: Path | str | None = None,
    despite_findings: bool = False,
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a de-identified copy of a case, or of a data set with `Images/`, into `out_folder`.

    The copy holds what keep.toml names and nothing else. UIDs become others by a keyed hash of a
    secret of this call, the same wherever one stood; dates go back by a secret number of days, one
    for each patient; name and number become `case_name` (in a data set the name of its folder, or
    Case_000, … in random order if these are no such names). The secret and what stands for what go
    into `map_file`, which only its owner can read, or nowhere. also : pictures that may show text.

    Returns a report: `files`, `left_out` (names, and why), `refused` (cases and files asked for in
    vain, and why), `counts` ((attribute, what was done) -> how often), `flags` (what a person must
    look at) and `remaining` (findings of the check; empty unless `despite_findings`, as a case that
    has any is not delivered). Raises InputError if nothing can be delivered; nothing is written.
    """
    folder, out = Path(folder).resolve(), Path(out_folder).resolve()
    report: dict[str, Any] = {key: [] for key in ("left_out", "refused", "flags", "remaining")}
    report |= {"files": 0, "counts": {}}
    names, uids, secret = dict[str, str](), dict[str, str](), os.urandom(32)
    with about(folder.name):
        _check_places(folder, out, case_name, map_file and Path(map_file).resolve())
        with _unfinished(out) as work, dicom.library_silenced():
            cases = _marked(_cases(folder, case_name, secret, report), folder, also)
            for old, new, files in tqdm(cases, unit="case", disable=len(cases) < 2):
                try:
                    with about(old, end=""):
                        _copy_case(files, work, (secret, new, uids), report, despite_findings)
                    names[old] = new
                except InputError as problem:
                    report["refused"].append(str(problem))
                    shutil.rmtree(work / "Images" / new, ignore_errors=True)
                    for path in work.glob(f"Segmentations/{new}[-_]*"):
                        path.unlink()
            if not names:
                raise InputError("\n".join(report["refused"]) or "it holds no case")
            _write_beside(folder, work, names, uids, report)
            if map_file:
                _write_map(map_file, {"secret": secret.hex(), "cases": names, "uids": uids})
    return report


def _check_places(folder, out, case_name, map_file):
    """Refuse a copy onto, into or around the original, a map in either, and impossible names."""
    if not folder.is_dir():
        raise refusal("no folder", folder)
    if out == folder or folder in out.parents or out in folder.parents:
        raise refusal("around", out, folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise refusal("not empty", out)
    if not re.fullmatch(CASE, case_name):
        raise refusal("case name", case_name)
    if map_file and (map_file.exists() or {out, folder} & {*map_file.parents}):
        raise refusal("map", map_file)


@contextmanager
def _unfinished(out):
    """A folder beside `out` that takes its place in the end; those of killed runs are removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.iterdir():
        if match := re.fullmatch(rf"{UNFINISHED}-(\d+)-{re.escape(out.name)}", left.name):
            pid = int(match[1])
            running = psutil.pid_exists(pid) and pid != os.getpid()
            if running and psutil.Process(pid).create_time() < left.stat().st_ctime:
                raise refusal("running", pid, out)
            shutil.rmtree(left)
    work = out.with_name(f"{UNFINISHED}-{os.getpid()}-{out.name}")
    work.mkdir()
    try:
        yield work
        if out.exists():
            out.rmdir()
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cases(folder, case_name, secret, report):
    """(old name, new name, [(name, path, folder within the copy)]) of each case."""
    if not (folder / "Images").is_dir():
        return [(folder.name, case_name, [(*f, ".") for f in dicom.list_files(folder)])]
    cases = [case.name for case in cases_in(folder / "Images")]
    new = {case: case for case in cases}
    if not all(re.fullmatch(r"Case_\d{1,4}", case) for case in cases):  # they may name a patient
        cases.sort(key=lambda case: Pseudonyms(secret, "", {}).uid(case))
        new = {case: f"Case_{number:03d}" for number, case in enumerate(cases)}
    masks, found = folder / "Segmentations", []
    drawn = dicom.list_files(masks) if masks.is_dir() else []
    for case in cases:
        files = [(*f, f"Images/{new[case]}") for f in dicom.list_files(folder / "Images" / case)]
        own = [f for f in drawn if re.match(re.escape(case) + "[._-]", f[0])]
        drawn = [f for f in drawn if f not in own]
        found.append((case, new[case], files + [(*f, "Segmentations") for f in own]))
    report["left_out"] += [f"Segmentations/{name}: of no case" for name, _ in drawn]
    return found


def _marked(cases, folder, also):
    """The cases, of whose files is known: place in the folder, and whether it was asked for."""
    paths, asked = {path for *_, files in cases for _, path, _ in files}, set()
    for name in also:
        if not (found := {folder / name, Path(name).resolve()} & paths):
            raise refusal("no such file", name)
        asked |= found
    return [
        (old, new, [(*f, str(f[1].relative_to(folder)), f[1] in asked) for f in files])
        for old, new, files in cases
    ]


def _copy_case(files, work, key, report, despite_findings):
    """The files of one patient into the copy, checked; InputError for two patients or a finding."""
    identity, numbers, written = Identity(), Counter(), []
    sources, left = _chosen(files, identity, report)
    patient = _one_patient([source.facts for *_, source in sources if source])
    names = Pseudonyms(*key, patient)
    for name, path, target, kind, why, source in sources:
        folder = work / target
        folder.mkdir(parents=True, exist_ok=True)
        prefix = key[1] * (target == "Segmentations")
        with refused(f"{name} cannot be de-identified", "Remove or replace the file"):
            if source is None:
                written.append(folder / f"{prefix}_seg.npz")
                save_mask(written[-1], load_mask(path))
                continue
            numbers[kind, target] += 1
            file = f"{kind}-{numbers[kind, target]:04d}.dcm"
            written.append(folder / (f"{prefix}-{file}" if prefix else file))
            _copy(source, kind, names, written[-1], report, why)
    if not written:
        raise refusal("no DICOM", "it")
    checked = [(str(path.relative_to(work)), path) for path in written]
    findings = [row for name, path in checked for row in check(name, path, identity)]
    if findings and not despite_findings:
        raise refusal("findings", "; ".join(map(": ".join, findings[:5])))
    report["remaining"] += findings
    report["left_out"] += left
    _flag(report, [refusal("unread", place) for place in sorted(identity.unread)])
    report["files"] += len(written)


def _chosen(files, identity, report):
    """[(name, path, folder of the copy, kind, why it had to be asked for, source)], what is left"""
    chosen, left = [], []
    for name, path, target, place, asked in files:
        if target == "Segmentations" and name.endswith("_seg.npz"):
            chosen.append((name, path, target, "", "", None))
            continue
        source = dicom.read_header(path, name)
        if source is not None:
            with about(name, end=""):
                identity.collect(source.dataset)
        kind, why = judged(source)
        if kind and (asked or not why):
            chosen.append((name, path, target, kind, why, source))
        else:
            left.append(str(refusal("may be asked for", place, why)) if kind else f"{place}: {why}")
            report["refused"] += [str(refusal("asked in vain", place, why))] * asked
    return chosen, left


def _one_patient(facts):
    """Number or name of the one patient of some files; InputError for two."""
    for who in ("patient_id", "patient_name"):
        found = {re.sub(r"[\W_]+", " ", getattr(f, who).lower()).strip() for f in facts} - {""}
        if len(found) > 1:
            raise refusal("patients", len(found), who)
    return next((who for f in facts if (who := f.patient_id or f.patient_name)), "")


def _copy(source, kind, names, file, report, why):
    """One object into a file of the copy, and into the report what is to be said of it."""
    dataset = source.dataset
    dataset.SOPClassUID = source.facts.sop_class  # which may stand in the file meta alone
    copy = rewritten(dataset, names, report["counts"])
    clean_pixels(copy, source, kind)
    dcmwrite(file, copy, enforce_file_format=True)
    said = " ".join(dicom.text(dataset, word) for word in WORDS["described"]).lower()
    if {*re.findall(r"[^\W\d_]+", said)} & {*WORDS["head"]}:
        _flag(report, [refusal("head")])
    if kind == "CT" and looks_like_text(source, copy[PIXEL_DATA]):
        _flag(report, [refusal("looks like text", file.name)])
    if why:
        _flag(report, [refusal("asked", source.name, why, file.name)])
        row = f"{kind} object", "asked for; what its pixels show was not judged"
        report["counts"][row] = report["counts"].get(row, 0) + 1


def _flag(report, flags):
    """Sentences for a person into the report, each once."""
    report["flags"] += [flag for flag in map(str, flags) if flag not in report["flags"]]


def _write_beside(folder, work, names, uids, report):
    """`series.txt` with new UIDs, and a table of what was kept, for a data protection officer."""
    chosen = {c: said.split(",") for c, said in chosen_series(folder).items() if c in names}
    said = {c: ",".join(uids.get(word, word) for word in words) for c, words in chosen.items()}
    lines = [f"{names[c]} {new}\n" for c, new in said.items() if re.fullmatch(CHOSEN, new)]
    _flag(report, [refusal("series", c) for c in said if not re.fullmatch(CHOSEN, said[c])])
    if lines:
        (work / "series.txt").write_text("".join(lines), "utf-8")
    rows = [f"{word},{done},{count}" for (word, done), count in sorted(report["counts"].items())]
    (work / REPORT).write_text("\n".join(["attribute,what was done,elements", *rows, ""]), "utf-8")


def _write_map(file, content):
    """The way back to the patients: a file that only its owner can read."""
    with open(file, "x", encoding="ascii", opener=lambda f, how: os.open(f, how, 0o600)) as stream:
        json.dump(content, stream, indent=1)
