"""Objects that another process has sent: their arrays are read-only, and begin within a number."""

import pickle

import numpy as np
import pytest
import scipy.sparse as scipy_sparse
from numpy.testing import assert_array_equal

from fastnn import MLP, SGD, Adam, EarlyStopping, EncodedTable, MLPClassifier, MLPRegressor
from fastnn.distributed.rounds import end_round
from fastnn.distributed.sums import summand
from fastnn.state import TrainingState

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 300
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=4) + RNG.normal(size=N)).astype(np.float32)
LABELS = (Y > 0).astype(int)
WEIGHT = RNG.uniform(0.1, 2, N)


def sent(value):
    """Return a value as Dask receives it: its arrays are parts of what came over the network."""
    buffers: list = []
    stream = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    received = []
    for buffer in buffers:
        received.append(memoryview(b"." + bytes(buffer.raw()))[1:])
    return pickle.loads(stream, buffers=received)


def test_sent_arrays_are_not_aligned():
    for a in sent([X, Y, WEIGHT]):
        assert not a.flags.aligned and not a.flags.writeable


def trained_network(through, **options):
    x, y, weight = through([X, Y, WEIGHT])
    net = MLP([4, 5, 1], rng=0)
    options = dict(sample_weight=weight, epochs=3, rng=0) | options
    net.fit(x, y, **options)
    net = through(net)
    net.fit(x, y, **options, resume=True)
    return [net.params, net.forward(x)]


def network_on_a_table(through):
    codes = np.arange(2 * N, dtype=np.int32).reshape(N, 2) % 3
    table = through(EncodedTable(X, np.abs(X) % 2, 4, codes=codes, n_categories=3))
    net = MLP([table.n_inputs, 5, 1], rng=0)
    net.fit(table, Y, epochs=2, rng=0)
    return [net.params, net.forward(table)]


def fitted_estimator(through, kind, y, is_sparse=False, **options):
    x, y = through([scipy_sparse.csr_matrix(X) if is_sparse else X, y])
    model = kind((5,), max_iter=2, random_state=0, **options).fit(x, y)
    model = through(model)
    if not model.early_stopping:
        model.partial_fit(x, y)
    return [model.predict(x), *(net.params for net in model.networks_)]


def ended_round(through, weight):
    params, moments = RNG.normal(size=26).astype(np.float32), np.zeros((2, 26), np.float32)
    parts = [summand(Adam(), params + i, moments, weight, 1.0) for i in range(3)]
    position = end_round(through(TrainingState(Adam(), moments, params=params)), through(parts), 3)
    one = end_round(position, through(parts[:1]), 3)
    assert position.step == 3 and one.step == 6
    for a in (position.params, position.moments, one.params, one.moments):
        assert a.flags.aligned and a.flags.writeable
    return []


SENT = [
    (trained_network, {}),
    (trained_network, dict(optimizer=Adam(average=0.9))),
    (trained_network, dict(optimizer=SGD(0.01, momentum=0.9), shards=4)),
    (trained_network, dict(callbacks=EarlyStopping(5), validation_fraction=0.2)),
    (trained_network, dict(max_steps=7, batch_size=32)),
    (network_on_a_table, {}),
    (fitted_estimator, dict(kind=MLPRegressor, y=Y)),
    (fitted_estimator, dict(kind=MLPClassifier, y=LABELS, early_stopping=True)),
    (fitted_estimator, dict(kind=MLPRegressor, y=Y, is_sparse=True)),
    (fitted_estimator, dict(kind=MLPClassifier, y=LABELS, is_sparse=True)),
    (ended_round, dict(weight=1.0)),
    (ended_round, dict(weight=0.0)),
]


@pytest.mark.parametrize(("work", "options"), SENT)
def test_what_another_process_has_sent_works_with_the_same_bits(work, options):
    for expected, found in zip(work(lambda value: value, **options), work(sent, **options)):
        assert_array_equal(found, expected)
