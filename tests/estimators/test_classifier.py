"""MLPClassifier: kinds of targets, weights, settings that scikit-learn does not have,
probabilities."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
from checks import assert_finite
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_sample_weight

import fastnn
from fastnn import MLPClassifier, MLPRegressor, losses, schedules
from fastnn.estimators import base

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, KINDS = load_iris(return_X_y=True)
IRIS = scale(IRIS)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
CANCER = scale(CANCER)
LABELLED, LABELS = make_multilabel_classification(120, 8, n_classes=4, random_state=0)


def quick(**settings):
    defaults = dict(max_iter=60, learning_rate_init=0.01, random_state=0)
    return MLPClassifier(**{"hidden_layer_sizes": (8,)} | defaults | settings)


@pytest.fixture(scope="module")
def iris():
    """It is not changed."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return quick().fit(IRIS, KINDS)


LABEL_NAMES = [["a", "bc", "d"], [3, 7, -1], [1.0, 2.0, 4.0], [True, False, True], ["ä", "β", "ж"]]


@pytest.mark.parametrize("names", LABEL_NAMES)
def test_labels_of_any_kind(names):
    y = np.array(names)[KINDS]
    net = quick().fit(IRIS, y)
    assert net.classes_.tolist() == sorted(set(names)) and set(net.predict(IRIS)) <= set(names)
    assert net.score(IRIS, y) > (0.6 if isinstance(names[0], bool) else 0.9)
    assert quick().fit(IRIS, y.tolist()).predict(IRIS).tolist() == net.predict(IRIS).tolist()


def test_probabilities_of_two_classes_many_classes_and_labels():
    for X, y in [(CANCER, BENIGN), (IRIS, KINDS), (LABELLED, LABELS)]:
        net = quick().fit(X, y)
        P, log_P, Z = net.predict_proba(X), net.predict_log_proba(X), net.decision_function(X)
        assert_allclose(np.exp(log_P), P, rtol=1e-12, atol=1e-15)
        assert P.shape == (len(X), y.shape[1] if y.ndim == 2 else len(net.classes_))
        if y.ndim == 1:
            assert_allclose(P.sum(axis=1), 1)
            assert_array_equal(net.predict(X), net.classes_[P.argmax(axis=1)])
        if X is CANCER:
            assert_allclose(1 / (1 + np.exp(-Z)), P[:, 1])
        elif X is IRIS:
            assert_allclose(np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True), P)
        else:
            assert_array_equal(P > 0.5, net.predict(X))
            assert net.predict(X).dtype.kind == "i"


def test_log_probabilities_are_finite():
    for X, y in [(CANCER, BENIGN), (IRIS, KINDS)]:
        net = quick(dtype="float32").fit(X, y)
        far = (1e4 * X).astype("float32")
        assert (net.predict_proba(far) == 0).any()
        assert_finite(net.predict_log_proba(far))


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_single_class_is_predicted_with_certainty():
    net = quick().fit(IRIS, np.full(150, "only"))
    assert set(net.predict(IRIS)) == {"only"}
    assert_array_equal(net.predict_proba(IRIS), np.ones((150, 1)))
    assert_array_equal(net.predict_log_proba(IRIS), np.zeros((150, 1)))


