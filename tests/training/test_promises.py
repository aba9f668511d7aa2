"""Reproducibility to the last bit: results do not depend on threads, slices, the fused update, a
row's batch, or the process."""

import os
import tempfile
from dataclasses import dataclass
from unittest import mock

import cases
import numpy as np
import processes
import pytest
from checks import assert_same_bits
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from instruction_sets import using
from scale import scaled
from small_training import data, log_cosh

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, DivergenceError, EarlyStopping, kernels, schedules
from fastnn.activations import HIDDEN
from fastnn.callbacks import Callback
from fastnn.kernels import Stop
from fastnn.losses import Huber
from fastnn.network import split_layers
from fastnn.optimizers import Optimizer
from fastnn.schedules import Rates, ReduceOnPlateau
from fastnn.training import session
from fastnn.training.jacobian_targets import DerivativeArguments
from fastnn.training.plan import RowArguments, data_in_memory

VARIANTS = [kernels.CHOSEN] if os.environ.get("FASTNN_ISA") else kernels.SUPPORTED
EPOCHS = 3
DIVERGED = "diverged", "", []


PAIRS = [  # output, loss, the number of outputs must be a multiple of
    *(
        (output or "identity", loss, 2 if output == "softmax" else cases.outputs_per_target(loss))
        for loss, output in cases.NETWORK_LOSSES
    ),
    ("softmax", "mse", 2),
    ("sigmoid", "mse", 1),
    ("gelu", "mse", 1),
    ("tanh", Huber(0.3), 1),
    ("identity", log_cosh, 1),
    ("softmax", log_cosh, 2),
]
WITH_DERIVATIVES = "mse", "mae", "huber", "log_cosh", "quantile", "gaussian_nll", Huber(0.3)
RULES = [
    (SGD, dict(lr=0.1)),
    (SGD, dict(lr=0.1, weight_decay=0.01)),
    (SGD, dict(lr=0.05, momentum=0.9)),
    (SGD, dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    (fastnn.Adagrad, dict(lr_decay=0.01)),
    (fastnn.RMSprop, dict(centered=True)),
    (fastnn.RMSprop, dict(momentum=0.5, weight_decay=0.1)),
    (fastnn.RMSprop, dict(centered=True, momentum=0.5)),
    (Adam, dict(lr=0.01)),
    (Adam, dict(weight_decay=0.1, amsgrad=True)),
    (fastnn.NAdam, dict(weight_decay=0.1, decoupled_weight_decay=True)),
    *((cls, {}) for cls in cases.STEPS.values()),
    *((cls, dict(weight_decay=0.1)) for cls in cases.STEPS.values()),
]
PENALTIES = [{}, dict(l1=0.01), dict(l2=0.1), dict(l1=0.01, l2=0.1)]
CLIPPING = [{}, {}, dict(clip_value=0.01), dict(clip_norm=0.1)]
SCHEDULES = [
    schedules.StepDecay(0.1, 2),
    schedules.ExponentialDecay(0.05, 0.9, unit="step"),
    schedules.CosineDecay(0.05, 10, warmup=3, unit="step"),
    schedules.OneCycle(0.1, 11),
    Rates([0.1, 0.02]),
    Rates([0.05, 0.1, 0.0, 0.02], unit="step"),
]
widths = st.one_of(st.integers(1, 40), st.sampled_from([1, 8, 15, 16, 17, 32, 33, 64, 70]))


def optimizers(draw):
    """Draw an optimizer with any of the shared options."""
    cls, settings = draw(st.sampled_from(RULES))
    for options in (PENALTIES, CLIPPING, [{}, dict(average=0.9)]):
        settings = settings | draw(st.sampled_from(options))
    if draw(st.booleans()):
        settings |= dict(lr=draw(st.sampled_from(SCHEDULES)))
    return cls(**settings)


@dataclass
class Case:
    """A training that runs in any number of threads and slices, or step by step with public
    functions."""

    sizes: list[int]
    hidden: list[str]
    output: str
    loss: object
    batch: int
    optimizer: Optimizer
    n_rows: int
    bias: bool = True
    dtype: str = "float32"
    dropout: float | list[float] = 0.0
    weight: np.ndarray | None = None
    n_dy: int = 0  # of how many inputs it learns derivatives, too

    def __post_init__(self):
        self.resize(self.n_rows)

    @classmethod
    def drawn(cls, draw):
        output, loss, multiple = draw(st.sampled_from(PAIRS))
        n_out = -(-draw(widths) // multiple) * multiple
        sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), n_out]
        names = st.sampled_from([name for name in HIDDEN if name != "exponential"])
        hidden = [draw(names) for _ in sizes[2:]]
        bias, dtype = draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
        n = draw(st.one_of(st.integers(1, 60), st.integers(250, 530)))
        batch = draw(st.integers(1 + n // 12, n))
        optimizer = optimizers(draw)
        dropout = draw(st.sampled_from([0.0, 0.0, 0.3, [0.2] * (len(sizes) - 1)]))
        case = cls(sizes, hidden, output, loss, batch, optimizer, n, bias, dtype, dropout)
        if loss == "cross_entropy" and draw(st.booleans()):
            case.y = case.y.argmax(axis=1)
        if loss is not log_cosh and draw(st.booleans()):
            case.weight = (np.arange(n) % 3).astype(dtype)
        takes_dy = loss in WITH_DERIVATIVES and output != "softmax" and not dropout
        if takes_dy and draw(st.booleans()):
            case.n_dy = draw(st.integers(1, min(9, sizes[0])))
            case.resize(n)
        return case

    def resize(self, n_rows):
        """Make data of so many rows, and weights if there are any."""
        n_targets = self.sizes[-1] // cases.outputs_per_target(self.loss)
        self.X, self.y = data(n_rows, self.sizes[0], n_targets, self.dtype)
        if self.weight is not None:
            self.weight = (np.arange(n_rows) % 3).astype(self.dtype)
        self.derivatives = {}
        if self.n_dy:
            inputs = list(range(self.n_dy))[::-1]
            dy = np.random.default_rng(2).normal(size=(n_rows, self.sizes[-1], self.n_dy))
            dy[n_rows // 2 :: 3] = np.nan
            self.derivatives = dict(dy=dy, dy_weight=0.5, dy_inputs=inputs)

    def net(self):
        options = dict(rng=0, dropout=self.dropout)
        return MLP(self.sizes, self.hidden, self.output, self.bias, self.dtype, **options)

    def train(self, n_threads, seconds, prepared_for=1):
        """Train in slices of `seconds`. Return parameters, moments and losses; DIVERGED if they are
        not finite. `prepared_for` threads get memory for their own chunks."""
        net, rng = self.net(), np.random.default_rng(5)
        derivatives = DerivativeArguments(*self.derivatives.values())
        rows = RowArguments(self.X, self.y, self.weight, derivatives=derivatives)
        problem = data_in_memory(net, rows, self.loss)
        dropout = np.array(net.dropout) if net.has_dropout else None
        options = dict(optimizer=self.optimizer.to_kernel(), dropout=dropout, seed=7)
        options |= dict(generator=rng.bit_generator, n_threads=prepared_for)
        trainer = problem.trainer(net, self.batch, np.arange(len(self.X)), **options)
        moments, done = self.moments(net), []
        trainer.load(moments)
        while len(done) < EPOCHS:
            now = np.empty(EPOCHS - len(done))
            if trainer.run(n_threads, seconds, now) == Stop.NOT_FINITE:
                return DIVERGED
            done += now[: trainer.position()[1] - len(done)].tolist()
        trainer.store(moments)
        return net.params, moments, done

    def moments(self, net):
        moments = np.zeros((self.optimizer.n_moments, net.n_params), net.dtype)
        if self.optimizer.average is not None:
            moments[-1] = net.params
        return moments

    def by_hand(self):
        """Train by loss_and_grad and separate updates; None where these have no such option."""
        if any(self.net().dropout) or self.optimizer.clip_norm is not None or self.n_dy:
            return None
        net, rng, done = self.net(), np.random.default_rng(5), []
        moments, settings, step = self.moments(net), self.optimizer.to_kernel(), 0
        rate, is_weight = settings["rate"], np.zeros(net.n_params, bool)
        for W in split_layers(is_weight, net.layer_sizes, net.bias)[0]:
            W[...] = True
        for epoch in range(EPOCHS):
            order, total = rng.permutation(len(self.X)), 0
            for rows in np.split(order, range(self.batch, len(order), self.batch)):
                w = None if self.weight is None else self.weight[rows]
                total += net.loss_and_grad(self.X[rows], self.y[rows], self.loss, w) * len(rows)
                settings["rate"] = schedules.constant(kernels.learning_rate(rate, step, epoch))
                step += 1
                for part, penalties in ((is_weight, {}), (~is_weight, dict(l1=0.0, l2=0.0))):
                    params, own = net.params[part], [m[part] for m in moments]
                    rule = kernels.packed(settings | penalties)
                    kernels.update(rule, step, params, net.grads[part], *own)
                    net.params[part] = params
                    for m, new in zip(moments, own):
                        m[part] = new
            done.append(total / len(order))
        return net.params, moments, done


def examples(few, many):
    """Make a test of what takes st.data(): how many examples it has, and how many with --rest."""
    many = pytest.param(many, marks=pytest.mark.slow("fewer examples"))

    def decorate(check):
        @pytest.mark.parametrize("n_examples", [few, many])
        def test(n_examples):
            settings(max_examples=scaled(n_examples))(given(st.data())(check))()

        return test

    return decorate


@examples(40, 250)
def test_threads_slices_and_the_fused_update_do_not_change_bits(data):
    case = Case.drawn(data.draw)
    results = {}
    for isa in VARIANTS:
        with using(isa):
            results[isa] = case.train(1, 1e9)
            variants = [(1, 0), (2, 1e9), (2, 0), (3, 0), (3, 1e9), (7, 1e9), (7, 0)]
            threads, seconds = data.draw(st.sampled_from(variants))
            assert_same_bits(case.train(threads, seconds), results[isa])
            by_hand = None if results[isa] is DIVERGED else case.by_hand()
            if by_hand:
                assert_same_bits(by_hand[:2], results[isa][:2])
                assert by_hand[2] == pytest.approx(results[isa][2], rel=1e-13)
    with_fma = [isa for isa in results if isa != "baseline"]
    for isa in with_fma[1:]:
        assert_same_bits(results[isa], results[with_fma[0]], isa)


@examples(50, 100)
def test_a_resumed_training_has_the_bits_of_one_that_never_stopped(data_):
    draw = data_.draw
    case = Case.drawn(draw)
    adam = Adam(ReduceOnPlateau(0.01, patience=0, min_delta=0.5))
    sgd = SGD(ReduceOnPlateau(0.1, 0.5, 1, 0.3), average=0.5)
    case.optimizer = draw(st.sampled_from([case.optimizer, adam, sgd]))
    whole, parts = case.net(), case.net()
    options = dict(
        loss=case.loss,
        batch_size=case.batch,
        shuffle=draw(st.booleans()),
        sample_weight=case.weight,
        validation_fraction=0.2 if len(case.X) > 20 else 0.0,
        **case.derivatives,
    )
    stopping = draw(st.sampled_from([[], [EarlyStopping(patience=100)]]))
    more = dict(optimizer=case.optimizer, rng=11)
    try:
        history = whole.fit(case.X, case.y, epochs=5, callbacks=stopping, **more, **options)
    except DivergenceError:  # a large rate, and an exponential
        reject()
    seen = []
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(session, "SLICE_SECONDS", draw(st.sampled_from([0, 1e9]))),
    ):
        path = os.path.join(folder, "net")
        while parts.state is None or parts.state.epoch < 5:
            stop = [*stopping, StopSometime(draw(st.integers(1, 4)), draw(st.booleans()))]
            left = 5 - parts.state.epoch if seen else 5
            seen.append(parts.fit(case.X, case.y, epochs=left, callbacks=stop, **more, **options))
            more = dict(resume=True)
            parts.save(path)
            parts = draw(st.sampled_from([parts, parts.copy(), fastnn.load(path)]))
    for name in ("loss", "val_loss"):
        assert [x for part in seen for x in getattr(part, name)] == getattr(history, name)
    assert_same_bits(parts.state.moments, whole.state.moments)
    assert_same_bits(parts.params, whole.params)
    assert (parts.state.params is None) == (whole.state.params is None)
    assert parts.state.plateau == whole.state.plateau
    assert str(parts.rng.bit_generator.state) == str(whole.rng.bit_generator.state)


class StopSometime(Callback):
    """Stops after a few calls, within an epoch or at its end."""

    interval = 0.0

    def __init__(self, calls_left, within):
        self.calls_left, self.within = calls_left, within

    def on_epoch_end(self, net, history):
        self.calls_left -= 1
        return self.calls_left <= 0 and not self.within

    def on_interval(self, net, history):
        self.calls_left -= 1
        return self.calls_left <= 0 and self.within


FUSED = [SGD(1e-4), Adam(1e-4), Adam(1e-4, clip_norm=1e3), AdamW(1e-4, l1=1e-3, average=0.5)]


@pytest.mark.spread(2)
@pytest.mark.parametrize("optimizer", FUSED, ids=repr)
def test_a_step_too_long_for_the_fused_update_has_its_bits(optimizer):
    case = Case([1100, 1030, 2], ["relu"], "identity", "mse", 256, optimizer, n_rows=300)
    trained = case.train(1, 1e9)
    assert_same_bits(case.train(3, 0)[:2], trained[:2])
    if optimizer.clip_norm is None:
        assert_same_bits(case.by_hand()[:2], trained[:2])


@examples(25, 60)
def test_threads_with_whole_chunks_do_not_change_bits(data_):
    case = Case.drawn(data_.draw)
    n = data_.draw(st.integers(260, 1300))
    case.batch = data_.draw(st.integers(257, n))
    case.resize(n)
    threads = data_.draw(st.sampled_from([2, 3, 5]))
    assert_same_bits(case.train(threads, 1e9, threads), case.train(1, 1e9))


@pytest.mark.parametrize("slice_seconds", [0, 0.05, 1e9])
@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
@pytest.mark.parametrize("n_threads", [1, 2, -1])
def test_slices_and_threads_do_not_change_the_bits_of_fit(
    slice_seconds, callbacks, n_threads, monkeypatch
):
    X, y = data(1000, 20)
    expected = MLP([20, 30, 1], rng=0)
    history = expected.fit(X, y, epochs=5)
    monkeypatch.setattr(session, "SLICE_SECONDS", slice_seconds)
    monkeypatch.setattr(session, "SLICE_EPOCHS", 2)
    net = MLP([20, 30, 1], rng=0)
    assert net.fit(X, y, epochs=5, callbacks=callbacks, n_threads=n_threads).loss == history.loss
    assert_same_bits(net.params, expected.params)
    assert_same_bits(net.state.moments, expected.state.moments)


@settings(max_examples=scaled(150))
@given(st.data())
def test_a_row_predicts_the_same_bits_alone_or_in_any_batch(data_):
    draw = data_.draw
    sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), draw(widths) + 1]
    n = draw(st.sampled_from([1, 2, 3, 4, 6, 9, 31, 63, 64, 256, 257, 530]))
    names = draw(st.sampled_from(list(HIDDEN))), draw(st.sampled_from([*HIDDEN, "softmax"]))
    with using(draw(st.sampled_from(VARIANTS))):
        net = MLP(sizes, *names, dtype=draw(st.sampled_from(["float32", "float64"])), rng=0)
        net.params += 0.01
        X, _ = data(n, sizes[0], dtype=net.dtype)
        Y = net.forward(X)
        first = draw(st.integers(0, n - 1))
        last = draw(st.integers(first + 1, n))
        assert_same_bits(net.forward(X[first:last]), Y[first:last])
        assert_same_bits(net.forward(X[first : first + 1]), Y[first])
        order = np.random.default_rng(0).permutation(n)
        assert_same_bits(net.forward(X[order], n_threads=2), Y[order])


