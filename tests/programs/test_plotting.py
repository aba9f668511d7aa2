"""fastnn.plotting: what its pictures show."""

import argparse
import doctest
import importlib.util
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import fastnn
from fastnn import plotting
from fastnn.plotting.theme import plain
from fastnn.tabular.explaining.effects import Effect, PairEffect


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(argparse.ArgumentTypeError, match="pip install"):
        plotting.picture_file("a.png")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install"):
        plotting.style()


@pytest.fixture
def plt(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib (extra `plot`)")
    plt.switch_backend("Agg")
    yield plt
    plt.close("all")


@pytest.mark.parametrize("name", [name for name in plotting.__all__ if name.islower()])
def test_docstrings_hold(plt, name):
    runner = doctest.DocTestRunner()
    (example,) = doctest.DocTestFinder().find(getattr(plotting, name), name)
    assert runner.run(example).attempted > 1 and runner.failures == 0


def test_style_ends_with_its_context(plt):
    before = dict(plt.rcParams)
    with plotting.style():
        assert dict(plt.rcParams) != before
    assert dict(plt.rcParams) == before


def test_history_draws_what_it_was_given(plt):
    history = fastnn.History(loss=[3.0, 2.0, 1.0])
    ax = plotting.plot_history(history, plt.figure().add_subplot())
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]] and ax.get_legend() is None
    assert all(tick.is_integer() for tick in ax.get_xticks().tolist())
    history.val_loss = [4.0, 3.0, 3.0]
    ax = plotting.plot_history(history, plt.figure().add_subplot())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "held out"]
    assert ax.lines[1].get_ydata().tolist() == [4, 3, 3]
    ax = plotting.plot_history(fastnn.History(loss=[3.0]), plt.figure().add_subplot())
    assert ax.lines[0].get_marker() == "o" and line.get_marker() == "None"


def test_decision_draws_the_line_where_it_is(plt):
    net = fastnn.MLP([2, 1], output="sigmoid")
    net.params = [10, 0, -2.5]  # says 0.5 where the first input is 0.25
    ax = plotting.plot_decision(net, [[0, 0], [1, 0], [0, 1], [1, 1]], [0, 1, 0, 1])
    (line,) = [c for c in ax.collections if hasattr(c, "levels") and len(c.levels) == 1]
    np.testing.assert_allclose(line.get_paths()[0].vertices[:, 0], 0.25, atol=0.01)
    blue, orange = (points.get_offsets().tolist() for points in ax.collections[-2:])
    assert (blue, orange) == ([[0, 0], [0, 1]], [[1, 0], [1, 1]])
    for limits in ax.get_xlim(), ax.get_ylim():
        assert (limits, ax.get_aspect()) == (pytest.approx((-0.12, 1.12)), 1)
    ax = plotting.plot_decision(net, [[3, 3]], [1], plt.figure().add_subplot())
    assert ax.get_xlim() == pytest.approx((3, 3), abs=1e-6)


def test_decision_of_many_classes(plt):
    """Of the last class no row is the most probable: it has no line."""
    net = fastnn.MLP([2, 12], output="softmax", dtype="float64")
    angles = np.arange(11) * 2 * np.pi / 11
    net.params[:] = 0
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    net.weights[0][:, :11] = 9 * X.T
    net.biases[0][11] = -9
    ax = plotting.plot_decision(net, X, np.arange(11))
    lines = [c for c in ax.collections if hasattr(c, "levels") and c.levels.tolist() == [0]]
    colors = {tuple(points.get_facecolor()[0]) for points in ax.collections[-11:]}
    assert len(lines) == len(colors) == 11


def test_labels_of_plots():
    labels = {2.0: "2", 2.5: "2.5", np.float64(7): "7", "_a$b": r" _a\$b"}
    labels["x" * 25] = "x" * 21 + "..."
    assert [plain(label) for label in labels] == list(labels.values())


