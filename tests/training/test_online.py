"""partial_fit of single rows: without a Session it does what it does with one."""

from decimal import Decimal

import numpy as np
import pytest
from checks import assert_same_bits

pytest.importorskip("sklearn")

import fastnn
from fastnn import MLPClassifier, MLPRegressor
from fastnn.callbacks import Callback

X = np.random.default_rng(0).normal(size=(8, 3)).astype("f")


def outcome(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error)
    return None


def pair(make, y, **options):
    """Two equal estimators that have learned two rows. The second takes its steps in Sessions."""
    online, checked = make(), make()
    for each in (online, checked):
        each.partial_fit(X[:1], y[:1], **options)
        each.partial_fit(X[1:2], y[1:2])
    assert online._online is not None
    checked._online = None
    return online, checked


def assert_same_outcome(online, checked, call):
    """The call has the same result for both, and so has the next row."""
    assert outcome(lambda: call(online)) == outcome(lambda: call(checked))
    checked._online = None
    for name in ("t_", "loss_curve_", "loss_", "best_loss_", "n_iter_"):
        assert getattr(online, name) == getattr(checked, name), name
    assert_same_bits(online.networks_[0].params, checked.networks_[0].params)
    assert online.networks_[0].dropout == checked.networks_[0].dropout


class Series(list):
    """Becomes a Series of pandas."""


def made(y):
    return pytest.importorskip("pandas").Series(y, index=[3]) if isinstance(y, Series) else y


def shown(y):
    return f"{type(y).__name__} {y!r}"[:60]


NUMBERS = [
    *([2.5], (2.5,), [2], [10**400], [True], [np.float32(2.5)], np.array([2.5], "f")),
    *(np.array([2]), np.array([True]), np.array([[2.5]]), [[2.5]], [np.array([2.5])]),
    *([[1.0, 2.0]], [1.0, 2.0], np.array([[1.0, 2.0]]), [], ["2.5"], np.array(["2.5"]), ["two"]),
    *(np.array([2.5], object), [Decimal("2.5")], None, [None], 2.5, np.array(2.5), "2", b"2"),
    *({0: 2.5}, {2.5}, [2.5j], [np.nan], np.array([np.inf]), np.ma.masked_array([2.5], [True])),
    *(Series([2.5]), np.array(["2024-01-01"], "M8[D]")),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("y", NUMBERS, ids=shown)
def test_targets_of_any_kind(y, n_targets):
    targets, y = np.arange(12.0).reshape(2, 6)[:, :n_targets], made(y)
    online, checked = pair(lambda: MLPRegressor((4,), random_state=0), targets)
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[2:3], y))
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[3:4], targets[:1]))


LABELS = [
    *([1], (1,), [True], [1.0], [0.5], [7], [10**400], [np.int8(1)], np.array([1])),
    *(np.array([[1]]), [[1]], [(1,)], [np.array([1])], [np.array(1)], [{}], ["1"], None, [None]),
    *(1, np.array(1), "1", {0: 1}, [np.nan], np.array([1], object), [0, 1], [[0, 1, 0]]),
    Series([1]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2], ["0", "1"]], ids=str)
@pytest.mark.parametrize("y", LABELS, ids=shown)
def test_labels_of_any_kind(y, classes):
    y = made(y)
    online, checked = pair(lambda: MLPClassifier((4,), random_state=0), classes, classes=classes)
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[2:3], y))
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[3:4], classes[:1]))


def add_callback(estimator):
    estimator.callbacks.append(lambda net, history: None)


def replace_network(estimator):
    estimator.networks_[0] = estimator.networks_[0].copy()


CHANGES = {
    "dropout of the network": lambda e: setattr(e.network_, "dropout", 0.5),
    "dropout": lambda e: setattr(e, "dropout", 0.5),
    "alpha": lambda e: setattr(e, "alpha", 0.5),
    "learning_rate_init": lambda e: setattr(e, "learning_rate_init", 0.5),
    "learning_rate_init, set_params": lambda e: e.set_params(learning_rate_init=0.5),
    "beta_1": lambda e: setattr(e, "beta_1", 0.5),
    "schedule": lambda e: setattr(e, "schedule", fastnn.schedules.ExponentialDecay(0.1, 0.5)),
    "loss": lambda e: setattr(e, "loss", fastnn.losses.Huber(0.01)),
    "early_stopping": lambda e: setattr(e, "early_stopping", True),
    "n_estimators": lambda e: setattr(e, "n_estimators", 2),
    "hidden_layer_sizes": lambda e: setattr(e, "hidden_layer_sizes", (7,)),
    "callbacks": add_callback,
    "network": replace_network,
    "optimizer of the state": lambda e: setattr(e.network_.state, "optimizer", fastnn.Adam(lr=0.5)),
    "state": lambda e: setattr(e.network_, "state", None),
    "parameters": lambda e: e.network_.params.fill(0.1),
    "calibration": lambda e: e.network_.state.moments.fill(0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_count_from_the_next_row_on(name):
    make = lambda: MLPRegressor((4,), random_state=0, callbacks=[])  # noqa: E731
    online, checked = pair(make, [0.0, 1.0])
    for each in (online, checked):
        CHANGES[name](each)
    for i in range(3):
        assert_same_outcome(online, checked, lambda e, i=i: e.partial_fit(X[i : i + 1], [2.0]))


def test_a_callback_that_is_false_is_called_for_every_row():
    class Empty(Callback):
        calls = 0

        def __len__(self):
            return 0

        def on_epoch_end(self, net, history):
            self.calls += 1

    callback = Empty()
    estimator = MLPRegressor((4,), random_state=0, callbacks=callback)
    for i in range(3):
        estimator.partial_fit(X[i : i + 1], [1.0])
    assert callback.calls == 3
