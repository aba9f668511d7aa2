"""fastnn bench: time five typical networks with fastnn, NumPy, scikit-learn and PyTorch.

All libraries start from the same weights and see the same rows in the same order. Their losses and
outputs must agree before anything is timed. They run in turn, one short block after another, and
the best block of each counts, so that other load on the machine affects all of them alike.

The peak is what the CPU computes if it does nothing but multiply-adds in registers, one thread with
fastnn's instruction set. The share of it says how much of a step is anything else.
"""

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from .. import kernels
from ..config import __version__
from ..mlp import MLP
from ..optimizers import SGD
from .console import print_json
from .options import json_flag, number, option

NETWORKS = (
    ([30, 32, 1], 32),
    ([30, 64, 64, 1], 32),
    ([28, 256, 256, 1], 256),
    ([784, 128, 10], 128),
    ([784, 512, 512, 10], 256),
)
TOLERANCE = 1e-3  # relative for losses, absolute for probabilities
MIN_BLOCK_SECONDS = {"step": 5e-3, "row": 2e-3}
THREAD_VARIABLES = (
    *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)
HELP = """
Compare the speed of fastnn and other libraries.

Times training steps (plain SGD, float32) and the prediction of single rows for
five typical networks, with fastnn, fastnn.reference (plain NumPy) and, if they
are installed, scikit-learn and PyTorch. Each uses one thread. Below each table
is the share of the CPU's peak that fastnn's steps reach.

examples:
  fastnn bench
  fastnn bench --seconds 60          measure longer, for more stable results
  fastnn bench --json > bench.json
"""
LR = 0.01
PACKAGES = {"scikit-learn": "scikit-learn", "PyTorch": "torch"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn bench`."""

    seconds: float = option(
        "S", "approximate total time in seconds (default: 12)", default=12.0, type=number(above=0.0)
    )
    json: bool = json_flag()


def run(options):
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        return _rerun_single_threaded(options.seconds, options.json)
    classes, versions = _find_installed()
    peak = _measure_peak()
    if not options.json:
        print("\n".join(_format_setup(classes, versions, peak)))
    results = []
    for sizes, batch_size in NETWORKS:
        title = f"{'-'.join(map(str, sizes))}, batch size {batch_size}"
        with _status(f"Measuring {title} ..."):
            libraries, rows = _set_up(classes, sizes, batch_size)
            difference = _find_difference(libraries, rows)
            if difference:
                text = f"fastnn bench: {title}: {difference}. No times are compared."
                print(text, file=sys.stderr)
                return 1
            times = _measure(libraries, rows, batch_size, options.seconds / len(NETWORKS))
        flops = count_flops(sizes, batch_size)
        for figures in times.values():
            figures["peak_share"] = flops / figures["seconds_a_step"] / peak
        network = {"layer_sizes": sizes, "batch_size": batch_size, "flops_a_step": flops}
        results.append({**network, "libraries": times})
        if not options.json:
            print("\n".join(_format_table(title, times, flops)), flush=True)
    if options.json:
        versions = {"fastnn": __version__, **versions}
        setup = {"isa": kernels.CHOSEN, "dtype": "float32", "threads": 1, "peak_flops": peak}
        print_json({**setup, "versions": versions, "networks": results})
    return 0


def _rerun_single_threaded(seconds, is_json):
    """Run the same command in a new process, because libraries read these environment variables
    when they are loaded."""
    argv = ["bench", "--seconds", str(seconds), *["--json"] * is_json]
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = (
        f"import sys; sys.path.append({folder!r}); "
        f"from fastnn.cli import main; sys.exit(main({argv!r}))"
    )
    sys.stdout.flush()
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as child:
        try:
            status = child.wait()
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt:  # the terminal sends Ctrl-C to both; the child prints a message
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2)
            child.terminate()
            return 130


@contextlib.contextmanager
def _status(text):
    """Show a line on a terminal while the block runs, then erase it."""
    is_terminal = sys.stderr.isatty()
    if is_terminal:
        print(text, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_terminal:
            print(" " * len(text), end="\r", file=sys.stderr, flush=True)


# ---- measurements ----


def count_flops(sizes, batch_size):
    """Return the multiplications and additions of the products of a training step: three for each
    layer, but two for the first, whose inputs need no gradient."""
    weights = [n_in * n_out for n_in, n_out in zip(sizes, sizes[1:])]
    return 2 * batch_size * (3 * sum(weights) - weights[0])


def _measure_peak(n=10_000_000):
    """Return the multiplications and additions a second of multiply-adds in registers, in the best
    of many blocks of n or more."""
    best, factor_and_addend = 0.0, np.array([1, 0], "f")
    for _ in range(1000):
        start = time.perf_counter()
        done = kernels.multiply_adds(factor_and_addend, n)
        factor_and_addend[0] = 1
        best = max(best, 2 * done / (time.perf_counter() - start))
    return best


def _set_up(classes, sizes, batch_size):
    """Return {library: object}, all with the same weights and data, and rows to predict."""
    rng = np.random.default_rng(0)
    n = max(8192, 32 * batch_size)
    X = rng.standard_normal((n, sizes[0]), dtype="f")
    y = np.abs(X[:, : sizes[-1]]).argmax(axis=1)
    if sizes[-1] == 1:
        y = (X[:, :8].sum(axis=1) > 0).astype(np.int64)
    net = MLP(sizes, "relu", "sigmoid" if sizes[-1] == 1 else "softmax", rng=0)
    libraries = {name: cls(net.copy(), X, y, batch_size) for name, cls in classes.items()}
    return libraries, X[:1000]


def _find_difference(libraries, rows):
    """Return None if all losses and outputs agree, else a text that describes a difference."""
    losses = {name: np.array(library.train(2)) for name, library in libraries.items()}
    outputs = {name: library.predict(rows) for name, library in libraries.items()}
    for name in libraries:
        error = np.max(np.abs(losses[name] / losses["fastnn"] - 1))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a loss differs by {100 * error:.2g} %"
        error = np.max(np.abs(outputs[name] - outputs["fastnn"]))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a probability differs by {error:.2g}"
    return None


def _measure(libraries, rows, batch_size, seconds):
    """Return the times of each library, and their ratios to those of fastnn."""
    steps = len(libraries["fastnn"].data[0]) // batch_size
    train = {name: library.train for name, library in libraries.items()}
    epoch = _best_times(train, MIN_BLOCK_SECONDS["step"], 0.7 * seconds)
    predict = {name: _repeat(library.one_row(rows[:1])) for name, library in libraries.items()}
    row = _best_times(predict, MIN_BLOCK_SECONDS["row"], 0.3 * seconds)
    return {
        name: {
            "seconds_a_step": epoch[name] / steps,
            "rows_per_second": steps * batch_size / epoch[name],
            "seconds_for_one_row": row[name],
            "step_ratio": epoch[name] / epoch["fastnn"],
            "row_ratio": row[name] / row["fastnn"],
        }
        for name in libraries
    }


def _repeat(function):
    def repeated(n):
        for _ in range(n):
            function()

    return repeated


def _best_times(functions, block_seconds, seconds):
    """Return {name: seconds per repetition}, the best of at least two blocks of function(n).

    n is large enough that a block takes at least `block_seconds`. The functions run in turn.
    """
    counts, best = {}, dict.fromkeys(functions, np.inf)
    for name, function in functions.items():
        counts[name], elapsed = 1, _time(function, 1)
        while elapsed < block_seconds:
            counts[name] *= 2
            elapsed = _time(function, counts[name])
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        rounds += 1
        for name, function in functions.items():
            best[name] = min(best[name], _time(function, counts[name]) / counts[name])
    return best


def _time(function, n):
    start = time.perf_counter()
    function(n)
    return time.perf_counter() - start


def _format_setup(classes, versions, peak):
    """Yield lines about the libraries and the method."""
    yield f"fastnn         {__version__}, {kernels.CHOSEN}"
    names = ", ".join(f"{name} ({version})" for name, version in versions.items())
    yield f"compared with  {names}"
    missing = [name for name in LIBRARIES if name not in classes]
    if missing:
        yield f"not installed  {', '.join(missing)}"
    yield "setup          float32, plain SGD, one thread; losses and outputs agree"
    yield "times          best of many short interleaved blocks"
    yield f"peak           {peak / 1e9:.0f} GFLOP/s: multiply-adds in registers, one thread"
    yield "ratio          time / time of fastnn"


def _format_table(title, times, flops):
    yield ""
    yield f"{title:30} {'step':>10} {'rows/s':>10} {'ratio':>7} {'one row':>10} {'ratio':>7}"
    for name, t in times.items():
        step = _format_duration(t["seconds_a_step"])
        row = _format_duration(t["seconds_for_one_row"])
        yield (
            f"  {name:28} {step:>10} {t['rows_per_second']:10,.0f} {t['step_ratio']:7.1f} "
            f"{row:>10} {t['row_ratio']:7.1f}"
        )
    fastnn = times["fastnn"]
    rate = flops / fastnn["seconds_a_step"] / 1e9
    yield f"  fastnn's step: {rate:.3g} GFLOP/s, {100 * fastnn['peak_share']:.2g} % of the peak"


def _format_duration(seconds):
    if seconds < 1e-5:
        return f"{1e6 * seconds:.2f} us"
    if seconds < 1e-3:
        return f"{1e6 * seconds:.1f} us"
    return f"{1e3 * seconds:.2f} ms"


# ---- libraries ----

# Each class takes a network, whose weights it starts from, and rows. `train(epochs)` returns a loss
# for each epoch, and `one_row(x)` a function to time.


class Fastnn:
    def __init__(self, net, X, y, batch_size):
        self.net, self.data, self.batch_size = net, (X, y), batch_size

    def train(self, epochs):
        return self.net.fit(
            *self.data, optimizer=SGD(LR), epochs=epochs, batch_size=self.batch_size, shuffle=False
        ).loss

    def predict(self, X):
        return self.net.forward(X)

    def one_row(self, x):
        return lambda: self.net.forward(x)


class Reference(Fastnn):
    def __init__(self, net, X, y, batch_size):
        from .. import reference

        super().__init__(net, X, y, batch_size)
        self.reference = reference
        weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
        self.network = weights, biases, net.activations

    def train(self, epochs):
        loss = "bce" if self.net.activations[-1] == "sigmoid" else "cross_entropy"
        return self.reference.fit(
            *self.data, *self.network, loss, lr=LR, epochs=epochs, batch_size=self.batch_size
        )

    def predict(self, X):
        return self.reference.forward(X, *self.network)

    def one_row(self, x):
        return lambda: self.reference.forward(x, *self.network)


class Sklearn(Fastnn):
    def __init__(self, net, X, y, batch_size):
        from sklearn.neural_network import MLPClassifier

        super().__init__(net, X, y, batch_size)
        self.model = MLPClassifier(
            net.layer_sizes[1:-1],
            solver="sgd",
            alpha=0,
            batch_size=batch_size,
            learning_rate_init=LR,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.classes = np.arange(max(2, net.layer_sizes[-1]))
        # The first call creates the parameter arrays.
        self.model.partial_fit(X[:batch_size], y[:batch_size], classes=self.classes)
        parameters = [*self.model.coefs_, *self.model.intercepts_]
        for parameter, value in zip(parameters, [*net.weights, *net.biases], strict=True):
            parameter[...] = value

    def train(self, epochs):
        return [self.model.partial_fit(*self.data).loss_ for _ in range(epochs)]

    def predict(self, X):
        p = self.model.predict_proba(X)
        return p[:, 1:] if len(self.classes) == 2 else p

    def one_row(self, x):
        return lambda: self.model.predict_proba(x)


class Torch(Fastnn):
    def __init__(self, net, X, y, batch_size):
        import torch

        super().__init__(net, X, y, batch_size)
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
        self.X = torch.from_numpy(X)
        self.y = torch.from_numpy(y.astype("f")[:, None] if binary else y)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)

    def train(self, epochs):
        losses = []
        for _ in range(epochs):
            total = self.torch.zeros(())
            for start in range(0, len(self.X), self.batch_size):
                batch = slice(start, start + self.batch_size)
                self.optimizer.zero_grad()
                loss = self.loss(self.model(self.X[batch]), self.y[batch])
                loss.backward()
                self.optimizer.step()
                total += loss.detach()
            losses.append(total.item() * self.batch_size / len(self.X))
        return losses

    def predict(self, X):
        with self.torch.inference_mode():
            return self.output(self.model(self.torch.from_numpy(X))).numpy()

    def one_row(self, x):
        x, inference_mode = self.torch.from_numpy(x), self.torch.inference_mode

        def predict_one():
            with inference_mode():
                return self.output(self.model(x))

        return predict_one


LIBRARIES = {"fastnn": Fastnn, "reference": Reference, "scikit-learn": Sklearn, "PyTorch": Torch}


def _find_installed():
    """Return {library: class} of the installed libraries, and {library: version} without fastnn."""
    classes, versions = dict(LIBRARIES), {"reference": f"NumPy {np.__version__}"}
    for name in [name for name in LIBRARIES if name in PACKAGES]:
        try:
            versions[name] = metadata.version(PACKAGES[name])
        except metadata.PackageNotFoundError:
            del classes[name]
    return classes, versions
