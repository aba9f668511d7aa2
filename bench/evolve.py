"""Evolution: populations of small networks in fastnn, and in JAX with evosax.

    python bench/evolve.py               one thread; two minutes
    python bench/evolve.py --threads 2   two threads, and two CPUs
    python bench/evolve.py --only fastnn

Milliseconds. "outputs" are those of `forward_many` for rows of each network, from a NumPy array to a
NumPy array: of a population, of a list of networks, and of jax.vmap, compiled. They must agree.
"generation" is one of examples/cart_pole.py: all episodes, then the next population. In fastnn it is
the loop of the example, in NumPy. In JAX the whole generation is compiled, with the same equations
and evosax's SimpleES. Blocks of both alternate, and the best is reported.
"""

import runpy
from functools import partial
from pathlib import Path

import measure
from measure import print_wrapped, table_row

EXAMPLE = Path(__file__).parents[1] / "examples" / "cart_pole.py"
WIDTHS = [36, 12, 12, 12]
OUTPUTS = {  # networks, sizes, rows of each
    "10,000 networks 3-4-1, 1 row": (10_000, [3, 4, 1], 1),
    "1,000 networks 4-32-32-2, 1 row": (1000, [4, 32, 32, 2], 1),
    "256 networks 5-16-1, 2 rows": (256, [5, 16, 1], 2),
}


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--only", choices=["fastnn"], help="time no peers")
    parser.add_argument("--rounds", type=int, default=100, help="of each line (default: 100)")
    parser.add_argument("--threads", type=int, default=1, help="for each (default: 1)")
    arguments = parser.parse_args()
    measure.check_rounds_and_threads(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    has_peers = arguments.only is None
    packages = ["numpy", *["jax", "evosax"] * has_peers]
    print_wrapped(f"{measure.versions(*packages)}; threads: {arguments.threads}")
    print(table_row(WIDTHS, "ms", "population", "list", *["JAX"] * has_peers))
    for name, (n, sizes, rows) in OUTPUTS.items():
        jobs = output_jobs(n, sizes, rows, arguments.threads, has_peers)
        print_times(name, measure.interleave(jobs, arguments.rounds))
    jobs = {"population": fastnn_generation(), "list": None}
    if has_peers:
        jobs["JAX"] = evosax_generation()
    timed = {name: job for name, job in jobs.items() if job is not None}
    best = measure.interleave(timed, max(1, arguments.rounds // 10))
    print_times("a generation of the cart and pole", dict.fromkeys(jobs) | best)


def print_times(name, best):
    cells = ["" if t is None else f"{1000 * t:.3f}" for t in best.values()]
    print(table_row(WIDTHS, name, *cells), flush=True)


def output_jobs(n, sizes, rows, n_threads, has_peers):
    import numpy as np

    import fastnn

    networks = fastnn.population(n, sizes, "tanh", rng=0)
    others = list(networks.copy())
    X = np.random.default_rng(0).normal(size=(n, rows, sizes[0])).astype("f")
    calls = {
        "population": lambda: fastnn.forward_many(networks, X, n_threads=n_threads),
        "list": lambda: fastnn.forward_many(others, X, n_threads=n_threads),
    }
    if has_peers:
        import jax

        params, forward = np.ascontiguousarray(networks.params), jax.jit(jax.vmap(make_net(sizes)))
        calls["JAX"] = lambda: np.asarray(forward(params, X))
    expected = calls["population"]()
    for call in calls.values():
        np.testing.assert_allclose(call(), expected, atol=1e-5)
    return {name: measure.timed_calls(call, 3) for name, call in calls.items()}


def make_net(sizes, output=lambda z: z):
    """Return a function of flat parameters and rows, of tanh in the hidden layers."""
    import jax.numpy as jnp

    def net(params, x):
        end = 0
        for i, (k, m) in enumerate(zip(sizes, sizes[1:])):
            W, b = params[end : end + k * m].reshape(k, m), params[end + k * m : end + k * m + m]
            end += k * m + m
            z = x @ W + b
            x = jnp.tanh(z) if i < len(sizes) - 2 else output(z)
        return x

    return net


def fastnn_generation():
    import numpy as np

    import fastnn

    example = runpy.run_path(str(EXAMPLE))
    rng = np.random.default_rng(0)
    networks = fastnn.population(example["N"], example["SIZES"], "tanh", "tanh", rng=rng)
    best = networks[0].copy()
    return lambda: measure.seconds(example["evolve"], networks, best, 0.1, rng)


def evosax_generation():
    import jax
    import jax.numpy as jnp
    import numpy as np
    from evosax.algorithms.distribution_based.simple_es import SimpleES

    example = runpy.run_path(str(EXAMPLE))
    start = example["start"](np.random.default_rng(0), example["EPISODES"]).astype("f")
    n, sizes = example["N"], example["SIZES"]
    example["move"].__globals__["np"] = jnp  # the same equations
    net = jax.vmap(make_net(sizes, jnp.tanh))
    zeros = jnp.zeros(sum(k * m + m for k, m in zip(sizes, sizes[1:])))
    strategy = SimpleES(population_size=n, solution=zeros)
    settings = strategy.default_params

    def step(population, state, _):
        push = net(population, example["observe"](state))[..., 0]
        state = example["move"](state, push)
        return state, jnp.cos(state[..., 2]) - 0.1 * jnp.abs(state[..., 0])

    @jax.jit
    def evolve(key, state):
        ask, tell = jax.random.split(key)
        population, state = strategy.ask(ask, state, settings)
        carts = jnp.tile(start, (n, 1, 1))
        _, heights = jax.lax.scan(partial(step, population), carts, length=example["STEPS"])
        return strategy.tell(tell, population, -heights.mean((0, 2)), state, settings)[0]

    key = jax.random.key(0)
    state = strategy.init(key, zeros, settings)
    jax.block_until_ready(evolve(key, state))
    return lambda: measure.seconds(lambda: jax.block_until_ready(evolve(key, state)))


if __name__ == "__main__":
    main()
