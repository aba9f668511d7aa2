"""A cart swings up a pole and balances it, learned by evolution.

A pole hangs from a cart on a track of 4.8 m. A network sees where the cart and
the pole are and how fast they move, and decides how strongly to push the cart.
Nobody tells it what to do: it gets a score for a whole episode of 10 seconds,
the height of the pole's end. There is no gradient of such a score, so the
networks evolve. Each generation, 256 networks try, and those of the next one
are random changes of the mean of the best 32.

population() has the parameters of all networks in one array, which NumPy
changes in place, and forward_many computes the pushes of all of them in one
call. Each network plays two episodes at a time, which begin differently.

You will see the score of the mean network in new episodes: 1 is a pole that
stands upright all the time. With --plot you get the learning curve, and the
angle of the pole before and after.

    python examples/cart_pole.py --plot cart_pole.png
"""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting

SIZES = [5, 16, 1]
N, N_BEST, EPISODES = 256, 32, 2
SIGMA, DECAY = 0.5, 0.95  # of the random changes: at first, and from one generation to the next
STEP, STEPS = 0.02, 500  # seconds; 10 of them are an episode
TRACK, FORCE = 2.4, 10.0  # m from the middle to each end, N


def start(rng, *shape):
    """States of carts in the middle, whose poles hang: position, speed, angle, its speed."""
    return rng.normal([0, 0, np.pi, 0], 0.05, (*shape, 4))


def move(state, push):
    """The states a step later: the equations of motion of Barto, Sutton and Anderson (1983)."""
    x, v, angle, spin = np.moveaxis(state, -1, 0)
    sin, cos = np.sin(angle), np.cos(angle)
    thrust = (FORCE * push + 0.05 * spin**2 * sin) / 1.1
    turn = (9.8 * sin - cos * thrust) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    v = v + STEP * (thrust - 0.05 * turn * cos / 1.1)
    spin = spin + STEP * turn
    x = x + STEP * v
    v = np.where(np.abs(x) > TRACK, 0, v)  # the cart stops at the end of the track
    return np.stack([np.clip(x, -TRACK, TRACK), v, angle + STEP * spin, spin], axis=-1)


def observe(state):
    x, v, angle, spin = np.moveaxis(state, -1, 0)
    return np.stack([x, v, np.cos(angle), np.sin(angle), spin / 3], axis=-1).astype("f")


def play(networks, state):
    """Play the episodes of all networks. Return their mean scores, and the angles of the first."""
    height, angles = 0, []
    for _ in range(STEPS):
        push = fastnn.forward_many(networks, observe(state))[..., 0]
        state = move(state, push)
        height += np.cos(state[..., 2]) - 0.1 * np.abs(state[..., 0])
        angles.append(state[0, 0, 2])
    return height.mean(axis=1) / STEPS, angles


def evolve(networks, best, sigma, rng):
    """One generation: networks near `best` play, and `best` becomes the mean of the best of them."""
    networks.params = best.params + rng.normal(0, sigma, networks.params.shape)
    scores, _ = play(networks, np.tile(start(rng, EPISODES), (N, 1, 1)))
    best.params = networks.params[np.argsort(-scores)[:N_BEST]].mean(axis=0)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--generations", type=int, default=40, help="default: 40")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    networks = fastnn.population(N, SIZES, "tanh", "tanh", rng=rng)
    best, tests = networks[0].copy(), start(rng, 1, 20)
    scores, before = [], play([best], tests)[1]
    seconds = 0.0
    print("generation   score in new episodes")
    for generation in range(arguments.generations + 1):
        scores.append(play([best], tests)[0][0])
        if generation % 10 == 0:
            print(f"{generation:10}   {scores[-1]:21.2f}")
        began = time.perf_counter()
        evolve(networks, best, SIGMA * DECAY**generation, rng)
        seconds += time.perf_counter() - began
    n = N * EPISODES * STEPS * (arguments.generations + 1)
    print(f"\n{n:,} steps of carts in {seconds:.0f} s, {seconds / n * 1e9:.0f} ns each")
    if arguments.plot:
        draw(arguments.plot, scores, before, play([best], tests)[1])


def draw(file, scores, before, after):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
        axes[0].plot(scores, color=plotting.BLUE)
        axes[0].set(title="Score in new episodes", xlabel="generation")
        seconds = STEP * np.arange(STEPS)
        axes[1].plot(seconds, np.cos(before), color=plotting.BLUE, label="at first")
        axes[1].plot(seconds, np.cos(after), color=plotting.ORANGE, label="at the end")
        axes[1].set(title="Height of the pole: 1 is upright", xlabel="seconds", ylim=(-1.1, 1.1))
        axes[1].legend()
        figure.savefig(file)


if __name__ == "__main__":
    main()
