"""Validate the inputs of the estimators, dense or sparse, and warn if they are badly scaled."""

import copy
import re
import sys
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from .. import kernels
from ..core.messages import warn
from ..core.sparse_rows import first_not_finite, is_sparse
from ..core.validation import as_array, check_array, check_sample_weight, ready, refuse_masked
from ..distributed.partitions import refuse_collections

ALL_ZERO_OK = (  # scikit-learn 1.9 and newer refuse weights of zero alone
    {"allow_all_zero_weights": True}
    if "allow_all_zero_weights" in signature(_check_sample_weight).parameters
    else {}
)
SAMPLE_ROWS = 1000  # rows used to estimate the scale of the columns
MAX_RMS = 100  # a column with a larger root mean square raises a warning
MAX_RMS_RATIO = 1000  # and so does a larger ratio between two columns


class ValidRows(NamedTuple):
    """Training rows, validated and converted.

    Attributes
    ----------
    X : ndarray or CSR matrix (n, n_features)
    y : ndarray (n,) or (n, n_targets)
    weight : ndarray (n,) of float64, or None
    targets : ClassTargets, NumberTargets or None
        Those of y, if they are known.
    class_weight : dict or None
        In place of the parameter, on ranks: the weight of every class.
    """

    X: Any
    y: Any
    weight: np.ndarray | None
    targets: Any = None
    class_weight: dict | None = None


class ReusableRows:
    """Training rows that were checked once, for estimators that are not fitted.

    Parameters
    ----------
    estimator : BaseMLP
        Its class and its dtype are those of the others.
    X, y, sample_weight
        As in `fit`.
    targets : class
        ClassTargets or NumberTargets.
    is_part : bool
        Whether others have more rows.
    """

    def __init__(self, estimator, X, y, sample_weight, targets, is_part=False):
        estimator = copy.copy(estimator)
        before = set(vars(estimator))
        rows = validate_rows(estimator, X, y, sample_weight, True, is_part)
        self.attributes = {k: v for k, v in vars(estimator).items() if k not in before}
        self.rows = rows._replace(targets=targets.fit(rows.y))

    def give_to(self, estimator):
        """Set the attributes that checking the rows sets. Return the ValidRows."""
        vars(estimator).update(self.attributes)
        return self.rows


def validate_rows(estimator, X, y, sample_weight, fresh, is_part=False):
    """Return the ValidRows of arguments of `fit`. is_part : whether other ranks have more rows"""
    dtype = (estimator.dtype or (np.float64, np.float32)) if fresh else estimator.networks_[0].dtype
    X, y = check_X_y(estimator, X, y, dtype, fresh, is_part)
    return ValidRows(X, y, check_row_weights(sample_weight, X, may_be_zero=is_part))


def check_X_y(estimator, X, y, dtype, reset, is_part=False):
    """Return X as a C-contiguous array or a CSR matrix, and y as an array, both finite.

    is_part : whether other ranks have more rows, so that there may be none here
    """
    refuse_collections(X=X, y=y)
    refuse_dates_and_masks("X", X)
    numeric, options = is_regressor(estimator), dict(dtype=dtype, reset=reset)
    if numeric:
        refuse_dates_and_masks("y", y)
    if is_part and not _num_samples(y):
        X, y = _validated(estimator, X, ensure_min_samples=0, **options), np.asarray(y)
        check_consistent_length(X, y)
    else:
        X, y = _validated(estimator, X, y, multi_output=True, y_numeric=numeric, **options)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y.toarray() if is_sparse(y) else y, warn=True)
    return check_finite(estimator, X), y


def check_X(estimator, X):
    """Validate X like `check_X_y`, for a fitted estimator."""
    numbers = _plain_numbers(estimator, X)
    if numbers is not None and kernels.all_finite(numbers):
        return numbers
    refuse_dates_and_masks("X", X)
    X = _validated(estimator, X, dtype=estimator.networks_[0].dtype, reset=False)
    return check_finite(estimator, X)


def _plain_numbers(estimator, X):
    """Return what `validate_data` returns for an array, a list or a DataFrame of numbers.

    It is many times as fast for a single row. None for everything that needs the other checks of
    scikit-learn, and for what they refuse or warn about.
    """
    numbers = _as_array(X, getattr(estimator, "feature_names_in_", None))
    if numbers is None or numbers.dtype.kind not in "fiub" or numbers.ndim != 2 or not len(numbers):
        return None
    if numbers.shape[1] != estimator.n_features_in_:
        return None
    with np.errstate(over="ignore"):  # the result is then not finite
        return ready(numbers, estimator.networks_[0].dtype)


def _as_array(X, names):
    """Return an array, a list, or a DataFrame whose columns have these names, as an array; else None."""
    if names is not None:
        return X.to_numpy() if is_data_frame(X) and X.columns.tolist() == names.tolist() else None
    if type(X) is not list:
        return X if type(X) is np.ndarray else None
    try:
        return np.array(X)
    except (TypeError, ValueError):  # rows of several lengths
        return None


