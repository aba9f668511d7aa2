"""What every public argument says when it is wrong: the argument, what was expected, what came, and
the way out."""

import inspect
import re
import zlib
from functools import partial

import cases
import numpy as np
import pytest

import fastnn
from fastnn import MLP, SGD, Adam
from fastnn import functional as F

X = np.linspace(-1, 1, 10).reshape(5, 2)
y = np.linspace(0, 1, 5)
W, Z = np.ones((2, 3)), np.linspace(-1, 1, 15).reshape(5, 3)
P = np.full((5, 3), 0.5)
V = np.ones(4)


def net(output="sigmoid", n_out=1, **options):
    return MLP([2, 3, n_out], output=output, rng=0, **options)


def kept(n=5):
    made = net()
    made.forward(X[:n], keep=True)
    return made


def zeros():
    return np.zeros(4)


def adam(params=None, grads=V, m=None, v=None, step=1, **numbers):
    F.adam_step_(*(zeros() if a is None else a for a in (params, grads, m, v)), step, **numbers)


class Sparse:
    nnz, toarray = 1, None


ONE_OF = "one of identity, sigmoid, relu, tanh, leaky_relu, elu, softplus, gelu, silu"
COUNT = "must be a whole number of at least"

LOSSES = {getattr(F, case.name) for case in cases.LOSSES.values()} - {
    F.gaussian_nll
}  # those whose targets are like their outputs

