"""PyTorch, eager as users write it, and with the whole training step in one compiled function.

The eager optimizers run in three implementations: loop, foreach and fused. The fastest is
reported. torch.compile compiles the loss, the gradient and the update of the parameters
together, with Inductor's C++ wrapper, which has less overhead per call.
"""

import math

import numpy as np
import torch
from tasks import LR, custom_loss, flatten, optimizer_settings, row_weights
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

functional = torch.nn.functional
ELEMENTWISE = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class Torch:
    variants = dict.fromkeys(("training", "update"), ("loop", "foreach", "fused")) | dict.fromkeys(
        ("derivative",), ("forward", "reverse")
    )

    def __init__(self, threads):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)

    def training(self, task, variant):
        try:
            return Training(task, variant)
        except TypeError:  # some optimizers have no fused implementation
            if variant != "fused":
                raise
            return None

    def many(self, task, networks, variant):
        return BatchedTraining(task)

    def inference(self, task, variant):
        model = make_model(task, with_output=True).eval()

        def forward(X):
            with torch.inference_mode():
                return model(torch.from_numpy(X)).numpy()

        return forward

    def derivative(self, task, variant):
        weights, biases = (
            [torch.tensor(a) for a in arrays] for arrays in (task.net.weights, task.net.biases)
        )
        activation = getattr(torch.nn.functional, task.activation)

        def outputs(x):
            for W, b in zip(weights[:-1], biases[:-1]):
                x = activation(x @ W + b)
            return x @ weights[-1] + biases[-1]

        inner = torch.func.jacfwd if variant == "forward" else torch.func.jacrev
        function = inner(outputs)
        if task.method == "hessian":
            function = torch.func.jacfwd(function)
        rows = torch.func.vmap(function, chunk_size=256 if task.method == "hessian" else None)
        return lambda X: rows(torch.from_numpy(X)).detach().numpy()

    def elementwise(self, task, variant):
        z, y, out = torch.from_numpy(task.z), torch.from_numpy(task.y), torch.empty(task.n)
        if task.function != "bce":
            function = ELEMENTWISE[task.function]
            return lambda: function(z, out=out).numpy()
        z.requires_grad_()

        def loss_and_grad():
            z.grad = None
            loss = functional.binary_cross_entropy_with_logits(z, y)
            loss.backward()
            return loss.item(), z.grad.numpy()

        return loss_and_grad

    def update(self, task, variant):
        w = torch.nn.Parameter(torch.tensor(task.w))
        w.grad = torch.tensor(task.g)
        return make_optimizer([w], task.rule, task.lr, variant).step, lambda: w.detach().numpy()


def make_model(task, with_output=False):
    layers, dropout = [], task.option.dropout if task.kind == "training" else 0
    for W, b in zip(task.net.weights, task.net.biases):
        layers += [
            torch.nn.Linear(*W.shape),
            torch.nn.ReLU() if task.activation == "relu" else torch.nn.Sigmoid(),
        ]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.tensor(W.T))
            layers[-2].bias.copy_(torch.tensor(b))
        if dropout:
            layers.append(torch.nn.Dropout(dropout))
    output = [torch.nn.Sigmoid() if task.binary else torch.nn.Softmax(1)] if with_output else []
    return torch.nn.Sequential(*layers[: -2 if dropout else -1], *output)


def make_optimizer(params, rule, lr, variant):
    if rule == "adam":
        return torch.optim.Adam(params, lr, **implementation(variant))
    return torch.optim.SGD(
        params, lr, momentum=0.9 * (rule == "momentum"), **implementation(variant)
    )


def implementation(variant):
    return dict(foreach=False) if variant == "loop" else {variant: True}


def loss_function(task):
    """Return loss(z, y), or loss(z, y, weights)."""
    bce, option = functional.binary_cross_entropy_with_logits, task.option
    if option.loss is custom_loss:

        def custom(z, y):
            p = torch.sigmoid(z).clamp(1e-6, 1 - 1e-6)
            return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

        return custom
    if option.sample_weight or option.class_weight:
        return lambda z, y, w: bce(z, y, w, reduction="sum") / w.sum()
    if option.pos_weight is not None:
        return torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(option.pos_weight))
    return bce if task.binary else functional.cross_entropy


