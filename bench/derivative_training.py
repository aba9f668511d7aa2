"""Time steps of training on derivatives, beside JAX, and a fit with gradients, beside JENN.

    python bench/derivative_training.py                 all lines; ten minutes
    python bench/derivative_training.py --tasks heat --only fastnn --rounds 1

A step is one of Adam on 128 rows. "values" learns outputs alone; "slopes" learns them and the whole Jacobian; "heat" is
the custom loss of u_t - 0.1 u_xx in NumPy, or of u_t - 0.1 (u_xx + u_yy) with three inputs. JAX is jit of a scan over
the batches of an epoch, with derivatives forward (jvp) or in reverse (grad), whichever is faster. Both start from the same
parameters, and the losses of two epochs are compared before anything is timed. Blocks of both alternate, and the best one
is reported.

"jenn" fits 200 points of Rastrigin's function in two inputs with their gradients: by JENN (pip install jenn) in 2,000
iterations, and by fastnn in the first of 50, 100, 200, ... epochs after which the error on a grid is not larger. JENN runs
in another environment than JAX, if they need different packages.

All times are CPU times, which other programs on the machine hardly change.
"""

import time
from functools import partial

import measure
import numpy as np
from measure import format_ratio, format_us, print_wrapped, select_names, show_progress, table_row

TASKS = "values", "slopes", "heat"
SIZES = {  # of each task: inputs are x, t for heat, and x, y, t
    "values": ("2-32-32-1", "5-64-64-3", "8-64-64-1"),
    "slopes": ("2-32-32-1", "5-64-64-3", "8-64-64-1", "30-64-64-1"),
    "heat": ("2-32-32-1", "2-64-64-64-1", "3-64-64-1"),
}
BATCH, STEPS, LR, FLOW = 128, 20, 1e-3, 0.1
BLOCK = 0.005  # seconds


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--tasks", help=f"of {','.join(TASKS)},jenn (default: all)")
    parser.add_argument("--only", choices=["fastnn"], help="time no peers")
    parser.add_argument("--rounds", type=int, default=100, help="blocks of each (default: 100)")
    arguments = parser.parse_args()
    measure.limit_threads(1)
    tasks = select_names(parser, "tasks", arguments.tasks, (*TASKS, "jenn"))
    steps = [task for task in tasks if task != "jenn"]
    peers = ["jax"] * (bool(steps) and not arguments.only) + ["jenn"] * ("jenn" in tasks)
    print_wrapped(f"{measure.versions(*peers)}, CPU time of one thread")
    if steps:
        print(table_row(WIDTHS, "microseconds a step", "", "fastnn", "JAX", "x"))
    for task in steps:
        for sizes in SIZES[task]:
            time_steps(task, sizes, arguments)
    if "jenn" in tasks:
        compare_with_jenn()


WIDTHS = 20, 16, 10, 10, 7


def cpu_seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


# ---- steps ----
class Task:
    """Rows, targets and a network. `slopes` are the targets of the Jacobian."""

    def __init__(self, name, sizes):
        import fastnn

        self.name, self.sizes = name, [int(size) for size in sizes.split("-")]
        rng, n = np.random.default_rng(7), BATCH * STEPS
        self.net = fastnn.MLP(self.sizes, "tanh", rng=0)
        self.X = rng.uniform(size=(n, self.sizes[0])).astype("f")
        self.y = rng.standard_normal((n, self.sizes[-1]), dtype="f")
        self.slopes = rng.standard_normal((n, self.sizes[-1], self.sizes[0]), dtype="f")
        self.d_space = self.sizes[0] - 1  # the last input is the time


def heat(u, y, slopes, bends):
    residual = slopes[:, :, -1] - FLOW * bends[:, :, :-1].sum(axis=2)
    d_slopes, d_bends = np.zeros_like(slopes), np.zeros_like(bends)
    d_slopes[:, :, -1] = 2 * residual / len(u)
    d_bends[:, :, :-1] = -FLOW * d_slopes[:, :, -1:]
    return np.mean(residual**2) + np.mean((u - y) ** 2), 2 * (u - y) / len(u), d_slopes, d_bends


class FastnnSteps:
    def __init__(self, task):
        from fastnn import Adam, losses

        self.net, self.X, self.y = task.net.copy(), task.X, task.y
        self.fit = dict(optimizer=Adam(LR), batch_size=BATCH, shuffle=False)
        if task.name == "slopes":
            self.fit["dy"] = task.slopes
        if task.name == "heat":
            self.fit["loss"] = losses.CustomLoss(heat, ["jacobian", "hessian_diagonal"])

    def run(self, epochs):
        return self.net.fit(self.X, self.y, epochs=epochs, **self.fit).loss


class JaxSteps:
    def __init__(self, task, mode):
        import jax
        import jax.numpy as jnp

        batches = [a.reshape(STEPS, BATCH, *a.shape[1:]) for a in (task.X, task.y, task.slopes)]
        self.data = [jnp.array(a) for a in batches]
        self.params = [
            (jnp.array(W), jnp.array(b)) for W, b in zip(task.net.weights, task.net.biases)
        ]
        zeros = jax.tree.map(jnp.zeros_like, self.params)
        self.state = (self.params, zeros, zeros, 0)
        value_and_grad = jax.value_and_grad(jax_loss(jax, jnp, task, mode))

        def step(state, batch):
            params, m, v, t = state
            value, grads = value_and_grad(params, *batch)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            rate, scale = LR / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
            params = jax.tree.map(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v) * scale + 1e-8), params, m, v
            )
            return (params, m, v, t), value

        self.epoch = jax.jit(lambda state: jax.lax.scan(step, state, self.data))

    def run(self, epochs):
        means = []
        for _ in range(epochs):
            self.state, values = self.epoch(self.state)
            means.append(values.mean())
        return np.array(means)


