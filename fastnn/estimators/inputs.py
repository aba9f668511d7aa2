"""What estimators take: tables of numbers, dense or sparse, all finite, and whether they are scaled
well."""

import warnings

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from .. import kernels
from ..training.data import block_rows, is_sparse

SAMPLE = 1000  # rows that are looked at to tell how columns are scaled
LARGE, SPREAD = (
    100,
    1000,
)  # a column's root mean square, and the largest of them over the smallest, that deserve a warning


def check_X_y(estimator, X, y, dtype, reset):
    """X, a C-contiguous array or a CSR matrix, and y, an array; both of finite numbers."""
    X, y = validate_data(
        estimator,
        X,
        y,
        accept_sparse="csr",
        dtype=dtype,
        order="C",
        multi_output=True,
        reset=reset,
        y_numeric=is_regressor(estimator),
        ensure_all_finite=False,
    )
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y.toarray() if is_sparse(y) else y, warn=True)
    return check_finite(estimator, X), y


def check_X(estimator, X):
    """The same for rows to predict."""
    dtype = estimator.network_.dtype
    X = validate_data(
        estimator,
        X,
        accept_sparse="csr",
        dtype=dtype,
        order="C",
        reset=False,
        ensure_all_finite=False,
    )
    return check_finite(estimator, X)


def check_finite(estimator, X):
    numbers = X.data if is_sparse(X) else X
    if not kernels.all_finite(numbers):
        where = np.argwhere(~np.isfinite(numbers))[0]
        row, column = (
            (int(np.searchsorted(X.indptr, where[0], "right")) - 1, int(X.indices[where[0]]))
            if is_sparse(X)
            else where
        )
        what = "NaN" if np.isnan(numbers[tuple(where)]) else "inf"
        names = getattr(estimator, "feature_names_in_", None)
        name = int(column) if names is None else repr(str(names[column]))
        raise ValueError(
            f"X contains {what} (first in row {row}, column {name}), which {type(estimator).__name__} does not take: fill or drop what is "
            "missing first, for example with sklearn.impute.SimpleImputer"
        )
    return X


def check_weight(sample_weight, X):
    """float64 (n,), or None."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative, got {weight.min()} in row {int(weight.argmin())}"
        )
    if not weight.any():  # scikit-learn says so itself from 1.9 on
        raise ValueError("sample_weight is zero in all rows: there is nothing to learn from")
    return weight


def outputs(net, X, n_threads):
    """net.forward for dense or sparse rows."""
    if not is_sparse(X):
        return net.forward(X, n_threads=n_threads)
    step = block_rows(X)
    return np.concatenate(
        [
            net.forward(X[a : a + step].toarray(), n_threads=n_threads)
            for a in range(0, X.shape[0], step)
        ]
    )


# ---- scale ----


def warn_if_badly_scaled(X, y, names):
    """y: the targets of a regression, or None."""
    rms = root_mean_square(X[:: max(1, X.shape[0] // SAMPLE)])
    varied = rms[rms > 0]
    if len(varied) and (varied.max() > LARGE or varied.max() > SPREAD * varied.min()):
        extremes = int(np.argmin(np.where(rms > 0, rms, np.inf))), int(np.argmax(rms))
        smallest, largest = (str(i) if names is None else repr(str(names[i])) for i in extremes)
        warnings.warn(
            f"X is badly scaled: the root mean squares of its columns go from {varied.min():.3g} (column {smallest}) to {varied.max():.3g} "
            f"(column {largest}). A network learns better and faster from columns of about the same size: "
            "make_pipeline(StandardScaler(), estimator)",
            UserWarning,
            stacklevel=5,
        )
    if y is not None and root_mean_square(y).max(initial=0) > LARGE:
        warnings.warn(
            f"y is large (its root mean square is {root_mean_square(y).max():.3g}), so that learning it takes many epochs: "
            "TransformedTargetRegressor(estimator, transformer=StandardScaler())",
            UserWarning,
            stacklevel=5,
        )


def root_mean_square(a):
    """Of each column."""
    squares = a.power(2) if is_sparse(a) else np.square(a, dtype=np.float64)
    return np.sqrt(np.asarray(squares.mean(axis=0)).ravel())
