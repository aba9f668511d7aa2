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

import numpy as np
from places import DATA

import fastnn
from fastnn import MLP, kernels, losses, optimizers, schedules
from fastnn.activations import HIDDEN
from fastnn.callbacks import EarlyStopping

FILE = DATA / "golden.json"
ROUNDINGS = {
    "baseline": "two roundings"
}  # of a product and a sum; every other instruction set has a fused multiply-add: one


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
    """Whether an instruction set rounds a product and a sum together or separately."""
    return ROUNDINGS.get(isa, "one rounding")


def numbers(shape, seed):
    """Numbers in [-1, 1), multiples of 2^-20: exact in both dtypes."""
    n = int(np.prod(shape))
    x = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
        seed * 0x632BE59BD9B4E019 % 2**64
    )
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
    return checksum(
        net.params, state.moments, history.loss, history.val_loss, [state.step, state.epoch], *best
    )


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
LOSSES = {  # name: (loss, output, targets from numbers in [-1, 1), outputs for each target)
    "bce": ("bce", "sigmoid", lambda y: (y > 0) * 1.0, 1),
    "bce soft": (
        losses.BCE(pos_weight=3.0, label_smoothing=0.1),
        "sigmoid",
        lambda y: y / 2 + 0.5,
        1,
    ),
    "logits": ("bce_with_logits", "identity", lambda y: y / 2 + 0.5, 1),
    "mse": ("mse", "identity", lambda y: y, 1),
    "mse of sigmoid": ("mse", "sigmoid", lambda y: y / 2 + 0.5, 1),
    "mae": ("mae", "identity", lambda y: y, 1),
    "huber": (losses.Huber(0.3), "tanh", lambda y: y, 1),
    "quantile": (losses.Quantile((0.1, 0.9)), "identity", lambda y: y, 2),
    "poisson": ("poisson", "exponential", lambda y: np.floor(3 * y + 3), 1),
    "gaussian": ("gaussian_nll", "identity", lambda y: y, 2),
    "custom": (
        lambda Y, y: (float(((Y - y) ** 2).sum()) / len(Y), 2 * (Y - y) / len(Y)),
        "identity",
        lambda y: y,
        1,
    ),
}
IN_TABLE = {
    "cross_entropy",
    *(loss if isinstance(loss, str) else getattr(loss, "name", "") for loss, *_ in LOSSES.values()),
}
LOSSES |= {
    name: (name, cls.output or "identity", lambda y: y / 2 + 0.5, 1)
    for name, cls in losses.LOSSES.items()
    if name not in IN_TABLE
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

    def add(
        name,
        shape,
        n_out=1,
        output="identity",
        targets=lambda y: y,
        per_target=1,
        activation="tanh",
        network_options=None,
        **options,
    ):
        sizes, n, batch = SHAPES[shape]
        X, y = numbers((n, sizes[0]), 1), targets(numbers((n, n_out), 2))

        def run():
            net = network(
                [*sizes, n_out * per_target], dtype, activation, output, **network_options or {}
            )
            return trained(
                net,
                X.astype(dtype),
                y.astype(dtype),
                batch_size=batch,
                n_threads=n_threads,
                **options,
            )

        return f"{name}, {shape}", run

    for (name, (loss, output, targets, per_target)), shape in itertools.product(
        LOSSES.items(), ("tiny", "small", "chunks")
    ):
        n_out = 1 if shape == "small" else 3
        yield add(f"loss {name}", shape, n_out, output, targets, per_target, loss=loss)
    weight = np.arange(700) % 3 + 0.5
    for shape, n_out in itertools.product(("tiny", "small", "chunks"), (2, 10, 37)):
        sizes, n, batch = SHAPES[shape]
        classes = (numbers((n,), 3) * n_out / 2 + n_out / 2).astype(int)

        def run(sizes=sizes, n=n, batch=batch, n_out=n_out, classes=classes, **options):
            net = network([*sizes, n_out], dtype, "relu", "softmax")
            return trained(
                net,
                numbers((n, sizes[0]), 1),
                classes,
                batch_size=batch,
                n_threads=n_threads,
                **options,
            )

        yield f"loss cross_entropy {n_out}, {shape}", run
        yield (
            f"loss cross_entropy {n_out} smoothed, weighted, {shape}",
            lambda run=run, n=n: run(
                loss=losses.CrossEntropy(0.1), sample_weight=weight[:n], class_weight="balanced"
            ),
        )
    for (name, optimizer), shape in itertools.product(
        OPTIMIZERS.items(), ("tiny", "small", "deep", "chunks")
    ):
        yield add(
            f"optimizer {name}",
            shape,
            1 if shape == "small" else 2,
            optimizer=optimizer,
            activation="relu",
        )
    for name, shape in itertools.product(HIDDEN, ("tiny", "deep")):
        yield add(f"activation {name}", shape, 3, activation=name)
        yield add(f"output {name}", shape, 3, output=name, loss="mse")
    yield add("output softmax, mse", "small", 5, output="softmax", loss="mse")
    for shape in SHAPES:
        rows, batch = SHAPES[shape][1:]
        held_out = (
            numbers((20, SHAPES[shape][0][0]), 5).astype(dtype),
            numbers((20, 2), 6).astype(dtype),
        )
        early = dict(callbacks=EarlyStopping(patience=2), epochs=8)
        for name, options in {
            "in order": dict(shuffle=False),
            "weights": dict(sample_weight=weight[:rows]),
            "validation": dict(validation_data=held_out),
            "held out": dict(validation_fraction=0.3, callbacks=lambda net, history: None),
            "stopping": dict(validation_data=held_out, **early, optimizer=fastnn.SGD(0.5)),
            "stopping, average": dict(**early, optimizer=fastnn.Adam(0.1, average=0.9)),
            "dropout": dict(network_options=dict(dropout=0.3)),
            "dropout of inputs": dict(
                network_options=dict(dropout=[0.2] * len(SHAPES[shape][0])),
                optimizer=fastnn.Adam(0.01),
            ),
            "no bias": dict(network_options=dict(bias=False), optimizer=fastnn.Adam(0.01, l2=0.1)),
            "whole": dict(batch_size=None, optimizer=fastnn.Adam(0.01)),
        }.items():
            if "batch_size" in options:
                options = dict(options)
                del options["batch_size"]
                yield f"{name}, {shape}", _whole(dtype, shape, n_threads, **options)
                continue
            yield add(name, shape, 2, **options)
        yield f"resumed, {shape}", _resumed(dtype, shape, n_threads)
        yield f"partial_fit, {shape}", _partial(dtype, shape, n_threads)
        yield f"forward, {shape}", _predicted(dtype, shape, n_threads)
    for (layout, columns), (hidden, batch) in itertools.product(
        TABLES.items(), (((), 32), ((5, 3), 100), ((64,), 300))
    ):
        for name, options in {
            "": dict(optimizer=fastnn.Adam(0.01), validation_fraction=0.3),
            " clip norm": dict(optimizer=fastnn.SGD(0.1, clip_norm=0.1, l2=0.1)),
            " dropout": dict(network_options=dict(dropout=[0.3] * (1 + len(hidden)))),
        }.items():
            yield (
                f"table {layout} {hidden}{name}",
                _of_table(dtype, columns, hidden, batch, n_threads, **options),
            )


def _of_table(dtype, columns, hidden, batch, n_threads, network_options=None, **options):
    d, bins, levels = columns

    def run():
        n = 500
        table = fastnn.EncodedTable(
            numbers((n, d), 1),
            (numbers((n, len(bins)), 2) / 2 + 0.5) * np.array(bins),
            bins,
            0.75,
            np.floor((numbers((n, len(levels)), 3) / 2 + 0.5) * (np.array(levels) + 1)).astype(int)
            - 1,
            levels,
            1.25,
            dtype,
        )
        net = network([table.n_inputs, *hidden, 2], dtype, "silu", **network_options or {})
        y = numbers((n, 2), 4)
        crc = trained(net, table, y, batch_size=batch, n_threads=n_threads, **options)
        return checksum([crc], net.forward(table), net.forward(table[:3]))

    return run


def _whole(dtype, shape, n_threads, **options):
    sizes, n, _ = SHAPES[shape]

    def run():
        net = network([*sizes, 2], dtype)
        return trained(
            net,
            numbers((n, sizes[0]), 1),
            numbers((n, 2), 2),
            batch_size=None,
            n_threads=n_threads,
            **options,
        )

    return run


def _resumed(dtype, shape, n_threads):
    sizes, n, batch = SHAPES[shape]
    X, y = numbers((n, sizes[0]), 1), numbers((n, 1), 2)

    def run():
        net = network([*sizes, 1], dtype)
        net.fit(X, y, optimizer=fastnn.Adam(0.01), epochs=2, batch_size=batch, n_threads=n_threads)
        return trained(
            net, X, y, optimizer=None, epochs=2, batch_size=batch, resume=True, n_threads=n_threads
        )

    return run


def _partial(dtype, shape, n_threads):
    sizes, n, batch = SHAPES[shape]
    X, y = numbers((n, sizes[0]), 1), numbers((n, 1), 2)

    def run():
        net = network([*sizes, 1], dtype)
        loss = [
            net.partial_fit(X[i : i + 50], y[i : i + 50], optimizer="sgd", batch_size=batch).loss[0]
            for i in range(0, n, 50)
        ]
        return checksum(net.params, loss, [net.state.step, net.state.epoch])

    return run


def _predicted(dtype, shape, n_threads):
    sizes, _, _ = SHAPES[shape]

    def run():
        crc = 0
        for n, output in itertools.product(
            (1, 2, 5, 63, 64, 300), ("identity", "sigmoid", "softmax")
        ):
            net = network([*sizes, 3 if output == "softmax" else 1], dtype, "relu", output)
            X, y = numbers((n, sizes[0]), n), numbers((n, 1), 2) > 0
            crc = zlib.crc32(net.forward(X, n_threads=n_threads).tobytes(), crc)
            if output == "sigmoid":
                loss = net.loss_and_grad(X, y)
                crc = zlib.crc32(
                    np.array([loss, net.loss(X, y)]).tobytes() + net.grads.tobytes(), crc
                )
                net.forward(X, keep=True)
                crc = zlib.crc32(
                    net.backward(numbers((n, 1), 4)).tobytes() + net.grads.tobytes(), crc
                )
        return crc

    return run


def library_cases(dtype, n_threads):
    """Cases that pass through SciPy and scikit-learn."""
    from scipy.sparse import csr_matrix

    from fastnn import MLPClassifier, MLPRegressor

    X, y = numbers((120, 12), 1).astype(dtype), numbers((120,), 2)
    held_out = X[:40], y[:40]
    for solver, sparse, early, fraction in itertools.product(
        ("adam", "sgd", "lbfgs", fastnn.RMSprop()), (0, 1), (0, 1), (0, 1)
    ):
        options = dict(
            solver=solver,
            random_state=3,
            max_iter=25,
            early_stopping=bool(early),
            n_iter_no_change=3,
            n_threads=n_threads,
            validation_data=held_out if fraction else None,
            dropout=0.2 if solver == "adam" else 0.0,
        )
        for rate in ("constant", "invscaling", "adaptive") if solver == "sgd" else ("constant",):
            for kind, targets in (
                (MLPRegressor, y),
                (MLPClassifier, (y > 0) * 1),
                (MLPClassifier, (y * 1.5 + 1.5).astype(int)),
            ):

                def run(
                    options=options,
                    kind=kind,
                    targets=targets,
                    rate=rate,
                    sparse=sparse,
                    steps=solver != "lbfgs" and not early,
                ):
                    val = options["validation_data"] and (X[:40], targets[:40])
                    model = kind(
                        (9, 5),
                        learning_rate=rate,
                        learning_rate_init=0.1,
                        tol=0.01,
                        **options | dict(validation_data=val),
                    )
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        rows = csr_matrix(X) if sparse else X
                        model.fit(rows, targets, sample_weight=np.arange(120) % 4 + 0.5)
                        if steps:
                            for i in range(5):
                                model.partial_fit(X[i : i + 1], targets[i : i + 1])
                    return checksum(
                        model.network_.params,
                        model.loss_curve_,
                        model.validation_loss_curve_,
                        model.validation_scores_ or [],
                        model.predict(X),
                    )

                yield (
                    f"{kind.__name__} {len(np.unique(targets))} {solver} {rate} sparse={sparse} early={early} data={fraction}",
                    run,
                )
    for optimizer in (fastnn.LBFGS(), fastnn.LBFGS(l2=0.1, history_size=4, max_evaluations=20)):
        for dropped in (None, (X[:30], y[:30])):

            def run(optimizer=optimizer, dropped=dropped):
                options = dict(
                    optimizer=optimizer, epochs=15, validation_data=dropped, n_threads=n_threads
                )
                return trained(network([12, 8, 1], dtype), X, y, **options)

            yield f"fit {optimizer} {dropped is None}", run


def record(isas, kinds=(cases,), threads=(1, 2)):
    """{rounding: {dtype: {name: CRC}}}; an AssertionError where threads or instruction sets that
    promise the same bits differ."""
    found = {}
    for isa in isas:
        kernels.use(isa)
        for dtype, n_threads, kind in itertools.product(("float32", "float64"), threads, kinds):
            for name, run in kind(dtype, n_threads):
                before = (
                    found.setdefault(rounding(isa), {})
                    .setdefault(dtype, {})
                    .setdefault(name, crc := run())
                )
                assert before == crc, (isa, dtype, n_threads, name)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--libraries", metavar="F")
    arguments = parser.parse_args()
    if arguments.write:
        FILE.write_text(json.dumps(record(kernels.SUPPORTED), indent=1) + "\n", encoding="utf-8")
    if arguments.libraries:
        pathlib.Path(arguments.libraries).write_text(
            json.dumps(record(kernels.SUPPORTED, (library_cases,)), indent=1), encoding="utf-8"
        )
