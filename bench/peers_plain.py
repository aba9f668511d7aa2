"""The peers that compile nothing: fastnn itself, NumPy, scikit-learn and ONNX Runtime."""

import copy
import itertools
import warnings

import numpy as np
from tasks import aligned, fit_fastnn, flatten

import fastnn
from fastnn import functional as F

# ---- fastnn ----


class Fastnn:
    def __init__(self, threads):
        self.threads = threads

    def training(self, task, variant):
        return FastnnTraining(task, self.threads)

    def many(self, task, networks, variant):
        kind = FitMany if task.method == "fit_many" else FitEach
        return kind(task, networks, self.threads)

    def inference(self, task, variant):
        net, threads = task.net, self.threads
        return net.forward if threads == 1 else lambda X: net.forward(X, n_threads=threads)

    def derivative(self, task, variant):
        function, threads = getattr(task.net, task.method), self.threads
        return function if threads == 1 else lambda X: function(X, n_threads=threads)

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        if task.function == "bce":
            return lambda: (F.binary_cross_entropy_with_logits(z, y, grad=out), out)
        return lambda: F.activation(z, task.function, out=out)

    def update(self, task, variant):
        w, g, lr = aligned(task.w), task.g, task.lr
        m, v, step_numbers = aligned(0 * w), aligned(0 * w), itertools.count(1)
        n = self.threads
        steps = {
            "sgd": lambda: F.sgd_step_(w, g, lr, n_threads=n),
            "momentum": lambda: F.sgd_step_(w, g, lr, momentum=0.9, velocity=m, n_threads=n),
            "adam": lambda: F.adam_step_(w, g, m, v, next(step_numbers), lr, n_threads=n),
        }
        return steps[task.rule], lambda: w


class FastnnTraining:
    def __init__(self, task, threads):
        self.task, self.threads, self.net = task, threads, task.net.copy()

    def reset(self):
        self.net.params, self.net.state = self.task.net.params, None
        if self.task.option.dropout:
            self.net.rng = np.random.default_rng(0)  # the same dropout masks each time

    def run(self, epochs):
        task = self.task
        return fit_fastnn(self.net, task.option, task.X, task.y, epochs, task.batch, self.threads)

    def params(self):
        return self.net.params


class FitEach:
    """A loop over `MLP.fit`."""

    def __init__(self, task, networks, threads):
        self.task, self.threads = task, threads
        self.initial = [task.nets[i] for i in networks]
        self.rows = [task.rows(i) for i in networks]

    def reset(self):
        self.nets = [net.copy() for net in self.initial]

    def run(self, epochs):
        task = self.task
        return [
            fit_fastnn(net, task.option, task.X[rows], task.y[rows], epochs, task.batch)
            for net, rows in zip(self.nets, self.rows)
        ]

    def params(self):
        return [net.params for net in self.nets]


class FitMany(FitEach):
    """One call of `fastnn.fit_many`."""

    def run(self, epochs):
        task = self.task
        histories = fastnn.fit_many(
            self.nets,
            task.X,
            task.y,
            optimizer=task.option.optimizer,
            epochs=epochs,
            batch_size=task.batch,
            shuffle=False,
            rows=self.rows if task.own_rows else None,
            n_threads=self.threads,
        )
        return [history.loss for history in histories]


# ---- NumPy: arrays are allocated once, and all operations are in place ----


class Numpy:
    def __init__(self, threads):
        pass  # BLAS reads its thread limit from the environment

    def training(self, task, variant):
        return NumpyTraining(task)

    def inference(self, task, variant):
        layers = list(zip(task.net.weights, task.net.biases))
        outputs = [np.empty((task.n, k), "f") for k in task.sizes[1:]]

        def forward(X):
            A = X
            for (W, b), Z in zip(layers, outputs):
                np.add(np.dot(A, W, Z), b, Z)
                A = np.maximum(Z, 0, Z) if Z is not outputs[-1] else Z
            return sigmoid(A, A) if task.binary else softmax(A, A)

        return forward

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        if task.function == "tanh":
            return lambda: np.tanh(z, out)
        if task.function == "sigmoid":
            return lambda: sigmoid(z, out)
        buffer1, buffer2 = aligned(z), aligned(z)
        return lambda: (bce(z, y, out, buffer1, buffer2), out)

    def update(self, task, variant):
        w, m, v = aligned(task.w), aligned(0 * task.w), aligned(0 * task.w)
        buffer1, buffer2, t = aligned(w), aligned(w), 0

        def step():
            nonlocal t
            t += 1
            UPDATE_RULES[task.rule](w, task.g, m, v, t, task.lr, buffer1, buffer2)

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