def jax_loss(jax, jnp, task, mode):
    def outputs(params, x):
        for W, b in params[:-1]:
            x = jnp.tanh(x @ W + b)
        W, b = params[-1]
        return x @ W + b

    d = task.sizes[0]
    jacobian = (jax.jacfwd if mode == "forward" else jax.jacrev)(outputs, 1)

    def values_and_slopes(params, x):
        return outputs(params, x), jacobian(params, x)

    def residual(params, x):
        """u, and u_t - FLOW (u_xx + ...)."""

        def u(x):
            return outputs(params, x)[0]

        if mode == "reverse":
            value, slope = jax.value_and_grad(u)(x)
            bend = jax.hessian(u)(x).diagonal()
            return value, slope[-1] - FLOW * bend[:-1].sum()

        def along(v):
            return lambda x: jax.jvp(u, (x,), (v,))[1]

        units = jnp.eye(d)
        value, slope = jax.jvp(u, (x,), (units[-1],))
        for v in units[:-1]:
            slope = slope - FLOW * jax.jvp(along(v), (x,), (v,))[1]
        return value, slope

    def loss(params, X, y, slopes):
        if task.name == "values":
            return jnp.mean((outputs(params, X) - y) ** 2)
        if task.name == "slopes":
            Y, J = jax.vmap(values_and_slopes, (None, 0))(params, X)
            return jnp.mean((Y - y) ** 2) + jnp.mean((J - slopes) ** 2)
        u, rest = jax.vmap(residual, (None, 0))(params, X)
        return jnp.mean((u - y[:, 0]) ** 2) + jnp.mean(rest**2)

    return loss


def time_steps(name, sizes, arguments):
    show_progress(f"{name} {sizes}")
    task = Task(name, sizes)
    runs = {"fastnn": FastnnSteps(task)}
    if not arguments.only:
        runs |= {mode: JaxSteps(task, mode) for mode in ("forward", "reverse")}
    losses = {peer: each.run(2) for peer, each in runs.items()}
    for peer in runs:
        if not np.allclose(losses[peer], losses["fastnn"], rtol=1e-3):
            raise SystemExit(f"{name} {sizes}: the losses of {peer} differ: {losses}")
    n = {
        peer: measure.block_size(partial(cpu_seconds, each.run), BLOCK, 10_000)
        for peer, each in runs.items()
    }
    jobs = {peer: partial(cpu_seconds, each.run, n[peer]) for peer, each in runs.items()}
    best = {
        peer: time / n[peer] / STEPS * 1e6
        for peer, time in measure.interleave(jobs, arguments.rounds).items()
    }
    own, cells = best.pop("fastnn"), ()
    if best:
        cells = format_us(min(best.values())), format_ratio(min(best.values()) / own)
    show_progress("")
    print(table_row(WIDTHS, name, sizes, format_us(own), *cells), flush=True)


# ---- a fit with gradients ----
def rastrigin(X):
    """Values (n,) and slopes (n, 2) of Rastrigin's function, scaled to about 1, on -1 to 1.5."""
    turns = 2 * np.pi * X
    value = np.sum(X**2 - 10 * np.cos(turns) + 10, axis=1)
    return value / 20, (2 * X + 20 * np.pi * np.sin(turns)) / 20


JENN = [2, 32, 32, 1]


def compare_with_jenn():
    """Print the error and the seconds of a fit of JENN, and of the shortest one of fastnn that is as good."""
    from jenn import NeuralNet

    from fastnn import MLP, Adam, schedules

    rng, across = np.random.default_rng(0), np.linspace(-1, 1.5, 51)
    X, grid = (
        rng.uniform(-1, 1.5, (200, 2)),
        np.stack(np.meshgrid(across, across), -1).reshape(-1, 2),
    )
    (y, dy), true = rastrigin(X), rastrigin(grid)[0]

    def error(predicted):
        return np.sqrt(np.mean((predicted.ravel() - true) ** 2))

    theirs = NeuralNet(JENN)
    arrays = X.T.copy(), y[np.newaxis], dy.T[np.newaxis].copy()
    theirs_seconds = cpu_seconds(
        partial(theirs.fit, *arrays, max_iter=2000, random_state=0, is_normalize=True)
    )
    goal = error(theirs.predict(grid.T.copy()))
    print(f"jenn     error {goal:.4f}   {theirs_seconds:8.3f} s")
    for epochs in (50, 100, 200, 400, 800, 1600, 3200, 6400):
        fit = dict(
            optimizer=Adam(schedules.CosineDecay(0.02, epochs)), epochs=epochs, batch_size=64
        )
        times = []
        for _ in range(5):
            net = MLP(JENN, "tanh", rng=0)
            times.append(cpu_seconds(partial(net.fit, X, y, dy=dy, **fit)))
        if error(net.forward(grid)) <= goal:
            break
    print(f"fastnn   error {error(net.forward(grid)):.4f}   {min(times):8.3f} s   {epochs} epochs")
    print(f"ratio of the seconds: {theirs_seconds / min(times):.0f}")


if __name__ == "__main__":
    main()
