"""Values of all kinds for the parameters of public functions: right, slightly wrong and wrong ones.

A `World` holds the objects that the calls of a sequence share. `right` makes a value from the name
and the annotation of a parameter, `distort` changes a value a little, and `anything` ignores both.
Rows have 4 columns and networks 3 outputs or 1, so that most values fit together.
"""

import contextlib
import decimal
import fractions
import inspect
import io
import random
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import scipy.sparse
import sklearn.neural_network

import fastnn
from fastnn import kernels

N, N_IN, N_OUT = 12, 4, 3
HUGE = 100_000  # a call with a number above may run out of memory or time
NUMBERS = [
    *(-1, 0, 1, 2, 7, HUGE, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.5, 1e-3, 1e308),
    *(-0.0, 5e-324, 1e30, float("nan"), float("inf"), True, np.int8(3), np.uint64(2**63)),
    *(np.float32(0.5), np.float64("nan"), np.bool_(True), np.array(3), np.array([3.0])),
    *(fractions.Fraction(1, 3), decimal.Decimal("0.1"), 3 + 1j, "3", None, [3], (1, 2)),
]
TEXTS = ["", " ", "\0", "\ud800", "A" * 300, "é\u202e", "\x1b[31m", "%s {0}", b"relu"]
TEXTS += [np.str_("relu")]
TEXTS += "relu adam mse softmax float32 auto c0 {} missing/file . 1".split()
DTYPES = "f2 f4 f8 i1 i8 u8 ? c16 g >f4 >f8 O U5 S3 M8[s] m8[s]".split()


class Planned(Exception):
    """The error of an object or function that the caller has made to fail."""


class Hostile:
    """An object whose methods, found by duck typing, fail."""

    def fail(self, *arguments, **options):
        raise Planned

    __array__ = __len__ = __iter__ = __float__ = __index__ = __eq__ = __bool__ = __getitem__ = fail
    __fspath__ = __hash__ = __call__ = fit = predict = to_kernel = on_epoch_end = fail


class Mutating(list):
    """A list that loses its last entry each time it is read through."""

    def __iter__(self):
        yield from self[:]
        if self:
            self.pop()


class Array(np.ndarray):
    """A subclass of arrays."""


class World:
    """Live objects by class, and the source of all random choices of a call."""

    def __init__(self, folder):
        self.folder, self.live, self.calls = Path(folder), {}, 0
        self.local = threading.local()  # calls in threads and callbacks have their own choices
        self.call_back = lambda: None
        self.begin(0)

    def begin(self, seed):
        self.local.rng = random.Random(seed)

    @property
    def rng(self):
        return self.local.rng

    def choose(self, values):
        return self.rng.choice(values)

    def keep(self, value):
        """Share what a call has returned with later calls."""
        for each in value if isinstance(value, (tuple, list)) else [value]:
            known = type(each).__module__.startswith("fastnn") or type(each) is np.ndarray
            if known and not (isinstance(each, np.ndarray) and each.nbytes > 10**5):
                kept = self.live.setdefault(type(each), [])
                if len(kept) == 8:  # the first ones are of the world, and fitted
                    del kept[self.rng.randrange(4, 8)]
                kept.append(each)

    def find(self, kind):
        """Return a live object of a class, given by its name or itself, or None."""
        known = [cls for cls in self.live if kind == cls.__name__ or kind in cls.__mro__]
        found = [each for cls in known for each in self.live[cls]]
        return self.choose(found) if found else None

    def array(self, *shape, dtype="f8"):
        """Return positive numbers: of a shared array if one has the shape, such as parameters."""
        arrays = self.live.get(np.ndarray, [])
        shared = [a for a in arrays if a.shape == shape and a.dtype == np.dtype(dtype)]
        if shared and self.rng.random() < 0.3:
            return self.choose(shared)
        made = np.random.default_rng(self.rng.randrange(2**32)).uniform(0.1, 0.9, shape)
        made = made.astype(dtype)
        self.keep(made)
        return made

    def path(self, *endings):
        return self.folder / f"{self.choose('ab')}{self.choose(endings or ['.safetensors'])}"


