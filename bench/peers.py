"""Who takes part in compare.py and options.py: one table, and the process in which each of them
works.

Each has a process of its own: thread pools of several libraries in one process fight, and what one
of them does to itself (a crash, a setting, a gigabyte) stays with it. The processes never work at
once: `Contestant` asks them in turn, through a pipe, and the others sleep. A turn is several short
blocks, of which the best counts, so that the caches are this contestant's again.

A peer is a class, made with the number of threads, with some of

    training(task, variant)       -> an object with begin(), back to the first weights; run(epochs), which returns their losses; params();
                                     or None if the library does not offer this
    inference(task, variant)      -> function(X) of the probabilities
    elementwise(task, variant)    -> function() of the results
    update(task, variant)         -> function() that steps, function() of the parameters
    variants                      ways of doing a kind of task, of which the fastest is shown: {kind: names}
    too_slow                      rows that nobody would wait for
    block                         seconds, if longer ones suit it better
"""

import contextlib
import gc
import importlib
import math
import multiprocessing
import os
import sys
import time
from importlib import metadata
from typing import NamedTuple

from measure import calls, enough
from tasks import TASKS

BLOCK, TURN = 5e-3, 0.1  # seconds, about
# seconds before a turn if there are several threads: some libraries' threads spin on for 0.2 s when
# their work is done
SETTLE = 0.3
MOST = 60_000  # epochs or calls in a block
# of a training's block at least: what a call of `fit` does once is shared by many steps, as it is
# where people train
STEPS = 10


class Peer(NamedTuple):
    name: str
    module: str
    adapter: str  # the class in that module
    head: tuple  # of a narrow column
    # in the picture: colour, shape, whether it is full; a library has one colour, and full are
    # compiled loops and steps
    mark: tuple
    packages: tuple = ()


GREY, YELLOW, ORANGE, GREEN, PURPLE, SKY = (
    "#777777",
    "#E69F00",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
)  # Okabe's and Ito's
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


class Contestant:
    """The parent's end of the pipe. `absent` says why it cannot take part, or is None."""

    def __init__(self, who, threads, packages=()):
        context = multiprocessing.get_context(
            "spawn"
        )  # a new interpreter, which reads the settings of threads for itself
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=work, args=(end, who, threads, packages), daemon=True)
        self.process.start()
        end.close()
        self.who, self.absent = who, None
        answer, self.absent = self.ask()
        self.versions, self.kinds = answer or (
            {},
            [],
        )  # of its packages; of the tasks that it knows

    def ask(self, *question):
        """Return (answer, None) or (None, what went wrong)."""
        if self.absent:
            return None, self.absent
        try:
            if question:
                self.pipe.send(question)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join(10)
            self.absent = f"its process ended ({self.process.exitcode})"
            return None, self.absent

    def prepare(self, row):
        """Return [(variant, results, seconds of a unit)], the fastest first; None if it has nothing
        for this row."""
        return self.ask("prepare", row)

    def close(self):
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(10)


def prepared(row, contestants):
    """Let each get ready, check its results, and return {who: {"us": time of a unit, "variant":
    ...} or {"note": why there is none}}."""
    task, cells = TASKS[row].make(), {}
    expected = task.expected()
    for who, contestant in contestants.items():
        variants, failure = contestant.prepare(row)
        if failure:
            cells[who] = {"note": f"fails: {failure}"}
        elif variants:
            wrong = next(
                filter(
                    None,
                    (task.difference(results, expected, f"{who}'s") for _, results, _ in variants),
                ),
                None,
            )
            variant, _, seconds = variants[0]
            cells[who] = (
                {"note": f"unlike: {wrong}; not timed"}
                if wrong
                else {"us": 1e6 * seconds, "variant": variant}
            )
    if "us" not in cells["fastnn"]:
        sys.exit(f"{row}, fastnn: {cells['fastnn']['note']}; no speed is compared")
    return cells


