"""The article's lines of mathematics, one function call each, on plain arrays.

    z = W x + b                                    linear
    a = sigma(z)                                   activation
    L = -1/N sum y log a + (1 - y) log(1 - a)      binary cross-entropy
    W = W - alpha dL/dW,   b = b - alpha dL/db     gradient descent

The question: is a handwritten digit odd or even? One layer, no hidden units:
64 weights, one for each pixel, and one bias. You will see the loss fall from
log 2 = 0.693, which is that of somebody who knows nothing, and the accuracy
rise from a half to about 0.92. The picture shows both, and the 64 weights: ink
on an orange pixel speaks for odd, ink on a blue one for even.

    python examples/three_lines.py --plot three_lines.png
"""

import argparse

import numpy as np

from fastnn import functional as F
from fastnn import plotting
from fastnn.datasets import load_digits


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=int, default=500, help="steps of gradient descent (default: 500)"
    )
    parser.add_argument(
        "--lr", type=float, default=0.5, help="the learning rate alpha (default: 0.5)"
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    images, digits = load_digits()
    order = np.random.default_rng(0).permutation(len(images))
    X, y = (
        images[order],
        (digits[order, None] % 2).astype("float32"),
    )  # a row is an image; y is 1 for odd
    X, X_test, y, y_test = X[360:], X[:360], y[360:], y[:360]

    W, b = np.zeros((64, 1), "float32"), np.zeros(1, "float32")
    dY = np.empty_like(y)
    print(f"{len(X)} images to learn from, {len(X_test)} to test on\n")
    print("step     loss   accuracy   on new images")

    curve = []
    for step in range(arguments.steps + 1):
        Y = F.linear(X, W, b, activation="sigmoid")  # lines 1 and 2, for all images at once
        L = F.binary_cross_entropy(Y, y, grad=dY)  # line 3, and its derivative dL/dY

        accuracy = np.mean((Y > 0.5) == y)
        test_accuracy = np.mean((F.linear(X_test, W, b, activation="sigmoid") > 0.5) == y_test)
        curve.append((L, accuracy, test_accuracy))
        if step in (0, 1, 2, 5, 10, 20, 50, 100, 200) or step == arguments.steps:
            print(f"{step:4}   {L:.4f}      {accuracy:.3f}           {test_accuracy:.3f}")

        _, dW, db = F.linear_backward(dY, X, W, b, Y, activation="sigmoid", need_dX=False)
        F.sgd_step_(W, dW, lr=arguments.lr)  # line 4, in place
        F.sgd_step_(b, db, lr=arguments.lr)

    print(f"\naccuracy {test_accuracy:.3f} on images that it has not seen")
    if arguments.plot:
        draw(arguments.plot, np.array(curve), W)


def draw(file, curve, W):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, middle, right) = plt.subplots(
            1, 3, figsize=(9, 3.2), width_ratios=[1.15, 1.15, 0.9]
        )
        left.plot(curve[:, 0])
        left.axhline(np.log(2), color=plotting.GREY, linestyle=":", linewidth=1.2)
        left.text(
            len(curve),
            np.log(2) - 0.015,
            "log 2: knows nothing",
            ha="right",
            va="top",
            color="#555555",
        )
        left.set(title="Loss", xlabel="step", ylabel="binary cross-entropy", ylim=(0, 0.75))
        middle.plot(curve[:, 1], label="learned from")
        middle.plot(curve[:, 2], label="not seen before")
        middle.set(title="Accuracy", xlabel="step", ylabel="share of images", ylim=(0.45, 1))
        middle.legend(loc="lower right")
        plotting.plot_images(W.reshape(1, 8, 8), right, signed=True)
        right.set(title="The 64 weights", anchor="N")
        right.text(4, 8.6, "orange: odd,  blue: even", ha="center", va="top", color="#555555")
        figure.savefig(file)


if __name__ == "__main__":
    main()
