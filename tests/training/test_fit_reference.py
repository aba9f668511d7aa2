"""fit computes what fastnn.reference.fit does, to 1e-10 in float64: every loss, optimizer,
schedule, penalty and control, one by one."""

import cases
import numpy as np
import pytest
from checks import assert_same_bits
from small_training import check_fit, data, log_cosh

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, NAdam, losses, schedules
from fastnn.activations import HIDDEN

X, SMOOTH = data(300, n_out=4, dtype="float64")  # SMOOTH: targets in 0..1
WEIGHT = np.arange(300) % 4 / 2.0
FEW = X[:70]


def check(
    optimizer=None, loss="mse", output="identity", y=SMOOTH[:, :2], n_out=2, epochs=4, batch=64,
    dropout=0.0, hidden=(9, 17), bias=True, rows=X, activation="tanh", **options,
):  # fmt: skip
    """Train a network with fit and with the reference; compare parameters and losses."""
    sizes, settings = [rows.shape[1], *hidden, n_out], dict(dtype="float64", rng=0)
    net = MLP(sizes, activation, output, bias, dropout=dropout, **settings)
    check_fit(net, rows, y, loss, optimizer or SGD(0.05), epochs, batch, **options)


# ---- losses ----

COUNTS = np.floor(4 * SMOOTH[:, :2])
CLASSES, SHARES = SMOOTH.argmax(axis=1), SMOOTH / SMOOTH.sum(axis=1, keepdims=True)
SMOOTHED = dict(pos_weight=np.array([3.0, 0.5]), label_smoothing=0.2)
POSITIVE, SMOOTHER = dict(pos_weight=2.0, label_smoothing=0.1), dict(label_smoothing=0.3)
BINARY, SOFTMAX = dict(output="sigmoid"), dict(output="softmax", n_out=4)
LOSSES = {
    "bce": BINARY,
    "bce, one output": BINARY | dict(y=SMOOTH[:, 0], n_out=1),
    "bce, classes": BINARY | dict(y=np.round(SMOOTH[:, :3]), n_out=3),
    "bce, positive labels weigh more": BINARY | dict(loss_options=dict(pos_weight=3.0)),
    "bce, a weight for each output, smooth": BINARY | dict(loss_options=SMOOTHED),
    "bce_with_logits": dict(y=np.round(SMOOTH[:, :2])),
    "bce_with_logits, not rounded": {},
    "bce_with_logits, one output": dict(y=SMOOTH[:, :1], n_out=1, loss_options=POSITIVE),
    "cross_entropy": SOFTMAX | dict(y=CLASSES),
    "cross_entropy, smooth classes": SOFTMAX | dict(y=CLASSES, loss_options=SMOOTHER),
    "cross_entropy, probabilities": SOFTMAX | dict(y=SHARES),
    "cross_entropy, smooth probabilities": SOFTMAX | dict(y=SHARES, loss_options=SMOOTHER),
    "mse": {},
    "mse, one sigmoid": BINARY | dict(y=SMOOTH[:, 0], n_out=1),
    "mse, many outputs": dict(y=data(300, n_out=19, dtype="float64")[1], n_out=19),
    "mae": {},
    "huber": {},
    "quantile": {},
    "huber, delta": dict(loss_options=dict(delta=0.2)),
    "huber, sigmoid": BINARY | dict(loss_options=dict(delta=0.2)),
    "quantile, several": dict(n_out=6, loss_options=dict(q=(0.1, 0.5, 0.9))),
    "poisson": dict(output="exponential", y=np.floor(4 * SMOOTH[:, :2])),
    "gaussian_nll": dict(n_out=4),
    "gaussian_nll, one target": dict(y=SMOOTH[:, 0], n_out=2),
}
OTHERS = losses.LOSSES.keys() - LOSSES.keys()
LOSSES |= {name: dict(output=losses.LOSSES[name].output or "identity") for name in sorted(OTHERS)}


@pytest.mark.parametrize("hidden", [(9, 17), ()])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("case", LOSSES)
def test_losses(case, weight, hidden, isa):
    name, options = case.partition(",")[0], LOSSES[case]
    loss = losses.LOSSES[name](**options.get("loss_options", {}))
    check(loss=loss, loss_name=name, weight=weight, hidden=hidden, **options)


@pytest.mark.parametrize("loss", [case for case in LOSSES if "," not in case])
def test_losses_by_name(loss):
    check(loss=loss, **LOSSES[loss])


@pytest.mark.parametrize("batch", [64, 256, 300])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_custom_loss(batch, dropout):
    check(loss=log_cosh, batch=batch, dropout=dropout)


# ---- optimizers ----

