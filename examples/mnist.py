"""Classify the handwritten digits of MNIST with two networks.

    784 - 16 - 16 - 10    sigmoids and plain gradient descent, the network of
                          many introductions (accuracy above 0.93)
    784 - 128 - 10        ReLU, softmax and Adam, the usual choice today
                          (accuracy above 0.975)

MNIST is not included. Pass a folder with its four files, compressed (.gz) or
not. Other data sets in the same format (IDX) also work:

    train-images-idx3-ubyte  train-labels-idx1-ubyte
    t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte

You will see the test accuracy after each epoch. The plot shows the weights of
16 hidden units as images: dark pixels where a weight is orange raise the unit's
output, where it is blue they lower it. Near the borders of the second network,
where no image has ink, the weights keep their random initial values.

    python examples/mnist.py FOLDER --plot mnist.png
"""

import gzip
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np

import fastnn
from fastnn import plotting

FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def read_idx(folder, name):
    """Return the array in an IDX file: two zero bytes, the type (8 for bytes), the number of
    dimensions, the dimensions, the data."""
    path = Path(folder, name)
    packed = path.with_name(name + ".gz")
    if not path.exists() and not packed.exists():
        raise SystemExit(f"found neither {path} nor {packed.name}")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with the four files")
    parser.add_argument("--epochs", type=int, default=10, help="epochs (default: 10)")
    parser.add_argument("--threads", type=int, default=-1, help="-1 for all CPUs (default: -1)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    images, y, test_images, y_test = (read_idx(arguments.folder, name) for name in FILES)
    height, width = images.shape[1:]
    n_pixels = height * width
    X = images.reshape(-1, n_pixels).astype("float32") / 255
    X_test = test_images.reshape(-1, n_pixels).astype("float32") / 255
    print(f"{len(X):,} training images, {len(X_test):,} test images")

    sigmoids = fastnn.MLP([n_pixels, 16, 16, 10], activation="sigmoid", output="sigmoid", rng=0)
    relu = fastnn.MLP([n_pixels, 128, 10], activation="relu", output="softmax", rng=0)
    one_hot = np.eye(10)[y]  # ten yes-or-no targets for sigmoids; softmax takes the digits
    test = X_test, y_test
    train(sigmoids, X, one_hot, test, fastnn.SGD(lr=0.5), 16, arguments)
    train(relu, X, y, test, fastnn.Adam(lr=1e-3), 64, arguments)
    if arguments.plot:
        nets = sigmoids, relu
        draw(arguments.plot, [net.weights[0].T[:16].reshape(-1, height, width) for net in nets])


def train(net, X, y, test, optimizer, batch_size, arguments):
    X_test, y_test = test
    scores = []

    def score(net, history):
        scores.append(np.mean(net.forward(X_test).argmax(axis=1) == y_test))

    sizes = " - ".join(map(str, net.layer_sizes))
    print(f"\n{sizes}, {net.activations[0]}, {net.n_params:,} parameters")
    history = net.fit(
        X,
        y,
        optimizer=optimizer,
        epochs=arguments.epochs,
        batch_size=batch_size,
        callbacks=[score],
        n_threads=arguments.threads,
    )
    print("after each epoch " + " ".join(f"{score:.3f}" for score in scores[:10]))
    rows = len(X) * history.n_epochs / history.seconds
    print(f"test accuracy {scores[-1]:.4f}, {history.seconds:.1f} s, {rows:,.0f} images per second")


def draw(file, weights):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 4.3))
        titles = "Weights of the 16 sigmoid units", "Weights of 16 of the 128 ReLU units"
        for ax, images, title in zip(axes, weights, titles):
            plotting.plot_images(images, ax, columns=4, signed=True).set_title(title)
        figure.savefig(file)


if __name__ == "__main__":
    main()
