"""A cohort's prediction that is stopped or killed, and started again."""

import os
import signal
import time

from cohort_builders import results, small_cohort
from kill_cohort import check_whole, kill_and_compare, start

MANY = 24  # more than end between a look at the folder and the signal, on a busy machine too


def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(tmp_path):
    """`make kill` does it twenty times."""
    assert len(kill_and_compare(tmp_path, kills=2, seed=1)) == 2


def test_ctrl_c_leaves_whole_files_and_says_so(tmp_path):
    cases, model = small_cohort(tmp_path, MANY)
    out = tmp_path / "out"
    process = start(cases, out, model)
    while not list(out.glob("*_report.json")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Stopped. What is finished is kept; start again to go on." in said
    assert "Traceback" not in said and not [f for f in out.iterdir() if f.name[0] == "."]
    finished = check_whole(out)
    assert 1 <= len(finished) < MANY
    again = start(cases, out, model)
    again.communicate()
    assert again.returncode == 0 and finished.items() <= check_whole(out).items()
    assert len([name for name in results(out) if name.endswith("_seg.npz")]) == MANY
