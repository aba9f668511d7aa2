"""Tables of the activations, losses, optimizers and schedules of fastnn, one row each.

From these tables `python src/generate.py` writes the enums in fastnn/kernels.pxd and
fastnn/kernels.pyi, the dispatch to kernels in src/ops/, lists of names and imports in fastnn/, the
forms of activations in exported files, steps of optimizers, and tables and lists in docstrings and
documentation. It names the row and the field if one is missing. tests/kernels/test_generated.py fails if a
generated part is out of date. CONTRIBUTING.md lists the files to edit for a new row.

Rows are in the order of the documentation. `number` is the value of the enum member. Compiled code
of users contains these values, so a new row takes the next free number, and a number never changes.
"""

from typing import NamedTuple


class Activation(NamedTuple):
    """An activation function f.

    Its kernels are a branch of `activate` and a branch of `derivative` in src/ops/activation.pxi.
    """

    name: str
    number: int
    formula: str
    slope: str  # f'(z)
    # The forms of f for files that others read. src/generate.py names a row that lacks one.
    numpy: str = ""  # expression of z with functions of NumPy and erf, in docs/model_file.md
    c99: str = ""  # expression of z[j]; $f after functions and numbers is the suffix of float
    # f'(z) and f''(z), expressions of s, which is z if `reads_input`, else a. They may use the terms,
    # and d[j] = f'(z).
    c99_terms: str = ""
    c99_slope: str = ""
    c99_curvature: str = ""
    onnx: str = ""  # ONNX operators of z and numbers, with their attributes as keywords
    torch: str = ""  # class of the module in torch.nn, or of one with `torch_forward`
    torch_forward: str = ""  # expression of z with functions of torch, if torch.nn has no module
    # options of the module: the values with which it computes f
    torch_options: dict[str, tuple] | None = None
    # The kernel computes f'(z) from z, which the forward pass stores. Otherwise it uses a = f(z).
    reads_input: bool = False
    fills_padding: bool = False  # f(0) is not 0
    hidden: bool = True  # allowed in hidden layers; False: couples the outputs of a row
    # default initializer of a layer with this activation, in fastnn/initializers.py
    init: str = "glorot_uniform"
    note: str = ""  # for kernels.pxd


SOFTPLUS_C99 = "(z[j] > 0.0$f ? z[j] : 0.0$f) + log1p$f(exp$f(-fabs$f(z[j])))"
SIGMOID_C99 = "1.0$f / (1.0$f + exp$f(-s))"