# ---- right values ----


def targets(w, partner=None):
    """Return y for the network or estimator of a call, or for functions on arrays."""
    partner = getattr(partner, "estimator", partner)
    if type(partner).__name__.endswith("Classifier"):
        return [["no", "yes"][i % 2] for i in range(N)]
    if type(partner).__name__.endswith("Regressor"):
        return w.array(N)
    if isinstance(partner, fastnn.MLP):
        n_out = partner.layer_sizes[-1]
        is_class = partner.activations[-1] == "softmax"
        return np.arange(N) % n_out if is_class else w.array(N, n_out, dtype=partner.dtype)
    return w.array(N, N_OUT)


def rows(w, partner=None):
    """Return X for the network or estimator of a call."""
    partner = getattr(partner, "estimator", partner)
    if type(partner).__name__.startswith("Tabular"):
        return table(w)
    if isinstance(partner, fastnn.MLP):
        return w.array(N, partner.layer_sizes[0], dtype=partner.dtype)
    return w.array(N, N_IN)


def classes(w, partner=None):
    return np.arange(N) % 2


def table(w, partner=None):
    colors = [["red", "blue"][i % 2] for i in range(N)]
    frame = pd.DataFrame(w.array(N, 2), columns=["c0", "c1"]).assign(color=colors, y=range(N))
    return w.choose([frame, frame, pyarrow.Table.from_pandas(frame)])


def table_path(w, partner=None):
    path = w.path(".csv")
    path.write_text("c0,c1,color,y\n" + "1.5,2,red,3\n2.5,1,blue,1\n" * 6)
    return path


def function(w, partner=None):
    """Return a callback, a loss or another function that may call back."""

    def called(*arguments, **options):
        w.call_back()
        return w.choose([None, None, True, arguments[:1]])

    def loss(outputs, y):
        w.call_back()
        return float(np.sum(outputs)), np.ones_like(outputs)

    def raising(*arguments, **options):
        raise Planned

    return w.choose([called, called, loss, raising])


def of_trainer(w, partner=None):
    return w.array(w.n_params, dtype="f4")


def plain_table(w, partner=None):
    return w.find(fastnn.reference.EncodedTable)


def of_outputs(w, net):
    return np.empty((N, net.layer_sizes[-1]), net.dtype)


def optimizer(w, partner=None):
    return w.choose([fastnn.SGD(0.1), fastnn.Adam(0.01)]).to_kernel()


def by_name(names, make, form="{}"):
    """A maker for each of these names of parameters."""
    return dict.fromkeys(map(form.format, names.split()), make)


