"""Which digit is it? The MNIST pictures, 28 x 28 pixels, and two networks.

    784 - 16 - 16 - 10    sigmoids everywhere, plain gradient descent: the
                          network that many people meet first (above 0.93)
    784 - 128 - 10        ReLU, softmax and Adam: what one does today (0.975+)

The pictures are not shipped. Give a folder with the four files of MNIST, as
they are or compressed (.gz); any data of that format (IDX) will do:

    train-images-idx3-ubyte  train-labels-idx1-ubyte
    t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte

You will see the accuracy on the test pictures after each of a few epochs. The
picture shows what units of the first layer look for: ink on orange excites
them, ink on blue silences them. Nobody told them; they learned it. (The noise
near the borders in the second is what it began with: there is never any ink.)

    python examples/mnist.py FOLDER --plot mnist.png
"""

import argparse
import gzip
import pathlib

import numpy as np

import fastnn
from fastnn import plotting


def read_idx(folder, name):
    """The array in an IDX file: two zeros, the type (8: bytes), the number of sizes, the sizes, the
    numbers."""
    path = pathlib.Path(folder, name)
    packed = path.with_name(name + ".gz")
    if not path.exists() and not packed.exists():
        raise SystemExit(f"{path} is not there, nor {packed.name}")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="where the four files are")
    parser.add_argument(
        "--epochs", type=int, default=10, help="passes over the pictures (default: 10)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=-1,
        help="at most so many, -1 for all CPUs; the result is the same (default: -1)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    images, y = (
        read_idx(arguments.folder, f"train-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
    )
    test_images, y_test = (
        read_idx(arguments.folder, f"t10k-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
    )
    height, width = images.shape[1:]
    X, X_test = (
        pixels.reshape(-1, height * width).astype("float32") / 255
        for pixels in (images, test_images)
    )
    print(f"{len(X):,} pictures to learn from, {len(X_test):,} to test on")

    sigmoids = fastnn.MLP(
        [height * width, 16, 16, 10], activation="sigmoid", output="sigmoid", rng=0
    )
    relu = fastnn.MLP([height * width, 128, 10], activation="relu", output="softmax", rng=0)
    ten_answers = np.eye(10)[
        y
    ]  # ten sigmoids give ten yes-or-no answers; the softmax takes the digit itself
    train(sigmoids, X, ten_answers, X_test, y_test, fastnn.SGD(lr=0.5), 16, arguments)
    train(relu, X, y, X_test, y_test, fastnn.Adam(lr=1e-3), 64, arguments)
    if arguments.plot:
        draw(
            arguments.plot,
            [net.weights[0].T[:16].reshape(-1, height, width) for net in (sigmoids, relu)],
        )


def train(net, X, y, X_test, y_test, optimizer, batch_size, arguments):
    scores = []

    def score(net, history):
        scores.append(np.mean(net.forward(X_test).argmax(axis=1) == y_test))

    print(
        f"\n{' - '.join(map(str, net.layer_sizes))}, {net.activations[0]}, {net.n_params:,} parameters"
    )
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
    print(
        f"test accuracy {scores[-1]:.4f}, {history.seconds:.1f} s, {len(X) * history.n_epochs / history.seconds:,.0f} pictures a second"
    )


def draw(file, weights):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 4.3))
        for ax, images, title in zip(
            axes, weights, ["Sigmoid: what its 16 units look for", "ReLU: 16 of its 128 units"]
        ):
            plotting.plot_images(images, ax, columns=4, signed=True).set_title(title)
        figure.savefig(file)


if __name__ == "__main__":
    main()
