"""fit: its generator, history, validation, callbacks and progress."""

import contextlib
import os
import pickle
import re
import sys
import types

import numpy as np
import pytest
from checks import assert_same_bits
from small_training import data

import fastnn
from fastnn import MLP, SGD, Adam, History
from fastnn.training import progress
from fastnn.training.progress import ProgressLine

X, Y = data(dtype="float64")
WEIGHTS = np.arange(70) % 4 / 2  # a quarter of them 0


def network(sizes=(6, 5, 1), **options):
    return MLP(sizes, rng=0, **options)


def test_float32_follows_float64():
    nets = [MLP([6, 16, 33, 5, 1], "tanh", dtype=each, rng=0) for each in ("float32", "float64")]
    histories = [net.fit(X, Y, epochs=30, batch_size=11, optimizer=Adam(0.01)) for net in nets]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-3)
    np.testing.assert_allclose(*[net.params for net in nets], atol=1e-3)


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_epoch_draws_one_permutation(bits):
    rng, expected_rng = (np.random.Generator(getattr(np.random, bits)(3)) for _ in range(2))
    MLP([6, 1], rng=0).fit(X[:50], Y[:50], epochs=3, rng=rng)
    for _ in range(3):
        expected_rng.permutation(50)
    assert rng.integers(2**40, size=5).tolist() == expected_rng.integers(2**40, size=5).tolist()


def test_rng_none_uses_the_generator_of_the_network():
    net = network()
    expected = net.copy().fit(X, Y, rng=net.copy().rng)
    assert net.fit(X, Y).loss == expected.loss


# ---- history, validation, callbacks, progress ----


def test_history_counts():
    net = network()
    history = net.fit(X, Y, epochs=4, batch_size=32)
    assert net.history is history and isinstance(history, fastnn.History)
    counts = history.n_epochs, history.n_steps, len(history.loss), len(history.val_loss)
    assert counts == (4, 12, 4, 0) and history.seconds > 0
    assert (net.state.step, net.state.epoch, net.state.row, net.state.order) == (12, 4, 0, None)
    again = net.fit(X, Y, epochs=1)
    assert again is net.history is not history and (again.n_steps, net.state.step) == (3, 3)
    again = net.fit(X, Y, epochs=2, resume=True)
    assert (again.n_steps, again.n_epochs, net.state.step, net.state.epoch) == (6, 2, 9, 3)


def test_history_loss_is_computed_before_each_update():
    net = network(dtype="float64")
    expected = pytest.approx([net.loss(X, Y)], rel=1e-14)
    first, second = net.fit(X, Y, optimizer=SGD(0.0), epochs=2, batch_size=32).loss
    assert [first] == expected and [second] == expected
    assert net.fit(X, Y, optimizer=SGD(1.0), epochs=1, batch_size=None).loss == expected


AVERAGED = [SGD(0.1), Adam(average=0.5), SGD(0.1, clip_norm=0.1)]


@pytest.mark.parametrize("weight", [None, WEIGHTS])
@pytest.mark.parametrize("optimizer", AVERAGED, ids=repr)
@pytest.mark.parametrize("hidden", [[5], [40, 17], []], ids=repr)
def test_validation_loss_is_computed_after_every_epoch(weight, optimizer, hidden):
    X_val, y_val = data(seed=9, dtype="float64")
    held_out = (X_val, y_val) if weight is None else [X_val.tolist(), y_val, weight]
    net, whole, plain = (network([6, *hidden, 1], dropout=0.25) for _ in range(3))
    seen, options = [], dict(optimizer=optimizer, epochs=5)

    def record(net, history):
        seen.append(net.loss(X_val, y_val, sample_weight=weight))

    history = net.fit(X, Y, validation_data=held_out, callbacks=record, **options)
    assert history.val_loss == seen and len(seen) == 5
    assert whole.fit(X, Y, validation_data=held_out, n_threads=2, **options).val_loss == seen
    assert plain.fit(X, Y, **options).loss == history.loss
    assert_same_bits(plain.params, whole.params)
    assert_same_bits(net.params, whole.params)


def test_callbacks_are_called_in_order_after_every_epoch():
    net, calls = network(), []

    def first(n, h):
        calls.append((n is net, h is net.history, h.n_epochs, h.n_steps, len(h.loss)))

    def second(n, h):
        calls.append((n.state.epoch, n.state.step))

    net.fit(X, Y, epochs=3, callbacks=[first, second])
    assert calls == [call for e in (1, 2, 3) for call in [(True, True, e, 3 * e, e), (e, 3 * e)]]


def test_callbacks_see_and_change_the_parameters():
    net, expected, seen = network(), network(), []

    def halve(net, history):
        seen.append(net.params.copy())
        net.weights[0][:] *= 0.5

    net.fit(X, Y, epochs=3, callbacks=halve)
    for epoch in range(3):
        expected.fit(X, Y, epochs=1, resume=epoch > 0)
        assert_same_bits(expected.params, seen[epoch])
        expected.weights[0][:] *= 0.5
    assert_same_bits(net.params, expected.params)