SHAPES = {  # of positive numbers: the parameters that take them, as in MAKERS
    (N,): "params grads v v_max u m total mean velocity sample_weight time x losses y_prob"
    " kernels.Array.obj kernels.vector_function.out",
    (N, 1): "kernels.two_classes.Y",
    (N, 2): "playground.PlayData.inputs_at.positions TabularClassifier.decide.P"
    " EncodedTable.numbers",
    (N, N_IN): "reference.forward.X reference.fit.X reference.loss_and_grad.X",
    (N, N_OUT): "Y Z dY dA dZ out grad losses.Poisson.is_right.targets"
    " losses.BCEWithLogits.is_right.targets losses.GaussianNLL.curvature.targets"
    " losses.Huber.curvature.targets losses.LogCosh.curvature.targets reference.vjp.U"
    " kernels.fit_linear_layer.y kernels.fit_linear_layer.u",
    (N, 2 * N_OUT): "functional.gaussian_nll.Y functional.gaussian_nll.grad"
    " reference.gaussian_nll.Y losses.GaussianNLL.curvature.Y losses.GaussianNLL.curvature.dY",
    (N, N_OUT, N_IN): "reference.jacobian_loss_and_grad.dy",
    (N_IN, N_OUT): "W",
    (N_OUT,): "b kernels.fit_linear_layer.offset",
    (8, N_OUT): "reference.table_linear.W reference.table_linear_backward.W",
    (3, 5, 5): "images",
}
MAKERS = {  # by the name of a parameter, alone or behind the name of its function
    **{
        key: lambda w, _, shape=shape: w.array(*shape)
        for shape, keys in SHAPES.items()
        for key in keys.split()
    },
    **by_name("X background MLP.jvp.V", rows),
    "y": targets,
    "n": lambda w, _: N,
    "n_out": lambda w, _: N_OUT,
    "layer_sizes": lambda w, _: [N_IN, w.choose([2, 5, 20]), w.choose([1, N_OUT])],
    "hidden_layer_sizes": lambda w, _: w.choose([(3,), (4, 2), 5]),
    "max_iter": lambda w, _: 3,
    **by_name("model net network", lambda w, _: w.find(fastnn.MLP)),
    "networks": lambda w, _: [w.find(fastnn.MLP)],
    "estimator": lambda w, _: w.find(w.choose([fastnn.MLPClassifier, fastnn.MLPRegressor])),
    "param_distributions": lambda w, _: {"alpha": [1e-4, 1e-2]},
    "executor": lambda w, _: ThreadPoolExecutor(1),
    "init": lambda w, _: w.choose(["he_uniform", "orthogonal", None]),
    "loss": lambda w, _: w.choose([None, "mse", w.find(fastnn.losses.Loss), function(w)]),
    "state": lambda w, _: w.find("TrainingState"),
    "name": lambda w, _: w.choose(["relu", "tanh"]),
    "problem": lambda w, _: "a column is wrong",
    "table": table,
    **by_name("column target first", lambda w, _: "c0"),
    "second": lambda w, _: "c1",
    "labels": lambda w, _: None,
    **by_name("y_true y_pred play.y plotting.plot_decision.y", classes),
    **by_name("PlayData.score from_arrays", classes, "playground.{}.y"),
    "effect": lambda w, _: w.find("Effect"),
    "history": lambda w, _: w.find("History"),
    "points": lambda w, _: [[0.1 * i, 0.2, i % 2] for i in range(N)],
    **by_name("MLP.backward.dY MLP.forward.out MLP.vjp.U", of_outputs),
    **by_name("gnvp hvp", lambda w, net: np.full(net.n_params, 0.1, net.dtype), "MLP.{}.v"),
    "forward_many.out": lambda w, net: of_outputs(w, net)[None],
    "from_sklearn.estimator": lambda w, _: w.find(sklearn.neural_network.MLPRegressor),
    "MPICommunicator.comm": lambda w, _: None,
    "callbacks.IntervalTimer.callbacks": lambda w, _: [fastnn.Checkpoint(w.path(), None, 5)],
    "callbacks.Patience.update.loss": lambda w, _: 0.5,
    "datasets.path.name": lambda w, _: w.choose(["digits", "flats", "wine"]),
    "distributed.part.size": lambda w, _: 8,
    **by_name("c casadi", lambda w, _: w.path(".c"), "export.{}.path"),
    "export.onnx.path": lambda w, _: w.path(".onnx"),
    **by_name("counts weights", lambda w, _: np.arange(N) % N_OUT, "losses.class_{}.targets"),
    "losses.class_weights.loss": lambda w, _: fastnn.losses.CrossEntropy(),
    "optimizers.same_moments.other": lambda w, _: w.find(fastnn.optimizers.Optimizer),
    "optimizers.same_moments.optimizer": lambda w, _: w.find(fastnn.optimizers.Optimizer),
    "playground.PlayData.score.outputs": lambda w, data: w.array(
        N, data.n_out if isinstance(data.classes, list) else 1
    ),
    "plotting.picture_file.name": lambda w, _: "a.png",
    "plotting.plot_decision.model": lambda w, _: fastnn.MLP([2, 3, 1], output="sigmoid", rng=0),
    "weights": lambda w, _: [w.array(N_IN, N_OUT)],
    "biases": lambda w, _: [w.array(N_OUT)],
    "activations": lambda w, _: ["tanh"],
    **by_name("fit hvp loss_and_grad", lambda w, _: "mse", "reference.{}.loss"),
    "reference.hvp.v": lambda w, _: ([w.array(N_IN, N_OUT)], [w.array(N_OUT)]),
    "reference.custom_loss_and_grad.needs": lambda w, _: [],
    "reference.custom_loss_and_grad.function": lambda w, _: lambda Y, y: (0.5, np.ones_like(Y)),
    "from_flax.params": lambda w, _: {"kernel": w.array(N_IN, N_OUT), "bias": w.array(N_OUT)},
    **by_name("linear linear_backward", plain_table, "reference.table_{}.X"),
    "schedules.ReduceOnPlateau.after_epoch.loss": lambda w, _: 0.5,
    "TabularClassifier.decide.threshold": lambda w, _: None,
    "tables.read.path": table_path,
    "tables.write.path": lambda w, _: w.path(".csv", ".json", ".parquet"),
    "tables.write.columns": lambda w, _: {"a": [1, 2], "b": ["x", "y"]},
    "tabular.find_label_issues.estimator": lambda w, _: w.find(fastnn.TabularClassifier),
    "kernels.Array.itemsize": lambda w, _: 8,
    "kernels.ShardedRows.lengths": lambda w, _: np.array([5, 7]),
    "kernels.ShardedRows.first": lambda w, _: 0,
    "kernels.ShardedRows.n": lambda w, _: 2,
    **by_name("prepare targets", lambda w, _: 2 * N_OUT, "losses.GaussianNLL.{}.n_out"),
    "kernels.Trainer.targets": lambda w, net: w.array(N, net.layer_sizes[-1], dtype=net.dtype),
    **by_name("Trainer training_bytes", lambda w, _: 1, "kernels.{}.loss"),
    **by_name("n_moments packed training_bytes Trainer", optimizer, "kernels.{}.optimizer"),
    "kernels.Trainer.set_optimizer.optimizer": lambda w, _: fastnn.SGD(0.1).to_kernel(),
    **by_name("store_best.params store_gradient.grads", of_trainer, "kernels.Trainer.{}"),
    "kernels.TrainerQueue.run.trainers": lambda w, queue: trainers(
        w, w.find(fastnn.MLP), queue.workspace
    )[:1],
    "kernels.TrainerQueue.run.losses": lambda w, _: [w.array(3, 2)],
    "kernels.use.isa": lambda w, _: w.choose(kernels.SUPPORTED),
    "kernels.run_in_threads.calls": lambda w, _: [lambda abort: None] * 2,
    "kernels.are_indices.indices": lambda w, _: np.arange(3),
    **by_name("many population mean", of_outputs, "kernels.forward_{}.out"),
    "kernels.forward_population.params": lambda w, net: np.zeros((1, net.n_params), net.dtype),
    "kernels.multiply_adds.x": lambda w, _: np.ones(2),
    "kernels.learning_rate.rate": lambda w, _: fastnn.SGD(0.1).to_kernel()["rate"],
    "kernels.find_ngrams.texts": lambda w, _: b"as you like it",
    "kernels.find_ngrams.ends": lambda w, _: np.array([2, 6, 14]),
    "kernels.find_ngrams.n_bits": lambda w, _: 8,
    "kernels.sum_buckets.u": lambda w, _: w.array(N, N_OUT, dtype="f4"),
    "starts": lambda w, _: np.arange(N + 1),
    "buckets": lambda w, _: np.arange(N, dtype="i4"),
    "kernels.fit_linear_layer.order": lambda w, _: np.arange(N),
    "kernels.update.optimizer": lambda w, _: kernels.packed(fastnn.SGD(0.1).to_kernel()),
}

