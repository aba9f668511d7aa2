"""The plots whose pictures are on record: test_plot_pictures.py compares them with data/plots/.

    python tests/support/pictures.py --write    record them anew, after a change that is meant to change them;
                                        look at each

Texts and legends, whose size is that of their texts, are left out, since fonts differ between machines;
texts.txt has what they say, and how all that is drawn looks; style.txt has what the style changes. Data
and parameters are fixed, so that no training is in the pictures.
"""

import argparse
from collections import Counter
from numbers import Real

import numpy as np
from places import DATA

import fastnn
from fastnn import plotting
from fastnn.tabular.explaining.effects import Effect, PairEffect

FOLDER = DATA / "plots"

n = np.arange(90)
P2 = 0.5 + 0.5 * np.sin(1.7 * n)  # of the second of two classes
Y2 = (P2 > n * 0.618 % 1).astype(int)  # drawn with these probabilities
P3 = np.exp(2 * np.stack([np.sin(1.3 * n), np.cos(2.1 * n), np.sin(3.7 * n)], axis=1))
P3 /= P3.sum(axis=1, keepdims=True)
Y3 = np.where(n % 4, P3.argmax(axis=1), n % 3)
X = np.stack([np.sin(2.3 * n), np.cos(1.1 * n)], axis=1)
PREDICTED = 3 * np.sin(1.9 * n)
TRUE = PREDICTED + 0.5 * np.cos(7.7 * n) * (1 + np.abs(PREDICTED))
LOSS = (1 / np.arange(1, 21)).tolist()


def network(n_out, output):
    """A network of two inputs whose parameters are fixed."""
    net = fastnn.MLP([2, 6, n_out], "tanh", output=output, rng=0)
    net.params = 2.5 * np.sin(np.arange(1, net.n_params + 1) ** 1.5)
    return net


def history(k=1):
    """Losses that fall; the validation losses rise again."""
    return fastnn.History(
        [k * loss for loss in LOSS], [k * (a + i / 60) for i, a in enumerate(LOSS)]
    )


def ensemble(ax):
    """The learning curves of three networks: an estimator as far as `plot_history` reads it."""
    clf = fastnn.MLPClassifier()
    clf.networks_ = [network(1, "sigmoid")] * 3
    histories = [history(k) for k in (1, 1.5, 2)]
    clf.loss_curve_ = [each.loss for each in histories]
    clf.validation_loss_curve_ = [each.val_loss for each in histories]
    plotting.plot_history(clf, ax)


def network_of_images():
    net = fastnn.MLP([12, 5, 1], rng=0)
    net.weights[0] = np.sin(np.arange(60) ** 1.4).reshape(12, 5)
    return net


def importances(ax):
    net = fastnn.MLP([2, 1], rng=0)
    net.params = [1.0, 3.0, 0.0]
    plotting.plot_importances(net, X, net.forward(X), ax)


