"""The built-in data sets: shapes, values, fresh arrays at each call, and their sources and
licences."""

import doctest
import gzip
import pathlib
import runpy

import numpy as np
import pytest
from places import DATA

from fastnn import datasets

FOLDER = pathlib.Path(datasets.__file__).parent


def test_digits():
    X, y = datasets.load_digits()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((1797, 64), "float32", (1797,), "int64")
    assert X.flags.c_contiguous and X.min() == 0 and X.max() == 1
    np.testing.assert_array_equal(np.unique(X * 16), np.arange(17))
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    np.testing.assert_array_equal(np.bincount(y), counts)
    assert round(float(X.sum()) * 16) == 561718


def test_wine():
    X, y = datasets.load_wine()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((178, 12), "float32", (178,), "float32")
    assert X.flags.c_contiguous
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-6)
    assert (y.min(), y.max()) == (np.float32(1.28), np.float32(13))
    assert abs(np.float64(y).mean() - 5.058090) < 1e-6


def test_no_column_of_wine_alone_predicts_the_class():
    X, y = datasets.load_wine()
    assert max(abs(np.corrcoef(column, y)[0, 1]) for column in X.T) < 0.9


@pytest.mark.parametrize("load", [datasets.load_digits, datasets.load_wine])
def test_every_call_returns_new_arrays(load):
    X, y = load()
    X[:], y[:] = 7, 7
    X_again, y_again = load()
    assert not (X_again == 7).all() and not (y_again == 7).all()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv.gz")), ids=lambda path: path.name)
def test_files_are_small_and_say_where_they_come_from(path):
    assert path.stat().st_size < 100_000
    text = path.with_name(path.name.replace(".csv.gz", ".txt")).read_text(encoding="utf-8")
    licence = ["https://doi.org/", "CC BY 4.0", "Changes\n"]
    needed = ["BSD 3-Clause"] if path.name == "flats.csv.gz" else licence
    needed += [path.name, "Creators\n", "Source\n", "Licence\n"]
    for part in needed:
        assert part in text
    with gzip.open(path, "rt", encoding="ascii") as file:
        for name in file.readline().strip().split(","):
            assert name in text or name.startswith("r"), f"column {name} is not explained"


def test_examples_in_docstrings():
    assert doctest.testmod(datasets).failed == 0


def test_every_data_set_has_a_path():
    files = sorted(str(path) for path in FOLDER.glob("*.csv.gz"))
    assert files == [datasets.path(name) for name in ("digits", "flats", "wine")]
    with pytest.raises(ValueError, match="name must be 'digits', 'flats' or 'wine', got"):
        datasets.path("../wine")
    with pytest.raises(ValueError, match="name must be 'digits', 'flats' or 'wine', got"):
        datasets.path(np.array(["wine", "flats"]))


def test_flats_are_what_their_program_makes():
    program = runpy.run_path(str(DATA / "make_flats.py"))
    with gzip.open(datasets.path("flats"), "rt", encoding="ascii", newline="") as file:
        assert file.read() == program["flats_csv"]()
