"""Who takes part in bench/compare.py, and the process in which each of them works.

Each has a process of its own: thread pools of several libraries in one process fight, and what one of them does to itself (a crash, a
setting, a gigabyte) stays with it. The processes never work at once: `Contestant` asks them in turn, through a pipe, and the others
sleep. A turn is several short blocks, of which the best counts, so that the caches are this contestant's again.

A peer is a class, made with the number of threads, with some of

    training(task, variant)       -> an object with begin(), back to the first weights; run(epochs), which gives their losses; params()
    inference(task, variant)      -> function(X) of the probabilities
    elementwise(task, variant)    -> function() of the results
    update(task, variant)         -> function() that steps, function() of the parameters
    variants                      ways of doing a kind of row, of which the fastest is shown: {kind: names}
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

from .rows import ROWS

BLOCK, TURN = 5e-3, 0.1  # seconds, about
SETTLE = 0.3  # seconds before a turn if there are several threads: some libraries' threads spin on for 0.2 s when their work is done
MOST = 60_000  # epochs or calls in a block
STEPS = 10  # of a training's block at least: what a call of `fit` does once is shared by many steps, as it is where people train


class Who(NamedTuple):
    name: str
    file: str
    peer: str  # the class in that file
    head: tuple  # of a narrow column
    packages: tuple = ()


PEERS = {
    "fastnn": Who("fastnn", "own", "Fastnn", ("", "fastnn")),
    "numpy": Who("NumPy", "numpy_peer", "Numpy", ("", "NumPy"), ("numpy",)),
    "sklearn": Who("scikit-learn", "sklearn_peer", "Sklearn", ("scikit", "-learn"), ("scikit-learn",)),
    "torch": Who("PyTorch", "torch_peer", "Torch", ("Py-", "Torch"), ("torch",)),
    "torchcompile": Who("PyTorch compiled", "torch_peer", "TorchCompiled", ("Torch", "comp'd"), ("torch",)),
    "jaxstep": Who("JAX step", "jax_peer", "JaxStep", ("JAX", "step"), ("jax",)),
    "jaxscan": Who("JAX scan", "jax_peer", "JaxScan", ("JAX", "scan"), ("jax",)),
    "numbaloops": Who("Numba loops", "numba_peer", "NumbaLoops", ("Numba", "loops"), ("numba",)),
    "numbablas": Who("Numba + BLAS", "numba_peer", "NumbaBlas", ("Numba", "BLAS"), ("numba", "scipy")),
    "onnx": Who("ONNX Runtime", "onnx_peer", "Onnx", ("ONNX", "RT"), ("onnxruntime", "onnx")),
}


class Contestant:
    """The parent's end of the pipe. `absent` says why it cannot take part, or is None."""

    def __init__(self, name, threads):
        context = multiprocessing.get_context("spawn")  # a new interpreter, which reads the settings of threads for itself
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=work, args=(end, name, threads), daemon=True)
        self.process.start()
        end.close()
        self.absent = None
        answer, self.absent = self.ask()
        self.versions, self.kinds = answer or ({}, [])  # of its packages; of the rows that it knows

    def ask(self, *question):
        """(answer, None), or (None, what went wrong)"""
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
        """[(variant, results, seconds of a unit)], the fastest first; None if it has nothing for this row."""
        return self.ask("prepare", row)

    def turn(self):
        """Seconds of a unit: a step or a call."""
        return self.ask("turn")

    def close(self):
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(10)


def work(pipe, name, threads):
    """The other end, until the parent closes the pipe."""
    who, answers = PEERS[name], None
    sys.stdout = open(os.devnull, "w")  # what compilers have to say
    gc.disable()

    def open_up():
        nonlocal answers
        answers = Worker(getattr(importlib.import_module(f".{who.file}", __package__), who.peer)(threads), SETTLE if threads > 1 else 0)
        versions = {package: metadata.version(package) for package in who.packages}
        return versions, [kind for kind in KINDS if hasattr(answers.peer, kind)]

    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent has gone
        attempt(pipe, open_up)
        while True:
            question, *arguments = pipe.recv()
            attempt(pipe, getattr(answers, question), *arguments)


def attempt(pipe, function, *arguments):
    try:
        answer = function(*arguments), None
    except Exception as error:
        answer = None, f"{type(error).__name__}: {error}".splitlines()[0][:200]
    pipe.send(answer)


class Worker:
    def __init__(self, peer, settle):
        self.peer, self.settle, self.block = peer, settle, None

    def prepare(self, row):
        self.block = None  # let go of what the last row held
        gc.collect()
        time.sleep(self.settle)
        task = ROWS[row]
        if not hasattr(self.peer, task.kind) or row in getattr(self.peer, "too_slow", ()):
            return None
        task.make()
        ready = []
        for variant in getattr(self.peer, "variants", {}).get(task.kind, ("",)):
            block, results = KINDS[task.kind](self.peer, task, variant)
            self.block = block
            ready.append((variant, results, self.turn(), block))
        ready.sort(key=lambda one: one[2])
        self.block = ready[0][3]
        return [one[:3] for one in ready]

    def turn(self):
        time.sleep(self.settle)
        best, end = math.inf, time.perf_counter() + TURN
        while True:
            best = min(best, self.block())
            if time.perf_counter() > end:
                return best


# ---- for each kind of row: block(), which gives seconds of a unit, and the results to be checked ----


def training(peer, task, variant):
    job = peer.training(task, variant)
    job.begin()
    job.run(1)
    params = job.params().copy()
    job.begin()
    losses = job.run(task.epochs)

    def block(epochs):
        job.begin()
        began = time.perf_counter()
        job.run(epochs)
        return (time.perf_counter() - began) / epochs / task.steps

    epochs = max(enough(lambda n: block(n) * n * task.steps, getattr(peer, "block", BLOCK)), -(-STEPS // task.steps))
    return lambda: block(epochs), (losses, params)


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
    def block(n):
        began = time.perf_counter()
        for _ in range(n):
            function()
        return (time.perf_counter() - began) / n

    n = enough(lambda n: block(n) * n)
    return lambda: block(n)


def enough(seconds, block=BLOCK):
    """How many make a block; it warms up, too."""
    n = 1
    seconds(n)
    while (took := seconds(n)) < block / 4 and n < MOST:
        n = min(4 * n, MOST)
    return max(1, min(MOST, round(n * block / took)))


KINDS = {"training": training, "inference": inference, "elementwise": elementwise, "update": update}
