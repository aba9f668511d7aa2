"""Options of fit and MLP: class weights, held-out rows, custom losses, initial weights, dropout."""

import dataclasses
import inspect

import numpy as np
import pytest
from checks import assert_same_bits
from small_training import data, log_cosh

import fastnn
from fastnn import MLP, SGD, initializers
from fastnn.losses import Huber
from fastnn.training.engines.dense import DenseEngine
from fastnn.training.plan import FitOptions

X, SMOOTH = data(300, n_out=4, dtype="float64")
CLASSES = SMOOTH.argmax(axis=1)
WEIGHT = np.arange(300) % 4 / 2.0


def test_the_defaults_of_the_options_are_those_of_fit_and_fit_many():
    functions = MLP.fit, fastnn.fit_many
    of_fit, of_many = (inspect.signature(each).parameters for each in functions)
    options = {each.name: each.default for each in dataclasses.fields(FitOptions) if each.init}
    shared = options.keys() & of_fit.keys()
    assert options.keys() - shared == {"patience", "retry", "score", "ranks"}  # made of comm
    shared -= {"shards"}  # None is 0 there without ranks
    assert {name: of_fit[name].default for name in shared} == {n: options[n] for n in shared}
    in_many = shared & of_many.keys() - {"n_threads"}  # all CPUs
    assert {name: of_many[name].default for name in in_many} == {n: options[n] for n in in_many}
    assert len(in_many) >= 8


@pytest.mark.parametrize("loss", [None, "bce_with_logits"])
def test_class_weight_is_a_weight_of_rows(loss):
    y = (SMOOTH[:, 0] > 0.8).astype(int)
    balanced = 300 / (2 * np.bincount(y))
    fits = [
        dict(class_weight="balanced"),
        dict(class_weight=list(balanced)),
        dict(class_weight=dict(enumerate(balanced))),
        dict(sample_weight=balanced[y]),
    ]
    nets = [MLP([6, 9, 1], output="identity" if loss else "sigmoid", rng=0) for _ in fits]
    for net, options in zip(nets, fits):
        net.fit(X, y, loss, **options)
    for net in nets[1:]:
        assert_same_bits(net.params, nets[0].params)
    many = [MLP([6, 9, 4], output="softmax", rng=0) for _ in range(3)]
    each = np.array([1, 2.0, 1, 0.5])
    many[0].fit(X, CLASSES, class_weight={1: 2.0, 3: 0.5}, sample_weight=WEIGHT)
    many[1].fit(X, np.eye(4)[CLASSES], class_weight=list(each), sample_weight=WEIGHT)
    many[2].fit(X, CLASSES, sample_weight=each[CLASSES] * WEIGHT)
    assert_same_bits(many[2].params, many[0].params)
    np.testing.assert_allclose(many[1].params, many[0].params, atol=1e-5)
    many[0].partial_fit(X, CLASSES, class_weight="balanced")


NEEDS = "class_weight needs loss 'bce' with one output, or 'cross_entropy'. Pass sample_weight"
WRONG = "class_weight must be a dict, a sequence of weights or 'balanced', got 'equal'"


INVALID_CLASS_WEIGHTS = [
    ("identity", 1, "balanced", NEEDS),
    ("sigmoid", 2, "balanced", r"For several yes/no outputs pass loss=BCE\(pos_weight=...\)"),
    ("sigmoid", 1, "equal", WRONG),
    ("sigmoid", 1, {2: 1.0}, "class_weight has a weight for class 2, but the classes are 0..1"),
    ("sigmoid", 1, {0: -1.0}, "class_weight must be a finite number at least 0"),
    ("sigmoid", 1, [1.0, 2.0, 3.0], "must hold 2 weights, one for each class, got 3"),
]


@pytest.mark.parametrize(("output", "n_out", "class_weight", "message"), INVALID_CLASS_WEIGHTS)
def test_invalid_class_weights_are_refused(output, n_out, class_weight, message):
    net = MLP([6, n_out], output=output, rng=0)
    with pytest.raises(ValueError, match=message):
        net.fit(X, np.round(SMOOTH[:, :n_out]), class_weight=class_weight)
    assert net.state is None


def test_held_out_rows_are_not_trained_on():
    net, other = (MLP([6, 9, 1], rng=0, dtype="float64") for _ in range(2))
    y, options = SMOOTH[:, 0], dict(epochs=3)
    history = net.fit(X, y, validation_fraction=0.25, rng=4, sample_weight=WEIGHT, **options)
    rng = np.random.default_rng(4)
    rows = np.random.default_rng(int(rng.integers(2**63))).permutation(300)
    train, held_out = np.sort(rows[75:]), np.sort(rows[:75])
    options |= dict(rng=rng, validation_data=(X[held_out], y[held_out], WEIGHT[held_out]))
    expected = other.fit(X[train], y[train], sample_weight=WEIGHT[train], **options)
    assert_same_bits(net.params, other.params)
    assert history.val_loss == expected.val_loss and history.loss == expected.loss


HELD_OUT = dict(validation_fraction=0.1, validation_data=(X, SMOOTH[:, 0]))


BAD_ARGUMENTS = [
    (dict(validation_fraction=1.0), "must be a finite number at least 0 and below 1, got 1.0"),
    (dict(validation_fraction=0.001), "validation_fraction=0.001 holds out 0 of 300 rows"),
    (HELD_OUT, "exclude each other. Pass one of them"),
    (dict(loss=log_cosh, sample_weight=WEIGHT), "does not work with a custom loss"),
    (dict(loss=lambda Y, y: 3.0), r"must return a tuple \(value, d_outputs\), got float"),
    (dict(loss=lambda Y, y: (3.0, y)), r"shape \(32, 1\), like the outputs, got \(32,\)"),
    (dict(loss="hinge"), "loss must be None, one of bce, .*an object of fastnn.losses or a fun"),
    (dict(loss=fastnn.losses.Loss()), r"an object of fastnn.losses or .*, got .*Loss\(\)"),
    (dict(loss=Huber), "loss must be None, one of bce"),
]


