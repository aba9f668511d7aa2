"""Train random configurations and print a digest of the result of each, one a line.

test_fresh_processes.py runs it with other numbers of threads, instruction sets, stops and batches,
and compares the digests.

    python tests/support/configurations.py FIRST LAST N_THREADS STOPS ROWS

Configurations FIRST to LAST - 1. STOPS: after how many epochs the training is stopped, saved, loaded
and resumed, such as "1,3", or "-". ROWS: rows of a batch of the prediction.
"""

import hashlib
import os
import sys
import tempfile

import cases
import numpy as np
import thread_trials

import fastnn
from fastnn import MLP, DivergenceError, EarlyStopping
from fastnn.activations import ACTIVATIONS, HIDDEN

EPOCHS = 4
WIDTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70]
SHARED = [{}, {}, dict(l1=0.01), dict(l2=0.1), dict(clip_value=0.01), dict(clip_norm=0.1)]


def choose(rng, choices):
    choices = list(choices)
    return choices[rng.integers(len(choices))]


def configuration(seed):
    """Return (network, X, y, options of fit), each drawn from the seed."""
    rng = np.random.default_rng(seed)
    loss, output = choose(rng, cases.NETWORK_LOSSES)
    output = output or choose(rng, ACTIVATIONS)
    per_target = cases.outputs_per_target(loss)
    n_targets = max(choose(rng, WIDTHS), 2 if output == "softmax" else 1)
    hidden = [name for name in HIDDEN if name != "exponential"]
    sizes = [choose(rng, WIDTHS), *rng.choice(WIDTHS, rng.integers(4)), per_target * n_targets]
    sizes = [int(size) for size in sizes]
    activations, bias = [choose(rng, hidden) for _ in sizes[2:]], bool(rng.integers(2))
    dtype, dropout = choose(rng, ["float32", "float64"]), choose(rng, [0.0, 0.0, 0.2])
    net = MLP(sizes, activations, output, bias, dtype, rng=seed, dropout=dropout)
    n = int(choose(rng, [5, 40, 70, 255, 300, 530]))
    X, y = rng.normal(size=(n, sizes[0])), rng.uniform(size=(n, n_targets))
    optimizer = choose(rng, cases.STEPS.values())
    options = dict(
        loss=loss,
        optimizer=optimizer(**choose(rng, SHARED), average=choose(rng, [None, 0.9])),
        batch_size=int(choose(rng, [max(1, n // 12), max(1, n // 3), n])),
        shuffle=bool(rng.integers(2)),
        sample_weight=choose(rng, [None, rng.uniform(0, 2, n)]),
        validation_fraction=choose(rng, [0.0, 0.2]) if n > 20 else 0.0,
        callbacks=choose(rng, [(), (EarlyStopping(patience=EPOCHS),)]),
    )
    return net, X, y, options


def digest(seed, n_threads, stops, rows):
    """Train configuration `seed`, and return a digest of parameters, moments, losses, outputs."""
    net, X, y, options = configuration(seed)
    losses, ends = [], [*stops, EPOCHS]
    try:
        for i, end in enumerate(ends):
            if i:
                with tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, "net")
                    net.save(path)
                    net = fastnn.load(path)
            epochs = end - len(losses)
            history = net.fit(X, y, epochs=epochs, n_threads=n_threads, resume=i > 0, **options)
            losses += history.loss
    except DivergenceError:
        return "diverged"
    outputs = [net.forward(X[i : i + rows]) for i in range(0, len(X), rows)]
    whole = hashlib.sha256()
    for part in (net.params, net.state.moments, np.array(losses), np.concatenate(outputs)):
        whole.update(np.ascontiguousarray(part).tobytes())
    return whole.hexdigest()


if __name__ == "__main__":
    first, last, n_threads, stops, rows = sys.argv[1:]
    thread_trials.begin_at_once()
    stops = [] if stops == "-" else [int(epoch) for epoch in stops.split(",")]
    for seed in range(int(first), int(last)):
        print(digest(seed, int(n_threads), stops, int(rows)))