BETAS = dict(betas=(0.5, 0.7), eps=1e-4, weight_decay=0.1)
OPTIMIZERS = [
    (SGD, dict(lr=0.05)),
    (SGD, dict(lr=0.05, momentum=0.9)),
    (SGD, dict(lr=0.05, momentum=0.9, nesterov=True)),
    (SGD, dict(lr=0.05, momentum=0.5, nesterov=True, weight_decay=0.01)),
    (SGD, dict(lr=0.05, weight_decay=0.1)),
    (Adam, dict(lr=0.01)),
    (Adam, dict(lr=0.01) | BETAS),
    (Adam, dict(lr=0.01, amsgrad=True)),
    (fastnn.Adagrad, dict(lr=0.05)),
    (fastnn.Adagrad, dict(lr=0.05, lr_decay=0.1, weight_decay=0.01, eps=1e-6)),
    (fastnn.Adadelta, dict()),
    (fastnn.Adadelta, dict(lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.1)),
    (fastnn.RMSprop, dict()),
    (fastnn.RMSprop, dict(lr=0.01, alpha=0.9, eps=1e-6, weight_decay=0.1)),
    (fastnn.RMSprop, dict(momentum=0.5)),
    (fastnn.RMSprop, dict(centered=True, eps=1e-3)),
    (fastnn.RMSprop, dict(momentum=0.5, centered=True, eps=1e-3)),
    (AdamW, dict(lr=0.01)),
    (AdamW, dict(lr=0.01, weight_decay=0.3, amsgrad=True)),
    (fastnn.Adamax, dict(lr=0.01)),
    (fastnn.Adamax, dict(lr=0.01) | BETAS),
    (NAdam, dict(lr=0.01)),
    (NAdam, dict(lr=0.01, momentum_decay=0.01) | BETAS),
    (NAdam, dict(lr=0.01, weight_decay=0.3, decoupled_weight_decay=True)),
]
OTHERS = [cls for cls in cases.STEPS.values() if cls not in dict(OPTIMIZERS)]
for options in (dict(lr=0.01), dict(lr=0.01, weight_decay=0.3)):
    OPTIMIZERS += [(cls, options) for cls in OTHERS]
IDS = [repr(cls(**settings)) for cls, settings in OPTIMIZERS]


def without_rate(settings):
    return {name: value for name, value in settings.items() if name != "lr"}


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize(("cls", "settings"), OPTIMIZERS, ids=IDS)
def test_optimizers(cls, settings, batch):
    check(cls(**settings), batch=batch, epochs=8, **without_rate(settings))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("cls", "settings"), OPTIMIZERS[:8], ids=IDS[:8])
def test_optimizers_without_biases(cls, settings, bias):
    """100 steps on few rows, of which some have no weight. Twice as many amplify the rounding of NumPy, which
    depends on the CPU, to more than the tolerance."""
    few = dict(rows=FEW, weight=WEIGHT[:70], epochs=10, batch=7)
    check(cls(**settings), y=SMOOTH[:70, :3], n_out=3, bias=bias, **few, **without_rate(settings))


AROUND = [
    dict(l1=0.01),
    dict(l2=0.1),
    dict(l1=0.01, l2=0.1),
    dict(clip_value=0.002),
    dict(clip_norm=0.05),
    dict(clip_norm=1e9),
    dict(average=0.9),
    dict(l1=0.01, l2=0.1, clip_norm=0.05, average=0.5),
]


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize("settings", AROUND, ids=str)
@pytest.mark.parametrize("cls", [SGD, Adam, AdamW], ids=lambda cls: cls.__name__)
def test_options_shared_by_all_optimizers(cls, settings, batch):
    check(cls(0.02, **settings), batch=batch, moves=1e-4, **settings)


# ---- schedules ----

SCHEDULES = [
    schedules.StepDecay(0.1, every=2, factor=0.5),
    schedules.StepDecay(0.1, every=3, unit="step"),
    schedules.ExponentialDecay(0.1, 0.7),
    schedules.ExponentialDecay(0.1, 0.9, unit="step"),
    schedules.CosineDecay(0.1, 4),
    schedules.CosineDecay(0.1, 12, 3, 0.01, unit="step"),
    schedules.OneCycle(0.1, 20),
    schedules.OneCycle(0.1, 4, unit="epoch"),
    schedules.Rates([0.1, 0.02, 0.05]),
    schedules.Rates(np.linspace(0.1, 0.01, 13), unit="step"),
]


