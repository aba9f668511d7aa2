"""The promises that hold to the last bit: no number depends on threads, slices, the fused update, a row's batch, or the process."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn
from fastnn import MLP, SGD, Adam, kernels, losses, training
from fastnn import functional as F
from fastnn.activations import HIDDEN
from fastnn.kernels import Stop, Trainer
from fastnn.validation import check_targets

VARIANTS = [kernels.CHOSEN] if os.environ.get("FASTNN_ISA") else kernels.SUPPORTED
EPOCHS = 3


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


PAIRS = [("sigmoid", "bce"), ("identity", "bce_with_logits"), ("softmax", "cross_entropy"), ("softmax", "classes"),
         ("softmax", "mse"), ("sigmoid", "mse"), ("identity", "mse"), ("gelu", "mse")]  # fmt: skip
OPTIMIZERS = [SGD(0.1), SGD(0.1, weight_decay=0.01), SGD(0.05, 0.9), SGD(0.05, 0.9, True, 0.01), Adam(0.01), Adam(0.01, weight_decay=0.1)]
widths = st.one_of(st.integers(1, 40), st.sampled_from([1, 8, 15, 16, 17, 32, 33, 64, 70]))


class Case:
    """One training, run whole in any number of threads and slices, or step by step with what the public functions do."""

    def __init__(self, draw):
        self.pair = draw(st.sampled_from(PAIRS))
        n_out = draw(widths)
        self.sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), n_out + (n_out == 1 and self.pair[0] == "softmax")]
        self.hidden = [draw(st.sampled_from(list(HIDDEN))) for _ in self.sizes[2:]]
        self.bias, self.dtype = draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
        n = draw(st.one_of(st.integers(1, 60), st.integers(250, 530)))
        self.batch = draw(st.integers(1 + n // 12, n))
        self.optimizer = draw(st.sampled_from(OPTIMIZERS))
        self.X, self.y = data(n, self.sizes[0], self.sizes[-1], self.dtype)
        self.y = self.y.argmax(axis=1) if self.pair[1] == "classes" else self.y
        self.weight = draw(st.sampled_from([None, (np.arange(n) % 3).astype(self.dtype)]))
        self.loss = "cross_entropy" if self.pair[1] == "classes" else self.pair[1]

    def net(self):
        return MLP(self.sizes, self.hidden, self.pair[0], self.bias, self.dtype, rng=0)

    def train(self, n_threads, seconds):
        """In slices of `seconds`: parameters and moments as bytes, and the losses."""
        net, n = self.net(), len(self.X)
        y, classes = check_targets(self.y, n, self.sizes[-1], net.dtype, self.loss)
        trainer = Trainer(net, self.X, y, loss=losses.kernel_loss(self.loss, classes), batch_size=self.batch,
                          optimizer=self.optimizer.kernel_settings(), sample_weight=self.weight, order=np.arange(n),
                          generator=np.random.default_rng(5).bit_generator)  # fmt: skip
        moments, done = np.zeros((self.optimizer.n_moments, net.n_params), net.dtype), []
        trainer.load(moments)
        while len(done) < EPOCHS:
            now = np.empty(EPOCHS - len(done))
            assert trainer.run(n_threads, seconds, now) != Stop.NOT_FINITE
            done += now[: trainer.position()[1] - len(done)].tolist()
        trainer.store(moments)
        return net.params.tobytes(), moments.tobytes(), done

    def by_hand(self):
        """The same by loss_and_grad and an update of its own."""
        net, rng, done = self.net(), np.random.default_rng(5), []
        moments, o, step = np.zeros((self.optimizer.n_moments, net.n_params), net.dtype), self.optimizer, 0
        for _ in range(EPOCHS):
            order, total = rng.permutation(len(self.X)), 0
            for rows in np.split(order, range(self.batch, len(order), self.batch)):
                w = None if self.weight is None else self.weight[rows]
                total += net.loss_and_grad(self.X[rows], self.y[rows], self.loss, w) * len(rows)
                step += 1
                if isinstance(o, Adam):
                    F.adam_step_(net.params, net.grads, *moments, step, o.lr, o.betas, o.eps, o.weight_decay)
                else:
                    F.sgd_step_(net.params, net.grads, o.lr, o.momentum, o.nesterov, o.weight_decay, moments[0] if o.momentum else None)
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
            threads, seconds = data.draw(st.sampled_from([(1, 0), (2, 1e9), (2, 0), (3, 0), (3, 1e9), (7, 1e9), (7, 0)]))
            assert case.train(threads, seconds) == results[isa]
            params, moments, losses = case.by_hand()
            assert (params, moments) == results[isa][:2]
            assert losses == pytest.approx(results[isa][2], rel=1e-13)
    assert len({str(result) for isa, result in results.items() if isa != "baseline"}) <= 1


@pytest.mark.parametrize("optimizer", [SGD(1e-4), Adam(1e-4)], ids=repr)
def test_a_step_too_long_for_the_fused_update_has_its_bits(optimizer):
    case = Case.__new__(Case)
    case.pair, case.loss, case.sizes, case.hidden = ("identity", "mse"), "mse", [1100, 1030, 2], ["relu"]
    case.bias, case.dtype, case.batch, case.optimizer, case.weight = True, "float32", 256, optimizer, None
    case.X, case.y = data(300, 1100, 2)
    assert case.train(1, 1e9)[:2] == case.train(3, 0)[:2] == case.by_hand()[:2]


@pytest.mark.parametrize("slice_seconds", [0, 0.05, 1e9])
@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
@pytest.mark.parametrize("n_threads", [1, 2, -1])
def test_fit_has_the_same_bits_whatever_cuts_it(slice_seconds, callbacks, n_threads, monkeypatch):
    X, y = data(1000, 20)
    expected = MLP([20, 30, 1], rng=0)
    history = expected.fit(X, y, epochs=5)
    monkeypatch.setattr(training, "SLICE", slice_seconds)
    monkeypatch.setattr(training, "EPOCHS_A_SLICE", 2)
    net = MLP([20, 30, 1], rng=0)
    assert net.fit(X, y, epochs=5, callbacks=callbacks, n_threads=n_threads).loss == history.loss
    assert net.params.tobytes() == expected.params.tobytes() and net.state.moments.tobytes() == expected.state.moments.tobytes()


@settings(max_examples=150)
@given(st.data())
def test_a_row_predicts_the_same_bits_alone_or_in_any_batch(data_):
    draw = data_.draw
    sizes = [draw(widths), *draw(st.lists(widths, max_size=3)), draw(widths) + 1]
    n, output = draw(st.sampled_from([1, 2, 7, 8, 9, 31, 256, 257, 530])), draw(st.sampled_from([*HIDDEN, "softmax"]))
    with using(draw(st.sampled_from(VARIANTS))):
        net = MLP(sizes, draw(st.sampled_from(list(HIDDEN))), output, dtype=draw(st.sampled_from(["float32", "float64"])), rng=0)
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
    assert net.loss(X, y, sample_weight=np.zeros(70)) == 0.0 == net.loss_and_grad(X, y, sample_weight=np.zeros(70))
    assert (net.grads == 0).all()


def test_zero_epochs_change_nothing_but_the_state():
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    before, bits = net.params.tobytes(), str(net.rng.bit_generator.state)
    history = net.fit(X, y, epochs=0, progress=False, callbacks=lambda *_: 1 / 0)
    assert (history.loss, history.n_epochs, history.n_steps) == ([], 0, 0) and net.params.tobytes() == before
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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path])}
    runs = [subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0]) > 1000
