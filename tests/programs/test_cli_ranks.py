"""fastnn train on the ranks of an MPI job: one output, and the model of one process.

The wheel `mpich` brings mpiexec. Without it, and without mpi4py, the slow tests are skipped.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import numpy as np
from cli_cases import FAST, write_csv, write_people
from processes import environment

import fastnn
from fastnn.distributed import mpi_ranks

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)
with_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpiexec and mpi4py: pip install mpich mpi4py",
)
SECONDS = 100
JOB = "FASTNN_TEST_JOB"  # a variable by which processes of a job are found
PEOPLE = ("people.csv", "--target", "income", "--seed", "1")


@pytest.fixture
def people(run):
    write_people()


@pytest.fixture
def ranks(monkeypatch):
    """Threads in place of ranks. A list of the numbers of tasks that they got."""
    n_tasks = []

    class Ranks(ThreadPoolExecutor):
        num_workers = 3

        def submit(self, *args):
            n_tasks.append(1)
            return super().submit(*args)

    def run_on_rank_0(function):
        with Ranks(3) as executor:
            return function(executor)

    monkeypatch.setattr(mpi_ranks, "are_launched", lambda: True)
    monkeypatch.setattr(mpi_ranks, "run_on_rank_0", run_on_rank_0)
    return n_tasks


def content(path):
    """Return the bytes of a model without its record, and the record without times and the path."""
    model = fastnn.load(path)
    record = json.loads(model.metadata_.pop("training"))
    del record["seconds"], record["created"]
    model.save("bare")
    return Path("bare").read_bytes(), json.dumps(record).replace(str(path), "m")


def test_ranks_train_the_networks(people, ranks, run, monkeypatch, quick_recipe):
    assert run("train", *PEOPLE, "--out", "shared", "--quiet", *FAST)[0] == 0
    n_networks = len(ranks)
    assert n_networks >= 3
    assert run("train", *PEOPLE, "--out", "tuned", "--quiet", "--tune", "--folds", "1")[0] == 0
    assert len(ranks) > n_networks
    assert run("info", "shared")[0] == 0  # other commands run once
    monkeypatch.setattr(mpi_ranks, "are_launched", lambda: False)
    assert run("train", *PEOPLE, "--out", "alone", "--quiet", *FAST)[0] == 0
    assert content("shared") == content("alone")


def test_without_mpi4py(monkeypatch, run):
    monkeypatch.setattr(mpi_ranks, "are_launched", lambda: True)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    code, _, errors = run("info")
    assert code == 2 and 'Run: python -m pip install "fastnn-mlp[mpi]"' in errors


def test_one_process_does_not_import_mpi4py():
    program = "import sys; from fastnn.cli import main; main(['info']); assert 'mpi4py' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


# ---- with mpiexec ----


def start(n, *arguments, program=("-m", "fastnn")):
    command = [MPIEXEC, "-n", str(n), sys.executable, *program, *arguments]
    name, pipe = uuid.uuid4().hex, subprocess.PIPE
    job: Any = subprocess.Popen(
        command, env=environment(**{JOB: name}), stdout=pipe, stderr=pipe, text=True
    )
    job.name = name
    return job


def ranks_of(job):
    """Return {rank: process number} of the processes of a job that run."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if f"{JOB}={job.name}".encode() in variables:
            found |= {
                int(each[9:]): int(folder.name)
                for each in variables
                if each.startswith(b"PMI_RANK=")
            }
    return found


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@with_mpi
@pytest.mark.slow("threads in place of ranks")
def test_mpiexec(people, run):
    job = start(3, "train", *PEOPLE, "--out", "shared", *FAST)
    printed, errors = job.communicate(timeout=SECONDS)
    assert job.returncode == 0, errors
    assert printed.count("Saved shared") == printed.count("people.csv: 300 rows") == 1
    assert run("train", *PEOPLE, "--out", "alone", *FAST)[0] == 0
    assert content("shared") == content("alone")
    job = start(2, "train", "people.csv", "--target", "nothing", "--out", "m")
    printed, errors = job.communicate(timeout=SECONDS)
    assert job.returncode == 2 and not printed
    assert errors.count("nothing") == 1 and "Traceback" not in errors


@with_mpi
@pytest.mark.slow("processes are killed")
@pytest.mark.parametrize("rank", [0, 2])
def test_a_killed_rank_ends_the_job(rank, run):
    write_csv("t.csv", x=np.arange(1500.0), y=np.sin(np.arange(1500.0)))
    job = start(3, "train", "t.csv", "--target", "y", "--out", "m")
    wait_for(lambda: "fold" in job.stderr.readline())  # it trains
    ranks = ranks_of(job)
    assert sorted(ranks) == [0, 1, 2]
    os.kill(ranks[rank], signal.SIGKILL)
    began = time.monotonic()
    job.communicate(timeout=SECONDS)
    assert job.returncode != 0 and time.monotonic() - began < 5 and not os.path.exists("m")
    wait_for(lambda: not ranks_of(job))  # no orphan


@with_mpi
@pytest.mark.slow("signals need processes")
def test_sigterm_keeps_the_folds_that_are_done(run):
    write_csv("t.csv", x=np.arange(400.0), y=np.sin(np.arange(400.0)))
    command = ("train", "t.csv", "--target", "y", "--out", "m", "--folds", "4")
    job = start(2, *command)
    wait_for(lambda: "fold 1/4" in job.stderr.readline())
    os.kill(ranks_of(job)[0], signal.SIGTERM)
    _, errors = job.communicate(timeout=SECONDS)
    assert job.returncode == 143 and "--resume" in errors
    job = start(3, *command, "--resume", "--quiet")
    assert job.communicate(timeout=SECONDS) == ("", "") and job.returncode == 0
    assert run(*command[:5], "alone", *command[6:], "--quiet")[0] == 0
    resumed, alone = fastnn.load("m"), fastnn.load("alone")
    for one, other in zip(resumed.model_.members, alone.model_.members, strict=True):
        for nets, others in zip(one.networks, other.networks, strict=True):
            for net, of_other in zip(nets, others, strict=True):
                assert net.params.tobytes() == of_other.params.tobytes()


@with_mpi
@pytest.mark.slow("an exception ends all ranks")
def test_an_exception_ends_all_ranks():
    program = (
        "from fastnn.distributed import mpi_ranks\n"
        "def fail(executor):\n"
        "    executor._pool.submit(int, 1)\n"
        "    raise KeyError('of a test')\n"
        "mpi_ranks.run_on_rank_0(fail)"
    )
    job = start(3, program=("-c", program))
    _, errors = job.communicate(timeout=SECONDS)
    assert job.returncode != 0 and "KeyError: 'of a test'" in errors
    wait_for(lambda: not ranks_of(job))
