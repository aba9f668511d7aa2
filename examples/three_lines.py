"""Four lines of math: one layer on plain NumPy arrays.

    z = W x + b                                    linear
    a = sigma(z)                                   activation
    L = -1/N sum(y log a + (1 - y) log(1 - a))     binary cross-entropy
    W = W - alpha dL/dW,   b = b - alpha dL/db     gradient descent

The task: is a handwritten digit odd or even? The network has a single layer,
with one weight for each of the 64 pixels and one bias. In code, lines 1 and 2
are one call, so the four lines of math become three.

You will see the loss fall from log 2 = 0.693, the loss of a network that always
predicts 0.5, and the accuracy rise from about 0.5 to 0.92. The plot shows both,
and the 64 weights: dark pixels where a weight is orange are evidence for odd,
where it is blue for even.

    python examples/three_lines.py --plot three_lines.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import functional as F
from fastnn import plotting
from fastnn.datasets import load_digits


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="training steps (default: 500)")
    parser.add_argument("--lr", type=float, default=0.5, help="learning rate (default: 0.5)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    images, digits = load_digits()
    order = np.random.default_rng(0).permutation(len(images))
    X = images[order]
    y = (digits[order, None] % 2).astype("float32")  # 1 for odd
    X, X_test, y, y_test = X[360:], X[:360], y[360:], y[:360]
    print(f"{len(X)} training images, {len(X_test)} test images\n")
    print("step     loss   training accuracy   test accuracy")

    W, b = np.zeros((64, 1), "float32"), np.zeros(1, "float32")
    dY, curve = np.empty_like(y), []
    for step in range(arguments.steps + 1):
        Y = F.linear(X, W, b, activation="sigmoid")  # lines 1 and 2, for all images
        L = F.binary_cross_entropy(Y, y, grad=dY)  # line 3; writes dL/dY to dY

        accuracy = np.mean((Y > 0.5) == y)
        test_accuracy = np.mean((F.linear(X_test, W, b, activation="sigmoid") > 0.5) == y_test)
        curve.append((L, accuracy, test_accuracy))
        if step in (0, 1, 2, 5, 10, 20, 50, 100, 200, arguments.steps):
            print(f"{step:4}   {L:.4f}   {accuracy:17.3f}   {test_accuracy:13.3f}")

        _, dW, db = F.linear_backward(dY, X, W, b, Y, activation="sigmoid", need_dX=False)
        F.sgd_step_(W, dW, lr=arguments.lr)  # line 4, in place
        F.sgd_step_(b, db, lr=arguments.lr)

    print(f"\naccuracy {test_accuracy:.3f} on images that were not used for training")
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
        note = dict(color="#555555", va="top")
        left.text(len(curve), np.log(2) - 0.015, "log 2: always predict 0.5", ha="right", **note)
        left.set(title="Loss", xlabel="step", ylabel="binary cross-entropy", ylim=(0, 0.75))
        middle.plot(curve[:, 1], label="training images")
        middle.plot(curve[:, 2], label="test images")
        middle.set(title="Accuracy", xlabel="step", ylabel="accuracy", ylim=(0.45, 1))
        middle.legend(loc="lower right")
        plotting.plot_images(W.reshape(1, 8, 8), right, signed=True)
        right.set(title="The 64 weights", anchor="N")
        right.text(4, 8.6, "orange: odd,  blue: even", ha="center", **note)
        figure.savefig(file)


if __name__ == "__main__":
    main()