def effect(kind, values, n_outputs=1):
    """An effect of a column of a kind, with the curves of 30 rows."""
    x, rows = np.linspace(0, 1, len(values)), np.arange(30)[:, None]
    curves = 0.3 + 0.4 * x**2 + 0.1 * np.sin(rows) * (1 + x)
    curves = np.stack([curves / (1 + k) + 0.1 * k * x for k in range(n_outputs)], -1)
    outputs = ["yes", "no", "maybe"][:n_outputs]
    curves = curves if n_outputs > 1 else curves[..., 0]
    seen = None if kind == "category" else np.sort(values)[(np.arange(50) ** 2 // 99) % len(values)]
    return Effect("x", kind, values, curves, curves.mean(axis=0), "probability", outputs, seen)


def pair_effect(ax):
    values = np.linspace(0, 1, 8), np.array(["a", "b", "c"], object)
    mean = np.sin(3 * values[0])[:, None] * np.array([1, 2, -1])
    pair = PairEffect(("x", "y"), ("number", "category"), values, mean, "target", [None])
    plotting.plot_effect(pair, ax)


def two_models(plot):
    """Draw the curves of two models in the same axes."""

    def draw(ax):
        plot(Y2, P2, ax, name="one")
        plot(Y2, 0.5 + 0.3 * np.sin(1.7 * n + 0.9), ax, name="another")

    return draw


GRID, LETTERS = np.linspace(0, 5, 20), np.array(["a", "b", "c", "d"], object)
PLOTS = {
    "history": lambda ax: plotting.plot_history(history(), ax),
    "history_ensemble": ensemble,
    "decision_two": lambda ax: plotting.plot_decision(network(1, "sigmoid"), X, Y2, ax),
    "decision_three": lambda ax: plotting.plot_decision(network(3, "softmax"), X, Y3, ax),
    "images": lambda ax: plotting.plot_images(np.sin(np.arange(60) ** 1.4).reshape(5, 3, 4), ax),
    "weights": lambda ax: plotting.plot_weights(network_of_images(), ax),
    "weights_images": lambda ax: plotting.plot_weights(network_of_images(), ax, shape=(3, 4)),
    "importances": importances,
    "effect": lambda ax: plotting.plot_effect(effect("number", GRID), ax),
    "effect_category": lambda ax: plotting.plot_effect(effect("category", LETTERS), ax),
    "effect_classes": lambda ax: plotting.plot_effect(effect("number", GRID, 3), ax),
    "effect_pair": pair_effect,
    "predictions": lambda ax: plotting.plot_predictions(TRUE, PREDICTED, ax),
    "residuals": lambda ax: plotting.plot_residuals(TRUE, PREDICTED, ax),
    "confusion": lambda ax: plotting.plot_confusion(Y3, P3, ax),
    "roc_two": two_models(plotting.plot_roc),
    "roc_three": lambda ax: plotting.plot_roc(Y3, P3, ax),
    "precision_recall_two": two_models(plotting.plot_precision_recall),
    "precision_recall_three": lambda ax: plotting.plot_precision_recall(Y3, P3, ax),
    "reliability_two": two_models(plotting.plot_reliability),
    "reliability_three": lambda ax: plotting.plot_reliability(Y3, P3, ax),
}


def draw(name, path):
    """Save the picture of a plot without texts and legends, 160 pixels wide."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        with plotting.style():
            figure = Figure(figsize=(3.2, 2.4), layout="none")
            PLOTS[name](figure.add_axes((0.08, 0.08, 0.84, 0.84)))
            for thing in figure.findobj(lambda artist: isinstance(artist, Text | Legend)):
                thing.set_visible(False)
            figure.savefig(path, dpi=50, metadata={"Software": None})


LOOK = "alpha clip_on color edgecolor facecolor linestyle linewidth marker markersize sizes zorder"


def look(artist):
    """Return how a part of a picture looks, as a text. Of many colours or sizes, it has the first."""
    from matplotlib.colors import to_hex, to_rgba_array

    found = [type(artist).__name__]
    for name in LOOK.split():
        value = getattr(artist, f"get_{name}", lambda: None)()
        if name.endswith("color") and value is not None:
            value = [to_hex(each, keep_alpha=True) for each in to_rgba_array(value)[:1]]
        while isinstance(value, list | tuple | np.ndarray):
            value = value[0] if len(value) else None
        if value is not None:
            found.append(f"{name} {value:.4g}" if isinstance(value, Real) else f"{name} {value}")
    return ", ".join(found)


def picture_texts(name):
    """Return the texts of a plot: title, labels, names at ticks, notes and legend of each of its axes, and
    the looks of what is drawn there and in the legend."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        with plotting.style():
            figure = Figure(figsize=(6.4, 4.8))
            PLOTS[name](figure.subplots())
            figure.draw_without_rendering()
    found = []
    for ax in figure.axes:
        legend = ax.get_legend()
        ticks = [
            each.get_text()
            for axis in (ax.xaxis, ax.yaxis)
            if isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter)
            for each in axis.get_ticklabels()
        ]
        others = [each.get_text() for each in (*ax.texts, *(legend.get_texts() if legend else []))]
        words = [ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel(), *ticks, *others]
        found.append(f"- {'; '.join(filter(None, words))}".replace("\n", " "))
        drawn = [*ax.lines, *ax.collections, *ax.patches, *ax.images]
        drawn = [each for each in drawn if not getattr(each, "filled", False)]  # of scikit-learn
        drawn += legend.legend_handles if legend else []
        found += [f"  {n} x {text}" for text, n in Counter(map(look, drawn)).items()]
    return found


def style_lines():
    """Return the parameters of matplotlib that `plotting.style` changes."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        before = dict(matplotlib.rcParams)
        with plotting.style():
            changed = [(k, v) for k, v in matplotlib.rcParams.items() if v != before[k]]
    return [f"{name}: {value}" for name, value in changed]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in PLOTS:
        draw(name, FOLDER / f"{name}.png")
    lines = [line for name in PLOTS for line in (name, *picture_texts(name))]
    (FOLDER / "texts.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (FOLDER / "style.txt").write_text("\n".join([*style_lines(), ""]), encoding="utf-8")
