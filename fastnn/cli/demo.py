"""fastnn demo: classify handwritten digits as odd or even, and compare the speed with NumPy."""

import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from ..datasets import load_digits
from ..mlp import MLP
from ..optimizers import SGD
from .options import seed_option, threads_option
from .progress import show_training

EPOCHS = 200
OPTIMIZER = SGD(lr=0.1, momentum=0.9, weight_decay=3e-4)
BATCH_SIZE = 32
COMPARED_EPOCHS, BLOCKS = 10, 20  # of the comparison with NumPy
HELP = """
Train a small network to tell odd from even handwritten digits.

The network has 64 inputs (images of 8 x 8 pixels), 100 hidden units and 1
output. The demo shows its predictions for some test images, and compares the
training time with plain NumPy. It takes a few seconds.

examples:
  fastnn demo
  fastnn demo --seed 7        use another split and other initial weights
  fastnn demo --threads -1    use all CPUs where that is faster
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn demo`."""

    seed: int = seed_option()
    threads: int = threads_option(default=1)


def run(options):
    seed, threads = options.seed, options.threads
    X, digits = load_digits()
    odd = digits % 2
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = order[: len(X) // 5], order[len(X) // 5 :]
    net = MLP([64, 100, 1], activation="relu", output="sigmoid", rng=seed)
    untrained = net.copy()

    print("Is a handwritten digit odd or even?")
    split = f"{len(train)} for training, {len(test)} for testing (seed {seed})"
    print(f"{len(X)} images of 8 x 8 pixels: {split}")
    print("64 pixels -> 100 hidden units (ReLU) -> 1 probability (sigmoid)\n", flush=True)

    def format_accuracy():
        return f"accuracy {np.mean((net.forward(X[test])[:, 0] > 0.5) == odd[test]):.3f}"

    with show_training(EPOCHS, len(train), format_accuracy) as after_epoch:
        history = net.fit(
            X[train],
            odd[train],
            optimizer=OPTIMIZER,
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            n_threads=threads,
            callbacks=after_epoch,
        )
    probability = net.forward(X[test])[:, 0]
    correct = (probability > 0.5) == odd[test]
    steps = f"{history.n_epochs} epochs ({history.n_steps:,} steps)"
    print(f"training loss {history.loss[-1]:.4f} after {steps} in {history.seconds:.2f} s")
    n_wrong = np.count_nonzero(~correct)
    print(f"test accuracy {correct.mean():.3f} ({n_wrong} of {len(test)} wrong)\n")
    _draw(X[test], digits[test], probability, _select_examples(digits[test], correct))
    speed = history.n_epochs * len(train) / history.seconds
    print(f"\nTraining speed: {speed:,.0f} rows/s", flush=True)
    return _compare_with_numpy(untrained, X[train], odd[train], seed, threads)


def _draw(images, digits, probability, selected):
    """Print images side by side, each with its label and its prediction."""
    shades, columns = _supported_shades(" ░▒▓█", " .:*#"), []
    for i in selected:
        levels = np.rint(images[i].reshape(8, 8) * (len(shades) - 1)).astype(int)
        lines = ["".join(shades[level] * 2 for level in row) for row in levels]
        label, prediction = ("odd" if x else "even" for x in (digits[i] % 2, probability[i] > 0.5))
        percent = round(100 * max(probability[i], 1 - probability[i]))
        confidence = f"{percent} %" if percent < 100 else ">99 %"
        lines += [
            "",
            f"{digits[i]} is {label}",
            f"net: {prediction} {confidence}",
            "correct" if prediction == label else "WRONG",
        ]
        columns.append([f"{line:<16}" for line in lines])
    for line in zip(*columns, strict=True):
        print("".join(line).rstrip())


def _select_examples(digits, correct):
    """Return up to five rows: correctly predicted ones, each a different digit, and, if there is
    one, a wrongly predicted one."""
    _, first = np.unique(np.where(correct, digits, 10), return_index=True)
    right = sorted(i for i in first if correct[i])
    wrong = np.flatnonzero(~correct)[:1]
    return [*right[: 5 - len(wrong)], *wrong]


def _supported_shades(unicode, ascii):
    """Return `unicode` if standard output can encode it, else `ascii`."""
    try:
        unicode.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ascii
    return unicode


def _compare_with_numpy(net, X, y, seed, threads):
    """Time the first epochs with fastnn and with NumPy, in turn, and print the best time of each.

    Both start from the same weights and see the rows in the same order.
    """
    from .. import reference

    same = {"epochs": COMPARED_EPOCHS, "batch_size": BATCH_SIZE, "shuffle": True, "rng": seed}

    def fastnn_fit():
        return net.copy().fit(X, y, optimizer=OPTIMIZER, n_threads=threads, **same).loss

    def numpy_fit():
        parameters = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
        options = {"optimizer": "sgd", **asdict(OPTIMIZER), **same}
        return reference.fit(X, y, *parameters, net.activations, "bce", **options)

    seconds, losses = dict.fromkeys((fastnn_fit, numpy_fit), np.inf), {}
    for _ in range(BLOCKS):
        for fit in seconds:
            start = time.perf_counter()
            losses[fit] = fit()
            seconds[fit] = min(seconds[fit], time.perf_counter() - start)
    error = np.max(np.abs(np.divide(losses[fastnn_fit], losses[numpy_fit]) - 1))
    if not error < 1e-3:
        print(
            f"fastnn demo: fastnn and NumPy disagree: a loss differs by {100 * error:.2g} %. "
            "No times are compared.",
            file=sys.stderr,
        )
        return 1
    ours, theirs = seconds.values()
    print(f"{theirs / ours:.1f} times faster than the same training in NumPy (fastnn.reference)")
    print(
        f"{COMPARED_EPOCHS} epochs: fastnn {1000 * ours:.1f} ms, NumPy {1000 * theirs:.1f} ms "
        f"(best of {BLOCKS}; losses agree to {error:.0e})"
    )
    return 0
