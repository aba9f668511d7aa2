"""Inputs of the estimators: data frames, Arrow tables, sparse matrices, and their errors and
warnings."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import scale

from fastnn import MLPClassifier, MLPRegressor
from fastnn.callbacks import Callback
from fastnn.core import sparse_rows
from fastnn.estimators import inputs
from fastnn.schedules import ReduceOnPlateau, StepDecay
from fastnn.training import session

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X = scale(X)
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
METHODS = "predict", "predict_proba", "predict_log_proba", "decision_function"
RNG = np.random.default_rng(0)
MOSTLY_ZERO = np.where(RNG.uniform(size=(300, 40)) < 0.15, RNG.normal(size=(300, 40)), 0.0)
SIGN = (MOSTLY_ZERO @ RNG.normal(size=40) > 0).astype(int)


def quick(**settings):
    defaults = dict(max_iter=30, learning_rate_init=0.01, random_state=0)
    return MLPClassifier(**{"hidden_layer_sizes": (8,)} | defaults | settings)


@pytest.fixture(scope="module")
def arrays_clf():
    """A classifier of arrays. It is not changed."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return quick().fit(X, y)


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_tables_with_names(library, arrays_clf):
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[library]
    frame = make(dict(zip(NAMES, X.T)))
    net = quick().fit(frame, y)
    assert_array_equal(net.predict_proba(frame), arrays_clf.predict_proba(X))
    assert net.feature_names_in_.tolist() == NAMES
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)


def test_series_and_columns_as_targets(arrays_clf):
    kinds = pd.Series, pl.Series, pa.array, np.ndarray.tolist
    as_category, as_texts = pd.Series(y, dtype="category"), pd.Series(y.astype(str))
    for target in (*(kind(y) for kind in kinds), as_category, as_texts):
        found = quick().fit(X, target).predict(X).astype(int)
        assert found.tolist() == arrays_clf.predict(X).tolist()
    regression = MLPRegressor(max_iter=5, random_state=0).fit(X, pd.DataFrame({"a": y, "b": -y}))
    assert regression.predict(X).shape == (150, 2)


def integers(a):
    return (10 * a).astype(int)


def frame_of(a):
    return pd.DataFrame(a, columns=NAMES)


PLAIN = {  # kinds of numbers that need no check of scikit-learn
    "float32": lambda a: a.astype("float32"),
    "integers": integers,
    "truths": lambda a: a > 0,
    "Fortran": np.asfortranarray,
    "every second row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "a list": lambda a: a.tolist(),
    "a list of arrays": list,
    "a data frame": lambda a: frame_of(a),
    "columns of several types": lambda a: frame_of(a).assign(**{NAMES[0]: integers(a)[:, 0]}),
}


