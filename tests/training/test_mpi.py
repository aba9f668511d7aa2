"""Training on the ranks of an MPI job, started by mpiexec: the same bits, and jobs that are killed.

The wheel `mpich` brings mpiexec. Without it, and without mpi4py, these tests are skipped. `nox -s
rank_kills` kills 51 jobs.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scale import SCALE, scaled

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)
SCRIPT = Path(__file__).parents[1] / "support" / "mpi_training.py"
pytestmark = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpiexec and mpi4py: pip install mpich mpi4py",
)
SECONDS = 60


def start(n, folder, *options):
    command = [MPIEXEC, "-n", str(n), sys.executable, "-m", "mpi4py", str(SCRIPT), str(folder)]
    return subprocess.Popen([*command, *options], stderr=subprocess.PIPE, start_new_session=True)


def run(n, folder, *options):
    """Return the line of each rank."""
    job = start(n, folder, *options)
    _, errors = job.communicate(timeout=SECONDS)
    assert job.returncode == 0, errors.decode()
    return lines(n, folder)


def lines(n, folder):
    return [(folder / str(rank)).read_text() for rank in range(n)]


def ranks_of(n, folder):
    """Return the process numbers of the ranks that run."""
    numbers = [int((folder / f"process-{rank}").read_text()) for rank in range(n)]
    return [number for number in numbers if is_running(number)]


def is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


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
    job = start(2, tmp_path, "fail=2")
    _, errors = job.communicate(timeout=SECONDS)
    assert job.returncode != 0
    assert "OSError: no room" in errors.decode()


@pytest.mark.slow("test_ranks.py, with threads in place of processes")
@pytest.mark.parametrize("n", range(scaled(3)))
def test_a_killed_job_resumes_with_the_bits_of_an_uninterrupted_one(tmp_path, n):
    rng, size = np.random.default_rng(n), [2, 2, 4][n % 3]
    local = ["sync_every=3"] if n % 6 == 1 else []  # resumes on the same number of ranks
    expected = run(2, tmp_path, "epochs=12", *local)[0]
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.unlink()
    job = start(size, tmp_path, "epochs=12", "pause=0.02", *local)
    wait_for(checkpoint.exists)
    time.sleep(rng.uniform(0, 0.15))
    ranks = ranks_of(size, tmp_path)
    assert len(ranks) == size
    os.kill(ranks[rng.integers(size)], signal.SIGKILL)
    began = time.monotonic()
    job.communicate(timeout=SECONDS)
    assert job.returncode != 0 and time.monotonic() - began < 5
    wait_for(lambda: not ranks_of(size, tmp_path))  # no orphan
    assert (
        run(2 if local else [1, 2, 4][n % 3], tmp_path, "epochs=12", "resume=1", *local)[0]
        == expected
    )


@pytest.mark.slow("test_save_crashes.py, on one machine")
@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_rank_0_is_killed_while_it_saves(tmp_path, place):
    expected = run(2, tmp_path, "epochs=6")[0]
    job = start(2, tmp_path, "epochs=6", f"die={place}")
    job.communicate(timeout=SECONDS)
    assert job.returncode != 0
    wait_for(lambda: not ranks_of(2, tmp_path))
    assert run(4, tmp_path, "epochs=6", "resume=1")[0] == expected


@pytest.mark.slow("signals need processes")
def test_ctrl_c_on_one_rank_ends_all_at_the_same_step(tmp_path):
    job = start(2, tmp_path, "epochs=100000", "pause=0.01")
    wait_for((tmp_path / "checkpoint.safetensors").exists)
    os.kill(ranks_of(2, tmp_path)[1], signal.SIGINT)
    job.communicate(timeout=SECONDS)
    first, second = lines(2, tmp_path)
    assert first == second and first.endswith("KeyboardInterrupt\n")


@pytest.mark.slow("signals need processes")
def test_a_rank_that_sleeps_delays_the_others(tmp_path):
    expected = run(2, tmp_path, "epochs=12")[0]
    (tmp_path / "checkpoint.safetensors").unlink()
    job = start(2, tmp_path, "epochs=12", "pause=0.02")
    wait_for((tmp_path / "checkpoint.safetensors").exists)
    rank = ranks_of(2, tmp_path)[0]
    os.kill(rank, signal.SIGSTOP)
    time.sleep(2 if SCALE == 1 else 10)
    os.kill(rank, signal.SIGCONT)
    job.communicate(timeout=SECONDS)
    assert job.returncode == 0
    assert lines(2, tmp_path) == [expected] * 2
