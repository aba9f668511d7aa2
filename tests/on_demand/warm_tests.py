"""Run tests in forks of a process that has loaded NumPy, SciPy, pandas and others, but not fastnn.

A fork that runs a few tests takes a second or two, where a new process takes five.
"""

import contextlib
import ctypes
import gc
import importlib
import math
import os
import resource
import shutil
import signal
import sys
import time
import traceback
import types
from pathlib import Path

import pytest

LOADED = """_pytest.assertion.rewrite anyio._backends._asyncio anyio._backends._trio asyncio
    doctest email hypothesis joblib jinja2 mpmath numpy.testing pandas pyarrow.compute
    pyarrow.csv pyarrow.parquet scipy.optimize scipy.sparse scipy.special scipy.stats
    sklearn.ensemble sklearn.linear_model sklearn.model_selection sklearn.neural_network
    sklearn.pipeline sqlite3 starlette.applications uvicorn""".split()
OPTIONS = (
    "-q --tb=short --numprocesses=0 -pno:cacheprovider -Wignore::pytest.PytestAssertRewriteWarning"
)
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
MEMORY = 12 * 2**30  # bytes: a mutant may allocate without end
HANG = 30  # seconds, and ten times the usual time of a test
PR_SET_CHILD_SUBREAPER = 36


def load():
    """Load what tests import, without starting threads."""
    os.environ |= dict.fromkeys(THREADS, "1")
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # forks collect garbage often


class Chosen:
    """A plugin of pytest: run the tests `chosen`, or all if it is None, and log what happens."""

    def __init__(self, chosen, log):
        self.chosen, self.log = chosen, log

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.chosen is not None:
            items[:] = [item for item in items if item.nodeid in self.chosen]

    def pytest_collectreport(self, report):
        self.write("collected", report.nodeid)

    def pytest_runtest_logstart(self, nodeid):
        self.write("start", nodeid)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.write("failed", report.nodeid)

    def write(self, word, nodeid):
        with open(self.log, "a", encoding="utf-8") as file:
            print(word, nodeid, file=file)


class Run:
    """What became of a fork. `outcome`: "passed", "failed" (also: crashed), "hung", or "unfinished"
    when its time was over. `started`: the tests that ran. `test`: the one that failed or hung, None if
    the tests could not be collected."""

    def __init__(self, outcome, log, seconds):
        words = [line.split(" ", 1) for line in log.read_text("utf-8").splitlines()]
        self.outcome, self.seconds = outcome, seconds
        self.started = [name for word, name in words if word == "start"]
        failed = [name for word, name in words if word == "failed"]
        self.test = (failed or self.started or [None])[-1]


def copy_checkout(root, tree):
    """Copy what tests need, with compiled modules, and with the times of the files."""
    shutil.rmtree(tree, ignore_errors=True)
    left_out = shutil.ignore_patterns(".git", ".venv", ".nox", ".*_cache", "build", "_build")
    shutil.copytree(root, tree, ignore=left_out, symlinks=True)


class Runner:
    """Runs jobs in forks.

    tree: a copy of the checkout. name: the path of its logs and temporary files, without ending.
    """

    def __init__(self, tree, name):
        self.tree, self.log, self.output = tree, Path(f"{name}.log"), Path(f"{name}.out")
        self.scratch = Path(f"{name}.tmp")
        # what a test leaves running becomes a child of this process
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def test(self, chosen, seconds=math.inf):
        """Run the tests of `chosen`, a dict {node id: usual seconds}, until one of them fails."""
        files = list(dict.fromkeys(name.split("::")[0] for name in chosen))
        return self.run(
            lambda: run_pytest(Chosen(chosen, self.log), "-x", "--all", *files), chosen, seconds
        )

    def run(self, job, usual=None, seconds=math.inf):
        """Call `job` in a fork. Its result is the exit code, for 0 the outcome is "passed". With the
        usual seconds of tests, one that takes far longer hangs. `seconds` limits the processor time,
        so that the load of the machine does not matter."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self.log.write_text("")
        child, used = os.fork(), 0.0
        if child == 0:
            self._be_child(job)
        outcome = None
        try:
            while outcome is None:
                time.sleep(0.02)
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    outcome = "failed" if status else "passed"
                elif (used := processor_time(child)) > seconds:
                    outcome = "unfinished"
                elif self._hangs(usual):
                    outcome = "hung"
        finally:
            end_children()
        return Run(outcome, self.log, used)

    def _hangs(self, usual):
        since = time.time() - self.log.stat().st_mtime
        if usual is None or since < HANG:
            return False
        test = Run("", self.log, 0).test
        return since > HANG + 10 * usual.get(test, 0)

    def _be_child(self, job):
        code = 3
        try:
            os.setsid()
            output = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(self.tree)
            os.environ |= {
                "PYTHONPATH": str(self.tree),
                "TMPDIR": str(self.scratch),
                "PYTHONDONTWRITEBYTECODE": "1",  # a mutant may have the time and size of its file
            }
            sys.dont_write_bytecode = True
            sys.path[0] = str(self.tree)
            # processes that tests start with multiprocessing would import this program
            sys.modules["__main__"] = types.ModuleType("__main__")
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
            code = job()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def processor_time(pid):
    """Seconds that a process used, with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def in_workers(n, job):
    """Call job(i) for i < n in forks of this process, and wait for them."""
    pids = []
    for i in range(n):
        pids.append(os.fork())
        if pids[-1] == 0:
            code = 1
            try:
                job(i)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
    failures = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(failures):
        sys.exit("a worker failed")


def run_pytest(plugin, *arguments):
    code = pytest.main([*OPTIONS.split(), *arguments], plugins=[plugin])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


def end_children():
    """End all processes that descend from this one."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while pids := [int(pid) for pid in children.read_text().split()]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
