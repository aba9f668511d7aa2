"""The peers that have nothing to compile: fastnn itself, NumPy, scikit-learn and ONNX Runtime."""

import warnings

import numpy as np
from option_list import fit, flat
from tasks import aligned

from fastnn import functional as F

# ---- fastnn ----


class Fastnn:
    def __init__(self, threads):
        self.threads = threads
        if threads > 1:
            self.block = 50e-3  # a call starts its threads anew

    def training(self, task, variant):
        return FastnnTraining(task, self.threads)

    def inference(self, task, variant):
        net, threads = task.net, self.threads
        return net.forward if threads == 1 else lambda X: net.forward(X, n_threads=threads)

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        if task.function == "bce":
            return lambda: (F.binary_cross_entropy_with_logits(z, y, grad=out), out)
        return lambda: F.activation(z, task.function, out=out)

    def update(self, task, variant):
        w, g, lr = aligned(task.w), task.g, task.lr
        m, v, numbers = aligned(0 * w), aligned(0 * w), iter(range(1, 1 << 60))
        steps = {
            "sgd": lambda: F.sgd_step_(w, g, lr),
            "momentum": lambda: F.sgd_step_(w, g, lr, momentum=0.9, velocity=m),
            "adam": lambda: F.adam_step_(w, g, m, v, next(numbers), lr),
        }
        return steps[task.rule], lambda: w


class FastnnTraining:
    def __init__(self, task, threads):
        self.task, self.threads, self.net = task, threads, task.net.copy()

    def begin(self):
        self.net.params, self.net.state = self.task.net.params, None
        if self.task.option.dropout:
            self.net.rng = np.random.default_rng(0)  # the same units again

    def run(self, epochs):
        task = self.task
        return fit(self.net, task.option, task.X, task.y, epochs, task.batch, self.threads)

    def params(self):
        return self.net.params


# ---- NumPy, as well as it goes: every array is made once, and everything is written in place ----


class Numpy:
    def __init__(self, threads):
        pass  # its BLAS has been told by the environment

    def training(self, task, variant):
        return NumpyTraining(task)

    def inference(self, task, variant):
        layers = list(zip(task.net.weights, task.net.biases))
        arrays = [np.empty((task.n, k), "f") for k in task.sizes[1:]]

        def forward(X):
            A = X
            for (W, b), Z in zip(layers, arrays):
                np.add(np.dot(A, W, Z), b, Z)
                A = np.maximum(Z, 0, Z) if Z is not arrays[-1] else Z
            return sigmoid(A, A) if task.binary else softmax(A, A)

        return forward

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        if task.function == "tanh":
            return lambda: np.tanh(z, out)
        if task.function == "sigmoid":
            return lambda: sigmoid(z, out)
        one, two = aligned(z), aligned(z)
        return lambda: (bce(z, y, out, one, two), out)

    def update(self, task, variant):
        w, m, v = aligned(task.w), aligned(0 * task.w), aligned(0 * task.w)
        one, two, t = aligned(w), aligned(w), 0

        def step():
            nonlocal t
            t += 1
            steps[task.rule](w, task.g, m, v, t, task.lr, one, two)

        return step, lambda: w


def sigmoid(z, out):
    np.negative(z, out)
    np.exp(out, out)
    np.add(out, 1, out)
    return np.reciprocal(out, out)


def softmax(z, out):
    np.subtract(z, z.max(axis=1, keepdims=True), out)
    np.exp(out, out)
    return np.divide(out, out.sum(axis=1, keepdims=True), out)


def bce(z, y, grad, one, two):
    """max(z, 0) - y z + log(1 + exp(-|z|)), averaged, and (sigmoid(z) - y) / n in grad"""
    np.exp(np.negative(np.abs(z, one), one), one)
    np.log1p(one, one)
    np.add(one, np.maximum(z, 0, two), one)
    np.subtract(one, np.multiply(z, y, two), one)
    np.subtract(sigmoid(z, grad), y, grad)
    np.multiply(grad, 1 / len(z), grad)
    return one.mean()


