"""Public calls within functions of the user that training calls: callbacks, losses, rows, progress.

A call works or raises RuntimeError, the same with one and two threads. Training afterwards has the
bits of a training without the call.
"""

import contextlib
import copy
import io
import pickle
import sys

import numpy as np
import pytest
from checks import assert_same_bits
from scale import step

import fastnn
from fastnn import MLP, MLPRegressor
from fastnn.callbacks import Callback
from fastnn.training import session

sparse = pytest.importorskip("scipy.sparse")
clone = pytest.importorskip("sklearn.base").clone
pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")
Y = X[:, 0] - X[:, 1]
X64 = X.astype(float)  # is converted, so that `forward` goes through Python


@pytest.fixture(autouse=True)
def threads_for_any_work(monkeypatch, tmp_path):
    """Let small networks use several threads, also if the machine has one CPU."""
    for module in "many network training.plan estimators.ensemble estimators.fit".split():
        monkeypatch.setattr(f"fastnn.{module}.check_threads", lambda n: n)
    monkeypatch.setattr("fastnn.core.threads.WORTH_SHARING", 0)
    monkeypatch.setattr(session, "SLICE_SECONDS", 1e-9)  # a slice is a step
    monkeypatch.chdir(tmp_path)


def other():
    return MLP([5, 3, 1], rng=1)


