"""Trainings and predictions whose bits are on record: test_golden.py compares them with
data/golden.json.

    python tests/support/golden.py --write
        Record them anew, after a change that is meant to change numbers.
    python tests/support/golden.py --libraries F
        Write those that pass through SciPy and scikit-learn to a file F, to compare two versions of
        fastnn on one machine. Their bits may change with these libraries.

Data and first parameters come from integer arithmetic, so no library's random numbers are in them
but the shuffling of PCG64.
"""

import argparse
import itertools
import json
import pathlib
import re
import warnings
import zlib
from functools import partial

import numpy as np
import thread_trials
from places import DATA

import fastnn
from fastnn import MLP, kernels, losses, optimizers, schedules
from fastnn.activations import HIDDEN
from fastnn.callbacks import EarlyStopping

FILE = DATA / "golden.json"


# Trainings whose float64 results depend on the last bit of `pow` and `cos` of the C library: bias
# corrections of Adam and its relatives, and most schedules. float32 results do not.
LIBM = re.compile(
    r"""optimizer\ (adam|amsgrad|adamw|adamax|average|nadam|nadam\ decoupled|l2|clip\ norm|step\ decay|
        exponential\ decay|cosine|one\ cycle|table\ by\ epoch),\ .*
    |   (stopping,\ average|dropout\ of\ inputs|no\ bias|whole|resumed),\ .*
    |   table\ \w+\ \([\d,\ ]*\)""",
    re.VERBOSE,
)


def depends_on_libm(dtype, name):
    """Whether another C library may give other bits for a case."""
    return dtype == "float64" and LIBM.fullmatch(name) is not None


def rounding(isa):
    """Whether an instruction set rounds a product and a sum together, in a fused multiply-add."""
    return "two roundings" if isa == "baseline" else "one rounding"


def numbers(shape, seed):
    """Numbers in [-1, 1), multiples of 2^-20: exact in both dtypes."""
    n = int(np.prod(shape))
    x = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(seed * 0x632BE59BD9B4E019 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x >> np.uint64(43)).astype(np.float64) / 2**20 - 1).reshape(shape)


def network(sizes, dtype, activation="tanh", output="identity", **settings):
    net = MLP(sizes, activation, output, dtype=dtype, rng=11, **settings)
    for i, W in enumerate(net.weights):
        W[...] = numbers(W.shape, i) / np.sqrt(len(W))
    for i, b in enumerate(net.biases):
        if b is not None:
            b[...] = numbers(b.shape, 100 + i) / 8
    return net


def checksum(*parts):
    crc = 0
    for part in parts:
        crc = zlib.crc32(np.ascontiguousarray(part).tobytes(), crc)
    return crc


def trained(net, X, y, **options):
    """The CRC of all results of a training."""
    history = net.fit(X, y, **dict(epochs=3, batch_size=32, optimizer=fastnn.SGD(0.05)) | options)
    state = net.state
    best = [] if state.best is None else [state.best.params, state.best.epoch, state.best.loss]
    losses = history.loss, history.val_loss
    return checksum(net.params, state.moments, *losses, [state.step, state.epoch], *best)


SHAPES = {  # name: (sizes without outputs, rows, batch)
    "tiny": ([3, 4], 9, 4),
    "small": ([30, 32], 100, 32),
    "deep": ([17, 33, 8, 65], 75, 25),
    "chunks": ([12, 40], 700, 600),
    "wide": ([9, 300], 60, 20),
}
TABLES = {  # name: (numbers, bins of each column, levels of each column)
    "all": (3, (4, 17), (3, 6)),
    "positions": (0, (40, 1, 12), ()),
    "levels": (9, (), (2, 1100)),
}


def same(y):
    return y


def in_0_1(y):
    return y / 2 + 0.5


def squares(Y, y):
    """A custom loss."""
    return float(((Y - y) ** 2).sum()) / len(Y), 2 * (Y - y) / len(Y)


