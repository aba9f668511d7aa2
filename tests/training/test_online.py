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


NUMBERS = {
    "list": [2.5],
    "tuple": (2.5,),
    "integer": [2],
    "huge integer": [10**400],
    "bool": [True],
    "NumPy's number": [np.float32(2.5)],
    "float32": np.array([2.5], "f"),
    "integers": np.array([2]),
    "bools": np.array([True]),
    "column": np.array([[2.5]]),
    "list of list": [[2.5]],
    "list of array": [np.array([2.5])],
    "two targets": [[1.0, 2.0]],
    "array of two targets": np.array([[1.0, 2.0]]),
    "two rows": [1.0, 2.0],
    "none": [],
    "text": ["2.5"],
    "array of text": np.array(["2.5"]),
    "word": ["two"],
    "objects": np.array([2.5], object),
    "Decimal": [Decimal("2.5")],
    "None": None,
    "list of None": [None],
    "number": 2.5,
    "0-d array": np.array(2.5),
    "str": "2",
    "bytes": b"2",
    "dict": {0: 2.5},
    "set": {2.5},
    "complex": [2.5j],
    "nan": [np.nan],
    "inf": np.array([np.inf]),
    "masked": np.ma.masked_array([2.5], [True]),
    "date": np.array(["2024-01-01"], "M8[D]"),
    "Series": Series([2.5]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("y", NUMBERS)
def test_targets_of_any_kind(y, n_targets):
    targets, y = np.arange(12.0).reshape(2, 6)[:, :n_targets], made(NUMBERS[y])
    online, checked = pair(lambda: MLPRegressor((4,), random_state=0), targets)
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[2:3], y))
    assert_same_outcome(online, checked, lambda e: e.partial_fit(X[3:4], targets[:1]))


LABELS = {
    "list": [1],
    "tuple": (1,),
    "bool": [True],
    "float": [1.0],
    "other float": [0.5],
    "other class": [7],
    "huge integer": [10**400],
    "NumPy's number": [np.int8(1)],
    "array": np.array([1]),
    "column": np.array([[1]]),
    "list of list": [[1]],
    "list of tuple": [(1,)],
    "list of array": [np.array([1])],
    "list of 0-d array": [np.array(1)],
    "list of dict": [{}],
    "text": ["1"],
    "None": None,
    "list of None": [None],
    "number": 1,
    "0-d array": np.array(1),
    "str": "1",
    "dict": {0: 1},
    "nan": [np.nan],
    "objects": np.array([1], object),
    "two rows": [0, 1],
    "indicators": [[0, 1, 0]],
    "Series": Series([1]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2], ["0", "1"]], ids=str)
@pytest.mark.parametrize("y", LABELS)
def test_labels_of_any_kind(y, classes):
    y = made(LABELS[y])
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
