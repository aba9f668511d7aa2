"""A step of training in JAX and Optax with an option on, as its users write it: a state that moves, and step(state, batch).

Where Optax's definition differs from PyTorch's and fastnn's, arguments make them one. Used by trainings.py.
"""

import jax
import jax.numpy as jnp
import optax

from fastnn.losses import BCE


def rate(lr, n_batches):
    if hasattr(lr, "duration"):
        return optax.warmup_cosine_decay_schedule(lr.lr / (lr.warmup + 1), lr.lr, lr.warmup, lr.duration)
    if hasattr(lr, "every"):
        return optax.exponential_decay(lr.lr, lr.every * n_batches, lr.factor, staircase=True)
    return lr


def adam(lr, o):
    b1, b2 = o.betas
    if not o.amsgrad:
        return optax.adam(lr, b1, b2, o.eps)
    # Optax corrects the bias of v before the maximum, PyTorch and fastnn that of the maximum: here the rate does it.
    return optax.amsgrad(lambda t: lr * jnp.sqrt(1 - b2 ** (t + 1)), b1, b2, o.eps, bias_correction_nu=False)


RULES = {
    "SGD": lambda lr, o: optax.sgd(lr, o.momentum or None, o.nesterov),
    "Adagrad": lambda lr, o: optax.adagrad(lr, initial_accumulator_value=0.0, eps=0.0),  # fastnn's eps of 1e-10 is outside of the root
    "Adadelta": lambda lr, o: optax.adadelta(lr, o.rho, o.eps),
    "RMSprop": lambda lr, o: optax.rmsprop(lr, o.alpha, o.eps, eps_in_sqrt=False),
    "Adam": adam,
    "AdamW": lambda lr, o: optax.adamw(lr, *o.betas, o.eps, weight_decay=o.weight_decay),
    "Adamax": lambda lr, o: optax.adamax(lr, *o.betas, o.eps),
    "NAdam": lambda lr, o: optax.nadam(lr, *o.betas, o.eps),  # without PyTorch's momentum_decay; option_list.py switches it off
}


def transformation(o, n_batches):
    """From the gradient to the update, in fastnn's order."""
    links = []
    if o.l2:
        links.append(optax.add_decayed_weights(o.l2, mask=lambda params: [(True, False)] * len(params)))  # not on biases
    if o.clip_value is not None:
        links.append(optax.clip(o.clip_value))
    if o.clip_norm is not None:
        links.append(optax.clip_by_global_norm(o.clip_norm))
    name = type(o).__name__
    if o.weight_decay and name != "AdamW":
        links.append(optax.add_decayed_weights(o.weight_decay))
    return optax.chain(*links, RULES[name](rate(o.lr, n_batches), o))


def loss_function(option):
    """loss(z, y) or loss(z, y, weights)"""
    if not isinstance(option.loss, BCE):

        def own(z, y):
            p = jnp.clip(jax.nn.sigmoid(z), 1e-6, 1 - 1e-6)
            return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

        return own
    bce = optax.sigmoid_binary_cross_entropy
    if option.sample_weight or option.class_weight:
        return lambda z, y, w: jnp.sum(w * bce(z, y)) / jnp.sum(w)
    if option.loss.pos_weight is not None:
        p = option.loss.pos_weight
        return lambda z, y: jnp.mean(p * y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z))
    return lambda z, y: jnp.mean(bce(z, y))


def build(option, n_batches):
    """first(params) -> state, and step(state, batch) -> (state, loss)"""
    settings, loss_of = option.optimizer, loss_function(option)
    optimizer = transformation(settings, n_batches)

    def objective(params, keys, x, *rest):
        for i, (W, b) in enumerate(params[:-1]):
            x = jax.nn.relu(x @ W + b)
            if option.dropout:
                x = jnp.where(jax.random.bernoulli(keys[i], 1 - option.dropout, x.shape), x / (1 - option.dropout), 0.0)
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
        updates, state["optimizer"] = optimizer.update(gradient, state["optimizer"], state["params"])
        state["params"] = optax.apply_updates(state["params"], updates)
        if settings.average is not None:
            state["average"] = optax.incremental_update(state["params"], state["average"], 1 - settings.average)
        return state, loss

    return first, step
