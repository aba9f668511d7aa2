"""Classify two kinds of pictures from raw pixels.

Pass a folder with two subfolders of any name, one for each kind of picture:

    pictures/cats/0001.jpg ...    pictures/dogs/0001.jpg ...

The example shrinks each picture to 32 x 32 pixels, which gives 3072 numbers
from 0 to 1. A network with one hidden layer predicts the probability of the
second kind. A fifth of the pictures tells which epoch is the best one. Training
stops 10 epochs later, and the network of that epoch is saved. Another fifth
tests it. Pass a picture instead of a folder to classify it:

    python examples/cat_or_not.py pictures --plot cat_or_not.png
    python examples/cat_or_not.py photo.jpg

Dense networks are not made for pictures like these. They do not know which
pixels are neighbours, nor that a cat on the left looks like a cat on the right.
Use a convolutional network instead. For cats and dogs at this size, a dense
network reaches an accuracy of 0.60 to 0.63, and guessing reaches 0.50. You will
see that the loss of the training pictures falls on where that of the others
rises. A dense network works well where the kinds differ in colour, in
brightness, or at fixed places.

Needs Pillow: python -m pip install pillow
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np
from PIL import Image

import fastnn
from fastnn import plotting

SIDE = 32


def pixels_of(path):
    """Return a picture as numbers from -0.5 to 0.5."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), "float32")
    return pixels.ravel() / 255 - 0.5


def read(folder):
    """Return the pictures in a folder as rows. Skip files that Pillow cannot read."""
    rows = []
    for path in sorted(folder.iterdir()):
        try:
            rows.append(pixels_of(path))
        except OSError:
            print(f"skipped, not a picture: {path}")
    return rows


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="folder with two subfolders, or a picture")
    file = "model file to write, or to classify a picture with (default: cat_or_not.safetensors)"
    parser.add_argument("--model", default="cat_or_not.safetensors", metavar="FILE", help=file)
    parser.add_argument("--hidden", type=int, default=64, help="hidden units (default: 64)")
    parser.add_argument("--epochs", type=int, default=100, help="most epochs (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()
    (train if arguments.path.is_dir() else classify)(arguments, parser.error)


def train(arguments, fail):
    folders = sorted(path for path in arguments.path.glob("*") if path.is_dir())
    if len(folders) != 2:
        fail(f"{arguments.path} has {len(folders)} subfolders, but the example expects two")
    names = [folder.name for folder in folders]
    kinds = [read(folder) for folder in folders]
    sizes = [len(kind) for kind in kinds]
    if min(sizes) < 5:
        counts = f"{names[0]} has {sizes[0]} pictures and {names[1]} has {sizes[1]}"
        fail(f"{counts}, but each needs at least 5")
    X, y = np.array(kinds[0] + kinds[1]), np.repeat([0, 1], sizes)
    order = np.random.default_rng(arguments.seed).permutation(len(X))
    fifth = len(X) // 5
    test, held_out, rest = order[:fifth], order[fifth : 2 * fifth], order[2 * fifth :]
    print(f"{sizes[0]} {names[0]} and {sizes[1]} {names[1]}: {len(rest)} training pictures,")
    print(f"{len(held_out)} to find the best epoch, {len(test)} test pictures")

    layers = [X.shape[1], arguments.hidden, 1]
    net = fastnn.MLP(layers, activation="relu", output="sigmoid", rng=arguments.seed)
    history = net.fit(
        X[rest],
        y[rest],
        optimizer=fastnn.Adam(lr=3e-4, weight_decay=1e-3),
        epochs=arguments.epochs,
        validation_data=(X[held_out], y[held_out]),
        callbacks=fastnn.callbacks.EarlyStopping(patience=10),
        n_threads=-1,
    )
    p = net.forward(X)[:, 0]
    correct = (p > 0.5) == y
    accuracy, majority = correct[test].mean(), int(y[test].mean() > 0.5)
    deviation = np.sqrt(accuracy * (1 - accuracy) / len(test))
    best = net.state.best.epoch
    print(f"{net.n_params:,} parameters, {history.n_epochs} epochs, best {best}\n")
    print(f"training accuracy {correct[rest].mean():.3f}")
    print(f"test accuracy     {accuracy:.3f} (standard error {deviation:.3f})")
    print(f"baseline          {np.mean(y[test] == majority):.3f} (always {names[majority]})")
    print("\nOn cats and dogs, dense networks reach 0.60 to 0.63 from raw pixels.")
    net.state = None  # of the optimizer: prediction does not need it
    net.metadata = {"kinds": json.dumps(names)}
    net.save(arguments.model)
    print(f"\nSaved {arguments.model}. To classify a picture:")
    print(f"  python examples/cat_or_not.py PICTURE --model {arguments.model}")
    if arguments.plot:
        draw(arguments.plot, history, best, X[test], y[test], p[test], names)


def classify(arguments, fail):
    try:
        net = fastnn.load(arguments.model)
        names = json.loads(net.metadata["kinds"])
    except OSError:
        fail(f"there is no model {arguments.model}. Pass a folder of pictures to train one")
    except (ValueError, KeyError, AttributeError):
        fail(f"{arguments.model} was not written by this example")
    try:
        p = float(net.forward(pixels_of(arguments.path)[None])[0, 0])
    except OSError as error:
        fail(f"{arguments.path}: {error.strerror or 'not a picture that Pillow can read'}")
    print(f"{names[p > 0.5]} (probability {max(p, 1 - p):.2f})")


def draw(file, history, best, X, y, p, names):
    import matplotlib.pyplot as plt

    predicted = (p > 0.5).astype(int)
    titles = [f"{'✓' if k == true else '✗'} {names[k][:12]}" for k, true in zip(predicted[:9], y)]
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9), width_ratios=[1.2, 1])
        plotting.plot_history(history, left)
        left.axvline(best, color="#888888", linewidth=1, linestyle="--")
        left.set(title=f"Learning curve, best epoch {best}", ylabel="binary cross-entropy")
        pictures = (X[:9] + 0.5).reshape(-1, SIDE, SIDE, 3)
        plotting.plot_images(pictures, right, titles=titles, columns=3)
        right.set(title="Test pictures and predictions", anchor="N")
        figure.savefig(file)


if __name__ == "__main__":
    main()
