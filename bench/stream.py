"""Time of an epoch on row groups and on a Parquet file, relative to the same rows in memory.

    python bench/stream.py             three networks; takes two minutes
    python bench/stream.py --quick     one epoch on few rows

200,000 rows of 50 float32 numbers, batches of 256, Adam, one thread. The groups are views of an
array, 8,192 rows each, so their time is that of copying rows to the window and of checks. The
Parquet file has the default compression. An epoch of each kind alternates with the others, and the
best is reported. The program ends if the parameters after an epoch differ.
"""

import os
import tempfile

import measure
import numpy as np
from measure import seconds, table_row

import fastnn

N_INPUTS, GROUP = 50, 8192
LAYERS = [16, 1], [64, 1], [256, 128, 1]


def write_parquet(path, X, y):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f"x{i}": column for i, column in enumerate(X.T)} | {"y": y}
    pq.write_table(pa.table(columns), path, row_group_size=50_000)


def sources(folder, n):
    """Return {kind: arguments of fit}."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, N_INPUTS)).astype("float32")
    y = np.sin(X[:, 0]) + X[:, 1]
    write_parquet(path := os.path.join(folder, "rows.parquet"), X, y)
    groups = [(X[i : i + GROUP], y[i : i + GROUP]) for i in range(0, n, GROUP)]
    window = {"window": n // 8}
    return {
        "memory": ((X, y), {}),
        "groups": ((groups,), {}),
        "8 windows": ((groups,), window),
        "Parquet": ((path, "y"), {}),
        "Parquet, 8 windows": ((path, "y"), window),
    }


def measure_network(layers, kinds, rounds):
    """Return {kind: seconds of an epoch}. Check that results agree where windows do."""
    results = {}

    def job(kind):
        arguments, options = kinds[kind]
        net = fastnn.MLP([N_INPUTS, *layers], rng=0)
        time = seconds(
            lambda: net.fit(*arguments, optimizer="adam", epochs=1, batch_size=256, **options)
        )
        results.setdefault("8 windows" in kind, set()).add(net.params.tobytes())
        return time

    best = measure.interleave({kind: lambda kind=kind: job(kind) for kind in kinds}, rounds)
    if any(len(params) > 1 for params in results.values()):
        raise SystemExit(f"{layers}: the parameters differ")
    return best


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one epoch on few rows")
    arguments = parser.parse_args()
    n, rounds = (5000, 1) if arguments.quick else (200_000, 15)
    with tempfile.TemporaryDirectory() as folder:
        kinds = sources(folder, n)
        widths = [14, 16, *[20] * (len(kinds) - 1)]
        print(f"{measure.versions('pyarrow')}; an epoch of {n:,} rows")
        print(table_row(widths, "network", "memory, ms", *list(kinds)[1:]))
        for layers in LAYERS:
            best = measure_network(layers, kinds, rounds)
            cells = [f"{best[kind] / best['memory']:.2f}" for kind in list(kinds)[1:]]
            title = "-".join(map(str, (N_INPUTS, *layers)))
            print(table_row(widths, title, f"{1e3 * best['memory']:.0f}", *cells), flush=True)


if __name__ == "__main__":
    main()