LOSSES = {  # name: (loss, output, targets from numbers in [-1, 1), outputs for each target)
    "bce": ("bce", "sigmoid", lambda y: (y > 0) * 1.0, 1),
    "bce soft": (losses.BCE(pos_weight=3.0, label_smoothing=0.1), "sigmoid", in_0_1, 1),
    "logits": ("bce_with_logits", "identity", in_0_1, 1),
    "mse": ("mse", "identity", same, 1),
    "mse of sigmoid": ("mse", "sigmoid", in_0_1, 1),
    "mae": ("mae", "identity", same, 1),
    "huber": (losses.Huber(0.3), "tanh", same, 1),
    "quantile": (losses.Quantile((0.1, 0.9)), "identity", same, 2),
    "poisson": ("poisson", "exponential", lambda y: np.floor(3 * y + 3), 1),
    "gaussian": ("gaussian_nll", "identity", same, 2),
    "custom": (squares, "identity", same, 1),
}
IN_TABLE = {getattr(loss, "name", loss) for loss, *_ in LOSSES.values()}
LOSSES |= {
    name: (name, cls.output or "identity", in_0_1, 1)
    for name, cls in losses.LOSSES.items()
    if name not in IN_TABLE | {"cross_entropy"}
}
OPTIMIZERS = {
    "sgd": fastnn.SGD(0.1),
    "decay": fastnn.SGD(0.1, weight_decay=0.01),
    "momentum": fastnn.SGD(0.05, momentum=0.9),
    "nesterov": fastnn.SGD(0.05, momentum=0.9, nesterov=True),
    "adagrad": fastnn.Adagrad(lr_decay=0.01),
    "adadelta": fastnn.Adadelta(),
    "rmsprop": fastnn.RMSprop(),
    "rmsprop centered": fastnn.RMSprop(centered=True),
    "rmsprop momentum": fastnn.RMSprop(momentum=0.5, weight_decay=0.1),
    "rmsprop both": fastnn.RMSprop(centered=True, momentum=0.5),
    "adam": fastnn.Adam(0.01),
    "amsgrad": fastnn.Adam(0.01, amsgrad=True, weight_decay=0.1),
    "adamw": fastnn.AdamW(0.01),
    "adamax": fastnn.Adamax(),
    "nadam": fastnn.NAdam(),
    "nadam decoupled": fastnn.NAdam(weight_decay=0.1, decoupled_weight_decay=True),
    "l1": fastnn.SGD(0.1, l1=0.01),
    "l2": fastnn.Adam(0.01, l2=0.1),
    "both": fastnn.SGD(0.1, momentum=0.9, l1=0.01, l2=0.1),
    "clip value": fastnn.SGD(0.1, clip_value=0.01),
    "clip norm": fastnn.Adam(0.01, clip_norm=0.1, l1=0.01),
    "average": fastnn.Adam(0.01, average=0.9),
    "step decay": fastnn.SGD(schedules.StepDecay(0.1, 2)),
    "exponential decay": fastnn.Adam(schedules.ExponentialDecay(0.05, 0.9, unit="step")),
    "cosine": fastnn.SGD(schedules.CosineDecay(0.05, 10, warmup=3, unit="step")),
    "one cycle": fastnn.SGD(schedules.OneCycle(0.1, 11)),
    "table by epoch": fastnn.Adam(schedules.Rates([0.05, 0.01])),
    "table by step": fastnn.SGD(schedules.Rates([0.1, 0.05, 0.2, 0.0, 0.02], unit="step")),
    "plateau": fastnn.SGD(schedules.ReduceOnPlateau(0.1, patience=0, min_delta=0.5)),
}
OPTIMIZERS |= {
    name: cls()
    for name, cls in optimizers.OPTIMIZERS.items()
    if cls not in {fastnn.LBFGS, *map(type, OPTIMIZERS.values())}
}


def cases(dtype, n_threads):
    """(name, function that gives a CRC) of every case."""
    for kind in (loss_cases, class_cases, step_cases, option_cases, table_cases):
        yield from kind(dtype, n_threads)