@pytest.mark.parametrize(("options", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_refused_with_a_hint(options, message):
    net = MLP([6, 9, 1], rng=0)
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(X, SMOOTH[:, 0], **options)
    assert_same_bits(net.params, before)


def test_an_error_in_a_custom_loss_is_raised_and_keeps_the_steps_before():
    net, calls = MLP([6, 9, 1], rng=0), []

    def fails_in_the_third_batch(outputs, y):
        calls.append(len(y))
        return (1 / (len(calls) - 3), outputs * 0)

    with pytest.raises(ZeroDivisionError):
        net.fit(X, SMOOTH[:, 0], fails_in_the_third_batch)
    assert calls == [32, 32, 32] and net.state.step == 2
    net.fit(X, SMOOTH[:, 0], log_cosh, resume=True, epochs=1)


def test_a_custom_loss_may_draw_from_the_networks_generator():
    net, generator = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0).rng
    loss = lambda outputs, y: (float(net.rng.random()), outputs * 0.01)  # noqa: E731
    history = net.fit(X, SMOOTH[:, 0], loss, epochs=2, batch_size=100)
    expected = []
    for _ in range(2):
        generator.permutation(300)  # the order of the rows
        expected.append(np.mean([generator.random() for _ in range(3)]))
    assert history.loss == pytest.approx(expected)


def test_initial_weights_by_name_function_and_layer():
    by_name = MLP([6, 9, 4], rng=3, init="orthogonal")
    by_function = MLP([6, 9, 4], rng=3, init=initializers.orthogonal)
    half = lambda rng, n_in, n_out: np.full((n_in, n_out), 0.5)  # noqa: E731
    one_each = MLP([6, 9, 4], rng=3, init=["orthogonal", half])
    np.testing.assert_allclose(by_name.weights[0] @ by_name.weights[0].T, np.eye(6), atol=1e-6)
    assert_same_bits(by_name.params, by_function.params)
    assert_same_bits(by_name.weights[0], one_each.weights[0])
    np.testing.assert_array_equal(one_each.weights[1], 0.5)
    np.testing.assert_array_equal(one_each.biases[1], 0)
    with pytest.raises(ValueError, match="init"):
        MLP([6, 9, 4], init="xavier")


def test_dropout_rates_of_a_network():
    assert MLP([6, 9, 4], rng=0).dropout == (0.0, 0.0)
    assert MLP([6, 9, 8, 4], dropout=0.5).dropout == (0.0, 0.5, 0.5)
    net = MLP([6, 9, 4], dropout=[0.1, 0.2], rng=0)
    assert net.dropout == net.copy().dropout == (0.1, 0.2) and "dropout=(0.1, 0.2)" in repr(net)
    assert_same_bits(net.forward(X), MLP([6, 9, 4], rng=0).forward(X))
    net.dropout = 0
    assert net.dropout == (0.0, 0.0) and "dropout" not in repr(net)
    for rates, message in [
        (1.0, "dropout must be"),
        ([0.1], "dropout lists 1 rates, but the number of layers is 2"),
        (-0.1, "dropout"),
        ("x", "dropout"),
    ]:
        with pytest.raises(ValueError, match=message):
            net.dropout = rates
        with pytest.raises(ValueError, match=message):
            MLP([6, 9, 4], dropout=rates)


def test_callbacks_and_the_network_have_the_averaged_parameters(monkeypatch):
    net, expected_net, seen = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0), []
    rows, options = (X, SMOOTH[:, 0]), dict(batch_size=None)
    averaging, record = SGD(0.1, average=0.5), lambda net, history: seen.append(net.params.copy())
    net.fit(*rows, optimizer=averaging, epochs=3, callbacks=record, **options)
    average = expected_net.params.copy()
    for epoch in range(3):
        expected_net.fit(*rows, optimizer=SGD(0.1), epochs=1, resume=epoch > 0, **options)
        average += np.float32(0.5) * (expected_net.params - average)
        np.testing.assert_allclose(seen[epoch], average, atol=1e-7)
    assert_same_bits(net.state.params, expected_net.params)
    assert_same_bits(net.params, seen[-1])
    monkeypatch.setattr(DenseEngine, "load", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.fit(*rows, epochs=1, resume=True, **options)
    assert_same_bits(net.params, seen[-1])
    monkeypatch.undo()
    assert MLP([6, 9, 1], rng=0).fit(*rows, optimizer=averaging, epochs=0).n_epochs == 0


@pytest.mark.parametrize("callbacks", [(), lambda net, history: None])
def test_sparse_rows_with_averaged_parameters_and_validation_data(callbacks):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    dense = np.maximum(X, 0).astype("float32")
    nets = [MLP([6, 5, 4], rng=0) for _ in range(2)]
    for net, rows in zip(nets, (dense, scipy_sparse.csr_array(dense))):
        options = dict(validation_data=(rows[:50], SMOOTH[:50]), callbacks=callbacks)
        net.fit(rows, SMOOTH, "mse", SGD(0.1, average=0.9), 3, shuffle=False, **options)
    assert_same_bits(nets[1].params, nets[0].params)
    assert_same_bits(nets[1].state.params, nets[0].state.params)
