"""How fast do networks train on a cluster of Dask, beside XGBoost and LightGBM?

Rows are made by the workers, 20 numbers and a class each. For 1 and 2 workers of one thread the
program prints:

- rows a second of `MLPClassifier` (64, 64) in a training, without reading the rows,
- the time of one round, by rows and parameters: submit, train, average, get,
- seconds and log loss on new rows of `MLPClassifier`, `TabularClassifier`, `xgboost.dask` and
  `lightgbm.dask`, with their defaults.

    python bench/dask_clusters.py --rows 200000 --only rounds,rows,peers
    python bench/dask_clusters.py --data late --only peers       which flights are late: see dask_rounds.py
"""

import argparse
import functools
import time
import warnings
from types import SimpleNamespace

import numpy as np

COLUMNS = 20


def make_rows(n, seed):
    """Rows (n, 20) and their classes, which depend on products and steps of ten columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS)).astype(np.float32)
    z = (
        X[:, 0] * X[:, 1]
        + np.sin(2 * X[:, 2])
        + (X[:, 3] > 0.5) * X[:, 4]
        + 0.5 * X[:, 5:10].sum(1)
    )
    return X, (z + rng.logistic(size=n) > 0).astype(np.int64)


def flights(n):
    """X and y of n flights to train on, and of others."""
    import dask_rounds

    X, y, _ = dask_rounds.late()
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    return (X[:n], y[:n]), (X[n:], y[n:])


def collections(n, n_chunks, rows=None):
    """Arrays of Dask, which the workers make and keep. rows : (X, y) in place of those of make_rows"""
    import dask
    import dask.array as da
    from distributed import wait

    size = n // n_chunks
    if rows is not None:
        X, y = (da.from_array(a, chunks=(size, *a.shape[1:])) for a in rows)
        X, y = dask.persist(X, y)
        wait([X, y])
        return X, y
    parts = [dask.delayed(make_rows, pure=False)(size, i) for i in range(n_chunks)]
    X = da.concatenate([da.from_delayed(p[0], (size, COLUMNS), np.float32) for p in parts])
    y = da.concatenate([da.from_delayed(p[1], (size,), np.int64) for p in parts])
    X, y = dask.persist(X, y)
    wait([X, y])
    return X, y


def network(epochs, **parameters):
    from fastnn import MLPClassifier

    return MLPClassifier(
        (64, 64), max_iter=epochs, n_iter_no_change=np.inf, batch_size=256, random_state=0,
        **parameters,
    )  # fmt: skip


def rows_a_second(X, y, epochs):
    """Rows a second from the second epoch on, the best of them."""
    times = []

    def stamp(net, history):
        times.append(time.perf_counter())

    network(epochs, callbacks=stamp).fit(X, y)
    return len(X) / np.diff(times).min()


def round_seconds(client, rows, width, repeats=7):
    """Seconds of a round of two parts, the best of some."""
    from fastnn import MLP, Adam, losses
    from fastnn.distributed.partitions import StoredBlock
    from fastnn.distributed.rounds import RoundsData
    from fastnn.distributed.runner import ClusterRunner
    from fastnn.estimators.dask_rows import read_rows
    from fastnn.state import fresh
    from fastnn.training.plan import FitOptions, Plan

    runner = ClusterRunner(client)
    X, y = make_rows(rows, 0)
    arrays = {"X": X, "y": y.astype(np.float32)[:, None], "key": np.zeros(rows, np.int32)}
    blocks = [runner.submit("block", StoredBlock, arrays) for _ in range(2)]
    n_of_key = np.full((2, 1), rows)
    kept = SimpleNamespace(
        runner=runner, blocks=blocks, n_of_key=n_of_key, n_parts=2, sync_every=10**9
    )
    net = MLP([COLUMNS, width, width, 1], output="sigmoid", rng=0)
    loss = losses.resolve_loss(None, "sigmoid")
    data = RoundsData(
        kept, np.ones(1, bool), functools.partial(read_rows, loss=loss, alpha=0.0), loss
    )
    options = FitOptions(optimizer=Adam(), epochs=1, batch_size=512)
    engine = data.make_engine(
        Plan(net, data, options, np.random.default_rng(0), None, fresh(net, Adam()))
    )
    engine.load(engine.state)
    seconds = []
    for _ in range(repeats):
        engine.current.epoch = 1
        engine.row, began = 0, time.perf_counter()
        engine.advance(60.0, np.empty((3, 1)))
        seconds.append(time.perf_counter() - began)
    return min(seconds), net.n_params


def peers(client, X, y, epochs):
    """Yield (name, function that fits and returns a function of probabilities of the second class)."""
    import dask.dataframe as dd
    import lightgbm
    import xgboost
    import xgboost.dask

    from fastnn import TabularClassifier

    def mlp():
        model = network(epochs, learning_rate_init=0.005).fit(X, y)
        return lambda rows: model.predict_proba(rows)[:, 1]

    def tabular():
        names = [f"c{i}" for i in range(X.shape[1])]
        table = dd.from_dask_array(X, columns=names)
        table["y"] = dd.from_dask_array(y)
        model = TabularClassifier(1, random_state=0, time_limit=10).fit(table, "y", window=20_000)
        import pandas as pd

        return lambda rows: model.predict_proba(pd.DataFrame(rows, columns=names))[:, 1]

    def boost():
        data = xgboost.dask.DaskDMatrix(client, X, y)
        settings = {"objective": "binary:logistic", "tree_method": "hist"}
        found = xgboost.dask.train(client, settings, data, num_boost_round=100)
        return lambda rows: found["booster"].predict(xgboost.DMatrix(rows))

    def light():
        model = lightgbm.DaskLGBMClassifier(client=client, verbose=-1).fit(X, y)
        return lambda rows: model.to_local().predict_proba(rows)[:, 1]

    return {"MLPClassifier": mlp, "TabularClassifier": tabular, "xgboost": boost, "lightgbm": light}


def log_loss(y, p):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--only", default="rounds,rows,peers")
    parser.add_argument("--peer", default="", help="one of the peers")
    parser.add_argument("--data", choices=("made", "late"), default="made")
    options = parser.parse_args()
    from distributed import Client, LocalCluster

    warnings.simplefilter("ignore")
    only = options.only.split(",")
    rows, test = None, make_rows(50_000, 10**6)
    if options.data == "late":
        rows, test = flights(150_000)
        options.rows = len(rows[0])
    for n in map(int, options.workers.split(",")):
        settings = dict(n_workers=n, threads_per_worker=1, dashboard_address=None)
        with LocalCluster(**settings) as cluster, Client(cluster) as client:
            X, y = collections(options.rows, 8, rows)
            network(1).fit(X, y)  # workers import fastnn
            print(f"{n} workers", flush=True)
            if "rows" in only:
                print(f"  {rows_a_second(X, y, options.epochs):,.0f} rows/s", flush=True)
            if "rounds" in only:
                for rows, width in (64, 16), (4096, 16), (65_536, 16), (64, 256), (4096, 256):
                    seconds, n_params = round_seconds(client, rows, width)
                    print(
                        f"  round of 2 x {rows:,} rows, {n_params:,} parameters: "
                        f"{1000 * seconds:.1f} ms",
                        flush=True,
                    )
            if "peers" in only:
                for name, fit in peers(client, X, y, options.epochs).items():
                    if options.peer not in name:
                        continue
                    began = time.perf_counter()
                    predict = fit()
                    seconds = time.perf_counter() - began
                    print(
                        f"  {name}: {seconds:.1f} s, log loss {log_loss(test[1], predict(test[0])):.4f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