def outcome_of(call, *arguments):
    """Make a call of the user. Return "works", or its error."""
    try:
        call(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "works"


def without_hook(estimator):
    """Return a copy to train in a hook, which would otherwise call itself without end."""
    options = dict(callbacks=(), loss="squared_error", verbose=False, max_iter=1)
    return clone(estimator).set_params(**options)


def train_ensemble(n):
    options = dict(max_iter=2, n_estimators=2, n_threads=n, random_state=0)
    MLPRegressor((3,), **options).fit(X, Y).predict(X)


S = sparse.csr_matrix(X)
# Calls of (network in training, number of threads). Those that train it are refused.
CALLS = {
    "forward": lambda net, n: [net.forward(X64, n_threads=n) for _ in range(4)],
    "call": lambda net, n: net(X),
    "keep and backward": lambda net, n: (net.forward(X, keep=True), net.backward(X[:, :1])),
    "forward_many": lambda net, n: fastnn.forward_many([other(), net], X, n_threads=n),
    "forward_many, sparse": lambda net, n: fastnn.forward_many([net, other()], S, n_threads=n),
    "loss": lambda net, n: net.loss(X, Y),
    "loss_and_grad": lambda net, n: net.loss_and_grad(X, Y),
    "copy": lambda net, n: net.copy().fit(X, Y, epochs=1, n_threads=n),
    "deepcopy": lambda net, n: copy.deepcopy(net),
    "pickle": lambda net, n: pickle.loads(pickle.dumps(net)),
    "save and load": lambda net, n: (net.save("net"), fastnn.load("net")),
    "save_many": lambda net, n: (fastnn.save_many([other(), net], "a"), fastnn.load_many("a")),
    "summary": lambda net, n: (net.summary(batch_size=3), repr(net), net._repr_html_()),
    "state": lambda net, n: (net.state.moments.sum(), net.state.lr, copy.deepcopy(net.state)),
    "history": lambda net, n: (repr(net.history), net.history._repr_html_()),
    "export": lambda net, n: fastnn.export.c(net, "net.h"),
    "train another": lambda net, n: other().fit(X, Y, epochs=2, n_threads=n),
    "train others": lambda net, n: fastnn.fit_many([other(), other()], X, Y, epochs=2, n_threads=n),
    "train an estimator": lambda net, n: train_ensemble(n),
    "fit": lambda net, n: net.fit(X, Y, n_threads=n),
    "partial_fit": lambda net, n: net.partial_fit(X, Y, n_threads=n),
    "fit_many": lambda net, n: fastnn.fit_many([other(), net], X, Y, n_threads=n),
    "__init__": lambda net, n: net.__init__([5, 3, 1]),
}
# Calls of (estimator in training, number of threads).
ESTIMATOR_CALLS = {
    "predict": lambda e, n: e.predict(X),
    "predict, deviation": lambda e, n: e.predict(X, return_std=e.n_estimators > 1),
    "predict, float64": lambda e, n: e.predict(X64),
    "score": lambda e, n: e.score(X, Y),
    "estimator copied": lambda e, n: copy.deepcopy(e).predict(X),
    "estimator pickled": lambda e, n: pickle.loads(pickle.dumps(e)).predict(X),
    "clone": lambda e, n: without_hook(e).fit(X, Y),
    "cross_validate": lambda e, n: fastnn.cross_validate(without_hook(e), X, Y, cv=2, n_jobs=n),
    "get_params": lambda e, n: (e.get_params(), repr(e)),
    "estimator.fit": lambda e, n: e.fit(X, Y),
    "estimator.partial_fit": lambda e, n: e.partial_fit(X, Y),
}
REFUSED = {"fit", "partial_fit", "fit_many", "__init__", "estimator.fit", "estimator.partial_fit"}


class Hook(Callback):
    """Makes a call in one of its methods, or in another function of the user."""

    def __init__(self, name, call, n_threads):
        self.name, self.call, self.n_threads = name, call, n_threads
        self.net, self.estimator, self.outcomes, self.networks = None, None, [], []
        self.is_of_estimator = call in ESTIMATOR_CALLS.values()
        self.interval = 0.0 if name == "on_interval" else None
        if hasattr(Callback, name):
            setattr(self, name, self.make_call)

    def make_call(self, net, history=None):
        if net is None:  # the estimator has made it
            net = self.estimator.networks_[0]
        if all(net is not each for each in self.networks):
            self.networks.append(net)
        model = self.estimator if self.is_of_estimator else net
        with contextlib.redirect_stdout(io.StringIO()):
            self.outcomes.append(outcome_of(self.call, model, self.n_threads))

    def __reduce__(self):
        return Hook, ("", None, 1)

    def __deepcopy__(self, memo):  # clones share it
        return self

    def loss(self, outputs, y):
        if self.name == "loss":
            self.make_call(self.net)
        d = outputs - np.reshape(y, outputs.shape)
        return float((d * d).mean()), 2 * d / d.size

    def rows(self):
        for i in range(0, len(X), 10):
            if self.name == "rows":
                self.make_call(self.net)
            yield X[i : i + 10], Y[i : i + 10]

    def write(self, text):  # as standard error
        if self.name == "progress":
            self.make_call(self.net)

    def flush(self):
        pass

    def isatty(self):
        return False


def options(hook):
    of_hook = dict(loss=dict(loss=hook.loss), progress=dict(progress=True)).get(hook.name, {})
    return dict(callbacks=hook, n_threads=hook.n_threads, **of_hook)


def train(hook, rows=(X, Y), **others):
    hook.net = net = MLP([5, 4, 1], dropout=0.0 if "optimizer" in others else 0.1, rng=0)
    net.fit(*rows, epochs=3, batch_size=10, **options(hook) | others)
    return [net]


def train_streamed(hook):
    return train(hook, (hook.rows,), window=20)


def train_many(hook):
    nets = [MLP([5, 4, 1], rng=i) for i in range(3)]
    hook.net = nets[0]
    fastnn.fit_many(nets, X, Y, epochs=3, batch_size=10, **options(hook))
    return nets


def train_online(hook):
    hook.net = net = MLP([5, 4, 1], rng=0)
    for _ in range(2):
        net.partial_fit(X, Y, loss=hook.loss, n_threads=hook.n_threads)
    return [net]


SETTINGS = dict(max_iter=3, batch_size=10, random_state=0, dtype="float32")


def train_estimator(hook, n_estimators=1, partial=False, **others):
    hook.estimator = estimator = MLPRegressor((4,), callbacks=hook, **SETTINGS, **others)
    is_shown = hook.name == "progress"
    estimator.set_params(n_estimators=n_estimators, n_threads=hook.n_threads, verbose=is_shown)
    if hook.name == "loss":
        estimator.loss = hook.loss
    for _ in range(1 + partial):
        estimator.partial_fit(X, Y) if partial else estimator.fit(X, Y)
    return estimator.networks_


def cross_validate(hook, function, **others):
    """The networks of the folds, which only callbacks get."""
    estimator = MLPRegressor((4,), callbacks=hook, **SETTINGS)
    function(estimator.set_params(**others), X64, Y, cv=2, n_jobs=hook.n_threads)
    return hook.networks


def cross_validate_in_turn(hook):
    return cross_validate(hook, fastnn.cross_validate, solver="lbfgs")


METHODS = ("on_fit_begin", "on_epoch_end", "on_interval", "on_fit_end")
TRAININGS = {  # name: (function, hooks)
    "fit": (train, (*METHODS, "loss", "progress")),
    "fit, L-BFGS": (lambda hook: train(hook, optimizer="lbfgs"), (*METHODS, "loss")),
    "fit, sparse": (lambda hook: train(hook, (S, Y)), METHODS),
    "fit, streamed": (train_streamed, (*METHODS, "rows", "progress")),
    "partial_fit": (train_online, ("loss",)),
    "fit_many": (train_many, (*METHODS, "loss", "progress")),
    "estimator": (train_estimator, (*METHODS, "loss", "progress")),
    "ensemble": (lambda hook: train_estimator(hook, 2), (*METHODS, "loss", "progress")),
    "estimator.partial_fit": (lambda hook: train_estimator(hook, partial=True), METHODS),
    "cross_validate": (lambda hook: cross_validate(hook, fastnn.cross_validate), METHODS),
    "cross_validate, one after the other": (cross_validate_in_turn, METHODS),
    "cross_val_predict": (lambda hook: cross_validate(hook, fastnn.cross_val_predict), METHODS),
}
ESTIMATORS = {"estimator", "ensemble", "estimator.partial_fit"}
CASES = [(training, hook) for training, (_, hooks) in TRAININGS.items() for hook in hooks]


def result(training, name, call, n_threads, monkeypatch):
    """Train with a call in a hook. Return its outcomes, and the bits of the training."""
    hook = Hook(name, call, n_threads)
    with monkeypatch.context() as patch:
        if name == "progress":
            patch.setattr(sys, "stderr", hook)
        nets = TRAININGS[training][0](hook)
    bits = [(net.params, net.state.moments, net.state.step, net.history.loss) for net in nets]
    return hook.outcomes, [bits, [net.history.stop_reason for net in nets]]


@pytest.mark.spread(8)
@pytest.mark.parametrize(("training", "hook"), CASES)
def test_public_calls_in_hooks(training, hook, monkeypatch):
    outcomes, bits = result(training, hook, lambda net, n: None, 1, monkeypatch)
    assert outcomes
    first = CASES.index((training, hook))
    stride = step(8)
    calls = CALLS | (ESTIMATOR_CALLS if training in ESTIMATORS else {})
    for name in list(calls)[first % stride :: stride]:
        found = []
        for n_threads in (1, 2):
            outcomes, after = result(training, hook, calls[name], n_threads, monkeypatch)
            assert_same_bits(after, bits, f"{name}, {n_threads} threads")
            found.append(set(outcomes))
        assert found[0] == found[1], name
        assert len(found[0]) == 1, name
        outcome = found[0].pop()
        if name in REFUSED:
            assert outcome.startswith("RuntimeError: "), (name, outcome)
        else:
            assert outcome == "works", name


# ---- estimators for tables, whose networks no hook gets ----

ROWS = [[float(x), "ab"[i % 2]] for i, x in enumerate(X[:, 0])]
TABULAR_CALLS = {
    "fit": lambda model: model.fit(ROWS, Y),
    "fit, resume": lambda model: model.fit(ROWS, Y, resume=True),
    "fit a clone": lambda model: clone(model).fit(ROWS, Y).predict(ROWS),
    "copy": lambda model: copy.deepcopy(clone(model)),
    "get_params": lambda model: (model.get_params(), repr(model)),
}


def train_tabular(name, call, monkeypatch):
    """Train with a call in a hook, once. Return its outcome and the predictions afterwards."""
    model = fastnn.TabularRegressor(2, hidden_layer_sizes=4, random_state=0, n_threads=1)
    outcomes = []

    def hook(progress=None):
        if not outcomes:
            outcomes.append("began")
            outcomes.append(outcome_of(call, model))

    def rows():
        for i in range(0, len(ROWS), 10):
            if name == "rows":
                hook()
            yield ROWS[i : i + 10], Y[i : i + 10]

    if name == "on_progress":
        model.on_progress = hook
        model.fit(ROWS, Y)
        del model.on_progress
    else:
        model.fit(rows, window=20)
    _, outcome = outcomes
    return outcome, model.predict(ROWS)


@pytest.mark.parametrize("name", ["on_progress", "rows"])
@pytest.mark.parametrize("call", TABULAR_CALLS)
@pytest.mark.usefixtures("quick_recipe")
def test_calls_in_the_fit_of_a_tabular_estimator(name, call, monkeypatch):
    _, expected = train_tabular(name, lambda model: None, monkeypatch)
    outcome, found = train_tabular(name, TABULAR_CALLS[call], monkeypatch)
    assert_same_bits(found, expected)
    if call.startswith("fit") and "clone" not in call:
        assert outcome.startswith("RuntimeError: fit, partial_fit or calibrate was called while")
    else:
        assert outcome == "works"


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_in_a_callback_that_is_not_caught_ends_training(method):
    estimator = MLPRegressor((3,), max_iter=2, random_state=0)

    def callback(net, history):
        getattr(estimator, method)(X, Y)

    estimator.set_params(callbacks=callback)
    with pytest.raises(RuntimeError, match="Call it after that fit returns"):
        getattr(estimator, method)(X, Y)
    assert not hasattr(estimator, "networks_")
    for other in (estimator, clone(estimator), copy.deepcopy(estimator), copy.copy(estimator)):
        other.set_params(callbacks=()).fit(X, Y).partial_fit(X, Y).predict(X)