def train(dtype, n_threads, shape, n_out=1, output="identity", targets=same, per_target=1,
             activation="tanh", network_options=None, **options):  # fmt: skip
    """Train a network on numbers, and return a CRC."""
    sizes, n, batch = SHAPES[shape]
    layers = [*sizes, n_out * per_target]
    options = dict(batch_size=batch, n_threads=n_threads) | options
    y = targets(numbers((n, n_out), 2)).astype(dtype)
    net = network(layers, dtype, activation, output, **network_options or {})
    return trained(net, numbers((n, sizes[0]), 1).astype(dtype), y, **options)


def loss_cases(*variant):
    for name, (loss, output, targets, per_target) in LOSSES.items():
        for shape, n_out in (("tiny", 3), ("small", 1), ("chunks", 3)):
            run = partial(train, *variant, shape, n_out, output, targets, per_target, loss=loss)
            yield f"loss {name}, {shape}", run


WEIGHT = np.arange(700) % 3 + 0.5


def class_cases(dtype, n_threads):
    for shape, n_out in itertools.product(("tiny", "small", "chunks"), (2, 10, 37)):
        sizes, n, batch = SHAPES[shape]
        smoothed = dict(loss=losses.CrossEntropy(0.1), class_weight="balanced")
        weighted = dict(sample_weight=WEIGHT[:n], **smoothed)
        for more, options in {"": {}, " smoothed, weighted": weighted}.items():

            def run(sizes=sizes, n=n, batch=batch, n_out=n_out, options=options):
                net = network([*sizes, n_out], dtype, "relu", "softmax")
                X, classes = numbers((n, sizes[0]), 1), numbers((n,), 3) * n_out / 2 + n_out / 2
                fit = dict(batch_size=batch, n_threads=n_threads) | options
                return trained(net, X, classes.astype(int), **fit)

            yield f"loss cross_entropy {n_out}{more}, {shape}", run


def step_cases(*variant):
    for name, optimizer in OPTIMIZERS.items():
        for shape, n_out in (("tiny", 2), ("small", 1), ("deep", 2), ("chunks", 2)):
            options = dict(optimizer=optimizer, activation="relu")
            yield f"optimizer {name}, {shape}", partial(train, *variant, shape, n_out, **options)
    for name, shape in itertools.product(HIDDEN, ("tiny", "deep")):
        yield f"activation {name}, {shape}", partial(train, *variant, shape, 3, activation=name)
        yield f"output {name}, {shape}", partial(train, *variant, shape, 3, name, loss="mse")
    yield "output softmax, mse, small", partial(train, *variant, "small", 5, "softmax", loss="mse")


def option_cases(dtype, n_threads):
    adam, early = fastnn.Adam(0.01), dict(callbacks=EarlyStopping(patience=2), epochs=8)
    for shape, (sizes, rows, _) in SHAPES.items():
        held_out = tuple(a.astype(dtype) for a in (numbers((20, sizes[0]), 5), numbers((20, 2), 6)))
        of_inputs = dict(dropout=[0.2] * len(sizes))
        for name, options in {
            "in order": dict(shuffle=False),
            "weights": dict(sample_weight=WEIGHT[:rows]),
            "validation": dict(validation_data=held_out),
            "held out": dict(validation_fraction=0.3, callbacks=lambda net, history: None),
            "stopping": dict(validation_data=held_out, **early, optimizer=fastnn.SGD(0.5)),
            "stopping, average": dict(**early, optimizer=fastnn.Adam(0.1, average=0.9)),
            "dropout": dict(network_options=dict(dropout=0.3)),
            "dropout of inputs": dict(network_options=of_inputs, optimizer=adam),
            "no bias": dict(network_options=dict(bias=False), optimizer=fastnn.Adam(0.01, l2=0.1)),
            "whole": dict(batch_size=None, optimizer=adam),
            "dy": dict(dy=numbers((rows, 2, 3), 7).astype(dtype), dy_inputs=[2, 0, 1]),
        }.items():
            yield f"{name}, {shape}", partial(train, dtype, n_threads, shape, 2, **options)
        kinds = dict(resumed=_resumed, partial_fit=_partial, forward=_predicted)
        for name, run in (kinds | dict(derivatives=_derivatives)).items():
            yield f"{name}, {shape}", partial(run, dtype, shape, n_threads)


