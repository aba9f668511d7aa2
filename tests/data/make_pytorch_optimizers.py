"""Makes pytorch_optimizers.npz: what PyTorch's optimizers do in 100 steps along given gradients, in
float64.

    python make_pytorch_optimizers.py       (needs torch; the stored file is from torch 2.13.0)

The file holds "start" (7,), "gradients" (100, 7), and for every name in VARIANTS the parameters
after each step, (100, 7).
"""

import pathlib

import numpy as np

FILE = pathlib.Path(__file__).with_name("pytorch_optimizers.npz")
DECAY = dict(weight_decay=0.05)
VARIANTS = {  # name: (class in torch.optim, its arguments)
    "SGD": ("SGD", dict(lr=0.1)),
    "SGD, weight decay": ("SGD", dict(lr=0.1, **DECAY)),
    "SGD, momentum": ("SGD", dict(lr=0.05, momentum=0.9)),
    "SGD, momentum, weight decay": ("SGD", dict(lr=0.05, momentum=0.9, **DECAY)),
    "SGD, Nesterov": ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True)),
    "SGD, Nesterov, weight decay": ("SGD", dict(lr=0.05, momentum=0.8, nesterov=True, **DECAY)),
    "Adagrad": ("Adagrad", dict(lr=0.1)),
    "Adagrad, lr_decay": ("Adagrad", dict(lr=0.2, lr_decay=0.05, eps=1e-3)),
    "Adagrad, weight decay": ("Adagrad", dict(lr=0.1, **DECAY)),
    "Adadelta": ("Adadelta", dict(lr=1.0)),
    "Adadelta, weight decay": ("Adadelta", dict(lr=0.5, rho=0.8, eps=1e-4, **DECAY)),
    "RMSprop": ("RMSprop", dict(lr=0.01)),
    "RMSprop, weight decay": ("RMSprop", dict(lr=0.01, alpha=0.9, eps=1e-3, **DECAY)),
    "RMSprop, centered": ("RMSprop", dict(lr=0.01, centered=True)),
    "RMSprop, momentum": ("RMSprop", dict(lr=0.01, momentum=0.9)),
    "RMSprop, centered, momentum": ("RMSprop", dict(lr=0.01, centered=True, momentum=0.5, **DECAY)),
    "Adam": ("Adam", dict(lr=0.01)),
    "Adam, other betas": ("Adam", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3)),
    "Adam, weight decay": ("Adam", dict(lr=0.01, **DECAY)),
    "Adam, amsgrad": ("Adam", dict(lr=0.02, betas=(0.9, 0.95), amsgrad=True)),
    "Adam, amsgrad, weight decay": (
        "Adam",
        dict(lr=0.02, betas=(0.9, 0.95), amsgrad=True, **DECAY),
    ),
    "AdamW": ("AdamW", dict(lr=0.01)),
    "AdamW, amsgrad": ("AdamW", dict(lr=0.02, betas=(0.9, 0.95), weight_decay=0.2, amsgrad=True)),
    "Adamax": ("Adamax", dict(lr=0.02)),
    "Adamax, weight decay": ("Adamax", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, **DECAY)),
    "NAdam": ("NAdam", dict(lr=0.02)),
    "NAdam, weight decay": ("NAdam", dict(lr=0.02, betas=(0.8, 0.95), momentum_decay=0.1, **DECAY)),
    "NAdam, decoupled": ("NAdam", dict(lr=0.02, weight_decay=0.2, decoupled_weight_decay=True)),
}


def problem(steps=100, n=7):
    """Parameters, and gradients of changing sign and size, from 1e-3 to 5; the last parameter has
    none at first."""
    rng = np.random.default_rng(20)
    sizes = 10.0 ** rng.uniform(-2, 0.5, (steps, n))
    gradients = rng.normal(size=(steps, n)) * sizes + np.sin(
        np.arange(steps)[:, np.newaxis] / 9 + np.arange(n)
    )
    gradients[:5, -1] = 0
    return rng.normal(size=n), gradients


def follow(name, start, gradients):
    """The parameters after each step of PyTorch's optimizer."""
    import torch

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # else NAdam keeps its product of momenta in float32
    cls, settings = VARIANTS[name]
    params = torch.nn.Parameter(torch.tensor(start))
    optimizer = getattr(torch.optim, cls)([params], foreach=False, **settings)
    after = []
    for gradient in gradients:
        params.grad = torch.tensor(gradient)
        optimizer.step()
        after.append(params.detach().numpy().copy())
    torch.set_default_dtype(usual)
    return np.array(after)


if __name__ == "__main__":
    start, gradients = problem()
    paths = {name: follow(name, start, gradients) for name in VARIANTS}
    np.savez_compressed(FILE, start=start, gradients=gradients, **paths)
