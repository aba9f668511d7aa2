"""Compare local SGD with ranks that sum every gradient: the validation loss after the same epochs.

    python bench/local_sgd.py           three data sets, two optimizers, six seeds; takes ten minutes
    python bench/local_sgd.py --quick   one data set, two seeds

Four ranks, as threads of this process, train with 64 rows each in a step. The table has the mean validation loss
of `sync_every=1`, and by how many percent that of larger numbers is above it: the mean over seeds of
the ratios to the run with the same rows and initial parameters, and its standard error.
"""

import pathlib
import sys

import numpy as np
from measure import table_row
from sklearn.datasets import load_digits
from tabular_data import load_statsmodels

import fastnn
from fastnn.distributed import part

sys.path.append(str(pathlib.Path(__file__).parents[1] / "tests" / "support"))
from ranks import results_of

RANKS, BATCH, SEEDS = 4, 256, 6
EVERY = 8, 32
WIDTHS = 10, 9, 8, 8, 10, 15, 15
OPTIMIZERS = {"momentum": fastnn.SGD(0.05, momentum=0.9), "Adam": fastnn.Adam()}


def digits():
    """Return X, the targets, the output and its size."""
    X, y = load_digits(return_X_y=True)
    return X, y, "softmax", 10


def fair():
    X, y = load_statsmodels("fair", "affairs")
    return X.to_numpy(float), (y.to_numpy() > 0).astype(int), "sigmoid", 1


def randhie():
    X, y = load_statsmodels("randhie", "mdvis")
    return X.to_numpy(float), np.log1p(y.to_numpy(float)), "identity", 1


TABLES = {digits: 30, fair: 30, randhie: 30}  # and epochs


def losses(load, epochs, optimizer, seed):
    """Return the final validation loss with sync_every=1, and with each of EVERY."""
    X, y, output, n_out = load()
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
    order = np.random.default_rng(seed).permutation(len(X))
    n = len(X) // 5
    validation, rows = order[:n], order[n:]

    def train(comm, sync_every):
        mine = part(len(rows), comm.rank, RANKS, 0)
        held_out = validation[part(n, comm.rank, RANKS, 0)]
        net = fastnn.MLP([X.shape[1], 64, n_out], output=output, rng=seed)
        history = net.fit(
            X[rows[mine]],
            y[rows[mine]],
            epochs=epochs,
            batch_size=BATCH,
            optimizer=optimizer,
            validation_data=(X[held_out], y[held_out]),
            comm=comm,
            shards=0,
            sync_every=sync_every,
        )
        return history.val_loss[-1]

    return [results_of(RANKS, lambda c, k=every: train(c, k))[0] for every in (1, *EVERY)]


def main():
    quick = "--quick" in sys.argv[1:]
    names = [f"H = {every}" for every in EVERY]
    print(table_row(WIDTHS, "data", "optimizer", "rows", "steps", "H = 1", *names))
    for load, epochs in {digits: 3}.items() if quick else TABLES.items():
        n = len(load()[0]) * 4 // 5
        for name, optimizer in OPTIMIZERS.items():
            seeds = range(2 if quick else SEEDS)
            found = np.array([losses(load, epochs, optimizer, seed) for seed in seeds])
            percent = 100 * (found[:, 1:] / found[:, :1] - 1)
            means, errors = percent.mean(axis=0), percent.std(axis=0, ddof=1) / np.sqrt(len(found))
            cells = [f"{mean:+.2f} +- {error:.2f}" for mean, error in zip(means, errors)]
            first = f"{found[:, 0].mean():.4f}", *cells
            steps = f"{epochs * -(-n // BATCH):,}"
            print(table_row(WIDTHS, load.__name__, name, f"{n:,}", steps, *first), flush=True)


if __name__ == "__main__":
    main()
