"""Compare rounds on Dask collections with training in memory: the loss on new rows.

    python bench/dask_rounds.py             MLP estimators, by parts and steps of a round
    python bench/dask_rounds.py --tables    estimators for tables

Tasks run in this process. Each row has the mean over seeds of the loss in memory, and by how many
percent the loss of each setting is above it: the mean of the ratios with the same rows and seed, and
its standard error.
"""

import argparse
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
from sklearn.datasets import load_digits
from tabular_data import load_statsmodels

import fastnn

warnings.simplefilter("ignore")
SETTINGS = (1, 256), (4, 16), (4, 256), (8, 16), (8, 256)  # parts, sync_every
CHUNKS = 8


def digits():
    X, y = load_digits(return_X_y=True)
    return X, y, True


def fair():
    X, y = load_statsmodels("fair", "affairs")
    return X.to_numpy(float), (y.to_numpy() > 0).astype(int), True


def randhie():
    X, y = load_statsmodels("randhie", "mdvis")
    return X.to_numpy(float), np.log1p(y.to_numpy(float)), False


def loss(model, X, y, is_classifier):
    """The log loss, or the mean squared error."""
    if not is_classifier:
        return float(np.mean((model.predict(X) - y) ** 2))
    P = np.maximum(model.predict_proba(X), 1e-12)
    return float(-np.mean(np.log(P[np.arange(len(y)), np.searchsorted(model.classes_, y)])))


def split(load, seed):
    """Rows to train on, sorted by their targets, and new rows."""
    X, y, is_classifier = load()
    X = ((X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(X))
    n = len(X) // 4
    train = order[n:]
    train = train[np.argsort(y[train], kind="stable")]
    return (X[train], y[train]), (X[order[:n]], y[order[:n]]), is_classifier


def fit_mlp(rows, is_classifier, seed, epochs=30):
    cls = fastnn.MLPClassifier if is_classifier else fastnn.MLPRegressor
    settings = dict(max_iter=epochs, batch_size=256, n_iter_no_change=np.inf, random_state=seed)
    return cls((32, 32), learning_rate_init=0.003, **settings).fit(*rows)


def fit_table(rows, is_classifier, seed, **more):
    cls = fastnn.TabularClassifier if is_classifier else fastnn.TabularRegressor
    return cls(2, random_state=seed, n_threads=1).fit(*rows, **more)


def show(name, memory, ratios):
    cells = [
        f"{100 * (np.mean(r) - 1):+.2f} ± {100 * np.std(r) / np.sqrt(len(r)):.2f}" for r in ratios
    ]
    print(f"{name:10} {np.mean(memory):8.4f}  " + "  ".join(f"{c:>14}" for c in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    settings = ((1, 256), (4, 256)) if options.tables else SETTINGS
    print(f"{'':10} {'memory':>8}  " + "  ".join(f"{f'{p} parts, {h}':>14}" for p, h in settings))
    for load in digits, fair, randhie:
        memory, ratios = [], [[] for _ in settings]
        for seed in range(options.seeds):
            (X, y), new, is_classifier = split(load, seed)
            size = -(-len(X) // CHUNKS)
            chunks = da.from_array(X, chunks=(size, -1)), da.from_array(y, chunks=size)
            if options.tables:
                names = [f"c{i}" for i in range(X.shape[1])]
                table = dd.from_dask_array(chunks[0], columns=names)
                table["y"] = dd.from_dask_array(chunks[1])
                model = fit_table((table.compute(), "y"), is_classifier, seed)
                new = (dd.from_dask_array(da.from_array(new[0]), columns=names).compute(), new[1])
            else:
                model = fit_mlp((X, y), is_classifier, seed)
            memory.append(loss(model, *new, is_classifier))
            for (parts, sync_every), found in zip(settings, ratios):
                with dask.config.set({"fastnn.parts": parts, "fastnn.sync-every": sync_every}):
                    if options.tables:
                        rows = len(X) // 3
                        model = fit_table((table, "y"), is_classifier, seed, window=rows)
                    else:
                        model = fit_mlp(chunks, is_classifier, seed)
                found.append(loss(model, *new, is_classifier) / memory[-1])
        show(load.__name__, memory, ratios)


if __name__ == "__main__":
    main()
