"""Settings: everything that decides the bits of a training in the playground.

`LESSONS` has settings to begin with, `HELP` what each of them does.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .. import losses, optimizers, schedules
from ..activations import HIDDEN
from ..core.messages import has_lone_surrogate, printable
from ..core.validation import check_count, check_number
from ..mlp import MLP
from .data_sets import DATA_SETS, PlayData, PlayError, check_known, refusing

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
    loss: Any = ""
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
        for activation in self.activations:
            check_known("activations", activation, ACTIVATIONS)
        check_known("dtype", self.dtype, ("float32", "float64"))
        check_known("optimizer", self.optimizer, OPTIMIZERS)
        check_known("schedule", self.schedule, SCHEDULES)
        check_known("data", self.data, (*DATA_SETS, "table", "points"))
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

    def for_data(self, data: PlayData) -> Settings:
        """Return the settings with a loss that fits the target."""
        names = LOSSES[self.kind(data)]
        return self if self.loss in names else replace(self, loss=names[0])

    @staticmethod
    def kind(data: PlayData) -> str:
        """Return the key of `LOSSES` for a data set."""
        if data.kind == "numbers":
            return "numbers"
        return "classes" if data.n_out > 1 else "two classes"

    @property
    def used_dropout(self) -> float:
        """The dropout of the network: 0 without hidden layers."""
        return self.dropout if self.hidden else 0.0

    def network(self, data: PlayData) -> MLP:
        """Return an untrained network."""
        sizes = [data.X.shape[1], *self.hidden, data.n_out]
        return MLP(
            sizes,
            self.activations if self.hidden else "relu",
            OUTPUTS[self.kind(data)],
            dtype=self.dtype,
            rng=self.seed,
            dropout=self.used_dropout,
        )

    def make_optimizer(self) -> Any:
        """Return the optimizer."""
        lr = SCHEDULES[self.schedule](self.lr, self.schedule_epochs)
        penalties: Any = {"l1": self.l1, "l2": self.l2}
        if self.optimizer == "momentum":
            return optimizers.SGD(lr, momentum=0.9, **penalties)
        kind: Any = type(optimizers.resolve_optimizer(self.optimizer))
        return kind(lr, **penalties)


def parse_play_json(text: str | bytes) -> Any:
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


# ---- lessons and help ----

#: Each with its title, its settings, what to watch and what to try then.
LESSONS: list[dict[str, Any]] = [
    {
        "title": "One line cannot do XOR",
        "settings": {"data": "xor", "hidden": [], "activations": [], "noise": 0.0, "lr": 0.05},
        "watch": "Without a hidden layer the network is one line. Watch the accuracy: it is never much "
        "better than a guess, 50 %, because no line has the classes on its two sides.",
        "then": "Add a layer of 4 units. Each unit is a line of its own, and the output combines them.",
    },
    {
        "title": "A rate that is too high",
        "settings": {
            **{"data": "moons", "optimizer": "sgd", "lr": 10.0, "batch": 10},
            **{"hidden": [8], "activations": ["relu"]},
        },
        "watch": "Watch the loss jump up and down instead of falling: each step goes too far, and lands on "
        "the other side of the valley.",
        "then": "Set the rate to 0.3 and start over. Then try 0.001: the loss falls, but slowly.",
    },
    {
        "title": "Sigmoids that vanish",
        "settings": {
            **{"data": "circles", "optimizer": "sgd", "lr": 0.3, "batch": 10},
            **{"hidden": [6, 6, 6, 6, 6], "activations": ["sigmoid"] * 5},
        },
        "watch": "Watch the loss stay at 0.69, that of a guess. Each sigmoid multiplies the gradient by at "
        "most 1/4, so almost nothing reaches the first layer: choose one of its units and read dL/dw.",
        "then": "Choose tanh or relu for all layers. The loss falls at once.",
    },
    {
        "title": "Overfitting, and dropout",
        "settings": {
            **{"data": "moons", "n": 100, "noise": 0.3, "data_seed": 1, "test": 0.5, "batch": 10},
            **{"hidden": [32, 32], "activations": ["relu", "relu"]},
        },
        "watch": "Watch the two losses part. The network learns its 50 points by heart, so the training "
        "loss falls to 0, while the loss of the points that it has not seen rises.",
        "then": "Set dropout to 0.4: the held-out loss stays lower. Set it to 0 and L2 to 0.01, or use one "
        "layer of 4 units: it hardly rises.",
    },
    {
        "title": "Why inputs are scaled",
        "settings": {
            **{"data": "stretched", "noise": 0.05, "optimizer": "sgd", "lr": 0.001, "batch": 32},
            **{"hidden": [], "activations": [], "seed": 3},
        },
        "watch": "x2 is 50 times as large as x1. Its weight is right after a few steps, and the weight of "
        "x1 crawls: watch the colours turn slowly to the right.",
        "then": "Set the rate to 0.01 to hurry: training diverges, because of x2. Then choose the data plane, "
        "where both are scaled, with a rate of 0.1: it is done in a second.",
    },
    {
        "title": "The size of a batch",
        "settings": {
            **{"data": "moons", "batch": 1, "optimizer": "sgd", "lr": 0.1},
            **{"hidden": [8, 8], "activations": ["tanh", "tanh"]},
        },
        "watch": "Each step follows a single point: watch the surface tremble. An epoch has 350 steps, so "
        "about ten epochs are enough.",
        "then": "Set the batch to 350, all points: an epoch is one step. The surface is calm, the curve is "
        "smooth, and it needs about a thousand epochs.",
    },
    {
        "title": "Adam against SGD",
        "settings": {
            **{"data": "spirals", "noise": 0.03, "optimizer": "sgd", "lr": 0.03},
            **{"hidden": [16, 16], "activations": ["relu", "relu"]},
        },
        "watch": "Watch SGD: the loss falls slowly, and stays on plateaus for hundreds of epochs.",
        "then": "Start over with adam and the rate 0.01. It divides each step by the size of its gradients, "
        "so flat directions move, too: 50 epochs are enough.",
    },
    {
        "title": "Width against depth",
        "settings": {
            **{"data": "circles", "hidden": [3], "activations": ["relu"]},
            **{"lr": 0.03, "noise": 0.02},
        },
        "watch": "Three lines are the fewest that close: watch them become a triangle around the inner "
        "circle.",
        "then": "Use one layer of 16 units: it learns at once. Four layers of 4 have about as many "
        "parameters, but get stuck with this seed. Press 100 networks to see how often.",
    },
]

#: One sentence on what each option does and when to change it.
HELP = {
    "data": "What to learn. Spirals are the hardest; XOR needs a hidden layer.",
    "n": "Points in all. With fewer, a network learns them by heart sooner.",
    "noise": "How far points are moved at random. More noise hides where the classes meet.",
    "data_seed": "Another number draws other points of the same kind.",
    "test": "The share of points that are not trained on, but measured. Raise it for a surer score.",
    "layers": "Hidden layers. Add one if the surface is too simple, remove one if it overfits.",
    "units": "Units of this layer. More units bend the surface in more places.",
    "activation": "What a unit does with z. tanh bends smoothly, relu has corners and is fast.",
    "loss": "What is made small. bce for two classes; huber for numbers with outliers.",
    "optimizer": "How a gradient becomes a step. adam is a good start, sgd shows what happens.",
    "lr": "The size of a step. Lower it if the loss jumps, raise it if it crawls.",
    "schedule": "How the rate falls. A lower rate at the end lets the loss settle.",
    "schedule_epochs": "Epochs until the rate is halved (step, exponential) or 0 (cosine).",
    "batch": "Points in a step. Small batches take more, noisier steps in an epoch.",
    "l1": "Penalty on |w|. It sets weights that do little to 0.",
    "l2": "Penalty on w squared. Raise it if the held-out loss rises while the other falls.",
    "dropout": "The share of hidden outputs that a step sets to 0. Try 0.2 to 0.5 if it overfits.",
    "seed": "Another number draws other initial weights, and another order of the points.",
    "dtype": "float32 is faster; float64 has 16 digits.",
    "speed": "Steps for each picture. max trains as fast as the processor allows.",
    "variation": "How the networks differ. Seeds show what is luck, the map which rate suits which width.",
    "stop": "Stop after this many epochs; 0 never stops.",
}
