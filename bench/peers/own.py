"""fastnn in bench/compare.py."""

import fastnn
from fastnn import functional as F

from .rows import aligned


class Fastnn:
    def __init__(self, threads):
        self.threads = threads
        if threads > 1:
            self.block = 50e-3  # a call starts its threads anew

    def training(self, task, variant):
        return Training(task, self.threads)

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


class Training:
    def __init__(self, task, threads):
        self.task, self.threads, self.net = task, threads, task.net.copy()
        self.optimizer = {"sgd": fastnn.SGD, "adam": fastnn.Adam}[task.optimizer](task.lr)

    def begin(self):
        self.net.params, self.net.state = self.task.net.params, None

    def run(self, epochs):
        task = self.task
        history = self.net.fit(task.X, task.y, optimizer=self.optimizer, epochs=epochs, batch_size=task.batch, shuffle=False,
                               n_threads=self.threads)  # fmt: skip
        return history.loss

    def params(self):
        return self.net.params
