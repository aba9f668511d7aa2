"""fit: agreement with a plain float64 loop, history, callbacks and progress."""

import contextlib
import math
import os
import pickle
import re
import sys

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP, SGD, Adam, History, reference
from fastnn.activations import HIDDEN
from fastnn.training.progress import ProgressLine

# ---- the plain loop: NumPy in float64, nothing of fastnn but the reference's activations ----


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def f(z, name):
    return reference.activation(z, name)


def slope(z, name):
    return reference.activation_backward(np.ones_like(z), z, name)


def output_gradient(z, y, output, loss):
    """l_i of every row and dl_i/dz of the last layer."""
    if loss == "cross_entropy":
        y = np.eye(z.shape[1])[y] if y.ndim == 1 else y
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -(y * np.log(p)).sum(axis=1), p * y.sum(axis=1, keepdims=True) - y
    y = y.reshape(z.shape)
    if loss == "mse":
        error = f(z, output) - y
        return (error**2).mean(axis=1), 2 * error / z.shape[1] * slope(z, output)
    p = sigmoid(z)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1), p - y


def plain_fit(net, X, y, loss, optimizer, steps, batch, seed, weight=None, shuffle=True):
    """Parameters after so many steps from those of net, and the mean loss of every epoch."""
    params, names = (
        [a.copy() for pair in zip(net.weights, net.biases) for a in pair if a is not None],
        net.activations,
    )
    per_layer, n, epochs, rng = len(params) // len(names), len(X), [], np.random.default_rng(seed)
    moments, t = [[np.zeros_like(p), np.zeros_like(p)] for p in params], 0
    while t < steps:
        order, total = rng.permutation(n) if shuffle else np.arange(n), 0
        for rows in np.split(order, range(batch, n, batch)):
            Z, A = [], [X[rows]]
            for i in range(len(names)):
                z = A[-1] @ params[i * per_layer]
                Z.append(z + params[2 * i + 1] if per_layer == 2 else z)
                A.append(f(Z[-1], names[i]) if i < len(names) - 1 else None)
            w = np.ones(len(rows)) if weight is None else weight[rows]
            w = w / w.sum() if w.sum() else w
            losses, d = output_gradient(Z[-1], y[rows], names[-1], loss)
            total, d, grads = total + (w * losses).sum() * len(rows), d * w[:, None], []
            for i in reversed(range(len(names))):
                grads[:0] = [A[i].T @ d, d.sum(axis=0)][:per_layer]
                if i:
                    d = d @ params[i * per_layer].T * slope(Z[i - 1], names[i - 1])
            t += 1
            for p, g, m in zip(params, grads, moments):
                g = g + optimizer.weight_decay * p
                if isinstance(optimizer, Adam):
                    (b1, b2), m[0], m[1] = (
                        optimizer.betas,
                        *(b * a + (1 - b) * x for b, a, x in zip(optimizer.betas, m, (g, g * g))),
                    )
                    p -= (
                        optimizer.lr
                        * (m[0] / (1 - b1**t))
                        / (np.sqrt(m[1] / (1 - b2**t)) + optimizer.eps)
                    )
                else:
                    m[0] = optimizer.momentum * m[0] + g
                    p -= optimizer.lr * (
                        g + optimizer.momentum * m[0] if optimizer.nesterov else m[0]
                    )
        epochs.append(total / n)
    return np.concatenate([p.ravel() for p in params]), epochs


def data(n=70, n_in=6, n_out=1, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_in))
    return X, (np.sin(X[:, :1] * np.arange(1, n_out + 1)) + 1) / 2


def check_against_the_plain_loop(
    net, X, y, loss, optimizer, epochs=20, batch=7, tolerance=1e-10, **options
):
    """fit's parameters and losses, to `tolerance`."""
    expected, losses = plain_fit(
        net, X, y, loss, optimizer, epochs * math.ceil(len(X) / batch), batch, 5, **options
    )
    before = net.params.copy()
    if "weight" in options:
        options["sample_weight"] = options.pop("weight")
    history = net.fit(X, y, loss, optimizer, epochs, batch, rng=5, **options)
    assert (
        np.abs(net.params - expected).max() < tolerance < 1e-3 < np.abs(net.params - before).max()
    )
    np.testing.assert_allclose(history.loss, losses, rtol=0, atol=tolerance)


