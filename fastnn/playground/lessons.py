"""Eight lessons: settings to begin with, and what to watch. What each option of the page does."""

from typing import Any

#: Each with its title, its settings, what to watch and what to try then.
LESSONS: list[dict[str, Any]] = [
    {
        "title": "One line cannot do XOR",
        "settings": {"data": "xor", "hidden": [], "activations": [], "noise": 0.0, "lr": 0.05},
        "watch": "Without a hidden layer the network is one line. Watch the accuracy stay near 50 %: no "
        "line has the classes on its two sides.",
        "then": "Add a layer of 4 units. Each unit is a line of its own, and the output combines them.",
    },
    {
        "title": "A rate that is too high",
        "settings": {
            **{"data": "moons", "optimizer": "sgd", "lr": 10.0, "batch": 10},
            **{"hidden": [8], "activations": ["relu"]},
        },
        "watch": "Watch the loss jump instead of fall: each step goes too far and lands on the other side "
        "of the valley.",
        "then": "Set the rate to 0.3 and start again. With 0.001 it falls too, but slowly.",
    },
    {
        "title": "Sigmoids that vanish",
        "settings": {
            **{"data": "circles", "optimizer": "sgd", "lr": 0.3, "batch": 10},
            **{"hidden": [6, 6, 6, 6, 6], "activations": ["sigmoid"] * 5},
        },
        "watch": "Watch the loss stay at 0.69, that of a guess. Each sigmoid multiplies the gradient by at "
        "most 1/4, so next to nothing arrives at the first layer: click a unit there and read dL/dw.",
        "then": "Choose relu or tanh for all layers, and start again.",
    },
    {
        "title": "Overfitting, and dropout",
        "settings": {
            **{"data": "moons", "n": 60, "noise": 0.3, "test": 0.5, "lr": 0.01, "batch": 10},
            **{"hidden": [32, 32], "activations": ["relu", "relu"]},
        },
        "watch": "Watch the two losses part: the network learns the 30 points by heart, and becomes worse "
        "on those that it has not seen.",
        "then": "Set dropout to 0.4, or l2 to 0.01, and start again. Or make the layers smaller.",
    },
    {
        "title": "Why inputs are scaled",
        "settings": {
            **{"data": "plane", "noise": 0.05, "optimizer": "sgd", "lr": 0.1, "batch": 30},
            **{"hidden": [], "activations": []},
        },
        "watch": "Both inputs lie between -1 and 1, so one rate suits both weights: R2 is near 1 after a "
        "few epochs.",
        "then": "Open your table with: fastnn play TABLE --target COLUMN. It is scaled in the same "
        "way. Without that, a column of thousands needs a rate a million times smaller.",
    },
    {
        "title": "The size of a batch",
        "settings": {
            **{"data": "spirals", "batch": 1, "optimizer": "sgd", "lr": 0.05},
            **{"hidden": [16, 16], "activations": ["tanh", "tanh"]},
        },
        "watch": "Watch the surface tremble: a step follows one point. An epoch has many steps, so it also "
        "learns much in one epoch.",
        "then": "Set the batch to 350, all points: the curve becomes smooth, and an epoch is one step.",
    },
    {
        "title": "Adam against SGD",
        "settings": {
            **{"data": "spirals", "noise": 0.03, "optimizer": "sgd", "lr": 0.03},
            **{"hidden": [16, 16], "activations": ["relu", "relu"]},
        },
        "watch": "Watch SGD: the loss falls slowly, and stays on plateaus for hundreds of epochs.",
        "then": "Choose adam with the rate 0.01. It divides each step by the size of its gradients, so flat "
        "directions move, too.",
    },
    {
        "title": "Width against depth",
        "settings": {
            **{
                "data": "circles",
                "hidden": [3],
                "activations": ["relu"],
                "lr": 0.03,
                "noise": 0.02,
            },
        },
        "watch": "Three lines are the fewest that close: watch them become a triangle around the inner "
        "circle.",
        "then": "Use one layer of 16 units, then four layers of 4: both have more corners. Compare how "
        "fast they learn.",
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
    "stop": "Stop after this many epochs; 0 never stops.",
}
