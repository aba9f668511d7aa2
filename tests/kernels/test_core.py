"""The compiled core: interruption, restoring, slices, block edges, and other cases that no other
test reaches."""

import itertools
import signal
import time

import numpy as np
import pytest
from checks import assert_same_bits
from small_training import data
from trainers import make_trainer, new_trainer, stored

from fastnn import MLP, SGD, Adam, reference
from fastnn.kernels import CompiledNetwork, Loss, Stop, Trainer
from fastnn.network import split_layers

# ---- Ctrl-C ----


def interrupt_at_check(trainer, n_checks, n_threads, n_curves=1):
    """Run a Trainer until the compiled loop has checked for signals `n_checks` times since the first
    came; then the handler raises.

    The handler lasts longer than the loop waits between two checks, and the next signal comes soon
    after it: so each place that checks counts once."""
    checks = []

    def handler(*_):
        checks.append(1)
        if len(checks) == n_checks:
            raise KeyboardInterrupt
        time.sleep(0.021)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            trainer.run(n_threads, 1e9, *np.empty((n_curves, 10_000)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert trainer.stop() == Stop.SIGNAL


STEPS = {  # optimizer, rows, threads; inputs in which the loss reads slopes
    "fused": (SGD(0.01), 256, 1),
    "fused in two threads": (Adam(0.01), 256, 2),
    "clipped": (SGD(0.01, 0.9, clip_norm=0.1), 256, 1),
    "too long to be fused": (SGD(0.01), 512, 1),
    "three chunks": (SGD(0.01), 600, 2),
    "slopes by tangents": (SGD(0.01), 128, 1, [1, 3]),
    "slopes by adjoints": (SGD(0.01), 128, 2, [0, 1, 2, 3]),
}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
@pytest.mark.spread(2)
@pytest.mark.parametrize("name", STEPS)
def test_ctrl_c_at_every_check_of_a_step_leaves_a_whole_step(name, sizes_with_signal_checks):
    optimizer, n_rows, n_threads, *slopes = STEPS[name]
    sizes, options = sizes_with_signal_checks, {"n_threads": n_threads}
    if slopes:
        sizes = [4, *sizes[1:], 1]
    X, y = data(n_rows, sizes[0], sizes[-1])
    for inputs in slopes:
        options |= dict(jacobian=X[:, inputs].copy(), jacobian_inputs=np.array(inputs))

    def prepared():
        net = MLP(sizes, rng=0)
        return net, *make_trainer(net, X, y, optimizer, **options)

    uninterrupted, trace = prepared(), []
    # a step has two checks in each direction, one before backward, and some for the weights
    for n_checks in range(1, 11):
        net, trainer, moments = prepared()
        interrupt_at_check(trainer, n_checks, n_threads)
        step, epoch, row, loss_sum = trainer.position()
        assert (epoch, row, loss_sum) == (step, 0, 0.0)
        while len(trace) <= step:
            trace.append(stored(*uninterrupted))
            uninterrupted[1].run(1, 1e9, np.empty(1))
        assert_same_bits(stored(net, trainer, moments), trace[step])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
def test_ctrl_c_in_a_validation_is_why_a_slice_ends():
    net, (X, y) = MLP([8, 400, 1], rng=0), data(200_000, 8)
    trainer = make_trainer(net, X[:1], y[:1], validation=new_trainer(net, X, y, None))[0]
    interrupt_at_check(trainer, 2, 1, n_curves=2)


# ---- restore ----


def custom(function, outputs, gradient):
    """The options of a trainer with a custom loss."""
    arrays = dict(custom_outputs=outputs, custom_gradient=gradient)
    return dict(loss=Loss.CUSTOM_LOSS, custom_loss=function, **arrays)


OPTIMIZERS = [SGD(0.05, 0.9), Adam(0.01), Adam(0.01, clip_norm=0.1)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("sizes", [[6, 40, 17, 1], [6, 40, 3]], ids=str)
def test_a_restored_training_continues_to_the_same_bits(sizes, optimizer, dtype):
    """The third epoch diverges. Parameters, their transposes, moments and position return to its
    start."""
    X, y = data(64, sizes[0], sizes[-1], dtype)
    nets = [MLP(sizes, "tanh", dtype=dtype, rng=0) for _ in range(2)]
    outputs, gradient = (np.zeros((16, sizes[-1]), dtype) for _ in range(2))
    calls = []

    def squares(first, n):
        calls.append(first)
        d = outputs[:n] - y[first : first + n]
        gradient[:n] = 2 * d / d.size
        if len(calls) in diverges:
            gradient[:n] = np.nan
            return np.nan
        return float((d * d).mean())

    found, arrays = [], custom(squares, outputs, gradient)
    for net, diverges in zip(nets, ([11], [])):
        calls.clear()
        trainer, moments = make_trainer(net, X, None, optimizer, 16, **arrays)
        losses = np.zeros(5)
        if diverges:
            assert trainer.run(1, 1e9, losses) == Stop.NOT_FINITE
            assert trainer.position()[:3] == (11, 2, 48)
            trainer.restore()
            assert trainer.position() == (8, 2, 0, 0.0)
            assert trainer.run(1, 1e9, losses[2:]) == Stop.EPOCHS
        else:
            assert trainer.run(1, 1e9, losses) == Stop.EPOCHS
        found.append((trainer.position(), losses.tolist(), stored(net, trainer, moments)))
    assert_same_bits(*found)


@pytest.mark.parametrize("bias", [0, 1])
def test_an_overflow_in_a_bias_alone_is_detected(bias, dtype):
    """Inputs of 0 leave the weights alone."""
    net = MLP([3, 5, 2], dtype=dtype, rng=0)
    net.biases[bias][1] = np.inf if bias == 0 else np.finfo(dtype).max
    X = np.zeros((4, 3), dtype)
    gradient = np.full((4, 2), -np.finfo(dtype).max / 8, dtype)
    if bias == 0:
        net.weights[1][:] = 0
        gradient[:] = 0
    trainer, _ = make_trainer(net, X, gradient, SGD(4.0), 4, loss=Loss.GIVEN_GRADIENT)
    assert trainer.run(1, 1e9, np.empty(1)) == Stop.NOT_FINITE


# ---- why a slice ends ----


def test_why_a_slice_ends():
    """Steps take more than 20 us by the trainer's estimate, so it reads the clock after each."""
    X, y = data(256, 64)
    trainer, _ = make_trainer(MLP([64, 128, 1], rng=0), X, y, SGD(0.1), 64)
    assert trainer.run(1, 0.0, np.empty(3)) == Stop.TIME and trainer.position()[:3] == (1, 0, 64)
    whys = [trainer.run(1, 0.0, np.empty(1)) for _ in range(3)]
    assert whys == [Stop.TIME, Stop.TIME, Stop.EPOCHS] and trainer.position()[:3] == (4, 1, 0)
    one_step, _ = make_trainer(MLP([64, 128, 1], rng=0), X, y, SGD(0.1), 256)
    assert one_step.run(1, 0.0, np.empty(1)) == Stop.EPOCHS


def test_validation_losses_are_those_of_the_current_run():
    X, y = data(256, 64)
    net = MLP([64, 128, 1], rng=0)
    validation = new_trainer(net, X, y, None)
    trainer, _ = make_trainer(net, X, y, SGD(0.001), 64, validation=validation)
    assert trainer.run(1, 1e9, *np.empty((2, 2))) == Stop.EPOCHS and trainer.epochs_validated() == 2
    trainer.set_position(0, 0, 0, 0.0)
    assert trainer.run(1, 0.0, *np.empty((2, 2))) == Stop.TIME and trainer.epochs_validated() == 0


def test_a_validation_trainer_that_has_run_alone_then_uses_the_trained_parameters():
    X, y = data(30, 5)
    net = MLP([5, 9, 1], dtype="float64", rng=0)
    X, y = X.astype("f8"), y.astype("f8")
    validation = new_trainer(net, X, y, None)
    validation.load()
    assert validation.loss() == pytest.approx(net.loss(X, y), rel=1e-14)
    trainer, moments = make_trainer(net, X, y, SGD(0.1), 10, validation=validation)
    losses = np.empty((2, 3))
    trainer.run(1, 1e9, *losses)
    stored(net, trainer, moments)
    assert losses[1, -1] == pytest.approx(net.loss(X, y), rel=1e-14)


# ---- forward at the edges of its blocks ----

INPUTS, OUTPUTS = [1, 15, 16, 17, 255, 256, 257, 512, 513], [1, 2, 33, 256, 257, 300]


@pytest.mark.parametrize("n", [1, 3, 5, 63, 64, 65, 257])
def test_forward_of_whole_numbers_is_exact_at_block_edges(n, isa, dtype):
    rng = np.random.default_rng(0)
    for n_in, n_out in itertools.product(INPUTS, OUTPUTS):
        X = rng.integers(-3, 4, (n, n_in)).astype(dtype)
        net = MLP([n_in, n_out, 3], "relu", "identity", dtype=dtype, rng=0)
        net.params[:] = rng.integers(-3, 4, net.n_params)
        # exact and fast
        (W, V), (b, c) = (list(map(np.float64, arrays)) for arrays in (net.weights, net.biases))
        expected = np.maximum(X.astype(np.float64) @ W + b, 0) @ V + c
        around = np.full((n + 2, 3), 7, dtype)
        net.forward(X, out=around[1:-1])
        np.testing.assert_array_equal(around[1:-1], expected)
        np.testing.assert_array_equal(around[[0, -1]], 7)


@pytest.mark.parametrize("n", [1, 5, 64])
@pytest.mark.parametrize("sizes", [[3, 1], [3, 4], [3, 40, 2]], ids=str)
def test_relu_keeps_nan(sizes, n, isa, dtype):
    net, X = MLP(sizes, "relu", "relu", dtype=dtype, rng=0), np.ones((n, 3), dtype)
    X[n // 2, 1] = np.nan
    bad = np.isnan(net.forward(X))
    assert bad[n // 2].all() and bad.sum() == sizes[-1]


# ---- one step ----


@pytest.mark.parametrize("loss", ["mse", "huber", "log_cosh"])
@pytest.mark.parametrize("n_out", [1, 3])
def test_the_gradient_at_an_output_that_is_nan_is_nan(n_out, loss, isa, dtype):
    net = MLP([2, n_out], "identity", dtype=dtype, rng=0)
    net.biases[0][-1] = np.nan
    assert np.isnan(net.loss_and_grad(np.zeros((5, 2), dtype), np.zeros((5, n_out), dtype), loss))
    assert np.isnan(net.grad_biases[0]).tolist() == [False] * (n_out - 1) + [True]


@pytest.mark.parametrize("kind", ["clip_value", "clip_norm", "l1", "l2"])
def test_a_gradient_that_is_nan_makes_the_parameters_nan(kind, isa, dtype):
    net, gradient = MLP([3, 40, 2], "tanh", dtype=dtype, rng=0), np.full((4, 2), np.nan, dtype)
    clipped = SGD(0.1, **{kind: 0.1})
    options = dict(loss=Loss.GIVEN_GRADIENT)
    trainer, moments = make_trainer(net, np.ones((4, 3), dtype), gradient, clipped, **options)
    assert trainer.run(1, 1e9, np.empty(1)) == Stop.NOT_FINITE
    stored(net, trainer, moments)
    np.testing.assert_array_equal(net.params, np.nan)


@pytest.mark.parametrize("n_rows", [40, 700])
@pytest.mark.parametrize("sizes", [[6, 1], [6, 5], [6, 19, 40, 1]], ids=str)
@pytest.mark.parametrize("clip_norm", [None, 1e-3, 1e-7, 1e9])
def test_penalties_are_for_weights_and_the_norm_is_of_all(clip_norm, sizes, n_rows):
    X, y = data(n_rows, 6, sizes[-1], "float64")
    optimizer = SGD(0.5, l1=0.01, l2=0.3, clip_norm=clip_norm)
    for n_threads in (1, 2):
        net = MLP(sizes, "tanh", dtype="float64", rng=0)
        net.params += 0.01
        unchanged = net.copy()
        trainer, moments = make_trainer(net, X, y, optimizer, n_threads=n_threads)
        trainer.run(n_threads, 1e9, np.empty(1))
        stored(net, trainer, moments)
        unchanged.loss_and_grad(X, y)
        g = unchanged.grads.copy()
        for G, W in zip(split_layers(g, unchanged.layer_sizes)[0], unchanged.weights):
            G += 0.3 * W + 0.01 * np.sign(W)
        if clip_norm is not None:
            g *= min(1.0, clip_norm / (np.sqrt((g * g).sum()) + 1e-6))
        np.testing.assert_allclose(net.params - unchanged.params, -0.5 * g, rtol=1e-7, atol=1e-16)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.01), Adam(0.01, clip_norm=0.1)], ids=repr)
@pytest.mark.parametrize("width", [3, 9, 20, 33, 70])
def test_threads_share_the_rows_of_every_weight_and_of_its_transpose(width, optimizer, isa, dtype):
    X, y = data(40, width, 2, dtype)
    found = []
    for n_threads in (1, 2, 3, 5, 8):
        net = MLP([width, width, width + 1, 2], "tanh", dtype=dtype, rng=0)
        trainer, moments = make_trainer(net, X, y, optimizer, 20)
        trainer.run(n_threads, 1e9, np.empty(3))
        found.append(stored(net, trainer, moments))
        assert_same_bits(found[-1], found[0], f"{n_threads} threads")


@pytest.mark.parametrize("batch_size", [100, 600])
@pytest.mark.parametrize("step", [0, 5])
def test_dropout_masks_depend_on_step_layer_and_row(step, batch_size, isa):
    rates = [0.3, 0.5, 0.2]
    X, y = data(batch_size, 6, 2, "float64")
    net = MLP([6, 30, 30, 2], "tanh", dtype="float64", rng=0)
    layers, grads = (net.weights, net.biases, net.activations), np.empty(net.n_params)
    dX, options = np.empty_like(X), dict(dropout=rates, seed=11, step=step)
    expected, *gradients = reference.loss_and_grad(X, y, *layers, "mse", **options)
    for n_threads in (1, 3):
        options = dict(dropout=np.array(rates), seed=11, n_threads=n_threads)
        trainer = new_trainer(net, X, y, None, dX=dX, **options)
        trainer.set_position(step, 0, 0, 0.0)
        assert trainer.gradient(n_threads) == pytest.approx(expected, rel=1e-12)
        trainer.store_gradient(grads)
        for ours, theirs in zip(split_layers(grads, net.layer_sizes, net.bias), gradients):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)
        # both are the sums of (X W) dZ, where X is what dropout left
        assert (X * dX).sum() == pytest.approx((net.weights[0] * gradients[0][0]).sum())


def test_a_loss_without_layers_reads_rows_in_any_order(isa, dtype):
    X, y = data(48, 1, 1, dtype)  # whole vectors
    net, order = CompiledNetwork(), np.random.default_rng(0).permutation(48)
    net._bind([1], [], [], [], dtype)

    def gradient(**options):
        dX = np.empty_like(X)
        new_trainer(net, X, y, None, dX=dX, **options).gradient()
        return dX

    assert_same_bits(gradient(order=order), gradient()[order])
    assert_same_bits(gradient(loss=Loss.GIVEN_GRADIENT), y)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_custom_loss_that_raises_keeps_the_steps_done_before(n_threads, dtype):
    """A batch has three chunks; its gradient is read chunk by chunk, and not at all where the
    function has raised."""
    X, y = data(1400, 6, 2, dtype)
    net, expected_net = (MLP([6, 9, 2], "tanh", dtype=dtype, rng=0) for _ in range(2))
    outputs, gradient, calls = np.zeros((700, 2), dtype), np.zeros((700, 2), dtype), []

    def squares(first, n):
        calls.append(first)
        if len(calls) == 4:
            gradient[:] = 1e3
            raise ZeroDivisionError
        d = outputs - y[first : first + n]
        gradient[:] = 2 * d / d.size
        return float((d.astype("f8") ** 2).mean())

    options = dict(n_threads=n_threads, **custom(squares, outputs, gradient))
    trainer, moments = make_trainer(net, X, None, Adam(0.01), 700, **options)
    with pytest.raises(ZeroDivisionError):
        trainer.run(n_threads, 1e9, np.empty(9))
    assert trainer.position()[:3] == (3, 1, 700) and calls == [0, 700, 0, 700]
    other, theirs = make_trainer(expected_net, X, y, Adam(0.01), 700)
    other.run(1, 1e9, np.empty(1))
    other.run(1, 0.0, np.empty(2))
    assert other.position()[:3] == (3, 1, 700)
    stored(net, trainer, moments)
    stored(expected_net, other, theirs)
    atol = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(net.params, expected_net.params, rtol=0, atol=atol)


def test_settings_with_a_different_number_of_moments_are_refused():
    X, y = data(8, 3)
    trainer, _ = make_trainer(MLP([3, 1], rng=0), X, y, SGD(0.1), 8)
    for other in (SGD(0.1, 0.9), Adam(), SGD(0.1, average=0.5), SGD(0.1, clip_norm=1.0)):
        with pytest.raises(ValueError, match="different number of moment buffers"):
            trainer.set_optimizer(other.to_kernel())
    trainer.set_optimizer(SGD(0.2, l2=0.1, clip_value=1.0).to_kernel())


def test_a_trainer_without_an_optimizer_gets_none():
    X, y = data(8, 3)
    trainer = Trainer(MLP([3, 1], rng=0), X, y, loss=Loss.SQUARED_ERROR, batch_size=8)
    with pytest.raises(ValueError, match=r"no memory for updates. Make a new one with an optim"):
        trainer.set_optimizer(SGD(0.1).to_kernel())


# ---- the shuffle ----


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937])
def test_the_order_of_rows_is_numpys_permutation(bits):
    for n in [*range(1, 70), 127, 128, 129, 255, 256, 257, 1023, 1024, 1025]:
        generator, order = bits(3), np.zeros(n, np.intp)
        X, y = np.zeros((n, 1), "f4"), np.zeros((n, 1), "f4")
        options = dict(order=order, generator=generator)
        trainer, _ = make_trainer(MLP([1, 1], rng=0), X, y, **options)
        expected = np.random.Generator(bits(3))
        for _ in range(2):
            trainer.run(1, 1e9, np.empty(1))
            assert order.tolist() == expected.permutation(n).tolist()
        assert str(generator.state) == str(expected.bit_generator.state)
