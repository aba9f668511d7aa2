"""Two threads in every pair of public calls that share networks or generators.

Each call works, or raises a RuntimeError that says what to do. None waits for ever, and what a call
that worked has trained is not lost.
"""

import copy as copying
import faulthandler
import itertools
import json
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits
from scale import scaled

import fastnn
from fastnn import MLP, Adam, mlp

X = np.random.default_rng(0).normal(size=(6000, 6)).astype("float32")
Y = np.sin(X[:, :1])


@pytest.fixture(autouse=True)
def many_switches():
    """Threads take turns often, and a hang ends the process with the stacks of all threads."""
    faulthandler.dump_traceback_later(120, exit=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    faulthandler.cancel_dump_traceback_later()


class Shared:
    """What the calls of two threads share: two networks, a generator and a folder."""

    def __init__(self, folder):
        self.generator = np.random.default_rng(0)
        self.nets = [MLP([6, 30, 1], rng=i) for i in range(2)]
        for net in self.nets:
            net.fit(X, Y, optimizer=Adam(1e-3), epochs=1, batch_size=2000)
            net.forward(X, keep=True)
        self.net, self.folder, self.turns = self.nets[0], folder, itertools.count()

    def path(self):
        return self.folder / f"{threading.get_ident()}.safetensors"


def fit_others(shared):
    """Networks of this thread alone, with the shared generator and that of a shared network."""
    nets = [MLP([6, 30, 1], rng=0) for _ in range(2)]
    generators = [shared.generator, shared.nets[1].rng]
    if next(shared.turns) % 2:
        generators.reverse()
    fastnn.fit_many(nets, X, Y, epochs=2, batch_size=2000, rng=generators, n_threads=1)


def save(shared):
    shared.net.save(shared.path())
    check_whole_step(fastnn.load(shared.path()))


def loss(shared):
    assert shared.net.loss(X, Y) >= 0


RESUMED = dict(epochs=1, batch_size=2000, resume=True)
CALLS = {
    "fit": lambda s: s.net.fit(X, Y, rng=s.generator, **RESUMED),
    "partial_fit": lambda s: s.net.partial_fit(X, Y, batch_size=2000),
    "fit_many": lambda s: fastnn.fit_many(s.nets, X, Y, n_threads=2, **RESUMED),
    "fit_others": fit_others,
    "forward": lambda s: assert_finite(s.net.forward(X)),
    "jacobian": lambda s: assert_finite(s.net.jacobian(X)),
    "forward_many": lambda s: assert_finite(fastnn.forward_many(s.nets, X, n_threads=2)),
    "loss": loss,
    "loss_and_grad": lambda s: s.net.loss_and_grad(X, Y),
    "backward": lambda s: s.net.backward(Y),
    "copy": lambda s: check_whole_step(s.net.copy()),
    "save": save,
    "save_many": lambda s: fastnn.save_many(s.nets, s.path()),
    "assign": lambda s: setattr(s.net, "params", s.net.params.copy()),
    "init": lambda s: MLP([6, 30, 1], rng=s.generator),
}
STEPS = {"fit": 3, "partial_fit": 3, "fit_many": 3}  # of the shared network


def check_whole_step(net):
    """Parameters and state belong together: the third moment of the state counts steps."""
    assert_finite(net.params)
    assert_finite(net.state.moments)
    assert net.state.step % 3 == 0 and net.state.row == 0


REMEDIES = "Wait until", "net.copy()", "when fit has returned"


@pytest.mark.spread(20)
@pytest.mark.parametrize(("a", "b"), [*itertools.combinations_with_replacement(CALLS, 2)])
def test_calls_in_two_threads_work_or_are_refused(a, b, tmp_path):
    shared = Shared(tmp_path)
    start, barrier, steps, errors = shared.net.state.step, threading.Barrier(2), [], []

    def run(name):
        barrier.wait()
        for _ in range(scaled(6)):
            try:
                CALLS[name](shared)
                steps.append(STEPS.get(name, 0))
            except RuntimeError as error:
                if not any(remedy in str(error) for remedy in REMEDIES):
                    errors.append(error)
            except BaseException as error:
                errors.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (a, b)))
    assert not errors, errors
    for net in shared.nets:
        net._check_may_train()
        check_whole_step(net)
    assert shared.net.state.step == start + sum(steps)
    CALLS["fit"](shared)


# ---- a call of another thread in the middle of one ----


