"""Peak memory of trainings on a Parquet file, in a fresh process: 200 MB in 60 MB, and on demand
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


FIT = """
import sys
import fastnn
from fastnn.tabular.fitting import recipe
from processes import peak_memory

path, small, window = sys.argv[1], sys.argv[2], int(sys.argv[3]) or None
configurations = recipe.configurations
recipe.configurations = lambda *args: configurations(*args)[:1]  # a short training
recipe.n_epochs = lambda configuration, n: 1
options = dict(n_estimators=2, hidden_layer_sizes=8, n_threads=1)
fastnn.TabularRegressor(**options).fit(small, "y")  # loads pyarrow and scikit-learn
before = peak_memory()
reg = fastnn.TabularRegressor(**options).fit(path, "y", window=window)
print(peak_memory() - before, len(reg.oof_rows_), reg.oof_score_ > 0.9)
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


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A file of 200 MB, or 4 GB on demand, and one of 100 rows."""
    folder = tmp_path_factory.mktemp("rows")
    write(folder / "small.parquet", 100)
    write(folder / "rows.parquet", scaled(1_000_000))
    yield folder / "rows.parquet", folder / "small.parquet"
    (folder / "rows.parquet").unlink()


def peak(program, paths, window, limit):
    """Run a program, check its peak memory, and return its other results."""
    result = processes.run(program, *paths, window, timeout=3600)
    assert result.returncode == 0, result.stderr
    peak, n, improved = result.stdout.split()
    assert float(peak) < limit < 0.35 * paths[0].stat().st_size / 2**20
    assert improved == "True"
    return int(n)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow("test_memory_does_not_grow_with_the_number_of_rows")
def test_a_table_larger_than_the_memory_of_its_training(paths):
    window, limit = (100_000, 60) if SCALE == 1 else (0, 1024)  # 20 MB, or the default
    expected = 2 * sum(-(-k // 512) for k in windows(scaled(1_000_000), window))
    assert peak(TRAIN, paths, window, limit) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow("test_memory_does_not_grow_with_the_number_of_rows, of a network")
def test_a_table_larger_than_the_memory_of_a_tabular_estimator(paths):
    pytest.importorskip("sklearn", reason="estimators for tables need the extra sklearn")
    window, limit = (3000, 60) if SCALE == 1 else (100_000, 1024)
    assert 0.7 * window < peak(FIT, paths, window, limit) <= window


def windows(n, window):
    """The numbers of rows of the windows of a pass."""
    rows = (window or int(256e6 / (4 * N_COLUMNS))) // 512 * 512
    return [min(rows, n - first) for first in range(0, n, rows)]
