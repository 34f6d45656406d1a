"""slurm/predict.py with a stand-in for Slurm that starts its jobs on this machine."""

import os
import subprocess
import sys

import pytest
from cohort_builders import results, small_cohort

from utils.predict import predict_folder
from utils.workspace import REPOSITORY

SBATCH = """#!/bin/bash
cp "$1" "{folder}/job.$$"  # what was handed in is removed at once
setsid bash "{folder}/job.$$" > "{folder}/log.$$" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = '#!/bin/bash\nfor job in "$@"; do kill -- "-$job" 2>/dev/null; done; exit 0\n'


def test_jobs_of_slurm_find_what_one_process_finds(tmp_path, monkeypatch):
    """Over TLS, with keys that are made for the run and removed after it."""
    for needed in ("distributed", "dask_jobqueue", "cryptography"):
        pytest.importorskip(needed)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    cases, model = small_cohort(tmp_path, 4)
    predict_folder(cases, tmp_path / "here", model)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text.format(folder=programs))
        (programs / name).chmod(0o755)
    search = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    search["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), *sys.path]))
    command = [sys.executable, "slurm/predict.py", cases, "--out", tmp_path / "there"]
    command += ["--model", model, "--jobs", "2", "--cpus", "1", "--partition", "short"]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | search,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "there") == results(tmp_path / "here")
    jobs = [job.read_text() for job in programs.glob("job.*")]
    assert len(jobs) == 2 and all("#SBATCH -p short" in job for job in jobs)
    assert all("--tls-key" in job and "--nthreads 1" in job for job in jobs)
    assert list((tmp_path / ".lungs-dask").iterdir()) == []
