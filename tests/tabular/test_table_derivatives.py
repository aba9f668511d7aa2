"""Derivatives of the predictions for tables, compared with finite differences of the predictions."""

from copy import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_within
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.encoded_table import table_of
from fastnn.tabular import derivatives
from fastnn.tabular.encoder import Encoder, EncoderSettings
from fastnn.tabular.model import EnsembleMember, make_network

pytestmark = pytest.mark.usefixtures("quick_module")
SMALL = dict(n_estimators=2, hidden_layer_sizes=4, random_state=0)
N = 90
rng = np.random.default_rng(0)
X = pd.DataFrame({"town": rng.choice(["Rome", "Oslo", None], N)})
X["price"] = [f"${x:,.2f}" for x in rng.lognormal(7, 1, N)]
X["size"] = np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N))
X["day"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 500, N), "D")
X["known"] = np.where(rng.random(N) < 0.5, np.nan, 1.0)  # only whether it is missing counts
X["same"] = 1  # left out
X["stars"] = rng.integers(1, 6, N)
score = X["size"].fillna(1).to_numpy() + (X["town"] == "Oslo") + X["stars"] / 4
# edges of bins may be whole numbers
BETWEEN = X.assign(stars=X["stars"] + rng.uniform(0.1, 0.9, N))
QUANTILES = losses.Quantile((0.9, 0.1, 0.5))
KINDS = {
    "number": lambda: TabularRegressor(**SMALL).fit(X, 10 * score),
    "log target": lambda: TabularRegressor(**SMALL, log_target=True).fit(X, np.exp(score)),
    "counts": lambda: TabularRegressor(**SMALL, loss="poisson").fit(X, np.floor(abs(score))),
    "quantiles": lambda: TabularRegressor(**SMALL, loss=QUANTILES).fit(X, score),
    "two classes": lambda: TabularClassifier(**SMALL).fit(X, score > 1.5),
    "three classes": lambda: TabularClassifier(**SMALL).fit(X, np.digitize(score, [1.0, 2.0])),
}  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS)


fitted = cache(lambda kind: KINDS[kind]())


class ExactEncoder(Encoder):
    """Encodes in float64. Positions in bins are interpolated."""

    def encode(self, numbers, codes):
        plain, positions = [], []
        for scaling, edges, x in zip(self.scalings, self.edges, numbers):
            z = np.nan_to_num((x - scaling.median) * scaling.factor)
            plain.append(self.unit * z / np.hypot(1, z / 3))
            if scaling.marks_missing:
                plain.append(self.flag * np.isnan(x))
            if edges:
                x = np.nan_to_num(x, nan=scaling.median)
                positions.append(np.interp(x, edges, range(len(edges))))
        table = super().encode(numbers, codes)
        parts = np.stack(plain, 1), np.array(positions).T.reshape(len(codes), -1), table.codes
        return table_of(parts, table.layout)


@pytest.fixture(scope="module")
def remade():
    """remade(kind) is fitted once, and then gets random networks of two encoders.

    One encoder has bins, and its networks are those of two epochs. Networks predict far from the
    bounds of predictions.
    """

    @cache
    def make(kind, dtype="float64"):
        estimator = copy(fitted(kind))
        model, random = estimator.model_, np.random.default_rng(3)
        numbers, _ = model.features.transform(next(estimator._read_batches(X)))
        scalings, n_categories = model.encoders[0].scalings, model.encoders[0].n_categories
        cls, pairs = ExactEncoder if dtype == "float64" else Encoder, list(zip(scalings, numbers))
        each = EncoderSettings(0), EncoderSettings(8)
        encoders = [cls.fit(pairs, n_categories, score, settings, 6) for settings in each]
        targets = copy(model.targets)
        if not targets.is_classifier:
            targets.lift_bounds()
        else:
            targets.temperature = 1.3

        def network(encoder):
            sizes = [encoder.n_inputs, 6, 5, model.targets.n_out]
            n_params = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
            params = random.normal(0, 0.4, n_params).astype(dtype)
            if kind == "quantiles":
                params[-3:] = 4, -4, 0  # they do not cross
            return make_network(sizes, model.targets.output, params)

        members = [
            EnsembleMember(i, weight, [[network(encoder) for _ in range(i + 1)] for _ in range(2)])
            for i, (weight, encoder) in enumerate(zip((0.3, 0.7), encoders))
        ]
        estimator.model_ = replace(model, encoders=encoders, members=members, targets=targets)
        return estimator

    return make


def predict_features(estimator, numbers, codes):
    """The predictions of features, (n, n_outputs)."""
    folds = estimator.model_.predict_features(numbers, codes, 1)
    return estimator.model_.targets.calibrate(folds.mean(axis=0)).reshape(len(codes), -1)


