"""Settings: everything that decides the bits of a training in the playground."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .. import losses, optimizers, schedules
from ..activations import HIDDEN
from ..core.messages import has_lone_surrogate, hint_at, printable
from ..core.validation import check_count, check_number
from ..mlp import MLP
from . import data_sets
from .data_sets import PlayError, refusing

#: Activations, losses and optimizers that the page does not have, and why.
EXCLUDED = {
    "exponential": "grows beyond float32 in hidden layers",
    "lbfgs": "takes no steps on batches",
    "quantile": "its default is half of mae",
    "gaussian_nll": "a point has one output, not a mean and a variance",
    "poisson": "no data set holds counts",
    "bce_with_logits": "is bce without the sigmoid, and the page shows probabilities",
}
ACTIVATIONS = tuple(name for name in HIDDEN if name not in EXCLUDED)
OUTPUTS: Any = {"two classes": "sigmoid", "classes": "softmax", "numbers": "identity"}
#: By kind of the target: the losses, the default first.
LOSSES = {
    kind: [
        name
        for name, loss in losses.LOSSES.items()
        if name not in EXCLUDED and (loss.output or "identity") == output
    ]
    for kind, output in OUTPUTS.items()
}
LOSSES["two classes"].append("mse")
OPTIMIZERS = sorted(["momentum", *(optimizers.OPTIMIZERS.keys() - EXCLUDED)])
#: Schedules of the rate: what each does with the number of epochs of `schedule_epochs`.
SCHEDULES = {
    "constant": lambda lr, epochs: lr,
    "step": lambda lr, epochs: schedules.StepDecay(lr, epochs, 0.5),
    "exponential": lambda lr, epochs: schedules.ExponentialDecay(lr, 0.5 ** (1 / epochs)),
    "cosine": lambda lr, epochs: schedules.CosineDecay(lr, epochs),
}
MAX_LAYERS, MAX_UNITS = 6, 32
#: What a change of these makes of the training: see `Playback.change`.
NEW_NETWORK = ("data", "n", "noise", "data_seed", "test", "hidden", "activations", "seed", "dtype")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One setting of the playground.

    Parameters
    ----------
    data, n, noise, data_seed, test
        Arguments of `make_data`. `data` is "table" or "points" for other rows.
    hidden : tuple of int
        Units of each hidden layer.
    activations : tuple of str
        Of each hidden layer.
    seed : int
        Of the initial weights, the order of the rows and dropout.
    dtype : {"float32", "float64"}
    loss : str
        A name of `LOSSES`, or "" for the default of the target.
    optimizer, lr, schedule, schedule_epochs
        The optimizer, its learning rate, how it falls, and in how many epochs.
    batch : int
        Rows of a step.
    l1, l2 : float
        Penalties.
    dropout : float
        Rate of the outputs of all hidden layers.
    """

    data: str = "circles"
    n: int = 500
    noise: float = 0.1
    data_seed: int = 0
    test: float = 0.3
    hidden: tuple = (8, 8)
    activations: tuple = ("tanh", "tanh")
    seed: int = 0
    dtype: Any = "float32"
    loss: str = ""
    optimizer: Any = "adam"
    lr: float = 0.01
    schedule: str = "constant"
    schedule_epochs: int = 100
    batch: int = 32
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0

    def __post_init__(self):
        set_field = object.__setattr__  # the object is frozen
        for name in ("hidden", "activations"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple):
                raise PlayError(f"{name} must be a list with an entry for each hidden layer")
            set_field(self, name, tuple(value))
        if len(self.hidden) > MAX_LAYERS:
            raise PlayError(f"hidden must have at most {MAX_LAYERS} layers, got {len(self.hidden)}")
        if len(self.activations) != len(self.hidden):
            raise PlayError("activations must have one name for each hidden layer")
        for units in self.hidden:
            check_count("units", units, maximum=MAX_UNITS)
        _check_names("activations", self.activations, ACTIVATIONS)
        _check_names("dtype", [self.dtype], ("float32", "float64"))
        _check_names("optimizer", [self.optimizer], OPTIMIZERS)
        _check_names("schedule", [self.schedule], SCHEDULES)
        _check_names("data", [self.data], (*data_sets.DATA_SETS, "table", "points"))
        for name in ("schedule_epochs", "batch"):
            check_count(name, getattr(self, name))
        for name in ("seed", "data_seed"):
            check_count(name, getattr(self, name), minimum=0)
        for name in ("l1", "l2", "noise"):
            set_field(self, name, check_number(name, getattr(self, name), minimum=0))
        for name in ("dropout", "test"):
            set_field(self, name, check_number(name, getattr(self, name), minimum=0, below=1))
        set_field(self, "lr", check_number("lr", self.lr, above=0))

    @classmethod
    def from_json(cls, values: Any) -> Settings:
        """Return the settings of a JSON object, a dict, whose missing entries have their defaults.

        Raises
        ------
        ValueError
            It is not a JSON object, an entry does not exist, or a value is out of range.
        """
        if not isinstance(values, dict):
            raise PlayError("the settings must be a JSON object")
        known = {field.name for field in fields(cls)}
        if unknown := values.keys() - known:
            raise PlayError(f"unknown settings: {', '.join(sorted(unknown))}")
        with refusing():
            return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    def changes(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        default = Settings()
        return {k: v for k, v in self.to_json().items() if v != getattr(default, k)}

    def for_data(self, data: data_sets.PlayData) -> Settings:
        """Return the settings with a loss that fits the target."""
        names = LOSSES[self.kind(data)]
        return self if self.loss in names else replace(self, loss=names[0])

    @staticmethod
    def kind(data: data_sets.PlayData) -> str:
        """Return the key of `LOSSES` for a data set."""
        if data.kind == "numbers":
            return "numbers"
        return "classes" if data.n_out > 1 else "two classes"

    def make_data(self) -> data_sets.PlayData:
        """Return the made data set of these settings."""
        return data_sets.make_data(self.data, self.n, self.noise, self.data_seed, self.test)

    def network(self, data: data_sets.PlayData) -> MLP:
        """Return an untrained network."""
        sizes = [data.X.shape[1], *self.hidden, data.n_out]
        return MLP(
            sizes,
            self.activations if self.hidden else "relu",
            OUTPUTS[self.kind(data)],
            dtype=self.dtype,
            rng=self.seed,
            dropout=self.dropout if self.hidden else 0.0,
        )

    def make_optimizer(self) -> Any:
        """Return the optimizer."""
        lr = SCHEDULES[self.schedule](self.lr, self.schedule_epochs)
        penalties: Any = {"l1": self.l1, "l2": self.l2}
        if self.optimizer == "momentum":
            return optimizers.SGD(lr, momentum=0.9, **penalties)
        kind: Any = type(optimizers.resolve(self.optimizer))
        return kind(lr, **penalties)


def _check_names(name, values, known):
    for value in values:
        if value not in known:
            raise PlayError(
                f"{name} must be one of {', '.join(known)}, got {value!r}{hint_at(value, known)}"
            )


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        It is not JSON, or it holds what JSON itself allows: a number that is not finite in float64,
        or a text with a lone surrogate, which no table can have.
    """
    try:
        value = json.loads(
            text, parse_float=_number, parse_int=_whole_number, parse_constant=_number
        )
        if has_lone_surrogate(json.dumps(value, ensure_ascii=False)):
            raise PlayError("a text has a lone surrogate, which is no character. Remove it.")
        return value
    except RecursionError:
        raise PlayError("the JSON is nested too deeply") from None


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise PlayError(f"{printable(text)} is not a finite number. Pass one below 1.8e308.")
    return number


def _whole_number(text):
    _number(text)
    return int(text)
