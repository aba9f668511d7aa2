"""What the tests know of each optimizer: a new one needs settings in OPTIMIZERS, a row in SIGNATURES,
SETTINGS and BY_HAND, and in EVERY_MOMENT if a moment depends on an option."""

import inspect
import math

from fastnn import functional as F
from fastnn import optimizers
from fastnn import reference as ref


def _settings(text):
    """{rule: {settings as text: settings}} of lines "rule: settings; other settings; ..."."""
    rules = dict(line.split(": ") for line in text.strip().replace(";\n ", "; ").split("\n"))
    return {r: {each: eval(f"dict({each})") for each in rules[r].split("; ")} for r in rules}


OPTIMIZERS = _settings("""
sgd: lr=0.1; lr=0.1, weight_decay=0.05; lr=0.05, momentum=0.9; lr=0.0;
  lr=0.05, momentum=0.8, weight_decay=0.05; lr=0.05, momentum=0.9, nesterov=True;
  lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.05
adagrad: ; lr=0.3, lr_decay=0.2; lr=0.1, weight_decay=0.1; lr=0.1, eps=0.5
adadelta: ; rho=0.5; lr=3.0; eps=1e-2, weight_decay=0.1; rho=0.0, eps=0.1
rmsprop: ; lr=0.03, alpha=0.5; lr=0.03, eps=0.5; lr=0.03, weight_decay=0.1; lr=0.03, momentum=0.9;
  lr=0.03, alpha=0.9, centered=True;
  lr=0.01, alpha=0.8, centered=True, momentum=0.5, weight_decay=0.1, eps=1e-3
adam: ; lr=0.1; lr=0.03, betas=(0.5, 0.9); lr=0.03, betas=(0.0, 0.9); lr=0.03, eps=0.5;
  lr=0.03, weight_decay=0.1; lr=0.03, betas=(0.9, 0.5), v_max=True;
  lr=0.03, betas=(0.9, 0.5), weight_decay=0.1, v_max=True
adamw: ; lr=0.03, weight_decay=0.5; lr=0.03, weight_decay=0.0, eps=0.5;
  lr=0.03, betas=(0.5, 0.5), weight_decay=0.5, v_max=True
adamax: ; lr=0.03, betas=(0.5, 0.7); lr=0.03, eps=0.5; lr=0.03, weight_decay=0.1
nadam: ; lr=0.03, betas=(0.5, 0.9); lr=0.03, momentum_decay=1.0; lr=0.03, eps=0.5;
  lr=0.03, weight_decay=0.1; lr=0.03, weight_decay=0.5, decoupled_weight_decay=True
lion: ; lr=0.03, betas=(0.5, 0.9); lr=0.03, betas=(0.0, 0.0); lr=0.03, weight_decay=0.5
""")  # v_max is zeros like params

STEPS = {name: cls for name, cls in optimizers.OPTIMIZERS.items() if name != "lbfgs"}
EVERY_MOMENT = {  # settings that use all moments
    "sgd": dict(lr=0.1, momentum=0.9, nesterov=True),
    "rmsprop": dict(centered=True, momentum=0.9),
}
WRONG_SETTINGS = dict(lr=-1, betas=5, eps=0, weight_decay=-1, lr_decay=-1)
WRONG_SETTINGS |= dict(momentum=1, momentum_decay=-1, rho=1, alpha=1)


def step_of(name, module=F):
    return getattr(module, f"{name}_step_")


def parameters_of(name):
    """The names of a step's arguments."""
    return inspect.signature(step_of(name)).parameters


def counts(name):
    """Whether a step takes the number of the step."""
    return "step" in parameters_of(name)


def all_moments(name):
    """The moments that an optimizer may use, in the order of the kernels."""
    v_max = ["v_max"] if "v_max" in parameters_of(name) else []
    return [*ref.updates.OPTIMIZERS[name][1], *v_max]


def moments_of(name, settings):
    """The moments in use under these settings, of a step (v_max) or of an optimizer (amsgrad)."""
    v_max = "v_max" in settings or settings.get("amsgrad")
    used = dict(velocity=settings.get("momentum"), mean=settings.get("centered"), v_max=v_max)
    return [moment for moment in all_moments(name) if used.get(moment, True)]


