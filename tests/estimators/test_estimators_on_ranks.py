"""Estimators on ranks: the classes, scores and weights of all rows, and the same bits on any number of ranks."""

import warnings
from copy import deepcopy

import numpy as np
import pytest
from ranks import results_of, run_on_ranks

from fastnn import MLPClassifier, MLPRegressor
from fastnn.distributed import RankError, part
from fastnn.estimators.targets import MULTILABEL, ClassTargets

N = 203
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
NUMBERS = X[:, 0] * X[:, 1] + 0.1 * RNG.normal(size=N)
TWO = np.where(X[:, 0] > 0, "yes", "no")
FIVE = np.digitize(X[:, 0], [-1, -0.3, 0.3, 1]) * 10
LABELS = (X[:, :3] > 0).astype(int)
WEIGHT = RNG.uniform(0, 2, N)
SETTINGS = dict(hidden_layer_sizes=(6,), max_iter=8, batch_size=32, random_state=0)
SMALL = SETTINGS | dict(batch_size=2)
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped")


def fitted(kind, y, comm=None, weight=None, shards=16, validation=None, **settings):
    rows = slice(None) if comm is None else part(N, comm.rank, comm.size, shards)
    if validation is not None:
        settings["validation_data"] = X[::-1][rows], y[::-1][rows]
    estimator = kind(**SETTINGS | settings)
    weight = None if weight is None else weight[rows]
    return estimator.fit(X[rows], y[rows], weight, comm=comm, shards=shards)


def bits(estimator):
    scores = estimator.validation_scores_ or []
    curves = [estimator.loss_curve_, estimator.validation_loss_curve_, scores]
    return [estimator.network_.params.tobytes(), *curves, estimator.n_iter_, estimator.t_]


KINDS = [
    (MLPClassifier, TWO, {}),
    (MLPClassifier, FIVE, dict(class_weight="balanced", alpha=0.1)),
    (MLPClassifier, FIVE, dict(class_weight={10: 3.0}, early_stopping=True, tol=1e-2)),
    (MLPClassifier, LABELS, dict(early_stopping=True, validation_fraction=0.3)),
    (MLPClassifier, TWO, dict(validation=True, early_stopping=True, n_iter_no_change=1)),
    (MLPRegressor, NUMBERS, dict(early_stopping=True, n_iter_no_change=2, dropout=0.1)),
    (MLPRegressor, NUMBERS, dict(validation=True, weight=WEIGHT, dtype="float32")),
    (MLPRegressor, np.stack([NUMBERS, 10 * X[:, 0]], 1), dict(early_stopping=True)),
    (MLPRegressor, NUMBERS, dict(early_stopping=True, loss="quantile")),
    (MLPRegressor, NUMBERS, dict(solver="sgd", learning_rate="adaptive", tol=1e-2, max_iter=40)),
    (MLPRegressor, NUMBERS, dict(solver="sgd", learning_rate="invscaling", weight=WEIGHT)),
]


@pytest.mark.parametrize("kind, y, settings", KINDS)
def test_ranks_change_no_bit(kind, y, settings):
    expected = fitted(kind, y, **settings)
    for size in (2, 4):
        for estimator in results_of(size, lambda comm: fitted(kind, y, comm, **settings)):
            assert bits(estimator) == bits(expected)
            if kind is MLPClassifier:
                assert (estimator.classes_ == expected.classes_).all()
                assert estimator.classes_.dtype == expected.classes_.dtype


def test_each_shard_holds_out_as_many_rows():
    for n, shards, n_out in (203, 16, 16), (203, 4, 20), (203, 1, 20), (10, 2, 2), (10, 1, 2):
        model = MLPRegressor(**SMALL, early_stopping=True)
        model.fit(X[:n], NUMBERS[:n], shards=shards)
        assert model.t_ == model.n_iter_ * (n - n_out)


PAIRS = np.stack([NUMBERS, X[:, 0]], 1)
VALIDATIONS = [(MLPClassifier, FIVE), (MLPRegressor, NUMBERS), (MLPRegressor, PAIRS)]