def bce(z, y, grad, buffer1, buffer2):
    """Return the mean of max(z, 0) - y z + log(1 + exp(-|z|)); grad = (sigmoid(z) - y) / n."""
    np.exp(np.negative(np.abs(z, buffer1), buffer1), buffer1)
    np.log1p(buffer1, buffer1)
    np.add(buffer1, np.maximum(z, 0, buffer2), buffer1)
    np.subtract(buffer1, np.multiply(z, y, buffer2), buffer1)
    np.subtract(sigmoid(z, grad), y, grad)
    np.multiply(grad, 1 / len(z), grad)
    return buffer1.mean()


def cross_entropy(z, y, grad, row_numbers):
    softmax(z, grad)
    loss = -np.log(grad[row_numbers, y]).mean()
    grad[row_numbers, y] -= 1
    np.multiply(grad, 1 / len(z), grad)
    return loss


def sgd(w, g, m, v, t, lr, buffer1, buffer2):
    np.subtract(w, np.multiply(g, lr, buffer1), w)


def momentum(w, g, m, v, t, lr, buffer1, buffer2):
    np.add(np.multiply(m, 0.9, m), g, m)
    np.subtract(w, np.multiply(m, lr, buffer1), w)


def adam(w, g, m, v, t, lr, buffer1, buffer2):
    np.add(np.multiply(m, 0.9, m), np.multiply(g, 0.1, buffer1), m)
    np.multiply(np.multiply(g, g, buffer1), 0.001, buffer1)
    np.add(np.multiply(v, 0.999, v), buffer1, v)
    np.sqrt(np.multiply(v, 1 / (1 - 0.999**t), buffer1), buffer1)
    np.add(buffer1, 1e-8, buffer1)
    np.divide(np.multiply(m, lr / (1 - 0.9**t), buffer2), buffer1, buffer2)
    np.subtract(w, buffer2, w)


UPDATE_RULES = {"sgd": sgd, "momentum": momentum, "adam": adam}


class NumpyTraining:
    def __init__(self, task):
        self.task, self.update, dtype = task, UPDATE_RULES[task.rule], task.net.dtype
        self.W, self.b = [W.copy() for W in task.net.weights], [b.copy() for b in task.net.biases]
        self.arrays = [*self.W, *self.b]
        self.dW, self.db = [np.empty_like(W) for W in self.W], [np.empty_like(b) for b in self.b]
        self.m, self.v, self.buffers1, self.buffers2 = (
            [np.zeros_like(p) for p in self.arrays] for _ in range(4)
        )
        # outputs, gradients and temporaries of each layer
        self.A, self.dZ, self.T = (
            [np.empty((task.batch, k), dtype) for k in task.sizes[1:]] for _ in range(3)
        )
        self.ones = np.ones(task.batch, dtype)
        self.row_numbers = np.arange(task.batch)
        self.column = np.empty((task.batch, 1), dtype)

    def reset(self):
        for p, initial in zip(self.arrays, [*self.task.net.weights, *self.task.net.biases]):
            p[...] = initial
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
                for p, g, m, v, buffer1, buffer2 in zip(
                    self.arrays, [*self.dW, *self.db], self.m, self.v, self.buffers1, self.buffers2
                ):
                    self.update(p, g, m, v, self.t, task.lr, buffer1, buffer2)
            losses.append(total / task.steps)
        return losses

    def loss_and_grad(self, X, y):
        A, W, dZ, relu = X, self.W, self.dZ, self.task.activation == "relu"
        for i, Z in enumerate(self.A):
            np.add(np.dot(A, W[i], Z), self.b[i], Z)
            A = Z
            if i < len(W) - 1:
                np.maximum(Z, 0, Z) if relu else sigmoid(Z, Z)
        if self.task.binary:
            loss = bce(Z, y, dZ[-1], self.T[-1], self.column)
        else:
            loss = cross_entropy(Z, y, dZ[-1], self.row_numbers)
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
        return flatten(zip(self.W, self.b))