@pytest.mark.parametrize("settings", [{}, dict(n_estimators=2), dict(n_threads=2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PLAIN)
def test_numbers_need_few_checks(name, dtype, settings, monkeypatch, calls_of):
    net = quick(dtype=dtype, **settings)
    net.fit(frame_of(X) if "frame" in name or "columns" in name else X, y)
    checked, rows = calls_of(inputs, "validate_data"), PLAIN[name](X)
    fast = net.predict_proba(rows), net.predict_proba(rows[:1]), net.decision_function(rows)
    assert not checked
    monkeypatch.setattr(inputs, "_plain_numbers", lambda *arguments: None)
    slow = net.predict_proba(rows), net.predict_proba(rows[:1]), net.decision_function(rows)
    assert checked
    for a, b in zip(fast, slow):
        assert_same_bits(a, b)


OTHERS = {
    "texts": ([["a", 1, 2, 3]], "X must hold numbers, got 'a'"),
    "rows of several lengths": ([[1, 2], [3]], "X is not a rectangular array: "),
    "no rows": (np.zeros((0, 4)), "0 sample"),
    "one dimension": (np.zeros(4), "Expected 2D array, got 1D"),
    "another width": ([[1.0, 2.0]], "X has 2 features, but MLPClassifier is expecting 4"),
    "NaN": ([[1, 2, np.nan, 4]], "X contains NaN .first in row 0, column 2"),
    "too large for float32": (np.full((1, 4), 1e300), "X contains inf|infinity"),
    "complex numbers": (np.ones((1, 4), complex), "Complex data not supported"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("name", OTHERS)
def test_errors_of_other_inputs(name):
    net = quick(dtype="float32").fit(X, y)
    rows, message = OTHERS[name]
    for method in (net.predict_proba, net.predict_log_proba, net.predict_derivatives):
        with pytest.raises(ValueError, match=message):
            method(rows)


def test_frames_without_the_names_of_fit_are_checked(arrays_clf):
    frame = pd.DataFrame(X, columns=NAMES)
    named = quick().fit(frame, y)
    for net, rows, message in (
        (arrays_clf, frame, "X has feature names, but MLPClassifier was fitted without"),
        (named, X.tolist(), "does not have valid feature names"),
    ):
        with pytest.warns(UserWarning, match=message):
            net.predict(rows)
    missing = frame.assign(**{NAMES[1]: pd.array([1, None] * 75, dtype="Int64")})
    for rows, message in ((missing, "NaN"), (frame[NAMES[::-1]], "feature names")):
        with pytest.raises(ValueError, match=message):
            named.predict(rows)


# ---- sparse ----

KINDS = [sparse.csr_matrix, sparse.csc_matrix, sparse.lil_matrix]
KINDS += [sparse.coo_array, sparse.csr_array]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_sparse_rows_without_shuffling_give_the_bits_of_dense(kind):
    X_sparse = kind(MOSTLY_ZERO)
    others = dict(solver="sgd", batch_size=7), dict(early_stopping=True, max_iter=10)
    for settings in ({}, *others, dict(alpha=0.1, batch_size=50)):
        nets = (quick(shuffle=False, **settings) for _ in "ab")
        a, b = (net.fit(rows, SIGN) for net, rows in zip(nets, (X_sparse, MOSTLY_ZERO)))
        assert_array_equal(a.network_.params, b.network_.params)
        assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-12)
        for method in ("predict_proba", "decision_function"):
            assert_array_equal(getattr(a, method)(X_sparse), getattr(b, method)(MOSTLY_ZERO))
        assert a.validation_scores_ == b.validation_scores_
        assert (a.n_iter_, a.t_) == (b.n_iter_, b.t_)


def test_sparse_rows_are_made_dense_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 64 * 40 * 8)
    widest = []
    original = sparse.csr_matrix.toarray

    def toarray(self, *arguments, **more):
        widest.append(self.shape[0])
        return original(self, *arguments, **more)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", toarray)
    X_sparse = sparse.csr_matrix(MOSTLY_ZERO)
    a, b = nets = [quick(batch_size=10, shuffle=False) for _ in "ab"]
    for net, rows in zip(nets, (X_sparse, MOSTLY_ZERO)):
        net.set_params(validation_data=(rows, SIGN)).fit(rows, SIGN).partial_fit(rows, SIGN)
    probabilities = a.predict_proba(X_sparse)
    assert widest and max(widest) <= 64
    assert_array_equal(a.network_.params, b.network_.params)
    assert_array_equal(probabilities, b.predict_proba(MOSTLY_ZERO))
    assert_allclose(a.validation_loss_curve_, b.validation_loss_curve_, rtol=1e-12)
    assert quick(batch_size=10).fit(X_sparse, SIGN).score(X_sparse, SIGN) > 0.8


def test_sparse_rows_schedules_weights_and_callbacks():
    X_sparse, w = sparse.csr_matrix(MOSTLY_ZERO), RNG.uniform(size=300)
    sgd = dict(solver="sgd", shuffle=False)
    settings = dict(schedule=StepDecay(0.1, every=3, factor=0.5), batch_size=32, max_iter=9, **sgd)
    seen: list = []
    a = quick(callbacks=lambda net, history: seen.append(history.n_epochs), **settings)
    a.fit(X_sparse, SIGN, w)
    b = quick(**settings).fit(MOSTLY_ZERO, SIGN, w)
    assert_array_equal(a.network_.params, b.network_.params)
    assert seen == list(range(1, 10)) and a.network_.state.epoch == 9
    plateau = dict(schedule=ReduceOnPlateau(0.3, patience=1), max_iter=40, **sgd)
    a, b = (quick(**plateau).fit(X, SIGN) for X in (X_sparse, MOSTLY_ZERO))
    assert_array_equal(a.network_.params, b.network_.params)
    assert a.network_.state.plateau == b.network_.state.plateau


def test_callbacks_are_called_during_a_sparse_fit(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 64 * 40 * 8)
    monkeypatch.setattr(session, "SLICE_SECONDS", 0.0)  # a look after every block, or within it
    events = []

    class Watcher(Callback):
        interval = 1e-9

        def on_fit_begin(self, net, history):
            events.append("begin")

        def on_interval(self, net, history):
            events.append("interval")

        def on_epoch_end(self, net, history):
            events.append("epoch")
            return history.n_epochs == 2

        def on_fit_end(self, net, history):
            events.append("end")

    net = quick(callbacks=Watcher(), batch_size=64, max_iter=9)
    net.fit(sparse.csr_matrix(MOSTLY_ZERO), SIGN)
    assert (events[0], events[-1], net.n_iter_) == ("begin", "end", 2)
    first, second = (i for i, event in enumerate(events) if event == "epoch")
    assert events[1:first].count("interval") >= 4 and events[first:second].count("interval") >= 5


def test_lbfgs_over_blocks_of_sparse_rows(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 64 * 40 * 8)
    X_sparse, w = sparse.csr_matrix(MOSTLY_ZERO), RNG.uniform(size=300)
    a, b = (
        quick(solver="lbfgs", alpha=0.5, max_iter=8, validation_data=(X, SIGN)).fit(X, SIGN, w)
        for X in (X_sparse, MOSTLY_ZERO)
    )
    assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-9)
    assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-6, atol=1e-8)
    assert_allclose(a.validation_loss_curve_, b.validation_loss_curve_, rtol=1e-9)


