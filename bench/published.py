"""Repeat two benchmarks whose times others have published.

    python bench/published.py exponential     the example of SimpleChains.jl, on one and all threads
    python bench/published.py mnist FOLDER    MNIST to 98 %, next to PyTorch and scikit-learn

exponential: 4-32-16-4 with tanh learns the exponential of a 2x2 matrix from 10,000 matrices,
all in one batch, in 10,000 steps of Adam. The program prints seconds, GFLOP/s and the last
loss. The authors of SimpleChains.jl report 1.64 s on four cores of another machine (8 threads).

mnist: 784-128-10 with ReLU and softmax trains until it classifies 98 % of the test images
correctly. Every epoch ends with a test, whose time counts. FOLDER holds the four files of
MNIST, as for examples/mnist.py. All libraries use the same batch size, learning rate, schedule
and number of threads, as far as they support them (scikit-learn's Adam has no schedule). Each
trains from several seeds, and the libraries alternate. The program prints the seconds and the
epoch of the first test that reaches 98 %, and each library's time relative to fastnn's. A
library that is not installed is skipped.
"""

import functools
import gzip
import os
import pathlib
import statistics
import time
import warnings

import measure
import numpy as np
from networks import NETWORKS

import fastnn
from fastnn.schedules import OneCycle

CPUS = len(os.sched_getaffinity(0))


# ---- SimpleChains.jl's example ----


def exponential(matrices):
    """Return the matrix exponential of each matrix, by scaling, a power series and squaring."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(matrices).sum(axis=2).max()))) + 1)
    small = matrices / 2**halvings
    term = result = np.broadcast_to(np.eye(2), matrices.shape)
    for k in range(1, 18):
        term = term @ small / k
        result = result + term
    for _ in range(halvings):
        result = result @ result
    return result


def learn_exponential(arguments):
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((10_000, 2, 2))
    X, y = matrices.reshape(-1, 4), exponential(matrices).reshape(-1, 4)
    network = NETWORKS["exponential"]
    print(
        f"{network.title}, {network.activation}, {len(X):,} rows in one batch, Adam,"
        f" {arguments.steps:,} steps"
    )
    for n_threads in sorted({1, arguments.threads}):
        net = fastnn.MLP(network.sizes, network.activation, rng=0)
        history = net.fit(
            X, y, "mse", fastnn.Adam(1e-3), arguments.steps, None, False, n_threads=n_threads
        )
        speed = network.flops * arguments.steps / history.seconds / 1e9
        print(
            f"  threads: {n_threads} {history.seconds:6.2f} s, {speed:5.1f} GFLOP/s,"
            f" last loss {history.loss[-1]:.5f}"
        )


# ---- MNIST to 98 % ----


def read_idx(folder, name):
    """Read an array from a file in MNIST's IDX format, plain or with .gz."""
    path = pathlib.Path(folder, name)
    if path.exists():
        content = path.read_bytes()
    else:
        content = gzip.decompress(path.with_name(name + ".gz").read_bytes())
    n_dimensions = content[3]
    shape = np.frombuffer(content, ">u4", n_dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dimensions).reshape(shape)


class Task:
    """The images, and the settings that all libraries share."""

    def __init__(self, arguments):
        (self.X, self.y), (self.X_test, self.y_test) = (
            (
                read_idx(arguments.folder, f"{part}-images-idx3-ubyte").reshape(-1, 784).astype("f")
                / 255,
                read_idx(arguments.folder, f"{part}-labels-idx1-ubyte").astype(np.int64),
            )
            for part in ("train", "t10k")
        )
        self.batch, self.epochs = arguments.batch, arguments.epochs
        self.rate, self.goal = arguments.rate, arguments.goal
        self.threads = arguments.threads
        self.steps = self.epochs * -(-len(self.X) // self.batch)


class Progress:
    """The best test accuracy so far, and the epochs and seconds until the last test."""

    def __init__(self, task):
        self.task, self.epochs, self.best, self.start = task, 0, 0.0, time.perf_counter()

    def update(self, predictions):
        """Record a test, and return whether the best accuracy has reached the goal."""
        self.epochs += 1
        self.best = max(self.best, np.mean(predictions == self.task.y_test))
        self.seconds = time.perf_counter() - self.start
        return self.reached_goal

    @property
    def reached_goal(self):
        return self.best >= self.task.goal


def train_fastnn(task, seed):
    net = fastnn.MLP(NETWORKS["T6"].sizes, "relu", "softmax", rng=seed)
    progress = Progress(task)

    def test(net, history):
        return progress.update(net.forward(task.X_test, n_threads=task.threads).argmax(axis=1))

    adam = fastnn.Adam(OneCycle(task.rate, task.steps))
    net.fit(
        task.X,
        task.y,
        "cross_entropy",
        adam,
        task.epochs,
        task.batch,
        callbacks=[test],
        n_threads=task.threads,
    )
    return progress


def train_pytorch(task, seed):
    # Batches are indexed from one tensor, which is faster than a DataLoader.
    import torch
    from torch import nn

    torch.set_num_threads(task.threads)
    torch.manual_seed(seed)
    X, y, X_test = torch.from_numpy(task.X), torch.from_numpy(task.y), torch.from_numpy(task.X_test)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, task.rate, total_steps=task.steps, cycle_momentum=False
    )
    progress = Progress(task)
    for _ in range(task.epochs):
        order = torch.randperm(len(X))
        for rows in order.split(task.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            if progress.update(model(X_test).argmax(dim=1).numpy()):
                break
    return progress


def train_scikit_learn(task, seed):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        [128],
        batch_size=task.batch,
        learning_rate_init=min(task.rate, 1e-3),
        alpha=0,
        random_state=seed,
    )
    progress = Progress(task)
    for _ in range(2 * task.epochs):  # more epochs, because it has no schedule
        model.partial_fit(task.X, task.y, classes=range(10))
        if progress.update(model.predict(task.X_test)):
            break
    return progress


