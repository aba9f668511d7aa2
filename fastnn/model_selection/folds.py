"""Folds: the rows of cross-validation, and the earlier steps of a model fitted on them."""

import pickle

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from ..core.options import cached
from ..core.validation import check_rows
from ..estimators.inputs import CheckedRows, check_X
from ..estimators.networks import targets_class
from . import models


class Folds:
    """The folds of one cross-validation.

    Parameters
    ----------
    model : estimator
    path : str
        As returned by `models.network_path`.
    rows : (X, y)
    splits : list of (train, test)
        Row indices of each fold.
    fit_params : dict
        Arguments of `fit`. Those with one element for each row of X are split like X.

    Attributes
    ----------
    keep : bool, default False
        Whether to keep what `fold` returns, because several networks use it.
    """

    keep = False

    def __init__(self, model, path, rows, splits, fit_params):
        self.model, self.path, (self.X, self.y) = model, path, rows
        self.splits, self.fit_params = splits, fit_params
        self.made = {}

    def __len__(self):
        return len(self.splits)

    @property
    def n_rows(self):
        return _num_samples(self.X)

    def __getstate__(self):
        return vars(self) | {"made": {}}

    def fold(self, number, params=None):
        """Return a Fold. Its earlier steps are fitted.

        params : dict, optional
            Parameters of the earlier steps.
        """
        key = number, _key(params or {})
        result = self.made.get(key)
        if result is None:
            model = self.model
            if params:
                model = clone(model).set_params(**clone(params, safe=False))
            result = Fold(self, model, *self.splits[number])
            if self.keep:
                self.made[key] = result
        if result.error is not None:
            raise result.error
        return result


def _key(params):
    """Return a hashable description of parameters."""
    items = sorted(params.items())
    try:
        return pickle.dumps(items)
    except Exception:  # such as a lambda, whose repr has its address
        return repr(items)


def split_rows(estimator, X, y, groups, cv):
    """Return (X, y), and the row indices (train, test) of each fold. cv : as the user passed it"""
    if groups is not None and hasattr(groups, "__len__"):
        check_rows("groups", len(groups), _num_samples(X))
    X, y, groups = indexable(X, y, groups)
    cv = check_cv(cv, y, classifier=is_classifier(estimator))
    splits = list(cv.split(X, y, groups))
    if not splits:
        raise ValueError("cv has no folds")
    return (X, y), splits


class Fold:
    """One fold, with a model whose earlier steps are fitted on the training rows.

    Attributes
    ----------
    fitted : estimator
        The model with a `models.Recorder` in place of the network estimator.
    rows : (X, y, sample_weight)
        Training rows for the network estimator.
    error : Exception or None
        Why the earlier steps could not be fitted.
    """

    def __init__(self, folds, model, train, test):
        self.model, self.X, self.y, self.train, self.test = model, folds.X, folds.y, train, test
        fit_params = _check_method_params(folds.X, folds.fit_params, indices=train)
        self.error, self.checked = None, {}
        try:
            X, y = self._split(train)
            self.fitted = models.fit_earlier_steps(model, folds.path, X, y, fit_params)
            self.rows = models.recorder_of(self.fitted).rows_
        except Exception as error:
            self.error = error

    def _split(self, rows, train=None):
        return _safe_split(self.model, self.X, self.y, rows, train)

    def checked_rows(self, network):
        """Return the training rows for `EstimatorFit`, checked once for all networks of a dtype."""
        key = type(network), str(network.dtype)

        def check(fold):
            X, y, weight = fold.rows
            return CheckedRows(network, X, y, weight, targets_class(network))

        return self.memoize(key, check)

    def checked_test(self, network):
        """Return X and y of the transformed test rows as arrays, checked once for a dtype.

        network : fitted
        """

        def check(fold):
            return check_X(network, fold.transformed_test), np.asarray(fold.test_rows[1])

        return self.memoize(network.network_.dtype, check)

    def memoize(self, key, function):
        """Return function(self), which is called once for this key."""
        if key not in self.checked:
            self.checked[key] = function(self)
        return self.checked[key]

    @cached
    def test_rows(self):
        """(X, y) of the test rows, X as the user passed it."""
        return self._split(self.test, self.train)

    @cached
    def train_rows(self):
        """(X, y) of the training rows, X as the user passed it."""
        return self._split(self.train)

    @cached
    def transformed_test(self):
        return models.transform(self.fitted, self.test_rows[0])

    @cached
    def transformed_train(self):
        return models.transform(self.fitted, self.train_rows[0])

    @cached
    def shell(self):
        """The model that predicts from transformed rows."""
        return models.without_transformers(self.fitted)

    def whole_model(self, network):
        """Return the model with a fitted network estimator."""
        return models.with_network(self.fitted, network)

    def last_model(self, network):
        """Return the model that predicts from transformed rows with a fitted network estimator."""
        return models.with_network(self.shell, network)
