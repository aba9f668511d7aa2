"""fit computes what fastnn.reference.fit does, to 1e-10 in float64: every loss, optimizer,
schedule, penalty and control, one by one."""

import cases
import numpy as np
import pytest

import fastnn
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
    initializers,
    losses,
    reference,
    schedules,
)
from fastnn.losses import BCE, BCEWithLogits, CrossEntropy, Huber, Quantile

X = np.random.default_rng(1).normal(size=(300, 6))
SMOOTH = (np.sin(X[:, :1] * np.arange(1, 5)) + 1) / 2  # (300, 4), in 0..1
WEIGHT = np.arange(300) % 4 / 2.0


def same(
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
    """Trains both ways from the same parameters and compares parameters and losses."""
    optimizer = optimizer or SGD(0.05)
    net = MLP([6, *hidden, n_out], "tanh", output, dtype="float64", rng=0, dropout=dropout)
    twin = net.copy()
    history = net.fit(X, y, loss, optimizer, epochs, batch, rng=5, sample_weight=weight)
    rng = np.random.default_rng(5)
    seed = int(rng.integers(2**63)) if any(net.dropout) else 0
    expected = reference.fit(
        X,
        y,
        list(twin.weights),
        list(twin.biases),
        twin.activations,
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
    assert np.abs(trained - twin.params).max() < 1e-10 < 1e-4 < np.abs(trained - before).max()
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
    same(loss=loss, loss_name=loss if isinstance(loss, str) else loss.name, weight=weight, **case)


def log_cosh(outputs, y):
    d = outputs - y
    return np.log(np.cosh(d)).mean(), np.tanh(d) / d.size


@pytest.mark.parametrize("batch", [64, 256, 300])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_a_loss_of_ones_own(batch, dropout):
    same(loss=log_cosh, batch=batch, dropout=dropout)


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
    same(optimizer, batch=batch, epochs=8, **settings)


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
def test_what_stands_around_an_optimizer(cls, settings, batch):
    same(cls(0.02, **settings), batch=batch, **settings)


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
    schedules.Table([0.1, 0.02, 0.05]),
    schedules.Table(np.linspace(0.1, 0.01, 13), unit="step"),
]


@pytest.mark.parametrize("cls", [SGD, NAdam, AdamW], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedules(schedule, cls):
    same(cls(schedule), lr=lambda step, epoch: schedule(step if schedule.unit == "step" else epoch))


@pytest.mark.parametrize("validated", [False, True])
def test_a_rate_that_falls_on_a_plateau(validated):
    """Epoch by epoch with the rate that the schedule says."""
    schedule, plateau, rates = (
        schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, min_delta=0.1),
        schedules.Plateau(),
        [],
    )
    net, twin = (MLP([6, 9, 2], "tanh", dtype="float64", rng=0) for _ in range(2))
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
    twin.rng = np.random.default_rng(3)
    for epoch, rate in enumerate(rates):
        twin.fit(X, SMOOTH[:, :2], optimizer=SGD(rate, 0.5), epochs=1, resume=epoch > 0)
    assert net.params.tobytes() == twin.params.tobytes()


# ---- dropout ----


@pytest.mark.parametrize("batch", [7, 64, 300])
@pytest.mark.parametrize("rates", [0.5, (0.2, 0.0, 0.0), (0.1, 0.5, 0.3)])
def test_dropout(rates, batch, isa):
    same(Adam(0.01), dropout=rates, batch=batch)


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_dropout_before_a_single_output(output):
    same(
        SGD(0.1, 0.5),
        dropout=0.3,
        y=SMOOTH[:, 0],
        n_out=1,
        output=output,
        hidden=(40,),
        momentum=0.5,
    )
    same(
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
    same(
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


# ---- what fit does before it trains ----


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
    assert len({net.params.tobytes() for net in nets}) == 1
    many = [MLP([6, 9, 4], output="softmax", rng=0) for _ in range(3)]
    many[0].fit(X, SMOOTH.argmax(axis=1), class_weight={1: 2.0, 3: 0.5}, sample_weight=WEIGHT)
    many[1].fit(
        X, np.eye(4)[SMOOTH.argmax(axis=1)], class_weight=[1, 2.0, 1, 0.5], sample_weight=WEIGHT
    )
    many[2].fit(
        X,
        SMOOTH.argmax(axis=1),
        sample_weight=np.array([1, 2.0, 1, 0.5])[SMOOTH.argmax(axis=1)] * WEIGHT,
    )
    assert len({net.params.tobytes() for net in many[::2]}) == 1
    np.testing.assert_allclose(many[1].params, many[0].params, atol=1e-5)
    many[0].partial_fit(X, SMOOTH.argmax(axis=1), class_weight="balanced")


@pytest.mark.parametrize(
    ("output", "n_out", "class_weight", "message"),
    [
        (
            "identity",
            1,
            "balanced",
            "class_weight needs classes: loss 'bce' with one output or 'cross_entropy'; use sample_weight",
        ),
        ("sigmoid", 2, "balanced", r"for several yes/no outputs give BCE\(pos_weight=...\)"),
        (
            "sigmoid",
            1,
            "equal",
            "class_weight must be a dict, a sequence of weights or 'balanced', got 'equal'",
        ),
        ("sigmoid", 1, {2: 1.0}, r"class_weight names the class 2; the classes are 0..1"),
        ("sigmoid", 1, {0: -1.0}, "class_weight must be a finite number at least 0"),
        (
            "sigmoid",
            1,
            [1.0, 2.0, 3.0],
            "class_weight must hold 2 weights, one for each class, got 3",
        ),
    ],
)
def test_class_weights_that_are_none(output, n_out, class_weight, message):
    net = MLP([6, n_out], output=output, rng=0)
    with pytest.raises(ValueError, match=message):
        net.fit(X, np.round(SMOOTH[:, :n_out]), class_weight=class_weight)
    assert net.state is None


def test_rows_held_out_are_not_learned_from():
    net, twin = (MLP([6, 9, 1], rng=0, dtype="float64") for _ in range(2))
    history = net.fit(
        X, SMOOTH[:, 0], epochs=3, validation_fraction=0.25, rng=4, sample_weight=WEIGHT
    )
    rng = np.random.default_rng(4)
    rows = np.random.default_rng(int(rng.integers(2**63))).permutation(300)
    train, held_out = np.sort(rows[75:]), np.sort(rows[:75])
    validation = X[held_out], SMOOTH[held_out, 0], WEIGHT[held_out]
    expected = twin.fit(
        X[train],
        SMOOTH[train, 0],
        epochs=3,
        rng=rng,
        sample_weight=WEIGHT[train],
        validation_data=validation,
    )
    assert (
        net.params.tobytes() == twin.params.tobytes()
        and history.val_loss == expected.val_loss
        and history.loss == expected.loss
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            dict(validation_fraction=1.0),
            "validation_fraction must be a finite number at least 0 and below 1, got 1.0",
        ),
        (dict(validation_fraction=0.001), "validation_fraction=0.001 holds out 0 of 300 rows"),
        (
            dict(validation_fraction=0.1, validation_data=(X, SMOOTH[:, 0])),
            "two ways to validate: give one",
        ),
        (
            dict(loss=log_cosh, sample_weight=WEIGHT),
            "sample_weight: a loss of your own weighs its rows itself",
        ),
        (
            dict(loss=lambda outputs, y: 3.0),
            r"your function must return \(value, d_outputs\), it returned float",
        ),
        (
            dict(loss=lambda outputs, y: (3.0, y)),
            r"must return d_outputs of shape \(32, 1\), like the outputs, got \(32,\)",
        ),
        (
            dict(loss="hinge"),
            "loss must be None, one of bce, .*an object of fastnn.losses or a function",
        ),
        (dict(loss=Huber), "loss must be None, one of bce"),
    ],
)
def test_bad_arguments_say_the_way_out(options, message):
    net = MLP([6, 9, 1], rng=0)
    before = net.params.tobytes()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(X, SMOOTH[:, 0], **options)
    assert net.params.tobytes() == before


def test_an_error_in_a_loss_of_ones_own_is_raised_and_loses_nothing():
    net, calls = MLP([6, 9, 1], rng=0), []

    def fails_in_the_third_batch(outputs, y):
        calls.append(len(y))
        return (1 / (len(calls) - 3), outputs * 0)

    with pytest.raises(ZeroDivisionError):
        net.fit(X, SMOOTH[:, 0], fails_in_the_third_batch)
    assert calls == [32, 32, 32] and net.state.step == 2
    net.fit(X, SMOOTH[:, 0], log_cosh_of_one, resume=True, epochs=1)


def log_cosh_of_one(outputs, y):
    return log_cosh(outputs, y[:, None])


def test_a_loss_of_ones_own_may_draw_from_the_networks_generator():
    net = MLP([6, 9, 1], rng=0)
    net.fit(X, SMOOTH[:, 0], lambda outputs, y: (float(net.rng.random()), outputs * 0.01), epochs=2)


def test_initial_weights_by_name_function_and_layer():
    by_name = MLP([6, 9, 4], rng=3, init="orthogonal")
    by_function = MLP([6, 9, 4], rng=3, init=initializers.orthogonal)
    one_each = MLP(
        [6, 9, 4], rng=3, init=["orthogonal", lambda rng, n_in, n_out: np.full((n_in, n_out), 0.5)]
    )
    np.testing.assert_allclose(by_name.weights[0] @ by_name.weights[0].T, np.eye(6), atol=1e-6)
    assert (
        by_name.params.tobytes() == by_function.params.tobytes()
        and by_name.weights[0].tobytes() == one_each.weights[0].tobytes()
    )
    assert (one_each.weights[1] == 0.5).all() and not one_each.biases[1].any()
    with pytest.raises(ValueError, match="init"):
        MLP([6, 9, 4], init="xavier")


def test_dropout_of_a_network():
    assert MLP([6, 9, 4], rng=0).dropout == (0.0, 0.0) and MLP(
        [6, 9, 8, 4], dropout=0.5
    ).dropout == (0.0, 0.5, 0.5)
    net = MLP([6, 9, 4], dropout=[0.1, 0.2], rng=0)
    assert (
        net.dropout == (0.1, 0.2)
        and "dropout=(0.1, 0.2)" in repr(net)
        and net.copy().dropout == net.dropout
    )
    assert net.forward(X).tobytes() == MLP([6, 9, 4], rng=0).forward(X).tobytes()
    net.dropout = 0
    assert net.dropout == (0.0, 0.0) and "dropout" not in repr(net)
    for rates, message in [
        (1.0, "dropout must be"),
        ([0.1], "dropout lists 1 rates for 2 layers"),
        (-0.1, "dropout"),
        ("x", "dropout"),
    ]:
        with pytest.raises(ValueError, match=message):
            net.dropout = rates
        with pytest.raises(ValueError, match=message):
            MLP([6, 9, 4], dropout=rates)


def test_an_average_is_what_callbacks_and_the_network_have():
    net, twin, seen = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0), []
    look = lambda net, history: seen.append(net.params.copy())  # noqa: E731
    net.fit(
        X, SMOOTH[:, 0], optimizer=SGD(0.1, average=0.5), epochs=3, batch_size=None, callbacks=look
    )
    average = twin.params.copy()
    for epoch in range(3):
        twin.fit(X, SMOOTH[:, 0], optimizer=SGD(0.1), epochs=1, batch_size=None, resume=epoch > 0)
        average += np.float32(0.5) * (twin.params - average)
        np.testing.assert_allclose(seen[epoch], average, atol=1e-7)
    assert (
        net.state.params.tobytes() == twin.params.tobytes()
        and net.params.tobytes() == seen[-1].tobytes()
    )
    assert (
        fastnn.MLP([6, 9, 1], rng=0)
        .fit(X, SMOOTH[:, 0], optimizer=SGD(0.1, average=0.5), epochs=0)
        .n_epochs
        == 0
    )