WEIGHTS = np.arange(70) % 4 / 2  # a quarter of them 0
THREE_HIDDEN = [6, 16, 33, 5, 1]
SGDS = [
    SGD(0.1),
    SGD(0.05, 0.9),
    SGD(0.05, 0.9, nesterov=True),
    SGD(0.05, 0.5, True, 0.01),
    SGD(0.1, weight_decay=0.1),
]
ADAMS = [Adam(0.01), Adam(0.01, (0.5, 0.7), 1e-4), Adam(0.003, weight_decay=0.1)]


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weighted"])
def test_200_steps_of_three_hidden_layers_match_a_plain_loop(weight, isa):
    X, y = data()
    net = MLP(THREE_HIDDEN, ["tanh", "relu", "sigmoid"], "sigmoid", dtype="float64", rng=0)
    check_against_the_plain_loop(
        net, X, y, "bce", Adam(0.01), epochs=29, batch=11, weight=weight
    )  # 7 steps an epoch, the last of 4 rows


@pytest.mark.parametrize("optimizer", SGDS + ADAMS, ids=repr)
@pytest.mark.parametrize("bias", [True, False])
def test_optimizers_match_a_plain_loop(optimizer, bias):
    X, y = data(n_out=3)
    check_against_the_plain_loop(
        MLP([6, 20, 3], "tanh", bias=bias, dtype="float64", rng=0),
        X,
        y,
        "mse",
        optimizer,
        weight=WEIGHTS,
    )


@pytest.mark.parametrize("name", [name for name in HIDDEN if name != "exponential"])
def test_activations_match_a_plain_loop(name):
    X, y = data(n_out=2)
    net = MLP(
        [6, 9, 1, 17, 2], name, name, dtype="float64", rng=0
    )  # also as output, also through a layer of one unit
    net.params += 0.05
    check_against_the_plain_loop(net, X, y, "mse", SGD(0.05, 0.5))


def probabilities(y):
    return y / y.sum(axis=1, keepdims=True)


LOSSES = {
    "bce": ("sigmoid", "bce", 1, lambda y: y),
    "bce of several outputs": ("sigmoid", "bce", 3, np.round),
    "logits": ("identity", "bce_with_logits", 2, lambda y: y),
    "classes": ("softmax", "cross_entropy", 4, lambda y: y.argmax(axis=1)),
    "probabilities": ("softmax", "cross_entropy", 4, probabilities),
    "mse of a sigmoid": ("sigmoid", "mse", 1, lambda y: y[:, 0]),
    "mse": ("identity", "mse", 19, lambda y: y),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("hidden", [[], [13]])
def test_losses_match_a_plain_loop(name, hidden):
    output, loss, n_out, targets = LOSSES[name]
    X, y = data(n_out=n_out)
    net = MLP([6, *hidden, n_out], "tanh", output, dtype="float64", rng=0)
    check_against_the_plain_loop(net, X, targets(y), loss, Adam(0.01), weight=WEIGHTS)


@pytest.mark.parametrize("optimizer", [SGD(0.05), SGD(0.05, 0.9), Adam(0.01)], ids=repr)
@pytest.mark.parametrize("batch", [256, 257, 400, 700])
@pytest.mark.parametrize("n_out", [1, 2])
def test_batches_of_several_chunks_match_a_plain_loop(n_out, batch, optimizer):
    X, y = data(700, n_out=n_out)
    net = MLP([6, 40, n_out], "tanh", dtype="float64", rng=0)
    check_against_the_plain_loop(
        net, X, y, "mse", optimizer, epochs=8, batch=batch, weight=np.arange(700) % 3 + 0.5
    )


@pytest.mark.parametrize("batch", [64, 300])
def test_wide_layers_match_a_plain_loop(batch):
    X, y = data(600, 700, 3)
    net = MLP(
        [700, 520, 300, 3], "relu", dtype="float64", rng=0
    )  # more inputs than one block of a product
    check_against_the_plain_loop(net, X, y, "mse", Adam(1e-3), epochs=1, batch=batch)


def test_rows_in_order_without_shuffle():
    X, y = data()
    check_against_the_plain_loop(
        MLP([6, 9, 1], "tanh", dtype="float64", rng=0), X, y, "mse", Adam(0.01), shuffle=False
    )


def test_float32_follows_float64():
    X, y = data()
    single, double = (
        MLP(THREE_HIDDEN, "tanh", dtype=name, rng=0) for name in ("float32", "float64")
    )
    histories = [
        net.fit(X, y, epochs=30, batch_size=11, optimizer=Adam(0.01)) for net in (single, double)
    ]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-3)
    np.testing.assert_allclose(single.params, double.params, atol=1e-3)