def is_data_frame(X):
    """Return whether X is a DataFrame of pandas, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(X) is pandas.DataFrame


def refuse_dates_and_masks(name, values):
    """Refuse what scikit-learn converts to numbers that mean nothing."""
    refuse_masked(name, values)
    dtypes = getattr(values, "dtypes", [getattr(values, "dtype", None)])
    for dtype in dtypes if np.iterable(dtypes) else [dtypes]:
        if getattr(dtype, "kind", None) in ("m", "M", "V"):  # durations, dates, records
            raise TypeError(
                f"{name} must hold numbers, got {dtype}. Convert it, for example dates to days "
                "since a fixed date."
            )


def _validated(estimator, X, *y, **options):
    """Return what scikit-learn's `validate_data` returns. An error about what is no number names its place."""
    options |= dict(accept_sparse="csr", order="C", ensure_all_finite=False)
    try:
        valid = validate_data(estimator, X, *y, **options)
        if options.get("y_numeric") and valid[1].dtype.kind in "SU":
            valid = valid[0], valid[1].astype(np.float64)
        return valid
    except (OverflowError, TypeError, ValueError) as error:
        check_y = check_array if options.get("y_numeric") else as_array
        _name_in(error, (check_array, "X", X), *((check_y, "y", each) for each in y))
        raise


def _name_in(error, *checks):
    """Raise an error that names the argument, if values are not numbers or no array.

    checks : (function, name, value) of each argument
    """
    if not re.search(r"could not convert|array element|float\(\) argument|too large", str(error)):
        return
    for check, name, value in checks:
        try:
            check(name, value)
        except (TypeError, ValueError) as better:
            if isinstance(
                error, TypeError
            ):  # scikit-learn's checks of estimators look for its words
                raise TypeError(f"{better} ({error})") from None
            raise ValueError(str(better)) from None


def check_finite(estimator, X):
    """Return X, aligned, or raise ValueError with the row and column of a value that is not finite."""
    numbers = ready(X.data if is_sparse(X) else X, X.dtype)
    X = X if is_sparse(X) else numbers
    if not kernels.all_finite(numbers):
        row, column = first_not_finite(X) if is_sparse(X) else np.argwhere(~np.isfinite(X))[0]
        what = "NaN" if np.isnan(X[row, column]) else "inf"
        names = getattr(estimator, "feature_names_in_", None)
        name = int(column) if names is None else repr(str(names[column]))
        raise ValueError(
            f"X contains {what} (first in row {row}, column {name}), but "
            f"{type(estimator).__name__} needs finite values. Fill in or drop missing values, for "
            "example with sklearn.impute.SimpleImputer."
            + " Numbers above 3.4e+38 are infinite in float32."
            * (X.dtype == np.float32)
        )
    return X


def check_features(estimator, attributes):
    """Check that rows have the features of a fitted estimator.

    attributes : dict of what checking the rows has set
    """
    n = attributes["n_features_in_"]
    if n != estimator.n_features_in_:
        raise ValueError(
            f"X has {n} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    names = list(attributes.get("feature_names_in_", ()))
    fitted = list(getattr(estimator, "feature_names_in_", ()))
    if names and fitted and names != fitted:
        raise ValueError("The feature names should match those that were passed during fit.")


def check_row_weights(sample_weight, X, may_be_zero=False):
    """Return sample_weight as float64 (n,), or None. may_be_zero : whether all weights may be 0"""
    if sample_weight is None:
        return None
    if may_be_zero and not X.shape[0]:
        return check_sample_weight(sample_weight, 0, np.dtype(np.float64))[0]
    try:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, **ALL_ZERO_OK)
    except (OverflowError, TypeError, ValueError) as error:
        _name_in(error, (check_array, "sample_weight", sample_weight))
        raise
    if weight.min(initial=0) < 0:
        raise ValueError(
            f"sample_weight must not be negative, got {weight.min()} in row {int(weight.argmin())}"
        )
    if not may_be_zero and weight.size and not weight.any():
        raise ValueError("sample_weight is zero in all rows. At least one must be positive.")
    return weight


# ---- scale ----


def scale_sample(X):
    """Return some rows, with which the scale of the columns is estimated."""
    return X[:: max(1, X.shape[0] // SAMPLE_ROWS)]


def warn_about_scales(rms, y_rms, names):
    """Warn if columns of X, or the targets of a regression, are badly scaled.

    Parameters
    ----------
    rms : ndarray (n_features,)
        Root mean squares of the columns of X.
    y_rms : ndarray (n_targets,) or None
        Those of the targets.
    names : ndarray (n_features,) or None
        Of the columns of X.
    """
    varied = rms[rms > 0]
    if len(varied) and (varied.max() > MAX_RMS or varied.max() > MAX_RMS_RATIO * varied.min()):
        extremes = int(np.argmin(np.where(rms > 0, rms, np.inf))), int(np.argmax(rms))
        smallest, largest = (str(i) if names is None else repr(str(names[i])) for i in extremes)
        warn(
            "X is badly scaled: the root mean squares of its columns range from "
            f"{varied.min():.3g} (column {smallest}) to {varied.max():.3g} (column {largest}). "
            "Scale the columns, for example with make_pipeline(StandardScaler(), estimator).",
        )
    if y_rms is not None and y_rms.max(initial=0) > MAX_RMS:
        warn(
            f"y is large (its root mean square is {y_rms.max():.3g}), so training "
            "needs many epochs. Scale y, for example with "
            "TransformedTargetRegressor(estimator, transformer=StandardScaler()).",
        )


def root_mean_square(a):
    """Return the root mean square of each column."""
    with np.errstate(over="ignore"):
        squares = a.power(2) if is_sparse(a) else np.square(a, dtype=np.float64)
        means = np.asarray(squares.mean(axis=0)).ravel()
    largest = abs(a).max() if np.isinf(means).any() else np.inf
    if np.isfinite(largest):  # its square is not
        return largest * root_mean_square(a / largest)
    return np.sqrt(means)