ANNOTATED = {  # by a part of an annotation
    "int": lambda w: w.choose([1, 2, 3, 5, 10]),
    "float": lambda w: w.choose([0.5, 0.9, 0.01, 0.1]),
    "bool": lambda w: w.choose([True, False]),
    "str": lambda w: w.choose(["c0", "relu", "epoch"]),
    "None": lambda w: None,
    **by_name("ArrayLike FloatArray AnyArray Inputs", lambda w: w.array(N, N_IN)),
    "NDArray": lambda w: w.array(N),
    "Rng": lambda w: w.choose([None, 3, np.random.default_rng(1)]),
    "Generator": lambda w: np.random.default_rng(1),
    "RandomState": lambda w: w.choose([None, 3, np.random.RandomState(1)]),
    "DTypeLike": lambda w: w.choose(["float32", "float64", np.float32]),
    "dtype": lambda w: np.dtype(w.choose(["float32", "float64"])),
    "Path": lambda w: w.path(),
    **by_name("Callable CallbackFunction LossFunction", function),
    "Callbacks": lambda w: [w.find(fastnn.callbacks.Callback) or function(w)],
    "ValidationData": lambda w: (rows(w), targets(w)),
    "ClassWeight": lambda w: w.choose(["balanced", {0: 1.0, 1: 2.0}]),
    "Mapping": lambda w: {},
    "AnyLoss": lambda w: w.choose(["mse", "huber", w.find(fastnn.losses.Loss)]),
    "AnyOptimizer": lambda w: w.choose(["adam", "lbfgs", w.find(fastnn.optimizers.Optimizer)]),
    "OutputActivation": lambda w: w.choose(["identity", "sigmoid", "softmax", "gelu"]),
    "HiddenActivation": lambda w: w.choose(["relu", "tanh", "selu"]),
    "LossName": lambda w: w.choose(["mse", "huber"]),
    "OptimizerName": lambda w: w.choose(["sgd", "adam"]),
}