def column_difference(estimator, name, h=4e-4):
    """The derivative of the predictions of BETWEEN in a column, by central differences of 4th order; NaN
    where it is missing, or an edge of a bin is within them."""
    model = estimator.model_
    j = number_of(model, name)
    numbers, codes = model.features.transform(next(estimator._read_batches(BETWEEN)))
    h /= model.encoders[0].scalings[j].factor
    ends = []
    for step in (-2, -1, 1, 2):
        moved = numbers[j] + step * h
        ends.append(predict_features(estimator, [*numbers[:j], moved, *numbers[j + 1 :]], codes))
    out = np.tensordot([1, -8, 8, -1], ends, axes=1) / (12 * h)
    near = np.abs(numbers[j][:, None] - np.array(model.encoders[1].edges[j])).min(axis=1) <= 2 * h
    out[near | np.isnan(numbers[j])] = np.nan
    return out


def number_of(model, name):
    """The position of a column in `Features.numbers`."""
    return [model.features.columns[f.source].label for f in model.features.numbers].index(name)


def all_outputs(estimator, table=BETWEEN):
    """The derivatives, (n, n_outputs, n_columns)."""
    D = estimator.predict_derivatives(table)
    return D[:, None] if D.ndim == 2 else D


@each_kind
def test_derivatives_of_each_column(kind, remade):
    estimator = remade(kind)
    assert estimator.derivative_columns_ == ["price", "size", "stars"]
    D = all_outputs(estimator)
    for j, name in enumerate(estimator.derivative_columns_):
        found, expected = D[:, :, j], column_difference(estimator, name)
        checked = np.isfinite(expected).all(axis=1)
        assert checked.sum() > N / 2 and len(np.unique(expected[checked])) > 5
        assert_within(found[checked], expected[checked], 1e-9 * np.nanmax(abs(expected)), name)
        assert_array_equal(np.isnan(found).any(axis=1), X[name].isna())


@each_kind
def test_rounding_in_float32(kind, remade):
    """A sum of up to 40 terms is off by 40 roundings at most, and there are three layers of weights
    whose derivatives are of order 1."""
    found, expected = (all_outputs(remade(kind, dtype)) for dtype in ("float32", "float64"))
    present = ~np.isnan(expected)
    bound = 3 * 40 * np.finfo(np.float32).eps * np.nanmax(abs(expected), axis=(0, 1))
    assert_array_equal(~np.isnan(found), present)
    assert_within(found[present], expected[present], np.broadcast_to(bound, found.shape)[present])


@pytest.mark.parametrize("kind", ["log target", "three classes"])
def test_a_fitted_model(kind):
    """h is so large that rounding of predictions in float32 divided by it is as small as h^2. There
    are edges of bins, and predictions are clipped: some rows have two derivatives.
    """
    estimator, h = fitted(kind), 5e-3
    predict = estimator.predict_proba if estimator.is_classifier else estimator.predict
    table = X[X["size"].notna()]
    low, high = (predict(table.assign(size=table["size"] + step)) for step in (-h, h))
    found = estimator.predict_derivatives(table, "size")[..., 0]
    expected = (high - low) / (2 * h)
    assert np.quantile(np.abs(found - expected), 0.85) < 1e-3 * np.ptp(expected)


def test_texts_are_the_numbers_that_they_stand_for(remade):
    estimator = remade("number")
    plain = X["price"].str.replace("[$,]", "", regex=True).astype(float)
    assert_same_bits(all_outputs(estimator, BETWEEN.assign(price=plain)), all_outputs(estimator))


# ---- conventions ----


def test_an_edge_of_a_bin_has_the_derivative_of_the_right_side(remade):
    estimator = remade("number")
    edges = np.array(estimator.model_.encoders[1].edges[1])
    sides = (pd.concat([X[:1]] * len(edges)).assign(size=edges + step) for step in (0, -1e-9, 1e-9))
    on, left, right = (all_outputs(estimator, side)[:, 0, 1] for side in sides)
    np.testing.assert_allclose(on, right, rtol=1e-6)
    assert (np.abs(on / left - 1) > 1e-4).all()


def test_far_numbers_have_derivative_0(remade):
    for kind in "number", "two classes":
        far = all_outputs(remade(kind), X[:2].assign(size=[1e200, -1e308]))
        assert_array_equal(far[:, :, 1], 0)


def test_a_prediction_that_is_clipped_has_derivative_0(remade):
    for kind in "number", "log target", "quantiles":
        estimator = remade(kind, "float32")
        targets, before = estimator.model_.targets, estimator.model_.targets.bounds
        middle = np.median(estimator.predict(X))
        targets.bounds = middle, middle + 1e-6
        try:
            assert_array_equal(np.nan_to_num(all_outputs(estimator)), 0)
        finally:
            targets.bounds = before


CHANGED = {
    "three classes": [[0.9, 0.08, 0.02]],  # the last is clipped to be above 0
    "quantiles": [[0.1, 0.3, 0.2]],  # they cross
}


