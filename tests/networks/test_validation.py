"""Errors for wrong arguments: each public argument, when it is wrong, is named in the message, with
what was expected, what came and what to do.

Most cases are in data/wrong_arguments_of_*.txt, as calls and messages."""

import builtins
import doctest
import inspect
import re
import zlib
from functools import partial

import cases
import numpy as np
import pytest
from checks import assert_same_bits
from places import DATA

import fastnn
from fastnn import MLP, SGD, Adam  # noqa: F401 - calls in data/ use Adam
from fastnn import functional as F

X, y = np.linspace(-1, 1, 10).reshape(5, 2), np.linspace(0, 1, 5)
W, Z = np.ones((2, 3)), np.linspace(-1, 1, 15).reshape(5, 3)
P, V = np.full((5, 3), 0.5), np.ones(4)
CROSS_ENTROPY, weigh = fastnn.losses.CrossEntropy(), fastnn.losses.class_weights


def net(output="sigmoid", n_out=1, **options):
    return MLP([2, 3, n_out], output=output, rng=0, **options)


def kept(n=5):
    made = net()
    made.forward(X[:n], keep=True)
    return made


def list_of_itself():
    made = []
    made.append(made)
    return made


def zeros():
    return np.zeros(4)


def adam(params=None, grads=V, m=None, v=None, step=1, **numbers):
    F.adam_step_(*(zeros() if a is None else a for a in (params, grads, m, v)), step, **numbers)


class Sparse:
    nnz, toarray = 1, None


def read(path):
    """Yield (argument, call, names of errors, fragments of the message) for every call in a file."""
    argument = None
    for part in doctest.DocTestParser().parse(path.read_text()):
        if isinstance(part, doctest.Example):
            errors, message = part.want.split(": ", 1)
            fragments = [" ".join(text.split()) for text in message.split("...")]
            yield argument, part.source.strip(), errors, fragments
        elif part.strip():
            argument = part.split()[-1]


def evaluate(source):
    """Make a call of a file; its names are those of this module."""
    eval(source, globals())


# callable.argument: [(call, type of error or several, fragments of the message, in order), ...]
WRONG = {}
for path in sorted(DATA.glob("wrong_arguments_of_*.txt")):
    for argument, source, names, fragments in read(path):
        error = tuple(getattr(builtins, name) for name in names.split(" or "))
        WRONG.setdefault(argument, []).append((partial(evaluate, source), error, *fragments))


def add(name, argument, call, error, *fragments):
    WRONG.setdefault(f"{name}.{argument}", []).append((call, error, *fragments))


# ---- losses: rows for all of them ----------------------------------------------------------------

# gaussian_nll takes twice as many outputs as targets
LOSSES = {getattr(F, case.name) for case in cases.LOSSES.values()} - {F.gaussian_nll}
BCE = (F.binary_cross_entropy, F.binary_cross_entropy_with_logits)

for loss in sorted(LOSSES, key=lambda loss: loss.__name__):
    name, outputs = loss.__name__, next(iter(inspect.signature(loss).parameters))
    for argument, wrong, *fragments in [
        ("sample_weight", [1, 2], "sample_weight must have shape (5,)", "got (2,)"),
        ("grad", np.ones((5, 2)), "grad must have shape (5, 3), got (5, 2)"),
    ]:
        add(name, argument, partial(loss, P, P, **{argument: wrong}), ValueError, *fragments)
    if f"{name}.{outputs}" not in WRONG:
        add(name, outputs, partial(loss, "a", P), TypeError, f"{outputs} must hold numbers")
    if f"{name}.y" not in WRONG:
        add(name, "y", partial(loss, P, X), ValueError, "y must have shape (n, 3)", "got (5, 2)")

for losses, argument, wrong, expected in [
    (BCE, "pos_weight", 0, "a finite number above 0"),
    ((*BCE, F.cross_entropy), "label_smoothing", 1, "a finite number at least 0 and below 1"),
    ([F.huber], "delta", 0, "a finite number above 0"),
    ([F.quantile], "q", 1, "a finite number above 0 and below 1"),
]:
    for loss in losses:
        call = partial(loss, P, P, **{argument: wrong})
        fragments = f"{argument} must be {expected}", f"got {wrong}"
        add(loss.__name__, argument, call, ValueError, *fragments)


# ---- steps of optimizers: rows for all of them ---------------------------------------------------


def step_with(name, **changed):
    """Call the step with good arguments but for those that changed."""
    arguments = dict(params=zeros(), grads=V) | {m: zeros() for m in cases.all_moments(name)}
    arguments |= dict(step=1) if cases.counts(name) else {}
    arguments |= dict(momentum=0.5, centered=True) if name == "rmsprop" else {}
    cases.step_of(name)(**(arguments | changed))


for name in cases.STEPS:
    if name in ("sgd", "adam"):  # in data/
        continue
    moments, settings = cases.all_moments(name), cases.WRONG_SETTINGS.items()
    rows = [
        ("params", [1.0], TypeError, "must be a float32 or float64 NumPy array"),
        ("grads", V[:3], ValueError, "must have shape (4,), got (3,)"),
        *((moment, [0] * 4, TypeError, "must be a NumPy array") for moment in moments),
        *[("step", 0, ValueError, "must be a whole number of at least")] * cases.counts(name),
    ]
    for setting, wrong in settings:
        if setting in cases.parameters_of(name):
            rows.append((setting, wrong, ValueError, "must be"))
    for argument, wrong, error, message in rows:
        call = partial(step_with, name, **{argument: wrong})
        add(f"{name}_step_", argument, call, error, f"{argument} {message}")