def right(w, name, parameter, partner=None):
    """Return a value that fits a parameter of a function.

    partner : the receiver of a method, or the network or estimator among the arguments so far
    """
    for key in (f"{name}.{parameter.name}", parameter.name):
        if key in MAKERS:
            return MAKERS[key](w, partner)
    return _annotated(w, str(parameter.annotation))


def _annotated(w, annotation):
    literals = re.findall(r"['\"](\w+)['\"]", "".join(re.findall(r"Literal\[.*?\]", annotation)))
    if literals and w.rng.random() < 0.7:
        return w.choose(literals)
    parts = re.findall(r"\b(?!np\b|Literal\b)[A-Za-z]\w*", annotation)
    if parts[:1] in (["Sequence"], ["list"], ["Collection"], ["tuple"], ["OneOrEach"]):
        made = [_annotated(w, parts[1] if len(parts) > 1 else "int") for _ in range(2)]
        return tuple(made) if parts[0] == "tuple" else made
    known = [part for part in parts if part in ANNOTATED or w.find(part) is not None]
    if not known:
        return w.choose([None, 1, "c0", w.array(N)])
    part = w.choose(known)
    return ANNOTATED[part](w) if part in ANNOTATED else w.find(part)


# ---- the first objects ----


def make_world(folder, names):
    """Return a `World` with networks, models and options, from which each sequence starts."""
    warnings.simplefilter("ignore")
    world = World(folder)
    for sizes, options in (
        ([N_IN, 5, 1], {}),
        ([N_IN, 3, N_OUT], {"output": "softmax", "dtype": "float64"}),
        ([N_IN, 1], {"output": "sigmoid", "dtype": "float64"}),
        ([N_IN, 2, 2, N_OUT], {"dropout": 0.2}),
    ):
        net = fastnn.MLP(sizes, rng=0, **options)
        X, y = rows(world, net), targets(world, net)
        world.keep([net.fit(X, y), net, net.state, net.forward(X, keep=True)])
        world.keep([net.params, net.grads, *net.weights])
    net = world.live[fastnn.MLP][0]
    world.keep(trainers(world, net))
    world.n_params = net.n_params
    arrays, table_of = {"max_iter": 3, "tol": 0}, {"hidden_layer_sizes": 3, "time_limit": 2}
    for estimator in (
        *(fastnn.MLPClassifier(3, **arrays), fastnn.MLPRegressor(3, **arrays)),
        fastnn.MLPRegressor(3, **arrays, n_estimators=3),
        *(fastnn.TabularClassifier(2, **table_of), fastnn.TabularRegressor(2, **table_of)),
    ):
        world.keep(estimator.fit(rows(world, estimator), targets(world, estimator)))
    world.keep(estimator.effects())
    candidates = {"alpha": [1e-4, 1e-2]}
    searched = fastnn.MLPRegressor(3, **arrays)
    world.keep(fastnn.HalvingSearchCV(searched, candidates, cv=2, max_resources=9))
    world.keep([fastnn.Checkpoint(world.path(), 1), fastnn.playground.make_data(n=N)])
    codes = np.arange(2 * N, dtype=np.int32).reshape(N, 2) % 3
    world.keep(fastnn.EncodedTable(world.array(N, 2), codes=codes, n_categories=[3, 3]))
    no_positions = np.zeros((N, 0))
    plain = fastnn.reference.EncodedTable
    world.keep(plain(world.array(N, 2), no_positions, [], [], codes, [3, 3], [1.0, 1.0]))
    scikit_learn = sklearn.neural_network.MLPRegressor(hidden_layer_sizes=3, max_iter=2)
    world.live[type(scikit_learn)] = [scikit_learn.fit(world.array(N, N_IN), world.array(N))]
    for name in names.values():  # options such as losses, and what else can be made
        if name.owner is None and inspect.isclass(name.get) and world.find(name.get) is None:
            required = [each for each in name.parameters if each.default is each.empty]
            values = {each.name: right(world, name.name, each) for each in required}
            with contextlib.suppress(Exception):
                world.keep(name.get(**values))
    return world