# ---- scikit-learn: one `fit` of MLPClassifier over many epochs, from the initial weights ----


class Sklearn:
    block = 0.05  # a call of fit has a fixed cost of about a millisecond

    def __init__(self, threads):
        import sklearn  # noqa: F401 - fail here if it is not installed

        self.threads = threads
        warnings.simplefilter("ignore")  # ConvergenceWarning

    def training(self, task, variant):
        return SklearnTraining(task)

    def many(self, task, networks, variant):
        return SklearnMany(task, networks, self.threads)

    def inference(self, task, variant):
        model = make_classifier(task, batch_size=1)
        classes = np.arange(max(2, task.sizes[-1]))
        model.partial_fit(np.zeros((len(classes), task.sizes[0]), "f"), classes, classes=classes)
        copy_weights(task.net, model)
        return lambda X: model.predict_proba(X)[:, 1:] if task.binary else model.predict_proba(X)


def make_classifier(task, **options):
    from sklearn.neural_network import MLPClassifier

    activation = {"relu": "relu", "sigmoid": "logistic"}[task.activation]
    return MLPClassifier(
        task.sizes[1:-1], activation, alpha=0, shuffle=False, warm_start=True, **options
    )


def copy_weights(net, model):
    sources, targets = [*net.weights, *net.biases], [*model.coefs_, *model.intercepts_]
    for source, target in zip(sources, targets, strict=True):
        target[...] = source


class SklearnTraining:
    # scikit-learn adds epsilon before it corrects the bias of v. In the first step this value
    # equals an epsilon of 1e-8 that is added after the correction.
    epsilon = 1e-8 * (1 - 0.999) ** 0.5

    def __init__(self, task):
        self.task, self.y = task, task.y.ravel().astype(int)
        self.model = make_classifier(
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
        self.model.fit(task.X, self.y)  # allocates the weights

    def reset(self):
        copy_weights(self.task.net, self.model)

    def run(self, epochs):
        # every call of fit creates a new optimizer
        self.model.set_params(max_iter=epochs).fit(self.task.X, self.y)
        return self.model.loss_curve_[-epochs:]

    def params(self):
        return flatten(zip(self.model.coefs_, self.model.intercepts_))


class SklearnMany:
    """One `fit` for each network; with several threads in as many processes of joblib."""

    def __init__(self, task, networks, threads):
        from joblib import Parallel

        self.parallel, self.trainings = Parallel(n_jobs=threads), []
        for i in networks:
            alone, rows = copy.copy(task), task.rows(i)
            alone.net, alone.nets, alone.X, alone.y = task.nets[i], (), task.X[rows], task.y[rows]
            self.trainings.append(SklearnTraining(alone))

    def reset(self):
        for training in self.trainings:
            training.reset()

    def run(self, epochs):
        from joblib import delayed

        results = self.parallel(delayed(fit_sklearn)(t, epochs) for t in self.trainings)
        self.final = [params for _, params in results]
        return [losses for losses, _ in results]

    def params(self):
        return self.final


def fit_sklearn(training, epochs):
    return training.run(epochs), training.params()


# ---- ONNX Runtime: a session of Gemm and activation nodes ----


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
            is_last = i == len(task.sizes) - 2
            activation = "Relu" if not is_last else "Sigmoid" if task.binary else "Softmax"
            nodes += [
                helper.make_node("Gemm", [A, f"W{i}", f"b{i}"], [f"Z{i}"]),
                helper.make_node(activation, [f"Z{i}"], [f"A{i}"]),
            ]
            A = f"A{i}"
        graph_input, graph_output = (
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, k])
            for name, k in (("X", task.sizes[0]), (A, task.sizes[-1]))
        )
        graph = helper.make_graph(nodes, "mlp", [graph_input], [graph_output], arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        session = self.make_session(
            model.SerializeToString(), self.options, providers=["CPUExecutionProvider"]
        )
        return lambda X: session.run(None, {"X": X})[0]
