"""Types of the compiled module src/binding/kernels.pyx. The package checks and converts all arguments before it calls it."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Self, TypeAlias, TypedDict

import numpy as np
from numpy import empty as empty
from numpy import ndarray as ndarray
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from .typing import Inputs

_Numbers: TypeAlias = (
    NDArray[np.float32] | NDArray[np.float64]
)  # C-contiguous, of the network's dtype

class Activation(IntEnum):
    IDENTITY = 0
    SIGMOID = 1
    RELU = 2
    TANH = 3
    LEAKY_RELU = 4
    ELU = 5
    SOFTPLUS = 6
    GELU = 7
    SILU = 8
    SOFTMAX = 9
    EXPONENTIAL = 10
    SELU = 11
    MISH = 12

class Loss(IntEnum):
    GIVEN_GRADIENT = 0
    SQUARED_ERROR = 1
    BINARY_CROSS_ENTROPY = 2
    LOGITS_BINARY_CROSS_ENTROPY = 3
    CROSS_ENTROPY = 4
    CLASS_CROSS_ENTROPY = 5
    ABSOLUTE_ERROR = 6
    HUBER = 7
    QUANTILE = 8
    POISSON = 9
    GAUSSIAN = 10
    CUSTOM_LOSS = 11
    LOG_COSH = 12

class Rule(IntEnum):
    NO_UPDATE = 0
    SGD = 1
    ADAM = 2
    ADAGRAD = 3
    ADADELTA = 4
    RMSPROP = 5
    ADAMAX = 6
    NADAM = 7
    LION = 8

class Schedule(IntEnum):
    CONSTANT = 0
    STEP_DECAY = 1
    EXPONENTIAL_DECAY = 2
    COSINE_DECAY = 3
    ONE_CYCLE = 4
    RATE_TABLE = 5

class VectorFunction(IntEnum):
    EXP = 0
    LOG = 1
    LOG1P = 2
    TANH_FUNCTION = 3
    ERF = 4
    SIGMOID_FUNCTION = 5
    LOG1P_UNIT = 6

class DerivativeKind(IntEnum):
    JACOBIAN = 0
    HESSIAN = 1
    HESSIAN_DIAGONAL = 2
    LAPLACIAN = 3
    ALONG_INPUTS = 4
    ALONG_OUTPUTS = 5

class Stop(IntEnum):
    TIME = 0
    EPOCHS = 1
    NOT_FINITE = 2
    SIGNAL = 3
    CONVERGED = 4

class Metric(IntEnum):
    TRAINING_LOSS = 0
    VALIDATION_LOSS = 1
    VALIDATION_ERROR_RATE = 2

class _RateSettings(TypedDict):
    """The C struct LearningRate, as a schedule's `to_kernel()` gives it."""

    schedule: int
    per_epoch: bool
    lr: float
    factor: float
    every: float
    warmup: float
    final_lr: float
    start_lr: float
    rates: NDArray[np.float64] | None

class _OptimizerSettings(TypedDict):
    """The C struct Optimizer, as an optimizer's `to_kernel()` gives it."""

    rule: int
    rate: _RateSettings
    nesterov: bool
    amsgrad: bool
    centered: bool
    decoupled: bool
    momentum: float
    weight_decay: float
    beta1: float
    beta2: float
    eps: float
    decay: float
    l1: float
    l2: float
    clip_value: float
    clip_norm: float
    average: float
    lazy_categories: bool

BUILT: list[str]
SUPPORTED: list[str]
CHOSEN: str
COMPILER: str
MAX_SHORT_SHUFFLE: int
WORTH_SHARING: int

def use(isa: str) -> None: ...

@disjoint_base
class Array:
    def __new__(
        cls, obj: Any, itemsize: int, n: int, writable: bool = False, integers: bool = False
    ) -> Self: ...

@disjoint_base
class ZeroedBuffer:
    def __new__(cls, n_bytes: int) -> Self: ...

@disjoint_base
class Abort: ...

