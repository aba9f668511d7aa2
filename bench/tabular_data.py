"""The tables of tabular.py: data sets of installed packages, generated ones, and files.

A table is a pandas DataFrame and a target. Text columns of ISO dates become datetimes. Other
columns keep the types that pandas gives them: numbers, booleans and text, with missing values.
"""

import pathlib
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold

MAX_CLASSES = 20  # integers with at most as many values are classes
DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?Z?")
SUFFIXES = ".csv", ".parquet"


class Table(NamedTuple):
    name: str
    X: pd.DataFrame
    y: np.ndarray  # class numbers from 0, or numbers
    n_classes: int  # 0: the target is a number
    folds: int  # default
    goals: tuple = ()  # error in percent and log-loss, or RMSE, that fastnn is to reach

    @property
    def task(self):
        return "classes" if self.n_classes else "numbers"

    def split(self, seed, fold):
        """Return the training rows and the test rows of a fold."""
        make_folds = StratifiedKFold if self.n_classes else KFold
        folds = make_folds(self.folds, shuffle=True, random_state=seed)
        return list(folds.split(self.X, self.y))[fold]

    def sample(self, n_rows):
        """Return the table with at most n random rows."""
        if n_rows is None or n_rows >= len(self.X):
            return self
        rows = np.sort(np.random.default_rng(0).permutation(len(self.X))[:n_rows])
        return self._replace(X=self.X.iloc[rows].reset_index(drop=True), y=self.y[rows])


# ---- data sets of installed packages, and generated ones ----


def load_scikit_learn(name):
    """Return the DataFrame and the target of a data set that ships with scikit-learn."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    return bunch.data, bunch.target


def load_statsmodels(name, target):
    """Return the DataFrame and the target of a data set that ships with statsmodels."""
    import statsmodels.datasets

    data = getattr(statsmodels.datasets, name).load_pandas().data
    return data.drop(columns=target), data[target]


def generate(name, *arguments, **settings):
    """Return the DataFrame and the target of a generator of scikit-learn."""
    X, y = getattr(datasets, f"make_{name}")(*arguments, random_state=0, **settings)
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), pd.Series(y)


def generate_classification():
    return generate(
        "classification",
        3000,
        20,
        n_informative=8,
        n_redundant=4,
        n_classes=3,
        n_clusters_per_class=4,
        class_sep=1,
        flip_y=0.05,
    )


# name: (folds, goals, function that loads the table). statsmodels has to be installed for "fair",
# "randhie" and "anes96". Their targets are counts (of affairs and of visits to a doctor) and votes.
BUILT_IN = {
    "breast_cancer": (5, (2.1, 0.075), lambda: load_scikit_learn("breast_cancer")),
    "wine": (5, (2.3, 0.075), lambda: load_scikit_learn("wine")),
    "iris": (5, (), lambda: load_scikit_learn("iris")),
    "digits": (3, (1.6, 0.095), lambda: load_scikit_learn("digits")),
    "moons": (2, (8.0, 0.195), lambda: generate("moons", 2000, noise=0.3)),
    "classification": (3, (21.5, 0.56), generate_classification),
    "anes96": (5, (), lambda: load_statsmodels("anes96", "vote")),
    "diabetes": (5, (0.712,), lambda: load_scikit_learn("diabetes")),
    "friedman1": (2, (0.216,), lambda: generate("friedman1", 2000, 10, noise=1)),
    "fair": (3, (), lambda: load_statsmodels("fair", "affairs")),
    "randhie": (3, (), lambda: load_statsmodels("randhie", "mdvis")),
}


def load_built_in(name):
    folds, goals, load = BUILT_IN[name]
    X, y = load()
    return make_table(name, X, y, folds=folds, goals=goals)


# ---- files ----


def list_files(folder):
    """Return {name: path} of the tables in a folder and in its subfolders classes and numbers."""
    folder = pathlib.Path(folder)
    paths = [
        path
        for part in ("", "classes", "numbers")
        for path in sorted((folder / part).glob("*"))
        if path.suffix in SUFFIXES
    ]
    return {path.stem: path for path in paths}


def load_file(path, target=None):
    """Load a table from a CSV or Parquet file.

    The target is the named column, or the last one. A folder named classes or numbers gives the
    task.
    """
    path = pathlib.Path(path)
    data = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    target = data.columns[-1] if target is None else target
    data = data[data[target].notna()].reset_index(drop=True)
    task = path.parent.name if path.parent.name in ("classes", "numbers") else None
    return make_table(path.stem, data.drop(columns=target), data[target], task)


def make_table(name, X, y, task=None, folds=None, goals=()):
    """Return a Table. Without a task, the values of y decide."""
    X = X.reset_index(drop=True)
    for column in X.columns[[is_text(X[column]) for column in X]]:
        texts = X[column].dropna()
        if len(texts) and all(isinstance(t, str) and DATE.fullmatch(t) for t in texts):
            X[column] = pd.to_datetime(X[column], format="ISO8601").dt.tz_localize(None)
    if task is None:
        task = "classes" if has_classes(y) else "numbers"
    if folds is None:
        folds = 5 if len(X) <= 5000 else 3 if len(X) <= 20_000 else 2
    if task == "classes":
        codes, classes = pd.factorize(y, sort=True)
        return Table(name, X, codes, len(classes), folds, goals)
    return Table(name, X, y.to_numpy(float), 0, folds, goals)


def is_text(column):
    """Return whether a column has text or categories, not numbers, booleans or datetimes."""
    return not (
        pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)
    )


def has_classes(y):
    """Return whether the values of a target are classes.

    Text, booleans, and integers with few values are classes.
    """
    if is_text(y) or pd.api.types.is_bool_dtype(y):
        return True
    values = y.unique()
    return len(values) <= MAX_CLASSES and bool(np.all(values == np.round(values)))
