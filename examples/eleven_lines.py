"""A classic network in eleven lines of NumPy, and the same in fastnn.

The network learns the exclusive or of the first two of three bits, which a
single layer cannot represent:

    [0 0 1] -> 0    [0 1 1] -> 1    [1 0 1] -> 1    [1 1 1] -> 0

It has three inputs, four hidden units and one output, all with sigmoids and
without biases. It trains for 60,000 steps on all four rows at once.

The eleven lines minimize half the SUM of the squared errors, whose derivative
with respect to an output is (output - target). In fastnn, "mse" is the MEAN
over the four rows, whose derivative is 2/4 (output - target). So a learning
rate of 2 gives exactly the same steps.

You will see that both give the same outputs to ten digits, and the time of
each. NumPy spends most of its time on the overhead of each call, while fastnn
runs all steps in one compiled loop.

    python examples/eleven_lines.py --plot eleven_lines.png
"""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

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
    sgd = fastnn.SGD(lr=2)
    net.fit(X, y, loss="mse", optimizer=sgd, epochs=steps, batch_size=None, shuffle=False)
    return net.forward(X)


def timed(function, *arguments):
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60_000, help="training steps (default: 60000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the weights (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each (default: 3)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng, steps = np.random.default_rng(arguments.seed), arguments.steps
    W0, W1 = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (4, 1))
    times = {"NumPy": [], "fastnn": []}
    for _ in range(arguments.repeats):
        theirs, seconds = timed(eleven_lines, W0, W1, steps)
        times["NumPy"].append(seconds)
        ours, seconds = timed(by_fastnn, W0, W1, steps)
        times["fastnn"].append(seconds)

    print("bits      target   NumPy          fastnn")
    for bits, target, their, our in zip(X.astype(int), y[:, 0], theirs[:, 0], ours[:, 0]):
        print(f"{bits}   {target:.0f}        {their:.10f}   {our:.10f}")
    print(f"\nmean error {np.mean(np.abs(y - ours)):.4f}")
    print(f"largest difference {np.max(np.abs(ours - theirs)):.0e}\n")
    best = {name: min(seconds) for name, seconds in times.items()}
    for name, seconds in best.items():
        print(f"{name:6} {seconds:.3f} s, {1e6 * seconds / steps:5.2f} us per step")
    print(f"fastnn is {best['NumPy'] / best['fastnn']:.0f} times faster")
    if arguments.plot:
        draw(arguments.plot, W0, W1, steps, best)


def draw(file, W0, W1, steps, best):
    import matplotlib.pyplot as plt

    marks = np.unique(np.geomspace(1, steps, 150).astype(int))
    ours = np.array([by_fastnn(W0, W1, n)[:, 0] for n in marks])
    theirs = np.array([eleven_lines(W0, W1, n)[:, 0] for n in marks[::12]])
    circles = dict(marker="o", markersize=5, markerfacecolor="white", linestyle="")
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=[1.7, 1])
        for i, style in enumerate(["-", "-", "--", "--"]):
            color = plotting.ORANGE if y[i] else plotting.BLUE
            label = f"{X[i].astype(int)}, target {y[i, 0]:.0f}"
            left.semilogx(marks, ours[:, i], style, color=color, label=label)
            left.plot(marks[::12], theirs[:, i], color=color, **circles)
        left.plot([], [], color="#555555", label="computed by NumPy", **circles)
        left.set(title="Outputs during training", xlabel="steps", ylabel="output")
        left.set_ylim(-0.02, 1.02)
        left.legend(loc="upper left")
        colors = [plotting.GREY, plotting.BLUE]  # a tuple of two is a color and its alpha
        bars = right.barh(list(best), best.values(), color=colors, height=0.4)
        right.bar_label(bars, [f"{seconds:.2f} s" for seconds in best.values()], padding=4)
        right.set(title=f"Time for {steps:,} steps", xlabel="seconds", ylim=(-0.7, 1.7))
        right.set_xlim(0, 1.25 * max(best.values()))
        figure.savefig(file)


if __name__ == "__main__":
    main()
