"""One training with an option on, by fastnn, PyTorch (eager) and JAX with Optax: for race.py.

Each is Training(net, option, X, y, batch, threads, ...) with begin(), back to the weights of `net`; run(epochs), which gives their
losses; and params(), in fastnn's order. PyTorch's optimizers are given fastnn's settings as they are, for their definitions are one.
"""

import math

import numpy as np
import option_list

from fastnn.losses import BCE

NOT_PYTORCHS = ("lr", "l1", "l2", "clip_value", "clip_norm", "average")  # settings that its optimizers don't take


class FastnnTraining:
    variants = ("",)

    def __init__(self, net, option, X, y, batch, threads, variant=""):
        self.net, self.start, self.work = net.copy(), net.params.copy(), (option, X, y)
        self.net.dropout = option.dropout
        self.batch, self.threads = batch, threads

    def begin(self):
        self.net.params, self.net.state = self.start, None
        self.net.rng = np.random.default_rng(0)  # the same dropout again

    def run(self, epochs):
        return option_list.fit(self.net, *self.work, epochs, self.batch, self.threads)

    def params(self):
        return self.net.params.copy()


class TorchTraining:
    """What its users write; `variant` is how the optimizer goes over the parameters."""

    variants = ("loop", "foreach", "fused")

    def __init__(self, net, option, X, y, batch, threads, variant="loop"):
        import torch

        torch.set_num_threads(threads)
        self.option, self.variant = option, variant
        layers = []
        for i, W in enumerate(net.weights):
            layers.append(torch.nn.Linear(*W.shape))
            if i < len(net.weights) - 1:
                layers.append(torch.nn.ReLU())
                if option.dropout:
                    layers.append(torch.nn.Dropout(option.dropout))
        self.model = torch.nn.Sequential(*layers)
        self.linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
        self.start = [torch.from_numpy(a.copy()) for W, b in zip(net.weights, net.biases) for a in (W.T, b)]
        y, weights = targets(option, y), option_list.weights_of_rows(option, y)
        rows = [X, y] if weights is None else [X, y, weights[:, np.newaxis]]
        self.batches = list(zip(*(torch.from_numpy(a).split(batch) for a in rows)))
        self.loss = self.loss_function(torch)
        self.begin()

    def loss_function(self, torch):
        if not isinstance(self.option.loss, BCE):

            def own(z, y):
                p = torch.sigmoid(z).clamp(1e-6, 1 - 1e-6)
                return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

            return own
        if self.option.sample_weight or self.option.class_weight:
            bce = torch.nn.functional.binary_cross_entropy_with_logits
            return lambda z, y, w: bce(z, y, w, reduction="sum") / w.sum()
        pos_weight = self.option.loss.pos_weight
        return torch.nn.BCEWithLogitsLoss(pos_weight=None if pos_weight is None else torch.tensor(pos_weight))

    def begin(self):
        """Parameters as they were; a new optimizer, schedule and average."""
        import torch

        with torch.no_grad():
            for p, first in zip(self.model.parameters(), self.start):
                p.copy_(first)
        settings = self.option.optimizer
        own = {name: value for name, value in vars(settings).items() if name not in NOT_PYTORCHS}
        groups = self.model.parameters()
        if settings.l2:  # not on biases
            groups = [dict(params=[layer.weight for layer in self.linear], weight_decay=settings.l2),
                      dict(params=[layer.bias for layer in self.linear])]  # fmt: skip
        rate, self.by_step, self.by_epoch = settings.lr, None, None
        lr = rate if isinstance(rate, float) else option_list.LR
        kind = dict(foreach=False) if self.variant == "loop" else {self.variant: True}
        self.optimizer = getattr(torch.optim, type(settings).__name__)(groups, lr=lr, **own, **kind)
        if hasattr(rate, "duration"):
            self.by_step = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda t: warm_cosine(t, rate.warmup, rate.duration))
        elif hasattr(rate, "every"):
            self.by_epoch = torch.optim.lr_scheduler.StepLR(self.optimizer, rate.every, rate.factor)
        self.averaged = None
        if settings.average is not None:
            ema = torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average)
            self.averaged = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=ema)
            self.averaged.update_parameters(self.model)  # the first call copies: the average begins with the first weights, as fastnn's

    def run(self, epochs):
        from torch.nn.utils import clip_grad_norm_, clip_grad_value_

        model, optimizer, loss_of, settings = self.model, self.optimizer, self.loss, self.option.optimizer
        losses = []
        for _ in range(epochs):
            total = 0.0
            for x, *rest in self.batches:
                optimizer.zero_grad()
                loss = loss_of(model(x), *rest)
                if settings.l1:
                    (loss + settings.l1 * sum(layer.weight.abs().sum() for layer in self.linear)).backward()
                else:
                    loss.backward()
                if settings.clip_value is not None:
                    clip_grad_value_(model.parameters(), settings.clip_value)
                if settings.clip_norm is not None:
                    clip_grad_norm_(model.parameters(), settings.clip_norm)
                optimizer.step()
                if self.by_step:
                    self.by_step.step()
                if self.averaged:
                    self.averaged.update_parameters(model)
                total += loss.item()
            if self.by_epoch:
                self.by_epoch.step()
            losses.append(total / len(self.batches))
        return losses

    def params(self):
        model = self.averaged.module if self.averaged else self.model
        return np.concatenate([p.detach().numpy().T.ravel() for p in model.parameters()])


class JaxTraining:
    """All epochs in one compiled call: a loop over epochs of a scan over batches."""

    variants = ("",)
    most_epochs = 4096  # in one call

    def __init__(self, net, option, X, y, batch, threads, variant=""):
        import jax
        import jax.numpy as jnp

        from . import jax_step

        n_batches = len(X) // batch
        weights = option_list.weights_of_rows(option, y)
        rows = [X, targets(option, y)] if weights is None else [X, targets(option, y), weights[:, np.newaxis]]
        self.batches = tuple(jnp.array(a.reshape(n_batches, batch, -1)) for a in rows)
        self.start = [(W.copy(), b.copy()) for W, b in zip(net.weights, net.biases)]
        self.averages = option.optimizer.average is not None
        first, step = jax_step.build(option, n_batches)
        self.first = lambda: first(jax.tree.map(jnp.array, self.start))

        def run(state, batches, epochs):
            def epoch(i, carry):
                state, losses = carry
                state, of_batches = jax.lax.scan(step, state, batches)
                return state, losses.at[i].set(of_batches.mean())

            return jax.lax.fori_loop(0, epochs, epoch, (state, jnp.zeros(self.most_epochs)))

        self.compiled = jax.jit(run, donate_argnums=0)
        self.begin()

    def begin(self):
        self.state = self.first()

    def run(self, epochs):
        self.state, losses = self.compiled(self.state, self.batches, epochs)
        return np.asarray(losses)[:epochs].tolist()

    def params(self):
        params = self.state["average" if self.averages else "params"]
        return np.concatenate([np.ravel(a) for layer in params for a in layer])


def targets(option, y):
    """Neither peer smooths targets of its binary loss: it is done once, before the training."""
    smoothing = option.loss.label_smoothing if isinstance(option.loss, BCE) else 0.0
    return ((1 - smoothing) * y + smoothing / 2).astype(y.dtype)


def warm_cosine(t, warmup, duration):
    """fastnn's `CosineDecay`, as a factor."""
    if t < warmup:
        return (t + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (min(t, duration) - warmup) / (duration - warmup))) / 2


TRAININGS = {"fastnn": FastnnTraining, "torch": TorchTraining, "jax": JaxTraining}
