"""JAX in bench/compare.py: one compiled step, called for every batch; and many epochs in one compiled call, scans over the batches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from .contestants import MOST
from .rows import flat


class JaxScan:
    """Training only: the rest is `JaxStep`'s."""

    def __init__(self, threads):
        pass  # XLA has been told by the environment

    def training(self, task, variant):
        return ScanTraining(task)


class JaxStep(JaxScan):
    def training(self, task, variant):
        return StepTraining(task)

    def inference(self, task, variant):
        output = jax.nn.sigmoid if task.binary else jax.nn.softmax
        function = jax.jit(lambda params, X: output(logits(task, params, X)))
        params = first_params(task)
        return lambda X: np.asarray(function(params, X))

    def elementwise(self, task, variant):
        z, y = jnp.array(task.z), jnp.array(task.y)
        if task.function == "bce":
            function = jax.jit(jax.value_and_grad(bce))
            return lambda: tuple(map(np.asarray, function(z, y)))
        function = jax.jit({"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}[task.function])
        return lambda: np.asarray(function(z))

    def update(self, task, variant):
        change, g = jax.jit(functools.partial(updated, task.rule, task.lr), donate_argnums=0), jnp.array(task.g)
        state = first_state(jnp.array(task.w), task.rule)

        def step():
            nonlocal state
            state = change(state, g)
            state[0].block_until_ready()

        return step, lambda: np.asarray(state[0])


# ---- the mathematics ----


def first_params(task):
    return [(jnp.array(W), jnp.array(b)) for W, b in zip(task.net.weights, task.net.biases)]


def logits(task, params, X):
    activation = jax.nn.relu if task.activation == "relu" else jax.nn.sigmoid
    for W, b in params[:-1]:
        X = activation(X @ W + b)
    W, b = params[-1]
    return X @ W + b


def bce(z, y):
    return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))


def cross_entropy(z, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))


def first_state(params, rule):
    """(parameters, m, v, steps)"""

    def zeros(needed):
        return jax.tree.map(jnp.zeros_like, params) if needed else ()

    return params, zeros(rule != "sgd"), zeros(rule == "adam"), jnp.zeros((), jnp.int32)


def updated(rule, lr, state, grads):
    params, m, v, t = state
    t = t + 1
    if rule == "sgd":
        return jax.tree.map(lambda p, g: p - lr * g, params, grads), m, v, t
    if rule == "momentum":
        m = jax.tree.map(lambda m, g: 0.9 * m + g, m, grads)
        return jax.tree.map(lambda p, m: p - lr * m, params, m), m, v, t
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    a, b = lr / (1 - 0.9**t), 1 / (1 - 0.999**t)
    return jax.tree.map(lambda p, m, v: p - a * m / (jnp.sqrt(b * v) + 1e-8), params, m, v), m, v, t


# ---- training ----


class StepTraining:
    def __init__(self, task):
        self.task = task
        self.prepare()

    def step(self, state, x, y):
        task, loss_of = self.task, bce if self.task.binary else cross_entropy
        loss, grads = jax.value_and_grad(lambda params: loss_of(logits(task, params, x), y))(state[0])
        return updated(task.optimizer, task.lr, state, grads), loss

    def prepare(self):
        task = self.task

        def step(state, total, x, y):
            state, loss = self.step(state, x, y)
            return state, total + loss

        self.compiled = jax.jit(step, donate_argnums=(0, 1))
        starts = range(0, task.n, task.batch)
        self.batches = [(jnp.array(task.X[i : i + task.batch]), jnp.array(task.y[i : i + task.batch])) for i in starts]

    def begin(self):
        self.state = jax.block_until_ready(first_state(first_params(self.task), self.task.optimizer))

    def run(self, epochs):
        """The losses are read after the last step, so that nobody waits for one."""
        state, compiled, losses = self.state, self.compiled, []
        for _ in range(epochs):
            total = jnp.zeros(())
            for x, y in self.batches:
                state, total = compiled(state, total, x, y)
            losses.append(total)
        self.state = state
        return [float(total) / self.task.steps for total in losses]

    def params(self):
        return flat(self.state[0])


class ScanTraining(StepTraining):
    def prepare(self):
        task = self.task
        self.most = MOST if task.steps == 1 else 4096
        batches = [jnp.array(a.reshape(task.steps, task.batch, *a.shape[1:])) for a in (task.X, task.y)]

        def run(state, X, y, epochs):
            def epoch(i, carry):
                state, losses = carry
                if task.steps == 1:
                    state, loss = self.step(state, X[0], y[0])
                else:
                    state, losses_of_steps = jax.lax.scan(lambda state, batch: self.step(state, *batch), state, (X, y))
                    loss = losses_of_steps.mean()
                return state, losses.at[i].set(loss)

            return jax.lax.fori_loop(0, epochs, epoch, (state, jnp.zeros(self.most)))

        compiled = jax.jit(run, donate_argnums=0)
        self.compiled = lambda state, epochs: compiled(state, *batches, epochs)

    def run(self, epochs):
        losses = []
        while len(losses) < epochs:
            n = min(epochs - len(losses), self.most)
            self.state, some = self.compiled(self.state, n)
            losses += np.asarray(some)[:n].tolist()
        return losses