@pytest.mark.parametrize("kind, y", VALIDATIONS)
@pytest.mark.parametrize("stops", [False, True])
def test_scores_are_those_of_all_validation_rows(kind, y, stops):
    estimator = fitted(kind, y, validation=True, early_stopping=stops)
    score = max(estimator.validation_scores_) if stops else estimator.validation_scores_[-1]
    assert estimator.score(X[::-1], y[::-1]) == pytest.approx(score, abs=1e-9)


def test_a_rank_may_have_few_classes_or_no_rows():
    y = np.sort(FIVE)
    expected = MLPClassifier(**SETTINGS).fit(X, y, shards=4)
    few = MLPClassifier(**SMALL).fit(X[:3], np.array(["a", "b", "c"]), shards=4)

    def fit(comm):
        rows = part(N, comm.rank, comm.size, 4)
        classifier = MLPClassifier(**SETTINGS).fit(X[rows], y[rows], comm=comm, shards=4)
        rows = part(3, comm.rank, comm.size, 4)
        y_part = np.array(["a", "b", "c"])[rows]
        y_part = y_part if len(y_part) else np.zeros(0)
        return classifier, MLPClassifier(**SMALL).fit(X[:3][rows], y_part, comm=comm, shards=4)

    for first, second in results_of(4, fit):
        assert first.classes_.tolist() == [0, 10, 20, 30, 40]
        assert bits(first) == bits(expected)
        assert second.classes_.tolist() == ["a", "b", "c"]
        assert bits(second) == bits(few)


def test_a_rank_without_rows_takes_part_in_the_validation():
    settings = SMALL | dict(early_stopping=True)

    def fit(comm=None):
        few = slice(0, 3) if comm is None else part(3, comm.rank, comm.size, 4)
        regressor = MLPRegressor(**settings, validation_data=(X[-3:][few], NUMBERS[-3:][few]))
        return regressor.fit(X[:3][few], NUMBERS[:3][few], comm=comm, shards=4)

    for regressor in results_of(4, fit):
        assert bits(regressor) == bits(fit())


def test_balanced_weights_are_those_of_all_rows():
    balanced = dict(class_weight="balanced")
    estimators = results_of(2, lambda comm: fitted(MLPClassifier, FIVE, comm, **balanced))
    counts = dict(zip(*np.unique(FIVE, return_counts=True)))
    weights = {int(label): N / (5 * count) for label, count in counts.items()}
    assert bits(estimators[1]) == bits(fitted(MLPClassifier, FIVE, class_weight=weights))


def test_warm_starts_continue_on_other_ranks():
    expected = fitted(MLPClassifier, FIVE, warm_start=True)
    start = fitted(MLPClassifier, FIVE, warm_start=True)
    expected.fit(X, FIVE, shards=16)

    def again(comm):
        rows = part(N, comm.rank, comm.size)
        return deepcopy(start).fit(X[rows], FIVE[rows], comm=comm)

    for estimator in results_of(2, again):
        assert bits(estimator) == bits(expected)


def test_without_shards_ranks_agree():
    options = dict(shards=0, early_stopping=True)
    first, second = results_of(2, lambda comm: fitted(MLPRegressor, NUMBERS, comm, **options))
    assert bits(first) == bits(second)


def test_only_rank_0_warns():
    def fit(comm):
        with warnings.catch_warnings(record=True, action="always") as caught:
            rows, reg = part(N, comm.rank, comm.size), MLPRegressor(**SETTINGS)
            reg.set_params(batch_size=300)
            reg.fit(X[rows] * [1e4, 1, 1, 1], NUMBERS[rows] * 1e3, comm=comm)
        return [str(warning.message) for warning in caught]

    with warnings.catch_warnings(action="always"):  # which threads share
        first, second = results_of(2, fit)
        messages = first + second
    for text in ("X is badly scaled", "y is large", "batch_size=300 is larger", "max_iter=8"):
        assert sum(text in message for message in messages) == 1


UNSUPPORTED = [
    (dict(n_estimators=3), "comm does not work with n_estimators=3: the ranks train one"),
    (dict(solver="lbfgs"), "comm does not work with L-BFGS"),
    (dict(loss=lambda outputs, y: (0.0, outputs)), "comm does not work with a custom loss"),
    (dict(early_stopping=True, validation_fraction=0.95), "holds out 12 rows of each of 16 sh"),
]