class Meanwhile:
    """An array that another thread's call precedes when it is converted."""

    def __init__(self, array, call):
        self.array, self.call, self.error = array, call, None

    def in_thread(self):
        with ThreadPoolExecutor(1) as pool:
            self.error = pool.submit(self.call).exception()

    def __array__(self, dtype=None, copy=None):
        self.in_thread()
        return np.array(self.array, dtype)


READERS = {
    "forward": lambda net, X: net.forward(X),
    "forward_many": lambda net, X: fastnn.forward_many([net], X),
    "jacobian": lambda net, X: net.jacobian(X),
    "hvp": lambda net, X: net.hvp(X, Y, net.params),
    "loss": lambda net, X: net.loss(X, Y),
    "loss_and_grad": lambda net, X: net.loss_and_grad(X, Y),
    "backward": lambda net, X: net.backward(X),
}


@pytest.mark.parametrize("name", READERS)
def test_a_training_that_begins_during_a_call_makes_it_fail(name):
    """Its result could mix parameters before and after a step."""
    net = MLP([6, 9, 1], rng=0)
    net.forward(X, keep=True)
    rows = Meanwhile(Y if name == "backward" else X, lambda: net.fit(X, Y, epochs=1))
    with pytest.raises(RuntimeError, match="began to train this network during this call"):
        READERS[name](net, rows)
    assert rows.error is None and net.state.epoch == 1
    READERS[name](net, rows.array)


@pytest.mark.parametrize("name", ["save", "save_many"])
def test_a_training_that_begins_during_a_save_keeps_the_old_file(name, tmp_path, monkeypatch):
    net, path = MLP([6, 9, 1], rng=0), tmp_path / "net"
    call = {"save": lambda: net.save(path), "save_many": lambda: fastnn.save_many([net], path)}
    call[name]()
    before, dumps = path.read_bytes(), json.dumps
    net.params += 1
    rows = Meanwhile(X, lambda: net.fit(X, Y, epochs=1))

    def train_and_dump(value, **options):
        rows.in_thread()
        return dumps(value, **options)

    monkeypatch.setattr(json, "dumps", train_and_dump)
    with pytest.raises(RuntimeError, match="began to train this network during this call"):
        call[name]()
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net"]
    call[name]()
    assert path.read_bytes() != before


