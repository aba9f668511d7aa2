"""Kernels compute in a floating-point mode of their own and leave that of the caller as it is, also
while they call back. Their bits do not depend on it. test_subnormals.py tests what the mode does."""

import _thread
import signal
import threading

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from float_mode import MODES, in_mode, mode, needs_fenv
from public_calls import CALLS, FLAT, K, N

import fastnn
from fastnn import MLP, SGD, Adam, kernels
from fastnn import functional as F
from fastnn.activations import ACTIVATIONS
from fastnn.callbacks import Callback

pytestmark = needs_fenv
X = np.random.default_rng(0).uniform(0.1, 0.9, (300, K))
Y = np.random.default_rng(1).uniform(0.1, 0.9, (300, 1))


@pytest.fixture(params=MODES)
def caller(request):
    """The mode of the caller: with subnormal numbers flushed, with another rounding, with both."""
    with in_mode(request.param) as word:
        yield word


@pytest.mark.filterwarnings("ignore")  # of few epochs
@pytest.mark.parametrize("name", CALLS)
def test_public_calls_leave_the_mode_of_their_caller(name, caller):
    if name.startswith("MLP"):
        pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    CALLS[name](X[:N, 0] if name in FLAT else X[:N])
    assert mode() == caller


def same_in_every_mode(results):
    """Check that results() are the same bits in any mode of the caller."""
    expected = results()
    for name in MODES:
        with in_mode(name):
            assert_same_bits(results(), expected, name)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n", [1, 300])
def test_bits_do_not_depend_on_the_mode_of_the_caller(isa, dtype, n, n_threads):
    x, y = X[:n].astype(dtype), Y[:n].astype(dtype)
    starting = MLP([K, 20, 1], output="sigmoid", dtype=dtype, rng=0)
    options = dict(epochs=3, batch_size=150, optimizer=Adam(1e-2), n_threads=n_threads, rng=0)

    def results():
        net, out = starting.copy(), np.empty((n, 1), dtype)
        net.fit(x, y, **options)
        return training_state(net)[:2], net.forward(x, out=out, n_threads=n_threads), net.loss(x, y)

    same_in_every_mode(results)


def test_functions_give_the_same_bits_in_any_mode(isa, dtype):
    z = np.linspace(-95, 95, 1001).astype(dtype)[:, None]

    def results():
        found = []
        for name in ACTIVATIONS:
            a, d = np.empty_like(z), np.empty_like(z)
            kind = getattr(kernels.Activation, name.upper())
            kernels.activation(kind, z, a)
            kernels.activation_backward(kind, z, z, d)
            found += [a, d]
        return found

    same_in_every_mode(results)


# ---- calls out of the kernels --------------------------------------------------------------------


def trained(**options):
    net = MLP([K, 5, 1], output="sigmoid", rng=0)
    net.fit(X, Y, batch_size=64, **options)
    return net


def test_a_custom_loss_runs_in_the_mode_of_the_caller(caller):
    modes = []

    def squares(outputs, targets):
        modes.append(mode())
        d = outputs - targets
        return (d * d).mean(), 2 * d / d.size

    trained(loss=squares, epochs=2, n_threads=2)
    assert modes == [caller] * 10


def test_a_mode_that_a_custom_loss_sets_stays(caller):
    """What Python code does within a call belongs to the caller."""

    def changing(outputs, targets):
        with in_mode("round up"):  # another mode, with kernels in it
            F.activation(np.full(3, 1e-320), "relu")
        d = outputs - targets
        return (d * d).mean(), 2 * d / d.size

    trained(loss=changing, epochs=2)


def test_callbacks_run_in_the_mode_of_the_caller(caller):
    modes = []

    class Record(Callback):
        def on_epoch_end(self, net, history):
            modes.append(mode())

    trained(epochs=3, callbacks=[Record()])
    assert modes == [caller] * 3


@pytest.mark.parametrize("call", ["fit", "forward"])
def test_signal_handlers_run_in_the_mode_of_the_caller(caller, call):
    """A long call polls for signals; the handler's exception leaves the mode, too."""
    modes = []

    def handle(*_):
        modes.append(mode())
        raise InterruptedError

    net = MLP([100, 1200, 1200, 1], rng=0)
    rows = np.zeros((30_000, 100), "f")
    before = signal.signal(signal.SIGUSR1, handle)
    threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGUSR1)).start()
    main = threading.main_thread().ident
    try:
        with pytest.raises(InterruptedError):
            while True:
                if call == "fit":
                    net.fit(rows, rows[:, :1], batch_size=30_000, epochs=1)
                else:
                    net.forward(rows)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert modes == [caller]


def test_ctrl_c_and_divergence_leave_the_mode(caller):
    def interrupting(outputs, targets):
        _thread.interrupt_main()
        return float(outputs.sum()), np.ones_like(outputs)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            trained(loss=interrupting, epochs=1000)
    finally:
        signal.signal(signal.SIGINT, before)
    assert mode() == caller
    with pytest.raises(fastnn.DivergenceError):
        MLP([K, 5, 1], rng=0).fit(X, Y, optimizer=SGD(1e9), epochs=100)
    assert mode() == caller
