"""fastnn demo: odd or even? A network that learns in seconds, and how much faster that is than in
NumPy."""

import sys
import time
from dataclasses import asdict

import numpy as np

from ..datasets import load_digits
from ..mlp import MLP
from ..optimizers import SGD
from .common import add_seed, add_threads, texts
from .display import Display
from .scores import accuracy

EPOCHS = 200
OPTIMIZER = SGD(lr=0.1, momentum=0.9, weight_decay=3e-4)
BATCH = 32
HELP = """
Is a handwritten digit odd or even? Train a 64-100-1 network on images of 8 x 8
pixels, show what it makes of digits that it has not seen, and measure how much
faster the training is than the same in plain NumPy. Takes seconds.

examples:
  fastnn demo
  fastnn demo --seed 7        another split, other first weights
  fastnn demo --threads -1    all CPUs, where that is faster
"""


def add(commands):
    parser = commands.add_parser(
        "demo", help="learn to tell odd digits from even ones, in seconds", **texts(HELP)
    )
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments):
    seed, threads = arguments.seed, arguments.threads
    X, digits = load_digits()
    odd = digits % 2
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = order[: len(X) // 5], order[len(X) // 5 :]
    net = MLP([64, 100, 1], activation="relu", output="sigmoid", rng=seed)
    untrained = net.copy()

    print("Is a handwritten digit odd or even?")
    print(
        f"{len(X)} images of 8 x 8 pixels: {len(train)} to learn from, {len(test)} to test on (seed {seed})"
    )
    print("64 pixels -> 100 hidden units (ReLU) -> 1 probability (sigmoid)\n", flush=True)
    display = Display(
        net,
        EPOCHS,
        len(train),
        BATCH,
        lambda: f"accuracy {accuracy(net.forward(X[test]), odd[test]):.3f}",
    )
    with display:
        history = net.fit(
            X[train],
            odd[train],
            optimizer=OPTIMIZER,
            epochs=EPOCHS,
            batch_size=BATCH,
            n_threads=threads,
            callbacks=display.after_epoch,
        )
    probability = net.forward(X[test])[:, 0]
    right = (probability > 0.5) == odd[test]
    print(
        f"loss {history.loss[-1]:.4f} after {history.n_epochs} epochs ({history.n_steps:,} steps), {history.seconds:.2f} s"
    )
    print(f"test accuracy {right.mean():.3f} ({np.count_nonzero(~right)} of {len(test)} wrong)\n")
    _draw(X[test], digits[test], probability, _choose(digits[test], right))
    print(f"\n{history.n_epochs * len(train) / history.seconds:,.0f} rows a second", flush=True)
    return _race(untrained, X[train], odd[train], seed, threads)


def _draw(images, digits, probability, which):
    """Some digits side by side, and below each what it is and what the network says."""
    shades, columns = _shades(" ░▒▓█", " .:*#"), []
    for i in which:
        levels = np.rint(images[i].reshape(8, 8) * (len(shades) - 1)).astype(int)
        lines = ["".join(shades[level] * 2 for level in row) for row in levels]
        truth, answer = ("odd" if x else "even" for x in (digits[i] % 2, probability[i] > 0.5))
        percent = round(100 * max(probability[i], 1 - probability[i]))
        sure = f"{percent} %" if percent < 100 else ">99 %"
        lines += [
            "",
            f"{digits[i]} is {truth}",
            f"net: {answer} {sure}",
            "right" if answer == truth else "WRONG",
        ]
        columns.append([f"{line:<16}" for line in lines])
    for line in zip(*columns, strict=True):
        print("".join(line).rstrip())


def _choose(digits, right):
    """Different digits that the network got right, and one that it got wrong if there is one: five
    in all, if there are."""
    _, first = np.unique(np.where(right, digits, 10), return_index=True)
    good = sorted(i for i in first if right[i])
    wrong = np.flatnonzero(~right)[:1]
    return [*good[: 5 - len(wrong)], *wrong]


def _shades(best, plain):
    """`best` if standard output can show it."""
    try:
        best.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return plain
    return best


def _race(net, X, y, seed, threads, blocks=20):
    """The first epochs again, by fastnn and by NumPy in turn: same weights, same order of rows; the
    best time of each counts."""
    from .. import reference

    epochs = 10

    def fastnn_fit():
        return (
            net.copy()
            .fit(
                X,
                y,
                optimizer=OPTIMIZER,
                epochs=epochs,
                batch_size=BATCH,
                n_threads=threads,
                rng=seed,
            )
            .loss
        )

    def numpy_fit():
        weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
        return reference.fit(
            X,
            y,
            weights,
            biases,
            net.activations,
            "bce",
            optimizer="sgd",
            **asdict(OPTIMIZER),
            epochs=epochs,
            batch_size=BATCH,
            shuffle=True,
            rng=seed,
        )

    seconds, losses = dict.fromkeys((fastnn_fit, numpy_fit), np.inf), {}
    for _ in range(blocks):
        for fit in seconds:
            began = time.perf_counter()
            losses[fit] = fit()
            seconds[fit] = min(seconds[fit], time.perf_counter() - began)
    error = np.max(np.abs(np.divide(losses[fastnn_fit], losses[numpy_fit]) - 1))
    if not error < 1e-3:
        print(
            f"fastnn demo: fastnn and NumPy disagree: a loss differs by {100 * error:.2g} %; no speed is compared",
            file=sys.stderr,
        )
        return 1
    ours, theirs = seconds.values()
    print(f"{theirs / ours:.1f} times faster than reference, the same training in plain NumPy")
    print(
        f"({epochs} epochs: {1000 * ours:.1f} ms, NumPy {1000 * theirs:.1f} ms; same losses to {error:.0e}; best of {blocks} each)"
    )
    return 0
