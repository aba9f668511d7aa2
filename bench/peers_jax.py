"""JAX in compare.py and options.py: one compiled step, called for every batch; and many epochs in
one compiled call, scans over batches.

Plain SGD and Adam are written out. With an option on, a step is what users of Optax write; where
Optax's definition differs from PyTorch's and fastnn's, arguments make them one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from option_list import custom_loss, flat, weights_of_rows
from peers import MOST


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
        change, g = (
            jax.jit(functools.partial(updated, task.rule, task.lr), donate_argnums=0),
            jnp.array(task.g),
        )
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


# ---- a step: first(params) -> state, step(state, batch) -> (state, loss), params(state) ----


def plain(task):
    loss_of = bce if task.binary else cross_entropy

    def step(state, batch):
        x, y = batch
        loss, grads = jax.value_and_grad(lambda params: loss_of(logits(task, params, x), y))(
            state[0]
        )
        return updated(task.rule, task.lr, state, grads), loss

    return lambda params: first_state(params, task.rule), step, lambda state: state[0]


def with_option(task):
    import optax

    option, settings = task.option, task.option.optimizer
    optimizer, loss_of = transformation(optax, settings, task.steps), loss_function(optax, option)

    def objective(params, keys, x, *rest):
        for i, (W, b) in enumerate(params[:-1]):
            x = jax.nn.relu(x @ W + b)
            if option.dropout:
                x = jnp.where(
                    jax.random.bernoulli(keys[i], 1 - option.dropout, x.shape),
                    x / (1 - option.dropout),
                    0.0,
                )
        W, b = params[-1]
        loss = loss_of(x @ W + b, *rest)
        penalty = settings.l1 * sum(jnp.abs(W).sum() for W, _ in params) if settings.l1 else 0.0
        return loss + penalty, loss

    def first(params):
        state = dict(params=params, optimizer=optimizer.init(params))
        if option.dropout:
            state["key"] = jax.random.key(0)
        if settings.average is not None:
            state["average"] = jax.tree.map(jnp.copy, params)
        return state

    def step(state, batch):
        state, keys = dict(state), None
        if option.dropout:
            state["key"], *keys = jax.random.split(state["key"], len(state["params"]))
        gradient, loss = jax.grad(objective, has_aux=True)(state["params"], keys, *batch)
        updates, state["optimizer"] = optimizer.update(
            gradient, state["optimizer"], state["params"]
        )
        state["params"] = optax.apply_updates(state["params"], updates)
        if settings.average is not None:
            state["average"] = optax.incremental_update(
                state["params"], state["average"], 1 - settings.average
            )
        return state, loss

    return first, step, lambda state: state["params" if settings.average is None else "average"]


def transformation(optax, o, n_batches):
    """Return what makes the gradient the update, in fastnn's order."""
    (b1, b2), lr, name, links = getattr(o, "betas", (0, 0)), o.lr, type(o).__name__, []
    if hasattr(lr, "duration"):
        lr = optax.warmup_cosine_decay_schedule(
            lr.lr / (lr.warmup + 1), lr.lr, lr.warmup, lr.duration
        )
    elif hasattr(lr, "every"):
        lr = optax.exponential_decay(lr.lr, lr.every * n_batches, lr.factor, staircase=True)
    rules = {
        "SGD": lambda: optax.sgd(lr, o.momentum or None, o.nesterov),
        "Adagrad": lambda: optax.adagrad(
            lr, initial_accumulator_value=0.0, eps=0.0
        ),  # fastnn's eps of 1e-10 is outside of the root
        "Adadelta": lambda: optax.adadelta(lr, o.rho, o.eps),
        "RMSprop": lambda: optax.rmsprop(lr, o.alpha, o.eps, eps_in_sqrt=False),
        "Adam": lambda: optax.adam(lr, b1, b2, o.eps),
        # Optax corrects the bias of v before the maximum, PyTorch and fastnn that of the maximum:
        # here the rate does it.
        "AMSGrad": lambda: optax.amsgrad(
            lambda t: lr * jnp.sqrt(1 - b2 ** (t + 1)), b1, b2, o.eps, bias_correction_nu=False
        ),
        "AdamW": lambda: optax.adamw(lr, b1, b2, o.eps, weight_decay=o.weight_decay),
        "Adamax": lambda: optax.adamax(lr, b1, b2, o.eps),
        "NAdam": lambda: optax.nadam(
            lr, b1, b2, o.eps
        ),  # without PyTorch's momentum_decay; option_list.py switches it off
    }
    if o.l2:
        links.append(
            optax.add_decayed_weights(o.l2, mask=lambda params: [(True, False)] * len(params))
        )  # not on biases
    if o.clip_value is not None:
        links.append(optax.clip(o.clip_value))
    if o.clip_norm is not None:
        links.append(optax.clip_by_global_norm(o.clip_norm))
    if o.weight_decay and name != "AdamW":
        links.append(optax.add_decayed_weights(o.weight_decay))
    return optax.chain(*links, rules["AMSGrad" if getattr(o, "amsgrad", False) else name]())