SIGNATURES = {  # of the steps in functional and reference alike
    "sgd_step_": "(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None)",
    "adam_step_": "(params, grads, m, v, step, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, v_max=None)",
    "adamw_step_": "(params, grads, m, v, step, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, v_max=None)",
    "adagrad_step_": "(params, grads, total, step, lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10)",
    "adadelta_step_": "(params, grads, v, u, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0)",
    "rmsprop_step_": "(params, grads, v, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, "
    "mean=None, velocity=None)",
    "adamax_step_": "(params, grads, m, u, step, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)",
    "nadam_step_": "(params, grads, m, v, step, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004, "
    "decoupled_weight_decay=False)",
    "lion_step_": "(params, grads, m, lr=0.0001, betas=(0.9, 0.99), weight_decay=0.0)",
}
SETTINGS = {  # of an optimizer, in order; the shared ones are keyword-only
    "SGD": "lr=0.001, momentum=0.0, nesterov=False, weight_decay=0.0",
    "Adagrad": "lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10",
    "Adadelta": "lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0",
    "RMSprop": "lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False",
    "Adam": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False",
    "AdamW": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, "
    "lazy_categories=False",
    "Adamax": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0",
    "Lion": "lr=0.0001, betas=(0.9, 0.99), weight_decay=0.0",
    "NAdam": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004, decoupled_weight_decay=False",
}

# ---- by hand ----

ADAGRAD, DECAY = dict(lr=2, lr_decay=0.5, eps=2, step=3), dict(lr=1, weight_decay=0.5, eps=2)
ADADELTA = dict(lr=0.5, rho=0.5, eps=7)
RMSPROP = dict(lr=0.5, alpha=0.75, eps=2)
CENTERED, RMSPROP_W = dict(RMSPROP, centered=True), dict(RMSPROP, weight_decay=0.25)
ADAM = dict(lr=0.5, betas=(0.5, 0.75), eps=0.5)
ADAMW = dict(ADAM, weight_decay=0.5)
ADAMAX = dict(lr=0.5, betas=(0.5, 0.5), eps=0.5)
ADAMAX_W = dict(ADAMAX, weight_decay=0.5)
NADAM = dict(ADAM, momentum_decay=0)  # mu = b1 / 2 = 1/4, M_t = 1/4^t
DECOUPLED = dict(NADAM, decoupled_weight_decay=True, weight_decay=0.5)
LION = dict(lr=0.5, betas=(0.75, 0.5))
SECOND = dict(lr=0.5, betas=(0.5, 0.5), eps=2, step=2)
NADAM_2 = dict(SECOND, momentum_decay=0)
ZERO, ONE = dict(m=0, v=0), dict(m=1, v=1)
HALF, FOUR = dict(ZERO, v_max=0.5), dict(ZERO, v_max=4)
V2_U1, V9_U45, V425_MEAN = dict(v=2, u=1), dict(v=9, u=4.5), dict(v=4.25, mean=0.5)
MOMENTUM = dict(lr=0.25, momentum=0.5)
V4_S3, V4_S2 = dict(v=4, velocity=3), dict(v=4, velocity=2)
NESTEROV = dict(MOMENTUM, nesterov=True)


def by_hand(p, g, before, options, after, moments_after=None, **more):
    return p, g, before, options | more, after, moments_after or {}