# ---- edge cases of weights and sizes ----


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam()], ids=repr)
def test_a_row_of_weight_zero_has_no_effect(optimizer):
    X, y = data()
    keep = np.arange(70) % 5 > 0
    weighted, absent = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    weighted.fit(X, y, optimizer=optimizer, batch_size=None, shuffle=False, sample_weight=keep)
    absent.fit(X[keep], y[keep], optimizer=optimizer, batch_size=None, shuffle=False)
    assert_same_bits(weighted.params, absent.params)
    assert weighted.history.loss == pytest.approx(absent.history.loss, rel=1e-6)


def test_only_the_ratio_of_weights_counts():
    X, y = data()
    nets = [MLP([6, 9, 1], rng=0) for _ in range(3)]
    for net, w in zip(nets, [None, np.ones(70), np.full(70, 1024.0)]):
        net.fit(X, y, sample_weight=w, batch_size=16)
    for net in nets[1:]:
        assert_same_bits(net.params, nets[0].params)


def test_a_batch_of_zero_weights_changes_nothing():
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    before = net.params.copy()
    history = net.fit(X, y, optimizer=SGD(0.5), sample_weight=np.zeros(70))
    assert_same_bits(net.params, before)
    assert history.loss == [0.0] * 10 and history.n_steps == 30
    for loss in (net.loss, net.loss_and_grad):
        assert loss(X, y, sample_weight=np.zeros(70)) == 0.0
    np.testing.assert_array_equal(net.grads, 0)