ACTIVATIONS = (
    Activation("identity", 0, "z", "1", numpy="z", onnx="z"),
    Activation(
        "sigmoid",
        1,
        "1 / (1 + exp(-z))",
        "a (1 - a)",
        numpy="1 / (1 + exp(-z))",
        c99="1.0$f / (1.0$f + exp$f(-z[j]))",
        c99_slope="s * (1.0$f - s)",
        c99_curvature="d[j] * (1.0$f - 2.0$f * s)",
        onnx="Sigmoid(z)",
        torch="Sigmoid",
        fills_padding=True,
    ),
    Activation(
        "relu",
        2,
        "max(0, z)",
        "1 if a > 0 else 0",
        numpy="maximum(z, 0)",
        c99="z[j] < 0.0$f ? 0.0$f : z[j]",
        c99_slope="s > 0.0$f ? 1.0$f : 0.0$f",
        c99_curvature="0.0$f",
        onnx="Relu(z)",
        torch="ReLU",
        init="he_normal",
    ),
    Activation(
        "tanh",
        3,
        "tanh(z)",
        "1 - a^2",
        numpy="tanh(z)",
        c99="$tanh(z[j])",
        c99_slope="1.0$f - s * s",
        c99_curvature="-2.0$f * s * d[j]",
        onnx="Tanh(z)",
        torch="Tanh",
    ),
    Activation(
        "leaky_relu",
        4,
        "z if z > 0 else 0.01 z",
        "1 if a > 0 else 0.01",
        numpy="where(z > 0, z, 0.01 * z)",
        c99="z[j] > 0.0$f ? z[j] : 0.01$f * z[j]",
        c99_slope="s > 0.0$f ? 1.0$f : 0.01$f",
        c99_curvature="0.0$f",
        onnx="LeakyRelu(z, alpha=0.01)",
        torch="LeakyReLU",
        torch_options={"negative_slope": (0.01,)},
        init="he_normal",
        note="slope 0.01 below 0",
    ),
    Activation(
        "elu",
        5,
        "z if z > 0 else exp(z) - 1",
        "1 if a > 0 else a + 1",
        numpy="where(z > 0, z, exp(z) - 1)",
        c99="z[j] > 0.0$f ? z[j] : expm1$f(z[j])",
        c99_slope="s > 0.0$f ? 1.0$f : s + 1.0$f",
        c99_curvature="s > 0.0$f ? 0.0$f : d[j]",
        onnx="Elu(z, alpha=1.0)",
        torch="ELU",
        torch_options={"alpha": (1.0,)},
        init="he_normal",
        note="alpha = 1",
    ),
    Activation(
        "softplus",
        6,
        "log(1 + exp(z))",
        "sigmoid(z)",
        numpy="log(1 + exp(z))",
        c99=SOFTPLUS_C99,
        c99_slope=SIGMOID_C99,
        c99_curvature="d[j] * (1.0$f - d[j])",
        onnx="Softplus(z)",
        torch="Softplus",
        torch_options={"beta": (1.0,), "threshold": (20.0,)},
        reads_input=True,
        fills_padding=True,
    ),
    Activation(
        "gelu",
        7,
        "z Phi(z), Phi by erf",
        "Phi(z) + z phi(z)",
        numpy="z * (1 + erf(z / sqrt(2))) / 2",
        c99="0.5$f * z[j] * erfc$f(-0.7071067811865476$f * z[j])",
        c99_terms="p = 0.3989422804014327$f * exp$f(-0.5$f * s * s)",
        c99_slope="0.5$f * erfc$f(-0.7071067811865476$f * s) + s * p",
        c99_curvature="2.0$f * p - s * (s * p)",
        onnx="Mul(z, Add(Mul(Erf(Mul(z, 0.7071067811865476)), 0.5), 0.5))",
        torch="GELU",
        torch_options={"approximate": ("none",)},
        reads_input=True,
        init="he_normal",
        note="z times the normal distribution function of z, by erf",
    ),
    Activation(
        "silu",
        8,
        "z sigmoid(z)",
        "s (1 + z (1 - s)), s = sigmoid(z)",
        numpy="z / (1 + exp(-z))",
        c99="z[j] / (1.0$f + exp$f(-z[j]))",
        c99_terms=f"p = {SIGMOID_C99}",
        c99_slope="p * (1.0$f + s * (1.0$f - p))",
        c99_curvature="p * (1.0$f - p) * (2.0$f + s * (1.0$f - 2.0$f * p))",
        onnx="Mul(z, Sigmoid(z))",
        torch="SiLU",
        reads_input=True,
        init="he_normal",
    ),
    Activation(
        "softmax",
        9,
        "exp(z_j) / sum_k exp(z_k)",
        "over a row; output layer only",
        numpy="exp(z) / sum(exp(z))",
        onnx="Softmax(z, axis=-1)",
        torch="Softmax",
        torch_options={"dim": (-1, 1)},
        hidden=False,
        note="over a row; output layer only",
    ),
    Activation(
        "exponential",
        10,
        "exp(z)",
        "a; an output for counts (poisson)",
        numpy="exp(z)",
        c99="exp$f(z[j])",
        c99_slope="s",
        c99_curvature="s",
        onnx="Exp(z)",
        torch="Exponential",
        torch_forward="torch.exp(z)",
        fills_padding=True,
    ),
    Activation(
        "selu",
        11,
        "s z if z > 0 else s alpha (exp(z) - 1)",
        "s if a > 0 else a + s alpha",
        numpy="1.0507009873554805 * where(z > 0, z, 1.6732632423543772 * (exp(z) - 1))",
        c99="z[j] > 0.0$f ? 1.0507009873554805$f * z[j] : 1.7580993408473766$f * expm1$f(z[j])",
        c99_slope="s > 0.0$f ? 1.0507009873554805$f : s + 1.7580993408473766$f",
        c99_curvature="s > 0.0$f ? 0.0$f : d[j]",
        onnx="Selu(z, alpha=1.6732632423543772, gamma=1.0507009873554805)",
        torch="SELU",
        init="lecun_normal",
        note="s = 1.0507009873554805, alpha = 1.6732632423543772",
    ),
    Activation(
        "mish",
        12,
        "z t, t = tanh(log(1 + exp(z)))",
        "t + z (1 - t^2) sigmoid(z)",
        numpy="z * tanh(log(1 + exp(z)))",
        c99=f"z[j] * $tanh({SOFTPLUS_C99})",
        c99_terms=f"p = {SIGMOID_C99}, t = $tanh({SOFTPLUS_C99.replace('z[j]', 's')}), "
        "q = (1.0$f - t * t) * p",
        c99_slope="t + s * q",
        c99_curvature="q * (2.0$f + s * (1.0$f - p - 2.0$f * t * p))",
        onnx="Mul(z, Tanh(Softplus(z)))",
        torch="Mish",
        reads_input=True,
        init="he_normal",
    ),
)