def cross_entropy(z, y, grad, rows):
    softmax(z, grad)
    loss = -np.log(grad[rows, y]).mean()
    grad[rows, y] -= 1
    np.multiply(grad, 1 / len(z), grad)
    return loss


def sgd(w, g, m, v, t, lr, one, two):
    np.subtract(w, np.multiply(g, lr, one), w)


def momentum(w, g, m, v, t, lr, one, two):
    np.add(np.multiply(m, 0.9, m), g, m)
    np.subtract(w, np.multiply(m, lr, one), w)


def adam(w, g, m, v, t, lr, one, two):
    np.add(np.multiply(m, 0.9, m), np.multiply(g, 0.1, one), m)
    np.multiply(np.multiply(g, g, one), 0.001, one)
    np.add(np.multiply(v, 0.999, v), one, v)
    np.sqrt(np.multiply(v, 1 / (1 - 0.999**t), one), one)
    np.add(one, 1e-8, one)
    np.divide(np.multiply(m, lr / (1 - 0.9**t), two), one, two)
    np.subtract(w, two, w)


steps = {"sgd": sgd, "momentum": momentum, "adam": adam}


class NumpyTraining:
    def __init__(self, task):
        self.task, self.step, dtype = task, steps[task.rule], task.net.dtype
        self.W, self.b = list(task.net.weights), list(task.net.biases)
        self.W, self.b = [W.copy() for W in self.W], [b.copy() for b in self.b]
        self.both = [*self.W, *self.b]
        self.dW, self.db = [np.empty_like(W) for W in self.W], [np.empty_like(b) for b in self.b]
        self.m, self.v, self.one, self.two = (
            [np.zeros_like(p) for p in self.both] for _ in range(4)
        )
        self.A, self.dZ, self.T = (
            [np.empty((task.batch, k), dtype) for k in task.sizes[1:]] for _ in range(3)
        )
        self.ones, self.rows, self.temporary = (
            np.ones(task.batch, dtype),
            np.arange(task.batch),
            np.empty((task.batch, 1), dtype),
        )

    def begin(self):
        for p, first in zip(self.both, [*self.task.net.weights, *self.task.net.biases]):
            p[...] = first
        for p in (*self.m, *self.v):
            p.fill(0)
        self.t = 0

    def run(self, epochs):
        task, losses = self.task, []
        for _ in range(epochs):
            total = 0.0
            for start in range(0, task.n, task.batch):
                total += self.loss_and_grad(
                    task.X[start : start + task.batch], task.y[start : start + task.batch]
                )
                self.t += 1
                for p, g, m, v, one, two in zip(
                    self.both, [*self.dW, *self.db], self.m, self.v, self.one, self.two
                ):
                    self.step(p, g, m, v, self.t, task.lr, one, two)
            losses.append(total / task.steps)
        return losses

    def loss_and_grad(self, X, y):
        A, W, dZ, relu = X, self.W, self.dZ, self.task.activation == "relu"
        for i, Z in enumerate(self.A):
            np.add(np.dot(A, W[i], Z), self.b[i], Z)
            A = Z
            if i < len(W) - 1:
                np.maximum(Z, 0, Z) if relu else sigmoid(Z, Z)
        loss = (
            bce(Z, y, dZ[-1], self.T[-1], self.temporary)
            if self.task.binary
            else cross_entropy(Z, y, dZ[-1], self.rows)
        )
        for i in reversed(range(len(W))):
            np.dot((self.A[i - 1] if i else X).T, dZ[i], self.dW[i])
            np.dot(self.ones, dZ[i], self.db[i])
            if i:
                A, T = self.A[i - 1], self.T[i - 1]
                np.dot(dZ[i], W[i].T, dZ[i - 1])
                np.sign(A, T) if relu else np.multiply(np.subtract(1, A, T), A, T)
                np.multiply(dZ[i - 1], T, dZ[i - 1])
        return float(loss)

    def params(self):
        return flat(zip(self.W, self.b))