def loss_function(optax, option):
    """Return loss(z, y), or loss(z, y, weights)."""
    if option.loss is custom_loss:

        def own(z, y):
            p = jnp.clip(jax.nn.sigmoid(z), 1e-6, 1 - 1e-6)
            return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

        return own
    bce = optax.sigmoid_binary_cross_entropy
    if option.sample_weight or option.class_weight:
        return lambda z, y, w: jnp.sum(w * bce(z, y)) / jnp.sum(w)
    if option.pos_weight is not None:
        p = option.pos_weight
        return lambda z, y: jnp.mean(p * y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z))
    return lambda z, y: jnp.mean(bce(z, y))


# ---- training ----


class StepTraining:
    def __init__(self, task):
        self.task, option = task, task.option
        self.first, self.step, self.params_of = (with_option if task.name else plain)(task)
        y, weights = task.y, weights_of_rows(option, task.y)
        if option.label_smoothing:  # its binary loss has none: the targets are smoothed once
            y = ((1 - option.label_smoothing) * y + option.label_smoothing / 2).astype(y.dtype)
        rows = [task.X, y] if weights is None else [task.X, y, weights[:, np.newaxis]]
        self.prepare([a.reshape(task.steps, task.batch, *a.shape[1:]) for a in rows])

    def prepare(self, rows):
        def step(state, total, batch):
            state, loss = self.step(state, batch)
            return state, total + loss

        self.compiled = jax.jit(step, donate_argnums=(0, 1))
        self.batches = [tuple(map(jnp.array, batch)) for batch in zip(*rows)]

    def begin(self):
        self.state = jax.block_until_ready(self.first(first_params(self.task)))

    def run(self, epochs):
        """The losses are read after the last step, so that nobody waits for one."""
        state, compiled, losses = self.state, self.compiled, []
        for _ in range(epochs):
            total = jnp.zeros(())
            for batch in self.batches:
                state, total = compiled(state, total, batch)
            losses.append(total)
        self.state = state
        return [float(total) / self.task.steps for total in losses]

    def params(self):
        return flat(self.params_of(self.state))


class ScanTraining(StepTraining):
    def prepare(self, rows):
        task, batches = self.task, tuple(map(jnp.array, rows))
        self.most = MOST if task.steps == 1 else 4096

        def run(state, batches, epochs):
            def epoch(i, carry):
                state, losses = carry
                if task.steps == 1:
                    state, loss = self.step(state, tuple(a[0] for a in batches))
                else:
                    state, losses_of_steps = jax.lax.scan(self.step, state, batches)
                    loss = losses_of_steps.mean()
                return state, losses.at[i].set(loss)

            return jax.lax.fori_loop(0, epochs, epoch, (state, jnp.zeros(self.most)))

        compiled = jax.jit(run, donate_argnums=0)
        self.compiled = lambda state, epochs: compiled(state, batches, epochs)

    def run(self, epochs):
        losses = []
        while len(losses) < epochs:
            n = min(epochs - len(losses), self.most)
            self.state, some = self.compiled(self.state, n)
            losses += np.asarray(some)[:n].tolist()
        return losses
