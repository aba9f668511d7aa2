"""The table of peers for compare.py and options.py, and the processes in which the peers run.

Every peer runs in its own process, because the thread pools of several libraries in one process
slow each other down, and because a crash, a global setting or a memory leak then affects one
peer only. The parent sends requests to one process at a time, through a pipe, and the others
sleep. One request times several short blocks and returns the best, so that the caches hold this
peer's data.

A peer is a class. Its constructor takes the number of threads. It has some of these methods,
where `variant` is one of several ways to do the same work, such as an optimizer's
implementation:

    training(task, variant)       returns an object with reset(), which restores the initial
                                  weights, run(epochs), which returns the losses, and params(); or
                                  None if the library does not support the task
    many(task, networks, variant) the same for networks with these numbers: run(epochs) returns
                                  the losses of each, params() the parameters of each
    inference(task, variant)      returns function(X), which returns probabilities
    derivative(task, variant)     likewise; it returns derivatives
    elementwise(task, variant)    returns function(), which returns the results
    update(task, variant)         returns step() and params()

and of these attributes:

    variants    {kind of task: names of its variants}; the fastest one is reported
    too_slow    rows that take too long to time
    block       length of a training block in seconds, if not BLOCK
"""

import contextlib
import copy
import gc
import importlib
import math
import multiprocessing
import os
import sys
import time
from importlib import metadata
from typing import NamedTuple

import numpy as np
from measure import block_size, timed_calls
from tasks import TASKS

BLOCK, TURN = 5e-3, 0.1  # approximate length of a block and of a request, in seconds
# With several threads blocks are longer, because every call of fastnn's `fit` starts its threads
# again. All peers have blocks of the same length: steps may become slower as a training goes on,
# when moments that decay are subnormal numbers.
THREADS_BLOCK = 50e-3
# Sleep this long before timing with several threads. The threads of some libraries spin for 0.2 s
# after their work is done.
SETTLE = 0.3
MANY_BLOCK = 1.0  # seconds of a block of many networks
MAX_BLOCK = 60_000  # epochs or calls per block


class Peer(NamedTuple):
    """A row of the table of peers."""

    name: str
    module: str
    adapter: str  # the class in that module
    header: tuple  # two lines, for a narrow column
    # In the plot: colour, shape, filled. A library has one colour, and its compiled loops and steps
    # have filled markers.
    marker: tuple
    packages: tuple = ()


# the palette of Okabe and Ito
GREY, YELLOW, ORANGE = "#777777", "#E69F00", "#D55E00"
GREEN, PURPLE, SKY = "#009E73", "#CC79A7", "#56B4E9"
PEERS = {
    "fastnn": Peer("fastnn", "peers_plain", "Fastnn", ("", "fastnn"), ()),
    "numpy": Peer("NumPy", "peers_plain", "Numpy", ("", "NumPy"), (GREY, "o", False), ("numpy",)),
    "sklearn": Peer(
        "scikit-learn",
        "peers_plain",
        "Sklearn",
        ("scikit", "-learn"),
        (YELLOW, "^", True),
        ("scikit-learn",),
    ),
    "torch": Peer(
        "PyTorch", "peers_torch", "Torch", ("Py-", "Torch"), (ORANGE, "s", False), ("torch",)
    ),
    "torchcompile": Peer(
        "PyTorch compiled",
        "peers_torch",
        "TorchCompiled",
        ("Torch", "comp'd"),
        (ORANGE, "s", True),
        ("torch",),
    ),
    "jaxstep": Peer(
        "JAX step", "peers_jax", "JaxStep", ("JAX", "step"), (GREEN, "D", False), ("jax",)
    ),
    "jaxscan": Peer(
        "JAX scan", "peers_jax", "JaxScan", ("JAX", "scan"), (GREEN, "D", True), ("jax",)
    ),
    "numbaloops": Peer(
        "Numba loops",
        "peers_numba",
        "NumbaLoops",
        ("Numba", "loops"),
        (PURPLE, "v", False),
        ("numba",),
    ),
    "numbablas": Peer(
        "Numba + BLAS",
        "peers_numba",
        "NumbaBlas",
        ("Numba", "BLAS"),
        (PURPLE, "v", True),
        ("numba", "scipy"),
    ),
    "onnx": Peer(
        "ONNX Runtime",
        "peers_plain",
        "Onnx",
        ("ONNX", "RT"),
        (SKY, "o", True),
        ("onnxruntime", "onnx"),
    ),
}