@pytest.mark.parametrize("cls", [SGD, NAdam, AdamW], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedules(schedule, cls):
    by_step = schedule.unit == "step"
    check(cls(schedule), lr=lambda step, epoch: schedule(step if by_step else epoch))


@pytest.mark.parametrize("validated", [False, True])
def test_reduce_on_plateau(validated):
    """Compare with single epochs at the rates of the schedule."""
    schedule = schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, min_delta=0.1)
    plateau, rates = schedules.Plateau(), []
    net, expected_net = (MLP([6, 9, 2], "tanh", dtype="float64", rng=0) for _ in range(2))
    validation = (X[:50], SMOOTH[:50, 2:]) if validated else None
    options = dict(epochs=8, rng=3, validation_data=validation)
    history = net.fit(X, SMOOTH[:, :2], optimizer=SGD(schedule, 0.5), **options)
    for loss in history.val_loss if validated else history.loss:
        rates.append(schedule.rate_at(plateau))
        plateau = schedule.after_epoch(plateau, loss)
    assert len(set(rates)) > 2 and net.state.plateau == plateau
    assert net.state.lr == schedule.rate_at(plateau)
    expected_net.rng = np.random.default_rng(3)
    for epoch, rate in enumerate(rates):
        expected_net.fit(X, SMOOTH[:, :2], optimizer=SGD(rate, 0.5), epochs=1, resume=epoch > 0)
    assert_same_bits(net.params, expected_net.params)


# ---- dropout ----


@pytest.mark.parametrize("batch", [7, 64, 300])
@pytest.mark.parametrize("rates", [0.5, (0.2, 0.0, 0.0), (0.1, 0.5, 0.3)])
def test_dropout(rates, batch, isa):
    check(Adam(0.01), dropout=rates, batch=batch)


@pytest.mark.parametrize(("hidden", "rates"), [((40,), 0.3), ((), (0.3,))])
@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_dropout_before_a_single_output(output, hidden, rates):
    options = dict(output=output, hidden=hidden, dropout=rates, momentum=0.5)
    check(SGD(0.1, 0.5), y=SMOOTH[:, 0], n_out=1, **options)


def test_all_at_once():
    settings = dict(l1=0.001, l2=0.01, clip_norm=0.1, average=0.8, weight_decay=0.02, amsgrad=True)
    schedule = schedules.CosineDecay(0.02, 20, 4, unit="step")
    loss = dict(loss_name="cross_entropy", loss_options=dict(label_smoothing=0.1))
    options = dict(dropout=(0.1, 0.2, 0.3), weight=WEIGHT, lr=lambda step, epoch: schedule(step))
    arguments = Adam(schedule, **settings), losses.CrossEntropy(0.1), "softmax", CLASSES, 4, 5, 64
    check(*arguments, **loss, **options, **settings)


# ---- networks and batches ----


@pytest.mark.parametrize("weight", [None, WEIGHT[:70]], ids=["", "weighted"])
def test_200_steps_of_three_hidden_layers(weight, isa):
    """7 steps an epoch, the last of 4 rows."""
    hidden = dict(hidden=(16, 33, 5), activation=["tanh", "relu", "sigmoid"], weight=weight)
    check(Adam(0.01), "bce", "sigmoid", SMOOTH[:70, :1], 1, 29, 11, rows=FEW, **hidden)


@pytest.mark.parametrize("name", [name for name in HIDDEN if name != "exponential"])
def test_activations(name):
    """Also of the output, and through a layer of one unit."""
    net = MLP([6, 9, 1, 17, 2], name, name, dtype="float64", rng=0)
    net.params += 0.05
    check_fit(net, FEW, SMOOTH[:70, :2], "mse", SGD(0.05, 0.5), 20, 7, momentum=0.5)


SOME = [OPTIMIZERS[i] for i in (0, 1, 5)]


@pytest.mark.parametrize(("cls", "settings"), SOME, ids=["SGD", "momentum", "Adam"])
@pytest.mark.parametrize("batch", [256, 257, 400, 700])
@pytest.mark.parametrize("n_out", [1, 2])
def test_batches_of_several_chunks(n_out, batch, cls, settings):
    rows, y = data(700, n_out=n_out, dtype="float64")
    options = dict(rows=rows, weight=np.arange(700) % 3 + 0.5, hidden=(40,), epochs=8)
    check(cls(**settings), y=y, n_out=n_out, batch=batch, **options, **without_rate(settings))


@pytest.mark.parametrize("batch", [64, 300])
def test_wide_layers(batch):
    """More inputs than one block of a product."""
    rows, y = data(600, 700, 3, "float64")
    wide = dict(rows=rows, hidden=(520, 300), activation="relu", epochs=1)
    check(Adam(1e-3), y=y, n_out=3, batch=batch, **wide)


@pytest.mark.parametrize("options", [dict(shuffle=False), dict(rows=X[:1], y=SMOOTH[:1, :2])])
def test_rows_in_order_and_one_row(options):
    check(Adam(0.01), **options)