# ---- errors ----


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_their_position(bad, arrays_clf):
    rows = X.copy()
    rows[17, 2] = rows[40, 0] = bad
    what = "NaN" if np.isnan(bad) else "inf"
    for X_bad, column in [
        *((rows, "2"), (pd.DataFrame(rows, columns=NAMES), "'petal length'")),
        *((sparse.csr_matrix(rows), "2"), (rows.astype("f4"), "2")),
    ]:
        message = f"X contains {what} .first in row 17, column {column}."
        with pytest.raises(ValueError, match=message):
            quick().fit(X_bad, y)
    for name in (*METHODS, "predict_derivatives"):
        with pytest.raises(ValueError, match=f"X contains {what} .first in row 17, column 2."):
            getattr(arrays_clf, name)(rows)
    with pytest.raises(ValueError, match=what if bad != -np.inf else "inf"):
        MLPRegressor().fit(X, np.where(np.arange(150) == 3, bad, 1.0))


def test_invalid_sample_weights_are_refused():
    negative = np.where(np.arange(150) == 4, -1.0, 1.0)
    models = quick().fit(X, y), MLPRegressor(max_iter=2).fit(X, X[:, 0])
    for w, message in [
        (np.zeros(150), "zero"),
        (negative, "must not be negative, got -1.0 in row 4"),
        (np.ones(3), "shape"),
        (pd.DataFrame({"a": ["red"] * 150}), "sample_weight"),
    ]:
        for call in (quick().fit, *(model.score for model in models)):
            with pytest.raises(ValueError, match=message):
                call(X, y, w)


def test_score_with_classes_of_another_type_names_y():
    with pytest.raises(TypeError, match=r"^y must hold classes of the type of those of fit: "):
        quick().fit(X, y).score(X, np.array(["a", 1, 2.0] * 50, object))


def test_an_estimator_that_is_not_fitted_raises():
    for method in (*METHODS, "predict_derivatives"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(quick(), method)(X)
    assert not hasattr(quick(), "coefs_")


# ---- warnings ----


def test_a_warning_for_columns_of_very_different_or_very_large_size():
    for factor, message in [
        ([1, 1, 1, 1e4], "from 1 .column .. to 1e.04 .column 3."),
        ([100.5] * 4, "badly scaled"),
        ([0.05, 1, 1, 50.03], "badly scaled"),
        ([1e-4, 1, 1, 1], "column 0"),
    ]:
        with pytest.warns(UserWarning, match=message) as caught:
            quick(max_iter=2).fit(X * factor, y)
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=re.escape("'petal width'")):
        quick(max_iter=2).fit(pd.DataFrame(X * [1, 1, 1, 1e4], columns=NAMES), y)
    note = "y is large .its root mean square is 1.*TransformedTargetRegressor"
    with pytest.warns(UserWarning, match=note):
        MLPRegressor(max_iter=2).fit(X, 100.5 * np.sign(X[:, 0]))


def test_no_warning_without_reason():
    with_zeros, sparse_rows = np.hstack([X, np.zeros((150, 1))]), sparse.csr_matrix(MOSTLY_ZERO)
    widest = [(np.where(X[:, :2] > 0, 1, -1) * each, y) for each in ([0.0625, 62.5], [1, 100])]
    for rows, classes in [(X, y), (with_zeros, y), (sparse_rows, SIGN), *widest]:
        with warnings.catch_warnings(action="error"):
            model = quick(max_iter=2000, tol=1e-3).fit(rows, classes)
        assert model.n_iter_ < 2000  # converged, so that there is nothing to warn of