def test_decision_refuses_other_networks():
    for sizes, output in ([3, 1], "sigmoid"), ([2, 2], "sigmoid"), ([2, 1], "identity"):
        with pytest.raises(ValueError, match="two inputs and a sigmoid or softmax output, got MLP"):
            plotting.plot_decision(fastnn.MLP(sizes, output=output), [[0, 0]], [0])


def test_weights_are_white_at_zero_and_coloured_by_sign(plt):
    ax = plotting.plot_images([[[0.0, -2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]], signed=True)
    first, zeros = (image.get_array() for image in ax.images)
    colors = plotting.BLUE, plotting.ORANGE
    blue, orange = (np.array([*bytes.fromhex(color[1:])]) / 255 for color in colors)
    np.testing.assert_allclose(first, [[[1, 1, 1], blue], [orange, (1 + orange) / 2]])
    np.testing.assert_array_equal(zeros, 1)


def test_images_stand_in_rows_under_their_titles(plt):
    ax = plotting.plot_images(np.ones((5, 4, 6)), titles=list("abcde"), columns=3)
    left, top = np.array([0, 6.72, 13.44, 0, 6.72]), np.array([0, 0, 0, 5.44, 5.44])
    extents = np.transpose([left, left + 6, top + 4, top])
    np.testing.assert_allclose([image.get_extent() for image in ax.images], extents)
    boxes = [each.get_bbox().extents for each in ax.patches]
    np.testing.assert_allclose(boxes, extents[:, [0, 3, 1, 2]])
    assert [text.get_text() for text in ax.texts] == list("abcde") and not ax.axison
    looks = {(text.get_ha(), text.get_va(), text.get_fontsize()) for text in ax.texts}
    assert looks == {("center", "bottom", 9)} and not any(each.get_fill() for each in ax.patches)
    places = [text.get_position() for text in ax.texts]
    np.testing.assert_allclose(places, np.transpose([left + 3, top - 0.28]))
    np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-0.12, 19.56), (9.52, -1.04)])
    grey = np.full((1, 2, 2), 0.5)
    for images, high in (grey, 0.5), (0 * grey, 1), (np.ones((1, 2, 2, 3)) / 2, 1):
        ax = plotting.plot_images(images, plt.figure().add_subplot())
        assert ax.images[0].get_clim() == (0, high)


# ---- effects ----


def effect_of_categories():
    values = np.array([f"c{i:02}" for i in range(30)], object)
    curves = np.where(np.arange(30) % 3, 0.5, 0.1 + np.arange(30) / 30) * np.ones((4, 1))
    name = "a$b of more letters"
    return Effect(name, "category", values, curves, curves.mean(0), "target", [None], None)


def test_effects_of_columns(plt):
    effect = effect_of_categories()
    ax = plotting.plot_effect(effect, plt.figure().add_subplot())
    assert ax.get_xlabel() == r"a\$b of more letters" and ax.get_ylabel() == "prediction"
    labels = ax.get_xticklabels()
    names = [text.get_text() for text in labels]
    assert len(names) == 20 and {f"c{i:02}" for i in range(0, 30, 3)} - {"c12"} <= set(names)
    ax.figure.draw_without_rendering()
    levels = np.stack([np.where(np.arange(30) == 25, 0.4, 0.0), np.ones(30)], axis=1)
    several = replace(effect, mean=levels, outputs=["no", "yes"])
    names = plotting.plot_effect(several, plt.figure().add_subplot()).get_xticklabels()
    assert "c25" in [text.get_text() for text in names]  # the only one that differs
    boxes = [label.get_window_extent() for label in labels]
    assert all(a.x1 <= b.x0 + 1 for a, b in pairwise(boxes))  # names do not overlap
    with pytest.raises(ValueError, match="n_curves"):
        plotting.plot_effect(effect, n_curves=-1)
    for output in ("x", np.array(["x", "y"])):
        with pytest.raises(ValueError, match="is not an output"):
            plotting.plot_effect(effect, output=output)