# callable.argument: [(what is called, type of error, fragments of the message, in order), ...]
WRONG = {
    # ---- making a network ----
    "MLP.layer_sizes": [
        (
            lambda: MLP(5),
            ValueError,
            "layer_sizes must list inputs, hidden layers and outputs, such as [64, 100, 1]",
            "got 5",
        ),
        (lambda: MLP([5]), ValueError, "layer_sizes must list", "got [5]"),
        (lambda: MLP(None), ValueError, "layer_sizes must list", "got None"),
        (lambda: MLP([2, 0, 1]), ValueError, "layer_sizes", COUNT + " 1", "got 0"),
        (lambda: MLP([2, -3]), ValueError, "layer_sizes", COUNT + " 1", "got -3"),
        (lambda: MLP([2, 3.0]), ValueError, "layer_sizes", COUNT + " 1", "got 3.0"),
        (lambda: MLP([2, True]), ValueError, "layer_sizes", COUNT + " 1", "got True"),
        (lambda: MLP("23"), ValueError, "layer_sizes", "got '2'"),
    ],
    "MLP.activation": [
        (lambda: MLP([2, 3, 1], "rule"), ValueError, "activation must be " + ONE_OF, "got 'rule'"),
        (lambda: MLP([2, 1], "rule"), ValueError, "activation must be " + ONE_OF, "got 'rule'"),
        (
            lambda: MLP([2, 3, 1], "softmax"),
            ValueError,
            "activation must be " + ONE_OF,
            "got 'softmax'",
            "use it as output",
        ),
        (
            lambda: MLP([2, 3, 1], ["relu", "tanh"]),
            ValueError,
            "activation",
            "2 names",
            "1 hidden layer",
            "give one name, or one for each",
        ),
        (lambda: MLP([2, 3, 1], [3]), ValueError, "activation must be " + ONE_OF, "got 3"),
        (lambda: MLP([2, 3, 1], 3), (TypeError, ValueError), "activation", ONE_OF, "got 3"),
        (lambda: MLP([2, 3, 1], None), (TypeError, ValueError), "activation", ONE_OF, "got None"),
    ],
    "MLP.output": [
        (
            lambda: MLP([2, 1], output="logits"),
            ValueError,
            "output must be " + ONE_OF + ", softmax",
            "got 'logits'",
        ),
        (lambda: MLP([2, 1], output=None), ValueError, "output must be " + ONE_OF, "got None"),
        (
            lambda: MLP([2, 1], output="softmax"),
            ValueError,
            "output='softmax' needs two outputs",
            "use output='sigmoid'",
        ),
    ],
    "MLP.dtype": [
        (
            lambda: MLP([2, 1], dtype="float16"),
            ValueError,
            "dtype must be 'float32' or 'float64'",
            "got",
            "float16",
        ),
        (
            lambda: MLP([2, 1], dtype=">f4"),
            ValueError,
            "dtype must be 'float32' or 'float64'",
            "got",
            ">f4",
        ),
        (
            lambda: MLP([2, 1], dtype="real"),
            ValueError,
            "dtype must be 'float32' or 'float64'",
            "got 'real'",
        ),
        (
            lambda: MLP([2, 1], dtype=int),
            ValueError,
            "dtype must be 'float32' or 'float64'",
            "got",
            "int",
        ),
        (
            lambda: MLP([2, 1], dtype=None),
            ValueError,
            "dtype must be 'float32' or 'float64'",
            "got None",
        ),
    ],
    "MLP.rng": [
        (
            lambda: MLP([2, 1], rng=-1),
            ValueError,
            "rng must be None, an int of at least 0 or a numpy.random.Generator",
            "got -1",
        ),
        (
            lambda: MLP([2, 1], rng="seed"),
            ValueError,
            "rng must be None, an int of at least 0 or",
            "got 'seed'",
        ),
        (
            lambda: MLP([2, 1], rng=0.5),
            ValueError,
            "rng must be None, an int of at least 0 or",
            "got 0.5",
        ),
    ],
    "MLP.dropout": [
        (
            lambda: MLP([2, 3, 1], dropout=1),
            ValueError,
            "dropout must be a finite number at least 0 and below 1",
            "got 1",
        ),
        (
            lambda: MLP([2, 3, 1], dropout=[0.5]),
            ValueError,
            "dropout lists 1 rates for 2 layers",
            "one for each layer's inputs",
        ),
        (
            lambda: MLP([2, 3, 1], dropout="half"),
            ValueError,
            "dropout must be a number or a sequence of numbers",
            "got 'half'",
        ),
    ],
    "MLP.init": [
        (
            lambda: MLP([2, 3, 1], init="xavier"),
            ValueError,
            "init must be",
            "glorot_uniform",
            "got 'xavier'",
        ),
        (lambda: MLP([2, 3, 1], init=["he_normal"]), ValueError, "init", "1", "2 layers"),
        (
            lambda: MLP([2, 3, 1], init=lambda rng, n_in, n_out: np.ones(2)),
            ValueError,
            "shape (2, 3)",
            "got (2,)",
        ),
    ],
    # ---- using it ----
    "MLP.forward.X": [
        (
            lambda: net().forward(np.ones((4, 3))),
            ValueError,
            "X has 3 columns, the network takes 2",
        ),
        (lambda: net().forward(np.ones((4, 1))), ValueError, "X has 1 column, the network takes 2"),
        (
            lambda: net().forward(np.ones((4, 3), "float32")),
            ValueError,
            "X has 3 columns, the network takes 2",
        ),
        (
            lambda: net().forward(X[0]),
            ValueError,
            "X must have 2 dimensions (rows, columns), got 1 (shape (2,))",
            "give X[None, :]",
        ),
        (lambda: net().forward(5), ValueError, "X must have 2 dimensions", "got 0"),
        (
            lambda: net().forward(X[None]),
            ValueError,
            "X must have 2 dimensions",
            "got 3 (shape (1, 5, 2))",
        ),
        (
            lambda: net().forward(X.astype(object)),
            TypeError,
            "X must be float32 or float64, got object",
        ),
        (
            lambda: net().forward(X.astype(complex)),
            TypeError,
            "X must be float32 or float64, got complex128",
        ),
        (lambda: net().forward([["a", "b"]]), TypeError, "X must be float32 or float64, got <U1"),
        (
            lambda: net().forward(X.astype("datetime64[s]")),
            TypeError,
            "X must be float32 or float64, got datetime64[s]",
        ),
        (lambda: net().forward(None), TypeError, "X must be float32 or float64, got object"),
        (lambda: net().forward([[1, 2], [3]]), ValueError, "X is not a rectangular array"),
        (lambda: net().forward(Sparse()), TypeError, "X is a sparse matrix", "give X.toarray()"),
        (
            lambda: net().forward(np.ma.masked_less(X, 0)),
            ValueError,
            "X has masked entries",
            "fill them first",
            "X.filled(0)",
        ),
    ],
    "MLP.forward.out": [
        (
            lambda: net().forward(X, out=np.ones((5, 2), "f")),
            ValueError,
            "out must have shape (5, 1), got (5, 2)",
        ),
        (
            lambda: net().forward(X, out=np.ones((5, 1))),
            TypeError,
            "out must be float32, got float64",
        ),
        (
            lambda: net().forward(X, out=[0] * 5),
            TypeError,
            "out must be a NumPy array, got list",
            "would be lost",
        ),
    ],
    "MLP.forward.n_threads": [
        (
            lambda: net().forward(X, n_threads=0),
            ValueError,
            "n_threads must be at least 1, or -1 for all CPUs",
            "got 0",
        ),
        (
            lambda: net().forward(X, n_threads=-2),
            ValueError,
            "n_threads must be at least 1, or -1",
            "got -2",
        ),
        (
            lambda: net().forward(X, n_threads=1.5),
            ValueError,
            "n_threads must be at least 1, or -1",
            "got 1.5",
        ),
        (
            lambda: net().forward(X, n_threads=None),
            ValueError,
            "n_threads must be at least 1, or -1",
            "got None",
        ),
    ],
    "MLP.backward.dY": [
        (
            lambda: net().backward(np.ones((5, 1))),
            RuntimeError,
            "backward needs the inputs",
            "call forward(X, keep=True) first",
        ),
        (
            lambda: kept().backward(np.ones((5, 2))),
            ValueError,
            "dY has 2 columns, the network",
            "1",
        ),
        (lambda: kept().backward(np.ones((4, 1))), ValueError, "dY has 4 rows, X has 5"),
        (
            lambda: kept().backward(np.ones(5)),
            ValueError,
            "dY must have 2 dimensions",
            "got 1",
            "dY[:, None]",
        ),
    ],
    "MLP.loss.X": [
        (lambda: net().loss(X[:, :1], y), ValueError, "X has 1 column, the network takes 2")
    ],
    "MLP.loss.y": [
        (lambda: net().loss(X, y[:4]), ValueError, "y has 4 rows, X has 5"),
        (
            lambda: net().loss(X, P),
            ValueError,
            "y must have shape (n,) or (n, 1) for 1 output, got (5, 3)",
        ),
        (
            lambda: net("identity", 3).loss(X, y),
            ValueError,
            "y must have shape (n, 3) for 3 outputs, got (5,)",
        ),
        (
            lambda: net().loss(X, 2 * y - 1),
            ValueError,
            "y must lie in [0, 1] for loss 'bce'",
            "got [-1.0] in row 0",
            "(y + 1) / 2",
        ),
        (
            lambda: net("identity").loss(X, 3 * y, "bce_with_logits"),
            ValueError,
            "y must lie in [0, 1] for loss 'bce_with_l",
            "row 2",
        ),
        (
            lambda: net("softmax", 3).loss(X, P - 1),
            ValueError,
            "y must lie in [0, 1] for loss 'cross_entropy'",
            "in row 0",
        ),
        (lambda: net().loss(X, list("abcde")), TypeError, "y must be float32 or float64, got <U1"),
        (lambda: net().loss(X, None), TypeError, "y must be float32 or float64, got object"),
        (
            lambda: net("softmax", 3).loss(X, [0, 1, 2, 3, 0]),
            ValueError,
            "y holds class 3 in row 3",
            "3 outputs",
            "classes are 0..2",
        ),
        (
            lambda: net("softmax", 3).loss(X, [0, 1, -1, 2, 0]),
            ValueError,
            "y holds class -1 in row 2",
            "classes are 0..2",
        ),
        (
            lambda: net("softmax", 3).loss(X, y),
            ValueError,
            "y must be class numbers 0..2 or rows of 3 probabilities",
            "got float64",
        ),
        (
            lambda: net("softmax", 3).loss(X, list("abcde")),
            ValueError,
            "y must be class numbers 0..2 or rows of 3 prob",
            "got <U1",
        ),
        (lambda: net("softmax", 3).loss(X, [np.inf, 0, 0, 0, 0]), ValueError, "y ", "class", "inf"),
        (
            lambda: net("softmax", 3).loss(X, [np.nan, 0, 0, 0, 0]),
            ValueError,
            "y must be class numbers 0..2",
            "nan",
        ),
        (lambda: net("softmax", 3).loss(X, [0, 1]), ValueError, "y has 2 rows, X has 5"),
        (
            lambda: net("softmax", 3).loss(X, np.ones((5, 2))),
            ValueError,
            "y must have shape (n, 3) for 3 outputs, got (5, 2)",
        ),
        (
            lambda: net("softmax", 3).loss(X, [[0, 1], [2], [3], [4], [5]]),
            ValueError,
            "y is not a rectangular array",
        ),
    ],
    "MLP.loss.loss": [
        (
            lambda: net().loss(X, y, "l2"),
            ValueError,
            "loss must be None, one of bce, bce_with_logits",
            "or a function",
            "got 'l2'",
        ),
        (lambda: net().loss(X, y, ["mse"]), ValueError, "loss must be None, one of", "got ['mse']"),
        (
            lambda: net("identity").loss(X, y, "bce"),
            ValueError,
            "loss 'bce' needs output='sigmoid'",
            "'identity'",
            "'bce_with_logits'",
        ),
    ],
    "MLP.loss.sample_weight": [
        (
            lambda: net().loss(X, y, sample_weight=y[:3]),
            ValueError,
            "sample_weight must have shape (5,), one number a row",
            "got (3,)",
        ),
        (
            lambda: net().loss(X, y, sample_weight=2),
            ValueError,
            "sample_weight must have shape (5,)",
            "got ()",
        ),
        (
            lambda: net().loss(X, y, sample_weight=y - 0.5),
            ValueError,
            "sample_weight must not be negative",
            "-0.5",
            "in row 0",
        ),
        (
            lambda: net().loss(X, y, sample_weight=list("abcde")),
            TypeError,
            "sample_weight must be float32 or float64, got <U1",
        ),
    ],
    # ---- training ----
    "MLP.fit.X": [
        (lambda: net().fit(X[:, :1], y), ValueError, "X has 1 column, the network takes 2"),
        (lambda: net().fit(X[:0], y[:0]), ValueError, "X has no rows"),
        (lambda: net().fit(None, None), TypeError, "X must be float32 or float64, got object"),
    ],
    "MLP.fit.y": [(lambda: net().fit(X, y[:4]), ValueError, "y has 4 rows, X has 5")],
    "MLP.fit.loss": [
        (lambda: net().fit(X, y, 5), ValueError, "loss must be None, one of bce", "got 5")
    ],
    "MLP.fit.optimizer": [
        (
            lambda: net().fit(X, y, optimizer="newton"),
            ValueError,
            "optimizer must be one of 'sgd', ",
            "or an optimizer",
            "got 'newton'",
        ),
        (
            lambda: net().fit(X, y, optimizer=SGD),
            ValueError,
            "optimizer must be one of 'sgd', ",
            "or an optimizer",
            "got <class",
        ),
        (
            lambda: net().fit(X, y, optimizer=0.1),
            ValueError,
            "optimizer must be one of 'sgd', ",
            "or an optimizer",
            "got 0.1",
        ),
        (
            lambda: net().fit(X, y, optimizer=["sgd"]),
            ValueError,
            "optimizer must be one of 'sgd', ",
            "or an optimizer",
            "got ['sgd']",
        ),
    ],
    "MLP.fit.epochs": [
        (lambda: net().fit(X, y, epochs=-1), ValueError, "epochs " + COUNT + " 0", "got -1"),
        (lambda: net().fit(X, y, epochs=1.5), ValueError, "epochs " + COUNT + " 0", "got 1.5"),
        (lambda: net().fit(X, y, epochs=None), ValueError, "epochs " + COUNT + " 0", "got None"),
    ],
    "MLP.fit.batch_size": [
        (lambda: net().fit(X, y, batch_size=0), ValueError, "batch_size " + COUNT + " 1", "got 0"),
        (
            lambda: net().fit(X, y, batch_size=2.0),
            ValueError,
            "batch_size " + COUNT + " 1",
            "got 2.0",
        ),
        (
            lambda: net().fit(X, y, batch_size="all"),
            ValueError,
            "batch_size " + COUNT + " 1",
            "got 'all'",
        ),
    ],
    "MLP.fit.validation_data": [
        (
            lambda: net().fit(X, y, validation_data=X),
            ValueError,
            "validation_data must be (X, y) or (X, y, sample_weight)",
            "got",
        ),
        (
            lambda: net().fit(X, y, validation_data=(X,)),
            ValueError,
            "validation_data must be (X, y) or (X, y, sample_weight)",
            "got",
        ),
        (
            lambda: net().fit(X, y, validation_data=(X[:, :1], y)),
            ValueError,
            "validation_data",
            "X has 1 column, the network takes 2",
        ),
        (
            lambda: net().fit(X, y, validation_data=(X, y[:4])),
            ValueError,
            "validation_data",
            "y has 4 rows, X has 5",
        ),
        (
            lambda: net().fit(X, y, validation_data=(X, y, y[:4])),
            ValueError,
            "validation_data",
            "sample_weight",
            "(5,)",
            "got (4,)",
        ),
    ],
    "MLP.fit.sample_weight": [
        (
            lambda: net().fit(X, y, sample_weight=-y),
            ValueError,
            "sample_weight must not be negative",
        )
    ],
    "MLP.fit.callbacks": [
        (
            lambda: net().fit(X, y, callbacks=["print"]),
            TypeError,
            "callbacks must be callables",
            "callback(net, history)",
            "got 'print'",
        ),
        (
            lambda: net().fit(X, y, callbacks=[print, None]),
            TypeError,
            "callbacks must be callables",
            "got None",
        ),
        (lambda: net().fit(X, y, callbacks=5), TypeError, "callbacks must be callables", "got 5"),
        (
            lambda: net().fit(X, y, callbacks=None),
            TypeError,
            "callbacks must be callables",
            "got None",
        ),
    ],
    "MLP.fit.n_threads": [
        (
            lambda: net().fit(X, y, n_threads=0),
            ValueError,
            "n_threads must be at least 1, or -1 for all CPUs",
            "got 0",
        )
    ],
    "MLP.fit.rng": [
        (
            lambda: net().fit(X, y, rng="seed"),
            ValueError,
            "rng must be None, an int of at least 0",
            "got 'seed'",
        )
    ],
    "MLP.fit.resume": [
        (
            lambda: net().fit(X, y, resume=True),
            ValueError,
            "resume=True",
            "has not been trained",
            "use resume=False",
        )
    ],
    "MLP.fit.class_weight": [
        (
            lambda: net().fit(X, y, class_weight="equal"),
            ValueError,
            "class_weight must be a dict",
            "got 'equal'",
        )
    ],
    "MLP.fit.validation_fraction": [
        (
            lambda: net().fit(X, y, validation_fraction=1),
            ValueError,
            "validation_fraction must be a finite number",
            "below 1",
            "got 1",
        ),
        (
            lambda: net().fit(X, y, validation_fraction=None),
            ValueError,
            "validation_fraction must be a finite number",
            "got None",
        ),
    ],
    "MLP.save.path": [(lambda: net().save(5), TypeError, "PathLike", "int")],
    "load.path": [
        (
            lambda: fastnn.load(10**6),
            TypeError,
            "PathLike",
            "int",
        ),  # a number would be an open file, which closes with the loader
        (lambda: fastnn.load(None), TypeError, "PathLike", "None"),
    ],
    # ---- optimizers ----
    "SGD.lr": [
        (lambda: SGD(-1), ValueError, "lr must be a finite number at least 0", "got -1"),
        (lambda: SGD(float("nan")), ValueError, "lr must be a finite number at least 0", "got nan"),
        (
            lambda: SGD("fast"),
            ValueError,
            "lr must be a number of at least 0 or a schedule",
            "got 'fast'",
        ),
        (
            lambda: SGD([0.1]),
            ValueError,
            "lr must be a number of at least 0 or a schedule",
            "StepDecay",
            "got [0.1]",
        ),
        (lambda: SGD(10**400), ValueError, "lr must be a finite number at least 0", "got 1000"),
    ],
    "SGD.l1": [(lambda: SGD(l1=-1), ValueError, "l1 must be a finite number at least 0", "got -1")],
    "SGD.l2": [
        (lambda: SGD(l2="x"), ValueError, "l2 must be a finite number at least 0", "got 'x'")
    ],
    "SGD.clip_value": [
        (
            lambda: SGD(clip_value=0),
            ValueError,
            "clip_value must be a finite number above 0",
            "got 0",
        ),
        (
            lambda: SGD(clip_value=1, clip_norm=1),
            ValueError,
            "clip_value and clip_norm are two ways to clip",
            "choose one",
        ),
    ],
    "SGD.clip_norm": [
        (
            lambda: SGD(clip_norm=-1),
            ValueError,
            "clip_norm must be a finite number above 0",
            "got -1",
        )
    ],
    "SGD.average": [
        (
            lambda: SGD(average=1),
            ValueError,
            "average must be a finite number above 0 and below 1",
            "got 1",
        )
    ],
    "SGD.momentum": [
        (
            lambda: SGD(momentum=1),
            ValueError,
            "momentum must be a finite number at least 0 and below 1",
            "got 1",
        )
    ],
    "SGD.nesterov": [
        (
            lambda: SGD(nesterov=True),
            ValueError,
            "nesterov=True needs a momentum above 0",
            "got momentum=0",
        )
    ],
    "SGD.weight_decay": [
        (
            lambda: SGD(weight_decay=-0.1),
            ValueError,
            "weight_decay must be a finite number at least 0",
            "got -0.1",
        )
    ],
    "Adam.lr": [
        (lambda: Adam(float("inf")), ValueError, "lr must be a finite number at least 0", "got inf")
    ],
    "Adam.betas": [
        (lambda: Adam(betas=0.9), ValueError, "betas must be two numbers", "got 0.9"),
        (lambda: Adam(betas=(0.9,)), ValueError, "betas must be two numbers", "got (0.9,)"),
        (
            lambda: Adam(betas=(0.9, 1.0)),
            ValueError,
            "betas must be a finite number at least 0 and below 1",
            "got 1.0",
        ),
    ],
    "Adam.eps": [(lambda: Adam(eps=0), ValueError, "eps must be a finite number above 0", "got 0")],
    "Adam.weight_decay": [
        (
            lambda: Adam(weight_decay=None),
            ValueError,
            "weight_decay must be a finite number at least 0",
            "got None",
        )
    ],
    # ---- functional ----
    "linear.X": [
        (lambda: F.linear(X[0], W), ValueError, "X must have 2 dimensions", "got 1", "X[None, :]"),
        (lambda: F.linear([["a", "b"]], W), TypeError, "X must be float32 or float64", "got <U1"),
    ],
    "linear.W": [
        (
            lambda: F.linear(X, W.T),
            ValueError,
            "W has 3 rows, X has 2 columns",
            "W looks transposed",
            "(n_in, n_out), give W.T",
        ),
        (lambda: F.linear(X, np.ones((4, 4))), ValueError, "W has 4 rows, X has 2 columns"),
        (lambda: F.linear(X, [1, 2]), ValueError, "W must have 2 dimensions", "got 1"),
    ],
    "linear.b": [(lambda: F.linear(X, W, [1, 2]), ValueError, "b must have shape (3,), got (2,)")],
    "linear.activation": [
        (
            lambda: F.linear(X, W, activation="rule"),
            ValueError,
            "activation must be " + ONE_OF + ", softmax",
            "got 'rule'",
        ),
    ],
    "linear.out": [
        (
            lambda: F.linear(X, W, out=np.ones((5, 2))),
            ValueError,
            "out must have shape (5, 3), got (5, 2)",
        ),
        (
            lambda: F.linear(X, W, out=np.ones((5, 3), "f")),
            TypeError,
            "out must be float64, got float32",
        ),
        (
            lambda: F.linear(Z, np.eye(3), out=Z),
            ValueError,
            "out overlaps another argument",
            "memory of its own",
        ),
    ],
    "linear_backward.dY": [
        (
            lambda: F.linear_backward(X, X, W, None, Z),
            ValueError,
            "dY must have shape (5, 3), got (5, 2)",
        )
    ],
    "linear_backward.X": [
        (
            lambda: F.linear_backward(Z, X[0], W, None, Z),
            ValueError,
            "X must have 2 dimensions",
            "got 1",
        )
    ],
    "linear_backward.W": [
        (lambda: F.linear_backward(Z, X, W.T, None, Z), ValueError, "W looks transposed")
    ],
    "linear_backward.b": [
        (lambda: F.linear_backward(Z, X, W, 5, Z), ValueError, "b must have shape (3,), got ()")
    ],
    "linear_backward.Y": [
        (
            lambda: F.linear_backward(Z, X, W, None, X),
            ValueError,
            "Y must have shape (5, 3), got (5, 2)",
        )
    ],
    "linear_backward.activation": [
        (
            lambda: F.linear_backward(Z, X, W, None, Z, 5),
            ValueError,
            "activation must be " + ONE_OF,
            "got 5",
        )
    ],
    "activation.Z": [
        (lambda: F.activation("abc", "relu"), TypeError, "Z must be float32 or float64", "got <U3")
    ],
    "activation.name": [
        (lambda: F.activation(Z, "rule"), ValueError, "name must be " + ONE_OF, "got 'rule'")
    ],
    "activation.out": [
        (
            lambda: F.activation(Z, "relu", out=Z[:, :2]),
            ValueError,
            "out must have shape (5, 3), got (5, 2)",
        )
    ],
    "activation_backward.dA": [
        (
            lambda: F.activation_backward(X, Z, "relu"),
            ValueError,
            "dA must have shape (5, 3), got (5, 2)",
        )
    ],
    "activation_backward.Z": [
        (
            lambda: F.activation_backward(Z, None, "relu"),
            TypeError,
            "Z must be float32 or float64",
            "got object",
        )
    ],
    "activation_backward.name": [
        (
            lambda: F.activation_backward(Z, Z, None),
            ValueError,
            "name must be " + ONE_OF,
            "got None",
        )
    ],
    "activation_backward.out": [
        (
            lambda: F.activation_backward(P, Z, "relu", out=Z),
            ValueError,
            "out overlaps another argument",
        )
    ],
    "binary_cross_entropy.Y": [
        (
            lambda: F.binary_cross_entropy(P[None], P),
            ValueError,
            "Y must have shape (n,) or (n, k), got (1, 5, 3)",
        )
    ],
    "binary_cross_entropy.y": [
        (
            lambda: F.binary_cross_entropy(P, P + 1),
            ValueError,
            "y must lie in [0, 1] for loss 'bce'",
            "in row 0",
        )
    ],
    "binary_cross_entropy_with_logits.Z": [
        (
            lambda: F.binary_cross_entropy_with_logits("a", P),
            TypeError,
            "Z must be float32 or float64",
        )
    ],
    "binary_cross_entropy_with_logits.y": [
        (lambda: F.binary_cross_entropy_with_logits(P, P[:4]), ValueError, "y has 4 rows", "5")
    ],
    "cross_entropy.Z": [
        (
            lambda: F.cross_entropy(None, [0]),
            TypeError,
            "Z must be float32 or float64",
            "got object",
        )
    ],
    "cross_entropy.y": [
        (
            lambda: F.cross_entropy(Z, [0, 1, 2, 3, 0]),
            ValueError,
            "y holds class 3 in row 3",
            "classes are 0..2",
        )
    ],
    "mean_squared_error.Y": [
        (lambda: F.mean_squared_error(5, 5), ValueError, "Y must have shape (n,) or (n, k), got ()")
    ],
    "mean_squared_error.y": [
        (
            lambda: F.mean_squared_error(P, X),
            ValueError,
            "y must have shape (n, 3) for 3 outputs, got (5, 2)",
        )
    ],
    **{
        f"{loss.__name__}.{argument}": [
            (lambda loss=loss, options=options: loss(P, P, **options), error, *fragments)
        ]
        for loss in LOSSES
        for argument, options, error, *fragments in [
            (
                "sample_weight",
                dict(sample_weight=[1, 2]),
                ValueError,
                "sample_weight must have shape (5,)",
                "got (2,)",
            ),
            (
                "grad",
                dict(grad=np.ones((5, 2))),
                ValueError,
                "grad must have shape (5, 3), got (5, 2)",
            ),
        ]
    },
    **{
        f"{loss.__name__}.{argument}": [
            (lambda loss=loss, options=options: loss(P, P, **options), ValueError, *fragments)
        ]
        for loss, argument, options, *fragments in [
            *(
                (
                    loss,
                    "pos_weight",
                    dict(pos_weight=0),
                    "pos_weight must be a finite number above 0",
                    "got 0",
                )
                for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits)
            ),
            *(
                (
                    loss,
                    "label_smoothing",
                    dict(label_smoothing=1),
                    "label_smoothing must be a finite number at least 0 and below 1",
                    "got 1",
                )
                for loss in (
                    F.binary_cross_entropy,
                    F.binary_cross_entropy_with_logits,
                    F.cross_entropy,
                )
            ),
            (F.huber, "delta", dict(delta=0), "delta must be a finite number above 0", "got 0"),
            (F.quantile, "q", dict(q=1), "q must be a finite number above 0 and below 1", "got 1"),
        ]
    },
    "mean_absolute_error.Y": [
        (lambda: F.mean_absolute_error("a", P), TypeError, "Y must be float32 or float64")
    ],
    "mean_absolute_error.y": [
        (
            lambda: F.mean_absolute_error(P, X),
            ValueError,
            "y must have shape (n, 3) for 3 outputs, got (5, 2)",
        )
    ],
    "huber.Y": [(lambda: F.huber("a", P), TypeError, "Y must be float32 or float64")],
    "huber.y": [(lambda: F.huber(P, P[:4]), ValueError, "y has 4 rows, X has 5")],
    "quantile.Y": [(lambda: F.quantile("a", P), TypeError, "Y must be float32 or float64")],
    "quantile.y": [(lambda: F.quantile(P, X), ValueError, "y must have shape", "got (5, 2)")],
    "poisson_nll.Z": [(lambda: F.poisson_nll("a", P), TypeError, "Z must be float32 or float64")],
    "poisson_nll.y": [
        (
            lambda: F.poisson_nll(P, -P),
            ValueError,
            "y must not be negative for loss 'poisson'",
            "in row 0",
        )
    ],
    "gaussian_nll.Y": [
        (lambda: F.gaussian_nll(P, P), ValueError, "needs two outputs for each target", "3")
    ],
    "gaussian_nll.y": [
        (lambda: F.gaussian_nll(X, X), ValueError, "y must have shape", "got (5, 2)")
    ],
    "gaussian_nll.sample_weight": [
        (
            lambda: F.gaussian_nll(X, y, [1, 2]),
            ValueError,
            "sample_weight must have shape (5,)",
            "got (2,)",
        )
    ],
    "gaussian_nll.grad": [
        (
            lambda: F.gaussian_nll(X, y, grad=P),
            ValueError,
            "grad must have shape (5, 2), got (5, 3)",
        )
    ],
    "sgd_step_.params": [
        (
            lambda: F.sgd_step_([1.0], [1.0], 0.1),
            TypeError,
            "params must be a float32 or float64 NumPy array",
            "got list",
        ),
        (
            lambda: F.sgd_step_(np.ones(4, int), V, 0.1),
            TypeError,
            "params must be a float32 or float64 NumPy array",
            "got int64",
        ),
        (lambda: F.sgd_step_(np.ones(8)[::2], V, 0.1), ValueError, "params must be C-contiguous"),
        (lambda: F.sgd_step_(np.frombuffer(bytes(32)), V, 0.1), ValueError, "params is read-only"),
    ],
    "sgd_step_.grads": [
        (
            lambda: F.sgd_step_(zeros(), V[:3], 0.1),
            ValueError,
            "grads must have shape (4,), got (3,)",
        ),
        (lambda: F.sgd_step_(V, V, 0.1), ValueError, "params overlaps another argument"),
    ],
    "sgd_step_.lr": [
        (
            lambda: F.sgd_step_(zeros(), V, -1),
            ValueError,
            "lr must be a finite number at least 0",
            "got -1",
        ),
        (lambda: F.sgd_step_(zeros(), V, [0.1]), ValueError, "lr must be", "got [0.1]"),
    ],
    "sgd_step_.momentum": [
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, 2, velocity=zeros()),
            ValueError,
            "momentum must be a finite number",
            "got 2",
        ),
    ],
    "sgd_step_.nesterov": [
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, nesterov=True),
            ValueError,
            "nesterov=True needs a momentum above 0",
        )
    ],
    "sgd_step_.weight_decay": [
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, weight_decay="x"),
            ValueError,
            "weight_decay must be",
            "got 'x'",
        )
    ],
    "sgd_step_.velocity": [
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, 0.9),
            ValueError,
            "momentum needs velocity",
            "zeros before the first step",
        ),
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, 0.9, velocity=zeros()[:3]),
            ValueError,
            "velocity must have shape (4,), got (3,)",
        ),
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, 0.9, velocity=[0] * 4),
            TypeError,
            "velocity must be a NumPy array",
            "got list",
        ),
        (
            lambda: F.sgd_step_(zeros(), V, 0.1, 0.9, velocity=V),
            ValueError,
            "velocity overlaps another argument",
        ),
    ],
    "adam_step_.params": [
        (
            lambda: adam(params=[1.0]),
            TypeError,
            "params must be a float32 or float64 NumPy array",
            "got list",
        )
    ],
    "adam_step_.grads": [
        (lambda: adam(grads="abcd"), TypeError, "grads must be float32 or float64", "got <U4")
    ],
    "adam_step_.m": [
        (lambda: adam(m=zeros().astype("f")), TypeError, "m must be float64, got float32"),
        (
            lambda: F.adam_step_(zeros(), V, None, zeros(), 1),
            TypeError,
            "m must be a NumPy array",
            "got NoneType",
        ),
    ],
    "adam_step_.v": [
        (
            lambda: F.adam_step_(zeros(), V, zeros(), None, 1),
            TypeError,
            "v must be a NumPy array",
            "got NoneType",
        )
    ],
    "adam_step_.step": [(lambda: adam(step=0), ValueError, "step " + COUNT + " 1", "got 0")],
    "adam_step_.lr": [
        (lambda: adam(lr=None), ValueError, "lr must be a finite number at least 0", "got None")
    ],
    "adam_step_.betas": [(lambda: adam(betas=5), ValueError, "betas must be two numbers", "got 5")],
    "adam_step_.eps": [
        (lambda: adam(eps=-1), ValueError, "eps must be a finite number above 0", "got -1")
    ],
    "adam_step_.weight_decay": [
        (
            lambda: adam(weight_decay=-1),
            ValueError,
            "weight_decay must be a finite number",
            "got -1",
        )
    ],
}
for loss in LOSSES:  # what is true of all
    outputs = next(iter(inspect.signature(loss).parameters))
    WRONG.setdefault(
        f"{loss.__name__}.{outputs}",
        [(lambda loss=loss: loss("a", P), TypeError, f"{outputs} must be float32 or float64")],
    )
    WRONG.setdefault(
        f"{loss.__name__}.y",
        [(lambda loss=loss: loss(P, X), ValueError, "y must have shape (n, 3)", "got (5, 2)")],
    )
