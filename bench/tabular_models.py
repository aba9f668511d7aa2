"""The contestants of tabular.py: fastnn's estimators and those of other libraries.

A contestant is `make(n_classes, seed, n_threads, settings)`, which returns an object with `fit` and
`predict`. `fit` takes a DataFrame and the class numbers or numbers to learn. `predict` returns
probabilities of the classes in `classes_`, or numbers. What a library needs to read the table
is part of `fit` and `predict`, and so of their times.
"""

import importlib
import warnings
from importlib import metadata
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tabular_data import is_text

# Levels of a text column that a model learns. HistGradientBoosting takes at most 255 in a column.
HISTGB_LEVELS, ONE_HOT_LEVELS = 254, 256
GROUP = 500  # rows
OTHER, MISSING = "(other)", "(missing)"


class Columns:
    """Converts a table to float columns and pandas categories, or text.

    A datetime becomes the number of days, the day of the year, the day of the week and the hour.
    With `max_levels`, less frequent levels of a column become one level. Levels that the training
    rows do not have are missing. With `as_text`, levels are text, whether in the training rows or
    not, and also missing ones.
    """

    def __init__(self, max_levels=None, as_text=False):
        self.max_levels, self.as_text = max_levels, as_text

    def fit_transform(self, X):
        self.levels = {}
        for column in X.columns[[is_text(X[column]) for column in X]]:
            levels = X[column].dropna().astype(str).value_counts().index.to_list()
            if self.max_levels and len(levels) > self.max_levels:
                levels = [*levels[: self.max_levels - 1], OTHER]
            self.levels[column] = levels
        return self.transform(X)

    def transform(self, X):
        columns = []
        for column in X:
            values = X[column]
            if column in self.levels:
                columns.append(self._convert_text(values, self.levels[column]))
            elif pd.api.types.is_datetime64_any_dtype(values):
                days = (values - pd.Timestamp(2000, 1, 1)) / pd.Timedelta(days=1)
                date = values.dt
                columns += [days, date.dayofyear, date.dayofweek, date.hour]
            else:
                columns.append(pd.Series(values.to_numpy(float, na_value=np.nan), values.index))
        numbered = pd.concat(columns, axis=1)
        numbered.columns = [f"c{i}" for i in range(len(columns))]  # LightGBM refuses some names
        return numbered.astype({c: float for c in numbered if not is_text(numbered[c])})

    def _convert_text(self, values, levels):
        texts = values.astype(object).map(str).where(values.notna(), MISSING)
        if self.as_text:
            return texts
        if levels and levels[-1] == OTHER:
            texts = texts.where(texts.isin([*levels, MISSING]), OTHER)
        return pd.Series(pd.Categorical(texts, categories=levels), values.index)


class Model:
    """An estimator behind `Columns`."""

    def __init__(self, estimator, **settings):
        self.estimator, self.columns = estimator, Columns(**settings)

    def fit(self, X, y):
        self.estimator.fit(self.prepare(self.columns.fit_transform(X)), y, **self.fit_settings())
        self.classes_ = getattr(self.estimator, "classes_", None)
        return self

    def predict(self, X):
        return predict(self.estimator, self.prepare(self.columns.transform(X)))

    def prepare(self, X):
        return X

    def fit_settings(self):
        return {}


class CatBoostModel(Model):
    """CatBoost reads text, and has to be told which columns have it."""

    def fit_settings(self):
        return {"cat_features": self.categories}

    def prepare(self, X):
        self.categories = [column for column in X if is_text(X[column])]
        return X


class RealMLPModel(Model):
    """RealMLP takes no missing numbers."""

    def prepare(self, X):
        if not hasattr(self, "medians"):
            self.medians = X.median(numeric_only=True).fillna(0)
        return X.fillna(self.medians)


class Tabular:
    """fastnn.TabularClassifier or TabularRegressor, which read the table as it is.

    window : share of the rows that `fit` holds in memory; None: the table is in memory
    """

    def __init__(self, estimator, window=None):
        self.estimator, self.window = estimator, window

    def fit(self, X, y):
        if self.window is None:
            self.estimator.fit(X, y)
        else:
            groups = [(X[i : i + GROUP], y[i : i + GROUP]) for i in range(0, len(y), GROUP)]
            self.estimator.fit(groups, window=int(self.window * len(y)))
        self.classes_ = getattr(self.estimator, "classes_", None)
        return self

    def predict(self, X):
        return predict(self.estimator, X)