class Loss(NamedTuple):
    """A loss function.

    Two rows may share a kernel. A row without `name` has no class. A row without `function` has no
    function in fastnn.functional and fastnn.reference.

    The kernel of a loss that is a sum over single outputs is a branch of `loss_element` in
    src/ops/loss.pxi. The kernel of a loss that couples the outputs of a row is a function there.
    """

    kernel: str  # name of the enum member
    number: int
    name: str = ""  # value of the argument `loss`
    cls: str = ""  # the class, in fastnn/losses/MODULE.py
    module: str = ""
    function: str = ""  # name in fastnn/functional/losses.py and fastnn/reference/losses.py
    formula: str = ""
    output: str = "any"  # required output activation
    default_for: str = ""  # output activation for which loss=None selects this loss
    alias: str = ""  # scikit-learn's name, which TabularRegressor and the command line use
    fused: bool = False  # computed from z, together with the output activation
    mean: bool = False  # the loss of a row is the mean over outputs, not the sum
    alone: bool = True  # a sum over single outputs, with a kernel in `loss_element`
    weighted: str = ""  # the kernel in the same table where outputs have weights
    # Of TabularRegressor: the metric that goes with it, a name of NUMBER_METRICS in
    # fastnn/tabular/metrics.py, and the loss of baselines, a name of LIGHTGBM_LOSSES in
    # fastnn/tabular/baselines.py.
    metric: str = ""
    baseline: str = ""
    label: str = ""  # in docs/guide.md
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
        label="binary cross-entropy (also multi-label)",
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
        "bce with a = sigmoid(z)",
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
        "-sum_j y_j log a_j",
        "softmax",
        default_for="softmax",
        fused=True,
        alone=False,
        label="softmax cross-entropy",
        note="fused with the softmax: from z; targets are rows of probabilities",
    ),
    Loss(
        "CLASS_CROSS_ENTROPY",
        5,
        fused=True,
        alone=False,
        note="the same; targets are int64 class indices",
    ),
    Loss(
        "SQUARED_ERROR",
        1,
        "mse",
        "MSE",
        "regression",
        "mean_squared_error",
        "mean_j d_j^2",
        alias="squared_error",
        mean=True,
        metric="rmse",
        baseline="squared_error",
        label="mean squared error",
    ),
    Loss(
        "ABSOLUTE_ERROR",
        6,
        "mae",
        "MAE",
        "regression",
        "mean_absolute_error",
        "mean_j abs(d_j)",
        alias="absolute_error",
        mean=True,
        metric="mae",
        baseline="absolute_error",
        label="mean absolute error",
    ),
    Loss(
        "HUBER",
        7,
        "huber",
        "Huber",
        "regression",
        "huber",
        "mean_j d_j^2, delta (2 abs(d_j) - delta) beyond delta",
        mean=True,
        metric="mae",
        baseline="squared_error",
        label="Huber",
        note="numbers: delta",
    ),
    Loss(
        "LOG_COSH",
        12,
        "log_cosh",
        "LogCosh",
        "regression",
        "log_cosh",
        "mean_j log cosh d_j",
        mean=True,
        metric="mae",
        baseline="squared_error",
        label="log-cosh",
    ),
    Loss(
        "QUANTILE",
        8,
        "quantile",
        "Quantile",
        "regression",
        "quantile",
        "mean_j max(-q d_j, (1 - q) d_j)",
        mean=True,
        metric="mae",
        baseline="squared_error",
        label="quantiles",
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
        metric="rmse",
        baseline="poisson",
        label="Poisson",
        note="fused with the exponential: from z, the logarithm of the rate",
    ),
    Loss(
        "GAUSSIAN",
        10,
        "gaussian_nll",
        "GaussianNLL",
        "regression",
        "gaussian_nll",
        "sum_j (s_j + (m_j - y_j)^2 exp(-s_j)) / 2",
        "identity",
        alone=False,
        label="Gaussian with a learned variance",
        note="outputs: means, then logarithms of variances; targets: y, then anything",
    ),
    Loss(
        "CUSTOM_LOSS",
        11,
        alone=False,
        note="calls `custom.evaluate` with the outputs of each batch",
    ),
)


