"""Programs on the ranks of an MPI job, which mpiexec starts, and tests stop and kill.

The wheel `mpich` brings mpiexec. Without it, and without mpi4py, tests `with_mpi` are skipped.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from processes import LIMIT, environment, wait_for

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)
with_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpiexec and mpi4py: pip install mpich mpi4py",
)
JOB = "FASTNN_TEST_JOB"  # a variable by which processes of a job are found


def start(n, *arguments):
    """Start Python on n ranks."""
    job: Any = subprocess.Popen(
        [MPIEXEC, "-n", str(n), sys.executable, *map(str, arguments)],
        env=environment(**{JOB: (name := uuid.uuid4().hex)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
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
            ranks = [int(each[9:]) for each in variables if each.startswith(b"PMI_RANK=")]
            found |= dict.fromkeys(ranks, int(folder.name))
    return found


def end_of(job):
    """Wait until a job and all its ranks have ended; return its exit code, output and errors."""
    printed, errors = job.communicate(timeout=LIMIT)
    wait_for(lambda: not ranks_of(job))
    return job.returncode, printed, errors
