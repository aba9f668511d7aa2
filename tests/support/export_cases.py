"""Models to export, with rows to predict and what fastnn predicts for them."""

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest

import fastnn
from fastnn.activations import ACTIVATIONS, HIDDEN

TOLERANCE = 1e-5  # of the largest prediction


@dataclass
class Case:
    """A fitted model and rows.

    Attributes
    ----------
    model : object
    X : ndarray, EncodedTable or DataFrame
    expected : ndarray (n, n_outputs)
    labels : ndarray (n,) or None
        The predicted classes.
    options : dict
        Of the export.
    """

    model: object
    X: object
    expected: np.ndarray
    labels: np.ndarray | None = None
    options: dict = field(default_factory=dict)


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()
    assert np.ptp(expected) > 1e-3 or len(expected) == 1  # not constant


# ---- networks ----


@cache
def networks():
    """{name: Case}: all activations as hidden and as output layers, in both dtypes; other shapes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)) * 1.5
    X[0], X[1] = 30, -30  # saturate
    out = {}
    for dtype in ("float32", "float64"):
        for name in ACTIVATIONS:
            hidden = name if name in HIDDEN else "tanh"
            hidden = [name, "tanh"] if name == "exponential" else hidden
            net = fastnn.MLP([4, 9, 6, 3], hidden, name, rng=1, dtype=dtype)
            net.params += 0.1 * rng.normal(size=net.n_params)
            rows = (X[2:] if name == "exponential" else X).astype(dtype)
            out[f"{name}_{dtype}"] = Case(net, rows, net.forward(rows))
    rows = X.astype("float32")
    confident = fastnn.MLP([4, 6, 3], "tanh", "softmax", rng=6)
    confident.params *= 200  # logits far above 88, the logarithm of the largest float32
    for name, net in {
        "confident": confident,
        "no_bias": fastnn.MLP([4, 7, 2], "silu", bias=False, rng=2),
        "linear": fastnn.MLP([4, 1], rng=3),
        "deep": fastnn.MLP([4, 3, 8, 5, 2, 6, 1], "elu", rng=4),
    }.items():
        out[name] = Case(net, rows, net.forward(rows))
    for dtype in ("float32", "float64"):
        for name, table in tables(rng, dtype).items():
            net = fastnn.MLP([table.n_inputs, 6, 2], "tanh", rng=5, dtype=dtype)
            options = dict(layout=table.layout)
            out[f"{name}_{dtype}"] = Case(net, table, net.forward(table), options=options)
    return out


def tables(rng, dtype):
    """{name: EncodedTable}: all kinds of cells, and each kind alone."""
    n = 30
    numbers = dict(numbers=rng.normal(size=(n, 2)))
    positions = rng.uniform(0, 5, (n, 3))
    positions[:2] = [[0, 0, 0], [5, 6, 1]]  # both ends
    positions[:, 2] = positions[:, 2] / 5
    positions = dict(positions=positions, n_bins=[5, 6, 1], position_scale=[0.5, 1, 2])
    codes = dict(codes=rng.integers(-1, 4, (n, 2)), n_categories=[4, 7], code_scale=[1.5, 1])
    return {
        "cells": fastnn.EncodedTable(**numbers, **positions, **codes, dtype=dtype),
        "positions": fastnn.EncodedTable(**positions, dtype=dtype),
        "codes": fastnn.EncodedTable(**codes, dtype=dtype),
    }


# ---- estimators for arrays ----


@cache
def estimators():
    """{name: Case}: classes of all kinds, labels, ensembles, losses with several outputs."""
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    from sklearn.datasets import load_diabetes, load_iris

    from fastnn import MLPClassifier, MLPRegressor, losses

    X, y = load_iris(return_X_y=True)
    names = np.array(['say "hi"\\?', "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "b\nc"])
    settings = dict(hidden_layer_sizes=(5,), max_iter=15, n_iter_no_change=np.inf, random_state=0)
    settings |= dict(learning_rate_init=0.01, activation="silu")
    labels = np.stack([y > 0, y > 1, X[:, 0] > 5.8], 1).astype(int)
    fitted = {
        "texts": MLPClassifier(**settings).fit(X, names[y]),
        "ints": MLPClassifier(**settings, n_estimators=3).fit(X.astype("float32"), y * 10 - 3),
        "floats": MLPClassifier(**settings).fit(X, y * 1.0),
        "binary": MLPClassifier(**settings).fit(X, y > 0),
        "binary_ensemble": MLPClassifier(**settings, n_estimators=2).fit(X, names[(y > 1) * 1]),
        "calibrated": MLPClassifier(**settings).fit(X[::2], y[::2]).calibrate(X[1::2], y[1::2]),
        "multilabel": MLPClassifier(**settings).fit(X, labels),
    }
    out = {n: Case(clf, X, clf.predict_proba(X), clf.predict(X)) for n, clf in fitted.items()}
    X, y = load_diabetes(return_X_y=True)
    X, y = X * 20, y / 100
    for name, loss, targets in (
        *(("mean", "squared_error", y), ("counts", "poisson", y)),
        ("two_targets", "squared_error", np.stack([y, -y], 1)),
        ("gaussian", "gaussian_nll", np.stack([y, y**2], 1)),
        ("quantiles", losses.Quantile((0.1, 0.5, 0.9)), y),
        ("scaled", "squared_error", y),
    ):
        settings["n_estimators"] = 1 + (name in ("gaussian", "scaled"))
        reg = MLPRegressor(**settings, loss=loss).fit(X, targets)
        out[name] = Case(reg, X, reg.predict(X).reshape(len(X), -1))
    return out


# ---- estimators for tables ----

N = 120


def frame():
    """A DataFrame with columns of all kinds; the last rows have what the others lack."""
    import pandas as pd

    rng = np.random.default_rng(0)
    days = np.datetime64("2023-12-01") + rng.integers(0, 500, N).astype("timedelta64[D]")
    X = pd.DataFrame({"area, m\N{SUPERSCRIPT TWO}": rng.normal(80, 30, N)})
    X["few values"] = rng.integers(0, 6, N) / 10
    X["yes"] = rng.random(N) < 0.5
    X["int"] = rng.choice(["north", "centre", 'say "*/ ??/"', "\N{SNOWMAN}\\"], N)
    X["INT"] = rng.choice([7, 1000, 1e20, -3], N)
    X[""] = rng.choice(["p", "q"], N)
    X["listed"] = days + rng.choice(24, N).astype("timedelta64[h]")
    X["built"] = days.astype("datetime64[s]")
    X["gap"] = 1.0
    X["same"] = 1
    for name in ("area, m\N{SUPERSCRIPT TWO}", "int", "listed", "gap"):
        X.loc[rng.random(N) < 0.15, name] = None
    return X


def new_rows():
    """Rows with values that the training rows lack."""
    X = frame()[:40].copy()
    X.loc[0] = None, 1e9, True, "new", 5.0, "new", None, None, None, 1
    X["built"] = X["built"].astype("datetime64[s]")
    X.loc[1, "listed"] = np.datetime64("1901-02-03T04:05:06")
    X.loc[2, "int"] = None
    X.loc[3, "INT"] = np.nan
    return X


#: Weights of the last layers are multiplied by this, so that some predictions are limited.
FACTORS = dict(table_mean=30, table_two=20, table_log=10, table_array=50)
FACTORS |= dict(table_texts=9, table_ints=9)


def strengthen(model, name):
    for net in model.model_.networks():
        net.weights[-1] = net.weights[-1] * FACTORS.get(name, 1)
    return model


NEW_TEXTS = [None, "", "...x", "unknown words", "\x1b[31mred", "CR\xc8ME cr\xe8me", "bad " * 900]
NEW_TEXTS += ["\u9910\u5385\u9910", "\u0423\u0436\u0430\u0441", "\U0001f44d\U0001f3fd"]

#: Where months and years begin and end.
DAYS = "02-28", "02-28T23:59:59", "03-01", "03-01T00:00:01", "12-31", "01-01"


@cache
def tabular():
    """{name: Case}: tasks, losses and options; trained for a few epochs."""
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    from fastnn import TabularClassifier, TabularRegressor, losses
    from fastnn.estimators import spread
    from fastnn.tabular import split_check
    from fastnn.tabular.fitting import recipe

    X, new = frame(), new_rows()
    options = dict(n_estimators=2, hidden_layer_sizes=6, random_state=0, categories=["INT", "yes"])
    y = 3 + X["few values"] * 4 + X["yes"] + (X["int"] == "north") + X.iloc[:, 0].fillna(0) / 50
    names = np.array(["x", "y z", "\N{SNOWMAN}"])
    third = np.digitize(y, y.quantile([0.3, 0.7]))
    regressors = {
        "table_mean": {},
        "table_quantiles": dict(loss=losses.Quantile((0.9, 0.1, 0.5)), hidden_layer_sizes=(5, 4)),
        "table_counts": dict(loss="poisson", n_estimators=1),
        "table_log": dict(log_target=True, dates=["built"], drop=["int"]),
        "table_monotone": dict(monotone={"few values": 1}),
    }
    classifiers = {
        "table_texts": (names[third], {}),
        "table_ints": (third - 1, dict(n_estimators=3)),
        "table_truths": (third > 1, dict(threshold="cost:2,1")),
        "table_two": (names[(third > 0) * 1], {}),
        "table_rising": (names[(third > 0) * 1], dict(monotone={"few values": 1})),
    }
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "n_epochs", lambda configuration, n: 8)
        patch.setattr(split_check, "MAX_SECONDS", 0)  # longer than the trainings
        for name, settings in regressors.items():
            with patch.context() as few:
                few.setattr(spread, "MIN_ERRORS", 10)
                reg = TabularRegressor(**options | settings).fit(X, y)
            strengthen(reg, name)
            out[name] = Case(reg, new, reg.predict(new).reshape(len(new), -1))
        for name, (labels, settings) in classifiers.items():
            clf = strengthen(TabularClassifier(**options | settings).fit(X, labels), name)
            out[name] = Case(clf, new, clf.predict_proba(new), clf.predict(new))
        values = np.array([[i % 7, i * 0.5, "ab"[i % 2]] for i in range(N)], object)
        reg = TabularRegressor(n_estimators=2, random_state=0).fit(values, y)
        strengthen(reg, "table_array")
        out["table_array"] = Case(reg, values, reg.predict(values)[:, None])
        out["table_dates"] = dates()
    return out


def dates():
    """Classes that depend on the weekday, the month and the day of the year, with all days."""
    import pandas as pd

    from fastnn import TabularClassifier
    from fastnn.tabular.fitting import recipe

    seconds = np.arange("1966-01-01", "1974-01-01", dtype="datetime64[D]").astype("datetime64[s]")
    seconds = np.r_[seconds, seconds - np.timedelta64(1, "s")]
    days = pd.DatetimeIndex(seconds)
    X = pd.DataFrame({"day": seconds, "other": np.where(days.day == 29, np.nan, 1)})
    y = (days.day_of_week < 2) + (days.month % 3 == 0) + (days.day_of_year % 5 == 0)
    y = y + days.day // 16
    all_of = recipe.configurations
    with_days = lambda *sizes: [c for c in all_of(*sizes) if c.encoding.days]  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "configurations", with_days)
        clf = TabularClassifier(1, hidden_layer_sizes=16, random_state=0).fit(X, y)
    parts = {f.part for f in (*clf.model_.features.numbers, *clf.model_.features.categories)}
    assert {"day of month", "weekday", "month", "day of year"} < parts
    assert all(clf.model_.encoders[0].n_categories)
    assert abs(clf.model_.targets.temperature - 1) > 0.05
    new = np.arange("1599-12-01", "2401-04-01", 53, dtype="datetime64[D]").astype("datetime64[s]")
    ends = [f"{year}-{day}" for year in range(1600, 2500, 100) for day in DAYS]
    ends += [f"{year}-02-29" for year in (1600, 2000, 2004, 2400)]
    new = np.r_[days[:2922], new, np.array(ends, "datetime64[s]")]
    new = pd.DataFrame({"day": new, "other": 1.0})
    new.loc[0, "day"] = None
    return Case(clf, new, clf.predict_proba(new), clf.predict(new))


@cache
def free_text():
    """{name: Case}: folds with a layer each, one layer for all networks, and two columns of text.

    The first new rows have texts that the training rows lack. ONNX has no free text.
    """
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    import pandas as pd

    from fastnn import TabularClassifier, TabularRegressor
    from fastnn.estimators import spread
    from fastnn.tabular import split_check
    from fastnn.tabular.fitting import recipe

    rng = np.random.default_rng(0)
    words = np.array("Good bad soup 7 cr\xe8me \u9910\u5385 \N{SNOWMAN} table. night".split())
    drawn = words[rng.integers(0, len(words), (N, 2, 6))]
    X = pd.DataFrame([[" ".join(words) for words in row] for row in drawn], columns=["text", "new"])
    X["z"] = rng.normal(size=N)
    y = (drawn[:, 0] == "Good").sum(1) - (drawn[:, 1] == "bad").sum(1) + X["z"]
    third = np.digitize(y, y.quantile([0.3, 0.7]))
    new = X.copy()
    new.loc[: len(NEW_TEXTS) - 1, "text"] = NEW_TEXTS
    options = dict(hidden_layer_sizes=6, random_state=0, texts=["text"])
    both = options | dict(texts=["text", "new"])
    fitted = {
        "text_folds": (TabularClassifier(3, **options), ["z", "text"], third),
        "text_two": (TabularClassifier(2, **both), ["text", "new", "z"], third > 0),
        "text_fold": (TabularClassifier(1, **options), ["z", "text"], third),
        "text_alone": (TabularClassifier(2, **options), ["text"], third > 0),
        "text_pairs": (TabularRegressor(2, **options), ["z", "text"], y),
        "text_forward": (TabularRegressor(2, **options), ["text", "z"], y),
    }
    out, all_of = {}, recipe.configurations
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "n_epochs", lambda configuration, n: 8)
        patch.setattr(split_check, "MAX_SECONDS", 0)  # longer than the trainings
        for name, (model, columns, target) in fitted.items():
            if name == "text_pairs":  # of networks, whose outputs are averaged
                in_pairs = lambda *sizes: [c for c in all_of(*sizes) if c.snapshots]  # noqa: E731
                patch.setattr(recipe, "configurations", in_pairs)
            patch.setattr(spread, "MIN_ERRORS", 20 if name == "text_pairs" else 100)
            model.fit(X[columns], target, time=np.arange(N) if name == "text_forward" else None)
            rows = new[columns]
            if model.is_classifier:
                out[name] = Case(model, rows, model.predict_proba(rows), model.predict(rows))
            else:
                out[name] = Case(model, rows, model.predict(rows)[:, None])
    assert len(out["text_pairs"].model.model_.members[0].networks[0]) == 2
    return out


@cache
def intervals():
    """{name: Case}: predictions and intervals in all ways in which a file computes them."""
    cases, out = estimators() | tabular() | free_text(), {}
    scaled = "table_mean", "table_counts", "table_log", "text_pairs", "scaled"
    quantiles, cv_plus, one_width = "table_quantiles", ("table_array", "gaussian"), "text_forward"
    for name in (*scaled, quantiles, *cv_plus, one_width):
        model, X, Y = cases[name].model, cases[name].X, cases[name].expected
        found = getattr(model, "model_", None)
        spread = getattr(model, "spread_", getattr(found, "spread", None))
        assert (spread is not None) == (name in scaled)
        assert getattr(found, "is_forward", False) == (name == one_width)
        if name == "table_counts":  # so wide that half of the lower bounds are 0
            lower, upper = model.predict_interval(X, 0.8)
            times = np.median((upper + lower) / (upper - lower))
            spread = replace(spread, unit=times * spread.unit)
            model.model_ = replace(found, spread=spread)
        if name == "table_mean":  # so narrow that half of the bounds are at a limit
            found.targets.limits = tuple(map(np.median, model.predict_interval(X, 0.8)))
        bounds = [bound.reshape(len(Y), -1) for bound in model.predict_interval(X, 0.8)]
        assert name != "table_counts" or bounds[0].min() == 0 < bounds[0].max()
        out[name] = Case(model, X, np.hstack([Y, *bounds]), options=dict(interval=0.8))
    return out


def passed(model, X):
    """The values of the columns in use, as an exported file takes them: {name: list}."""
    import pandas as pd

    names = list(X.columns) if isinstance(X, pd.DataFrame) else range(X.shape[1])
    out = {}
    for i, name in enumerate(names):
        if name not in model.columns_:
            continue
        values = X[name] if isinstance(X, pd.DataFrame) else pd.Series(X[:, i])
        key = name if isinstance(name, str) and name else f"x{i}"
        if pd.api.types.is_datetime64_dtype(values):
            seconds = values.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
            out[key] = np.where(values.isna(), np.nan, seconds).tolist()
        elif any(isinstance(value, str) for value in values):
            out[key] = [None if pd.isna(value) else value for value in values]
        else:
            out[key] = [np.nan if pd.isna(value) else float(value) for value in values]
    return out
