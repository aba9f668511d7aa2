"""scikit-learn's MLPClassifier in bench/compare.py: `fit` of as many epochs, going on from weights that are put there (warm_start)."""

import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

from .rows import flat


class Sklearn:
    block = 0.05  # a fit costs a millisecond before it begins

    def __init__(self, threads):
        warnings.simplefilter("ignore")  # that it has not converged

    def training(self, task, variant):
        return Training(task)

    def inference(self, task, variant):
        model = classifier(task, batch_size=1)
        classes = np.arange(max(2, task.sizes[-1]))
        model.partial_fit(np.zeros((len(classes), task.sizes[0]), "f"), classes, classes=classes)
        put(task.net, model)
        return lambda X: model.predict_proba(X)[:, 1:] if task.binary else model.predict_proba(X)


def classifier(task, **options):
    activation = {"relu": "relu", "sigmoid": "logistic"}[task.activation]
    return MLPClassifier(task.sizes[1:-1], activation, alpha=0, shuffle=False, warm_start=True, **options)


def put(net, model):
    for own, its in zip([*net.weights, *net.biases], [*model.coefs_, *model.intercepts_], strict=True):
        its[...] = own


class Training:
    def __init__(self, task):
        self.task, self.y = task, task.y.ravel().astype(int)
        self.model = classifier(task, batch_size=task.batch, solver=task.optimizer, learning_rate_init=task.lr, momentum=0,
                                nesterovs_momentum=False, tol=0, n_iter_no_change=1 << 40, max_iter=1)  # fmt: skip
        self.model.fit(task.X, self.y)  # makes its arrays

    def begin(self):
        put(self.task.net, self.model)

    def run(self, epochs):
        """Its optimizer begins anew with every fit."""
        return self.model.set_params(max_iter=epochs).fit(self.task.X, self.y).loss_curve_[-epochs:]

    def params(self):
        return flat(zip(self.model.coefs_, self.model.intercepts_))
