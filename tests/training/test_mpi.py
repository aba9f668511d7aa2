"""Training on the ranks of an MPI job, started by mpiexec: the same bits, and jobs that are killed.

`nox -s rank_kills` kills 51 jobs.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mpi_jobs import end_of, ranks_of, with_mpi
from mpi_jobs import start as start_job
from places import SUPPORT
from processes import wait_for
from scale import SCALE, scaled

import fastnn

pytestmark = with_mpi


def start(n, folder, *options):
    return start_job(n, "-m", "mpi4py", SUPPORT / "mpi_training.py", folder, *options)


def run(n, folder, *options):
    """Return the line of each rank."""
    code, _, errors = end_of(start(n, folder, *options))
    assert code == 0, errors
    return lines(n, folder)


def lines(n, folder):
    return [(folder / str(rank)).read_text() for rank in range(n)]


SHARED = "ValueError: send and receive must not share memory"
WRONG_CALLS = [
    ("MPICommunicator(1)", "TypeError: comm must be a communicator of mpi4py, got 1"),
    ("MPICommunicator().sendrecv(a, a[1:], 0)", SHARED),
]


@pytest.mark.parametrize(("call", "expected"), WRONG_CALLS)
def test_wrong_calls_end_in_errors_of_python(call, expected):
    code = f"import numpy as np; from fastnn.distributed import *; a = np.ones(3); {call}"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert failed.stderr.strip().endswith(expected)


@pytest.mark.slow("test_shards.py, with threads in place of processes")
def test_two_and_four_ranks_give_the_bits_of_one(tmp_path):
    expected = run(1, tmp_path)[0]
    for n in (2, 4):
        assert run(n, tmp_path) == [expected] * n


@pytest.mark.slow("test_estimators_on_ranks.py, with threads in place of processes")
def test_estimators_get_the_bits_of_one_rank(tmp_path):
    expected = run(1, tmp_path, "estimator=1")[0]
    assert "['no', 'yes']" in expected
    assert run(2, tmp_path, "estimator=1") == [expected] * 2


@pytest.mark.slow("test_ranks.py, with threads in place of processes")
def test_a_failing_rank_aborts_the_job(tmp_path):
    code, _, errors = end_of(start(2, tmp_path, "fail=2"))
    assert code != 0 and "OSError: no room" in errors


@pytest.mark.slow("test_ranks.py, with threads in place of processes")
@pytest.mark.parametrize("n", range(scaled(3)))
def test_a_killed_job_resumes_with_the_bits_of_an_uninterrupted_one(tmp_path, n):
    """It is killed at any moment of a training that does not end by itself."""
    rng, size = np.random.default_rng(n), [2, 2, 4][n % 3]
    local = ["sync_every=3"] if n % 6 == 1 else []  # resumes on the same number of ranks
    checkpoint = tmp_path / "checkpoint.safetensors"
    job = start(size, tmp_path, "epochs=1000000", "pause=0.02", *local)
    wait_for(checkpoint.exists)
    time.sleep(rng.uniform(0, 0.15))
    ranks = ranks_of(job)
    assert sorted(ranks) == list(range(size))
    os.kill(ranks[rng.integers(size)], signal.SIGKILL)
    assert end_of(job)[0] != 0
    options = f"epochs={fastnn.load(checkpoint).state.epoch + 3}", *local
    resumed = run(2 if local else [1, 2, 4][n % 3], tmp_path, "resume=1", *options)[0]
    assert resumed == run(2, tmp_path, *options)[0]


@pytest.mark.slow("test_save_crashes.py, on one machine")
@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_rank_0_is_killed_while_it_saves(tmp_path, place):
    expected = run(2, tmp_path, "epochs=6")[0]
    assert end_of(start(2, tmp_path, "epochs=6", f"die={place}"))[0] != 0
    assert run(4, tmp_path, "epochs=6", "resume=1")[0] == expected


@pytest.mark.slow("signals need processes")
def test_ctrl_c_on_one_rank_ends_all_at_the_same_step(tmp_path):
    job = start(2, tmp_path, "epochs=1000000", "pause=0.01")
    wait_for((tmp_path / "checkpoint.safetensors").exists)
    os.kill(ranks_of(job)[1], signal.SIGINT)
    end_of(job)
    first, second = lines(2, tmp_path)
    assert first == second and first.endswith("KeyboardInterrupt\n")


@pytest.mark.slow("signals need processes")
def test_a_rank_that_sleeps_delays_the_others(tmp_path):
    expected = run(2, tmp_path, "epochs=12")[0]
    job = start(2, tmp_path, "epochs=12", "stop=3")
    wait_for((tmp_path / "stopped").exists)
    rank = ranks_of(job)[0]
    wait_for(lambda: "State:\tT" in Path(f"/proc/{rank}/status").read_text())
    time.sleep(2 if SCALE == 1 else 10)
    assert sorted(ranks_of(job)) == [0, 1]
    os.kill(rank, signal.SIGCONT)
    assert end_of(job)[0] == 0
    assert lines(2, tmp_path) == [expected] * 2