# ---- in the parent process ----


class PeerProcess:
    """The parent's handle of a peer's process.

    `failure` says why the process cannot run tasks, or is None.
    """

    def __init__(self, peer, threads, packages=()):
        # A spawned interpreter reads the thread limits from the environment when it starts.
        context = multiprocessing.get_context("spawn")
        self.pipe, child_pipe = context.Pipe()
        self.process = context.Process(
            target=serve, args=(child_pipe, peer, threads, packages), daemon=True
        )
        self.process.start()
        child_pipe.close()
        self.failure = None
        info, self.failure = self.receive()
        # of the packages; of the tasks that the peer supports
        self.versions, self.kinds = info or ({}, [])

    def request(self, method, *arguments):
        """Call a method of the `Worker`, and return (result, None) or (None, error message)."""
        if self.failure:
            return None, self.failure
        return self.receive((method, *arguments))

    def receive(self, message=None):
        try:
            if message:
                self.pipe.send(message)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join(10)
            self.failure = f"its process ended with exit code {self.process.exitcode}"
            return None, self.failure

    def close(self):
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(10)


def prepare_row(row, processes):
    """Prepare a row of `TASKS` with `prepare_task`, and exit if fastnn's results are wrong."""
    cells = prepare_task(row, TASKS[row], processes)
    if "us" not in cells["fastnn"]:
        sys.exit(f"{row}, fastnn: {cells['fastnn']['note']}. Nothing is timed.")
    return cells


def prepare_task(row, task, processes):
    """Prepare the task in every process, and compare the results with the reference.

    `task` has no data yet: every process makes them. Returns a cell for each process whose peer
    supports the task: {"us": microseconds, "variant": name of the fastest variant} or {"note": why
    it is not timed}.
    """
    made, cells = copy.copy(task).make_data(), {}
    expected = made.expected()
    for peer, process in processes.items():
        variants, failure = process.request("prepare", row, task)
        if failure:
            cells[peer] = {"note": f"fails: {failure}"}
        elif variants:
            mismatches = [made.find_mismatch(results, expected, peer) for _, results, _ in variants]
            mismatch = next(filter(None, mismatches), None)
            variant, _, seconds = variants[0]
            if mismatch:
                cells[peer] = {"note": f"wrong: {mismatch}; not timed"}
            else:
                cells[peer] = {"us": 1e6 * seconds, "variant": variant}
    return cells


def make_job(process, row, cell, seconds=TURN):
    """Return a job for `measure.interleave` that times the row's task in the process.

    If the process fails, the job replaces the cell's contents with a note and returns infinity.
    """

    def job():
        best, failure = process.request("best_time", row, seconds)
        if failure:
            cell.clear()
            cell["note"] = f"fails: {failure}"
        return math.inf if failure else 1e6 * best

    return job


# ---- in the peer's process ----


def serve(pipe, peer, threads, packages):
    """Answer requests until the parent closes the pipe."""
    row, worker = PEERS[peer], None
    sys.stdout = open(os.devnull, "w")  # hide the output of compilers
    gc.disable()

    def start():
        nonlocal worker
        adapter = getattr(importlib.import_module(row.module), row.adapter)
        versions = {
            package: metadata.version(package)
            for package in dict.fromkeys([*row.packages, *packages])
        }
        instance = adapter(threads)
        if threads > 1:
            instance.block = THREADS_BLOCK
        worker = Worker(instance, SETTLE if threads > 1 else 0)
        return versions, [kind for kind in KINDS if hasattr(worker.peer, kind)]

    # these exceptions mean that the parent has ended
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        respond(pipe, start)
        while True:
            method, *arguments = pipe.recv()
            respond(pipe, getattr(worker, method), *arguments)


def respond(pipe, function, *arguments):
    """Call the function, and send (result, None) or (None, error message)."""
    try:
        result = function(*arguments), None
    except metadata.PackageNotFoundError:
        result = None, "not installed"
    except Exception as error:
        result = None, f"{type(error).__name__}: {error}".splitlines()[0][:200]
    pipe.send(result)


