"""The activations, losses, optimizers and schedules of fastnn: one row each.

From these tables `python src/generate.py` writes the enums of fastnn/kernels.pxd and
fastnn/kernels.pyi, the choice of a kernel in src/ops/, the lists of names and imports in fastnn/,
and the tables and lists in docstrings and documentation. tests/test_generated.py fails when one of
them is stale. CONTRIBUTING.md says which files to edit for a new row.

Rows stand in the order in which users see them. `number` is the value of the enum: code that was
compiled before knows it, so a new row takes the next free number and no number ever changes.
"""

from typing import NamedTuple


class Activation(NamedTuple):
    """An activation f. Its kernel is a branch of `activate` and one of `derivative` in
    src/ops/activation.pxi."""

    name: str
    number: int
    formula: str
    slope: str  # f'(z)
    reads_input: bool = (
        False  # the kernel computes f'(z) from z, which is then kept, rather than from a = f(z)
    )
    fills_padding: bool = False  # f(0) is not 0
    hidden: bool = True  # may be the activation of a hidden layer
    # the initializer of a layer with this activation, of fastnn/initializers.py
    init: str = "glorot_uniform"
    note: str = ""  # for kernels.pxd


ACTIVATIONS = (
    Activation("identity", 0, "z", "1"),
    Activation("sigmoid", 1, "1 / (1 + exp(-z))", "a (1 - a)", fills_padding=True),
    Activation("relu", 2, "max(0, z)", "1 if a > 0 else 0", init="he_normal"),
    Activation("tanh", 3, "tanh(z)", "1 - a^2"),
    Activation(
        "leaky_relu",
        4,
        "z if z > 0 else 0.01 z",
        "1 if a > 0 else 0.01",
        init="he_normal",
        note="slope 0.01 below 0",
    ),
    Activation(
        "elu",
        5,
        "z if z > 0 else exp(z) - 1",
        "1 if a > 0 else a + 1",
        init="he_normal",
        note="alpha = 1",
    ),
    Activation(
        "softplus", 6, "log(1 + exp(z))", "sigmoid(z)", reads_input=True, fills_padding=True
    ),
    Activation(
        "gelu",
        7,
        "z Phi(z), Phi by erf",
        "Phi(z) + z phi(z)",
        reads_input=True,
        init="he_normal",
        note="z times the normal distribution function of z, by erf",
    ),
    Activation(
        "silu",
        8,
        "z sigmoid(z)",
        "s (1 + z (1 - s)), s = sigmoid(z)",
        reads_input=True,
        init="he_normal",
    ),
    Activation(
        "softmax",
        9,
        "exp(z_j) / sum_k exp(z_k)",
        "of a row; as an output only",
        hidden=False,
        note="over a row; an output only",
    ),
    Activation(
        "exponential", 10, "exp(z)", "a; for outputs that count (poisson)", fills_padding=True
    ),
    Activation(
        "selu",
        11,
        "s z if z > 0 else s alpha (exp(z) - 1)",
        "s if a > 0 else a + s alpha",
        init="lecun_normal",
        note="s = 1.0507009873554805, alpha = 1.6732632423543772",
    ),
    Activation(
        "mish",
        12,
        "z t, t = tanh(log(1 + exp(z)))",
        "t + z (1 - t^2) sigmoid(z)",
        reads_input=True,
        init="he_normal",
    ),
)


class Loss(NamedTuple):
    """A loss. Two rows may share a kernel; rows without `name` have no class, rows without
    `function` none in functional and reference.

    A loss that looks at each output alone has its kernel in `loss_element` in src/ops/loss.pxi; one
    that couples the outputs of a row has a function of its own there.
    """

    kernel: str  # the member of the enum
    number: int
    name: str = ""  # what `loss=` takes
    cls: str = ""  # the class, in fastnn/losses/MODULE.py
    module: str = ""
    function: str = ""  # its name in fastnn/functional/losses.py and fastnn/reference/losses.py
    formula: str = ""
    output: str = "any"  # the output activation that it needs
    default_for: str = ""  # the output activation whose loss=None it is
    fused: bool = False  # takes z, and the last layer's activation is part of it
    mean: bool = False  # the loss of a row is the mean over its outputs, not the sum
    alone: bool = True  # looks at each output alone: `loss_element` is its kernel
    weighted: str = ""  # the kernel in the same table where outputs have weights
    readme: str = ""
    note: str = ""  # for kernels.pxd