LIBRARIES = {  # name: (package, function that trains)
    "fastnn": ("fastnn", train_fastnn),
    "PyTorch": ("torch", train_pytorch),
    "scikit-learn": ("sklearn", train_scikit_learn),
}


def learn_mnist(arguments):
    task = Task(arguments)
    print(
        f"{NETWORKS['T6'].title}, Adam, one cycle to {task.rate:g} in {task.epochs} epochs,"
        f" batches of {task.batch}, threads: {task.threads}"
    )
    warnings.filterwarnings("ignore", module="sklearn")
    available = {}
    for name in LIBRARIES if arguments.only is None else [arguments.only]:
        package, train = LIBRARIES[name]
        try:
            __import__(package)
            available[name] = train
        except ImportError:
            print(f"  {name} is not installed")

    def job(name, train, seeds):
        seed = next(seeds)
        progress = train(task, seed)
        missed = "" if progress.reached_goal else f", never {task.goal}"
        print(
            f"  seed {seed} {name:13} {progress.seconds:7.2f} s, {progress.best:.4f}"
            f" in {progress.epochs} epochs{missed}",
            flush=True,
        )
        return progress.seconds if progress.reached_goal else np.inf

    jobs = {
        name: functools.partial(job, name, train, iter(range(arguments.seeds)))
        for name, train in available.items()
    }
    medians = measure.interleave(jobs, arguments.seeds, statistics.median)
    first = next(iter(medians), None)
    for name, seconds in medians.items():
        ratio = seconds / medians[first]
        print(f"  {name:20} {seconds:7.2f} s, the median; {ratio:.1f} times {first}'s")


def main():
    parser = measure.make_parser(__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("exponential", help="the example of SimpleChains.jl")
    command.set_defaults(run=learn_exponential)
    command.add_argument("--steps", type=int, default=10_000, help="steps of Adam (default: 10000)")
    add_threads(command)
    command = commands.add_parser("mnist", help="MNIST to a test accuracy of 98 %%")
    command.set_defaults(run=learn_mnist)
    command.add_argument("folder", help="folder with the four files of MNIST, plain or with .gz")
    command.add_argument("--batch", type=int, default=128, help="batch size (default: 128)")
    command.add_argument(
        "--rate", type=float, default=4e-3, help="largest learning rate (default: 4e-3)"
    )
    command.add_argument(
        "--epochs", type=int, default=6, help="epochs of the schedule (default: 6)"
    )
    command.add_argument(
        "--seeds", type=int, default=3, help="trainings of each library (default: 3)"
    )
    command.add_argument(
        "--goal", type=float, default=0.98, help="test accuracy to reach (default: 0.98)"
    )
    command.add_argument("--only", choices=LIBRARIES, help="train with one library only")
    add_threads(command)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except FileNotFoundError as error:
        parser.error(
            f"{error.filename} does not exist. FOLDER must hold the four files of MNIST, plain or"
            " with .gz."
        )


def add_threads(command):
    command.add_argument(
        "--threads",
        type=int,
        default=CPUS,
        help=f"number of threads (default: {CPUS}, the number of CPUs)",
    )


if __name__ == "__main__":
    main()