class Worker:
    """Prepares and times tasks. Its public methods are the requests that the parent sends."""

    def __init__(self, peer, settle):
        self.peer, self.settle, self.blocks = peer, settle, {}

    def clear(self):
        """Release the memory of all prepared tasks."""
        self.blocks.clear()
        gc.collect()

    def prepare(self, row, task):
        """Return [(variant, results, seconds per unit)], the fastest variant first.

        Returns None if the peer does not support the task.
        """
        peer = self.peer
        if not hasattr(peer, task.kind) or row in getattr(peer, "too_slow", ()):
            return None
        time.sleep(self.settle)
        task.make_data()
        prepared = []
        for variant in getattr(peer, "variants", {}).get(task.kind, ("",)):
            made = KINDS[task.kind](peer, task, variant)
            if made:
                self.blocks[row], results = made
                prepared.append((variant, results, self.best_time(row, TURN), self.blocks[row]))
        prepared.sort(key=lambda entry: entry[2])
        self.blocks[row] = prepared[0][3]
        return [entry[:3] for entry in prepared]

    def best_time(self, row, duration):
        """Run blocks for `duration` seconds, and return the least seconds per unit."""
        time.sleep(self.settle)
        best, end = math.inf, time.perf_counter() + duration
        while True:
            best = min(best, self.blocks[row]())
            if time.perf_counter() > end:
                return best


# ---- kinds of tasks ----
#
# Each function returns block(), which returns seconds per unit, and the results to compare.


def training(peer, task, variant):
    trainer = peer.training(task, variant)
    if trainer is None:
        return None
    trainer.reset()
    trainer.run(1)
    params = trainer.params().copy()
    trainer.reset()
    losses = trainer.run(task.epochs)

    def block(trainer, epochs):
        trainer.reset()
        start = time.perf_counter()
        trainer.run(epochs)
        return time.perf_counter() - start

    length = getattr(peer, "block", BLOCK)
    epochs = max(
        block_size(lambda n: block(trainer, n), length, MAX_BLOCK),
        -(-task.min_block_steps // task.steps),
    )
    if task.name == "cosine":  # the schedule spans the training
        trainer = peer.training(task.with_epochs(epochs), variant)
        block(trainer, epochs)
    return lambda: block(trainer, epochs) / epochs / task.steps, (losses, params)


def many(peer, task, variant):
    """Time whole trainings of many networks; a unit is one step of one network."""

    def seconds(trainer, epochs):
        trainer.reset()
        start = time.perf_counter()
        trainer.run(epochs)
        return time.perf_counter() - start

    def check(trainer, selected):
        trainer.reset()
        losses = trainer.run(task.checked_epochs)
        params = trainer.params()
        return [(np.array(losses[i]), params[i].copy()) for i in selected]

    k, epochs = task.k, task.epochs
    if task.scaled == "networks":
        results = check(peer.many(task, task.checked, variant), range(len(task.checked)))
        k = block_size(lambda n: seconds(peer.many(task, range(n), variant), epochs), MANY_BLOCK, k)
        trainer = peer.many(task, range(k), variant)
    else:
        trainer = peer.many(task, range(k), variant)
        results = check(trainer, task.checked)
        if task.scaled == "epochs":
            epochs = block_size(lambda n: seconds(trainer, n), MANY_BLOCK, epochs)
    return lambda: seconds(trainer, epochs) / k / epochs / task.steps, results


def inference(peer, task, variant):
    forward, X = peer.inference(task, variant), task.X
    return block_of_calls(lambda: forward(X)), forward(X).copy()


def derivative(peer, task, variant):
    function, X = peer.derivative(task, variant), task.X
    if function is None:
        return None
    return block_of_calls(lambda: function(X)), function(X)[task.checked]


def elementwise(peer, task, variant):
    function = peer.elementwise(task, variant)
    results = function()
    return block_of_calls(function), results


def update(peer, task, variant):
    step, params = peer.update(task, variant)
    for _ in range(task.n_checked):
        step()
    results = params().copy()
    return block_of_calls(step), results


def block_of_calls(function):
    n = block_size(lambda n: n * timed_calls(function, n)(), BLOCK, MAX_BLOCK)
    return timed_calls(function, n)


KINDS = {
    "training": training,
    "many": many,
    "inference": inference,
    "derivative": derivative,
    "elementwise": elementwise,
    "update": update,
}