for name in cases.STEPS:
    call = partial(step_with, name, lr=0.1, n_threads=0)
    add(f"{name}_step_", "n_threads", call, ValueError, "n_threads must be at least 1, or -1")


# ---- the tests -----------------------------------------------------------------------------------

# the same checks, sampled below
AS_IN = {"MLP.loss_and_grad": "MLP.loss", "MLP.partial_fit": "MLP.fit"}
AS_IN["MLP.__call__"] = "MLP.forward"
# anything is true or false
FLAGS = set("bias shuffle progress resume keep state nesterov need_dX amsgrad centered".split())
FLAGS |= {"decoupled_weight_decay", "lazy_categories"}
ROWS = {f"{name}-{i}": row for name, rows in WRONG.items() for i, row in enumerate(rows)}


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_argument_is_named_with_what_was_expected_and_what_came(name):
    call, error, *fragments = ROWS[name]
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) in (error if isinstance(error, tuple) else (error,))  # no subclass
    message = str(caught.value)
    assert re.search(".*?".join(map(re.escape, fragments)), message), message
    assert "\n" not in message and len(message) < 700


def public_arguments():
    functions = {name: getattr(F, name) for name in F.__all__}
    functions |= {"MLP": MLP, "SGD": SGD, "load": fastnn.load}
    methods = ("forward", "loss", "loss_and_grad", "backward", "fit", "partial_fit", "save")
    functions |= {f"MLP.{name}": getattr(MLP, name) for name in methods}
    for name, function in functions.items():
        for argument in inspect.signature(function).parameters:
            if argument != "self":
                yield name, argument


def test_every_public_argument_is_in_the_table():
    arguments = [(AS_IN.get(name, name), argument) for name, argument in public_arguments()]
    missing = {f"{name}.{argument}" for name, argument in arguments if argument not in FLAGS}
    assert missing <= WRONG.keys()


@pytest.mark.parametrize("call", ["loss", "loss_and_grad", "fit", "partial_fit"])
def test_all_methods_check_their_rows(call):
    for arguments, message in [
        ((X[:, :1], y), "X has 1 column, but the network expects 2"),
        ((X, y[:4]), "y has 4 rows, but X has 5"),
        ((X, y, "l2"), "loss must be None, one of"),
        ((X, [1, [2, 3]], print), "y is not a rectangular array"),
        ((X, -y - 1), r"y must lie in \[0, 1\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            getattr(net(), call)(*arguments)
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(5,\)"):
        getattr(net(), call)(X, y, sample_weight=y[:4])


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_refused_training_changes_nothing(call):
    made = net()
    before, bits = made.params.copy(), str(made.rng.bit_generator.state)
    wrong = dict(optimizer="newton", batch_size=0, n_threads=0, sample_weight=-y)
    for name, value in wrong.items():
        with pytest.raises(ValueError):
            getattr(made, call)(X, y, **{name: value})
    assert_same_bits(made.params, before)
    assert str(made.rng.bit_generator.state) == bits
    assert made.state is None and made.history is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arguments_are_never_changed(dtype, order):
    rng = np.random.default_rng(0)
    rows = np.asarray(rng.integers(0, 2, (70, 3)), dtype, order=order)
    targets, classes = rows[:, 0], rng.integers(0, 3, 70)
    weights = np.asarray(rng.integers(0, 3, 70), dtype)
    V = np.asarray(rng.integers(1, 3, (3, 3)), dtype, order=order)
    arguments_used = [rows, targets, weights, classes, V]
    before = [zlib.crc32(a.tobytes("A")) for a in arguments_used]
    for a in arguments_used:
        a.flags.writeable = False  # a write would raise
    pairs = [("sigmoid", targets), ("identity", rows), ("softmax", classes), ("softmax", rows)]
    for output, y in pairs:
        made = MLP([3, 4, 1 if y is targets else 3], output=output, rng=0)
        options = dict(epochs=3, batch_size=8, validation_data=(rows, y, weights), n_threads=2)
        made.fit(rows, y, sample_weight=weights, **options)
        made.partial_fit(rows, y, sample_weight=weights)
        made.loss_and_grad(rows, y, sample_weight=weights)
        made.backward(made.forward(rows, keep=True))
    F.linear_backward(rows, rows, V, V[0], F.linear(rows, V, V[0], "tanh"), "tanh")
    F.activation_backward(rows, F.activation(rows, "softmax"), "softmax")
    for loss in (*BCE, F.cross_entropy, F.mean_squared_error):
        loss(rows, rows, weights)
    F.adam_step_(np.ones((3, 3)), V, np.zeros((3, 3)), np.zeros((3, 3)), 1)
    F.sgd_step_(np.ones((3, 3)), V, 0.1)
    assert [zlib.crc32(a.tobytes("A")) for a in arguments_used] == before
