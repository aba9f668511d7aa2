"""Three small data sets that ship with fastnn, for examples, tests and the demo.

======== ==== ======= =============================== ============
data set rows columns target                          licence
======== ==== ======= =============================== ============
digits   1797 64      digit of a handwritten image    CC BY 4.0
flats    600  5       rent of a flat; made data       BSD 3-Clause
wine     178  12      colour intensity of a wine      CC BY 4.0
======== ==== ======= =============================== ============

Each is a gzipped CSV file with a header line. The .txt file of the same name describes the columns,
the source and the licence. On the command line the name stands for the file: ``fastnn train flats``.
"""

from __future__ import annotations

import gzip
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["load_digits", "load_wine", "path"]


def path(name: str) -> str:
    """Return the path of the CSV file of a data set.

    Parameters
    ----------
    name : str
        "digits", "flats" or "wine".

    Returns
    -------
    str
        The path of a gzipped file, which pandas and `fastnn.tables.read` read.

    Raises
    ------
    ValueError
        There is no data set of this name.

    Examples
    --------
    >>> from fastnn import datasets
    >>> datasets.path("flats").endswith("flats.csv.gz")
    True
    """
    if not isinstance(name, str) or name not in ("digits", "flats", "wine"):
        raise ValueError(f"name must be 'digits', 'flats' or 'wine', got {name!r}.")
    return str(resources.files(__name__).joinpath(f"{name}.csv.gz"))


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load images of handwritten digits, 8 x 8 grey levels each, for classification.

    Returns
    -------
    X : ndarray of float32 (1797, 64)
        One image per row. Pixels are in row-major order, from 0 (paper) to 1 (ink).
    y : ndarray of int64 (1797,)
        The digit, 0 to 9.

    Notes
    -----
    Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, CC BY 4.0. Only the test set is included. See digits.txt.

    Examples
    --------
    >>> from fastnn.datasets import load_digits
    >>> X, y = load_digits()
    >>> X.shape, y[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    >>> (X[0].reshape(8, 8) * 16).astype(int)
    array([[ 0,  0,  5, 13,  9,  1,  0,  0],
           [ 0,  0, 13, 15, 10, 15,  5,  0],
           [ 0,  3, 15,  2,  0, 11,  8,  0],
           [ 0,  4, 12,  0,  0,  8,  8,  0],
           [ 0,  5,  8,  0,  0,  9,  8,  0],
           [ 0,  4, 11,  0,  1, 12,  7,  0],
           [ 0,  2, 14,  5, 10, 12,  0,  0],
           [ 0,  0,  6, 13, 10,  0,  0,  0]])
    """
    _, table = _read("digits")
    return np.ascontiguousarray(table[:, :64] / 16, np.float32), table[:, 64].astype(np.int64)


def load_wine() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load chemical measurements and the colour intensity of wines, for regression.

    Returns
    -------
    X : ndarray of float32 (178, 12)
        Twelve measurements of each wine, standardized to mean 0 and variance 1.
    y : ndarray of float32 (178,)
        The colour intensity, 1.28 to 13.

    Notes
    -----
    Aeberhard and Forina (1992), Wine, UCI Machine Learning Repository, CC BY 4.0. The rows are
    sorted by cultivar, so shuffle them before you split. See wine.txt.

    Examples
    --------
    >>> from fastnn.datasets import load_wine
    >>> X, y = load_wine()
    >>> X.shape, y[:3]
    ((178, 12), array([5.64, 4.38, 5.68], dtype=float32))
    """
    names, table = _read("wine")
    target = names.index("color_intensity")
    X = np.delete(table, [target, names.index("cultivar")], axis=1)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.ascontiguousarray(X, np.float32), table[:, target].astype(np.float32)


def _read(name):
    """Return the column names and the values of NAME.csv.gz."""
    with (
        resources.files(__name__).joinpath(f"{name}.csv.gz").open("rb") as compressed,
        gzip.open(compressed, "rt", encoding="ascii") as file,
    ):
        names = file.readline().strip().split(",")
        return names, np.loadtxt(file, delimiter=",")