LOSSES = (
    Loss("GIVEN_GRADIENT", 0, alone=False, note="no loss: `targets` holds dL/dY"),
    Loss(
        "LOGITS_BINARY_CROSS_ENTROPY",
        3,
        "bce",
        "BCE",
        "classification",
        "",
        "sum_j -p_j y_j log a_j - (1 - y_j) log(1 - a_j)",
        "sigmoid",
        default_for="sigmoid",
        fused=True,
        weighted="WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY",
        readme="binary cross-entropy (also multi-label)",
        note="fused with the sigmoid: from z",
    ),
    Loss(
        "BINARY_CROSS_ENTROPY",
        2,
        function="binary_cross_entropy",
        weighted="WEIGHTED_BINARY_CROSS_ENTROPY",
        note="from probabilities",
    ),
    Loss(
        "LOGITS_BINARY_CROSS_ENTROPY",
        3,
        "bce_with_logits",
        "BCEWithLogits",
        "classification",
        "binary_cross_entropy_with_logits",
        "the same with a = sigmoid(z), z the network's output",
        "identity",
        fused=True,
        weighted="WEIGHTED_LOGITS_BINARY_CROSS_ENTROPY",
    ),
    Loss(
        "CROSS_ENTROPY",
        4,
        "cross_entropy",
        "CrossEntropy",
        "classification",
        "cross_entropy",
        "-sum_j y_j log a_j, y a class number or probabilities",
        "softmax",
        default_for="softmax",
        fused=True,
        alone=False,
        readme="softmax cross-entropy",
        note="fused with the softmax: from z; targets are rows of probabilities",
    ),
    Loss(
        "CLASS_CROSS_ENTROPY",
        5,
        fused=True,
        alone=False,
        note="the same; targets are int64 class numbers",
    ),
    Loss(
        "SQUARED_ERROR",
        1,
        "mse",
        "MSE",
        "regression",
        "mean_squared_error",
        "mean_j (a_j - y_j)^2",
        mean=True,
        readme="mean squared error",
    ),
    Loss(
        "ABSOLUTE_ERROR",
        6,
        "mae",
        "MAE",
        "regression",
        "mean_absolute_error",
        "mean_j abs(a_j - y_j)",
        mean=True,
        readme="mean absolute error",
    ),
    Loss(
        "HUBER",
        7,
        "huber",
        "Huber",
        "regression",
        "huber",
        "mean_j d^2, d = a_j - y_j; delta (2 abs(d) - delta) beyond delta",
        mean=True,
        readme="Huber",
        note="numbers: delta",
    ),
    Loss(
        "LOG_COSH",
        12,
        "log_cosh",
        "LogCosh",
        "regression",
        "log_cosh",
        "mean_j log cosh(a_j - y_j)",
        mean=True,
        readme="log-cosh",
    ),
    Loss(
        "QUANTILE",
        8,
        "quantile",
        "Quantile",
        "regression",
        "quantile",
        "mean_j max(q (y_j - a_j), (q - 1) (y_j - a_j))",
        mean=True,
        readme="quantiles",
        note="numbers: the quantile of each output",
    ),
    Loss(
        "POISSON",
        9,
        "poisson",
        "Poisson",
        "regression",
        "poisson_nll",
        "sum_j a_j - y_j log a_j",
        "exponential",
        default_for="exponential",
        fused=True,
        readme="Poisson",
        note="fused with the exponential: from z, the logarithm of the rate",
    ),
    Loss(
        "GAUSSIAN",
        10,
        "gaussian_nll",
        "GaussianNLL",
        "regression",
        "gaussian_nll",
        "sum_j (s_j + (y_j - m_j)^2 exp(-s_j)) / 2, outputs m, then s",
        "identity",
        alone=False,
        readme="Gaussian with a learned variance",
        note="outputs: means, then logarithms of variances; targets: y, then anything",
    ),
    Loss(
        "CUSTOM_LOSS",
        11,
        alone=False,
        note="`custom.evaluate` is asked about the outputs of each batch",
    ),
)


class Optimizer(NamedTuple):
    """An optimizer. Its kernel is a branch of `change` in src/ops/update.pxi; two rows may share a
    kernel."""

    # the class, in fastnn/optimizers/MODULE.py; in small letters the name that `optimizer=` takes
    cls: str
    module: str
    kernel: str = ""  # the member of the enum
    number: int = 0
    compiled: tuple[
        tuple[int, bool], ...
    ] = ()  # (number of moments, whether there is a loop without penalties, clipping, average, too)
    moments: str = ""
    source: str = ""
    readme: str = ""
    note: str = ""  # for kernels.pxd


