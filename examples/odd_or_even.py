"""Is a digit odd or even? A network with a hidden layer.

A single layer adds up the evidence of each pixel. It cannot express "this
stroke, but not together with that one", so its accuracy stays near 0.92. With a
hidden layer of 100 ReLU units, the network reaches 0.98 to 0.99. `MLP` stacks
the layers, and `fit` trains them in compiled code.

You will see the loss on the training images and on held-out images after each
epoch. Where the held-out loss stops falling while the training loss still
falls, the network begins to overfit. The plot also shows the nine held-out
images with the lowest predicted probability of the true answer.

    python examples/odd_or_even.py --plot odd_or_even.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting
from fastnn.datasets import load_digits


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=100, help="hidden units (default: 100)")
    parser.add_argument("--epochs", type=int, default=200, help="epochs (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: 1)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    images, digits = load_digits()
    order = np.random.default_rng(arguments.seed).permutation(len(images))
    X, digits = images[order], digits[order]
    odd = digits % 2
    test, train = slice(0, 360), slice(360, None)

    sizes = [64, arguments.hidden, 1]
    net = fastnn.MLP(sizes, activation="relu", output="sigmoid", rng=arguments.seed)
    print(f"{net}\n{net.n_params:,} parameters")
    history = net.fit(
        X[train],
        odd[train],
        optimizer=fastnn.SGD(lr=0.1, momentum=0.9, weight_decay=3e-4),
        epochs=arguments.epochs,
        batch_size=32,
        validation_data=(X[test], odd[test]),
    )

    print("\nepoch   training loss   held-out loss")
    for epoch in (1, 2, 5, 10, 20, 50, 100, 200):
        if epoch <= history.n_epochs:
            loss, held_out = history.loss[epoch - 1], history.val_loss[epoch - 1]
            print(f"{epoch:5}   {loss:13.4f}   {held_out:13.4f}")
    rows = history.n_epochs * len(X[train]) / history.seconds
    print(f"\n{history.n_steps:,} steps in {history.seconds:.2f} s: {rows:,.0f} images per second")

    p_odd = net.forward(X[test])[:, 0]
    correct = (p_odd > 0.5) == odd[test]
    print(f"accuracy {correct.mean():.3f}: {sum(~correct)} of {len(correct)} images wrong")
    if arguments.plot:
        p_true = np.where(odd[test], p_odd, 1 - p_odd)
        hardest = np.argsort(p_true)[:9]
        draw(arguments.plot, history, X[hardest], digits[hardest], p_odd[hardest])


def draw(file, history, X, digits, p_odd):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9), width_ratios=[1.3, 1])
        plotting.plot_history(history, left)
        left.set(title="Learning curve", ylabel="binary cross-entropy", yscale="log")
        answers = [
            f"{digit}: odd {p:.0%}" if p > 0.5 else f"{digit}: even {1 - p:.0%}"
            for digit, p in zip(digits, p_odd)
        ]
        plotting.plot_images(X.reshape(-1, 8, 8), right, titles=answers, columns=3)
        right.set(title="Hardest images and predictions", anchor="N")
        figure.savefig(file)


if __name__ == "__main__":
    main()