def test_class_weight_is_a_weight_of_rows():
    few = np.r_[np.flatnonzero(BENIGN == 0)[:20], np.flatnonzero(BENIGN == 1)]
    X, y = CANCER[few], BENIGN[few]
    for weights in ("balanced", {0: 5.0, 1: 0.5}):
        a = quick(class_weight=weights).fit(X, y)
        b = quick().fit(X, y, sample_weight=compute_sample_weight(weights, y))
        assert_array_equal(a.coefs_[0], b.coefs_[0])
    w = np.linspace(1, 2, len(y))
    a = quick(class_weight="balanced").fit(X, y, w)
    b = quick().fit(X, y, w * compute_sample_weight("balanced", y))
    assert_array_equal(a.coefs_[0], b.coefs_[0])
    with pytest.raises(ValueError, match="'balanced' needs all rows at once"):
        quick(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


def test_settings_that_scikit_learn_does_not_have(iris):
    layers = quick(hidden_layer_sizes=(8, 6), activation=["tanh", "gelu"]).fit(IRIS, KINDS)
    assert layers.network_.activations == ("tanh", "gelu", "softmax")
    assert quick(dropout=0.5).fit(IRIS, KINDS).network_.dropout == (0.0, 0.5)
    assert quick(dropout=(0.1, 0.0)).fit(IRIS, KINDS).network_.dropout == (0.1, 0.0)
    assert quick(schedule=schedules.CosineDecay(0.05, 60)).fit(IRIS, KINDS).network_.state.lr < 1e-4
    own = quick(solver=fastnn.AdamW(lr=0.02, weight_decay=0.1)).fit(IRIS, KINDS)
    assert own.network_.state.optimizer == fastnn.AdamW(lr=0.02, weight_decay=0.1)
    smooth = quick(loss=losses.CrossEntropy(label_smoothing=0.3)).fit(IRIS, KINDS)
    assert smooth.predict_proba(IRIS).max() < iris.predict_proba(IRIS).max()
    seen = []
    watched = quick(callbacks=lambda net, history: seen.append(net.params.copy()), max_iter=3)
    watched.fit(IRIS, KINDS)
    assert len(seen) == 3 and not np.array_equal(seen[0], seen[1])
    assert_array_equal(quick(n_threads=2).fit(IRIS, KINDS).coefs_[0], iris.coefs_[0])
    least = dict.fromkeys(("batch_size", "max_iter", "max_fun", "n_iter_no_change"), 1)
    assert quick(hidden_layer_sizes=1, **least).fit(IRIS, KINDS).network_.state.step == 150
    rows = np.arange(401) % 150  # two batches of 200 rows, and the rest
    assert quick(max_iter=1).fit(IRIS[rows], KINDS[rows]).network_.state.step == 3


DTYPES = [
    *[("f4", None, "f4"), ("f8", None, "f8"), ("f2", None, "f8"), ("i4", None, "f8")],
    *[("f8", "float32", "f4"), ("f4", np.float64, "f8")],
]


@pytest.mark.parametrize(("X_dtype", "dtype", "expected"), DTYPES)
def test_dtype_is_that_of_X_unless_it_is_set(X_dtype, dtype, expected):
    X = (2 * IRIS).astype(X_dtype)
    net = quick(dtype=dtype).fit(X, KINDS)
    for found in (net.network_, net.predict_proba(X), net.coefs_[0]):
        assert found.dtype == np.dtype(expected)


def test_validation_data_are_evaluated_after_every_epoch():
    rows, kinds = IRIS[::3], KINDS[::3]
    net = quick(validation_data=(rows, kinds), max_iter=12).fit(IRIS, KINDS)
    for curve in (net.validation_scores_, net.validation_loss_curve_, net.loss_curve_):
        assert len(curve) == 12
    assert net.validation_scores_[-1] == net.score(rows, kinds)
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert net.validation_loss_curve_[-1] == pytest.approx(log_loss(kinds, net.predict_proba(rows)))
    w = np.r_[np.ones(25), np.zeros(25)]
    half = quick(validation_data=(rows, kinds, w), max_iter=3).fit(IRIS, KINDS)
    assert half.validation_scores_[-1] == half.score(rows[:25], kinds[:25])
    stopping = dict(early_stopping=True, n_iter_no_change=3, max_iter=500)
    stopped = quick(validation_data=(rows, kinds), **stopping).fit(IRIS, KINDS)
    assert stopped.n_iter_ < 500
    assert stopped.score(rows, kinds) == stopped.best_validation_score_


def test_parameters_are_views_into_the_network():
    net = quick().fit(IRIS, KINDS)
    net.coefs_[0][:] = 0
    net.intercepts_[1][:] = [0, 3, 0]
    net.coefs_[1][:] = 0
    assert set(net.predict(IRIS)) == {1} and not net.network_.weights[0].any()
    other = quick(random_state=7).fit(IRIS, KINDS)
    net.coefs_, net.intercepts_ = other.coefs_, [b.tolist() for b in other.intercepts_]
    assert_array_equal(net.predict_proba(IRIS), other.predict_proba(IRIS))
    assert not np.shares_memory(net.coefs_[0], other.coefs_[0])
    with pytest.raises(ValueError, match=r"coefs_\[1\] must have shape \(8, 3\), got \(3, 8\)"):
        net.coefs_ = [other.coefs_[0] + 1, other.coefs_[1].T]
    assert_array_equal(net.coefs_[0], other.coefs_[0])
    with pytest.raises(AttributeError, match="intercepts_ exists after fit"):
        quick().intercepts_ = other.intercepts_


@pytest.mark.parametrize(
    ("make", "X", "y"),
    [(quick, IRIS, KINDS), (partial(MLPRegressor, (16,), random_state=0), CANCER, CANCER[:, 0])],
    ids=["classes", "numbers"],
)
def test_partial_fit_of_single_rows_gives_the_same_from_arrays_and_lists(make, X, y, calls_of):
    """One online engine learns the single rows after the first; the numbers are the same."""
    engines = calls_of(base.OnlineEngine, "__init__")
    one, other, all_classes = make(), make(), {"classes": [0, 1, 2]} if y is KINDS else {}
    for i in range(60):
        x, target = X[i * 2 : i * 2 + 1], y[i * 2 : i * 2 + 1]
        one.partial_fit(x, target, **all_classes if i == 0 else {})
        other.partial_fit(x.tolist(), target.tolist(), **all_classes)
    assert [net for _, net, *_ in engines].count(one.network_) == 1 and one.t_ == other.t_ == 60
    assert_array_equal(one.network_.params, other.network_.params)
    assert_array_equal(one.loss_curve_, other.loss_curve_)
    before = one.network_.params.copy()
    for bad in ([np.nan], [np.inf], ["three"], [[1.0, 2.0]]):
        with pytest.raises(ValueError):
            one.partial_fit(X[:1], bad)
    assert_array_equal(one.network_.params, before)
    one.set_params(learning_rate_init=0.0001).partial_fit(X[:1], y[:1])
    assert one.network_.state.lr == 0.0001


TYPES = "must hold .* are NoneType and int and str:"
WITHOUT_ORDER = [
    (TypeError, [0, 1, 2], [0, None, "a"], f"classes {TYPES}"),
    (TypeError, ["a", 0, None], [0, 1, 2], f"y {TYPES}"),
    (ValueError, [0, 1, 1], {0, 1}, "classes must be a list of all classes, got {0, 1}"),
    (ValueError, [0, 1, 1], [[0], [1, 2]], "classes is not a rectangular array"),
]


@pytest.mark.parametrize(("error", "y", "classes", "message"), WITHOUT_ORDER)
def test_classes_without_an_order_are_refused(error, y, classes, message):
    with pytest.raises(error, match=message):
        quick().partial_fit(IRIS[:3], y, classes=classes)


def test_a_refused_partial_fit_changes_nothing():
    net = quick()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(IRIS, KINDS)
    net.partial_fit(IRIS[:1], KINDS[:1], classes=[0, 1, 2]).partial_fit(IRIS[:1], KINDS[:1])
    before, bad = net.network_.params.copy(), IRIS[:1].copy()
    bad[0, 2] = np.nan
    for X, y, message in [
        (bad, [0], "NaN .* row 0, column 2"),
        (IRIS[:1], [9], "classes not in classes_"),
        (IRIS[:1, :3], [0], "3 features"),
        (IRIS[:1], [0, 1], "inconsistent"),
        (IRIS[:1], [None], "y must hold classes that can be sorted.* are NoneType and int:"),
    ]:
        with pytest.raises(TypeError if y == [None] else ValueError, match=message):
            net.partial_fit(X, y)
    with pytest.raises(ValueError, match="not the same as on the last call"):
        net.partial_fit(IRIS[:1], [0], classes=[0, 1])
    assert_array_equal(net.network_.params, before)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        quick(early_stopping=True).partial_fit(IRIS, KINDS, classes=[0, 1, 2])
    assert not hasattr(quick(solver="lbfgs"), "partial_fit")


def test_warm_start_needs_the_same_network_and_classes():
    net = quick(warm_start=True).fit(IRIS, KINDS)
    with pytest.raises(ValueError, match=re.escape("the fitted network has [8] (relu)")):
        net.set_params(hidden_layer_sizes=(9,)).fit(IRIS, KINDS)
    net.set_params(hidden_layer_sizes=(8,))
    message = r"same classes as in the previous .* got .0 1 2., `y`"
    several = quick().partial_fit(LABELLED, LABELS).partial_fit(LABELLED[:1], LABELS[:1])
    for y, shape in ((LABELS[:1, :3], r"\(1, 3\)"), ([1], r"\(1,\)")):
        with pytest.raises(ValueError, match=rf"^y must be an .* 4 columns, .* got shape {shape}$"):
            several.partial_fit(LABELLED[:1], y)
    for y in (KINDS + 1, KINDS > 0, KINDS.astype(str), np.arange(len(KINDS)) % 4):
        with pytest.raises(ValueError, match=message):
            net.fit(IRIS, y)
    net.partial_fit(IRIS[:60], KINDS[:60])  # which has no row of class 2
    with pytest.raises(ValueError, match="features"):
        net.fit(IRIS[:, :2], KINDS)


def test_calibrate_changes_probabilities_and_nothing_else():
    half = np.arange(len(BENIGN)) % 2 == 0
    sharp = dict(max_iter=1000, alpha=0.0, tol=0.0, hidden_layer_sizes=(50,))
    for X, y in [(CANCER, BENIGN), (IRIS, KINDS)]:
        here = half[: len(y)]
        net = quick(**sharp).fit(X[here], y[here])
        sure, classes = log_loss(y[~here], net.predict_proba(X[~here])), net.predict(X)
        assert net.calibrate(X[~here], y[~here]) is net and net.temperature_ > 1
        assert log_loss(y[~here], net.predict_proba(X[~here])) < sure
        assert_array_equal(net.predict(X), classes)
        T, params = net.temperature_, net.network_.params.copy()
        assert net.calibrate(X[~here], y[~here]).temperature_ == pytest.approx(T, rel=1e-3)
        assert_allclose(net.network_.params, params, rtol=1e-3)
        for _ in range(2):  # row by row, too
            assert not hasattr(net.partial_fit(X[:1], y[:1]), "temperature_")
            net.calibrate(X[~here], y[~here])
    assert quick().fit(LABELLED, LABELS).calibrate(LABELLED, LABELS).temperature_ > 0
    with pytest.raises(NotFittedError):
        quick().calibrate(IRIS, KINDS)
    for X, y in [(CANCER, BENIGN), (IRIS, KINDS)]:
        net = quick(max_iter=300).fit(X, y)
        right = np.flatnonzero(net.predict(X) == y)[:9]
        with pytest.warns(UserWarning, match="All 9 rows are predicted correctly"):
            assert net.calibrate(X[right], y[right]).temperature_ == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(activation="softplusplus"), "activation must be one of logistic, identity"),
        (dict(hidden_layer_sizes=(3, 0)), "hidden_layer_sizes must be whole numbers > 0"),
        (dict(activation=["relu", "tanh"]), "lists 2 names, but the number of hidden layers is 1"),
        (dict(dropout=(0.1,)), "dropout lists 1 rates, but the number of layers is 2"),
        (dict(solver="newton"), "'solver' parameter"),
        (dict(loss="bce"), "loss 'bce' needs output='sigmoid'"),
        (dict(loss="hinge"), "loss must be one of log_loss, bce, .* got 'hinge'"),
        (dict(loss=losses.BCE(pos_weight=2.0)), "does not fit 3 classes .multiclass.. Use losses.BCE"),
        (dict(class_weight={0: -1.0}), "class_weight of 0 must be a finite number at least 0, got -1.0"),
        (dict(schedule=schedules.StepDecay(0.1, 3), solver=fastnn.Adam()),
         "Pass the schedule as the lr of the optimizer"),
        (dict(schedule=schedules.StepDecay(0.1, 3), solver="lbfgs"), "schedule cannot .* no learning rate. Set sch"),
        (dict(schedule=schedules.StepDecay(0.1, 3), solver=fastnn.LBFGS()), "no learning rate. Set sch"),
        (dict(class_weight="even"), "class_weight"),
        *[({name: 1.0}, f"The '{name}' parameter") for name in
          ("momentum", "validation_fraction", "beta_1", "beta_2", "dropout")],
        (dict(n_estimators=10_001), "The 'n_estimators' parameter"),
        (dict(callbacks=[3]), "callbacks must hold functions"),
        (dict(validation_data=(IRIS,)), r"validation_data must be \(X, y\)"),
        (dict(validation_data=(IRIS, np.full(150, 7))),
         r"validation_data: y has classes not in classes_: \[7\]"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(TypeError if "callbacks" in settings else ValueError, match=message):
        quick(**settings).fit(IRIS, KINDS)


@pytest.mark.parametrize("y", [np.linspace(0, 1, 150), np.column_stack([KINDS, KINDS])], ids=repr)
def test_bad_targets_are_refused(y):
    with pytest.raises(ValueError):
        quick().fit(IRIS, y)


def test_score_reads_a_list_once():
    class Shrinking(list):
        def __iter__(self):
            yield from self[:]
            self.pop()

    net = quick(max_iter=9).fit(IRIS, KINDS)
    assert net.score(IRIS, Shrinking(KINDS.tolist())) == net.score(IRIS, KINDS)
    assert net.score(IRIS, KINDS.tolist(), [2.0] * len(KINDS)) == net.score(IRIS, KINDS)


def test_divergence_is_an_error():
    net = quick(solver="sgd", learning_rate_init=1e30, dtype="float32")
    with pytest.raises(fastnn.DivergenceError, match="diverged in epoch") as error:
        with np.errstate(all="ignore"):
            net.fit(IRIS, KINDS)
    assert isinstance(error.value, ValueError)  # as in scikit-learn


PARAMETERS = "The network has the parameters of the last completed step."


def test_ctrl_c_warns_and_keeps_what_has_been_learned():
    def interrupt(net, history):
        if history.n_epochs == 5:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=f"^Training interrupted by user. {PARAMETERS}$"):
        net = quick(callbacks=interrupt).fit(IRIS, KINDS)
    assert net.n_iter_ == len(net.loss_curve_) == 5 and net.predict(IRIS).shape == (150,)