class CopiedAfter(dict):
    """A dict that another thread's call precedes when it is copied or pickled."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        meanwhile = Meanwhile(X, self.call)
        meanwhile.in_thread()
        assert meanwhile.error is None
        return dict, ()


COPIES = {
    "copy": lambda each: each.copy(),
    "copy.copy": copying.copy,
    "copy.deepcopy": copying.deepcopy,
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
    "old pickle": lambda each: pickle.loads(pickle.dumps(each, 0)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_training_that_begins_during_a_copy_makes_it_fail(name):
    net = MLP([6, 9, 1], rng=0)
    net.metadata = CopiedAfter(lambda: net.fit(X, Y, epochs=1))
    with pytest.raises(RuntimeError, match="began to train this network during this call"):
        COPIES[name](net)
    net.metadata = {"a": "b"}
    other = COPIES[name](net)
    assert_same_bits(other.params, net.params)
    assert vars(other).keys() == vars(net).keys() and other.metadata == net.metadata


@pytest.mark.parametrize("name", ["loss_and_grad", "backward"])
def test_two_gradients_at_a_time_are_refused(name):
    net = MLP([6, 9, 1], rng=0)
    net.forward(X, keep=True)
    rows = Meanwhile(Y if name == "backward" else X, lambda: net.loss_and_grad(X, -Y))
    READERS[name](net, rows)
    assert "Another call computes a gradient of this network" in str(rows.error)
    grads = net.grads.copy()
    READERS[name](net, rows.array)
    assert_same_bits(net.grads, grads)


def test_partial_fit_reads_the_state_when_no_other_thread_can_train(monkeypatch):
    net = MLP([6, 9, 1], rng=0)
    net.partial_fit(X, Y)
    resumed = mlp.resumed
    meanwhile = Meanwhile(X, lambda: net.partial_fit(X, Y))

    def resume(*args, **kwargs):
        state = resumed(*args, **kwargs)
        monkeypatch.undo()
        meanwhile.in_thread()
        return state

    monkeypatch.setattr(mlp, "resumed", resume)
    net.partial_fit(X, Y)
    assert "being trained in another thread" in str(meanwhile.error)
    assert net.state.epoch == 2


@pytest.mark.parametrize("name", ["params", "weights", "biases", "grads"])
def test_assigning_parameters_during_a_training_is_refused(name):
    net, errors = MLP([6, 9, 1], rng=0), []

    def assign():
        setattr(net, name, getattr(net, name)[:])

    def callback(net, history):
        meanwhile = Meanwhile(X, assign)
        meanwhile.in_thread()
        errors.append(str(meanwhile.error))
        assign()  # allowed in the thread that trains

    net.fit(X, Y, epochs=1, callbacks=callback)
    assert "being trained in another thread" in errors[0]


# ---- estimators ----


@pytest.mark.parametrize("cls", ["MLPRegressor", "MLPClassifier"])
def test_partial_fit_of_single_rows_does_not_mix_those_of_two_threads(cls, monkeypatch):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    from fastnn.training.engines import online

    y = [0, 1, 0]
    classes = {"classes": [0, 1]} if cls == "MLPClassifier" else {}

    def make():
        model = getattr(fastnn, cls)((4,), random_state=0)
        model.partial_fit(X[:1], y[:1], **classes)
        return model.partial_fit(X[:1], y[:1])

    model, expected = make(), make()
    meanwhile = Meanwhile(X, lambda: model.partial_fit(X[1:2], y[1:2]))
    all_finite = online.kernels.all_finite

    def check(row):
        monkeypatch.undo()
        meanwhile.in_thread()
        return all_finite(row)

    monkeypatch.setattr(online.kernels, "all_finite", check)
    model.partial_fit(X[2:3], y[2:3])
    assert "being trained in another thread" in str(meanwhile.error)
    expected.partial_fit(X[2:3], y[2:3])
    assert_same_bits(model.networks_[0].params, expected.networks_[0].params)
    assert model.loss_curve_ == expected.loss_curve_ and model.t_ == expected.t_


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_partial_fit_of_an_estimator_refuses_another_thread(n_estimators):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    options = dict(n_estimators=n_estimators, bagging=None, random_state=0)
    model = fastnn.MLPRegressor((4,), **options).partial_fit(X, Y[:, 0])
    meanwhile = Meanwhile(X, lambda: model.partial_fit(X, Y[:, 0]))

    def callback(net, history):
        before = dict(vars(model))
        meanwhile.in_thread()
        assert vars(model) == before

    model.set_params(callbacks=callback).partial_fit(X, Y[:, 0])
    assert "being trained in another thread" in str(meanwhile.error)
    assert [net.state.epoch for net in model.networks_] == [2] * n_estimators


FOUR, FIVE = X[:90, :4], X[:90, :5]
OF_CLASSES = [(FOUR, np.repeat(["a", "b"], 45)), (FIVE, np.arange(90) % 3)]
TASKS = {  # two trainings of one estimator: other numbers of features, classes and targets
    "MLPClassifier": OF_CLASSES,
    "MLPRegressor": [(FOUR, FOUR[:, 0]), (FIVE, FIVE[:, :2] * 100)],
    "TabularClassifier": OF_CLASSES,
    "TabularRegressor": [(FOUR, FOUR[:, 0]), (FIVE, FIVE[:, 0] * 100)],
}


def make_estimator(cls):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    if cls.startswith("MLP"):
        return getattr(fastnn, cls)((4,), max_iter=3, random_state=0)
    return getattr(fastnn, cls)(2, hidden_layer_sizes=4, n_threads=1, random_state=0)


def loaded(model, path):
    model.save(path)
    return fastnn.load(path)


ESTIMATOR_READERS = {  # (estimator, rows, path) -> predictions, or a copy
    "predict": lambda e, rows, path: e.predict(rows),
    "predict_proba": lambda e, rows, path: e.predict_proba(rows),
    "predict_log_proba": lambda e, rows, path: e.predict_log_proba(rows),
    "decision_function": lambda e, rows, path: e.decision_function(rows),
    "predict_derivatives": lambda e, rows, path: e.predict_derivatives(rows),
    "score": lambda e, rows, path: e.score(rows, e.predict(rows)),
    "copy": lambda e, rows, path: copying.copy(e),
    "deepcopy": lambda e, rows, path: copying.deepcopy(e),
    "pickle": lambda e, rows, path: pickle.loads(pickle.dumps(e)),
    "save": lambda e, rows, path: loaded(e, path),
}
LACKS = {  # methods that other estimators have
    "MLPClassifier": (),
    "MLPRegressor": ("predict_proba", "predict_log_proba", "decision_function"),
    "TabularClassifier": ("decision_function",),
    "TabularRegressor": ("predict_proba", "predict_log_proba", "decision_function"),
}
READERS_OF = [(cls, name) for cls in TASKS for name in ESTIMATOR_READERS if name not in LACKS[cls]]


@pytest.mark.spread(10)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize(("cls", "reader"), READERS_OF)
def test_reading_an_estimator_that_another_thread_fits_mixes_nothing(cls, reader, tmp_path):
    model, read, expected = make_estimator(cls), ESTIMATOR_READERS[reader], []
    for task in TASKS[cls]:
        e, rows = make_estimator(cls).fit(*task), task[0]
        expected.append((rows, e.predict(rows), read(e, rows, tmp_path / "e")))
    model.fit(*TASKS[cls][0])

    def fit_in_turn():
        for i in range(scaled(4)):
            model.fit(*TASKS[cls][1 - i % 2])

    def matches(found, rows, predictions, read_then):
        if isinstance(found, np.ndarray | float):
            return np.array_equal(found, read_then)
        is_same = found.n_features_in_ == rows.shape[1]
        return is_same and np.array_equal(found.predict(rows), predictions)

    with ThreadPoolExecutor(1) as pool:
        fits = pool.submit(fit_in_turn)
        while not fits.done():
            for rows, *_ in expected:
                try:
                    found = read(model, rows, tmp_path / "m")
                except RuntimeError as error:
                    assert any(remedy in str(error) for remedy in REMEDIES), error
                except ValueError as error:  # it is fitted for other rows
                    assert "features" in str(error), error
                else:
                    assert any(matches(found, *each) for each in expected)
        fits.result()
    found = read(model, expected[0][0], tmp_path / "m")
    assert any(matches(found, *each) for each in expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("cls", TASKS)
def test_fit_of_an_estimator_refuses_another_thread(cls):
    model, errors = make_estimator(cls), []
    calls = [
        lambda: model.fit(*TASKS[cls][1]),
        lambda: model.predict(TASKS[cls][0][0]),
        lambda: model.save("never"),
        lambda: pickle.dumps(model),
        lambda: copying.deepcopy(model),
    ]

    def hook(*arguments):
        for call in calls:
            meanwhile = Meanwhile(X, call)
            meanwhile.in_thread()
            errors.append(str(meanwhile.error))
        calls.clear()

    if cls.startswith("MLP"):
        model.set_params(callbacks=hook)
    else:
        model.on_progress = hook
    model.fit(*TASKS[cls][0])
    vars(model).pop("on_progress", None)
    busy = "This estimator is being trained in another thread"
    assert len(errors) == 5 and all(busy in error for error in errors)
    expected = make_estimator(cls).fit(*TASKS[cls][0])
    assert model.predict(X[:, :4]).tolist() == expected.predict(X[:, :4]).tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("name", ["deepcopy", "pickle", "save"])
@pytest.mark.parametrize("cls", TASKS)
def test_a_fit_that_begins_while_an_estimator_is_copied_makes_it_fail(
    cls, name, tmp_path, monkeypatch
):
    model, path = make_estimator(cls).fit(*TASKS[cls][0]), tmp_path / "m"
    model.save(path)
    before, dumps = path.read_bytes(), json.dumps
    meanwhile = Meanwhile(X, lambda: model.fit(*TASKS[cls][1]))

    def fit_and_dump(value, **options):
        monkeypatch.setattr(json, "dumps", dumps)
        meanwhile.in_thread()
        return dumps(value, **options)

    if name == "save":
        monkeypatch.setattr(json, "dumps", fit_and_dump)
    else:
        model.note = CopiedAfter(meanwhile.call)
    with pytest.raises(RuntimeError, match="began to train this estimator during this call"):
        ESTIMATOR_READERS[name](model, None, path)
    assert path.read_bytes() == before
    vars(model).pop("note", None)
    again = ESTIMATOR_READERS[name](model, None, path)
    assert again.predict(X[:, :5]).tolist() == model.predict(X[:, :5]).tolist()


@pytest.mark.filterwarnings("ignore")
def test_calibrate_refuses_another_thread():
    model = make_estimator("MLPClassifier").fit(*TASKS["MLPClassifier"][1])
    rows, classes = TASKS["MLPClassifier"][1]
    meanwhile = Meanwhile(classes, lambda: model.calibrate(rows, classes))
    expected = copying.deepcopy(model).calibrate(rows, classes).predict_proba(rows)
    model.calibrate(rows, meanwhile)
    assert "being trained in another thread" in str(meanwhile.error)
    assert_same_bits(model.predict_proba(rows), expected)
