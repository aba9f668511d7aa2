"""fastnn bench: this machine's figures for four typical networks, beside NumPy, scikit-learn and
PyTorch where they are installed.

All start from the same weights and see the same rows in the same order; nothing is timed before
their losses and outputs agree. They work in turn, one short block after another, and the best block
of each counts: what else the machine does hits all of them alike.
"""

import contextlib
import os
import subprocess
import sys
import time
from importlib import metadata

import numpy as np

from .. import kernels
from ..config import __version__
from ..mlp import MLP
from ..optimizers import SGD
from .common import add_json, number, print_json, texts

NETWORKS = (
    ([30, 32, 1], 32),
    ([30, 64, 64, 1], 32),
    ([28, 256, 256, 1], 256),
    ([784, 128, 10], 128),
)
LR = 0.01
TOLERANCE = 1e-3  # of losses, relative, and of probabilities
BLOCK = {"step": 5e-3, "row": 2e-3}  # seconds at least
ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
HELP = """
Measure this machine: training (plain SGD, float32) and prediction of single
rows for four typical networks, by fastnn, by fastnn.reference (plain NumPy),
and by scikit-learn and PyTorch where they are installed. One thread each.

examples:
  fastnn bench
  fastnn bench --seconds 60          longer, for steadier figures
  fastnn bench --json > bench.json
"""


def add(commands):
    parser = commands.add_parser(
        "bench", help="measure this machine, beside other libraries", **texts(HELP)
    )
    parser.add_argument(
        "--seconds",
        type=number(above=0.0),
        default=12.0,
        metavar="S",
        help="about so long in all (default: 12)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments):
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        return _again_with_one_thread(arguments)
    makers, versions = _installed()
    say = _silent if arguments.json else print
    say(f"fastnn     {__version__}, {kernels.CHOSEN}")
    say(f"beside     {', '.join(f'{name} ({version})' for name, version in versions.items())}")
    absent = [name for name in MAKERS if name not in makers]
    if absent:
        say(f"not here   {', '.join(absent)}")
    say("all        float32, plain SGD, one thread; same losses and outputs, checked")
    say("times      the best of many short blocks in turn; ratio: times as long as fastnn")
    results = []
    for sizes, batch in NETWORKS:
        title = f"{'-'.join(map(str, sizes))}, batches of {batch}"
        with _status(f"measuring {title} ..."):
            contestants, rows = _contestants(makers, sizes, batch)
            difference = _disagreement(contestants, rows)
            if difference:
                print(f"fastnn bench: {title}: {difference}; no speed is compared", file=sys.stderr)
                return 1
            figures = _measure(contestants, rows, batch, arguments.seconds / len(NETWORKS))
        results.append({"layer_sizes": sizes, "batch_size": batch, "libraries": figures})
        for line in _table(title, figures):
            say(line)
        sys.stdout.flush()
    if arguments.json:
        versions = {"fastnn": __version__, **versions}
        print_json(
            {
                "isa": kernels.CHOSEN,
                "dtype": "float32",
                "threads": 1,
                "versions": versions,
                "networks": results,
            }
        )
    return 0


def _silent(*text):
    pass


def _again_with_one_thread(arguments):
    """The same command in a new process: libraries read how many threads they may use when they are
    loaded."""
    argv = ["bench", "--seconds", str(arguments.seconds), *["--json"] * arguments.json]
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.append({folder!r}); from fastnn.cli import main; sys.exit(main({argv!r}))"
    sys.stdout.flush()
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    ) as child:
        try:
            status = child.wait()
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt:  # a terminal sends it to both; the other one says so
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2)
            child.terminate()
            return 130