@pytest.mark.parametrize(("kind", "Y"), CHANGED.items())
def test_outputs_that_are_clipped_or_sorted(kind, Y, remade):
    targets = remade(kind).model_.targets
    Y, J = np.array(Y), np.array([[[2.0], [-3.0], [1.0]]])
    h = 1e-6
    ends = [targets.finish(Y + step * J[:, :, 0]) for step in (-h, h)]
    P, D = targets.finish_derivatives(Y, J)
    assert_within(D[:, :, 0], (ends[1] - ends[0]) / (2 * h), 1e-8)
    assert_array_equal(P, targets.finish(Y))


def test_numbers_whose_values_are_categories_are_left_out(remade):
    estimator = remade("number", "float32")
    model = estimator.model_
    numbers, _ = model.features.transform(next(estimator._read_batches(X)))
    pairs = list(zip(model.encoders[1].scalings, numbers))
    n_categories = model.encoders[1].n_categories
    values = Encoder.fit(pairs, n_categories, score, EncoderSettings(16, values=True), 6)
    try:
        estimator.model_ = replace(model, encoders=[model.encoders[0], values])
        assert values.values[number_of(model, "stars")] == [1, 2, 3, 4, 5]
        assert estimator.derivative_columns_ == ["price", "size"]
        message = "'stars' has no derivatives: the networks read its values"
        with pytest.raises(ValueError, match=message):
            estimator.predict_derivatives(X, "stars")
        unused = [replace(member, weight=1 - member.encoder) for member in model.members]
        estimator.model_ = replace(estimator.model_, members=unused)
        assert estimator.derivative_columns_ == ["price", "size", "stars"]
    finally:
        estimator.model_ = model


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_derivatives_of_one_class_are_0():
    clf = TabularClassifier(**SMALL).fit(X, ["a"] * N)
    missing = X[["price", "size", "stars"]].isna().to_numpy()
    expected = np.where(missing, np.nan, 0.0)[:, np.newaxis]
    assert missing.any()
    assert_array_equal(clf.predict_derivatives(X), expected)


# ---- rows and columns ----


@each_kind
def test_rows_threads_and_blocks_do_not_matter(kind, remade, monkeypatch):
    estimator = remade(kind, "float32")
    D = estimator.predict_derivatives(X)
    outputs = {"two classes": [2], "three classes": [3], "quantiles": [3]}.get(kind, [])
    assert D.shape == (N, *outputs, 3)
    assert_same_bits(estimator.predict_derivatives(X[7:8]), D[7:8])
    monkeypatch.setattr(estimator, "n_threads", 2)
    monkeypatch.setattr(derivatives, "BLOCK_VALUES", 600)
    assert_same_bits(estimator.predict_derivatives(X), D)
    for columns, chosen in [("stars", [2]), (["size", "price"], [1, 0])]:
        assert_same_bits(estimator.predict_derivatives(X, columns), D[..., chosen])
    if estimator.is_classifier:
        assert np.abs(np.nan_to_num(D).sum(axis=1)).max() < 1e-12


def test_derivatives_of_columns_without_names():
    model = TabularRegressor(**SMALL, loss=losses.Quantile((0.1, 0.9))).fit(X.to_numpy(), score)
    assert model.derivative_columns_ == [1, 2, 6]
    D = model.predict_derivatives(X.to_numpy()[:3])
    assert D.shape == (3, 2, 3)
    assert_same_bits(model.predict_derivatives(X.to_numpy()[:3], 6), D[..., 2:])


NO_NUMBER = "has no derivatives: it is a category"
WRONG = {  # rows, columns, and the message
    "a category": (X, "town", f"Column 'town' {NO_NUMBER}. derivative_colu"),
    "a date": (X, ["size", "day"], r"'day' .* it is a date\..* Use effect\('day'\)"),
    "presence": (X, ["known"], "'known' .* whether it is missing"),
    "not used": (X, "same", "does not use a column 'same'"),
    "misspelt": (X, ["stras"], "Did you mean 'stars'"),
    "no columns": (X, [], "columns is empty"),
    "a column is missing": (X.drop(columns="size"), None, "X has no column 'size'"),
    "a text": (X.assign(size="big"), None, "'size' holds 'big'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_columns_and_rows(name, remade):
    rows, columns, message = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=message):
        remade("number").predict_derivatives(rows, columns)


def test_a_table_without_numbers():
    model = TabularRegressor(**SMALL).fit(X[["town", "day"]], score)
    assert model.derivative_columns_ == []
    with pytest.raises(ValueError, match="No column has derivatives"):
        model.predict_derivatives(X)


def test_an_estimator_that_is_not_fitted():
    for use in (lambda m: m.predict_derivatives(X), lambda m: m.derivative_columns_):
        with pytest.raises(NotFittedError):
            use(TabularRegressor())