class Training:
    """Eager training. `variant` is the implementation of the optimizer."""

    # settings of fastnn's optimizers that PyTorch's do not have
    fastnn_only = "lr", "l1", "l2", "clip_value", "clip_norm", "average"

    def __init__(self, task, variant):
        self.task, self.variant, option = task, variant, task.option
        y, weights = task.y, row_weights(option, task.y)
        if option.label_smoothing:  # not in PyTorch's binary loss: smooth the targets once
            y = ((1 - option.label_smoothing) * y + option.label_smoothing / 2).astype(y.dtype)
        rows = [task.X, y] if weights is None else [task.X, y, weights[:, np.newaxis]]
        self.batches = list(zip(*(torch.from_numpy(a).split(task.batch) for a in rows)))
        self.loss = loss_function(task)
        self.reset()

    def reset(self):
        """Create the model, optimizer, schedule and average again."""
        self.model = make_model(self.task)
        self.linear = [layer for layer in self.model if isinstance(layer, torch.nn.Linear)]
        settings, groups = self.task.option.optimizer, self.model.parameters()
        shared = {
            name: value
            for name, value in optimizer_settings(settings).items()
            if name not in self.fastnn_only
        }
        if settings.l2:  # weights only, not biases
            groups = [
                dict(params=[layer.weight for layer in self.linear], weight_decay=settings.l2),
                dict(params=[layer.bias for layer in self.linear]),
            ]
        rate, self.step_schedule, self.epoch_schedule = settings.lr, None, None
        lr = rate if isinstance(rate, float) else LR
        self.optimizer = getattr(torch.optim, type(settings).__name__)(
            groups, lr=lr, **shared, **implementation(self.variant)
        )
        if hasattr(rate, "duration"):
            self.step_schedule = torch.optim.lr_scheduler.LambdaLR(
                self.optimizer, lambda t: cosine_factor(t, rate.warmup, rate.duration)
            )
        elif hasattr(rate, "every"):
            self.epoch_schedule = torch.optim.lr_scheduler.StepLR(
                self.optimizer, rate.every, rate.factor
            )
        self.averaged = None
        if settings.average is not None:
            ema = torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average)
            self.averaged = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=ema)
            # the first call copies the initial weights, where fastnn's average starts too
            self.averaged.update_parameters(self.model)

    def run(self, epochs):
        model, optimizer, loss_of = self.model, self.optimizer, self.loss
        settings, losses = self.task.option.optimizer, []
        for _ in range(epochs):
            total = 0.0
            for x, *rest in self.batches:
                optimizer.zero_grad()
                loss = loss_of(model(x), *rest)
                if settings.l1:
                    penalty = sum(layer.weight.abs().sum() for layer in self.linear)
                    (loss + settings.l1 * penalty).backward()
                else:
                    loss.backward()
                if settings.clip_value is not None:
                    clip_grad_value_(model.parameters(), settings.clip_value)
                if settings.clip_norm is not None:
                    clip_grad_norm_(model.parameters(), settings.clip_norm)
                optimizer.step()
                if self.step_schedule:
                    self.step_schedule.step()
                if self.averaged:
                    self.averaged.update_parameters(model)
                total += loss.item()
            if self.epoch_schedule:
                self.epoch_schedule.step()
            losses.append(total / self.task.steps)
        return losses

    def params(self):
        model = self.averaged.module if self.averaged else self.model
        return np.concatenate([p.detach().numpy().T.ravel() for p in model.parameters()])


def cosine_factor(t, warmup, duration):
    """Return the factor of fastnn's `CosineDecay` at step t."""
    if t < warmup:
        return (t + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (min(t, duration) - warmup) / (duration - warmup))) / 2


# ---- compiled ----


class TorchCompiled(Torch):
    variants = {}  # noqa: RUF012 - never changed

    def __init__(self, threads):
        super().__init__(threads)
        torch._inductor.config.cpp_wrapper = True

    def training(self, task, variant):
        return CompiledTraining(task)

    def inference(self, task, variant):
        model = compiled(make_model(task, with_output=True).eval())

        def forward(X):
            with torch.inference_mode():
                return model(torch.from_numpy(X)).numpy()

        return forward

    def elementwise(self, task, variant):
        z, y = torch.from_numpy(task.z), torch.from_numpy(task.y)
        if task.function != "bce":
            function = compiled(ELEMENTWISE[task.function])
            return lambda: function(z).numpy()
        function = compiled(torch.func.grad_and_value(functional.binary_cross_entropy_with_logits))

        def loss_and_grad():
            grad, loss = function(z, y)
            return loss.item(), grad.numpy()

        return loss_and_grad

    def update(self, task, variant):
        state = State([task.w], task.rule, task.lr)
        step, g = compiled(state.step), [torch.tensor(task.g)]

        def compiled_step():
            with torch.no_grad():
                step(state.bias_corrections(), state.params, state.m, state.v, g)

        return compiled_step, lambda: state.params[0].numpy()


