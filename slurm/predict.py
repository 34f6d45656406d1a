"""Lungs of many series on a Slurm cluster: one Dask worker a job, one case a worker at a time.

    pip install dask-jobqueue==0.9.0 cryptography     beside the project, in .venv
    python slurm/predict.py COHORT --out OUT --jobs 40

Run it from the root of the repository, where all nodes see it, COHORT and OUT, on a node that may
stay for as long as the whole lasts: `sbatch slurm/predict.sbatch` does. It asks Slurm for jobs,
each of which is one worker, and hands each worker a case. A job that ends in the middle of a case,
by its time or its memory, costs that attempt; the case goes to another worker. Started again, it
goes on with what is not finished.

This could not be tried on a cluster where it was written: tests/test_cohort_slurm.py has a stand-in
for `sbatch`, which starts the jobs on the same machine. Partitions, accounts and limits of a real
cluster are untried.
"""

import argparse
import sys
from pathlib import Path

from utils.errors import InputError, command
from utils.predict import WEIGHTS, predict_folder


def cluster_of(chosen):
    """Workers that Slurm starts and Dask knows; keys made for this run lie in the user's home."""
    try:
        from dask_jobqueue import SLURMCluster
        from distributed.security import Security
    except ImportError as error:
        raise InputError(f"{error}. Run: pip install dask-jobqueue cryptography") from None
    keys = Path.home() / ".lungs-dask"
    keys.mkdir(mode=0o700, exist_ok=True)
    cluster = SLURMCluster(
        queue=chosen.partition,
        account=chosen.account,
        cores=1,  # one thread of Dask's, so one case; torch takes the job's processors
        processes=1,
        job_cpu=chosen.cpus,
        memory=f"{chosen.memory} GB",
        walltime=chosen.time,
        protocol="tls://",
        security=Security.temporary(),
        shared_temp_directory=str(keys),
        job_script_prologue=[f"export OMP_NUM_THREADS={chosen.cpus}"],
    )
    # always so many: a job that has ended, by its time or otherwise, is asked for again
    cluster.adapt(minimum_jobs=chosen.jobs, maximum_jobs=chosen.jobs)
    return cluster


@command
def main(arguments=None):
    """Command line; exit code 1 when a case has a fault."""
    parser = argparse.ArgumentParser(description="Lungs of many series on a Slurm cluster")
    parser.add_argument("folder", help="a folder of series; never written to")
    parser.add_argument("--out", required=True, help="folder for the results, seen by all nodes")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of a trained run")
    parser.add_argument("--format", nargs="+", default=["seg"], help="as of utils.predict")
    parser.add_argument("--jobs", type=int, default=10, help="so many at once")
    parser.add_argument("--cpus", type=int, default=2, help="processors of a job")
    parser.add_argument("--memory", type=int, default=4, help="GB of a job")
    parser.add_argument("--time", default="04:00:00", help="of a job")
    parser.add_argument("--partition")
    parser.add_argument("--account")
    chosen = parser.parse_args(arguments)
    with cluster_of(chosen) as cluster:
        _, faults = predict_folder(
            chosen.folder,
            chosen.out,
            chosen.model,
            formats=chosen.format,
            scheduler=cluster,
            most=1e9 * chosen.memory,
        )
    print(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    print(f"{chosen.out}: masks, pictures, reports, volumes.csv; {len(faults)} cases with faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
