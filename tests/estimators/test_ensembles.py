"""Ensembles in the estimators: n_estimators and bagging."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import scale

import fastnn
from fastnn import DivergenceError, EarlyStopping, MLPClassifier, MLPRegressor, losses
from fastnn.callbacks import Checkpoint
from fastnn.estimators import ensemble, resampling, spread
from fastnn.estimators.ensemble import fit_temperature

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
CANCER = scale(CANCER).astype(np.float32)
IRIS, KINDS = load_iris(return_X_y=True)
IRIS = scale(IRIS)
RNG = np.random.default_rng(3)
WAVE = RNG.uniform(-1, 1, (200, 2))
HEIGHT = np.sin(3 * WAVE[:, 0]) + 0.1 * RNG.normal(size=200)
LABELS = (WAVE[:, [0, 1]] + WAVE[:, [1, 0]] ** 2 > 0.3).astype(int)
BAGGING = ["folds", "bootstrap", None]


DEFAULTS = dict(hidden_layer_sizes=(8,), max_iter=30, n_estimators=3, random_state=0)
DEFAULTS["learning_rate_init"] = 0.01


def classifier(**settings):
    return MLPClassifier(**DEFAULTS | settings)


def regressor(**settings):
    return MLPRegressor(**DEFAULTS | settings)


@pytest.fixture(scope="module")
def waves():
    """A regressor. It is not changed."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return regressor().fit(WAVE, HEIGHT)


class Rows:
    """What `resampling.folds` reads of Data."""

    sample_weight = None

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n


def params(estimator):
    return np.stack([net.params for net in estimator.networks_])


# ---- members ----


WITHOUT_BAGGING = [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"loss": "mae"}]


@pytest.mark.parametrize("settings", WITHOUT_BAGGING)
def test_members_without_bagging_are_those_of_estimators_with_one_random_state(settings):
    ensemble = regressor(bagging=None, **settings).fit(WAVE, HEIGHT)
    state = np.random.RandomState(0)
    for i, net in enumerate(ensemble.networks_):
        one = regressor(n_estimators=1, **settings).set_params(random_state=state).fit(WAVE, HEIGHT)
        assert_same_bits(net.params, one.network_.params)
        assert ensemble.loss_curve_[i] == one.loss_curve_
        assert ensemble.validation_loss_curve_[i] == one.validation_loss_curve_
        if settings == {"early_stopping": True}:
            assert ensemble.validation_scores_[i] == one.validation_scores_
            assert ensemble.best_validation_score_[i] == one.best_validation_score_
        assert ensemble.t_[i] == one.t_
        assert one.best_loss_ == (ensemble.best_loss_ and ensemble.best_loss_[i])


@pytest.mark.parametrize("bagging", BAGGING)
def test_one_network_ignores_bagging(bagging):
    one = classifier(n_estimators=1, bagging=bagging).fit(IRIS, KINDS)
    assert one.networks_ == [one.network_] and not hasattr(one, "oof_prediction_")
    assert isinstance(one.loss_curve_[0], float) and one.t_ == 150 * one.n_iter_
    plain = classifier(n_estimators=1).fit(IRIS, KINDS)
    assert_same_bits(one.network_.params, plain.network_.params)


def test_each_member_holds_out_its_fold_and_keeps_its_best_epoch():
    net = classifier(max_iter=400, n_iter_no_change=5, tol=0.0).fit(IRIS, KINDS)
    state = np.random.RandomState(0)
    parts = StratifiedKFold(3, shuffle=True, random_state=state.randint(2**31)).split(IRIS, KINDS)
    for i, (train, held_out) in enumerate(parts):
        by_hand = fastnn.MLP([4, 8, 3], output="softmax", dtype="float64", rng=0)
        for W, b in zip(by_hand.weights, by_hand.biases):
            r = np.sqrt(6 / sum(W.shape))
            W[...] = state.uniform(-r, r, W.shape)
            b[...] = state.uniform(-r, r, b.shape)
        history = by_hand.fit(
            *(IRIS[train], KINDS[train]),
            **dict(optimizer=fastnn.Adam(0.01), epochs=400, batch_size=100),
            validation_data=(IRIS[held_out], KINDS[held_out]),
            callbacks=EarlyStopping(6),
            rng=np.random.default_rng(state.randint(2**31)),
        )
        assert net.networks_[i].state.best.epoch == by_hand.state.best.epoch
        assert_allclose(net.networks_[i].params, by_hand.params, rtol=0.01, atol=0.01)
        assert_allclose(net.validation_loss_curve_[i], history.val_loss, rtol=0.01)
        assert_array_equal(net.oof_prediction_[held_out], net.networks_[i].forward(IRIS[held_out]))


