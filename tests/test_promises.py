"""The promises that hold to the last bit: no number depends on threads, slices, the fused update, a
row's batch, or the process."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import cases
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import fastnn
from fastnn import (
    MLP,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    DivergenceError,
    EarlyStopping,
    NAdam,
    RMSprop,
    kernels,
    losses,
    schedules,
)
from fastnn.activations import HIDDEN
from fastnn.callbacks import Callback
from fastnn.kernels import Stop
from fastnn.losses import Huber
from fastnn.schedules import (
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    Table,
)
from fastnn.training import session
from fastnn.training.data import Data

VARIANTS = [kernels.CHOSEN] if os.environ.get("FASTNN_ISA") else kernels.SUPPORTED
EPOCHS = 3
DIVERGED = "diverged", "", []


@contextlib.contextmanager
def using(isa):
    before = kernels.CHOSEN
    kernels.use(isa)
    try:
        yield
    finally:
        kernels.use(before)


def data(n=70, n_in=6, n_out=1, dtype="float32", seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_in)).astype(dtype)
    return X, ((np.sin(X[:, :1] * np.arange(1, n_out + 1)) + 1) / 2).astype(dtype)


def custom_loss(outputs, y):
    """Mean log cosh of the error."""
    d = outputs - y.reshape(outputs.shape)
    return np.log(np.cosh(np.clip(d, -80, 80))).mean(), np.tanh(d) / d.size


PAIRS = [  # output, loss, how many outputs it wants a multiple of
    *(
        (output or "identity", loss, 2 if output == "softmax" else cases.outputs_per_target(loss))
        for loss, output in cases.NETWORK_LOSSES
    ),
    ("softmax", "mse", 2),
    ("sigmoid", "mse", 1),
    ("gelu", "mse", 1),
    ("tanh", Huber(0.3), 1),
    ("identity", custom_loss, 1),
    ("softmax", custom_loss, 2),
]
RULES = [
    dict(cls=SGD, lr=0.1),
    dict(cls=SGD, lr=0.1, weight_decay=0.01),
    dict(cls=SGD, lr=0.05, momentum=0.9),
    dict(cls=SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    dict(cls=Adagrad, lr_decay=0.01),
    dict(cls=Adadelta),
    dict(cls=RMSprop),
    dict(cls=RMSprop, centered=True),
    dict(cls=RMSprop, momentum=0.5, weight_decay=0.1),
    dict(cls=RMSprop, centered=True, momentum=0.5),
    dict(cls=Adam, lr=0.01),
    dict(cls=Adam, weight_decay=0.1, amsgrad=True),
    dict(cls=AdamW),
    dict(cls=Adamax),
    dict(cls=NAdam),
    dict(cls=NAdam, weight_decay=0.1, decoupled_weight_decay=True),
]
OTHERS = [cls for cls in cases.STEPS.values() if cls not in [rule["cls"] for rule in RULES]]
RULES += [dict(cls=cls, **settings) for cls in OTHERS for settings in ({}, dict(weight_decay=0.1))]
SCHEDULES = [
    StepDecay(0.1, 2),
    ExponentialDecay(0.05, 0.9, unit="step"),
    CosineDecay(0.05, 10, warmup=3, unit="step"),
    OneCycle(0.1, 11),
    Table([0.1, 0.02]),
    Table([0.05, 0.1, 0.0, 0.02], unit="step"),
]
widths = st.one_of(st.integers(1, 40), st.sampled_from([1, 8, 15, 16, 17, 32, 33, 64, 70]))


def optimizers(draw):
    """Any rule, with any of what stands around it."""
    settings = draw(st.sampled_from(RULES)) | draw(
        st.sampled_from([{}, dict(l1=0.01), dict(l2=0.1), dict(l1=0.01, l2=0.1)])
    )
    settings |= draw(st.sampled_from([{}, {}, dict(clip_value=0.01), dict(clip_norm=0.1)])) | draw(
        st.sampled_from([{}, dict(average=0.9)])
    )
    if draw(st.booleans()):
        settings |= dict(lr=draw(st.sampled_from(SCHEDULES)))
    return settings.pop("cls")(**settings)


class Case:
    """One training, run whole in any number of threads and slices, or step by step with what the
    public functions do."""

    def __init__(self, draw):
        self.output, self.loss, multiple = draw(st.sampled_from(PAIRS))
        n_out = -(-draw(widths) // multiple) * multiple
        self.sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), n_out]
        self.hidden = [
            draw(st.sampled_from([name for name in HIDDEN if name != "exponential"]))
            for _ in self.sizes[2:]
        ]
        self.bias, self.dtype = draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
        n = draw(st.one_of(st.integers(1, 60), st.integers(250, 530)))
        self.batch = draw(st.integers(1 + n // 12, n))
        self.optimizer = optimizers(draw)
        self.dropout = draw(st.sampled_from([0.0, 0.0, 0.3, [0.2] * (len(self.sizes) - 1)]))
        self.X, self.y = data(n, self.sizes[0], n_out // self.per_target(), self.dtype)
        if self.loss == "cross_entropy" and draw(st.booleans()):
            self.y = self.y.argmax(axis=1)
        self.weight = (
            None
            if self.loss is custom_loss
            else draw(st.sampled_from([None, (np.arange(n) % 3).astype(self.dtype)]))
        )

    def per_target(self):
        return cases.outputs_per_target(self.loss)

    def net(self):
        return MLP(
            self.sizes, self.hidden, self.output, self.bias, self.dtype, rng=0, dropout=self.dropout
        )

    def train(self, n_threads, seconds, prepared_for=1):
        """In slices of `seconds`: parameters and moments as bytes, and the losses; DIVERGED if they
        are not finite. prepared_for: so many threads have memory for chunks of their own."""
        net, rng = self.net(), np.random.default_rng(5)
        problem = Data.of(net, self.X, self.y, losses.resolve(self.loss, self.output), self.weight)
        trainer = problem.trainer(
            net,
            self.batch,
            np.arange(len(self.X)),
            generator=rng.bit_generator,
            optimizer=self.optimizer.to_kernel(),
            dropout=np.array(net.dropout),
            seed=7,
            n_threads=prepared_for,
        )
        moments, done = self.moments(net), []
        trainer.load(moments)
        while len(done) < EPOCHS:
            now = np.empty(EPOCHS - len(done))
            if trainer.run(n_threads, seconds, now) == Stop.NOT_FINITE:
                return DIVERGED
            done += now[: trainer.position()[1] - len(done)].tolist()
        trainer.store(moments)
        return net.params.tobytes(), moments.tobytes(), done

    def moments(self, net):
        moments = np.zeros((self.optimizer.n_moments, net.n_params), net.dtype)
        if self.optimizer.average is not None:
            moments[-1] = net.params
        return moments

    def by_hand(self):
        """The same by loss_and_grad and an update of its own; None for what they cannot do."""
        if any(self.net().dropout) or self.optimizer.clip_norm is not None:
            return None
        net, rng, done = self.net(), np.random.default_rng(5), []
        moments, settings, step = self.moments(net), self.optimizer.to_kernel(), 0
        rate, is_weight = settings["rate"], np.zeros(net.n_params, bool)
        for W in net._views(is_weight)[0]:
            W[...] = True
        for epoch in range(EPOCHS):
            order, total = rng.permutation(len(self.X)), 0
            for rows in np.split(order, range(self.batch, len(order), self.batch)):
                w = None if self.weight is None else self.weight[rows]
                total += net.loss_and_grad(self.X[rows], self.y[rows], self.loss, w) * len(rows)
                settings["rate"] = schedules.constant(kernels.learning_rate(rate, step, epoch))
                step += 1
                for part, penalties in (
                    (is_weight, {}),
                    (~is_weight, dict(l1=0.0, l2=0.0)),
                ):  # biases have no penalties
                    params, own = net.params[part], [m[part] for m in moments]
                    kernels.update(
                        kernels.packed(settings | penalties), step, params, net.grads[part], *own
                    )
                    net.params[part] = params
                    for m, new in zip(moments, own):
                        m[part] = new
            done.append(total / len(order))
        return net.params.tobytes(), moments.tobytes(), done


@settings(max_examples=250)
@given(st.data())
def test_threads_slices_and_the_fused_update_never_show(data):
    case = Case(data.draw)
    results = {}
    for isa in VARIANTS:
        with using(isa):
            results[isa] = case.train(1, 1e9)
            threads, seconds = data.draw(
                st.sampled_from([(1, 0), (2, 1e9), (2, 0), (3, 0), (3, 1e9), (7, 1e9), (7, 0)])
            )
            assert case.train(threads, seconds) == results[isa]
            by_hand = None if results[isa] is DIVERGED else case.by_hand()
            if by_hand:
                assert by_hand[:2] == results[isa][:2]
                assert by_hand[2] == pytest.approx(results[isa][2], rel=1e-13)
    assert len({str(result) for isa, result in results.items() if isa != "baseline"}) <= 1


@settings(max_examples=100)
@given(st.data())
def test_resumed_is_never_stopped(data_):
    draw = data_.draw
    case = Case(draw)
    case.optimizer = draw(
        st.sampled_from(
            [
                case.optimizer,
                Adam(ReduceOnPlateau(0.01, patience=0, min_delta=0.5)),
                SGD(ReduceOnPlateau(0.1, 0.5, 1, 0.3), average=0.5),
            ]
        )
    )
    whole, parts = case.net(), case.net()
    options = dict(
        loss=case.loss,
        batch_size=case.batch,
        shuffle=draw(st.booleans()),
        sample_weight=case.weight,
        validation_fraction=0.2 if len(case.X) > 20 else 0.0,
    )
    stopping = draw(st.sampled_from([[], [EarlyStopping(patience=100)]]))
    try:
        history = whole.fit(
            case.X,
            case.y,
            optimizer=case.optimizer,
            epochs=5,
            rng=11,
            callbacks=stopping,
            **options,
        )
    except DivergenceError:  # a large rate, and an exponential
        reject()
    seen, resume = [], False
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(session, "SLICE", draw(st.sampled_from([0, 1e9]))),
    ):
        while parts.state is None or parts.state.epoch < 5:
            stop = StopSometime(draw(st.integers(1, 4)), draw(st.booleans()))
            left = 5 - parts.state.epoch if resume else 5
            more = {} if resume else dict(rng=11, optimizer=case.optimizer)
            seen.append(
                parts.fit(
                    case.X,
                    case.y,
                    epochs=left,
                    resume=resume,
                    callbacks=[*stopping, stop],
                    **more,
                    **options,
                )
            )
            parts.save(os.path.join(folder, "net"))
            parts, resume = (
                draw(
                    st.sampled_from([parts, parts.copy(), fastnn.load(os.path.join(folder, "net"))])
                ),
                True,
            )
    assert [x for part in seen for x in part.loss] == history.loss and [
        x for part in seen for x in part.val_loss
    ] == history.val_loss
    assert (
        parts.state.moments.tobytes() == whole.state.moments.tobytes()
        and parts.params.tobytes() == whole.params.tobytes()
    )
    assert (parts.state.params is None) == (
        whole.state.params is None
    ) and parts.state.plateau == whole.state.plateau
    assert str(parts.rng.bit_generator.state) == str(whole.rng.bit_generator.state)


class StopSometime(Callback):
    """Stops after a few looks, within an epoch or at the end of one."""

    interval = 0.0

    def __init__(self, looks, within):
        self.looks, self.within = looks, within

    def on_epoch_end(self, net, history):
        self.looks -= 1
        return self.looks <= 0 and not self.within

    def on_interval(self, net, history):
        self.looks -= 1
        return self.looks <= 0 and self.within


@pytest.mark.parametrize(
    "optimizer",
    [SGD(1e-4), Adam(1e-4), Adam(1e-4, clip_norm=1e3), AdamW(1e-4, l1=1e-3, average=0.5)],
    ids=repr,
)
def test_a_step_too_long_for_the_fused_update_has_its_bits(optimizer):
    case = Case.__new__(Case)
    case.output, case.loss, case.sizes, case.hidden = "identity", "mse", [1100, 1030, 2], ["relu"]
    case.bias, case.dtype, case.batch, case.optimizer, case.weight, case.dropout = (
        True,
        "float32",
        256,
        optimizer,
        None,
        0.0,
    )
    case.X, case.y = data(300, 1100, 2)
    assert case.train(1, 1e9)[:2] == case.train(3, 0)[:2]
    assert optimizer.clip_norm or case.by_hand()[:2] == case.train(1, 1e9)[:2]


@settings(max_examples=60)
@given(st.data())
def test_threads_that_take_whole_chunks_never_show(data_):
    case = Case(data_.draw)
    n = data_.draw(st.integers(260, 1300))
    case.batch = data_.draw(st.integers(257, n))
    case.X, case.y = data(n, case.sizes[0], case.sizes[-1] // case.per_target(), case.dtype)
    case.weight = None if case.weight is None else (np.arange(n) % 3).astype(case.dtype)
    threads = data_.draw(st.sampled_from([2, 3, 5]))
    assert case.train(threads, 1e9, threads) == case.train(1, 1e9)


@pytest.mark.parametrize("slice_seconds", [0, 0.05, 1e9])
@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
@pytest.mark.parametrize("n_threads", [1, 2, -1])
def test_fit_has_the_same_bits_whatever_cuts_it(slice_seconds, callbacks, n_threads, monkeypatch):
    X, y = data(1000, 20)
    expected = MLP([20, 30, 1], rng=0)
    history = expected.fit(X, y, epochs=5)
    monkeypatch.setattr(session, "SLICE", slice_seconds)
    monkeypatch.setattr(session, "EPOCHS_A_SLICE", 2)
    net = MLP([20, 30, 1], rng=0)
    assert net.fit(X, y, epochs=5, callbacks=callbacks, n_threads=n_threads).loss == history.loss
    assert (
        net.params.tobytes() == expected.params.tobytes()
        and net.state.moments.tobytes() == expected.state.moments.tobytes()
    )


@settings(max_examples=150)
@given(st.data())
def test_a_row_predicts_the_same_bits_alone_or_in_any_batch(data_):
    draw = data_.draw
    sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), draw(widths) + 1]
    n, output = (
        draw(st.sampled_from([1, 2, 3, 4, 6, 9, 31, 63, 64, 256, 257, 530])),
        draw(st.sampled_from([*HIDDEN, "softmax"])),
    )
    with using(draw(st.sampled_from(VARIANTS))):
        net = MLP(
            sizes,
            draw(st.sampled_from(list(HIDDEN))),
            output,
            dtype=draw(st.sampled_from(["float32", "float64"])),
            rng=0,
        )
        net.params += 0.01
        X, _ = data(n, sizes[0], dtype=net.dtype)
        Y = net.forward(X)
        first = draw(st.integers(0, n - 1))
        last = draw(st.integers(first + 1, n))
        assert net.forward(X[first:last]).tobytes() == Y[first:last].tobytes()
        assert net.forward(X[first : first + 1]).tobytes() == Y[first].tobytes()
        order = np.random.default_rng(0).permutation(n)
        assert net.forward(X[order], n_threads=2).tobytes() == Y[order].tobytes()


# ---- weights and sizes at the edge ----


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam()], ids=repr)
def test_a_row_of_weight_zero_is_absent(optimizer):
    X, y = data()
    keep = np.arange(70) % 5 > 0
    weighted, absent = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    weighted.fit(X, y, optimizer=optimizer, batch_size=None, shuffle=False, sample_weight=keep)
    absent.fit(X[keep], y[keep], optimizer=optimizer, batch_size=None, shuffle=False)
    assert weighted.params.tobytes() == absent.params.tobytes()
    assert weighted.history.loss == pytest.approx(absent.history.loss, rel=1e-6)


def test_only_the_ratio_of_weights_counts_and_equal_weights_are_none():
    X, y = data()
    nets = [MLP([6, 9, 1], rng=0) for _ in range(3)]
    for net, w in zip(nets, [None, np.ones(70), np.full(70, 1024.0)]):
        net.fit(X, y, sample_weight=w, batch_size=16)
    assert len({net.params.tobytes() for net in nets}) == 1


def test_a_batch_of_zero_weights_changes_nothing():
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    before = net.params.tobytes()
    history = net.fit(X, y, optimizer=SGD(0.5), sample_weight=np.zeros(70))
    assert net.params.tobytes() == before and history.loss == [0.0] * 10 and history.n_steps == 30
    assert (
        net.loss(X, y, sample_weight=np.zeros(70))
        == 0.0
        == net.loss_and_grad(X, y, sample_weight=np.zeros(70))
    )
    assert (net.grads == 0).all()


def test_zero_epochs_change_nothing_but_the_state():
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    before, bits = net.params.tobytes(), str(net.rng.bit_generator.state)
    history = net.fit(X, y, epochs=0, progress=False, callbacks=lambda *_: 1 / 0)
    assert (history.loss, history.n_epochs, history.n_steps) == (
        [],
        0,
        0,
    ) and net.params.tobytes() == before
    assert (net.state.step, net.state.epoch, str(net.rng.bit_generator.state)) == (0, 0, bits)


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_larger_than_the_data_are_the_whole_data(shuffle):
    X, y = data()
    nets = [MLP([6, 9, 1], rng=0) for _ in range(3)]
    for net, batch in zip(nets, [70, 10**15, None]):
        assert net.fit(X, y, epochs=3, batch_size=batch, shuffle=shuffle).n_steps == 3
    assert len({net.params.tobytes() for net in nets}) == 1


# ---- another process ----

TRAIN = """
import numpy as np, fastnn
X = np.random.default_rng(1).normal(size=(300, 20))
net = fastnn.MLP([20, 30, 1], rng=7)
history = net.fit(X, X[:, 0], epochs=5)
print(net.params.tobytes().hex(), history.loss)
"""


def test_the_same_seed_gives_the_same_bits_in_every_process():
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path]),
    }
    runs = [
        subprocess.run(
            [sys.executable, "-c", TRAIN], env=environment, capture_output=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and len(runs[0]) > 1000
