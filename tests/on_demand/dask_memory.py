"""Fits on 2 GB of rows, which tasks make on the fly, with two workers of 512 MB.

    python tests/on_demand/dask_memory.py [ROWS]

For `MLPClassifier` on an array and `TabularClassifier` on a DataFrame: fit a few epochs, score and predict all
rows. No worker may take more than its memory or die, this process may not take more than 400 MB besides,
and three workers must give the same bits.
"""

import contextlib
import logging
import os
import pathlib
import sys
import threading
import time

import numpy as np
import psutil

sys.path.append(str(pathlib.Path(__file__).parents[1] / "support"))
from dask_training import local_cluster

COLUMNS = 10
CHUNK_ROWS = 100_000  # 8 MB
LIMIT = 512e6  # bytes of a worker
FOR_ROWS = 400e6  # bytes that this process may take besides, for packages, the sample and the graph


def make_rows(seed):
    return np.random.default_rng(seed).normal(size=(CHUNK_ROWS, COLUMNS))


def classes(X):
    return (X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] > 0).astype(np.int64)


def collections(n):
    """An array X of n rows and their classes, of which nothing is computed."""
    import dask
    import dask.array as da

    make = dask.delayed(make_rows)
    shape = CHUNK_ROWS, COLUMNS
    X = da.concatenate([da.from_delayed(make(i), shape, float) for i in range(-(-n // CHUNK_ROWS))])
    return X, X.map_blocks(classes, drop_axis=1, dtype=np.int64)


def fit_mlp(n):
    from fastnn import MLPClassifier

    X, y = collections(n)
    options = dict(max_iter=2, batch_size=8192, n_iter_no_change=np.inf, random_state=0)
    model = MLPClassifier((32,), **options).fit(X, y)
    return model.network_.params, model.score(X, y), float(model.predict(X).mean().compute())


def fit_table(n):
    import dask.dataframe as dd

    from fastnn import TabularClassifier
    from fastnn.tabular.fitting import recipe

    recipe.n_epochs = lambda configuration, n: 1
    X, y = collections(n)
    table = dd.from_dask_array(X, columns=[f"c{i}" for i in range(COLUMNS)])
    table = table.assign(y=dd.from_dask_array(y))
    model = TabularClassifier(1, hidden_layer_sizes=8, random_state=0)
    model.fit(table, "y", window=20_000)
    folds = [fold for member in model.model_.members for fold in member.networks]
    params = np.concatenate([net.params for fold in folds for net in fold])
    return params, model.score(table, "y"), float(model.predict(table).mean().compute())


class Peaks:
    """The most memory of this process and its children, watched in a thread."""

    def __enter__(self):
        self.most, self.is_over = {}, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()

    def watch(self):
        me = psutil.Process()
        while not self.is_over.wait(0.05):
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    size = process.memory_info().rss
                    self.most[process.pid] = max(self.most.get(process.pid, 0), size)


class Records(logging.Handler):
    """Warnings and errors of Dask in this process."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def watched(fit, n, n_workers, limit):
    """Return what fit(n) returns on a cluster of so many workers, and print its memory."""
    records = Records()
    logging.getLogger("distributed").addHandler(records)
    with local_cluster(n_workers=n_workers, memory_limit=int(limit)) as (_, client):
        ids = list(client.run(os.getpid).values())
        began, first = time.monotonic(), psutil.Process().memory_info().rss
        with Peaks() as peaks:
            result = fit(n)
        seconds = time.monotonic() - began
        assert list(client.run(os.getpid).values()) == ids, "a worker died"
    most = [peaks.most[each] for each in ids]
    rows = peaks.most[os.getpid()] - first
    print(
        f"{fit.__name__}, {n_workers} workers: {seconds:.0f} s, score {result[1]:.4f}; workers at most "
        f"{', '.join(f'{each / 1e6:.0f}' for each in most)} MB, this process {rows / 1e6:.0f} MB more",
        flush=True,
    )
    for text in sorted(set(records.texts)):
        print(f"  {text[:200]}", flush=True)
    assert max(most) < limit and rows < FOR_ROWS
    return result


def main():
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 25_000_000
    print(f"{n * COLUMNS * 8 / 1e9:.1f} GB of rows", flush=True)
    for fit in fit_mlp, fit_table:
        params, *others = watched(fit, n, 2, LIMIT)
        again, *same = watched(fit, n, 3, LIMIT)
        assert (params == again).all() and others == same


if __name__ == "__main__":
    main()