def table_cases(dtype, n_threads):
    for (layout, columns), (hidden, batch) in itertools.product(
        TABLES.items(), (((), 32), ((5, 3), 100), ((64,), 300))
    ):
        for name, options in {
            "": dict(optimizer=fastnn.Adam(0.01), validation_fraction=0.3),
            " clip norm": dict(optimizer=fastnn.SGD(0.1, clip_norm=0.1, l2=0.1)),
            " dropout": dict(network_options=dict(dropout=[0.3] * (1 + len(hidden)))),
        }.items():
            run = partial(_of_table, dtype, columns, hidden, batch, n_threads, **options)
            yield f"table {layout} {hidden}{name}", run


def _of_table(dtype, columns, hidden, batch, n_threads, network_options=None, **options):
    d, bins, levels = columns
    n = 500
    positions = (numbers((n, len(bins)), 2) / 2 + 0.5) * np.array(bins)
    codes = (numbers((n, len(levels)), 3) / 2 + 0.5) * (np.array(levels) + 1)
    codes = np.floor(codes).astype(int) - 1
    columns = numbers((n, d), 1), positions, bins, 0.75, codes, levels, 1.25
    table = fastnn.EncodedTable(*columns, dtype)
    net = network([table.n_inputs, *hidden, 2], dtype, "silu", **network_options or {})
    y = numbers((n, 2), 4)
    crc = trained(net, table, y, batch_size=batch, n_threads=n_threads, **options)
    return checksum([crc], net.forward(table), net.forward(table[:3]))


def _resumed(dtype, shape, n_threads):
    sizes, n, batch = SHAPES[shape]
    X, y = numbers((n, sizes[0]), 1), numbers((n, 1), 2)
    net, options = network([*sizes, 1], dtype), dict(batch_size=batch, n_threads=n_threads)
    net.fit(X, y, optimizer=fastnn.Adam(0.01), epochs=2, **options)
    return trained(net, X, y, optimizer=None, epochs=2, resume=True, **options)


def _partial(dtype, shape, n_threads):
    sizes, n, batch = SHAPES[shape]
    X, y = numbers((n, sizes[0]), 1), numbers((n, 1), 2)
    net = network([*sizes, 1], dtype)
    parts = [(X[i : i + 50], y[i : i + 50]) for i in range(0, n, 50)]
    fit = partial(net.partial_fit, optimizer="sgd", batch_size=batch)
    loss = [fit(*part).loss[0] for part in parts]
    return checksum(net.params, loss, [net.state.step, net.state.epoch])


def _predicted(dtype, shape, n_threads):
    sizes, _, _ = SHAPES[shape]
    outputs = ("identity", 1), ("sigmoid", 1), ("softmax", 3)
    parts = []
    for n, (output, n_out) in itertools.product((1, 2, 5, 63, 64, 300), outputs):
        net = network([*sizes, n_out], dtype, "relu", output)
        X, y = numbers((n, sizes[0]), n), numbers((n, 1), 2) > 0
        parts.append(net.forward(X, n_threads=n_threads))
        if output == "sigmoid":
            parts += [[net.loss_and_grad(X, y), net.loss(X, y)], net.grads.copy()]
            net.forward(X, keep=True)
            parts += [net.backward(numbers((n, 1), 4)), net.grads.copy()]
    return checksum(*parts)