@pytest.mark.parametrize("settings, message", UNSUPPORTED)
def test_what_does_not_work_is_named(settings, message):
    for error in run_on_ranks(2, lambda comm: fitted(MLPRegressor, NUMBERS, comm, **settings)):
        assert message in str(error)


IMPOSSIBLE = [
    (NUMBERS, {}, dict(executor=1),
     "executor does not work with comm and shards: ranks that share the rows train each network together. "
     "Pass one of them."),
    (NUMBERS[:0], {}, {}, "X has no rows on any rank. Training needs at least one."),
    (FIVE, dict(class_weight={7: 1.0, 10: 2.0}), {},
     "class_weight has classes that y does not have: [7]. y has [0, 10, 20, 30, 40]."),
]  # fmt: skip


@pytest.mark.parametrize("y, settings, arguments, message", IMPOSSIBLE)
def test_what_is_impossible_with_shards_is_named(y, settings, arguments, message):
    kind = MLPClassifier if y is FIVE else MLPRegressor
    with pytest.raises(ValueError) as caught:
        kind(**SETTINGS | settings).fit(X[: len(y)], y, shards=4, **arguments)
    assert str(caught.value) == message


def test_sparse_rows_and_weights_of_labels_are_refused():
    from scipy.sparse import csr_matrix

    def sparse(comm):
        rows = part(N, comm.rank, comm.size)
        MLPRegressor(**SETTINGS).fit(csr_matrix(X[rows]), NUMBERS[rows], comm=comm)

    for error in run_on_ranks(2, sparse):
        assert "comm does not work with sparse X" in str(error)
    parts = [ClassTargets(np.arange(2), kind).part_to_json() for kind in (MULTILABEL, "binary")]
    with pytest.raises(ValueError, match="y is an indicator matrix in some parts of the rows, but"):
        ClassTargets.union(parts)
    balanced = dict(class_weight="balanced")
    for error in run_on_ranks(2, lambda comm: fitted(MLPClassifier, LABELS, comm, **balanced)):
        assert "class_weight does not work with comm or Dask if y is an indicator" in str(error)


OTHERS = dict(max_iter=9, hidden_layer_sizes=(7,), early_stopping=True, dtype="float32")


@pytest.mark.parametrize(("name", "value"), OTHERS.items())
def test_other_parameters_of_a_rank_are_named(name, value):
    def fit(comm):
        return fitted(MLPRegressor, NUMBERS, comm, **{name: value} if comm.rank else {})

    for error in run_on_ranks(2, fit):
        assert isinstance(error, RankError)
        assert str(error).startswith(f"{name} of rank 1 differs from that of rank 0")


def test_other_rows_of_a_rank_are_named():
    def fit(comm, y=FIVE, X=X):
        rows = part(N, comm.rank, comm.size)
        return MLPClassifier(**SETTINGS).fit(X[rows], y[rows], comm=comm)

    for y, names in ((TWO, "numbers and texts"), (FIVE > 10, "Booleans and numbers")):
        for error in run_on_ranks(2, lambda comm, y=y: fit(comm, [y, FIVE][comm.rank])):
            assert f"y has classes of several types in its parts: {names}" in str(error)
    for error in run_on_ranks(2, lambda comm: fit(comm, [LABELS, FIVE][comm.rank])):
        assert "number of columns of y of rank 1 differs" in str(error)
    for error in run_on_ranks(2, lambda comm: fit(comm, X=X[:, : 3 + comm.rank])):
        assert str(error).startswith("number of columns of X of rank 1 differs")


def test_invalid_rows_of_a_rank_stop_all():
    def fit(comm):
        rows = part(N, comm.rank, comm.size)
        y = NUMBERS[rows].copy()
        y[0] = [1, np.nan][comm.rank]
        return MLPRegressor(**SETTINGS).fit(X[rows], y, comm=comm)

    first, second = run_on_ranks(2, fit)
    assert isinstance(first, RankError) and first.rank == 1
    assert "NaN" in str(second)
