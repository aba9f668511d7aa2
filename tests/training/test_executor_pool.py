"""Tasks in the workers of an executor: what travels to them, and executors that lose tasks."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from concurrent import futures
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn.config import build
from fastnn.distributed import executor_pool, mpi_ranks, shared_objects

rng = np.random.default_rng(3)
ROWS = rng.normal(size=(50, 4)).astype("float32")
OTHERS = {"b": np.asfortranarray(rng.normal(size=(7, 3))), "empty": np.empty(0), "text": "abc"}


def describe(items, watch):
    """Runs in a worker: sums of the rows of the items, and whether they are read-only."""
    watch.show(None)
    return [(float(X[i].sum()), others["b"].tolist(), X.flags.writeable) for X, others, i in items]


def run(executor, n=6, content=None, is_broken=False, n_threads_here=1):
    """Run tasks of one network each. Return the results, how often objects were sent, and the pool."""
    results, sent = [None] * n, []

    class Sent(shared_objects.SharedObjects):
        def content(self):
            sent.append(self.source.key)
            return super().content()

    with Sent([ROWS, OTHERS, None, ROWS]) as shared:
        if content:
            shared.may_write = False

        workers = executor_pool.Workers(executor, 1, n_threads_here, shared)
        workers.is_broken = is_broken
        item = lambda i: (ROWS, OTHERS, i)  # noqa: E731
        pool = executor_pool.ExecutorPool(workers, n, describe, item, results.__setitem__)
        pool.run()
    assert not os.path.exists(shared.source.folder) and not shared_objects._of_caller
    assert [found[0] for found in results] == [float(row.sum()) for row in ROWS[:n]]
    assert all(found[1] == OTHERS["b"].tolist() for found in results)
    assert pool.n_done == n
    return results, sent, pool


class Worker(ThreadPoolExecutor):
    """A worker of another process, which has nothing, and may fail.

    fails : {number of a call: exception}
    """

    def __init__(self, fails=(), n=1):
        super().__init__(n)
        self.n_calls, self.fails, self.bytes = 0, dict(fails), []

    def submit(self, function, source, build, data, *content):
        self.bytes.append(len(data) + sum(map(len, content)))
        self.n_calls += 1
        failure = self.fails.get(self.n_calls)

        def call():
            if failure is not None:
                raise failure
            own, shared_objects._of_caller = shared_objects._of_caller, {}
            try:
                return function(source, build, data, *content)
            finally:
                shared_objects._of_caller = own

        return super().submit(call)


@pytest.fixture(autouse=True)
def nothing_kept():
    shared_objects._kept.clear()
    yield
    shared_objects._kept.clear()


def test_threads_have_the_objects():
    with ThreadPoolExecutor(2) as executor:
        results, sent, _ = run(executor)
    assert not sent and all(found[2] for found in results)  # the very arrays


def test_a_worker_maps_the_file_once():
    with Worker() as executor:
        results, sent, _ = run(executor)
    assert not sent and executor.n_calls == 7  # the first task says that they are missing
    assert not any(found[2] for found in results) and max(executor.bytes) < 600


def test_a_worker_without_the_file_gets_the_content_once():
    with Worker() as executor:
        _, sent, _ = run(executor, content=True)
    assert len(sent) == 1 and executor.n_calls == 7
    assert sum(n > ROWS.nbytes for n in executor.bytes) == 1


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_full_disk_sends_the_content(what, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    if what == "folder":
        monkeypatch.setattr(shared_objects.tempfile, "mkdtemp", full)
    else:
        monkeypatch.setattr(shared_objects, "open", full, raising=False)
    with Worker() as executor:
        _, sent, _ = run(executor)
    assert len(sent) == 1


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow("fork"))])
def test_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    with futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        run(executor)
        results, sent, _ = run(executor, content=True)  # the processes are older than the objects
    assert 1 <= len(sent) <= 6 and not any(found[2] for found in results)


@pytest.mark.parametrize("error", [BrokenExecutor("a process died"), CancelledError()])
def test_what_a_broken_executor_loses_runs_here(error):
    with Worker({3: error}) as executor, pytest.warns(RuntimeWarning, match="lost 5 net") as caught:
        _, _, pool = run(executor)
    assert len(caught) == 1 and pool.workers.is_broken and executor.n_calls == 3


def test_a_broken_executor_is_not_asked_again():
    with Worker() as executor:
        run(executor, is_broken=True, n_threads_here=2)
    assert executor.n_calls == 0


def test_an_executor_may_break_before_the_first_task():
    with ThreadPoolExecutor(1) as executor:
        executor.submit = lambda *args: (_ for _ in ()).throw(BrokenExecutor())
        with pytest.warns(RuntimeWarning, match=r"lost 6 networks.*\(BrokenExecutor\)"):
            run(executor)


def test_a_task_that_kills_workers_runs_here_alone():
    killed = type("KilledWorker", (Exception,), {"__module__": "distributed.scheduler"})
    warns = pytest.warns(RuntimeWarning, match="1 network, and")
    with Worker({3: killed("it died")}) as executor, warns:
        _, _, pool = run(executor)
    assert not pool.workers.is_broken and executor.n_calls == 7


def test_lost_content_is_sent_again():
    """Dask loses scattered content with the worker that holds it."""
    with Worker({2: CancelledError(), 3: CancelledError()}) as executor:
        _, sent, _ = run(executor, content=True)
    assert len(sent) == 3


class OfDask(Worker):
    """A worker of a cluster; `status` is that of content that was scattered."""

    def __init__(self, status="finished", fails=(), lost=None):
        super().__init__(fails)
        self.status, self.lost, self.scattered, self._client = status, lost, [], self

    def nthreads(self):
        if self.lost:
            raise self.lost
        return {"tcp://a": 1}

    def scatter(self, content, hash):
        scattered = type("Scattered", (bytes,), dict(status=self.status))(content)
        self.scattered.append(hash)
        return scattered


@pytest.mark.parametrize(("status", "expected"), [("finished", 1), ("lost", 3)])
def test_content_is_scattered_once_unless_it_is_lost(status, expected):
    with OfDask(status, {2: CancelledError(), 3: CancelledError()}) as executor:
        _, sent, _ = run(executor, content=True)
    assert len(sent) == 3 and executor.scattered == [False] * expected


def test_a_cluster_that_cannot_count_its_workers():
    gone = type("CommClosedError", (OSError,), {"__module__": "distributed.comm.core"})
    with OfDask(lost=gone("no answer")) as executor:
        message = r"lost 6 networks, .* that are left \(CommClosedError: no answer\)\.$"
        with pytest.warns(RuntimeWarning, match=message):
            _, _, pool = run(executor, n_threads_here=3)
        assert executor.n_calls == 0 and pool.workers.is_broken and pool.n_workers == 3
        executor.lost = OSError("of another kind")
        with pytest.raises(OSError, match="of another kind"):
            run(executor)


def test_an_error_in_a_worker_is_raised_and_ends_the_call():
    with Worker({3: OSError("no room")}) as executor, pytest.raises(OSError, match="no room"):
        run(executor)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        run(executor)


def test_ctrl_c_cancels_what_has_not_begun_and_stops_what_has():
    submitted = []

    class Idle(ThreadPoolExecutor):
        def submit(self, *args):
            submitted.append(futures.Future())
            return submitted[-1]

    def show(pool):
        raise KeyboardInterrupt

    with shared_objects.SharedObjects([ROWS]) as shared:
        line = type("Line", (), dict(show=staticmethod(show), close=lambda *args: None))()
        watch = executor_pool.CallWatch(shared.source.folder)
        with pytest.raises(KeyboardInterrupt):
            workers = executor_pool.Workers(Idle(2), 1, 1, shared)
            executor_pool.ExecutorPool(workers, 9, describe, int, print, line).run()
        watch.show(None)
    assert len(submitted) == 2 and all(future.cancelled() for future in submitted)
    with pytest.raises(executor_pool.CallOver):
        watch.show(None)
    executor_pool.CallWatch("/not/here").show(None)  # on another machine


def test_workers_with_other_bits_are_refused(monkeypatch):
    expected = build() | {"version of fastnn": "0.0.1"}
    message = "version of fastnn .*, but 0.0.1 in the process that calls it"
    with pytest.raises(RuntimeError, match=message):
        executor_pool.run_task(shared_objects.Source("k", ""), expected, b"")


def test_a_changed_file_is_refused():
    with shared_objects.SharedObjects([ROWS]) as shared:
        source, content = shared.content()
        wrong = source._replace(key="other", digest=bytes(16))
        with pytest.raises(OSError, match="changed or damaged"):
            shared_objects.find_objects(wrong, content)
        rows, *_ = shared_objects.find_objects(source._replace(key="x"), content)
        assert rows.tobytes() == ROWS.tobytes()


def test_a_worker_keeps_little(monkeypatch):
    monkeypatch.setattr(shared_objects, "MAX_KEPT", 100)
    for key, n_bytes in (("a", 40), ("b", 50), ("c", 20), ("d", 500)):
        shared_objects._keep(key, [key], n_bytes)
        if key == "c":
            assert list(shared_objects._kept) == ["b", "c"]
    assert list(shared_objects._kept) == ["d"]  # the last one stays, whatever its size


def test_what_a_program_defines_travels_with_its_code(monkeypatch):
    pytest.importorskip("cloudpickle")
    offset = 3
    assert shared_objects.loads(shared_objects.dumps(lambda x: x + offset))(4) == 7
    with pytest.raises(TypeError, match="cannot pickle"):
        shared_objects.dumps(threading.Lock())
    double = eval("lambda x: 2 * x", {"__name__": "__main__"})
    double.__qualname__ = double.__name__ = "double"
    monkeypatch.setattr(sys.modules["__main__"], "double", double, raising=False)
    data = shared_objects.dumps(double)  # another process has another __main__
    monkeypatch.delattr(sys.modules["__main__"], "double")
    assert shared_objects.loads(data)(4) == 8
    monkeypatch.setattr(shared_objects, "_cloud_pickler", lambda: None)
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        shared_objects.dumps(lambda x: x)


def test_numbers_of_workers_and_of_networks_in_a_task():
    assert [executor_pool.task_size(15, 2, 1), executor_pool.task_size(15, 2, 4)] == [1, 4]
    assert executor_pool.task_size(10_000, 10, 1) == 63
    assert executor_pool.threads_of_worker(-1) == 1 and executor_pool.threads_of_worker(3) == 3
    with pytest.raises(ValueError, match="n_threads must be at least 1, or -1"):
        executor_pool.threads_of_worker(0)

    class Client:
        def nthreads(self):
            return {"tcp://a": 2, "tcp://b": 3}

    class OfDask:
        _client = Client()

    assert executor_pool.n_workers(OfDask()) == 5 and executor_pool.n_workers(object()) >= 1


LAUNCHERS = [
    ({}, False),
    ({"PMI_SIZE": "1"}, False),
    ({"PMI_SIZE": "4"}, True),
    ({"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, True),
    ({"OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0"}, False),
    ({"PMIX_RANK": "1"}, True),
    ({"SLURM_NTASKS": "8"}, False),
]


@pytest.mark.parametrize(("variables", "expected"), LAUNCHERS)
def test_launchers(variables, expected):
    assert mpi_ranks.are_launched(variables) == expected


def test_ranks_and_a_thread_of_this_one_are_workers():
    with ThreadPoolExecutor(2) as pool, mpi_ranks.RankExecutor(pool, 3) as executor:
        assert executor_pool.n_workers(executor) == 3
        run(executor)
        assert [executor._free.acquire(blocking=False) for _ in range(3)] == [True, True, False]


@pytest.fixture
def job(monkeypatch):
    """Stands in for mpi4py: COMM_WORLD is `job`, and rank 0 gets a pool."""

    @contextlib.contextmanager
    def executor(comm, root):
        assert comm is job and root == 0
        with ThreadPoolExecutor(1) as pool:
            yield pool if comm.rank == 0 else None

    job = SimpleNamespace(size=3, rank=0, calls=[])
    job.Abort = lambda code: job.calls.append(("abort", code))
    monkeypatch.setattr(mpi_ranks.signal, "signal", lambda *args: job.calls.append(args))
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=job)))
    monkeypatch.setitem(sys.modules, "mpi4py.futures", SimpleNamespace(MPICommExecutor=executor))
    return job


def test_rank_0_runs_a_program_and_the_others_serve(job, capsys):
    workers = lambda executor: executor and executor.num_workers  # noqa: E731
    found = []
    for job.rank, job.size in (0, 1), (0, 3), (2, 3):
        found.append(mpi_ranks.run_on_rank_0(workers))
    assert found == [None, 3, 0]
    assert job.calls == [(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
    with ThreadPoolExecutor(1) as thread:  # where handlers cannot be set
        assert thread.submit(mpi_ranks.run_on_rank_0, workers).result() == 0
    job.rank = 0
    with pytest.raises(ZeroDivisionError):
        mpi_ranks.run_on_rank_0(lambda executor: 1 / 0)
    assert job.calls[2:] == [("abort", 1)]
    assert capsys.readouterr().err.endswith("ZeroDivisionError: division by zero\n")


LACKING = [
    ("mpi4py.futures", "mpi4py", mpi_ranks.INSTALL),
    ("numpy", "numpy", "broken"),
    (None, None, "broken"),
]


@pytest.mark.parametrize(("name", "found", "message"), LACKING)
def test_ranks_without_mpi4py(name, found, message, job, monkeypatch):
    class Broken:
        def __getattr__(self, _):
            raise ModuleNotFoundError("broken", name=name)

    monkeypatch.setitem(sys.modules, "mpi4py", Broken())
    with pytest.raises(ModuleNotFoundError) as caught:
        mpi_ranks.run_on_rank_0(print)
    assert (caught.value.name, str(caught.value)) == (found, message)


def test_fit_many_shows_why_networks_in_workers_stopped(capsys):
    nets = [fastnn.MLP([4, 3, 1], rng=i) for i in range(3)]
    with Worker(n=2) as executor:
        fastnn.fit_many(nets, ROWS, ROWS[:, :1], epochs=2, executor=executor, progress=True)
    assert "stopped: 3 networks: all epochs done" in capsys.readouterr().err


def test_fit_many_takes_a_custom_loss_that_only_cloudpickle_can_send():
    pytest.importorskip("cloudpickle")
    X, y = ROWS, ROWS[:, :1]

    def loss(outputs, y):
        return float(((outputs - y) ** 2).mean()), 2 * (outputs - y) / outputs.size

    nets = [[fastnn.MLP([4, 3, 1], rng=i) for i in range(3)] for _ in range(2)]
    fastnn.fit_many(nets[0], X, y, loss=loss, epochs=2, rng=5)
    with Worker(n=2) as executor:
        fastnn.fit_many(nets[1], X, y, loss=loss, epochs=2, rng=5, executor=executor)
    for one, other in zip(*nets):
        assert one.params.tobytes() == other.params.tobytes()
        assert one.rng.random() == other.rng.random()


def test_what_is_no_executor_is_refused():
    message = r"^executor must be a concurrent.futures.Executor, .* a str"
    with pytest.raises(TypeError, match=message):
        fastnn.fit_many([fastnn.MLP([3, 1])], np.ones((4, 3)), np.ones(4), executor="threads")
