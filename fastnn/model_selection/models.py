"""Models: an estimator of fastnn, alone or as the last step of a pipeline.

The last step of a model is its network estimator. The steps before it are fitted by scikit-learn,
with a `Recorder` in place of the network estimator. The Recorder keeps the rows that the network
estimator is to be trained on, so that many of them can be trained together.
"""

import copy

from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from ..estimators.base import BaseMLP


class Recorder(BaseEstimator):
    """Estimator whose `fit` keeps its arguments. estimator : the network estimator."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y=None, sample_weight=None):
        self.rows_ = X, y, sample_weight
        return self

    def predict(self, X):
        raise NotImplementedError

    def __sklearn_tags__(self):
        return get_tags(self.estimator)


def network_path(model, caller):
    """Return the name of the parameter that holds the network estimator, "" for the model itself.

    caller : the public name to use in the error message
    """
    names: list = []
    part = model
    while True:
        if isinstance(part, Pipeline) and part.steps:
            name, part = part.steps[-1]
        elif isinstance(part, TransformedTargetRegressor):
            name, part = "regressor", part.regressor
        elif isinstance(part, BaseMLP):
            return "__".join(names)
        else:
            raise TypeError(
                f"fastnn.{caller} needs MLPClassifier, MLPRegressor, or a Pipeline or "
                f"TransformedTargetRegressor whose last step is one of them, got {model!r}. "
                f"For other estimators use sklearn.model_selection.{SKLEARN.get(caller, caller)}."
            )
        names.append(name)


SKLEARN = {"HalvingSearchCV": "HalvingRandomSearchCV"}


def fit_earlier_steps(model, path, X, y, fit_params):
    """Return a fitted copy of the model with a Recorder in place of the network estimator."""
    recorder = Recorder(network_of(model, path))
    if not path:
        return clone(recorder).fit(X, y, **fit_params)
    return clone(model).set_params(**{path: recorder}).fit(X, y, **fit_params)


def network_of(model, path):
    """Return the network estimator of a model that is not fitted."""
    return model.get_params()[path] if path else model


def recorder_of(fitted):
    """Return the Recorder of a model from `fit_earlier_steps`."""
    while not isinstance(fitted, Recorder):
        is_pipeline = isinstance(fitted, Pipeline)
        fitted = fitted.steps[-1][1] if is_pipeline else fitted.regressor_
    return fitted


def with_network(fitted, network):
    """Return the model from `fit_earlier_steps` with a fitted network estimator.

    The earlier steps are shared, not copied.
    """
    if isinstance(fitted, Recorder):
        return network
    whole = copy.copy(fitted)
    if isinstance(fitted, Pipeline):
        name, last = fitted.steps[-1]
        whole.steps = [*fitted.steps[:-1], (name, with_network(last, network))]
        return whole
    whole.regressor_ = with_network(fitted.regressor_, network)
    whole.regressor = clone(whole.regressor_)
    if hasattr(whole.regressor_, "feature_names_in_"):
        whole.feature_names_in_ = whole.regressor_.feature_names_in_
    return whole


def without_transformers(fitted):
    """Return the model from `fit_earlier_steps` without the steps that transform X."""
    if isinstance(fitted, Recorder):
        return fitted
    if isinstance(fitted, Pipeline):
        return without_transformers(fitted.steps[-1][1])
    whole = copy.copy(fitted)
    whole.regressor_ = without_transformers(fitted.regressor_)
    return whole


def transform(fitted, X):
    """Return X as the earlier steps of the model from `fit_earlier_steps` transform it."""
    while not isinstance(fitted, Recorder):
        if isinstance(fitted, Pipeline):
            if len(fitted.steps) > 1:
                X = fitted[:-1].transform(X)
            fitted = fitted.steps[-1][1]
        else:
            fitted = fitted.regressor_
    return X
