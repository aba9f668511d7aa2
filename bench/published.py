"""Two trainings that others have published times of.

    python bench/published.py exponential            the example of SimpleChains.jl, on one thread and on all
    python bench/published.py mnist FOLDER           MNIST to 98 %, beside PyTorch and scikit-learn where these are installed

exponential: the exponential of a 2x2 matrix, learned by 4-32-16-4 with tanh from 10,000 matrices,
all in one batch, by 10,000 steps of Adam. You will see seconds, GFLOP/s and the last loss.
SimpleChains.jl's authors report 1.64 s on four cores of another machine (8 threads).

mnist: 784-128-10, ReLU and softmax, until 98 % of the test pictures are read right, which is tested
after every epoch; the tests count in everybody's time. FOLDER has the four files of MNIST, as
examples/mnist.py wants them. All have the same batches, rate, schedule and number of threads, as
far as they have them (scikit-learn's Adam has no schedule); each runs from several seeds, in turn.
You will see the seconds and the epoch of the first test that reaches 98 %, and PyTorch's and
scikit-learn's time over fastnn's.
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
    """expm of each of many 2x2 matrices, by its series after halving often enough."""
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
        f"{network.title}, {network.activation}, {len(X):,} rows in one batch, Adam, {arguments.steps:,} steps"
    )
    for n_threads in sorted({1, arguments.threads}):
        net = fastnn.MLP(network.sizes, network.activation, rng=0)
        history = net.fit(
            X, y, "mse", fastnn.Adam(1e-3), arguments.steps, None, False, n_threads=n_threads
        )
        speed = network.flops * arguments.steps / history.seconds / 1e9
        print(
            f"  threads: {n_threads} {history.seconds:6.2f} s, {speed:5.1f} GFLOP/s, last loss {history.loss[-1]:.5f}"
        )


# ---- MNIST to 98 % ----


def read_idx(folder, name):
    path = pathlib.Path(folder, name)
    content = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    )
    shape = np.frombuffer(content, ">u4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


class Task:
    """The pictures, and the settings that all share."""

    def __init__(self, arguments):
        (self.X, self.y), (self.X_test, self.y_test) = (
            (
                read_idx(arguments.folder, f"{which}-images-idx3-ubyte")
                .reshape(-1, 784)
                .astype("f")
                / 255,
                read_idx(arguments.folder, f"{which}-labels-idx1-ubyte").astype(np.int64),
            )
            for which in ("train", "t10k")
        )
        self.batch, self.epochs, self.rate, self.goal = (
            arguments.batch,
            arguments.epochs,
            arguments.rate,
            arguments.goal,
        )
        self.threads = arguments.threads
        self.steps = self.epochs * -(-len(self.X) // self.batch)


class Clock:
    """Seconds and epochs until the goal."""

    def __init__(self, task):
        self.task, self.epochs, self.best, self.began = task, 0, 0.0, time.perf_counter()

    def reached(self, answers):
        """Whether the test pictures are read well enough; answers: their digits."""
        self.epochs += 1
        self.best = max(self.best, np.mean(answers == self.task.y_test))
        self.seconds = time.perf_counter() - self.began
        return self.best >= self.task.goal


def with_fastnn(task, seed):
    net = fastnn.MLP(NETWORKS["T6"].sizes, "relu", "softmax", rng=seed)
    clock = Clock(task)

    def test(net, history):
        return clock.reached(net.forward(task.X_test, n_threads=task.threads).argmax(axis=1))

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
    return clock


def with_pytorch(task, seed):
    """Batches by an index into one tensor: a DataLoader takes longer."""
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
    clock = Clock(task)
    for _ in range(task.epochs):
        order = torch.randperm(len(X))
        for rows in order.split(task.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            if clock.reached(model(X_test).argmax(dim=1).numpy()):
                break
    return clock


def with_scikit_learn(task, seed):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        [128],
        batch_size=task.batch,
        learning_rate_init=min(task.rate, 1e-3),
        alpha=0,
        random_state=seed,
    )
    clock = Clock(task)
    for _ in range(2 * task.epochs):  # its rate stays high: more epochs
        model.partial_fit(task.X, task.y, classes=range(10))
        if clock.reached(model.predict(task.X_test)):
            break
    return clock


CONTESTANTS = {
    "fastnn": ("fastnn", with_fastnn),
    "PyTorch": ("torch", with_pytorch),
    "scikit-learn": ("sklearn", with_scikit_learn),
}


def learn_mnist(arguments):
    task = Task(arguments)
    title = NETWORKS["T6"].title
    print(
        f"{title}, Adam, one cycle to {task.rate:g} in {task.epochs} epochs, batches of {task.batch}, threads: {task.threads}"
    )
    warnings.filterwarnings("ignore", module="sklearn")
    ready = []
    for name in CONTESTANTS if arguments.only is None else [arguments.only]:
        package, train = CONTESTANTS[name]
        try:
            __import__(package)
            ready.append((name, train))
        except ImportError:
            print(f"  {name} is not installed")

    def job(name, train, seeds):
        seed = next(seeds)
        clock = train(task, seed)
        there = clock.best >= task.goal
        missed = "" if there else f", never {task.goal}"
        print(
            f"  seed {seed} {name:13} {clock.seconds:7.2f} s, {clock.best:.4f} in {clock.epochs} epochs{missed}",
            flush=True,
        )
        return clock.seconds if there else np.inf

    jobs = {
        name: functools.partial(job, name, train, iter(range(arguments.seeds)))
        for name, train in ready
    }
    medians = measure.race(jobs, arguments.seeds, statistics.median)
    for name, seconds in medians.items():
        print(
            f"  {name:20} {seconds:7.2f} s, the median; {seconds / medians[ready[0][0]]:.1f} times {ready[0][0]}'s"
        )


def main():
    parser = measure.parser(__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("exponential")
    one.set_defaults(run=learn_exponential)
    one.add_argument("--steps", type=int, default=10_000, help="default: 10000")
    two = commands.add_parser("mnist")
    two.set_defaults(run=learn_mnist)
    two.add_argument("folder", help="where the four files are")
    two.add_argument("--batch", type=int, default=128, help="default: 128")
    two.add_argument("--rate", type=float, default=4e-3, help="the cycle's highest (default: 4e-3)")
    two.add_argument("--epochs", type=int, default=6, help="of the cycle (default: 6)")
    two.add_argument("--seeds", type=int, default=3, help="trainings of each (default: 3)")
    two.add_argument("--goal", type=float, default=0.98, help="test accuracy (default: 0.98)")
    two.add_argument("--only", choices=CONTESTANTS)
    for command in (one, two):
        command.add_argument(
            "--threads", type=int, default=CPUS, help=f"for each (default: {CPUS}, all)"
        )
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except FileNotFoundError as error:
        parser.error(
            f"{error.filename} is not there: FOLDER must have the four files of MNIST, as they are or with .gz"
        )


if __name__ == "__main__":
    main()