# ---- scikit-learn's MLPClassifier: `fit` of as many epochs, going on from weights that are put the


class Sklearn:
    block = 0.05  # a fit costs a millisecond before it begins

    def __init__(self, threads):
        import sklearn  # noqa: F401 - or it cannot take part

        warnings.simplefilter("ignore")  # that it has not converged

    def training(self, task, variant):
        return SklearnTraining(task)

    def inference(self, task, variant):
        model = classifier(task, batch_size=1)
        classes = np.arange(max(2, task.sizes[-1]))
        model.partial_fit(np.zeros((len(classes), task.sizes[0]), "f"), classes, classes=classes)
        put(task.net, model)
        return lambda X: model.predict_proba(X)[:, 1:] if task.binary else model.predict_proba(X)


def classifier(task, **options):
    from sklearn.neural_network import MLPClassifier

    activation = {"relu": "relu", "sigmoid": "logistic"}[task.activation]
    return MLPClassifier(
        task.sizes[1:-1], activation, alpha=0, shuffle=False, warm_start=True, **options
    )


def put(net, model):
    for own, its in zip(
        [*net.weights, *net.biases], [*model.coefs_, *model.intercepts_], strict=True
    ):
        its[...] = own


class SklearnTraining:
    epsilon = (
        1e-8 * (1 - 0.999) ** 0.5
    )  # Adam's 1e-8 in the first step: scikit-learn adds it before v's bias is corrected

    def __init__(self, task):
        self.task, self.y = task, task.y.ravel().astype(int)
        self.model = classifier(
            task,
            batch_size=task.batch,
            solver=task.rule,
            learning_rate_init=task.lr,
            momentum=0,
            nesterovs_momentum=False,
            epsilon=self.epsilon,
            tol=0,
            n_iter_no_change=1 << 40,
            max_iter=1,
        )
        self.model.fit(task.X, self.y)  # makes its arrays

    def begin(self):
        put(self.task.net, self.model)

    def run(self, epochs):
        """Its optimizer begins anew with every fit."""
        return self.model.set_params(max_iter=epochs).fit(self.task.X, self.y).loss_curve_[-epochs:]

    def params(self):
        return flat(zip(self.model.coefs_, self.model.intercepts_))


# ---- ONNX Runtime: a session of Gemm and activations ----


class Onnx:
    def __init__(self, threads):
        import onnxruntime

        self.make_session = onnxruntime.InferenceSession
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads, self.options.inter_op_num_threads = threads, 1

    def inference(self, task, variant):
        import onnx
        from onnx import helper

        nodes, arrays, A = [], [], "X"
        for i, (W, b) in enumerate(zip(task.net.weights, task.net.biases)):
            arrays += [
                onnx.numpy_helper.from_array(np.ascontiguousarray(W), f"W{i}"),
                onnx.numpy_helper.from_array(b, f"b{i}"),
            ]
            last = i == len(task.sizes) - 2
            activation = "Relu" if not last else "Sigmoid" if task.binary else "Softmax"
            nodes += [
                helper.make_node("Gemm", [A, f"W{i}", f"b{i}"], [f"Z{i}"]),
                helper.make_node(activation, [f"Z{i}"], [f"A{i}"]),
            ]
            A = f"A{i}"
        enters, leaves = (
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, k])
            for name, k in (("X", task.sizes[0]), (A, task.sizes[-1]))
        )
        graph = helper.make_graph(nodes, "mlp", [enters], [leaves], arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        session = self.make_session(
            model.SerializeToString(), self.options, providers=["CPUExecutionProvider"]
        )
        return lambda X: session.run(None, {"X": X})[0]