def test_bootstrap_draws_a_row_with_weight():
    for seed in range(20):
        rows, out = resampling.bootstrap(3, np.eye(3)[1], np.random.RandomState(seed))
        assert 1 in rows and sorted({*rows, *out}) == [0, 1, 2]


def test_bootstrap_draws_rows_and_keeps_weights():
    w = RNG.integers(0, 3, 200).astype(float)
    net = regressor(bagging="bootstrap", alpha=0.0, solver="lbfgs").fit(WAVE, HEIGHT, w)
    state = np.random.RandomState(0)
    total, count = np.zeros(200), np.zeros(200)
    for member in net.networks_:
        before = np.random.RandomState()
        before.set_state(state.get_state())
        for shape in ((2, 8), 8, (8, 1), 1):
            state.uniform(-1, 1, shape)
        rows, out = resampling.bootstrap(200, w, state)
        state.randint(2**31)
        assert len(rows) == 200 and not np.intersect1d(rows, out).size
        assert len(np.unique(rows)) + len(out) == 200
        one = regressor(n_estimators=1, alpha=0.0, solver="lbfgs", random_state=before)
        one.fit(WAVE[rows], HEIGHT[rows], w[rows])
        assert_same_bits(member.params, one.network_.params)
        total[out] += member.forward(WAVE[out])[:, 0]
        count[out] += 1
    with np.errstate(invalid="ignore"):
        assert_allclose(net.oof_prediction_, total / count)
    assert 0.6 < (count > 0).mean() < 0.9  # 1 - (1 - 1/e)^3 = 0.75


def test_groups_stay_in_one_fold():
    groups = np.arange(150) % 10
    assert classifier().fit(IRIS, KINDS, groups=groups).oof_prediction_.shape == (150, 3)
    for labels in (KINDS, None):
        parts = resampling.folds(Rows(150), 3, labels, groups, 0)
        for train, held_out in parts:
            assert not set(groups[train]) & set(groups[held_out])
        assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(150))
    assert regressor().fit(WAVE, HEIGHT, groups=np.arange(200) % 5).oof_prediction_.shape == (200,)


def test_folds_of_groups_have_the_same_share_of_each_class():
    groups = np.repeat(np.arange(18), 10)
    labels = groups % 3 == 0  # groups of equal size would go to the folds in this order
    for seed in range(5):
        for _, held_out in resampling.folds(Rows(180), 3, labels, groups, seed):
            assert labels[held_out].sum() * 3 == labels.sum()


def test_each_network_holds_out_rows():
    """StratifiedGroupKFold leaves the third fold of these rows empty."""
    groups = np.array([1, 3, 1, 0, 2, 0, 1, 1, 3, 0, 1, 3, 0, 3, 3, 2])
    labels = np.array([0, 0, 1, 1, 2, 0, 2, 2, 2, 0, 1, 1, 1, 1, 2, 2])
    for seed in range(20):
        parts = resampling.folds(Rows(16), 4, labels, groups, seed)
        assert all(len(held_out) for _, held_out in parts)