class Moment(NamedTuple):
    """An array like the parameters that an optimizer updates with them."""

    name: str  # argument of the step in fastnn.functional and fastnn.reference
    meaning: str  # in the docstring of the step
    option: str = ""  # the option of the optimizer that needs it; "": always there
    sets_option: bool = False  # passing the moment to a step sets the option


M = Moment("m", "Mean of gradients")
V = Moment("v", "Mean of squared gradients")
V_MAX = Moment("v_max", "Largest v so far, for a step of AMSGrad", "amsgrad", sets_option=True)


class Optimizer(NamedTuple):
    """An optimizer.

    Its kernel is a branch of `apply_rule` in src/ops/update.pxi. Two rows may share a kernel. Its
    step in fastnn/functional/updates.py is generated from the row and from the class.
    """

    # class in fastnn/optimizers/MODULE.py; in lower case, the value of the argument `optimizer`
    cls: str
    module: str
    kernel: str = ""  # name of the enum member
    number: int = 0
    # (number of moments, whether there is also a loop without penalties, clipping and averaging)
    compiled: tuple[tuple[int, bool], ...] = ()
    moments: str = ""  # for people
    source: str = ""
    label: str = ""  # in docs/guide.md
    state: tuple[Moment, ...] = ()  # all moments, in the order of the kernel
    counts_steps: bool = False  # the step depends on its number
    needs_lr: bool = False  # the step has no default learning rate
    # in the docstring of the step: options, and the parameter after a step from 1 with gradient 5
    example: tuple[str, str] = ("", "")
    note: str = ""  # for kernels.pxd


