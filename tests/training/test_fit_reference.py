"""fit computes what fastnn.reference.fit does, to 1e-10 in float64: every loss, optimizer,
schedule, penalty and control, one by one."""

import cases
import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import (
    MLP,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RMSprop,
    losses,
    reference,
    schedules,
)
from fastnn.losses import BCE, BCEWithLogits, CrossEntropy, Huber, Quantile

X = np.random.default_rng(1).normal(size=(300, 6))
SMOOTH = (np.sin(X[:, :1] * np.arange(1, 5)) + 1) / 2  # (300, 4), in 0..1
WEIGHT = np.arange(300) % 4 / 2.0


def check_fit(
    optimizer=None,
    loss="mse",
    output="identity",
    y=SMOOTH[:, :2],
    n_out=2,
    epochs=4,
    batch=64,
    dropout=0.0,
    weight=None,
    lr=None,
    loss_name=None,
    loss_options=None,
    hidden=(9, 17),
    **settings,
):
    """Train with fit and with the reference from the same parameters; compare parameters and
    losses."""
    optimizer = optimizer or SGD(0.05)
    net = MLP([6, *hidden, n_out], "tanh", output, dtype="float64", rng=0, dropout=dropout)
    expected_net = net.copy()
    history = net.fit(X, y, loss, optimizer, epochs, batch, rng=5, sample_weight=weight)
    rng = np.random.default_rng(5)
    seed = int(rng.integers(2**63)) if any(net.dropout) else 0
    expected = reference.fit(
        X,
        y,
        list(expected_net.weights),
        list(expected_net.biases),
        expected_net.activations,
        loss_name or loss,
        type(optimizer).__name__.lower(),
        optimizer.lr if lr is None else lr,
        epochs,
        batch,
        True,
        rng,
        weight,
        loss_options,
        dropout=net.dropout,
        seed=seed,
        **settings,
    )
    if "average" in settings:
        expected, weights, biases = expected
        trained, averaged = (
            net.state.params,
            np.concatenate([p.ravel() for pair in zip(weights, biases) for p in pair]),
        )
        assert np.abs(net.params - averaged).max() < 1e-10
    else:
        trained = net.params
    before = MLP([6, *hidden, n_out], "tanh", output, dtype="float64", rng=0).params
    assert (
        np.abs(trained - expected_net.params).max() < 1e-10 < 1e-4 < np.abs(trained - before).max()
    )
    np.testing.assert_allclose(history.loss, expected, rtol=0, atol=1e-10)


# ---- losses ----

COUNTS = np.floor(4 * SMOOTH[:, :2])
LOSSES = {
    "bce": dict(output="sigmoid"),
    "bce, positive labels weigh more": dict(
        loss=BCE(pos_weight=3.0), output="sigmoid", loss_options=dict(pos_weight=3.0)
    ),
    "bce, a weight for each output, smooth": dict(
        loss=BCE(pos_weight=(3.0, 0.5), label_smoothing=0.2),
        output="sigmoid",
        loss_options=dict(pos_weight=np.array([3.0, 0.5]), label_smoothing=0.2),
    ),
    "bce_with_logits": dict(y=np.round(SMOOTH[:, :2])),
    "bce_with_logits, one output": dict(
        loss=BCEWithLogits(2.0, 0.1),
        y=SMOOTH[:, :1],
        n_out=1,
        loss_options=dict(pos_weight=2.0, label_smoothing=0.1),
    ),
    "cross_entropy": dict(output="softmax", y=SMOOTH.argmax(axis=1), n_out=4),
    "cross_entropy, smooth classes": dict(
        loss=CrossEntropy(0.3),
        output="softmax",
        y=SMOOTH.argmax(axis=1),
        n_out=4,
        loss_options=dict(label_smoothing=0.3),
    ),
    "cross_entropy, smooth probabilities": dict(
        loss=CrossEntropy(0.3),
        output="softmax",
        n_out=4,
        y=SMOOTH / SMOOTH.sum(axis=1, keepdims=True),
        loss_options=dict(label_smoothing=0.3),
    ),
    "mse": {},
    "mae": {},
    "huber": {},
    "quantile": {},
    "huber, delta": dict(loss=Huber(0.2), loss_options=dict(delta=0.2)),
    "huber of a sigmoid": dict(loss=Huber(0.2), output="sigmoid", loss_options=dict(delta=0.2)),
    "quantile, several": dict(
        loss=Quantile((0.1, 0.5, 0.9)), n_out=6, loss_options=dict(q=(0.1, 0.5, 0.9))
    ),
    "poisson": dict(output="exponential", y=COUNTS),
    "gaussian_nll": dict(n_out=4),
    "gaussian_nll, one target": dict(y=SMOOTH[:, 0], n_out=2),
}
LOSSES |= {
    name: dict(output=cls.output or "identity")
    for name, cls in losses.LOSSES.items()
    if name not in LOSSES
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, weight, isa):
    case = dict(LOSSES[name])
    loss = case.pop("loss", name.split(",")[0].split(" ")[0])
    check_fit(
        loss=loss, loss_name=loss if isinstance(loss, str) else loss.name, weight=weight, **case
    )


def log_cosh(outputs, y):
    d = outputs - y
    return np.log(np.cosh(d)).mean(), np.tanh(d) / d.size


@pytest.mark.parametrize("batch", [64, 256, 300])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_custom_loss(batch, dropout):
    check_fit(loss=log_cosh, batch=batch, dropout=dropout)


# ---- optimizers ----