def predict(estimator, X):
    """Return probabilities of a classifier, or the numbers of a regressor."""
    method = getattr(estimator, "predict_proba", None) or estimator.predict
    return np.asarray(method(X))


# ---- contestants ----


def make_pipeline_with(estimator):
    """Return a Model that scales, imputes medians and encodes one-hot before the estimator."""
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = make_pipeline(imputer, StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include=float)),
        (one_hot, make_column_selector(dtype_include="category")),
    )
    return Model(make_pipeline(columns, estimator), max_levels=ONE_HOT_LEVELS)


def make_fastnn(n_classes, seed, n_threads, settings):
    import fastnn

    estimator = fastnn.TabularClassifier if n_classes else fastnn.TabularRegressor
    parameters = {name: value for name, value in settings.items() if name != "window"}
    model = estimator(random_state=seed, n_threads=n_threads, **parameters)
    return Tabular(model, settings.get("window"))


def make_mlp(module, n_classes, seed, **settings):
    if n_classes:
        return make_pipeline_with(module.MLPClassifier(random_state=seed, **settings))
    regressor = module.MLPRegressor(random_state=seed, **settings)
    return make_pipeline_with(TransformedTargetRegressor(regressor, transformer=StandardScaler()))


def make_fastnn_mlp(n_classes, seed, n_threads, settings):
    import fastnn

    return make_mlp(fastnn, n_classes, seed, n_threads=n_threads)


def make_sklearn_mlp(n_classes, seed, n_threads, settings):
    from sklearn import neural_network

    return make_mlp(neural_network, n_classes, seed)


def make_histgb(n_classes, seed, n_threads, settings):
    from sklearn import ensemble

    estimator = getattr(
        ensemble, f"HistGradientBoosting{'Classifier' if n_classes else 'Regressor'}"
    )
    return Model(
        estimator(categorical_features="from_dtype", random_state=seed), max_levels=HISTGB_LEVELS
    )


def make_lightgbm(n_classes, seed, n_threads, settings):
    import lightgbm

    estimator = lightgbm.LGBMClassifier if n_classes else lightgbm.LGBMRegressor
    return Model(estimator(random_state=seed, n_jobs=n_threads, verbosity=-1))


def make_catboost(n_classes, seed, n_threads, settings):
    import catboost

    estimator = catboost.CatBoostClassifier if n_classes else catboost.CatBoostRegressor
    return CatBoostModel(
        estimator(
            random_seed=seed, thread_count=n_threads, verbose=False, allow_writing_files=False
        ),
        as_text=True,
    )


def make_realmlp(n_classes, seed, n_threads, settings):
    import pytabkit

    estimator = pytabkit.RealMLP_TD_Classifier if n_classes else pytabkit.RealMLP_TD_Regressor
    return RealMLPModel(
        estimator(random_state=seed, n_threads=n_threads, device="cpu", verbosity=0)
    )


class Contestant(NamedTuple):
    title: str
    package: str
    make: object
    module: str = ""  # that make imports, if not named as the package


CONTESTANTS = {
    "fastnn": Contestant("fastnn", "fastnn", make_fastnn),
    "fastnn_mlp": Contestant("fastnn MLP", "fastnn", make_fastnn_mlp),
    "sklearn_mlp": Contestant("scikit-learn MLP", "scikit-learn", make_sklearn_mlp, "sklearn"),
    "histgb": Contestant("HistGradientBoosting", "scikit-learn", make_histgb, "sklearn"),
    "lightgbm": Contestant("LightGBM", "lightgbm", make_lightgbm),
    "catboost": Contestant("CatBoost", "catboost", make_catboost),
    "realmlp": Contestant("RealMLP-TD", "pytabkit", make_realmlp),
}


def find_failure(name):
    """Return why a contestant is not available, or None."""
    contestant = CONTESTANTS[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(contestant.module or contestant.package)
    except ModuleNotFoundError as error:
        return (
            "not installed" if error.name in (contestant.package, contestant.module) else str(error)
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if name == "fastnn" and not hasattr(module, "TabularClassifier"):
        return "this fastnn has no TabularClassifier"
    return None


def version_of(name):
    package = CONTESTANTS[name].package
    if package == "fastnn":
        import fastnn

        return fastnn.__version__
    return metadata.version(package)
