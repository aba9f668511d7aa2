"""The libraries that `fastnn bench` compares.

Each class takes a network, whose weights it starts from, and rows. `train(epochs)` returns a loss
for each epoch, and `one_row(x)` a function to time.
"""

from importlib import metadata

import numpy as np

from ..optimizers import SGD

LR = 0.01


class Fastnn:
    def __init__(self, net, X, y, batch_size):
        self.net, self.data, self.batch_size = net, (X, y), batch_size

    def train(self, epochs):
        return self.net.fit(
            *self.data, optimizer=SGD(LR), epochs=epochs, batch_size=self.batch_size, shuffle=False
        ).loss

    def predict(self, X):
        return self.net.forward(X)

    def one_row(self, x):
        return lambda: self.net.forward(x)


class Reference(Fastnn):
    def __init__(self, net, X, y, batch_size):
        from .. import reference

        super().__init__(net, X, y, batch_size)
        self.reference = reference
        weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
        self.network = weights, biases, net.activations

    def train(self, epochs):
        loss = "bce" if self.net.activations[-1] == "sigmoid" else "cross_entropy"
        return self.reference.fit(
            *self.data, *self.network, loss, lr=LR, epochs=epochs, batch_size=self.batch_size
        )

    def predict(self, X):
        return self.reference.forward(X, *self.network)

    def one_row(self, x):
        return lambda: self.reference.forward(x, *self.network)


class Sklearn(Fastnn):
    def __init__(self, net, X, y, batch_size):
        from sklearn.neural_network import MLPClassifier

        super().__init__(net, X, y, batch_size)
        self.model = MLPClassifier(
            net.layer_sizes[1:-1],
            solver="sgd",
            alpha=0,
            batch_size=batch_size,
            learning_rate_init=LR,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.classes = np.arange(max(2, net.layer_sizes[-1]))
        # The first call creates the parameter arrays.
        self.model.partial_fit(X[:batch_size], y[:batch_size], classes=self.classes)
        parameters = [*self.model.coefs_, *self.model.intercepts_]
        for parameter, value in zip(parameters, [*net.weights, *net.biases], strict=True):
            parameter[...] = value

    def train(self, epochs):
        return [self.model.partial_fit(*self.data).loss_ for _ in range(epochs)]

    def predict(self, X):
        p = self.model.predict_proba(X)
        return p[:, 1:] if len(self.classes) == 2 else p

    def one_row(self, x):
        return lambda: self.model.predict_proba(x)


class Torch(Fastnn):
    def __init__(self, net, X, y, batch_size):
        import torch

        super().__init__(net, X, y, batch_size)
        torch.set_num_threads(1)
        self.torch, layers = torch, []
        for W, b in zip(net.weights, net.biases):
            layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
            with torch.no_grad():
                layers[-2].weight.copy_(torch.from_numpy(W.T.copy()))
                layers[-2].bias.copy_(torch.from_numpy(b.copy()))
        binary = net.layer_sizes[-1] == 1
        self.model = torch.nn.Sequential(*layers[:-1])
        self.output = torch.sigmoid if binary else lambda z: torch.softmax(z, 1)
        self.loss = torch.nn.BCEWithLogitsLoss() if binary else torch.nn.CrossEntropyLoss()
        self.X, self.y = (
            torch.from_numpy(X),
            torch.from_numpy(y.astype("f")[:, None] if binary else y),
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)

    def train(self, epochs):
        losses = []
        for _ in range(epochs):
            total = self.torch.zeros(())
            for start in range(0, len(self.X), self.batch_size):
                batch = slice(start, start + self.batch_size)
                self.optimizer.zero_grad()
                loss = self.loss(self.model(self.X[batch]), self.y[batch])
                loss.backward()
                self.optimizer.step()
                total += loss.detach()
            losses.append(total.item() * self.batch_size / len(self.X))
        return losses

    def predict(self, X):
        with self.torch.inference_mode():
            return self.output(self.model(self.torch.from_numpy(X))).numpy()

    def one_row(self, x):
        x, inference_mode = self.torch.from_numpy(x), self.torch.inference_mode

        def predict_one():
            with inference_mode():
                return self.output(self.model(x))

        return predict_one


LIBRARIES = {
    "fastnn": Fastnn,
    "reference": Reference,
    "scikit-learn": Sklearn,
    "PyTorch": Torch,
}
PACKAGES = {"scikit-learn": "scikit-learn", "PyTorch": "torch"}


def find_installed():
    """Return {library: class} of the installed libraries, and {library: version} without fastnn."""
    classes, versions = dict(LIBRARIES), {"reference": f"NumPy {np.__version__}"}
    for name in [name for name in LIBRARIES if name in PACKAGES]:
        try:
            versions[name] = metadata.version(PACKAGES[name])
        except metadata.PackageNotFoundError:
            del classes[name]
    return classes, versions
