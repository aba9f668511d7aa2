"""Cat or not? Any folder of two kinds of pictures, told apart from raw pixels.

Give a folder with two subfolders, named as you like, one for each kind:

    pictures/cats/0001.jpg ...    pictures/dogs/0001.jpg ...

Every picture is shrunk to 32 x 32 pixels, 3072 numbers from 0 to 1; a network
with a hidden layer says with which probability it is of the second kind.

Be warned: this is not how one tells cats from dogs. A dense network has no idea
that pixels have neighbours, or that a cat on the left is a cat on the right; of
cats and dogs at this size it gets 0.60 to 0.63 right, where a coin gets 0.50.
You will see it get far more of the pictures right that it learned from than of
new ones. Where the kinds differ in colour, in brightness or in what stands at a
fixed place, it does well. For the rest there are convolutions.

Needs Pillow: python -m pip install pillow

    python examples/cat_or_not.py pictures --plot cat_or_not.png
"""

import argparse
import pathlib

import numpy as np
from PIL import Image

import fastnn
from fastnn import plotting

SIDE = 32


def read(folder):
    """All pictures in a folder as rows of pixels, those that Pillow cannot read left out."""
    rows = []
    for path in sorted(folder.iterdir()):
        try:
            with Image.open(path) as picture:
                rows.append(
                    np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), "float32").ravel() / 255
                )
        except OSError:
            print(f"left out, not a picture: {path}")
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="holds two folders of pictures")
    parser.add_argument("--hidden", type=int, default=64, help="hidden units (default: 64)")
    parser.add_argument(
        "--epochs", type=int, default=30, help="passes over the pictures (default: 30)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="draws the split, the weights and the order (default: 0)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    folders = sorted(path for path in arguments.folder.glob("*") if path.is_dir())
    if len(folders) != 2:
        parser.error(
            f"{arguments.folder} must hold two folders, one for each kind of picture; it holds {len(folders)}"
        )
    kinds = [read(folder) for folder in folders]
    names = [folder.name for folder in folders]
    if min(map(len, kinds)) < 5:
        parser.error(
            f"each folder must hold 5 pictures or more; {names[0]} holds {len(kinds[0])}, {names[1]} {len(kinds[1])}"
        )
    X, y = np.array(kinds[0] + kinds[1]), np.repeat([0, 1], [len(kinds[0]), len(kinds[1])])
    order = np.random.default_rng(arguments.seed).permutation(len(X))
    test, train = order[: len(X) // 5], order[len(X) // 5 :]
    print(
        f"{len(kinds[0])} {names[0]}, {len(kinds[1])} {names[1]}: {len(train)} pictures to learn from, {len(test)} to test on"
    )

    net = fastnn.MLP(
        [X.shape[1], arguments.hidden, 1], activation="relu", output="sigmoid", rng=arguments.seed
    )
    history = net.fit(
        X[train] - 0.5,
        y[train],
        optimizer=fastnn.Adam(lr=3e-4, weight_decay=1e-3),
        epochs=arguments.epochs,
        validation_data=(X[test] - 0.5, y[test]),
        n_threads=-1,
    )
    probability = net.forward(X - 0.5)[:, 0]
    right = (probability > 0.5) == y
    accuracy, guess = right[test].mean(), max(y[test].mean(), 1 - y[test].mean())
    print(f"{net.n_params:,} parameters, {history.n_epochs} epochs, {history.seconds:.1f} s\n")
    print(f"accuracy {right[train].mean():.3f} on the pictures that it learned from")
    print(
        f"accuracy {accuracy:.3f} on new ones, give or take {np.sqrt(accuracy * (1 - accuracy) / len(test)):.3f}"
    )
    print(f"accuracy {guess:.3f} for always saying {names[int(y[test].mean() > 0.5)]}")
    print("\nFrom raw pixels, cats and dogs come to 0.60 to 0.63 with any plain network.")
    if arguments.plot:
        draw(arguments.plot, history, X[test], y[test], probability[test], names)


def draw(file, history, X, y, probability, names):
    import matplotlib.pyplot as plt

    said = (probability > 0.5).astype(int)
    titles = [
        f"{'✓' if answer == truth else '✗'} {names[answer][:12]}" for answer, truth in zip(said, y)
    ]
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9), width_ratios=[1.2, 1])
        plotting.plot_history(history, left).set(
            title="Learning curve", ylabel="binary cross-entropy"
        )
        plotting.plot_images(X[:9].reshape(-1, SIDE, SIDE, 3), right, titles=titles[:9], columns=3)
        right.set(title="New pictures, and its answers", anchor="N")
        figure.savefig(file)


if __name__ == "__main__":
    main()