def test_zero_epochs_change_nothing_but_the_state():
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    before, bits = net.params.copy(), str(net.rng.bit_generator.state)
    history = net.fit(X, y, epochs=0, progress=False, callbacks=lambda *_: 1 / 0)
    assert (history.loss, history.n_epochs, history.n_steps) == ([], 0, 0)
    assert_same_bits(net.params, before)
    assert (net.state.step, net.state.epoch, str(net.rng.bit_generator.state)) == (0, 0, bits)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_size_above_the_number_of_rows_means_all_rows(shuffle):
    X, y = data()
    nets = [MLP([6, 9, 1], rng=0) for _ in range(3)]
    for net, batch in zip(nets, [70, 10**15, None]):
        assert net.fit(X, y, epochs=3, batch_size=batch, shuffle=shuffle).n_steps == 3
    for net in nets[1:]:
        assert_same_bits(net.params, nets[0].params)


# ---- another process ----

TRAIN = """
import numpy as np, fastnn
X = np.random.default_rng(1).normal(size=(300, 20))
net = fastnn.MLP([20, 30, 1], rng=7)
history = net.fit(X, X[:, 0], epochs=5)
print(net.params.tobytes().hex(), history.loss)
"""


def test_the_same_seed_gives_the_same_bits_in_every_process():
    runs = [processes.run(TRAIN).stdout for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0]) > 1000
