"""The pictures of fastnn.plotting, compared with those on record, and the places of what is in them.

The difference of two pictures is the root mean square over pixels, from 0 to 255. It is 0 between
matplotlib 3.8 with scikit-learn 1.7 and matplotlib 3.11 with scikit-learn 1.9, except for images:
the edges of their pixels move by one pixel of the picture.
"""

import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra `plot`)")
pytest.importorskip("sklearn", reason="the displays are those of scikit-learn")

import numpy as np
import pictures
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.testing.compare import calculate_rms
from picture_layout import layout_problems

import fastnn
from fastnn import plotting

TOLERANCES = {"images": 25, "weights": 25, "weights_images": 25, "confusion": 25}
TOLERANCE = 0.5  # of others, less than that of lines whose widths differ by 1


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_the_picture_is_that_on_record(name, tmp_path):
    pictures.draw(name, tmp_path / "now.png")
    paths = pictures.FOLDER / f"{name}.png", tmp_path / "now.png"
    difference = calculate_rms(*(255 * imread(path)[..., :3] for path in paths))
    assert difference < TOLERANCES.get(name, TOLERANCE)


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_the_picture_texts_the_picture_are_those_on_record(name):
    record = (pictures.FOLDER / "texts.txt").read_text(encoding="utf-8")
    assert "\n".join([f"\n{name}", *pictures.picture_texts(name), ""]) in f"\n{record}"


def test_the_style_is_that_on_record():
    assert pictures.style_lines() == (pictures.FOLDER / "style.txt").read_text().splitlines()


NAMES = [f"{order} of three long names" for order in ("first", "second", "third")]
CLASSES = np.array(NAMES)[pictures.Y3]
PRICES = 170_000 + 3e3 * pictures.TRUE, 170_000 + 3e3 * pictures.PREDICTED
NINE = np.eye(9)[np.arange(90) % 9]
LONG_EFFECT = pictures.effect("category", np.array(NAMES, object))


def long_importances(ax):
    pd = pytest.importorskip("pandas")
    X = np.tile(pictures.X, 2)[:, :3]
    net = fastnn.MLP([3, 1], rng=0)
    plotting.plot_importances(net, pd.DataFrame(X, columns=NAMES), net.forward(X), ax)


#: Plots of long names, large numbers and many classes.
LONG_TEXTS = {
    "predictions": lambda ax: plotting.plot_predictions(*PRICES, ax),
    "residuals": lambda ax: plotting.plot_residuals(*PRICES, ax),
    "importances": long_importances,
    "effect": lambda ax: plotting.plot_effect(LONG_EFFECT, ax),
    "confusion": lambda ax: plotting.plot_confusion(CLASSES, pictures.P3, ax),
    "roc": lambda ax: plotting.plot_roc(CLASSES, pictures.P3, ax),
    "precision_recall": lambda ax: plotting.plot_precision_recall(NINE.argmax(1), NINE, ax),
}


DRAWN = pictures.PLOTS | {f"long {name}": draw for name, draw in LONG_TEXTS.items()}


@pytest.mark.spread(10)
@pytest.mark.parametrize("name", DRAWN)
def test_all_of_the_picture_can_be_read(name):
    with plotting.style():
        figure = Figure(figsize=(4.5, 3.5))  # as in a picture of two columns
        DRAWN[name](figure.subplots())
        figure.draw_without_rendering()
    assert layout_problems(figure) == []


def bars(values, scale="linear", limits=None):
    def draw(ax):
        ax.bar_label(ax.barh(["a", "b"], values))
        ax.set(xscale=scale, xlim=limits)

    return draw


def lines(label, **places):
    def draw(ax):
        ax.plot([1, 2], label=label)
        ax.legend(**places)

    return draw


#: What is wrong with a picture, and how it is drawn.
PROBLEMS = {
    "bar of 0.9 leaves its axes": bars([0.9, 20], "log", (1, 100)),
    "bars on a logarithmic x axis have no length": bars([2, 20], "log", (1, 100)),
    "label '0.9' is not drawn: its point is out of the axes": bars([0.9, 20], "log", (1, 100)),
    "bar of 30 leaves its axes": bars([10, 30], limits=(0, 20)),
    "text '20' crosses the edge of axes": bars([10, 20], limits=(0, 20.5)),
    "text 'far' is out of the figure": lambda ax: ax.text(1.5, 0.5, "far"),
    "texts 'one' and 'two' overlap": lambda ax: [ax.text(0.5, 0.5, s) for s in ("one", "two")],
    "legend crosses the edge of axes": lines("a label", loc="center", bbox_to_anchor=(0, 0.5)),
    "legend is out of the figure": lines("a label", bbox_to_anchor=(2, 1)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_cannot_be_read_is_found(problem):
    figure = Figure(figsize=(4, 3), layout="none")
    PROBLEMS[problem](figure.subplots())
    assert problem in layout_problems(figure)
    figure = Figure(figsize=(4, 3), layout="none")
    bars([0, 20], limits=(0, 25))(figure.subplots())
    assert layout_problems(figure) == []
