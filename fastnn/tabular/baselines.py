"""Baselines: other models with their default settings, trained on the same rows.

A linear model and HistGradientBoosting of scikit-learn, and CatBoost and LightGBM if they are
installed. Each gets what the networks get: texts, dates and units are already numbers and
categories, and categories that its training rows lack are unknown. Of free text the linear model gets
words and pairs of words, weighted by TF-IDF, and the others the length. Weights of rows and of classes,
the logarithm of the target, and the loss are those of the model, as far as a library has them; the
linear model minimizes the squared error, or the Poisson deviance.
"""

import importlib.util
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .fitting.recipe import KnownCategories
from .targets import BASELINE_LOSSES, MIN_RATE, resolve_regression_loss

MAX_CODES = 255  # of a category of HistGradientBoosting
MIN_FREQUENCY = 5  # rows of a category of the linear model
N_NGRAMS = 2**16  # words and pairs of words of a text that it tells apart
#: Losses of the libraries for the `loss` of a BaselineTask.
LIGHTGBM_LOSSES = {"absolute_error": "l1", "poisson": "poisson", "squared_error": "l2"}
CATBOOST_LOSSES = {"absolute_error": "MAE", "poisson": "Poisson", "squared_error": "RMSE"}


#: Parts of dates that only some configurations of networks get.
NOT_FOR_BASELINES = ("day of year",)


@dataclass(eq=False, repr=False)
class BaselineInputs:
    """Rows for baselines.

    Attributes
    ----------
    numbers : ndarray (n, p) of float64
        With NaN for missing values.
    codes : ndarray (n, q) of int
        Categories, -1 for those that are unknown or missing.
    n_categories : list of int
    texts : list of list of str
        The texts of each column of free text, "" for missing ones.
    """

    numbers: np.ndarray
    codes: np.ndarray
    n_categories: list
    texts: list = field(default_factory=list)

    @classmethod
    def of(cls, features, frame):
        """Return the rows of a Frame. features : Features"""
        numbers, codes = features.transform(frame)
        used = [i for i, c in enumerate(features.categories) if c.part not in NOT_FOR_BASELINES]
        numbers = [x for x in numbers if x.ndim == 1]  # without what a fit learned of free text
        table = np.stack(numbers, 1) if numbers else np.zeros((frame.n_rows, 0))
        texts = [
            [[*texts, ""][code] for code in text_codes.tolist()]
            for text_codes, texts in features.text_values(frame).values()
        ]
        return cls(
            table, codes[:, used], [features.categories[i].n_categories for i in used], texts
        )

    def __len__(self):
        return len(self.numbers)

    def take(self, rows):
        numbers = np.arange(len(self))[rows].tolist()
        texts = [[column[i] for i in numbers] for column in self.texts]
        return replace(self, numbers=self.numbers[rows], codes=self.codes[rows], texts=texts)

    def hide_others(self, known):
        """Return the rows with -1 for categories that are not known. known : KnownCategories or None"""
        if known is None:
            return self
        return replace(self, codes=known.hide_others(self.codes))

    def most_frequent(self, most):
        """Return the most frequent codes of each column, at most so many, sorted."""
        found = []
        for column, n in zip(self.codes.T, self.n_categories):
            counts = np.bincount(column[column >= 0], minlength=n)
            found.append(np.sort(np.argsort(-counts, kind="stable")[:most]))
        return found

    def as_numbers(self, kept=None):
        """Return categories as numbers (n, q), NaN for -1.

        kept : list of ndarray, optional
            The codes of each column that become 0, 1, ..., as `most_frequent` returns them. Others
            become NaN.
        """
        codes = self.codes.astype(np.float64)
        if kept is None:
            return np.where(codes < 0, np.nan, codes)
        out = np.full(codes.shape, np.nan)
        for j, chosen in enumerate(kept):
            number = np.full(self.n_categories[j] + 1, np.nan)  # the last one: -1
            number[chosen] = np.arange(len(chosen))
            out[:, j] = number[self.codes[:, j]]
        return out


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
    return BASELINE_LOSSES[resolve_regression_loss(loss).name]


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

    model: Any

    def __init__(self, task):
        self.task = task

    def fit(self, X: BaselineInputs, y, weight):
        """Train on rows. y : class numbers or numbers; weight : ndarray or None"""
        self.classes = np.unique(y) if self.task.n_classes else None
        self.known = KnownCategories.find(X.codes, X.n_categories)
        if self.classes is None or len(self.classes) > 1:  # libraries need two
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

    def inputs(self, X):
        """Return what the model reads."""
        raise NotImplementedError

    def predict_model(self, X):
        inputs = self.inputs(X)
        return (
            self.model.predict_proba(inputs) if self.task.n_classes else self.model.predict(inputs)
        )


class Linear(Baseline):
    """Logistic or ridge regression on standardized numbers, one-hot categories and TF-IDF of texts."""

    def fit_model(self, X, y, weight):
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
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
        words = HashingVectorizer(ngram_range=(1, 2), alternate_sign=False, n_features=N_NGRAMS)
        self.texts = [make_pipeline(words, TfidfTransformer()).fit(column) for column in X.texts]
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
        parts += [encode.transform(column) for encode, column in zip(self.texts, X.texts)]
        return sparse.hstack(parts, format="csr")


class HistGradientBoosting(Baseline):
    """HistGradientBoosting of scikit-learn."""

    def fit_model(self, X, y, weight):
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

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
        n_threads = self.task.n_threads if self.task.n_threads > 0 else None
        with threadpool_limits(n_threads, "openmp"):
            self.model = model.fit(self.inputs(X), y, sample_weight=weight)

    def inputs(self, X):
        return np.concatenate([X.numbers, X.as_numbers(self.kept)], axis=1)


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
        with warnings.catch_warnings():  # about names of columns, which it makes up itself
            warnings.simplefilter("ignore")
            return super().predict_model(X)


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
        self.model = model.fit(self.inputs(X, y, weight))

    def inputs(self, X, y=None, weight=None):
        import catboost

        numbers = X.numbers.astype(np.float32) if X.numbers.shape[1] else None
        codes = X.codes.astype(str).astype("S").astype(object) if X.codes.shape[1] else None
        data = catboost.FeaturesData(num_feature_data=numbers, cat_feature_data=codes)
        return catboost.Pool(data, y, weight=weight)

    def predict_model(self, X):
        if self.task.n_classes:
            return super().predict_model(X)
        kind = "Exponent" if self.task.loss == "poisson" else "RawFormulaVal"
        return self.model.predict(self.inputs(X), prediction_type=kind)


BASELINES = {
    "linear": Linear,
    "HistGradientBoosting": HistGradientBoosting,
    "CatBoost": CatBoost,
    "LightGBM": LightGBM,
}
