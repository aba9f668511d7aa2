"""fastnn train on the ranks of an MPI job: one output, and the model of one process."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FAST, write_csv
from cli_models import write_people
from mpi_jobs import end_of, ranks_of, start, with_mpi
from processes import wait_for

import fastnn
from fastnn.distributed import mpi_ranks

PEOPLE = ("people.csv", "--target", "income", "--seed", "1")
REVIEWS = ("reviews.csv", "--target", "is_good", "--text", "text", "--hidden", "8")


@pytest.fixture
def people(run):
    write_people()


@pytest.fixture
def reviews_file(run):
    is_good = np.arange(300) % 2
    texts = [f"{['cold', 'tasty'][good]} soup in bowl {i}" for i, good in enumerate(is_good)]
    write_csv("reviews.csv", text=texts, stars=np.arange(300) % 5, is_good=is_good)


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
    assert 'Run: python -m pip install "fastnn-mlp[mpi]"' in run.error("info")


def test_one_process_does_not_import_mpi4py():
    program = "import sys; from fastnn.cli import main; main(['info']); assert 'mpi4py' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


# ---- with mpiexec ----


TRAIN = ("-m", "fastnn", "train")
# Networks that train without end, or a program that waits when two folds are done.
ENDLESS = """
import sys
from fastnn.cli import main, progress
from fastnn.tabular.fitting import recipe
recipe.n_epochs = lambda *args: 10**9
progress.LOG_SECONDS = 0.0
sys.exit(main(sys.argv[1:]))
"""
WAITS = """
import signal, sys
from fastnn.cli import main
from fastnn.tabular.fitting.out_of_fold import OutOfFold
update = OutOfFold.update
def wait(self):
    update(self)
    if len(self.done) > 1:
        signal.pause()
OutOfFold.update = wait
sys.exit(main(sys.argv[1:]))
"""


@with_mpi
@pytest.mark.slow("threads in place of ranks")
def test_mpiexec(people, run):
    code, printed, errors = end_of(start(3, *TRAIN, *PEOPLE, "--out", "shared", *FAST))
    assert code == 0, errors
    assert printed.count("Saved shared") == printed.count("people.csv: 300 rows") == 1
    assert run("train", *PEOPLE, "--out", "alone", *FAST)[0] == 0
    assert content("shared") == content("alone")
    wrong = "people.csv", "--target", "nothing", "--out", "m"
    code, printed, errors = end_of(start(2, *TRAIN, *wrong))
    assert code == 2 and not printed and errors.count("nothing") == 1 and "Traceback" not in errors


@with_mpi
@pytest.mark.slow("threads in place of ranks")
def test_free_text_has_the_same_bits_on_ranks(reviews_file, run):
    code, _, errors = end_of(start(2, *TRAIN, *REVIEWS, "--out", "shared", "--folds", "3"))
    assert code == 0, errors
    assert run("train", *REVIEWS, "--out", "alone", "--folds", "3")[0] == 0
    assert content("shared") == content("alone")


@with_mpi
@pytest.mark.slow("processes are killed")
@pytest.mark.parametrize("rank", [0, 2])
def test_a_killed_rank_ends_the_job(rank, run):
    write_csv("t.csv", x=np.arange(1500.0), y=np.sin(np.arange(1500.0)))
    job = start(3, "-c", ENDLESS, "train", "t.csv", "--target", "y", "--out", "m")
    wait_for(lambda: "fold" in job.stderr.readline())  # it trains
    ranks = ranks_of(job)
    assert sorted(ranks) == [0, 1, 2]
    os.kill(ranks[rank], signal.SIGKILL)
    assert end_of(job)[0] != 0 and not os.path.exists("m")


@with_mpi
@pytest.mark.slow("signals need processes")
def test_sigterm_keeps_the_folds_that_are_done(run):
    write_csv("t.csv", x=np.arange(400.0), y=np.sin(np.arange(400.0)))
    command = ("train", "t.csv", "--target", "y", "--out", "m", "--folds", "4")
    job = start(2, "-c", WAITS, *command)
    wait_for(lambda: "fold 1/4" in job.stderr.readline())
    os.kill(ranks_of(job)[0], signal.SIGTERM)
    code, _, errors = end_of(job)
    assert code == 143 and "--resume" in errors
    assert end_of(start(3, "-m", "fastnn", *command, "--resume", "--quiet")) == (0, "", "")
    assert run(*command[:5], "alone", *command[6:], "--quiet")[0] == 0
    resumed, alone = fastnn.load("m"), fastnn.load("alone")
    for net, other in zip(resumed.model_.networks(), alone.model_.networks(), strict=True):
        assert net.params.tobytes() == other.params.tobytes()


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
    code, _, errors = end_of(start(3, "-c", program))
    assert code != 0 and "KeyError: 'of a test'" in errors
