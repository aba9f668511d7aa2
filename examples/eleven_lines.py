"""The classic network in eleven lines of NumPy, and the same by fastnn.

Four rows of three bits, and an answer for each: the "exclusive or" of the first
two bits, which no single layer can tell. Three inputs, four hidden sigmoids,
one sigmoid, no biases, and 60,000 steps over all four rows at once:

    [0 0 1] -> 0    [0 1 1] -> 1    [1 0 1] -> 1    [1 1 1] -> 0

The eleven lines descend on half the SUM of the squared errors: its derivative
by an output is (output - answer), and every step takes the whole of it. In
fastnn "mse" is the MEAN over the rows, a quarter of the sum; its derivative is
2/4 (output - answer). So a learning rate of 2 makes the very same step.

You will see both give the same answers to more digits than anybody needs, and
how long each takes: NumPy spends its time on the way into and out of each
operation, and fastnn runs all steps in one compiled loop.

    python examples/eleven_lines.py --plot eleven_lines.png
"""

import argparse
import time

import numpy as np

import fastnn
from fastnn import plotting

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
y = np.array([[0, 1, 1, 0]], float).T


def eleven_lines(W0, W1, steps):
    W0, W1 = W0.copy(), W1.copy()
    for _ in range(steps):
        l1 = 1 / (1 + np.exp(-(X @ W0)))
        l2 = 1 / (1 + np.exp(-(l1 @ W1)))
        l2_delta = (y - l2) * (l2 * (1 - l2))
        l1_delta = l2_delta @ W1.T * (l1 * (1 - l1))
        W1 += l1.T @ l2_delta
        W0 += X.T @ l1_delta
    l1 = 1 / (1 + np.exp(-(X @ W0)))
    return 1 / (1 + np.exp(-(l1 @ W1)))


def by_fastnn(W0, W1, steps):
    net = fastnn.MLP([3, 4, 1], activation="sigmoid", output="sigmoid", bias=False, dtype="float64")
    net.weights = W0, W1
    net.fit(
        X, y, loss="mse", optimizer=fastnn.SGD(lr=2), epochs=steps, batch_size=None, shuffle=False
    )
    return net.forward(X)


def timed(function, *arguments):
    began = time.perf_counter()
    return function(*arguments), time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60_000, help="default: 60,000")
    parser.add_argument("--seed", type=int, default=1, help="draws the weights (default: 1)")
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="time each so many times, in turn; the best counts (default: 3)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    rng, steps = np.random.default_rng(arguments.seed), arguments.steps
    W0, W1 = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (4, 1))
    times = {"NumPy": [], "fastnn": []}
    for _ in range(arguments.repeats):
        theirs, seconds = timed(eleven_lines, W0, W1, steps)
        times["NumPy"].append(seconds)
        ours, seconds = timed(by_fastnn, W0, W1, steps)
        times["fastnn"].append(seconds)

    print("bits      answer   NumPy          fastnn")
    for bits, answer, their, our in zip(X.astype(int), y[:, 0], theirs[:, 0], ours[:, 0]):
        print(f"{bits}   {answer:.0f}        {their:.10f}   {our:.10f}")
    print(
        f"\nmean error {np.mean(np.abs(y - ours)):.4f}; largest difference {np.max(np.abs(ours - theirs)):.0e}"
    )
    best = {name: min(seconds) for name, seconds in times.items()}
    for name, seconds in best.items():
        print(f"{name:6} {seconds:.3f} s, {1e6 * seconds / steps:5.2f} us a step")
    print(f"fastnn is {best['NumPy'] / best['fastnn']:.0f} times faster")
    if arguments.plot:
        draw(arguments.plot, W0, W1, steps, best)


def draw(file, W0, W1, steps, best):
    import matplotlib.pyplot as plt

    marks = np.unique(np.geomspace(1, steps, 150).astype(int))
    ours = np.array([by_fastnn(W0, W1, n)[:, 0] for n in marks])
    theirs = np.array([eleven_lines(W0, W1, n)[:, 0] for n in marks[::12]])
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=[1.7, 1])
        for i, style in enumerate(["-", "-", "--", "--"]):
            color = plotting.ORANGE if y[i] else plotting.BLUE
            left.semilogx(
                marks,
                ours[:, i],
                style,
                color=color,
                label=f"{X[i].astype(int)} should be {y[i, 0]:.0f}",
            )
            left.plot(
                marks[::12], theirs[:, i], "o", color=color, markersize=5, markerfacecolor="white"
            )
        left.plot(
            [],
            [],
            "o",
            color="#555555",
            markersize=5,
            markerfacecolor="white",
            label="NumPy's answers",
        )
        left.set(
            title="The four answers while it learns",
            xlabel="steps",
            ylabel="output",
            ylim=(-0.02, 1.02),
        )
        left.legend(loc="upper left")
        bars = right.barh(
            list(best), best.values(), color=[plotting.GREY, plotting.BLUE], height=0.4
        )
        right.bar_label(bars, [f"{seconds:.2f} s" for seconds in best.values()], padding=4)
        right.set(
            title=f"{steps:,} steps take",
            xlabel="seconds",
            xlim=(0, 1.25 * max(best.values())),
            ylim=(-0.7, 1.7),
        )
        figure.savefig(file)


if __name__ == "__main__":
    main()