def test_names_of_few_values(plt):
    effect = effect_of_categories()
    sizes = (4, 11, 0), (4, 12, 40), (5, 11, 40), (10, 16, 40), (11, 1, 90), (2, 17, 40)
    for size, letters, rotation in sizes:
        names = np.array([f"{i:0{letters}}" for i in range(size)], object)
        few = replace(effect, values=names, curves=effect.curves[:, :size], mean=effect.mean[:size])
        shown = plotting.plot_effect(few, plt.figure().add_subplot()).get_xticklabels()
        places = {(t.get_rotation(), t.get_ha(), t.get_va(), t.get_rotation_mode()) for t in shown}
        slopes = (rotation, "right", "center", "anchor")
        assert places == {slopes} if rotation else {each[0] for each in places} == {0}
        assert shown[1].get_text() == (names[1] if letters < 17 else "0" * 13 + "...")
    present = np.array(["present", "missing"], object)  # of a column of numbers with one value
    kinds, values = ("number", "number"), (present, np.ones(1))
    pair = PairEffect(("a", "b"), kinds, values, np.eye(2)[:, :1], "target", [None])
    ax = plotting.plot_effect(pair, plt.figure().add_subplot())
    assert [text.get_text() for text in ax.get_xticklabels()] == present.tolist()


def effect_of_dates():
    days = np.arange("2026-01", "2027-01", dtype="M8[M]").astype("M8[D]")
    rises = np.arange(12.0)
    return days, Effect("day", "date", days, rises[None], rises, "target", [None], None)


def test_effects_of_dates(plt):
    days, dates = effect_of_dates()
    ax = plotting.plot_effect(dates, plt.figure().add_subplot())
    low, high = ax.get_xlim()
    assert 3 <= sum(low <= tick <= high for tick in ax.get_xticks()) <= 6
    rows = np.arange(50)[::-1, None] * np.ones(12)
    many = replace(dates, curves=rows, mean=rows.mean(axis=0), training_values=days[[3]])
    seen = np.repeat([-1, 0, 5, 6], [3, 2, 3, 3])
    numbers = replace(dates, values=np.linspace(0, 5, 12), training_values=seen[::-1])
    marks = plotting.plot_effect(numbers, plt.figure().add_subplot()).lines[-1]
    assert marks.get_xdata().tolist() == [0, 5]  # deciles of the training in the range of the plot
    numbers = {3: [0, 24, 49], 60: range(50), 0: [], None: np.linspace(0, 49, 40).astype(int)}
    for n_curves, shown in numbers.items():
        options = {} if n_curves is None else {"n_curves": n_curves}
        ax = plotting.plot_effect(many, plt.figure().add_subplot(), **options)
        *lines, mean, decile = ax.lines
        assert [line.get_ydata()[0] for line in lines] == list(shown)
        assert (mean.get_ydata() == 24.5).all() and decile.get_xdata().tolist() == [days[3]]
    values, cube = (days[:2], np.arange(2.0)), np.arange(8).reshape(2, 2, 2)
    pair = PairEffect(("a", "b"), ("date", "number"), values, cube, "probability", ["no", "yes"])
    for output, what, cells in ("no", "no", [0, 4, 2, 6]), (None, "yes", [1, 5, 3, 7]):
        ax = plotting.plot_effect(pair, plt.figure().add_subplot(), output=output)
        assert ax.collections[0].get_array().ravel().tolist() == cells
        assert ax.figure.axes[1].get_ylabel() == f"probability of '{what}'"
        assert [text.get_text() for text in ax.get_xticklabels()] == ["2026-01-01", "2026-02-01"]


def test_effects_on_ten_classes(plt):
    curves = np.arange(12.0)[:, None] * [3, 1, 4, 0.5, 5, 9, 2, 6, 0, 8]
    ten = replace(effect_of_dates()[1], curves=curves[None], mean=curves, outputs=[*"abcdefghij"])
    ten = replace(ten, scale="log-odds")
    ax = plotting.plot_effect(ten, plt.figure().add_subplot())
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert (shown, ax.get_ylabel()) == ([*"abcefghj"], "log-odds")
    ax = plotting.plot_effect(ten, plt.figure().add_subplot(), output="j")
    assert ax.get_ylabel() == "log-odds of 'j'" and ax.lines[1].get_ydata()[1] == 8