@contextlib.contextmanager
def _status(text):
    """Something to look at on a terminal, gone when it is over."""
    shows = sys.stderr.isatty()
    if shows:
        print(text, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shows:
            print(" " * len(text), end="\r", file=sys.stderr, flush=True)


# ---- who takes part: train(epochs) -> the loss of each, predict(X), one_row(X) -> a function to ti


class _Fastnn:
    def __init__(self, net, X, y, batch):
        self.net, self.data, self.batch = net, (X, y), batch

    def train(self, epochs):
        return self.net.fit(
            *self.data, optimizer=SGD(LR), epochs=epochs, batch_size=self.batch, shuffle=False
        ).loss

    def predict(self, X):
        return self.net.forward(X)

    def one_row(self, x):
        return lambda: self.net.forward(x)


class _Reference(_Fastnn):
    def __init__(self, net, X, y, batch):
        from .. import reference

        super().__init__(net, X, y, batch)
        self.module, self.parts = (
            reference,
            ([W.copy() for W in net.weights], [b.copy() for b in net.biases], net.activations),
        )

    def train(self, epochs):
        loss = "bce" if self.parts[2][-1] == "sigmoid" else "cross_entropy"
        return self.module.fit(
            *self.data, *self.parts, loss, lr=LR, epochs=epochs, batch_size=self.batch
        )

    def predict(self, X):
        return self.module.forward(X, *self.parts)

    def one_row(self, x):
        return lambda: self.module.forward(x, *self.parts)


class _Sklearn(_Fastnn):
    def __init__(self, net, X, y, batch):
        from sklearn.neural_network import MLPClassifier

        super().__init__(net, X, y, batch)
        self.model = MLPClassifier(
            net.layer_sizes[1:-1],
            solver="sgd",
            alpha=0,
            batch_size=batch,
            learning_rate_init=LR,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.classes = np.arange(max(2, net.layer_sizes[-1]))
        self.model.partial_fit(X[:batch], y[:batch], classes=self.classes)  # makes the arrays
        for mine, its in zip(
            [*net.weights, *net.biases], [*self.model.coefs_, *self.model.intercepts_], strict=True
        ):
            its[...] = mine

    def train(self, epochs):
        return [self.model.partial_fit(*self.data).loss_ for _ in range(epochs)]

    def predict(self, X):
        p = self.model.predict_proba(X)
        return p[:, 1:] if len(self.classes) == 2 else p

    def one_row(self, x):
        return lambda: self.model.predict_proba(x)


class _Torch(_Fastnn):
    def __init__(self, net, X, y, batch):
        import torch

        super().__init__(net, X, y, batch)
        torch.set_num_threads(1)
        self.torch, layers = torch, []
        for W, b in zip(net.weights, net.biases):
            layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
            with torch.no_grad():
                layers[-2].weight.copy_(torch.from_numpy(W.T.copy()))
                layers[-2].bias.copy_(torch.from_numpy(b.copy()))
        binary = net.layer_sizes[-1] == 1
        self.model = torch.nn.Sequential(*layers[:-1])
        self.output = torch.sigmoid if binary else lambda z: torch.softmax(z, 1)
        self.loss = torch.nn.BCEWithLogitsLoss() if binary else torch.nn.CrossEntropyLoss()
        self.X, self.y = (
            torch.from_numpy(X),
            torch.from_numpy(y.astype("f")[:, None] if binary else y),
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)

    def train(self, epochs):
        losses = []
        for _ in range(epochs):
            total = self.torch.zeros(())
            for start in range(0, len(self.X), self.batch):
                self.optimizer.zero_grad()
                loss = self.loss(
                    self.model(self.X[start : start + self.batch]),
                    self.y[start : start + self.batch],
                )
                loss.backward()
                self.optimizer.step()
                total += loss.detach()
            losses.append(total.item() * self.batch / len(self.X))
        return losses

    def predict(self, X):
        with self.torch.inference_mode():
            return self.output(self.model(self.torch.from_numpy(X))).numpy()

    def one_row(self, x):
        x, inference_mode = self.torch.from_numpy(x), self.torch.inference_mode

        def one():
            with inference_mode():
                return self.output(self.model(x))

        return one


MAKERS = {"fastnn": _Fastnn, "reference": _Reference, "scikit-learn": _Sklearn, "PyTorch": _Torch}
PACKAGES = {"scikit-learn": "scikit-learn", "PyTorch": "torch"}


def _installed():
    """({name: maker}, {name: version} of all but fastnn)"""
    makers, versions = dict(MAKERS), {"reference": f"NumPy {np.__version__}"}
    for name in [name for name in MAKERS if name in PACKAGES]:
        try:
            versions[name] = metadata.version(PACKAGES[name])
        except metadata.PackageNotFoundError:
            del makers[name]
    return makers, versions


# ---- the race ----


def _contestants(makers, sizes, batch):
    """{name: contestant}, all with the same weights and data; and rows to predict."""
    rng = np.random.default_rng(0)
    n = max(8192, 32 * batch)
    X = rng.standard_normal((n, sizes[0]), dtype="f")
    y = (
        (X[:, :8].sum(axis=1) > 0).astype(np.int64)
        if sizes[-1] == 1
        else np.abs(X[:, : sizes[-1]]).argmax(axis=1)
    )
    net = MLP(sizes, "relu", "sigmoid" if sizes[-1] == 1 else "softmax", rng=0)
    return {name: make(net.copy(), X, y, batch) for name, make in makers.items()}, X[:1000]


def _disagreement(contestants, rows):
    """None if all learn and say the same, else in words who does not."""
    losses = {name: np.array(contestant.train(2)) for name, contestant in contestants.items()}
    outputs = {name: contestant.predict(rows) for name, contestant in contestants.items()}
    for name in contestants:
        error = np.max(np.abs(losses[name] / losses["fastnn"] - 1))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a loss differs by {100 * error:.2g} %"
        error = np.max(np.abs(outputs[name] - outputs["fastnn"]))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a probability differs by {error:.2g}"
    return None


def _measure(contestants, rows, batch, seconds):
    """{name: seconds a step, rows a second, seconds for one row, and both beside fastnn's}"""
    steps = len(contestants["fastnn"].data[0]) // batch
    step = _race(
        {name: contestant.train for name, contestant in contestants.items()},
        BLOCK["step"],
        0.7 * seconds,
    )
    row = _race(
        {name: _repeat(contestant.one_row(rows[:1])) for name, contestant in contestants.items()},
        BLOCK["row"],
        0.3 * seconds,
    )
    return {
        name: {
            "seconds_a_step": step[name] / steps,
            "rows_per_second": steps * batch / step[name],
            "seconds_for_one_row": row[name],
            "step_ratio": step[name] / step["fastnn"],
            "row_ratio": row[name] / row["fastnn"],
        }
        for name in contestants
    }


def _repeat(function):
    def repeated(n):
        for _ in range(n):
            function()

    return repeated


def _race(functions, block, seconds):
    """{name: the best seconds for one, in blocks of function(n)}, at least two blocks each."""
    counts, best = {}, dict.fromkeys(functions, np.inf)
    for name, function in functions.items():
        counts[name], took = 1, _timed(function, 1)
        while took < block:
            counts[name] *= 2
            took = _timed(function, counts[name])
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        rounds += 1
        for name, function in functions.items():
            best[name] = min(best[name], _timed(function, counts[name]) / counts[name])
    return best


def _timed(function, n):
    began = time.perf_counter()
    function(n)
    return time.perf_counter() - began


def _table(title, figures):
    yield ""
    yield f"{title:28} {'a step':>10} {'rows/s':>11} {'ratio':>7} {'one row':>11} {'ratio':>7}"
    for name, f in figures.items():
        step, row = _duration(f["seconds_a_step"]), _duration(f["seconds_for_one_row"])
        yield f"  {name:26} {step:>10} {f['rows_per_second']:11,.0f} {f['step_ratio']:7.1f} {row:>11} {f['row_ratio']:7.1f}"


def _duration(seconds):
    return (
        f"{1e6 * seconds:.2f} us"
        if seconds < 1e-5
        else f"{1e6 * seconds:.1f} us"
        if seconds < 1e-3
        else f"{1e3 * seconds:.2f} ms"
    )
