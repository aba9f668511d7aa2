"""Ensembles of MLP estimators in the workers of an executor: the bits of one machine."""

from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import sklearn.model_selection
from numpy.testing import assert_array_equal, assert_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn import many

rng = np.random.default_rng(5)
X = rng.normal(size=(90, 3))
LABELS = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, "high", "low")
WEIGHT = rng.uniform(0.5, 2, 90)
GROUPS = np.arange(90) % 15
ADAPTIVE = dict(learning_rate="adaptive", solver="sgd")
INVSCALING = dict(learning_rate="invscaling", solver="sgd")
OPTIONS = {
    "alike": dict(bagging=None),
    "folds": dict(bagging="folds"),
    "bootstrap": dict(bagging="bootstrap", early_stopping=True),
    "early stopping": dict(bagging=None, early_stopping=True, **ADAPTIVE),
    "rate": dict(bagging=None, validation_data=(X[:9], LABELS[:9]), **INVSCALING),
    "adaptive folds": dict(bagging="folds", **ADAPTIVE),
    "L-BFGS": dict(bagging=None, solver="lbfgs"),
    "callback": dict(bagging="folds", callbacks=[fastnn.EarlyStopping(2)]),
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return fastnn.MLPClassifier((4,), n_estimators=3, max_iter=5, random_state=0, **options)


def assert_same(one, other):
    for net, of_other in zip(one.networks_, other.networks_, strict=True):
        assert net.params.tobytes() == of_other.params.tobytes()
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        if name not in ("networks_", "targets_", "validation_data", "callbacks"):
            assert_equal(value, vars(other)[name], name)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
@pytest.mark.parametrize("n_threads", [-1, 1, 2])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_bits_of_one_machine(name, n_threads, weight):
    options = OPTIONS[name] | dict(n_threads=n_threads)
    groups = GROUPS if options.get("bagging") == "folds" else None
    here = classifier(**options).fit(X, LABELS, weight, groups)
    with ThreadPoolExecutor(2) as executor:
        there = classifier(**options).fit(X, LABELS, weight, groups, executor=executor)
        assert_same(here, there)
        if name in ("alike", "folds"):
            for clf in (here, there):
                clf.set_params(warm_start=True)
            groups = dict(groups=groups)
            here.fit(X, LABELS, weight, **groups)
            assert_same(here, there.fit(X, LABELS, weight, **groups, executor=executor))


def test_processes():
    options = dict(n_estimators=3, bagging="folds", max_iter=5, random_state=0)
    here, there = (fastnn.MLPRegressor((4,), **options) for _ in range(2))
    with ProcessPoolExecutor(2) as executor:
        there.fit(X, X[:, 0], executor=executor)
    assert_same(here.fit(X, X[:, 0]), there)


def test_one_network():
    with ThreadPoolExecutor(2) as executor:
        there = classifier().set_params(n_estimators=1).fit(X, LABELS, executor=executor)
    assert_same(classifier().set_params(n_estimators=1).fit(X, LABELS), there)


def test_a_broken_executor():
    class Broken(ThreadPoolExecutor):
        def submit(self, *args):
            raise BrokenExecutor("a process died")

    with Broken(2) as executor, pytest.warns(RuntimeWarning, match="lost 3 networks"):
        there = classifier().fit(X, LABELS, executor=executor)
    assert_same(classifier().fit(X, LABELS), there)


@pytest.mark.parametrize("n_done", [0, 1, 2])
def test_ctrl_c_keeps_the_networks_that_are_trained(n_done, monkeypatch, reload):
    whole = classifier(bagging="folds").fit(X, LABELS)
    take_over = many._take_over

    def interrupt(*args):
        if len(done) == n_done:
            raise KeyboardInterrupt
        done.append(take_over(*args))

    done: list = []
    monkeypatch.setattr(many, "_take_over", interrupt)
    clf = classifier(bagging="folds")
    with ThreadPoolExecutor(1) as executor:
        if n_done == 0:
            before = dict(vars(clf))
            with pytest.raises(KeyboardInterrupt):
                clf.fit(X, LABELS, executor=executor)
            assert vars(clf) == before
            return
        with pytest.warns(UserWarning, match=f"has the {n_done} of 3 networks that are trained"):
            clf.fit(X, LABELS, executor=executor)
    for net, other in zip(clf.networks_, whole.networks_[:n_done], strict=True):
        assert net.params.tobytes() == other.params.tobytes()
    assert np.isnan(clf.oof_prediction_).any(axis=1).sum() == 30 * (3 - n_done)
    assert_array_equal(reload(clf).predict_proba(X), clf.predict_proba(X))


def test_other_callbacks_are_refused():
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="only EarlyStopping"):
        classifier(callbacks=print).fit(X, LABELS, executor=executor)


def test_divergence():
    reg = fastnn.MLPRegressor((4,), solver="sgd", learning_rate_init=1e30, n_estimators=3)
    with ThreadPoolExecutor(1) as executor, pytest.raises(fastnn.DivergenceError, match="of 3"):
        reg.fit(X, X[:, 0], executor=executor)


def test_pipelines_and_cross_validation_pass_the_executor_on():
    pipeline = make_pipeline(StandardScaler(), classifier())
    here = pipeline.fit(X, LABELS).predict_proba(X)
    alone = sklearn.model_selection.cross_val_score(pipeline, X, LABELS, cv=2)
    with ThreadPoolExecutor(2) as executor:
        params = {"mlpclassifier__executor": executor}
        assert_array_equal(pipeline.fit(X, LABELS, **params).predict_proba(X), here)
        scores = sklearn.model_selection.cross_val_score(pipeline, X, LABELS, cv=2, params=params)
    assert_array_equal(scores, alone)


def test_a_training_that_ends_too_early_warns():
    warns = pytest.warns(ConvergenceWarning, match="3 of 3 networks")
    with ThreadPoolExecutor(2) as executor, warns:
        classifier().fit(X, LABELS, executor=executor)