def trainers(world, net, workspace=None):
    """Return a `kernels.Trainer` that has begun, one of a gradient, and what they need."""
    X, y = rows(world, net), np.ones((N, net.layer_sizes[-1]), net.dtype)
    generator, sgd = np.random.default_rng(0).bit_generator, fastnn.SGD(0.1).to_kernel()
    options = dict(batch_size=5, optimizer=sgd, keeps_best=True, workspace=workspace)
    begun = kernels.Trainer(net, X, y, loss=1, generator=generator, **options)
    begun.load()
    whole = kernels.Trainer(net, X, y, loss=1, batch_size=N)
    whole.gradient()
    return [begun, whole, begun.workspace, kernels.TrainerQueue()]


# ---- wrong values ----


def misaligned(a):
    raw = np.empty(a.nbytes + 1, "u1")[1:].view(a.dtype)
    raw[:] = a.ravel()
    return raw.reshape(a.shape)


def filled(a, value):
    a = np.array(a)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        a.flat[: max(1, a.size // 5)] = value
    return a


def read_only(a):
    view = a.view()
    view.flags.writeable = False
    return view


ARRAY_CHANGES = [
    lambda a, w: a.astype(w.choose(DTYPES)),
    lambda a, w: a.astype(w.choose(["f4", "f8"])),
    lambda a, w: filled(a, w.choose([np.nan, np.inf, -1, 1e300, 1e39, 0, 5e-324, 7])),
    *(lambda a, w: a[:-1], lambda a, w: a[:0], lambda a, w: a[..., :0]),
    *(lambda a, w: a[..., None], lambda a, w: a[0], lambda a, w: a.T, lambda a, w: a[::-1]),
    *(lambda a, w: np.repeat(a, 2, axis=0)[::2], lambda a, w: np.concatenate([a, a])),
    *(lambda a, w: np.broadcast_to(a[:1], a.shape), lambda a, w: np.asfortranarray(a)),
    *(lambda a, w: read_only(a), lambda a, w: misaligned(a), lambda a, w: a.view(Array)),
    *(lambda a, w: np.ma.masked_greater(a, 0.5), lambda a, w: a.tolist()),
    lambda a, w: [*a.tolist(), "x"],
    lambda a, w: memoryview(np.ascontiguousarray(a)),
    lambda a, w: scipy.sparse.csr_array(a.reshape(len(a), -1)),
    lambda a, w: pd.DataFrame(a),
    lambda a, w: w.array(*a.shape, dtype=a.dtype),  # perhaps parameters or another argument
]
SEQUENCE_CHANGES = [
    *(lambda s, w: tuple(s), lambda s, w: iter(s), lambda s, w: (each for each in s)),
    *(lambda s, w: s[:-1], lambda s, w: s[:0]),
    lambda s, w: [*s, w.choose([None, -1, "x", s])],
    lambda s, w: [distort(w, s[0]), *s[1:]] if len(s) else s,
    *(lambda s, w: Mutating(s), lambda s, w: np.array(list(s), dtype=object)),
    *(lambda s, w: dict(enumerate(s)), lambda s, w: [s], lambda s, w: list(s) * 50),
]
TEXT_CHANGES = [
    *(lambda s, w: s.upper(), lambda s, w: s[:-1], lambda s, w: s.encode()),
    *(lambda s, w: np.str_(s), lambda s, w: [s, s], lambda s, w: s + "\0"),
    lambda s, w: w.choose(TEXTS),
]


def closed_file(w):
    file = io.BytesIO()
    file.close()
    return file


def nested(w):
    made = []
    made.append(made)
    return made


ANYTHING = [
    *(lambda w: None, lambda w: w.choose(NUMBERS), lambda w: w.choose(TEXTS)),
    lambda w: distort(w, w.array(*w.choose([(N,), (N, N_IN), (N, N_OUT)]), dtype="f4")),
    *(lambda w: w.array(0, N_IN), lambda w: np.array(["a", None, 3.0], dtype=object)),
    *(lambda w: np.zeros((2, 2, 2, 2)), lambda w: Hostile(), closed_file, nested),
    lambda w: w.choose([object(), object, Ellipsis, NotImplemented, slice(None), range(3), {1, 2}]),
    lambda w: w.choose([b"", bytearray(b"abc"), memoryview(b"abc"), {}, {"a": 1}, [], (), [[]]]),
    *(lambda w: (i for i in range(3)), function, table, lambda w: w.folder, table_path),
    lambda w: w.find(w.choose(list(w.live))),
    lambda w: type(w.find(w.choose(list(w.live)))),
    *(lambda w: threading.Lock(), lambda w: kernels),
]


def anything(w):
    return w.choose(ANYTHING)(w)


def distort(w, value):
    """Return a value like this one that does not quite fit, or another one that does."""
    try:
        if isinstance(value, np.ndarray):
            return w.choose(ARRAY_CHANGES)(value, w)
        if isinstance(value, (int, float)):
            return w.choose(NUMBERS)
        if isinstance(value, str):
            return w.choose(TEXT_CHANGES)(value, w)
        if isinstance(value, (list, tuple)):
            return w.choose(SEQUENCE_CHANGES)(value, w)
        if isinstance(value, dict):
            return w.choose([{}, list(value), {**value, "x": 1}, dict.fromkeys(value)])
        if isinstance(value, pd.DataFrame):
            return w.choose([value[:0], value[value.columns[:0]], value.T, value.astype(object)])
    except (TypeError, ValueError, IndexError, BufferError, AttributeError, OverflowError):
        pass  # this change does not fit this value
    return anything(w)
