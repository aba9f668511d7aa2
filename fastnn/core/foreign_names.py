"""Names that users bring from other libraries, and what they are called here."""

from __future__ import annotations

from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


EPOCHS = "The number of epochs is `epochs`"
RATE = "The optimizer holds the learning rate: optimizer=fastnn.Adam(lr=0.001)"
SEED = "The seed is `rng`"
THREADS = "The number of threads is `n_threads`"

FIT = {
    "lr": RATE,
    "learning_rate": RATE,
    "learning_rate_init": RATE,
    "verbose": "Pass progress=True for a line that shows how training goes",
    "validation_split": "The part of the rows to hold out is `validation_fraction`",
    "eval_set": "Give held-out rows as validation_data=(X, y)",
    "early_stopping": "Pass callbacks=fastnn.callbacks.EarlyStopping()",
    "n_epochs": EPOCHS,
    "num_epochs": EPOCHS,
    "max_iter": EPOCHS,
    "n_jobs": THREADS,
    "num_threads": THREADS,
    "seed": SEED,
    "random_state": SEED,
    "weight_decay": "The optimizer holds it: optimizer=fastnn.AdamW(weight_decay=0.01)",
    "momentum": "The optimizer holds it: optimizer=fastnn.SGD(0.1, momentum=0.9)",
    "sample_weights": "The weights of the rows are `sample_weight`",
    "class_weights": "The weights of the classes are `class_weight`",
    "criterion": "The loss function is `loss`",
}
FIT_MANY = FIT | dict.fromkeys(
    ("dy", "dy_weight", "dy_inputs"),
    "fit_many does not train on derivatives. Call net.fit for each network",
)
ONE_PASS = "partial_fit makes one pass over the rows in their order. Use fit"
PARTIAL_FIT = FIT | dict.fromkeys(
    [
        *("n_epochs", "num_epochs", "max_iter", "seed", "random_state"),
        *("eval_set", "validation_split", "early_stopping", "verbose"),
    ],
    ONE_PASS,
)
NETWORK = {
    "hidden_layer_sizes": "`layer_sizes` lists inputs, hidden layers and outputs: [30, 64, 1]",
    "hidden_sizes": "`layer_sizes` lists inputs, hidden layers and outputs: [30, 64, 1]",
    "hidden_activation": "The activation of the hidden layers is `activation`",
    "output_activation": "The activation of the output layer is `output`",
    "initializer": "The weight initializer is `init`",
    "seed": SEED,
    "random_state": SEED,
    "lr": "It belongs to training: net.fit(X, y, optimizer=fastnn.Adam(lr=0.001))",
    "learning_rate": "It belongs to training: net.fit(X, y, optimizer=fastnn.Adam(lr=0.001))",
    "optimizer": "It belongs to training: net.fit(X, y, optimizer=...)",
    "loss": "It belongs to training: net.fit(X, y, loss=...)",
}
OPTIONS = {
    "learning_rate": "The learning rate is `lr`",
    "learning_rate_init": "The learning rate is `lr`",
    "epsilon": "It is `eps`",
    "beta_1": "Both decay rates are one pair, betas=(0.9, 0.999)",
    "beta_2": "Both decay rates are one pair, betas=(0.9, 0.999)",
    "beta1": "Both decay rates are one pair, betas=(0.9, 0.999)",
    "beta2": "Both decay rates are one pair, betas=(0.9, 0.999)",
    "nesterovs_momentum": "It is `nesterov`",
    "clipnorm": "It is `clip_norm`",
    "max_grad_norm": "It is `clip_norm`",
    "clipvalue": "It is `clip_value`",
    "step_size": "The number of epochs or steps between two reductions is `every`",
    "gamma": "It is `factor`",
    "quantile": "It is `q`",
    "alpha": "The L2 penalty is `l2`",
}
ATTRIBUTES = {
    "predict": "net.forward(X) returns the outputs; MLPClassifier and MLPRegressor have predict",
    "predict_proba": "net.forward(X) returns the outputs; MLPClassifier has predict_proba",
    "score": "net.loss(X, y) returns the loss; MLPClassifier and MLPRegressor have score",
    "evaluate": "net.loss(X, y) returns the loss",
    "train": "net.fit(X, y) trains",
    "compile": "net.fit(X, y, loss=..., optimizer=...) needs no compilation",
    "parameters": "net.params holds all parameters, net.weights and net.biases those of each layer",
    "state_dict": "net.weights and net.biases hold the parameters; net.save(path) writes a file",
    "coefs_": "The weights are net.weights",
    "intercepts_": "The biases are net.biases",
    "load": "fastnn.load(path) reads a network",
}


def unexpected(function, name, hint):
    """The TypeError for a keyword argument of another library."""
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}. {hint}.")


class MissingAttribute:
    """An attribute that does not exist, with a hint in its AttributeError.

    A class with ``__getattr__`` would do the same, but takes 30 ns longer for one row in `forward`:
    it slows down the look-up of all attributes.
    """

    def __init__(self, name, hint):
        self.name, self.hint = name, hint
        self.__doc__ = f"Does not exist. {hint}."  # what help() prints

    def __get__(self, obj, cls):
        thing = f"type object {cls.__name__!r}" if obj is None else f"{cls.__name__!r} object"
        raise AttributeError(
            f"{thing} has no attribute {self.name!r}: {self.hint}",
            name=self.name,
            obj=cls if obj is None else obj,
        )


def with_hints(
    hints: Mapping[str, str], fit: Callable[..., Any] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: a keyword argument named in `hints` raises a TypeError with its hint.

    fit : function, optional
        Arguments that only this function has raise one with ONE_PASS.
    """

    def decorate(function):
        known = dict(hints)
        if fit is not None:
            own = signature(function).parameters
            known |= dict.fromkeys(signature(fit).parameters.keys() - own, ONE_PASS)

        @wraps(function)
        def checked(*args, **kwargs):
            if not known.keys().isdisjoint(kwargs):
                name = next(name for name in kwargs if name in known)
                raise unexpected(function.__qualname__, name, known[name])
            return function(*args, **kwargs)

        return checked

    return decorate