STEPS = {  # those like params; whether they count steps; wrong settings
    cases.step_of(name): (
        cases.all_moments(name),
        cases.counts(name),
        {
            setting: wrong
            for setting, wrong in cases.WRONG_SETTINGS.items()
            if setting in cases.parameters_of(name)
        },
    )
    for name in cases.STEPS
    if name not in ("sgd", "adam")  # above
}


def call(step_, moments, counts, **changed):
    """The step with good arguments but for those that changed."""
    more = dict(momentum=0.5, centered=True) if step_ is F.rmsprop_step_ else {}
    arguments = (
        dict(params=zeros(), grads=V)
        | {name: zeros() for name in moments}
        | (dict(step=1) if counts else {})
        | more
    )
    step_(**(arguments | changed))


def wrong_steps():
    for step_, (moments, counts, settings) in STEPS.items():
        rows = [("params", [1.0], TypeError, "must be a float32 or float64 NumPy array")]
        rows += [("grads", V[:3], ValueError, "must have shape (4,), got (3,)")]
        rows += [(name, [0] * 4, TypeError, "must be a NumPy array") for name in moments] + [
            ("step", 0, ValueError, COUNT)
        ] * counts
        rows += [(name, value, ValueError, "must be") for name, value in settings.items()]
        for name, value, error, message in rows:
            yield step_, moments, counts, name, value, error, message