BY_HAND = {
    "sgd": by_hand(1, 0.5, {}, dict(lr=0.5), 0.75),
    "sgd, decay": by_hand(1, 0.5, {}, dict(lr=0.5, weight_decay=0.25), 1 - 0.5 * 0.75),
    # v = 0.5 2 + 3
    "sgd, momentum": by_hand(1, 3, dict(velocity=2), MOMENTUM, 0, dict(velocity=4)),
    # and 3 + 0.5 4 in its place
    "sgd, Nesterov": by_hand(1, 3, dict(velocity=2), NESTEROV, -0.25, dict(velocity=4)),
    # total = 7 + 3^2, the rate of step 3 is 2/(1 + 2 0.5) = 1
    "adagrad": by_hand(1, 3, dict(total=7), ADAGRAD, 1 - 3 / (4 + 2), dict(total=16)),
    # g = 1 + 0.5 4
    "adagrad, decay": by_hand(4, 1, dict(total=7), DECAY, 4 - 3 / (4 + 2), dict(total=16)),
    # v = 0.5 2 + 0.5 4^2 = 9, d = √(1 + 7)/√(9 + 7) 4 = √8, u = 0.5 1 + 0.5 8
    "adadelta": by_hand(1, 4, V2_U1, ADADELTA, 1 - 0.5 * math.sqrt(8), V9_U45),
    # g = 3 + 0.25 4
    "adadelta, decay": by_hand(
        4, 3, V2_U1, ADADELTA, 4 - 0.5 * math.sqrt(8), V9_U45, weight_decay=0.25
    ),
    # v = 0.75 4 + 0.25 2^2 = 4
    "rmsprop": by_hand(1, 2, dict(v=4), RMSPROP, 1 - 0.5 * 2 / (2 + 2), dict(v=4)),
    # g = 1 + 0.25 4
    "rmsprop, decay": by_hand(4, 1, dict(v=4), RMSPROP_W, 4 - 0.5 * 2 / (2 + 2), dict(v=4)),
    # v = 0.75 13/3 + 0.25 4, mean = 0.25 2, v - mean^2 = 4
    "rmsprop, centered": by_hand(1, 2, dict(v=13 / 3, mean=0), CENTERED, 0.75, V425_MEAN),
    # mean = 0.75 3 + 0.25 3, v = 0.75 1 + 0.25 9: v - mean^2 = 3 - 9 counts as 0
    "rmsprop, clamped": by_hand(
        1, 3, dict(v=1, mean=3), CENTERED, 1 - 0.5 * 3 / 2, dict(v=3, mean=3)
    ),
    # velocity = 0.5 3 + 2/(2 + 2)
    "rmsprop, momentum": by_hand(1, 2, V4_S3, dict(RMSPROP, momentum=0.5), 0, V4_S2),
    # m = 1, v = 1, both over 1 - b^1
    "adam": by_hand(1, 2, ZERO, ADAM, 1 - 0.5 * 2 / (2 + 0.5), ONE),
    # m = 0.5 1 + 0.5 2, v = 0.5 2 + 0.5 4, 1 - b1^2 = 1 - b2^2 = 3/4
    "adam, second step": by_hand(1, 2, dict(m=1, v=2), SECOND, 1 - 0.5 * 2 / 4, dict(m=1.5, v=3)),
    # g = 1 + 0.5 2
    "adam, decay": by_hand(2, 1, ZERO, ADAM, 2 - 0.5 * 2 / (2 + 0.5), ONE, weight_decay=0.5),
    # the largest v is 4: √4/√(1/4) = 4
    "adam, AMSGrad": by_hand(1, 2, FOUR, ADAM, 1 - 0.5 * 2 / (4 + 0.5), dict(ONE, v_max=4)),
    "adam, AMSGrad rising": by_hand(1, 2, HALF, ADAM, 1 - 0.5 * 2 / (2 + 0.5), dict(ONE, v_max=1)),
    # p shrinks to (1 - 0.5 0.5) 2, m and v don't see it
    "adamw": by_hand(2, 2, ZERO, ADAM, 1.5 - 0.5 * 2 / (2 + 0.5), ONE, weight_decay=0.5),
    "adamw, AMSGrad": by_hand(2, 2, FOUR, ADAMW, 1.5 - 0.5 * 2 / (4 + 0.5), dict(ONE, v_max=4)),
    # u = max(0.5 2, 2 + 0.5); max(0.5 8, 2.5)
    "adamax": by_hand(1, -2, dict(m=0, u=2), ADAMAX, 1 + 0.5 * 2 / 2.5, dict(m=-1, u=2.5)),
    "adamax, falling": by_hand(1, -2, dict(m=0, u=8), ADAMAX, 1 + 0.5 * 2 / 4, dict(m=-1, u=4)),
    # g = 1 + 0.5 2
    "adamax, decay": by_hand(2, 1, dict(m=0, u=0), ADAMAX_W, 2 - 0.5 * 2 / 2.5, dict(m=1, u=2.5)),
    # (1 - 1/4)/(1 - 1/4) 2 + 1/4 / (1 - 1/16) 1 = 34/15
    "nadam": by_hand(1, 2, ZERO, NADAM, 1 - 0.5 * 34 / 15 / 2.5, ONE),
    # (1 - 1/4)/(1 - 1/16) 2 + 1/4 / (1 - 1/64) 1.5 = 1.6 + 8/21
    "nadam, second step": by_hand(1, 2, dict(m=1, v=2), NADAM_2, 0.8 - 1 / 21, dict(m=1.5, v=3)),
    # g = 1 + 0.5 2
    "nadam, decay": by_hand(2, 1, ZERO, NADAM, 2 - 0.5 * 34 / 15 / 2.5, ONE, weight_decay=0.5),
    # p shrinks to (1 - 0.5 0.5) 2
    "nadam, decoupled": by_hand(2, 2, ZERO, DECOUPLED, 1.5 - 0.5 * 34 / 15 / 2.5, ONE),
    # 0.75 4 + 0.25 (-8) = 1, m = 0.5 4 + 0.5 (-8)
    "lion": by_hand(1, -8, dict(m=4), LION, 1 - 0.5, dict(m=-2)),
    # 0.75 4 + 0.25 (-12) = 0: it stays
    "lion, no sign": by_hand(1, -12, dict(m=4), LION, 1, dict(m=-4)),
    # p shrinks to (1 - 0.5 0.25) 2, m does not see it
    "lion, decay": by_hand(2, 4, dict(m=4), LION, 1.75 - 0.5, dict(m=4), weight_decay=0.25),
}
BY_HAND = {name: (f"{name.partition(',')[0]}_step_", *case) for name, case in BY_HAND.items()}