def test_the_warning_for_too_few_epochs_says_what_to_do():
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 epochs, .* Increase max_iter"):
        quick(max_iter=2).fit(IRIS, KINDS)


def test_a_failed_fit_keeps_the_previous_model():
    net = quick().fit(IRIS, KINDS)
    before, expected = dict(vars(net)), net.predict(IRIS)
    for settings, X, y in [
        (dict(hidden_layer_sizes=(3, 0)), CANCER, BENIGN),
        (dict(validation_data=(CANCER[:5, :3], BENIGN[:5])), CANCER, BENIGN),
        (dict(solver="sgd", learning_rate_init=1e300), CANCER, BENIGN),
    ]:
        with pytest.raises((ValueError, fastnn.DivergenceError)), np.errstate(all="ignore"):
            net.set_params(**settings).fit(X, y)
        net.set_params(**{name: before[name] for name in settings})
        assert net.classes_.tolist() == [0, 1, 2]
        assert_array_equal(net.predict(IRIS), expected)
        assert net.n_features_in_ == 4


def test_a_column_of_labels_is_taken_as_a_vector():
    with pytest.warns(match="column-vector y was passed"):
        net = quick(early_stopping=True, class_weight={0: 2.0}).fit(CANCER, BENIGN[:, None])
    assert net.predict(CANCER).shape == BENIGN.shape and net.best_validation_score_ > 0.8


def test_sparse_indicators():
    from scipy import sparse

    nets = quick(max_iter=10, early_stopping=True), quick(max_iter=10, early_stopping=True)
    a, b = (net.fit(LABELLED, Y) for net, Y in zip(nets, (LABELS, sparse.csr_matrix(LABELS))))
    assert_array_equal(a.network_.params, b.network_.params)
    assert a.validation_scores_ == b.validation_scores_
