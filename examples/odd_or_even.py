"""Odd or even? The same question as in three_lines.py, now with a hidden layer.

A single layer weighs pixels; it cannot say "this stroke, but not with that one"
and stays near 0.92. A hundred hidden units (ReLU) between the pixels and the
answer can, and reach 0.98 to 0.99. `MLP` stacks the layers, and `fit` runs the
loop in compiled code.

You will see the learning curve: the loss on the images that it learns from, and
on those held out. Where the second stops falling while the first goes on, the
network has begun to learn its images by heart. The picture also has the nine
images that it finds hardest, with its answer: some are hard for people too.

    python examples/odd_or_even.py --plot odd_or_even.png
"""

import argparse

import numpy as np

import fastnn
from fastnn import plotting
from fastnn.datasets import load_digits


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=int, default=100, help="hidden units (default: 100)")
    parser.add_argument(
        "--epochs", type=int, default=200, help="passes over the images (default: 200)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="draws the split, the weights and the order (default: 1)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    images, digits = load_digits()
    order = np.random.default_rng(arguments.seed).permutation(len(images))
    X, digits = images[order], digits[order]
    odd = digits % 2
    test, train = slice(0, 360), slice(360, None)

    net = fastnn.MLP(
        [64, arguments.hidden, 1], activation="relu", output="sigmoid", rng=arguments.seed
    )
    print(f"{net}\n{net.n_params:,} parameters")
    history = net.fit(
        X[train],
        odd[train],
        optimizer=fastnn.SGD(lr=0.1, momentum=0.9, weight_decay=3e-4),
        epochs=arguments.epochs,
        batch_size=32,
        validation_data=(X[test], odd[test]),
    )

    print("\nepoch   loss     held out")
    for epoch in (1, 2, 5, 10, 20, 50, 100, 200):
        if epoch <= history.n_epochs:
            print(f"{epoch:5}   {history.loss[epoch - 1]:.4f}   {history.val_loss[epoch - 1]:.4f}")
    rows = history.n_epochs * len(X[train]) / history.seconds
    print(f"\n{history.n_steps:,} steps in {history.seconds:.2f} s: {rows:,.0f} images a second")

    probability = net.forward(X[test])[:, 0]
    right = (probability > 0.5) == odd[test]
    print(f"accuracy {right.mean():.3f}: {np.count_nonzero(~right)} of {len(right)} images wrong")
    if arguments.plot:
        hardest = np.argsort(np.where(odd[test], probability, 1 - probability))[
            :9
        ]  # by the probability that it gives to the truth
        draw(arguments.plot, history, X[hardest], digits[hardest], probability[hardest])


def draw(file, history, X, digits, probability):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9), width_ratios=[1.3, 1])
        plotting.plot_history(history, left).set(
            title="Learning curve", ylabel="binary cross-entropy", yscale="log"
        )
        answers = [
            f"{digit}: odd {p:.0%}" if p > 0.5 else f"{digit}: even {1 - p:.0%}"
            for digit, p in zip(digits, probability)
        ]
        plotting.plot_images(X.reshape(-1, 8, 8), right, titles=answers, columns=3)
        right.set(title="The nine hardest, and its answers", anchor="N")
        figure.savefig(file)


if __name__ == "__main__":
    main()
