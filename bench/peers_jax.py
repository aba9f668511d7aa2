"""JAX, as a compiled step that is called for every batch, and as a compiled scan over many epochs.

The steps of plain SGD and Adam are written out. A step with an option uses Optax. Where Optax
defines an option differently from PyTorch and fastnn, its arguments are chosen so that the
results are the same.
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from peers import MAX_BLOCK
from tasks import custom_loss, flatten, row_weights


class JaxScan:
    """Training only. `JaxStep` has the other kinds of tasks."""

    variants = dict.fromkeys(("many",), ("all at once", "groups")) | dict.fromkeys(
        ("derivative",), ("forward", "forward, blocks", "reverse", "reverse, blocks")
    )

    def __init__(self, threads):
        self.threads = threads  # of groups of networks; XLA reads its limit from the environment

    def training(self, task, variant):
        return ScanTraining(task)

    def many(self, task, networks, variant):
        return VmapTraining(task, networks, variant, self.threads)


class JaxStep(JaxScan):
    def training(self, task, variant):
        return StepTraining(task)

    def inference(self, task, variant):
        output = jax.nn.sigmoid if task.binary else jax.nn.softmax
        function = jax.jit(lambda params, X: output(logits(task, params, X)))
        params = initial_params(task)
        return lambda X: np.asarray(function(params, X))

    def derivative(self, task, variant):
        jax.config.update("jax_enable_x64", True)  # without it float64 becomes float32
        mode, _, blocks = variant.partition(", ")
        if blocks and task.n == 1:
            return None
        activation, params = getattr(jax.nn, task.activation), initial_params(task)

        def outputs(params, x):
            for W, b in params[:-1]:
                x = activation(x @ W + b)
            W, b = params[-1]
            return x @ W + b

        inner = jax.jacfwd if mode == "forward" else jax.jacrev
        function = inner(outputs, 1)
        if task.method == "hessian":
            function = jax.jacfwd(function, 1)
        if blocks:
            rows = functools.partial(in_blocks, function)
        else:
            rows = jax.vmap(function, (None, 0))
        compiled = jax.jit(rows)
        return lambda X: np.asarray(compiled(params, X))

    def elementwise(self, task, variant):
        z, y = jnp.array(task.z), jnp.array(task.y)
        if task.function == "bce":
            function = jax.jit(jax.value_and_grad(bce))
            return lambda: tuple(map(np.asarray, function(z, y)))
        function = jax.jit({"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}[task.function])
        return lambda: np.asarray(function(z))

    def update(self, task, variant):
        update = functools.partial(apply_update, task.rule, task.lr)
        update, g = jax.jit(update, donate_argnums=0), jnp.array(task.g)
        state = initial_state(jnp.array(task.w), task.rule)

        def step():
            nonlocal state
            state = update(state, g)
            state[0].block_until_ready()

        return step, lambda: np.asarray(state[0])


# ---- forward pass, losses and updates ----


def initial_params(task):
    return [(jnp.array(W), jnp.array(b)) for W, b in zip(task.net.weights, task.net.biases)]


def in_blocks(function, params, X):
    return jax.lax.map(functools.partial(function, params), X, batch_size=256)


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


def initial_state(params, rule):
    """Return (parameters, m, v, number of steps). A moment that the rule does not use is ()."""

    def zeros_if(used):
        return jax.tree.map(jnp.zeros_like, params) if used else ()

    return params, zeros_if(rule != "sgd"), zeros_if(rule == "adam"), jnp.zeros((), jnp.int32)


def apply_update(rule, lr, state, grads):
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


# ---- training steps ----
#
# Each function returns three functions: initial(params) -> state, step(state, batch) ->
# (state, loss), and params(state).


def make_plain_step(task):
    loss_of = bce if task.binary else cross_entropy

    def step(state, batch):
        x, y = batch
        loss, grads = jax.value_and_grad(lambda params: loss_of(logits(task, params, x), y))(
            state[0]
        )
        return apply_update(task.rule, task.lr, state, grads), loss

    return lambda params: initial_state(params, task.rule), step, lambda state: state[0]


def make_option_step(task):
    import optax

    option, settings = task.option, task.option.optimizer
    optimizer = make_optimizer(optax, settings, task.steps)
    loss_of = loss_function(optax, option)

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

    def initial(params):
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

    return initial, step, lambda state: state["params" if settings.average is None else "average"]


def make_optimizer(optax, settings, n_batches):
    """Return the Optax optimizer with the settings of a fastnn optimizer.

    Penalties, clipping and weight decay come in fastnn's order.
    """
    b1, b2 = getattr(settings, "betas", (0, 0))
    lr, name, transforms = settings.lr, type(settings).__name__, []
    if hasattr(lr, "duration"):
        lr = optax.warmup_cosine_decay_schedule(
            lr.lr / (lr.warmup + 1), lr.lr, lr.warmup, lr.duration
        )
    elif hasattr(lr, "every"):
        lr = optax.exponential_decay(lr.lr, lr.every * n_batches, lr.factor, staircase=True)
    rules = {
        "SGD": lambda: optax.sgd(lr, settings.momentum or None, settings.nesterov),
        # fastnn adds its eps of 1e-10 outside the square root
        "Adagrad": lambda: optax.adagrad(lr, initial_accumulator_value=0.0, eps=0.0),
        "Adadelta": lambda: optax.adadelta(lr, settings.rho, settings.eps),
        "RMSprop": lambda: optax.rmsprop(lr, settings.alpha, settings.eps, eps_in_sqrt=False),
        "Adam": lambda: optax.adam(lr, b1, b2, settings.eps),
        # Optax corrects the bias of v and then takes the maximum. PyTorch and fastnn correct the
        # bias of the maximum. Here the learning rate contains the correction.
        "AMSGrad": lambda: optax.amsgrad(
            lambda t: lr * jnp.sqrt(1 - b2 ** (t + 1)),
            b1,
            b2,
            settings.eps,
            bias_correction_nu=False,
        ),
        "AdamW": lambda: optax.adamw(lr, b1, b2, settings.eps, weight_decay=settings.weight_decay),
        "Adamax": lambda: optax.adamax(lr, b1, b2, settings.eps),
        # Optax has no momentum_decay. tasks.make_options disables fastnn's.
        "NAdam": lambda: optax.nadam(lr, b1, b2, settings.eps),
    }
    if settings.l2:  # weights only, not biases
        transforms.append(
            optax.add_decayed_weights(
                settings.l2, mask=lambda params: [(True, False)] * len(params)
            )
        )
    if settings.clip_value is not None:
        transforms.append(optax.clip(settings.clip_value))
    if settings.clip_norm is not None:
        transforms.append(optax.clip_by_global_norm(settings.clip_norm))
    if settings.weight_decay and name != "AdamW":
        transforms.append(optax.add_decayed_weights(settings.weight_decay))
    if getattr(settings, "amsgrad", False):
        name = "AMSGrad"
    return optax.chain(*transforms, rules[name]())


def loss_function(optax, option):
    """Return loss(z, y), or loss(z, y, weights)."""
    if option.loss is custom_loss:

        def custom(z, y):
            p = jnp.clip(jax.nn.sigmoid(z), 1e-6, 1 - 1e-6)
            return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

        return custom
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
        make_step = make_option_step if task.name else make_plain_step
        self.initial, self.step, self.params_of = make_step(task)
        y, weights = task.y, row_weights(option, task.y)
        if option.label_smoothing:  # not in Optax's binary loss: smooth the targets once
            y = ((1 - option.label_smoothing) * y + option.label_smoothing / 2).astype(y.dtype)
        rows = [task.X, y] if weights is None else [task.X, y, weights[:, np.newaxis]]
        self.compile([a.reshape(task.steps, task.batch, *a.shape[1:]) for a in rows])

    def compile(self, rows):
        def step(state, total, batch):
            state, loss = self.step(state, batch)
            return state, total + loss

        self.compiled = jax.jit(step, donate_argnums=(0, 1))
        self.batches = [tuple(map(jnp.array, batch)) for batch in zip(*rows)]

    def reset(self):
        self.state = jax.block_until_ready(self.initial(initial_params(self.task)))

    def run(self, epochs):
        # Reading a loss waits for its step, so all losses are read after the last step.
        state, compiled, losses = self.state, self.compiled, []
        for _ in range(epochs):
            total = jnp.zeros(())
            for batch in self.batches:
                state, total = compiled(state, total, batch)
            losses.append(total)
        self.state = state
        return [float(total) / self.task.steps for total in losses]

    def params(self):
        return flatten(self.params_of(self.state))


class ScanTraining(StepTraining):
    def compile(self, rows):
        task, batches = self.task, tuple(map(jnp.array, rows))
        self.max_epochs = MAX_BLOCK if task.steps == 1 else 4096

        def run(state, batches, epochs):
            def epoch(i, carry):
                state, losses = carry
                if task.steps == 1:
                    state, loss = self.step(state, tuple(a[0] for a in batches))
                else:
                    state, losses_of_steps = jax.lax.scan(self.step, state, batches)
                    loss = losses_of_steps.mean()
                return state, losses.at[i].set(loss)

            return jax.lax.fori_loop(0, epochs, epoch, (state, jnp.zeros(self.max_epochs)))

        compiled = jax.jit(run, donate_argnums=0)
        self.compiled = lambda state, epochs: compiled(state, batches, epochs)

    def run(self, epochs):
        losses = []
        while len(losses) < epochs:
            n = min(epochs - len(losses), self.max_epochs)
            self.state, new_losses = self.compiled(self.state, n)
            losses += np.asarray(new_losses)[:n].tolist()
        return losses


class VmapTraining:
    """jax.vmap of the training of one network, whose epochs are scans over its batches.

    `variant` trains all networks at once, or groups whose parameters fit in the caches. XLA runs
    the operations of small networks on one thread, so that with several threads each trains groups.
    """

    group = 100

    def __init__(self, task, networks, variant, threads):
        _, step, _ = make_plain_step(task)
        n_full = task.n - task.n % task.batch

        def train(params, batches, rest, epochs):
            def epoch(i, carry):
                state, losses = carry
                state, losses_of_steps = jax.lax.scan(step, state, batches)
                total = task.batch * losses_of_steps.sum()
                if task.n > n_full:
                    state, loss = step(state, rest)
                    total += (task.n - n_full) * loss
                return state, losses.at[i].set(total / task.n)

            carry = initial_state(params, task.rule), jnp.zeros(task.epochs)
            (params, *_), losses = jax.lax.fori_loop(0, epochs, epoch, carry)
            return params, losses

        rows_axis = 0 if task.own_rows else None
        self.compiled = jax.jit(jax.vmap(train, in_axes=(0, rows_axis, rows_axis, None)))
        self.groups, self.pool = [], ThreadPoolExecutor(threads)
        size = len(networks) if variant == "all at once" else self.group
        for start in range(0, len(networks), size):
            group = networks[start : start + size]
            layers = zip(*(zip(task.nets[i].weights, task.nets[i].biases) for i in group))
            params = [tuple(map(np.stack, zip(*layer))) for layer in layers]
            lead = (len(group),) if task.own_rows else ()
            data = [
                a[task.rows(group[0]).start : task.rows(group[-1]).stop] for a in (task.X, task.y)
            ]
            data = [a.reshape(*lead, task.n, a.shape[1]) for a in data]
            batches = tuple(
                jnp.array(a[..., :n_full, :].reshape(*lead, -1, task.batch, a.shape[-1]))
                for a in data
            )
            rest = tuple(jnp.array(a[..., n_full:, :]) for a in data)
            self.groups.append((params, batches, rest))

    def reset(self):
        pass

    def run(self, epochs):
        def run_group(group):
            initial, batches, rest = group
            params = [(jnp.array(W), jnp.array(b)) for W, b in initial]
            params, losses = self.compiled(params, batches, rest, epochs)
            return [(np.asarray(W), np.asarray(b)) for W, b in params], np.asarray(losses)

        params, losses = zip(*self.pool.map(run_group, self.groups))
        self.final = [tuple(map(np.concatenate, zip(*layer))) for layer in zip(*params)]
        return np.concatenate(losses)[:, :epochs]

    def params(self):
        k = len(self.final[0][0])
        return [flatten((W[i], b[i]) for W, b in self.final) for i in range(k)]