OPTIMIZERS = (
    Optimizer(
        "SGD",
        "sgd",
        "SGD",
        1,
        ((0, True), (1, True)),
        "velocity, with momentum",
        "Robbins and Monro, 1951; Sutskever et al., 2013",
        "SGD, momentum, Nesterov",
    ),
    Optimizer(
        "Adagrad",
        "adaptive",
        "ADAGRAD",
        3,
        ((1, False),),
        "sum of g^2",
        "Duchi, Hazan and Singer, 2011",
        "Adagrad",
    ),
    Optimizer(
        "Adadelta",
        "adaptive",
        "ADADELTA",
        4,
        ((2, False),),
        "means of g^2 and of the squared steps",
        "Zeiler, 2012",
        "Adadelta",
    ),
    Optimizer(
        "RMSprop",
        "adaptive",
        "RMSPROP",
        5,
        ((1, False), (2, False), (3, False)),
        "mean of g^2; of g; velocity",
        "Tieleman and Hinton, 2012; Graves, 2013",
        "RMSprop",
    ),
    Optimizer(
        "Adam",
        "adam",
        "ADAM",
        2,
        ((2, True), (3, False)),
        "means m of g and v of g^2; AMSGrad's max v",
        "Kingma and Ba, 2015; Reddi, Kale and Kumar, 2018",
        "Adam, AMSGrad",
        note="AdamW and AMSGrad too",
    ),
    Optimizer(
        "AdamW",
        "adam",
        "ADAM",
        2,
        ((2, True), (3, False)),
        "as Adam",
        "Loshchilov and Hutter, 2019",
        "AdamW",
    ),
    Optimizer(
        "Adamax",
        "adam",
        "ADAMAX",
        6,
        ((2, False),),
        "mean of g, decaying maximum of abs(g)",
        "Kingma and Ba, 2015, section 7.1",
        "AdaMax",
    ),
    Optimizer("NAdam", "adam", "NADAM", 7, ((2, False),), "as Adam", "Dozat, 2016", "NAdam"),
    Optimizer(
        "Lion",
        "lion",
        "LION",
        8,
        ((1, False),),
        "mean of g",
        "Chen et al., 2023, algorithm 2",
        "Lion",
    ),
    Optimizer(
        "LBFGS",
        "lbfgs",
        moments="none; full batch, by SciPy",
        source="Byrd, Lu, Nocedal and Zhu, 1995",
        readme="L-BFGS (through SciPy)",
    ),
)


class Schedule(NamedTuple):
    """A schedule of the learning rate. Its kernel is a branch of `learning_rate` in
    src/ops/update.pxi."""

    cls: str  # the class, in fastnn/schedules.py
    kernel: str = ""
    number: int = 0
    rate: str = ""
    source: str = ""
    readme: str = ""
    note: str = ""  # for kernels.pxd


SCHEDULES = (
    Schedule(
        "StepDecay",
        "STEP_DECAY",
        1,
        "lr factor^floor(t / every)",
        "PyTorch's StepLR",
        "step",
        "lr factor^floor(t / every)",
    ),
    Schedule(
        "ExponentialDecay",
        "EXPONENTIAL_DECAY",
        2,
        "lr factor^t",
        "PyTorch's ExponentialLR",
        "exponential",
        "lr factor^t",
    ),
    Schedule(
        "CosineDecay",
        "COSINE_DECAY",
        3,
        "warm-up, then half a cosine to final_lr",
        "Loshchilov and Hutter, 2017; Goyal et al., 2017",
        "cosine",
        "up to lr in `warmup`, down to final_lr in `every`",
    ),
    Schedule(
        "OneCycle",
        "ONE_CYCLE",
        4,
        "half a cosine up to max_lr, another far down",
        "Smith and Topin, 2019",
        "one-cycle",
        "from start_lr to lr at `warmup`, to final_lr at `every`",
    ),
    Schedule(
        "Table",
        "RATE_TABLE",
        5,
        "rates[min(t, len(rates) - 1)]",
        "PyTorch's LambdaLR",
        "a table of rates",
        "rates[t]; from their end on, the last of them",
    ),
    Schedule(
        "ReduceOnPlateau",
        "",
        0,
        "lower by factor if the loss no longer falls",
        "PyTorch's ReduceLROnPlateau",
        "plateau",
    ),
)

# Members of the enums that stand for none: kernel, number, note.
NO_OPTIMIZER = ("NO_UPDATE", 0, "")
NO_SCHEDULE = ("CONSTANT", 0, "lr")