FIVE_GROUPS = dict(groups=np.arange(200) % 5)
IMPOSSIBLE = {  # settings, rows, targets, arguments of fit, and the message
    "rows": ({}, WAVE[:2], HEIGHT[:2], {}, r"n_estimators=3 needs at least 3 rows, got n_samples=2"),
    "groups": ({}, WAVE, HEIGHT, dict(groups=np.arange(200) % 2), r"needs at least 3 groups, got 2\. Lower n_est"),
    "few groups": ({}, WAVE, HEIGHT, dict(groups=np.arange(199)), "groups has 199 rows, but X has 200"),
    "weights": ({}, WAVE, HEIGHT, dict(sample_weight=np.eye(1, 200)[0]), "sample_weight is zero in all rows of fold"),
    "one network": (dict(n_estimators=1), WAVE, HEIGHT, FIVE_GROUPS, "groups keep the rows of a group in one fold"),
    "bootstrap": (dict(bagging="bootstrap"), WAVE, HEIGHT, FIVE_GROUPS, "groups keep the rows of a group in one fold"),
    "no bagging": (dict(bagging=None), WAVE, HEIGHT, FIVE_GROUPS, "groups keep the rows of a group in one fold"),
    "validation": (dict(validation_data=(WAVE, HEIGHT)), WAVE, HEIGHT, {}, "validation_data does not work with bagging='folds'"),
    "no network": (dict(n_estimators=0), WAVE, HEIGHT, {}, "'n_estimators' parameter of MLPRegressor must be an int"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_folds_that_are_impossible(name):
    settings, X, y, arguments, message = IMPOSSIBLE[name]
    with pytest.raises(ValueError, match=message):
        regressor(**settings).fit(X, y, **arguments)


def test_a_class_in_one_fold():
    with pytest.raises(ValueError, match=r"All rows of class 'c' are in fold \d"):
        classifier().fit(IRIS[:21], ["a", "b"] * 10 + ["c"])


def test_one_network_attributes_say_to_use_networks(waves):
    for name in ("network_", "coefs_", "intercepts_"):
        message = f"{name} is for one network, .* has 3. Use networks_"
        with pytest.raises(AttributeError, match=message):
            getattr(waves, name)
        with pytest.raises(AttributeError, match="not fitted yet"):
            getattr(regressor(), name)


# ---- training ----


TRAININGS = [
    {},
    {"solver": "sgd", "learning_rate": "adaptive", "max_iter": 200, "n_iter_no_change": 3},
    {"solver": "sgd", "learning_rate": "invscaling"},
    {"solver": "lbfgs"},
    {"solver": fastnn.AdamW(lr=0.01, average=0.9), "dropout": 0.1, "early_stopping": True},
]


@pytest.mark.parametrize("bagging", BAGGING)
@pytest.mark.parametrize("settings", TRAININGS, ids=str)
def test_threads_do_not_change_the_bits(bagging, settings):
    w = RNG.uniform(0.5, 2, 200)
    one = regressor(bagging=bagging, **settings).fit(WAVE, HEIGHT, w)
    two = clone(one).set_params(n_threads=2).fit(WAVE, HEIGHT, w)
    assert_same_bits(params(one), params(two))
    assert_same_bits(one.predict(WAVE), two.predict(WAVE))


def test_adaptive_rate_continues_when_a_fold_stops():
    settings = dict(solver="sgd", learning_rate="adaptive", n_iter_no_change=3, tol=0.01)
    net = regressor(max_iter=500, **settings)
    plain = clone(net).set_params(learning_rate="constant").fit(WAVE, HEIGHT)
    net.fit(WAVE, HEIGHT)
    assert net.n_iter_ > plain.n_iter_ and all(m.state.lr < 1e-5 for m in net.networks_)
    assert net.validation_scores_ is None
    held_out_loss = (net.held_out_errors_[0] ** 2 / 2).mean()
    lowest = min(net.validation_loss_curve_[0])
    assert lowest <= held_out_loss <= lowest + 0.01 < net.validation_loss_curve_[0][0]


def test_early_stopping_of_a_bootstrap_uses_the_rows_that_were_not_drawn():
    net = regressor(bagging="bootstrap", early_stopping=True, max_iter=300, n_iter_no_change=5)
    net.fit(WAVE, HEIGHT)
    assert net.n_iter_ < 300 and all(member.state.best is not None for member in net.networks_)
    with pytest.raises(ValueError, match="rows that it did not draw, but it drew all of 1 rows"):
        net.fit(WAVE[:1], HEIGHT[:1])
    net.set_params(early_stopping=False, validation_data=(WAVE[:50], HEIGHT[:50])).fit(WAVE, HEIGHT)
    assert list(map(len, net.validation_scores_)) == list(map(len, net.loss_curve_))
    assert all(member.state.best is None for member in net.networks_)


def test_sparse_rows_give_the_bits_of_dense_rows():
    X = np.where(WAVE > 0.3, WAVE, 0)
    X_sparse = scipy.sparse.csr_array(X)
    for bagging in BAGGING:
        nets = (regressor(shuffle=False, bagging=bagging) for _ in "ab")
        dense, sparse = (net.fit(rows, HEIGHT) for net, rows in zip(nets, (X, X_sparse)))
        assert_same_bits(params(dense), params(sparse))
        assert_same_bits(dense.predict(X), sparse.predict(X_sparse))
        found = sparse.predict(X_sparse, return_std=True)
        assert_same_bits(found, dense.predict(X, return_std=True))


def test_partial_fit_trains_all_members():
    net = classifier()
    for i in range(5):
        net.partial_fit(IRIS[i::5], KINDS[i::5], classes=[0, 1, 2])
    assert [member.state.epoch for member in net.networks_] == [5, 5, 5]
    assert [len(curve) for curve in net.loss_curve_] == [5, 5, 5] and net.t_ == [150, 150, 150]
    state = np.random.RandomState(0)
    for member in net.networks_:
        one = classifier(n_estimators=1, random_state=state)
        one.partial_fit(IRIS[::5], KINDS[::5], classes=[0, 1, 2]).set_params(random_state=0)
        for i in range(1, 5):
            one.partial_fit(IRIS[i::5], KINDS[i::5])
        assert_same_bits(member.params, one.network_.params)
    net.partial_fit(IRIS[:1], KINDS[:1]).partial_fit(IRIS[:1], KINDS[:1])
    assert [member.state.epoch for member in net.networks_] == [7, 7, 7]


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_partial_fit_trains_like_an_epoch_of_fit(n_estimators):
    settings = dict(bagging=None, n_estimators=n_estimators, batch_size=7, max_iter=1)
    for shuffle in (True, False):
        one, seen = classifier(**settings, shuffle=shuffle).fit(IRIS, KINDS), []
        other = clone(one).set_params(callbacks=lambda net, _, seen=seen: seen.append(net))
        other.partial_fit(IRIS, KINDS, classes=[0, 1, 2])
        assert_same_bits(params(other), params(one))
        assert len(seen) == n_estimators


def test_partial_fit_continues_from_the_best_epoch():
    net = regressor(max_iter=300, n_iter_no_change=5).fit(WAVE, HEIGHT)
    before = params(net)
    assert any(m.state.best.epoch < m.state.epoch for m in net.networks_)
    net.set_params(learning_rate_init=1e-12).partial_fit(WAVE, HEIGHT)
    assert_allclose(params(net), before, atol=1e-9)
    assert not hasattr(net, "oof_prediction_")
    with pytest.raises(ValueError, match="partial_fit came after fit"):
        net.predict_interval(WAVE)


def test_warm_start_continues_all_members_with_the_same_folds():
    net = classifier(warm_start=True, random_state=np.random.RandomState(1)).fit(IRIS, KINDS)
    before, seed = params(net), net.fold_seed_
    net.set_params(learning_rate_init=1e-12).fit(IRIS, KINDS)
    assert_allclose(params(net), before, atol=1e-9)
    assert net.fold_seed_ == seed and len(net.loss_curve_[0]) > 30
    with pytest.raises(ValueError, match="n_estimators=4, but 3 networks are fitted"):
        net.set_params(n_estimators=4).fit(IRIS, KINDS)
    assert len(net.set_params(warm_start=False).fit(IRIS, KINDS).networks_) == 4


def test_callbacks_get_each_network():
    seen = []
    net = regressor(max_iter=4, callbacks=lambda net, history: seen.append(id(net)))
    net.fit(WAVE, HEIGHT)
    assert {seen.count(id(member)) for member in net.networks_} == {4}
    net.set_params(callbacks=Checkpoint("x", every_epochs=1))
    for train in (net.fit, net.partial_fit):
        with pytest.raises(ValueError, match="a Checkpoint, which would save all networks"):
            train(WAVE, HEIGHT)
    for member in regressor(callbacks=EarlyStopping(2), max_iter=300).fit(WAVE, HEIGHT).networks_:
        assert member.history.n_epochs == member.state.best.epoch + 2


@pytest.mark.parametrize("bagging", BAGGING)
def test_an_interrupt_keeps_the_members(bagging):
    calls = []

    def stop(net, history):
        calls.append(net)
        if len(calls) == 7:
            raise KeyboardInterrupt

    net = regressor(callbacks=stop, bagging=bagging)
    with pytest.warns(UserWarning, match="interrupted by user. The networks have the parameters"):
        net.fit(WAVE, HEIGHT)
    assert len(net.networks_) == 3 and np.isfinite(net.predict(WAVE)).all()
    assert 7 <= sum(len(curve) for curve in net.loss_curve_) <= 9
    net.set_params(callbacks=()).partial_fit(WAVE, HEIGHT)


def test_a_member_that_diverges_is_named():
    net = regressor(solver="sgd", learning_rate_init=1e10).set_params(max_iter=5)
    with pytest.raises(DivergenceError, match=r"network 0 of 3 .* epoch \d.*lower learning"):
        net.fit(WAVE, HEIGHT)
    assert not hasattr(net, "networks_")
    with pytest.raises(DivergenceError, match="network 0 of 3 diverged"):
        for _ in range(5):
            net.partial_fit(WAVE, HEIGHT)


def test_verbose_prints_one_line(capsys):
    regressor(verbose=True, max_iter=3).fit(WAVE, HEIGHT)
    first, *reasons = capsys.readouterr().err.splitlines()
    assert first.startswith("network 3/3") and reasons == ["stopped: 3 networks: all epochs done"]


def test_members_without_convergence_are_counted():
    with pytest.warns(UserWarning, match="3 of 3 networks stopped after max_iter=2 epochs"):
        regressor(max_iter=2).fit(WAVE, HEIGHT)
    with warnings.catch_warnings(action="error"):
        regressor(max_iter=2, n_iter_no_change=np.inf).fit(WAVE, HEIGHT)
    net = regressor(bagging=None, max_iter=10_000, n_iter_no_change=2).fit(WAVE, HEIGHT)
    epochs = [len(curve) for curve in net.loss_curve_]
    with warnings.catch_warnings(action="error"):  # one of three
        net.set_params(max_iter=max(epochs) - 1).fit(WAVE, HEIGHT)
    with pytest.warns(UserWarning, match="1 of 2 networks stopped"):
        net.set_params(max_iter=max(epochs[:2]) - 1, n_estimators=2).fit(WAVE, HEIGHT)


# ---- predictions ----

DATA = pytest.mark.parametrize("data", [(CANCER, MALIGNANT), (IRIS, KINDS), (WAVE, LABELS)])


@pytest.mark.parametrize(("dtype", "n"), [("float32", 2), ("float64", 5)])
@DATA
def test_probabilities_are_averaged(data, dtype, n):
    X, y = data[0].astype(dtype), data[1]
    net = classifier(n_estimators=n).fit(X, y)
    members = np.stack([member.forward(X) for member in net.networks_])
    P = net.predict_proba(X)
    mean = (sum(members, np.zeros(members[0].shape)) / n).astype(dtype)
    assert_same_bits(P if P.shape == mean.shape else P[:, 1:], mean)
    assert P.dtype == dtype and net.oof_prediction_.shape == P.shape
    assert_allclose(np.exp(net.predict_log_proba(X)), P, rtol=1e-5, atol=1e-6)
    decision = net.decision_function(X)
    if y.ndim == 2:
        assert ((P > 0.5) == net.predict(X)).all()
        assert_allclose(decision, np.log(P / (1 - P)), atol=1e-3)
    else:
        assert (net.classes_[P.argmax(axis=1)] == net.predict(X)).all()
        log_odds = np.log(P[:, 1] / P[:, 0]) if P.shape[1] == 2 else np.log(P)
        assert_allclose(decision, log_odds, atol=1e-3 if dtype == "float64" else 0.02)


def test_log_probabilities_are_finite_where_probabilities_are_0():
    for y in (MALIGNANT, MALIGNANT + (CANCER[:, 1] > 0)):
        net = classifier().fit(CANCER, y)
        far = 1e4 * CANCER[:20]
        assert (net.predict_proba(far) == 0).any()
        assert np.isfinite(net.predict_log_proba(far)).all()
        assert np.isfinite(net.decision_function(far)).all()


def test_a_row_gets_the_same_bits_alone_and_among_others(isa, dtype):
    X = CANCER.astype(dtype)
    for y in (MALIGNANT, MALIGNANT + (X[:, 1] > 0)):
        net = classifier(n_estimators=5, max_iter=3).fit(X, y)
        P = net.predict_proba(X)
        for i in range(0, len(X), 40):
            assert_same_bits(net.predict_proba(X[i : i + 1])[0], P[i])
        assert_same_bits(net.predict_proba(X.tolist()), P)
        assert_same_bits(net.set_params(n_threads=2).predict_proba(np.tile(X, (200, 1)))[-569:], P)


def test_a_deviation_has_the_same_bits_alone_and_among_others():
    net = regressor(n_estimators=9, max_iter=3).fit(WAVE, HEIGHT)
    std = net.predict(WAVE, return_std=True)[1]
    alone = [net.predict(WAVE[i : i + 1], return_std=True)[1][0] for i in range(len(WAVE))]
    assert_same_bits(np.array(alone), std)


def test_standard_deviations_of_members_and_of_noise(waves):
    net = regressor(loss="gaussian_nll", max_iter=60).fit(WAVE, np.column_stack([HEIGHT, -HEIGHT]))
    Y = np.stack([member.forward(WAVE) for member in net.networks_])
    mean, std, noise = net.predict(WAVE, return_std=True, return_noise=True)
    assert_same_bits(mean, net.predict(WAVE))
    assert_allclose(mean, Y[:, :, :2].mean(axis=0))
    assert_allclose(std, Y[:, :, :2].std(axis=0))
    assert_allclose(noise, np.sqrt(np.exp(Y[:, :, 2:]).mean(axis=0)))
    assert_same_bits(net.predict(WAVE, return_std=True)[1], std)
    assert_same_bits(net.predict(WAVE, return_noise=True)[1], noise)
    mean, std = waves.predict(WAVE, return_std=True)
    assert mean.shape == std.shape == (200,) and (std > 0).all()
    with pytest.raises(ValueError, match=r"return_noise=True needs .* loss='gaussian_nll'"):
        waves.predict(WAVE, return_noise=True)
    one = regressor(n_estimators=1).fit(WAVE, HEIGHT)
    with pytest.raises(ValueError, match=r"one network. Set n_est.* pass return_noise=True"):
        one.predict(WAVE, return_std=True)


@DATA
def test_calibration_finds_the_best_temperature_of_the_mean(data):
    X, y = data[0].astype("d"), data[1]
    net = classifier(max_iter=8, n_iter_no_change=np.inf).fit(X[::2], y[::2])
    before = params(net)

    def loss():
        L = net.predict_log_proba(X[1::2])
        if y.ndim == 2:
            return -(y[1::2] * L + (1 - y[1::2]) * np.log1p(-np.exp(L))).sum(axis=1).mean()
        return -L[np.arange(len(L)), y[1::2]].mean()

    first = loss()
    T = net.calibrate(X[1::2], y[1::2]).temperature_
    best = loss()
    assert best < first
    for factor in (0.97, 1.03):
        for member, flat in zip(net.networks_, before):
            member.params = flat
            member.weights[-1][...] /= T * factor
            member.biases[-1][...] /= T * factor
        assert loss() > best


def test_equal_networks_have_the_temperature_of_one():
    Z, y = RNG.normal(size=(1, 50, 3)) * 3, np.arange(50) % 3
    one, four = (fit_temperature(np.repeat(Z, n, axis=0), y, None) for n in (1, 4))
    assert one > 1 and four == pytest.approx(one, rel=1e-4)
    found = [fit_temperature(f * Z, Z[0].argmax(axis=1) * (y > 0), None) for f in (1e9, 1e-9)]
    assert np.log(found) == pytest.approx([5, -5], abs=1e-3)


# ---- out-of-fold predictions and intervals ----


def test_out_of_fold_predictions_do_not_know_their_row():
    y = HEIGHT.copy()
    net = regressor(max_iter=200, alpha=0.0, hidden_layer_sizes=(50,)).fit(WAVE, y)
    y[10] += 1000.0
    with warnings.catch_warnings(action="ignore"):
        moved = clone(net).fit(WAVE, y)
    # member k(10) trains on the same rows as before; only its best epoch may change
    assert abs(moved.oof_prediction_[10] - net.oof_prediction_[10]) < 1 < 100
    assert net.oof_prediction_.shape == (200,)
    two = regressor(loss=losses.Quantile((0.2, 0.8))).fit(WAVE, HEIGHT)
    assert two.oof_prediction_.shape == (200, 2)
    assert regressor(loss="gaussian_nll").fit(WAVE, HEIGHT).oof_prediction_.shape == (200,)


def cv_plus_by_hand(net, X, X_new, y, folds, coverage):
    n, lower, upper = len(y), [], []
    owner = np.empty(n, int)
    for k, (_, held_out) in enumerate(folds):
        owner[held_out] = k
    R = np.abs(y - net.oof_prediction_)
    for x in X_new:
        f = np.array([member.forward(x[None])[0, 0] for member in net.networks_])[owner]
        lower.append(np.sort(f - R)[int(np.floor((1 - coverage) * (n + 1) + 1e-9)) - 1])
        upper.append(np.sort(f + R)[int(np.ceil(coverage * (n + 1) - 1e-9)) - 1])
    return np.array(lower), np.array(upper)


@pytest.mark.parametrize("coverage", [0.5, 0.55, 0.9, 0.99])
def test_intervals_are_those_of_the_paper(coverage, monkeypatch):
    monkeypatch.setattr(ensemble, "BLOCK_VALUES", 450)
    X, y = WAVE[:119], HEIGHT[:119]
    net = regressor().fit(X, y)
    folds = resampling.folds(Rows(119), 3, None, None, net.fold_seed_)
    lower, upper = net.predict_interval(WAVE[100:], coverage)
    expected = cv_plus_by_hand(net, X, WAVE[100:], y, folds, coverage)
    assert_allclose((lower, upper), expected, rtol=1e-12)


def test_intervals_of_several_targets_and_weights():
    Y = np.column_stack([HEIGHT, 10 * HEIGHT])
    net = regressor(max_iter=200).fit(WAVE, Y)
    lower, upper = net.predict_interval(WAVE, 0.8)
    assert lower.shape == upper.shape == (200, 2)
    inside = ((lower <= Y) & (Y <= upper)).mean(axis=0)
    assert (0.7 < inside).all() and (inside < 0.95).all()
    net.fit(WAVE, HEIGHT, np.repeat([1.0, 0.0], 100))
    assert sum(len(errors) for errors in net.held_out_errors_) == 100
    gaussian = regressor(loss="gaussian_nll").fit(WAVE, HEIGHT)
    lower, upper = gaussian.predict_interval(WAVE)
    assert lower.shape == (200,) and (lower < gaussian.predict(WAVE)).all()


@pytest.mark.parametrize("kind", ["float64", "float32", "sparse"])
def test_intervals_of_an_ensemble_are_as_wide_as_a_row_needs(kind, monkeypatch, reload):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (675, 3))
    y = 3 * X[:, 0] + rng.normal(size=675) * np.where(X[:, 1] > 0, 2.0, 0.2)
    rows = X * [1, 3, 0] + [0, 5, 1]  # the networks of errors scale them
    rows = scipy.sparse.csr_matrix(X) if kind == "sparse" else rows.astype(kind)
    net = regressor(max_iter=100).fit(rows, y)
    lower, upper = net.predict_interval(rows, 0.8)
    widths = [np.median((upper - lower)[part]) for part in (X[:, 1] > 0, X[:, 1] <= 0)]
    assert widths[0] > 1.8 * widths[1]
    scaled = []
    for i, fold in enumerate(resampling.folds(Rows(675), 3, None, None, net.fold_seed_)):
        own = rows[fold[1]]
        factors = net.spread_.factor(net.oof_prediction_[fold[1]])
        scaled.append(net.held_out_errors_[i][:, 0] / net.spread_.scale(own, i, 1) / factors)
    width = np.sort(np.concatenate(scaled))[int(np.ceil(0.8 * 676)) - 1]
    falls = fastnn.AdamW(fastnn.schedules.CosineDecay(0.02, 8), weight_decay=0.02)
    for each in net.spread_.networks:  # which train for at least 64 steps of at most 64 rows
        found = each.state.step, each.state.optimizer, each.dropout
        assert found == (64, falls, (0.0, 0.1))
    scales = net.spread_.mean_scale(rows, 1) * net.spread_.factor(net.predict(rows))
    assert len(set(net.spread_.factors)) == 4
    assert_allclose((upper - lower) / 2, width * scales, rtol=1e-4)
    assert_allclose((upper + lower) / 2, net.predict(rows), atol=1e-5)
    others = reload(net), pickle.loads(pickle.dumps(net)), clone(net).set_params(n_threads=2)
    for other in (*others[:2], others[2].fit(rows, y)):
        assert_same_bits(np.stack(other.predict_interval(rows, 0.8)), np.stack((lower, upper)))
    monkeypatch.setattr(spread, "MIN_ERRORS", 1000)
    plain = clone(net).fit(rows, y)
    assert not hasattr(plain, "spread_")
    for _ in "ab":  # and after a partial_fit
        assert_same_bits(plain.predict(rows), net.predict(rows))
        plain.partial_fit(rows, y), net.partial_fit(rows, y)
    assert not hasattr(net, "spread_")


def test_errors_are_divided_by_what_is_expected_of_their_rows():
    rng, parts, seen = np.random.default_rng(0), [np.arange(k, 400, 2) for k in (0, 1)], []
    X, predictions = rng.uniform(0.5, 2, (400, 1)), rng.normal(size=400)
    errors = 3 * X[:, 0] * np.abs(rng.normal(size=400)) * np.where(predictions > 0.5, 2, 1)

    def train(others, y):
        seen.extend([*others, y])
        net = fastnn.MLP([1, 1], dtype="float64", rng=0)
        net.params = [1, 0]  # it expects X
        return [net] * 2

    def fit(n):
        rows = [each[:n] for each in parts]
        of_rows = [errors[each, None] for each in rows], [predictions[each] for each in rows]
        return spread.fit_spread(rows, *of_rows, 400, train, X, 1)

    assert fit(99)[0] is None and fit(100)[0] is not None
    seen.clear()
    found, scaled = fit(200)
    unit, e, expected = errors.mean(), errors / errors.mean(), X[:, 0]
    for each, other in zip(seen, (parts[1], parts[0], e), strict=True):
        assert_allclose(each, other, rtol=1e-6)
    assert (found.unit, found.largest) == (pytest.approx(unit), pytest.approx(e.max()))
    scores = []
    for least in (0.03, 0.1, 0.2, 0.5, 1.0, 3.0):
        width = (expected + least) * np.quantile(e / (expected + least), 0.9)
        scores.append((np.mean(width + 10 * np.maximum(e - width, 0)), least))
    assert found.least == max(c for score, c in scores if score <= 1.005 * min(scores)[0])
    e /= expected + found.least
    quarters = np.split(predictions.argsort(), 4)
    shares = [(100 * np.quantile(e[q], 0.9) / np.quantile(e, 0.9) + 20) / 120 for q in quarters]
    assert_allclose([found.knots, found.factors], [predictions[[q[50] for q in quarters]], shares])
    e /= np.interp(predictions, found.knots, found.factors)
    assert_allclose(np.concatenate(scaled)[:, 0], e[np.concatenate(parts)])


@pytest.mark.filterwarnings("ignore:X is badly scaled")
def test_columns_whose_moments_overflow_do_not_change_intervals():
    X = np.column_stack([WAVE, np.where(WAVE[:, 0] > 0, 1.5e308, -1.5e308)])
    net = regressor(activation="tanh", max_iter=5).fit(X, HEIGHT)
    for each in net.spread_.networks:
        np.testing.assert_array_equal(each.weights[0].any(axis=1), [True, True, False])


def test_intervals_cover_new_rows():
    """The mean coverage over seeds: 0.9 is expected, and 0.8 guaranteed."""
    covered = []
    for seed in range(8):
        X, y = make_friedman1(600, noise=1.0, random_state=seed)
        X, y = scale(X), scale(y)
        settings = dict(n_estimators=5, hidden_layer_sizes=(32,), max_iter=300, random_state=seed)
        lower, upper = regressor(**settings).fit(X[:200], y[:200]).predict_interval(X[200:])
        covered.append(np.mean((lower <= y[200:]) & (y[200:] <= upper)))
    assert 0.87 < np.mean(covered) < 0.96 and min(covered) > 0.8


QUANTILES = losses.Quantile((0.1, 0.9))
NEEDS_FOLDS = "n_estimators of at least 2 and bagging='folds'"
OUT_OF_BOUNDS = "coverage must be a finite number above 0 and below 1"


IMPOSSIBLE_INTERVALS = [
    (dict(n_estimators=1), 0.9, NEEDS_FOLDS),
    (dict(bagging="bootstrap"), 0.9, NEEDS_FOLDS),
    (dict(bagging=None), 0.9, NEEDS_FOLDS),
    (dict(loss=QUANTILES), 0.9, "this estimator predicts several quantiles"),
    ({}, 0.99, r"coverage=0.99 needs at least 99 held-out rows, got 30"),
    *[({}, coverage, OUT_OF_BOUNDS) for coverage in (0, 1, 90)],
]


@pytest.mark.parametrize(("settings", "coverage", "message"), IMPOSSIBLE_INTERVALS)
def test_intervals_that_are_impossible(settings, coverage, message):
    net = regressor(max_iter=2, **settings).fit(WAVE[:30], HEIGHT[:30])
    with pytest.raises(ValueError, match=message):
        net.predict_interval(WAVE, coverage)


# ---- tools ----


@pytest.mark.parametrize("bagging", BAGGING)
def test_pickle_and_clone(bagging):
    net = regressor(bagging=bagging).fit(WAVE, HEIGHT)
    again = pickle.loads(pickle.dumps(net))
    assert_same_bits(again.predict(WAVE), net.predict(WAVE))
    if bagging:
        assert_same_bits(again.oof_prediction_, net.oof_prediction_)
    if bagging == "folds":
        assert_same_bits(again.predict_interval(WAVE)[0], net.predict_interval(WAVE)[0])
    assert_same_bits(clone(net).fit(WAVE, HEIGHT).predict(WAVE), net.predict(WAVE))
    assert net.get_params()["bagging"] == bagging and not hasattr(clone(net), "networks_")
