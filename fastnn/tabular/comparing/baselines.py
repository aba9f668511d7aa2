"""Baselines: other models with their default settings, trained on the same rows.

A linear model and HistGradientBoosting of scikit-learn, and CatBoost and LightGBM if they are
installed. Each gets what the networks get: texts, dates and units are already numbers and
categories, and categories that its training rows lack are unknown. Weights of rows and of classes,
the logarithm of the target, and the loss are those of the model, as far as a library has them; the
linear model minimizes the squared error, or the Poisson deviance.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..columns.known_categories import KnownCategories
from ..targets import BASELINE_LOSSES, MIN_RATE, resolve_loss
from .baseline_inputs import BaselineInputs

MAX_CODES = 255  # of a category of HistGradientBoosting
MIN_FREQUENCY = 5  # rows of a category of the linear model
#: Losses of the libraries for the `loss` of a BaselineTask.
LIGHTGBM_LOSSES = {"absolute_error": "l1", "poisson": "poisson", "squared_error": "l2"}
CATBOOST_LOSSES = {"absolute_error": "MAE", "poisson": "Poisson", "squared_error": "RMSE"}


@dataclass(frozen=True)
class BaselineTask:
    """What baselines learn.

    Attributes
    ----------
    n_classes : int
        0 for numbers.
    loss : {"squared_error", "absolute_error", "poisson"}
        Of numbers.
    log : bool
        Whether to learn the logarithm of numbers.
    bounds : (float, float)
        Least and largest prediction of a number.
    n_threads, seed : int
    """

    n_classes: int = 0
    loss: str = "squared_error"
    log: bool = False
    n_threads: int = -1
    seed: int = 0


def loss_name(loss):
    """Return the loss of a BaselineTask for that of `TabularRegressor`, a name or an object."""
    return BASELINE_LOSSES[resolve_loss(loss).name]


def installed():
    """Return {name: class} of the baselines whose libraries are installed, and the names of others."""
    libraries = {"CatBoost": "catboost", "LightGBM": "lightgbm"}
    absent = [
        name for name, module in libraries.items() if importlib.util.find_spec(module) is None
    ]
    return {name: cls for name, cls in BASELINES.items() if name not in absent}, absent


class Baseline:
    """A model of another library.

    Parameters
    ----------
    task : BaselineTask
    """

    def __init__(self, task):
        self.task = task

    def fit(self, X: BaselineInputs, y, weight):
        """Train on rows. y : class numbers or numbers; weight : ndarray or None"""
        self.classes = np.unique(y) if self.task.n_classes else None
        self.known = KnownCategories.find(X.codes, X.n_categories)
        if self.classes is not None and len(self.classes) == 1:  # libraries need two
            return self
        self.fit_model(X, np.log(y) if self.task.log else y, weight)
        return self

    def predict(self, X: BaselineInputs):
        """Return probabilities (n, n_classes), or numbers (n,)."""
        X = X.hide_others(self.known)
        if self.classes is None:
            y = np.asarray(self.predict_model(X), np.float64).reshape(-1)
            with np.errstate(over="ignore"):
                y = np.exp(y) if self.task.log else y
            return np.maximum(y, MIN_RATE) if self.task.loss == "poisson" else y
        P = np.zeros((len(X), self.task.n_classes))
        P[:, self.classes] = 1.0 if len(self.classes) == 1 else self.predict_model(X)
        return P

    def fit_model(self, X, y, weight):
        raise NotImplementedError

    def predict_model(self, X):
        raise NotImplementedError


class Linear(Baseline):
    """Logistic or ridge regression on standardized numbers and one-hot categories."""

    def fit_model(self, X, y, weight):
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        self.numbers = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            StandardScaler(),
        )
        self.categories = OneHotEncoder(handle_unknown="ignore", min_frequency=MIN_FREQUENCY)
        if X.numbers.shape[1]:
            self.numbers.fit(X.numbers)
        if X.codes.shape[1]:
            self.categories.fit(X.codes)
        self.model = self.make().fit(self.inputs(X), y, sample_weight=weight)

    def make(self) -> Any:
        from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

        if self.task.n_classes:
            return LogisticRegression(max_iter=1000)
        return PoissonRegressor(max_iter=1000) if self.task.loss == "poisson" else Ridge()

    def inputs(self, X):
        from scipy import sparse

        parts = []
        if X.numbers.shape[1]:
            parts.append(sparse.csr_matrix(self.numbers.transform(X.numbers)))
        if X.codes.shape[1]:
            parts.append(self.categories.transform(X.codes))
        return sparse.hstack(parts, format="csr")

    def predict_model(self, X):
        inputs = self.inputs(X)
        return (
            self.model.predict_proba(inputs) if self.task.n_classes else self.model.predict(inputs)
        )


class HistGradientBoosting(Baseline):
    """HistGradientBoosting of scikit-learn."""

    def fit_model(self, X, y, weight):
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        n, self.kept = X.numbers.shape[1], X.most_frequent(MAX_CODES)
        options: dict = dict(
            random_state=self.task.seed,
            categorical_features=[*range(n, n + X.codes.shape[1])] or None,
        )
        model = (
            HistGradientBoostingClassifier(**options)
            if self.task.n_classes
            else HistGradientBoostingRegressor(loss=self.task.loss, **options)
        )
        with self.limited_threads():
            self.model = model.fit(self.inputs(X), y, sample_weight=weight)

    def limited_threads(self):
        """Return a context in which scikit-learn has the threads of the task."""
        from threadpoolctl import threadpool_limits

        n = self.task.n_threads
        return threadpool_limits(n if n > 0 else None, "openmp")

    def inputs(self, X):
        return np.concatenate([X.numbers, X.as_numbers(self.kept)], axis=1)

    def predict_model(self, X):
        if self.task.n_classes:
            return self.model.predict_proba(self.inputs(X))
        return self.model.predict(self.inputs(X))


class LightGBM(Baseline):
    """LightGBM."""

    def fit_model(self, X, y, weight):
        import lightgbm

        n = X.numbers.shape[1]
        options: dict = dict(random_state=self.task.seed, n_jobs=self.task.n_threads, verbose=-1)
        model = (
            lightgbm.LGBMClassifier(**options)
            if self.task.n_classes
            else lightgbm.LGBMRegressor(objective=LIGHTGBM_LOSSES[self.task.loss], **options)
        )
        columns = [*range(n, n + X.codes.shape[1])]
        self.model = model.fit(self.inputs(X), y, sample_weight=weight, categorical_feature=columns)

    def inputs(self, X):
        return np.concatenate([X.numbers, X.as_numbers()], axis=1)

    def predict_model(self, X):
        import warnings

        with warnings.catch_warnings():  # about names of columns, which it makes up itself
            warnings.simplefilter("ignore")
            if self.task.n_classes:
                return self.model.predict_proba(self.inputs(X))
            return self.model.predict(self.inputs(X))


class CatBoost(Baseline):
    """CatBoost."""

    def fit_model(self, X, y, weight):
        import catboost

        options: dict = dict(
            random_seed=self.task.seed,
            thread_count=self.task.n_threads,
            verbose=False,
            allow_writing_files=False,
        )
        model = (
            catboost.CatBoostClassifier(**options)
            if self.task.n_classes
            else catboost.CatBoostRegressor(
                loss_function=CATBOOST_LOSSES[self.task.loss], **options
            )
        )
        self.model = model.fit(self.pool(X, y, weight))

    def pool(self, X, y=None, weight=None):
        import catboost

        return catboost.Pool(
            catboost.FeaturesData(
                num_feature_data=X.numbers.astype(np.float32) if X.numbers.shape[1] else None,
                cat_feature_data=X.codes.astype(str).astype("S").astype(object)
                if X.codes.shape[1]
                else None,
            ),
            y,
            weight=weight,
        )

    def predict_model(self, X):
        if self.task.n_classes:
            return self.model.predict_proba(self.pool(X))
        kind = "Exponent" if self.task.loss == "poisson" else "RawFormulaVal"
        return self.model.predict(self.pool(X), prediction_type=kind)


BASELINES = {
    "linear": Linear,
    "HistGradientBoosting": HistGradientBoosting,
    "CatBoost": CatBoost,
    "LightGBM": LightGBM,
}