@pytest.mark.parametrize(
    "bits",
    [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64],
)
def test_every_epoch_draws_one_permutation(bits):
    X, y = data(50)
    rng, expected_rng = (np.random.Generator(bits(3)) for _ in range(2))
    MLP([6, 1], rng=0).fit(X, y, epochs=3, rng=rng)
    for _ in range(3):
        expected_rng.permutation(50)
    assert rng.integers(2**40, size=5).tolist() == expected_rng.integers(2**40, size=5).tolist()


def test_rng_none_uses_the_generator_of_the_network():
    X, y = data()
    net = MLP([6, 5, 1], rng=0)
    expected = net.copy().fit(X, y, rng=net.copy().rng)
    assert net.fit(X, y).loss == expected.loss


# ---- history, validation, callbacks, progress ----


def test_history_counts():
    X, y = data()
    net = MLP([6, 5, 1], rng=0)
    history = net.fit(X, y, epochs=4, batch_size=32)
    assert net.history is history and isinstance(history, fastnn.History)
    assert (history.n_epochs, history.n_steps, len(history.loss), history.val_loss) == (
        4,
        12,
        4,
        [],
    ) and history.seconds > 0
    assert (net.state.step, net.state.epoch, net.state.row, net.state.order) == (12, 4, 0, None)
    again = net.fit(X, y, epochs=1)
    assert again is net.history is not history and (again.n_steps, net.state.step) == (3, 3)
    again = net.fit(X, y, epochs=2, resume=True)
    assert (again.n_steps, again.n_epochs, net.state.step, net.state.epoch) == (6, 2, 9, 3)


def test_history_loss_is_computed_before_each_update():
    X, y = data()
    net = MLP([6, 5, 1], dtype="float64", rng=0)
    expected = net.loss(X, y)
    assert net.fit(X, y, optimizer=SGD(0.0), epochs=2, batch_size=32).loss == pytest.approx(
        [expected] * 2, rel=1e-14
    )
    assert net.fit(X, y, optimizer=SGD(1.0), epochs=1, batch_size=None).loss == pytest.approx(
        [expected], rel=1e-14
    )


@pytest.mark.parametrize("weight", [None, WEIGHTS])
@pytest.mark.parametrize(
    "optimizer", [SGD(0.1), Adam(average=0.5), SGD(0.1, clip_norm=0.1)], ids=repr
)
@pytest.mark.parametrize("hidden", [[5], [40, 17], []], ids=repr)
def test_validation_loss_is_computed_after_every_epoch(weight, optimizer, hidden):
    X, y = data()
    X_val, y_val = data(70, seed=9)
    held_out = (X_val, y_val) if weight is None else [X_val.tolist(), y_val, weight]
    net, whole, plain = (MLP([6, *hidden, 1], rng=0, dropout=0.25) for _ in range(3))
    seen = []
    record = lambda net, h: seen.append(net.loss(X_val, y_val, sample_weight=weight))  # noqa: E731
    history = net.fit(
        X, y, optimizer=optimizer, epochs=5, validation_data=held_out, callbacks=record
    )
    assert history.val_loss == seen and len(seen) == 5
    assert (
        whole.fit(
            X, y, optimizer=optimizer, epochs=5, validation_data=held_out, n_threads=2
        ).val_loss
        == seen
    )
    assert plain.fit(X, y, optimizer=optimizer, epochs=5).loss == history.loss
    assert_same_bits(plain.params, whole.params)
    assert_same_bits(net.params, whole.params)


def test_callbacks_are_called_in_order_after_every_epoch():
    X, y = data()
    net, calls = MLP([6, 5, 1], rng=0), []
    net.fit(
        X,
        y,
        epochs=3,
        callbacks=[
            lambda n, h: calls.append(
                ("a", n is net, h is net.history, h.n_epochs, h.n_steps, len(h.loss))
            ),
            lambda n, h: calls.append(("b", n.state.epoch, n.state.step)),
        ],
    )
    assert calls == [
        call for e in (1, 2, 3) for call in [("a", True, True, e, 3 * e, e), ("b", e, 3 * e)]
    ]


def test_callbacks_see_and_change_the_parameters():
    X, y = data()
    net, expected_net, seen = MLP([6, 5, 1], rng=0), MLP([6, 5, 1], rng=0), []

    def halve(net, history):
        seen.append(net.params.copy())
        net.weights[0][:] *= 0.5

    net.fit(X, y, epochs=3, callbacks=halve)
    for epoch in range(3):
        expected_net.fit(X, y, epochs=1, resume=epoch > 0)
        assert_same_bits(expected_net.params, seen[epoch])
        expected_net.weights[0][:] *= 0.5
    assert_same_bits(net.params, expected_net.params)