for step_, moments, counts, name, value, error, message in wrong_steps():
    wrong = partial(call, step_, moments, counts, **{name: value})
    WRONG[f"{step_.__name__}.{name}"] = [(wrong, error, f"{name} {message}")]
WRONG["adam_step_.v_max"] = [
    (
        lambda: F.adam_step_(zeros(), V, zeros(), zeros(), 1, v_max=V[:3]),
        ValueError,
        "v_max must have shape (4,)",
    )
]
AS_IN = {
    "MLP.loss_and_grad": "MLP.loss",
    "MLP.partial_fit": "MLP.fit",
    "MLP.__call__": "MLP.forward",
}  # the same checks, sampled below
FLAGS = {
    "bias",
    "shuffle",
    "progress",
    "resume",
    "keep",
    "nesterov",
    "need_dX",
    "amsgrad",
    "centered",
}
FLAGS |= {"decoupled_weight_decay"}  # anything is true or false


@pytest.mark.parametrize(
    ("call", "error", "fragments"),
    [
        pytest.param(*row[:2], row[2:], id=f"{name}-{i}")
        for name, rows in WRONG.items()
        for i, row in enumerate(rows)
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected_and_what_came(call, error, fragments):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) in (error if isinstance(error, tuple) else (error,))
    message = str(caught.value)
    assert re.search(".*?".join(map(re.escape, fragments)), message), message
    assert "\n" not in message and len(message) < 700


def public_arguments():
    functions = {name: getattr(F, name) for name in F.__all__} | {
        "MLP": MLP,
        "SGD": SGD,
        "load": fastnn.load,
    }
    methods = ("forward", "loss", "loss_and_grad", "backward", "fit", "partial_fit", "save")
    functions |= {f"MLP.{name}": getattr(MLP, name) for name in methods}
    for name, function in functions.items():
        for argument in inspect.signature(function).parameters:
            if argument != "self":
                yield name, argument


def test_every_public_argument_is_in_the_table():
    missing = [
        (n, a)
        for n, a in public_arguments()
        if f"{AS_IN.get(n, n)}.{a}" not in WRONG and a not in FLAGS
    ]
    assert missing == []


@pytest.mark.parametrize("call", ["loss", "loss_and_grad", "fit", "partial_fit"])
def test_all_that_take_rows_check_them_alike(call):
    for arguments, message in [
        ((X[:, :1], y), "X has 1 column, the network takes 2"),
        ((X, y[:4]), "y has 4 rows, X has 5"),
        ((X, y, "l2"), "loss must be None, one of"),
        ((X, -y - 1), r"y must lie in \[0, 1\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            getattr(net(), call)(*arguments)
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(5,\)"):
        getattr(net(), call)(X, y, sample_weight=y[:4])


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_refused_training_changes_nothing(call):
    made = net()
    before, bits = made.params.tobytes(), str(made.rng.bit_generator.state)
    for options in [
        dict(optimizer="newton"),
        dict(batch_size=0),
        dict(n_threads=0),
        dict(sample_weight=-y),
    ]:
        with pytest.raises(ValueError):
            getattr(made, call)(X, y, **options)
    assert made.params.tobytes() == before and str(made.rng.bit_generator.state) == bits
    assert made.state is None and made.history is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_given_is_never_changed(dtype, order):
    rng = np.random.default_rng(0)
    rows = np.asarray(rng.integers(0, 2, (70, 3)), dtype, order=order)
    targets, weights, classes = (
        rows[:, 0],
        np.asarray(rng.integers(0, 3, 70), dtype),
        rng.integers(0, 3, 70),
    )
    V = np.asarray(rng.integers(1, 3, (3, 3)), dtype, order=order)
    given = [rows, targets, weights, classes, V]
    before = [zlib.crc32(a.tobytes("A")) for a in given]
    for a in given:
        a.flags.writeable = False  # a write would raise
    for output, y in [
        ("sigmoid", targets),
        ("identity", rows),
        ("softmax", classes),
        ("softmax", rows),
    ]:
        made = MLP([3, 4, 1 if y is targets else 3], output=output, rng=0)
        made.fit(
            rows,
            y,
            sample_weight=weights,
            epochs=3,
            batch_size=8,
            validation_data=(rows, y, weights),
            n_threads=2,
        )
        made.partial_fit(rows, y, sample_weight=weights)
        made.loss_and_grad(rows, y, sample_weight=weights)
        made.backward(made.forward(rows, keep=True))
    Y = F.linear(rows, V, V[0], "tanh")
    F.linear_backward(rows, rows, V, V[0], Y, "tanh")
    F.activation_backward(rows, F.activation(rows, "softmax"), "softmax")
    for loss in (
        F.binary_cross_entropy,
        F.binary_cross_entropy_with_logits,
        F.cross_entropy,
        F.mean_squared_error,
    ):
        loss(rows, rows, weights)
    F.adam_step_(np.ones((3, 3)), V, np.zeros((3, 3)), np.zeros((3, 3)), 1)
    F.sgd_step_(np.ones((3, 3)), V, 0.1)
    assert [zlib.crc32(a.tobytes("A")) for a in given] == before