def test_true_from_any_callback_stops_and_all_are_called():
    net, calls = network(), []
    stop = [lambda net, h: h.n_epochs == 3, lambda net, h: calls.append(h.n_epochs)]
    assert net.fit(X, Y, epochs=9, callbacks=stop).n_epochs == 3 == len(calls)
    expected_net = network()
    expected_net.fit(X, Y, epochs=3)
    assert_same_bits(net.params, expected_net.params)


@pytest.mark.parametrize("end", [lambda: True, lambda: 1 / 0], ids=["stops", "raises"])
def test_changes_by_a_callback_that_ends_the_training_are_kept(end):
    net = network()

    def change(net, history):
        net.params[:] = 7
        return end()

    with contextlib.suppress(ZeroDivisionError):
        net.fit(X, Y, callbacks=change)
    np.testing.assert_array_equal(net.params, 7)
    assert net.state.epoch == net.history.n_epochs == 1


def test_the_network_is_usable_inside_a_callback(tmp_path):
    net, expected_net, outputs = network(), network(), []

    def use(net, history):
        net.save(tmp_path / "net")
        for other in (net.copy(), pickle.loads(pickle.dumps(net)), fastnn.load(tmp_path / "net")):
            other.fit(X, Y, epochs=1, resume=True)
        outputs.append(net.forward(X))
        net.loss_and_grad(X, Y)

    net.fit(X, Y, epochs=3, callbacks=use)
    for epoch in range(3):
        expected_net.fit(X, Y, epochs=1, resume=epoch > 0)
        assert_same_bits(expected_net.forward(X), outputs[epoch])


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_fit_inside_its_own_callback_is_refused(call):
    net, expected_net, messages = network(), network(), []

    def nested(net, history):
        with pytest.raises(RuntimeError) as caught:
            getattr(net, call)(X, Y, optimizer=Adam(lr=5))
        messages.append(str(caught.value))

    net.fit(X, Y, epochs=2, callbacks=nested)
    assert len(messages) == 2 and "callback" in messages[0] and "use net.copy()" in messages[0]
    expected_net.fit(X, Y, epochs=2)
    assert_same_bits(net.params, expected_net.params)
    assert net.state.optimizer == Adam()


def test_progress_is_plain_lines_without_a_terminal(capsys):
    network().fit(X, Y, epochs=12, progress=True, validation_data=(X, Y))
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\n") and "\r" not in err and "\x1b" not in err
    *_, shown, end = err.splitlines()
    assert re.fullmatch(r"epoch 12/12  loss \d\S*  validation \d\S*  [\d,]+ rows/s", shown)
    assert end == "stopped: all epochs done"


@pytest.mark.parametrize(("n_rows", "what"), [(100, "50 rows/s"), (None, "step 1,700")])
def test_progress_is_shown_ten_times_a_second_on_a_terminal(n_rows, what, monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line, history = ProgressLine(4, n_rows), History([0.5], n_epochs=1, n_steps=1700, seconds=2.0)
    for now[0] in 100.0, 100.09, 100.11:
        line.show(history)
    history.stop_reason = "callback"
    line.close(history)
    shown, left = f"epoch 1/4  loss 0.5  {what}", "  6 s left"
    expected = f"{shown}{left}\r" * 2 + f"{shown}{' ' * len(left)}\nstopped: callback\n"
    assert capsys.readouterr().err == expected


def test_progress_rewrites_one_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    network().fit(X, Y, epochs=3, progress=True, callbacks=lambda net, h: None)
    err = capsys.readouterr().err
    assert err.count("\n") == 2 and err.endswith("\nstopped: all epochs done\n")
    assert "\r" in err and "epoch 3/3" in err.split("\r")[-1]


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_progress_fits_on_a_narrow_terminal(monkeypatch, capsys, columns):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((columns, 24)))
    line = ProgressLine(epochs=10**6, n_rows=10**6)
    history = History([0.5], [0.5], n_epochs=1, seconds=1.0)
    line.show(history)
    shown = capsys.readouterr().err
    assert len(shown) <= columns and shown.endswith("\r") and shown.startswith("epoch       1/1")
    line.close(history)
    last = capsys.readouterr().err.splitlines()[0]
    assert last.rstrip().endswith("1,000,000 rows/s") and len(last) >= len(shown) - 1


@pytest.mark.parametrize("progress", [True, False])
def test_progress_without_standard_error_or_without_progress_prints_nothing(
    progress, monkeypatch, capsys
):
    if progress:
        monkeypatch.setattr(sys, "stderr", None)
    network().fit(X, Y, epochs=2, progress=progress)
    assert capsys.readouterr() == ("", "")