OPTIMIZERS = [
    (SGD(0.05), {}),
    (SGD(0.05, 0.9), dict(momentum=0.9)),
    (SGD(0.05, 0.9, True), dict(momentum=0.9, nesterov=True)),
    (SGD(0.05, weight_decay=0.1), dict(weight_decay=0.1)),
    (Adagrad(0.05), {}),
    (Adagrad(0.05, 0.1, 0.01, 1e-6), dict(lr_decay=0.1, weight_decay=0.01, eps=1e-6)),
    (Adadelta(), {}),
    (Adadelta(0.5, 0.8, 1e-4, 0.1), dict(rho=0.8, eps=1e-4, weight_decay=0.1)),
    (RMSprop(), {}),
    (RMSprop(0.01, 0.9, 1e-6, 0.1), dict(alpha=0.9, eps=1e-6, weight_decay=0.1)),
    (RMSprop(momentum=0.5), dict(momentum=0.5)),
    (RMSprop(centered=True, eps=1e-3), dict(centered=True, eps=1e-3)),
    (RMSprop(momentum=0.5, centered=True, eps=1e-3), dict(momentum=0.5, centered=True, eps=1e-3)),
    (Adam(0.01), {}),
    (Adam(0.01, (0.5, 0.7), 1e-4, 0.1), dict(betas=(0.5, 0.7), eps=1e-4, weight_decay=0.1)),
    (Adam(0.01, amsgrad=True), dict(amsgrad=True)),
    (AdamW(0.01), {}),
    (AdamW(0.01, weight_decay=0.3, amsgrad=True), dict(weight_decay=0.3, amsgrad=True)),
    (Adamax(0.01), {}),
    (Adamax(0.01, (0.5, 0.7), 1e-4, 0.1), dict(betas=(0.5, 0.7), eps=1e-4, weight_decay=0.1)),
    (NAdam(0.01), {}),
    (
        NAdam(0.01, (0.5, 0.7), 1e-4, 0.1, 0.01),
        dict(betas=(0.5, 0.7), eps=1e-4, weight_decay=0.1, momentum_decay=0.01),
    ),
    (
        NAdam(0.01, weight_decay=0.3, decoupled_weight_decay=True),
        dict(weight_decay=0.3, decoupled_weight_decay=True),
    ),
]
OTHERS = [
    cls
    for cls in cases.STEPS.values()
    if cls not in [type(optimizer) for optimizer, _ in OPTIMIZERS]
]
OPTIMIZERS += [
    (cls(0.01, **settings), settings) for cls in OTHERS for settings in ({}, dict(weight_decay=0.3))
]


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize(
    ("optimizer", "settings"), OPTIMIZERS, ids=[repr(optimizer) for optimizer, _ in OPTIMIZERS]
)
def test_optimizers(optimizer, settings, batch):
    check_fit(optimizer, batch=batch, epochs=8, **settings)


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
    check_fit(cls(0.02, **settings), batch=batch, **settings)


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
    check_fit(
        cls(schedule), lr=lambda step, epoch: schedule(step if schedule.unit == "step" else epoch)
    )


@pytest.mark.parametrize("validated", [False, True])
def test_reduce_on_plateau(validated):
    """Compare with single epochs at the rates of the schedule."""
    schedule, plateau, rates = (
        schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, min_delta=0.1),
        schedules.Plateau(),
        [],
    )
    net, expected_net = (MLP([6, 9, 2], "tanh", dtype="float64", rng=0) for _ in range(2))
    validation = (X[:50], SMOOTH[:50, 2:]) if validated else None
    history = net.fit(
        X, SMOOTH[:, :2], optimizer=SGD(schedule, 0.5), epochs=8, rng=3, validation_data=validation
    )
    for loss in history.val_loss if validated else history.loss:
        rates.append(schedule.rate_at(plateau))
        plateau = schedule.after_epoch(plateau, loss)
    assert (
        len(set(rates)) > 2
        and net.state.lr == schedule.rate_at(plateau)
        and net.state.plateau == plateau
    )
    expected_net.rng = np.random.default_rng(3)
    for epoch, rate in enumerate(rates):
        expected_net.fit(X, SMOOTH[:, :2], optimizer=SGD(rate, 0.5), epochs=1, resume=epoch > 0)
    assert_same_bits(net.params, expected_net.params)


# ---- dropout ----


@pytest.mark.parametrize("batch", [7, 64, 300])
@pytest.mark.parametrize("rates", [0.5, (0.2, 0.0, 0.0), (0.1, 0.5, 0.3)])
def test_dropout(rates, batch, isa):
    check_fit(Adam(0.01), dropout=rates, batch=batch)


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_dropout_before_a_single_output(output):
    check_fit(
        SGD(0.1, 0.5),
        dropout=0.3,
        y=SMOOTH[:, 0],
        n_out=1,
        output=output,
        hidden=(40,),
        momentum=0.5,
    )
    check_fit(
        SGD(0.1, 0.5),
        dropout=(0.3,),
        y=SMOOTH[:, 0],
        n_out=1,
        output=output,
        hidden=(),
        momentum=0.5,
    )


def test_all_at_once():
    settings = dict(l1=0.001, l2=0.01, clip_norm=0.1, average=0.8, weight_decay=0.02, amsgrad=True)
    schedule = schedules.CosineDecay(0.02, 20, 4, unit="step")
    check_fit(
        Adam(schedule, **settings),
        CrossEntropy(0.1),
        "softmax",
        SMOOTH.argmax(axis=1),
        4,
        5,
        64,
        (0.1, 0.2, 0.3),
        WEIGHT,
        lambda step, epoch: schedule(step),
        "cross_entropy",
        dict(label_smoothing=0.1),
        **settings,
    )