OPTIMIZERS = (
    Optimizer(
        "SGD",
        "sgd",
        "SGD",
        1,
        ((0, True), (1, True)),
        "velocity (with momentum)",
        "Robbins and Monro, 1951; Sutskever et al., 2013",
        "SGD, momentum, Nesterov",
        (Moment("velocity", "Velocity v", "momentum"),),
        needs_lr=True,
        example=("lr=0.1", "0.5"),
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
        (Moment("total", "Sum s of squared gradients"),),
        counts_steps=True,
        example=("lr=0.1", "0.9"),
    ),
    Optimizer(
        "Adadelta",
        "adaptive",
        "ADADELTA",
        4,
        ((2, False),),
        "means of g^2 and of squared steps",
        "Zeiler, 2012",
        "Adadelta",
        (V, Moment("u", "Mean of squared steps")),
        example=("", "0.996838"),
    ),
    Optimizer(
        "RMSprop",
        "adaptive",
        "RMSPROP",
        5,
        ((1, False), (2, False), (3, False)),
        "mean of g^2, mean of g, velocity",
        "Tieleman and Hinton, 2012; Graves, 2013",
        "RMSprop",
        (
            V,
            Moment("mean", "Mean m of gradients", "centered"),
            Moment("velocity", "Velocity b", "momentum"),
        ),
        example=("", "0.9"),
    ),
    Optimizer(
        "Adam",
        "adaptive",
        "ADAM",
        2,
        ((2, False), (3, False)),  # `update_by_adam` is the other loop
        "means m of g, v of g^2 (AMSGrad: max v)",
        "Kingma and Ba, 2015; Reddi, Kale and Kumar, 2018",
        "Adam, AMSGrad",
        (M, V, V_MAX),
        counts_steps=True,
        example=("lr=0.1", "0.9"),
        note="also AdamW and AMSGrad",
    ),
    Optimizer(
        "AdamW",
        "adaptive",
        "ADAM",
        2,
        ((2, False), (3, False)),  # `update_by_adam` is the other loop
        "as Adam",
        "Loshchilov and Hutter, 2019",
        "AdamW",
        (M, V, V_MAX),
        counts_steps=True,
        example=("lr=0.1, weight_decay=0.5", "0.85"),
    ),
    Optimizer(
        "Adamax",
        "adaptive",
        "ADAMAX",
        6,
        ((2, False),),
        "mean of g, decaying max of abs(g)",
        "Kingma and Ba, 2015, section 7.1",
        "AdaMax",
        (M, Moment("u", "Decaying maximum of abs(g)")),
        counts_steps=True,
        example=("lr=0.1", "0.9"),
    ),
    Optimizer(
        "NAdam",
        "adaptive",
        "NADAM",
        7,
        ((2, False),),
        "as Adam",
        "Dozat, 2016",
        "NAdam",
        (M, V),
        counts_steps=True,
        example=("lr=0.1", "0.894355"),
    ),
    Optimizer(
        "Lion",
        "sgd",
        "LION",
        8,
        ((1, False),),
        "mean of g",
        "Chen et al., 2023, algorithm 2",
        "Lion",
        (M,),
        example=("lr=0.1", "0.9"),
    ),
    Optimizer(
        "LBFGS",
        "lbfgs",
        moments="none (full batch, by SciPy)",
        source="Byrd, Lu, Nocedal and Zhu, 1995",
        label="L-BFGS (through SciPy)",
    ),
)


class Schedule(NamedTuple):
    """A learning rate schedule.

    Its kernel is a branch of `learning_rate` in src/ops/update.pxi.
    """

    cls: str  # the class, in fastnn/schedules/MODULE.py
    module: str
    kernel: str = ""
    number: int = 0
    rate: str = ""
    source: str = ""
    label: str = ""  # in docs/guide.md
    note: str = ""  # for kernels.pxd


SCHEDULES = (
    Schedule(
        "StepDecay",
        "decay",
        "STEP_DECAY",
        1,
        "lr factor^floor(t / every)",
        "PyTorch's StepLR",
        "step",
        "lr factor^floor(t / every)",
    ),
    Schedule(
        "ExponentialDecay",
        "decay",
        "EXPONENTIAL_DECAY",
        2,
        "lr factor^t",
        "PyTorch's ExponentialLR",
        "exponential",
        "lr factor^t",
    ),
    Schedule(
        "CosineDecay",
        "decay",
        "COSINE_DECAY",
        3,
        "warm-up, then cosine to final_lr",
        "Loshchilov and Hutter, 2017; Goyal et al., 2017",
        "cosine",
        "up to lr in `warmup`, down to final_lr in `every`",
    ),
    Schedule(
        "OneCycle",
        "decay",
        "ONE_CYCLE",
        4,
        "cosine up to max_lr, then down",
        "Smith and Topin, 2019",
        "one-cycle",
        "from start_lr to lr at `warmup`, to final_lr at `every`",
    ),
    Schedule(
        "Rates",
        "decay",
        "RATE_TABLE",
        5,
        "rates[min(t, len(rates) - 1)]",
        "PyTorch's LambdaLR",
        "a table of rates",
        "rates[t]; after the end, the last rate",
    ),
    Schedule(
        "ReduceOnPlateau",
        "decay",
        "",
        0,
        "reduced by factor on a plateau",
        "PyTorch's ReduceLROnPlateau",
        "plateau",
    ),
)

# Enum members for no optimizer and no schedule: kernel, number, note.
NO_OPTIMIZER = ("NO_UPDATE", 0, "")
NO_SCHEDULE = ("CONSTANT", 0, "lr")
