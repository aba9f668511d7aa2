"""The options of a training that the benches turn on one at a time, and the same training by
`fastnn.reference`."""

from dataclasses import dataclass

import numpy as np

import fastnn
from fastnn import SGD, reference
from fastnn.losses import BCE
from fastnn.schedules import CosineDecay, StepDecay

LR = 0.05


def custom_loss(outputs, y):
    """Binary cross-entropy, as a user would write it."""
    p, y = np.clip(outputs, 1e-6, 1 - 1e-6), y.reshape(outputs.shape)
    value = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return value, (p - y) / (p * (1 - p)) / p.size


@dataclass(frozen=True)
class Option:
    """What differs from plain SGD. The loss is the one that fits the network's output, a `BCE` with
    options, or `custom_loss`."""

    optimizer: fastnn.optimizers.Optimizer = SGD(LR)  # noqa: RUF009 - it is immutable
    loss: object = None
    dropout: float = 0.0
    sample_weight: bool = False
    class_weight: dict | None = None

    @property
    def pos_weight(self):
        return self.loss.pos_weight if isinstance(self.loss, BCE) else None

    @property
    def label_smoothing(self):
        return self.loss.label_smoothing if isinstance(self.loss, BCE) else 0.0


def options(steps=1000):
    """Return {name: Option} for a training of so many steps, which the cosine spans.

    Rates are such that all networks of the benches learn, and the rest so strong that leaving it
    out shows in a few epochs' losses.
    """
    return {
        "sgd": Option(),
        "momentum": Option(SGD(LR, momentum=0.9)),
        "nesterov": Option(SGD(LR, momentum=0.9, nesterov=True)),
        "adagrad": Option(fastnn.Adagrad(3e-3)),
        "adadelta": Option(fastnn.Adadelta(1.0)),
        "rmsprop": Option(fastnn.RMSprop(3e-4)),
        "adam": Option(fastnn.Adam(1e-3)),
        "amsgrad": Option(
            fastnn.Adam(1e-3, betas=(0.9, 0.95), amsgrad=True)
        ),  # v must rise and fall, or its maximum is itself
        "adamw": Option(fastnn.AdamW(1e-3, weight_decay=1.0)),
        "adamax": Option(fastnn.Adamax(1e-3)),
        "nadam": Option(
            fastnn.NAdam(5e-4, momentum_decay=1e6)
        ),  # so large that its momentum does not move: Dozat's, which Optax has
        "dropout": Option(dropout=0.2),
        "clip_value": Option(SGD(LR, clip_value=0.01)),
        "clip_norm": Option(SGD(LR, clip_norm=0.1)),
        "l1": Option(SGD(LR, l1=0.01)),
        "l2": Option(SGD(LR, l2=0.1)),
        "weight_decay": Option(SGD(LR, weight_decay=0.1)),
        "average": Option(SGD(LR, average=0.99)),
        "cosine": Option(
            SGD(CosineDecay(LR, duration=steps, warmup=max(1, steps // 10), unit="step"))
        ),
        "step_decay": Option(
            SGD(StepDecay(LR, every=1, factor=0.98))
        ),  # by epochs; so slow that long blocks don't come to nothing
        "label_smoothing": Option(loss=BCE(label_smoothing=0.1)),
        "sample_weight": Option(sample_weight=True),
        "class_weight": Option(class_weight={0: 1.0, 1: 3.0}),
        "pos_weight": Option(loss=BCE(pos_weight=3.0)),
        "custom_loss": Option(loss=custom_loss),
    }


NAMES = list(options())


def weights_of_rows(option, y):
    """Return what `sample_weight` and `class_weight` come to, or None."""
    if option.sample_weight:
        return np.random.default_rng(1).exponential(size=len(y)).astype(y.dtype)
    if option.class_weight:
        return np.where(y.ravel() > 0.5, option.class_weight[1], option.class_weight[0]).astype(
            y.dtype
        )
    return None


def fit(net, option, X, y, epochs, batch, n_threads=1):
    """Train with fastnn, and return the losses of the epochs."""
    weights = weights_of_rows(option, y) if option.sample_weight else None
    history = net.fit(
        X,
        y,
        option.loss,
        option.optimizer,
        epochs,
        batch,
        shuffle=False,
        sample_weight=weights,
        class_weight=option.class_weight,
        n_threads=n_threads,
    )
    return history.loss


def fit_reference(net, option, X, y, epochs, batch, seed=0):
    """Do the same by `fastnn.reference`, in the dtype of X: return the losses, and the parameters
    in one array. `net` stays as it is."""
    weights, biases = (
        [W.astype(X.dtype) for W in net.weights],
        [b.astype(X.dtype) for b in net.biases],
    )
    settings = dict(vars(option.optimizer))
    rate = settings.pop("lr")
    by_step = getattr(rate, "unit", None) == "step"
    lr = (lambda step, epoch: rate(step if by_step else epoch)) if callable(rate) else rate
    loss, loss_options = option.loss, None
    if loss is None:
        loss = "bce" if net.layer_sizes[-1] == 1 else "cross_entropy"
    elif isinstance(loss, BCE):
        loss, loss_options = (
            "bce",
            dict(pos_weight=loss.pos_weight, label_smoothing=loss.label_smoothing),
        )
    losses = reference.fit(
        X,
        y,
        weights,
        biases,
        net.activations,
        loss,
        type(option.optimizer).__name__.lower(),
        lr,
        epochs,
        batch,
        sample_weight=weights_of_rows(option, y),
        loss_options=loss_options,
        dropout=net.dropout if option.dropout else None,
        seed=seed,
        **settings,
    )
    if option.optimizer.average is not None:
        losses, weights, biases = losses
    return losses, flat(zip(weights, biases))


def flat(layers):
    """Return (W, b), (W, b), ... in one array, in fastnn's order."""
    return np.concatenate([np.ravel(a) for layer in layers for a in layer])
