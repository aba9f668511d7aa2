"""What a classifier gets wrong, and how sure it is.

A network learns to tell ten digits apart, in images of 8 x 8 pixels. The table
at the start is `net.summary()`: layers, parameters and memory. All figures and
plots are about 600 images that the network has not seen.

You will see the accuracy, the digits that it mixes up most, the average
precision of the digits, and the most important pixel. With --plot you get six
pictures from `fastnn.plotting` (extra plot): the learning curve, the confusion
matrix, the precision and recall of the eight most frequent digits, the
reliability diagram, the most important pixels, and the weights of 16 of the
hidden units. The functions take true classes and predicted probabilities, so
they work in the same way with any other model.

    python examples/diagnostics.py --plot diagnostics.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.metrics import average_precision_score, confusion_matrix

import fastnn
from fastnn import plotting
from fastnn.datasets import load_digits


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    images, digits = load_digits()
    order = np.random.default_rng(arguments.seed).permutation(len(images))
    X, y = images[order], digits[order]
    test, train = slice(0, 600), slice(600, None)

    net = fastnn.MLP([64, 64, 10], output="softmax", rng=arguments.seed)
    net.summary()
    net.fit(X[train], y[train], epochs=30, validation_data=(X[test], y[test]))

    P = net.forward(X[test])
    predicted = P.argmax(axis=1)
    print(f"\naccuracy {np.mean(predicted == y[test]):.3f} on {len(P)} images\n")
    print("true digit   predicted as   images")
    matrix = confusion_matrix(y[test], predicted)
    wrong = matrix - np.diag(np.diag(matrix))
    for place in np.argsort(-wrong, axis=None, kind="stable")[:3]:
        i, j = divmod(int(place), 10)
        print(f"{i:10}   {j:12}   {wrong[i, j]:6}")
    precision = [average_precision_score(y[test] == i, P[:, i]) for i in range(10)]
    print(f"\naverage precision of the digits: {min(precision):.3f} to {max(precision):.3f}")
    losses = permutation_importance(
        net, X[test], y[test], scoring=lambda net, X, y: -net.loss(X, y), random_state=0
    )
    best = int(losses.importances_mean.argmax())
    print(f"most important pixel: row {best // 8}, column {best % 8}")
    if arguments.plot:
        draw(arguments.plot, net, X[test], y[test])


def draw(file, net, X, y):
    import matplotlib.pyplot as plt

    P = net.forward(X)
    with plotting.style():
        figure, axes = plt.subplots(3, 2, figsize=(8, 9.4))
        (history, confusion), (curves, reliability), (pixels, weights) = axes
        plotting.plot_history(net, history).set_title("Learning curve")
        plotting.plot_confusion(y, P, confusion).set_title("Confusion matrix")
        plotting.plot_precision_recall(y, P, curves).set_title("Precision and recall")
        plotting.plot_reliability(y, P, reliability).set_title("Reliability diagram")
        plotting.plot_importances(net, X, y, pixels, max_columns=8).set_title("Important pixels")
        plotting.plot_weights(net, weights, shape=(8, 8), units=range(16))
        weights.set_title("Weights of 16 hidden units")
        figure.savefig(file)


if __name__ == "__main__":
    main()