@disjoint_base
class CompiledNetwork:
    _in_other_thread: str
    _has_begun: str
    _in_same_thread: str
    def _bind(
        self,
        sizes: Sequence[int],
        activations: Sequence[int],
        weights: Sequence[_Numbers],
        biases: Sequence[_Numbers | None],
        dtype: np.dtype[Any],
    ) -> None: ...
    def _bind_bounds(self, bounds: Sequence[tuple[_Numbers, _Numbers] | None] | None) -> None: ...
    def _check_may_bind(self) -> None: ...
    def _check_may_train(self) -> None: ...
    def _in_training(self) -> InTraining: ...
    def _in_gradient(self) -> InTraining: ...
    def _reading(self) -> Reading: ...
    def _check_not_training(self) -> None: ...
    def forward(
        self, X: Inputs, out: _Numbers | None = None, n_threads: int = 1, keep: bool = False
    ) -> _Numbers: ...
    def __call__(
        self, X: Inputs, out: _Numbers | None = None, n_threads: int = 1, keep: bool = False
    ) -> _Numbers: ...
    def _forward_finite(self, X: _Numbers) -> _Numbers | None: ...
    def _forward_into(
        self, X: _Numbers | CompiledTable, out: _Numbers, abort: Abort | None = None
    ) -> None: ...
    def _derivative(
        self, kind: int, X: Any, directions: Any, inputs: Any, out: Any, n_threads: Any
    ) -> Any: ...
    def _derivative_plan(self, kind: int, n: int, d: int) -> tuple[tuple[int, ...], int]: ...
    def _derivative_into(
        self,
        kind: int,
        X: _Numbers,
        directions: _Numbers | None,
        inputs: NDArray[np.intp] | None,
        out: _Numbers,
        abort: Abort | None = None,
    ) -> None: ...
    def _outputs_along(
        self,
        X: _Numbers,
        v: _Numbers,
        Y: _Numbers,
        dY: _Numbers,
        takes_z: bool,
        abort: Abort | None = None,
    ) -> None: ...
    def _add_curvature(
        self,
        X: _Numbers,
        v: _Numbers,
        U: _Numbers | None,
        dU: _Numbers,
        out: _Numbers,
        takes_z: bool,
        abort: Abort | None = None,
    ) -> None: ...

MAX_TABLE_INPUTS: int

@disjoint_base
class CompiledTable:
    n_inputs: int
    def _bind(
        self,
        numbers: _Numbers,
        positions: _Numbers,
        codes: NDArray[np.int32],
        n_bins: Sequence[int],
        n_levels: Sequence[int],
        position_scale: Sequence[float],
        code_scale: Sequence[float],
    ) -> None: ...
    def __len__(self) -> int: ...

def release_after_fork() -> None: ...

@disjoint_base
class InTraining:
    def __init__(self, networks: list[Any], of_gradients: bool = False) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *exception: object) -> None: ...

