"""Lessons: settings to begin with, and what to watch. What each option of the page does."""

from typing import Any

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