def test_true_from_any_callback_stops_and_all_are_called():
    X, y = data()
    net, calls = MLP([6, 5, 1], rng=0), []
    stop = [lambda net, h: h.n_epochs == 3, lambda net, h: calls.append(h.n_epochs)]
    assert net.fit(X, y, epochs=9, callbacks=stop).n_epochs == 3 == len(calls)
    expected_net = MLP([6, 5, 1], rng=0)
    expected_net.fit(X, y, epochs=3)
    assert_same_bits(net.params, expected_net.params)


@pytest.mark.parametrize("end", [lambda: True, lambda: 1 / 0], ids=["stops", "raises"])
def test_changes_by_a_callback_that_ends_the_training_are_kept(end):
    net = MLP([6, 5, 1], rng=0)

    def change(net, history):
        net.params[:] = 7
        return end()

    with contextlib.suppress(ZeroDivisionError):
        net.fit(*data(), callbacks=change)
    np.testing.assert_array_equal(net.params, 7)
    assert net.state.epoch == net.history.n_epochs == 1


def test_the_network_is_usable_inside_a_callback(tmp_path):
    X, y = data()
    net, expected_net, outputs = MLP([6, 5, 1], rng=0), MLP([6, 5, 1], rng=0), []

    def use(net, history):
        net.save(tmp_path / "net")
        for other in (net.copy(), pickle.loads(pickle.dumps(net)), fastnn.load(tmp_path / "net")):
            other.fit(X, y, epochs=1, resume=True)
        outputs.append(net.forward(X))
        net.loss_and_grad(X, y)

    net.fit(X, y, epochs=3, callbacks=use)
    for epoch in range(3):
        expected_net.fit(X, y, epochs=1, resume=epoch > 0)
        assert_same_bits(expected_net.forward(X), outputs[epoch])


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_fit_inside_its_own_callback_is_refused(call):
    X, y = data()
    net, expected_net, messages = MLP([6, 5, 1], rng=0), MLP([6, 5, 1], rng=0), []

    def nested(net, history):
        with pytest.raises(RuntimeError) as caught:
            getattr(net, call)(X, y, optimizer=Adam(lr=5))
        messages.append(str(caught.value))

    net.fit(X, y, epochs=2, callbacks=nested)
    assert len(messages) == 2 and "callback" in messages[0] and "use net.copy()" in messages[0]
    expected_net.fit(X, y, epochs=2)
    assert_same_bits(net.params, expected_net.params)
    assert net.state.optimizer == Adam()


def test_progress_is_plain_lines_without_a_terminal(capsys):
    X, y = data()
    MLP([6, 5, 1], rng=0).fit(X, y, epochs=12, progress=True, validation_data=(X, y))
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\n") and "\r" not in err and "\x1b" not in err
    assert re.fullmatch(
        r"epoch 12/12  loss \d\S*  validation \d\S*  [\d,]+ rows/s", err.splitlines()[-2]
    )
    assert err.splitlines()[-1] == "stopped: all epochs done"


def test_progress_rewrites_one_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    X, y = data()
    MLP([6, 5, 1], rng=0).fit(X, y, epochs=3, progress=True, callbacks=lambda net, h: None)
    err = capsys.readouterr().err
    assert (
        err.count("\n") == 2
        and err.endswith("\nstopped: all epochs done\n")
        and "\r" in err
        and "epoch 3/3" in err.split("\r")[-1]
    )


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_progress_fits_on_a_narrow_terminal(monkeypatch, capsys, columns):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    size = os.terminal_size((columns, 24))
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: size)
    line = ProgressLine(epochs=10**6, n_rows=10**6)
    history = History([0.5], [0.5], n_epochs=1, seconds=1.0)
    line.show(history)
    shown = capsys.readouterr().err
    assert len(shown) <= columns and shown.endswith("\r") and shown.startswith("epoch       1/1")
    line.close(history)
    last = capsys.readouterr().err.splitlines()[0]
    assert last.rstrip().endswith("1,000,000 rows/s") and len(last) >= len(shown) - 1


def test_progress_without_standard_error_prints_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    X, y = data()
    MLP([6, 5, 1], rng=0).fit(X, y, epochs=2, progress=True)
    assert capsys.readouterr() == ("", "")


def test_progress_false_prints_nothing(capsys):
    MLP([6, 5, 1], rng=0).fit(*data(), epochs=2)
    assert capsys.readouterr() == ("", "")


def test_one_row():
    X, y = data(1)
    net = MLP([6, 9, 1], dtype="float64", rng=0)
    check_against_the_plain_loop(net, X, y, "mse", SGD(0.1), epochs=5)