@disjoint_base
class Reading:
    def __init__(self, networks: list[Any]) -> None: ...
    def check(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None: ...

@disjoint_base
class Workspace: ...

@disjoint_base
class Gate: ...

@disjoint_base
class Team:
    def _help(self, gate: Gate) -> None: ...

@disjoint_base
class ShardedRows:
    lengths: object
    reduce: Callable[[], bool] | None
    def __init__(
        self,
        lengths: NDArray[np.intp],
        first: int,
        n: int,
        batch_size: int,
        *,
        shuffles: bool = False,
        seed: int = 0,
        reduce: Callable[[], bool] | None = None,
        sums: _Numbers | None = None,
        totals: NDArray[np.float64] | None = None,
    ) -> None: ...

@disjoint_base
class ShufflingTeam(Team): ...

@disjoint_base
class Trainer(ShufflingTeam):
    def __init__(
        self,
        network: CompiledNetwork,
        X: _Numbers | CompiledTable,
        targets: _Numbers | NDArray[np.int64] | None,
        *,
        loss: int,
        batch_size: int,
        optimizer: _OptimizerSettings | None = None,
        sample_weight: _Numbers | None = None,
        order: NDArray[np.intp] | None = None,
        rows: NDArray[np.intp] | None = None,
        generator: np.random.BitGenerator | None = None,
        dX: _Numbers | None = None,
        loss_numbers: _Numbers | None = None,
        smoothing: float = 0,
        dropout: NDArray[np.float64] | None = None,
        seed: int = 0,
        custom_loss: Callable[[int, int], float] | None = None,
        custom_outputs: _Numbers | None = None,
        custom_gradient: _Numbers | None = None,
        n_threads: int = 1,
        validation: Trainer | None = None,
        loss_scale: float = 1,
        gradient_scale: float = 1,
        alpha: float = 0,
        keeps_best: bool = False,
        workspace: Workspace | None = None,
        shards: ShardedRows | None = None,
        jacobian: _Numbers | None = None,
        jacobian_inputs: NDArray[np.intp] | None = None,
        jacobian_weight: float = 1,
        value_weight: float = 1,
        custom_tangents: _Numbers | None = None,
        custom_tangent_gradient: _Numbers | None = None,
    ) -> None: ...
    workspace: Workspace
    def twin(
        self,
        network: CompiledNetwork,
        *,
        batch_size: int,
        optimizer: _OptimizerSettings | None = None,
        rows: NDArray[np.intp] | None = None,
        generator: np.random.BitGenerator | None = None,
        validation: Trainer | None = None,
    ) -> Trainer | None: ...
    def set_optimizer(self, optimizer: _OptimizerSettings) -> None: ...
    def set_stopping(
        self,
        patience: int,
        min_delta: float,
        best: float,
        *,
        metric: int = Metric.TRAINING_LOSS,
        running_best: bool = False,
        keep_last: bool = False,
        no_improvement: int = 0,
        best_epoch: int = -1,
    ) -> None: ...
    def store_best(self, params: _Numbers) -> tuple[float, int]: ...
    def load(self, moments: _Numbers | None = None) -> None: ...
    def store(self, moments: _Numbers | None = None) -> None: ...
    def load_params(self) -> None: ...
    def store_params(self) -> None: ...
    def store_gradient(self, grads: _Numbers) -> None: ...
    def restore(self) -> None: ...
    def position(self) -> tuple[int, int, int, float]: ...
    def is_shuffled(self) -> bool: ...
    def set_position(
        self, step: int, epoch: int, row: int, loss_sum: float, is_shuffled: bool = False
    ) -> None: ...
    def order(self) -> NDArray[np.intp]: ...
    def set_last_step(self, step: int) -> None: ...
    def max_lanes(self) -> int: ...
    def stop(self) -> int: ...
    def epochs_validated(self) -> int: ...
    def run(
        self,
        n_threads: int,
        seconds: float,
        losses: NDArray[np.float64],
        validation_losses: NDArray[np.float64] | None = None,
        error_rates: NDArray[np.float64] | None = None,
    ) -> int: ...
    def gradient(self, n_threads: int = 1) -> float: ...
    def loss(self) -> float: ...

@disjoint_base
class TrainerQueue(Team):
    workspace: Workspace
    validation_workspace: Workspace
    def run(
        self,
        trainers: list[Trainer],
        losses: list[NDArray[np.float64]],
        n_threads: int,
        seconds: float,
    ) -> int: ...

@disjoint_base
class PausedCollector:
    limit: float
    def __new__(cls, limit: float = 10) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def end_if_late(self) -> None: ...

def are_indices(indices: NDArray[np.intp], n: int) -> bool: ...
def forward_many(
    networks: list[CompiledNetwork],
    X: _Numbers | CompiledTable,
    out: _Numbers,
    abort: Abort | None = None,
) -> None: ...

@disjoint_base
class ManyRows:
    def __new__(cls, X: _Numbers | CompiledTable, network: CompiledNetwork, k: int) -> Self: ...

def forward_population(
    network: CompiledNetwork,
    params: _Numbers,
    X: _Numbers | CompiledTable,
    out: _Numbers,
    abort: Abort | None = None,
) -> None: ...
def training_bytes(
    network: CompiledNetwork,
    batch_size: int,
    *,
    loss: int,
    optimizer: _OptimizerSettings,
    dropout: NDArray[np.float64] | None = None,
) -> int: ...
def forward_bytes(network: CompiledNetwork, n: int) -> int: ...
def two_classes(Y: _Numbers) -> _Numbers: ...
def await_all_helpers(value: bool) -> None: ...
def await_late_threads() -> None: ...
def run_in_threads(calls: list[Callable[[Abort], object]], n_threads: int = 0) -> None: ...
def forward_mean(
    networks: list[CompiledNetwork],
    X: _Numbers | CompiledTable,
    out: _Numbers,
    abort: Abort | None = None,
) -> None: ...
def forward_mean_finite(networks: list[CompiledNetwork], X: _Numbers) -> _Numbers | None: ...
def activation(kind: int, Z: _Numbers, out: _Numbers) -> None: ...
def activation_backward(kind: int, dA: _Numbers, Z: _Numbers, dZ: _Numbers) -> None: ...
def all_finite(x: _Numbers) -> bool: ...
def find_ngrams(
    texts: bytes, ends: NDArray[np.int64], n_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]: ...
def sum_buckets(
    starts: NDArray[np.int64],
    buckets: NDArray[np.int32],
    u: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None: ...
def fit_linear_layer(
    starts: NDArray[np.int64],
    buckets: NDArray[np.int32],
    squares: NDArray[np.float64],
    scales: NDArray[np.float64],
    order: NDArray[np.int64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    offset: NDArray[np.float64],
    decay: float,
    is_classifier: bool,
    u: NDArray[np.float64],
) -> None: ...
def multiply_adds(x: _Numbers, n: int) -> int: ...
def vector_function(which: int, x: _Numbers, out: _Numbers) -> None: ...
def n_moments(optimizer: _OptimizerSettings) -> int: ...
def learning_rate(rate: _RateSettings, step: int, epoch: int) -> float: ...
def packed(optimizer: _OptimizerSettings) -> bytes: ...
def update(
    optimizer: bytes, step: int, params: _Numbers, grads: _Numbers, *moments: _Numbers
) -> None: ...