def turn(contestant, row, cell, seconds=TURN):
    """Return a job for `measure.race`, which writes down in the cell why a contestant cannot go
    on."""

    def job():
        best, failure = contestant.ask("turn", row, seconds)
        if failure:
            cell.clear()
            cell["note"] = f"fails: {failure}"
        return math.inf if failure else 1e6 * best

    return job


# ---- the other end ----


def work(pipe, who, threads, packages):
    """Answer until the parent closes the pipe."""
    peer, worker = PEERS[who], None
    sys.stdout = open(os.devnull, "w")  # what compilers have to say
    gc.disable()

    def open_up():
        nonlocal worker
        adapter = getattr(importlib.import_module(peer.module), peer.adapter)
        versions = {
            package: metadata.version(package)
            for package in dict.fromkeys([*peer.packages, *packages])
        }
        worker = Worker(adapter(threads), SETTLE if threads > 1 else 0)
        return versions, [kind for kind in KINDS if hasattr(worker.peer, kind)]

    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent has gone
        attempt(pipe, open_up)
        while True:
            question, *arguments = pipe.recv()
            attempt(pipe, getattr(worker, question), *arguments)


def attempt(pipe, function, *arguments):
    try:
        answer = function(*arguments), None
    except metadata.PackageNotFoundError:
        answer = None, "not installed"
    except Exception as error:
        answer = None, f"{type(error).__name__}: {error}".splitlines()[0][:200]
    pipe.send(answer)


class Worker:
    def __init__(self, peer, settle):
        self.peer, self.settle, self.blocks = peer, settle, {}

    def forget(self):
        """Let go of all that was prepared."""
        self.blocks.clear()
        gc.collect()

    def prepare(self, row):
        task, peer = TASKS[row], self.peer
        if not hasattr(peer, task.kind) or row in getattr(peer, "too_slow", ()):
            return None
        time.sleep(self.settle)
        task.make()
        ready = []
        for variant in getattr(peer, "variants", {}).get(task.kind, ("",)):
            made = KINDS[task.kind](peer, task, variant)
            if made:
                self.blocks[row], results = made
                ready.append((variant, results, self.turn(row, TURN), self.blocks[row]))
        ready.sort(key=lambda one: one[2])
        self.blocks[row] = ready[0][3]
        return [one[:3] for one in ready]

    def turn(self, row, seconds):
        time.sleep(self.settle)
        best, end = math.inf, time.perf_counter() + seconds
        while True:
            best = min(best, self.blocks[row]())
            if time.perf_counter() > end:
                return best


# ---- for each kind of task: block(), which returns seconds of a unit, and the results to be checke


def training(peer, task, variant):
    job = peer.training(task, variant)
    if job is None:
        return None
    job.begin()
    job.run(1)
    params = job.params().copy()
    job.begin()
    losses = job.run(task.epochs)

    def block(job, epochs):
        job.begin()
        began = time.perf_counter()
        job.run(epochs)
        return time.perf_counter() - began

    epochs = max(
        enough(lambda n: block(job, n), getattr(peer, "block", BLOCK), MOST),
        -(-STEPS // task.steps),
    )
    if task.name == "cosine":  # it spans the training
        job = peer.training(task.over(epochs), variant)
        block(job, epochs)
    return lambda: block(job, epochs) / epochs / task.steps, (losses, params)


def inference(peer, task, variant):
    forward, X = peer.inference(task, variant), task.X
    return repeated(lambda: forward(X)), forward(X).copy()


def elementwise(peer, task, variant):
    function = peer.elementwise(task, variant)
    results = function()
    return repeated(function), results


def update(peer, task, variant):
    step, params = peer.update(task, variant)
    for _ in range(task.checked):
        step()
    results = params().copy()
    return repeated(step), results


def repeated(function):
    return calls(function, enough(lambda n: n * calls(function, n)(), BLOCK, MOST))


KINDS = {"training": training, "inference": inference, "elementwise": elementwise, "update": update}