class BatchedTraining:
    """Eager training of many networks with one output, whose parameters are stacked."""

    def __init__(self, task):
        self.task, nets = task, task.nets
        shape = (-1 if task.own_rows else 1, task.n)
        data = (torch.from_numpy(a).reshape(*shape, a.shape[1]) for a in (task.X, task.y))
        self.batches = list(zip(*(a.split(task.batch, dim=1) for a in data)))
        self.activation = torch.relu if task.activation == "relu" else torch.sigmoid
        layers = zip(*(zip(net.weights, net.biases) for net in nets))
        self.initial = [np.stack(arrays) for layer in layers for arrays in zip(*layer)]

    def reset(self):
        pass

    def run(self, epochs):
        self.tensors = [torch.tensor(a, requires_grad=True) for a in self.initial]
        layers = [(W, b.unsqueeze(1)) for W, b in zip(self.tensors[::2], self.tensors[1::2])]
        optimizer = torch.optim.SGD(self.tensors, self.task.lr, foreach=True)
        k, losses = len(self.initial[0]), []
        for _ in range(epochs):
            total = torch.zeros(k)
            for x, y in self.batches:
                A = x.expand(k, -1, -1)
                for i, (W, b) in enumerate(layers):
                    Z = torch.baddbmm(b, A, W)
                    A = self.activation(Z) if i < len(layers) - 1 else Z
                loss = functional.binary_cross_entropy_with_logits(
                    A, y.expand_as(A), reduction="none"
                ).mean((1, 2))
                optimizer.zero_grad()
                loss.sum().backward()
                optimizer.step()
                total += x.shape[1] * loss.detach()
            losses.append(total / self.task.n)
        return torch.stack(losses, 1).numpy()

    def params(self):
        arrays = [p.detach().numpy() for p in self.tensors]
        return [flatten([[a[i] for a in arrays]]) for i in range(len(arrays[0]))]


def compiled(function):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, dynamic=False)


class State:
    """The parameters and moments of a training, and the optimizer's update of both."""

    def __init__(self, arrays, rule, lr):
        self.params = [torch.tensor(a) for a in arrays]
        self.m, self.v = ([torch.zeros_like(p) for p in self.params] for _ in range(2))
        self.rule, self.lr, self.t = rule, lr, 0

    def bias_corrections(self):
        """Advance to the next step, and return Adam's factors of m and v.

        The factors are a tensor, because a changed Python number triggers a recompilation.
        """
        if self.rule != "adam":
            return None
        self.t += 1
        return torch.tensor([self.lr / (1 - 0.9**self.t), 1 / (1 - 0.999**self.t)])

    def step(self, corrections, params, ms, vs, grads):
        for p, m, v, g in zip(params, ms, vs, grads):
            if self.rule == "adam":
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p.sub_(corrections[0] * m / ((v * corrections[1]).sqrt() + 1e-8))
            elif self.rule == "momentum":
                p.sub_(m.mul_(0.9).add_(g), alpha=self.lr)
            else:
                p.sub_(g, alpha=self.lr)


class CompiledTraining:
    def __init__(self, task):
        self.task = task
        self.batches = list(zip(*(torch.from_numpy(a).split(task.batch) for a in (task.X, task.y))))
        loss_of = loss_function(task)
        activation = torch.relu if task.activation == "relu" else torch.sigmoid
        self.initial = [a for layer in zip(task.net.weights, task.net.biases) for a in layer]
        self.state, self.total = State(self.initial, task.rule, task.lr), torch.zeros(())

        def loss(params, x, y):
            for W, b in zip(params[:-2:2], params[1:-2:2]):
                x = activation(torch.addmm(b, x, W))
            return loss_of(torch.addmm(params[-1], x, params[-2]), y)

        def step(total, corrections, params, m, v, x, y):
            grads, value = torch.func.grad_and_value(loss)(params, x, y)
            self.state.step(corrections, params, m, v, grads)
            total.add_(value)

        self.step = compiled(step)

    def reset(self):
        state = self.state
        for p, initial in zip(state.params, self.initial):
            p.copy_(torch.from_numpy(initial))
        for p in (*state.m, *state.v):
            p.zero_()
        state.t = 0

    def run(self, epochs):
        state, total, step, losses = self.state, self.total, self.step, []
        with torch.no_grad():
            for _ in range(epochs):
                total.zero_()
                for x, y in self.batches:
                    step(total, state.bias_corrections(), state.params, state.m, state.v, x, y)
                losses.append(total.item() / self.task.steps)
        return losses

    def params(self):
        return flatten([[p.numpy() for p in self.state.params]])