def _derivatives(dtype, shape, n_threads):
    sizes, n, _ = SHAPES[shape]
    parts, options = [], dict(n_threads=n_threads)
    for output in ("identity", "softmax", "exponential"):
        net = network([*sizes, 3], dtype, "mish", output)
        X, y = numbers((n, sizes[0]), 1), abs(numbers((n, 3), 2))
        y = np.arange(n) % 3 if output == "softmax" else y
        for method in (net.jacobian, net.hessian, net.hessian_diagonal, net.laplacian):
            parts.append(method(X[:50], inputs=[2, 0], **options))
        parts.append(net.jvp(X, numbers(X.shape, 3), **options))
        parts.append(net.vjp(X, numbers((n, 3), 4), **options))
        v = numbers((net.n_params,), 5)
        parts += [product(X, y, v, **options) for product in (net.hvp, net.gnvp)]
    return checksum(*parts)


def library_cases(dtype, n_threads):
    """Cases that pass through SciPy and scikit-learn."""
    from fastnn import MLPClassifier, MLPRegressor

    X, y = numbers((120, 12), 1).astype(dtype), numbers((120,), 2)
    kinds = (
        (MLPRegressor, y),
        (MLPClassifier, (y > 0) * 1),
        (MLPClassifier, (y * 1.5 + 1.5).astype(int)),
    )
    for solver, sparse, early, fraction in itertools.product(
        ("adam", "sgd", "lbfgs", fastnn.RMSprop()), (0, 1), (0, 1), (0, 1)
    ):
        options = dict(solver=solver, random_state=3, max_iter=25, n_iter_no_change=3, tol=0.01)
        options |= dict(early_stopping=bool(early), n_threads=n_threads, learning_rate_init=0.1)
        options |= dict(dropout=0.2 if solver == "adam" else 0.0)
        steps = solver != "lbfgs" and not early
        for rate in ("constant", "invscaling", "adaptive") if solver == "sgd" else ("constant",):
            for kind, targets in kinds:
                held_out = (X[:40], targets[:40]) if fraction else None
                model = dict(options, learning_rate=rate, validation_data=held_out)
                name = f"{kind.__name__} {len(np.unique(targets))} {solver} {rate}"
                name += f" sparse={sparse} early={early} data={fraction}"
                yield name, partial(_estimator, kind, model, X, targets, sparse, steps)
    for optimizer in (fastnn.LBFGS(), fastnn.LBFGS(l2=0.1, history_size=4, max_evaluations=20)):
        for held_out in (None, (X[:30], y[:30])):

            def run(optimizer=optimizer, held_out=held_out):
                options = dict(epochs=15, validation_data=held_out, n_threads=n_threads)
                return trained(network([12, 8, 1], dtype), X, y, optimizer=optimizer, **options)

            yield f"fit {optimizer} {held_out is None}", run


def _estimator(kind, options, X, y, sparse, steps):
    from scipy.sparse import csr_matrix

    model = kind((9, 5), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(csr_matrix(X) if sparse else X, y, sample_weight=np.arange(120) % 4 + 0.5)
        for i in range(5 * steps):
            model.partial_fit(X[i : i + 1], y[i : i + 1])
    curves = model.loss_curve_, model.validation_loss_curve_, model.validation_scores_ or []
    return checksum(model.network_.params, *curves, model.predict(X))


def record(isas, kinds=(cases,), threads=(1, 2)):
    """{rounding: {dtype: {name: CRC}}}; an AssertionError where threads or instruction sets that
    promise the same bits differ."""
    found = {}
    for isa in isas:
        kernels.use(isa)
        for dtype, n_threads, kind in itertools.product(("float32", "float64"), threads, kinds):
            crcs = found.setdefault(rounding(isa), {}).setdefault(dtype, {})
            for name, run in kind(dtype, n_threads):
                crc = run()
                assert crcs.setdefault(name, crc) == crc, (isa, dtype, n_threads, name)
    return found


def write(path, *kinds):
    text = json.dumps(record(kernels.SUPPORTED, kinds), indent=1)
    pathlib.Path(path).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--libraries", metavar="F")
    arguments = parser.parse_args()
    thread_trials.begin_at_once()
    if arguments.write:
        write(FILE, cases)
    if arguments.libraries:
        write(arguments.libraries, library_cases)
