"""Peak memory of a training on a Parquet file, in a fresh process: 200 MB in 60 MB, and on demand
(`nox -s stream`) 4 GB in 1 GB."""

import sys

import numpy as np
import processes
import pytest
from scale import SCALE, scaled

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet  # noqa: E402

N_COLUMNS, GROUP = 50, 50_000
TRAIN = """
import sys
import fastnn
from processes import peak_memory

path, small, window = sys.argv[1], sys.argv[2], int(sys.argv[3]) or None
net = fastnn.MLP([49, 8, 1], rng=0)
net.fit(small, "y", epochs=1)  # loads pyarrow
before = peak_memory()
history = net.fit(path, "y", epochs=2, batch_size=512, window=window)
print(peak_memory() - before, history.n_steps, history.loss[-1] < history.loss[0])
"""


def write(path, n):
    names = [f"x{i}" for i in range(N_COLUMNS - 1)] + ["y"]
    schema, rng = pa.schema([(name, pa.float32()) for name in names]), np.random.default_rng(0)
    options = dict(compression="none", use_dictionary=False)
    with pyarrow.parquet.ParquetWriter(path, schema, **options) as writer:
        for first in range(0, n, GROUP):
            X = rng.random((N_COLUMNS, min(GROUP, n - first)), dtype=np.float32)
            X[-1] = X[0] - X[1]
            writer.write_table(pa.table(list(X), schema=schema))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_table_larger_than_the_memory_of_its_training(tmp_path):
    n = scaled(1_000_000)
    write(tmp_path / "small.parquet", 10)
    write(tmp_path / "rows.parquet", n)
    size = (tmp_path / "rows.parquet").stat().st_size / 2**20
    window, limit = (100_000, 60) if SCALE == 1 else (0, 1024)  # 20 MB, or the default
    result = processes.run(
        *(TRAIN, tmp_path / "rows.parquet", tmp_path / "small.parquet", window), timeout=3600
    )
    assert result.returncode == 0, result.stderr
    peak, n_steps, improved = result.stdout.split()
    assert float(peak) < limit < 0.35 * size
    assert improved == "True"
    assert n_steps == str(2 * sum(-(-k // 512) for k in windows(n, int(window))))


def windows(n, window):
    """The numbers of rows of the windows of a pass."""
    rows = (window or int(256e6 / (4 * N_COLUMNS))) // 512 * 512
    return [min(rows, n - first) for first in range(0, n, rows)]
