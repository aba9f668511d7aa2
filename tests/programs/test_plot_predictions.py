"""Plots of predictions and of models: the numbers and texts that they show, and their errors."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn import plotting

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib (extra `plot`)")
metrics = pytest.importorskip("sklearn.metrics", reason="the displays are those of scikit-learn")
calibration = pytest.importorskip("sklearn.calibration")
pipelines = pytest.importorskip("sklearn.pipeline")
StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
plt.switch_backend("Agg")

n = np.arange(60)
P = np.exp(np.stack([np.sin(n), np.cos(2 * n), np.sin(3 * n)], axis=1))
P /= P.sum(axis=1, keepdims=True)
CODES = np.where(n % 3, P.argmax(axis=1), n % 2)
NAMES = np.array(["ant", "bee", "cow"])
WEIGHT = 1 + n % 5
SPARSE = pytest.importorskip("scipy.sparse").csr_matrix(P)


@pytest.fixture
def ax():
    yield new()
    plt.close("all")


def new():
    return plt.figure().add_subplot()


def legend_box(ax):
    """The place of a legend, in units of the axes."""
    ax.figure.canvas.draw()
    return ax.get_legend().get_window_extent().transformed(ax.transAxes.inverted())


def shown_ticks(axis):
    low, high = sorted(axis.get_view_interval())
    return [tick for tick in axis.get_ticklocs().round(9).tolist() if low <= tick <= high]


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


# ---- classes ----


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_confusion_counts_rows(ax, weight):
    plotting.plot_confusion(NAMES[CODES], NAMES[P.argmax(axis=1)], ax, sample_weight=weight)
    matrix = metrics.confusion_matrix(CODES, P.argmax(axis=1), sample_weight=weight)
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix)
    assert [float(text.get_text()) for text in ax.texts] == matrix.ravel().tolist()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == NAMES.tolist()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")


def test_confusion_takes_the_most_probable_class(ax):
    plotting.plot_confusion(CODES, P, ax)
    from_classes = plotting.plot_confusion(CODES, P.argmax(axis=1), new())
    np.testing.assert_array_equal(ax.images[0].get_array(), from_classes.images[0].get_array())
    of_two = plotting.plot_confusion([0, 1, 1], [[0.4], [0.6], [0.3]], new())
    np.testing.assert_array_equal(of_two.images[0].get_array(), [[1, 0], [1, 1]])


def test_confusion_shows_shares(ax):
    plotting.plot_confusion(["a", "a", "b", "b"], ["a", "b", "b", "b"], ax, normalize="true")
    assert [text.get_text() for text in ax.texts] == ["50%", "50%", "0%", "100%"]


def test_confusion_of_many_classes_shows_the_most_frequent(ax):
    y = np.repeat(np.arange(30), np.arange(1, 31))
    plotting.plot_confusion(y, np.where(y == 29, 0, y), ax, normalize="true")
    matrix = ax.images[0].get_array()
    assert [int(tick.get_text()) for tick in ax.get_xticklabels()] == list(range(10, 30))
    np.testing.assert_array_equal(np.diag(matrix), [1.0] * 19 + [0.0])  # 29 is taken for 0
    assert ax.get_ylabel() == "true, the 20 most frequent of 30 classes" and not ax.texts


CONFUSIONS = [(6, 3, {10}, 10), (7, 3, {7.5}, 10), (12, 4, {7.5}, 10), (13, 4, set(), 7.5)]


@pytest.mark.parametrize(("n_classes", "letters", "number_size", "name_size"), CONFUSIONS)
def test_confusion_has_room(ax, n_classes, letters, number_size, name_size):
    names = [f"{i:0{letters}}" for i in range(n_classes)]
    with plotting.style():  # without frames
        ax = new()
    plotting.plot_confusion(names[1:], names[1:], ax, labels=names)  # the first has no rows
    assert ax.images[0].get_cmap().name == "Blues"
    np.testing.assert_array_equal(ax.images[0].get_array(), np.diag([0, *[1] * len(names[1:])]))
    name, n_axes = ax.get_xticklabels()[0], 1 if number_size else 2  # with a colour bar
    found = {text.get_fontsize() for text in ax.texts}, name.get_fontsize(), len(ax.figure.axes)
    assert found == (number_size, name_size, n_axes) and ax.spines["top"].get_visible()
    assert name.get_rotation() == (90 if letters > 3 else 0)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_roc_has_a_curve_for_each_class(ax, weight):
    plotting.plot_roc(NAMES[CODES], P, ax, sample_weight=weight)
    for i, name in enumerate(NAMES):
        rates = metrics.roc_curve(CODES == i, P[:, i], sample_weight=weight)[:2]
        np.testing.assert_allclose(ax.lines[i].get_xydata(), np.transpose(rates))
        area = metrics.roc_auc_score(CODES == i, P[:, i], sample_weight=weight)
        assert texts(ax.get_legend())[i] == f"{name}: AUC {area:.3f}"
    assert len(ax.lines) == 4  # with the diagonal
    assert len({line.get_color() for line in ax.lines}) == 4
    box = legend_box(ax)
    assert 0.5 < box.x0 < box.x1 < 1 and 0 < box.y0 < 0.1


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_precision_and_recall(ax, weight):
    is_bee, p = CODES == 1, P[:, 1]
    options = dict(sample_weight=weight, drop_intermediate=True)
    precision, recall, _ = metrics.precision_recall_curve(is_bee, p, **options)
    for prob in p, p[:, None], np.column_stack([1 - p, p]):
        ax.clear()
        plotting.plot_precision_recall(is_bee, prob, ax, sample_weight=weight)
        np.testing.assert_allclose(ax.lines[0].get_xydata(), np.transpose([recall, precision]))
        ap = metrics.average_precision_score(is_bee, p, sample_weight=weight)
        assert texts(ax.get_legend()) == [f"AP {ap:.3f}"]
        np.testing.assert_allclose(ax.lines[1].get_ydata(), np.average(is_bee, weights=weight))
        box = legend_box(ax)
        assert 0 < box.x0 < 0.1 and 0 < box.y0 < 0.1


OF_MODELS = [plotting.plot_roc, plotting.plot_precision_recall, plotting.plot_reliability]


@pytest.mark.parametrize("plot", OF_MODELS)
def test_two_models_share_axes(ax, plot):
    plot(CODES == 1, P[:, 1], ax, name="one")
    plot(CODES == 1, P[:, 1] ** 2, ax, name="another")
    assert len(ax.lines) == 3  # one line for comparison
    assert [text.partition(":")[0] for text in texts(ax.get_legend())] == ["one", "another"]
    one, another = (line.get_color() for line in ax.lines if line.get_gid() is None)
    assert one != another


def test_curves_of_many_classes_are_of_the_most_frequent(ax):
    for n_classes, title in (4, ""), (12, "8 most frequent\nof 12 classes"):
        y = np.repeat(np.arange(n_classes), np.arange(1, n_classes + 1))
        ax = plotting.plot_roc(y, np.full((len(y), n_classes), 1 / n_classes), new())
        names = [text.partition(":")[0] for text in texts(ax.get_legend())]
        assert names == [str(i) for i in range(n_classes)][-8:]
        assert ax.get_legend().get_title().get_text() == title
        box = legend_box(ax)  # beside the axes, at their upper end
        assert 1 < box.x0 < 1.1 and 0.9 < box.y1 < 1 and ax.get_aspect() == "auto"


def test_a_class_without_rows_has_no_curve(ax):
    rows = CODES != 2
    plotting.plot_roc(NAMES[CODES[rows]], P[rows], ax, labels=NAMES)
    assert [text[:3] for text in texts(ax.get_legend())] == ["ant", "bee"]


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_of_two_classes(ax, strategy):
    names, options = np.where(CODES == 1, "bee", "ant"), dict(n_bins=4, strategy=strategy)
    plotting.plot_reliability(names, P[:, 1], ax, **options)
    true, predicted = calibration.calibration_curve(CODES == 1, P[:, 1], **options)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.transpose([predicted, true]))
    assert ax.get_xlabel() == "predicted probability of class bee" and ax.get_legend() is None


def test_reliability_of_more_classes_is_that_of_the_predicted_class(ax):
    plotting.plot_reliability(CODES, P, ax, n_bins=3)
    is_right, p = CODES == P.argmax(axis=1), P.max(axis=1)
    true, predicted = calibration.calibration_curve(is_right, p, n_bins=3)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.transpose([predicted, true]))


def test_the_legend_of_reliability_is_at_the_upper_left(ax):
    plotting.plot_reliability([1, 1, 0], [0.1, 0.2, 0.9], ax, name="a model")
    box = legend_box(ax)
    assert box.x1 < 0.6 and box.y0 > 0.8


def test_rounding_of_probabilities(ax):
    plotting.plot_reliability([0, 1, 1], np.float32([-1e-6, 0.5, 1 + 1e-6]), ax, n_bins=2)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.25, 1.0])


def test_missing_classes_of_pandas():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="y_true has a missing class in row 1"):
        plotting.plot_roc(pd.Series(["a", pd.NA], dtype="string"), [0.2, 0.8])


def test_labels_are_texts_and_not_formulas(ax):
    names = np.array(["_hidden", "$x_$", "a" * 40])
    plotting.plot_roc(names[CODES], P, ax, labels=names)
    shown = [text.partition(":")[0] for text in texts(ax.get_legend())]
    assert shown == [" _hidden", r"\$x_\$", "a" * 21 + "..."]
    ax.figure.canvas.draw()


# ---- numbers ----


def test_predictions_and_residuals(ax):
    true, predicted = np.sin(n), np.sin(n) + 0.1 * np.cos(3 * n)
    plotting.plot_predictions(true, predicted[:, None], ax)
    offsets = ax.collections[0].get_offsets()
    np.testing.assert_array_equal(offsets, np.column_stack([predicted, true]))
    ax = plotting.plot_residuals(true[:, None], predicted, new())
    offsets = ax.collections[0].get_offsets()
    np.testing.assert_allclose(offsets, np.column_stack([predicted, true - predicted]))
    ax = plotting.plot_predictions([0.5, 9.5], [0.5, 9.5], new())
    assert shown_ticks(ax.xaxis) == [2.5, 5, 7.5] and shown_ticks(ax.yaxis) == [2, 4, 6, 8]


def test_many_points_are_sampled(ax):
    y = np.arange(6000.0)
    plotting.plot_predictions(y, y, ax)
    again = plotting.plot_predictions(y, y, new()).collections[0].get_offsets()
    assert len(again) == 5000 and (again == ax.collections[0].get_offsets()).all()


# ---- models ----


X3 = np.stack([np.sin(n), np.cos(2 * n), np.sin(5 * n)], axis=1)


@pytest.fixture(scope="module")
def models():
    """Models that predict the second column."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(X3, columns=["sin", "cos", "fast"])
    net = fastnn.MLP([3, 1], rng=0)
    net.params = [0.0, 2.0, 0.0, 0.0]
    settings = dict(solver="lbfgs", alpha=1e-6, max_iter=300, random_state=0)
    pipeline = pipelines.make_pipeline(StandardScaler(), fastnn.MLPRegressor((4,), **settings))
    classifier = fastnn.MLPClassifier((4,), **settings)
    table = fastnn.TabularRegressor(2, hidden_layer_sizes=16, random_state=0)
    return {
        "network": (net, X3),
        "pipeline": (pipeline.fit(frame, X3[:, 1]), frame),
        "classifier": (classifier.fit(X3, NAMES[(X3[:, 1] > 0) * 1]), X3),
        "table": (table.fit(frame, X3[:, 1]), frame),
    }


IMPORTANCES = [
    ("network", "column 1", "increase of the loss"),
    ("pipeline", "cos", "decrease of the score"),
    ("classifier", "column 1", "decrease of the score"),
    ("table", "cos", "decrease of the score"),
]


@pytest.mark.parametrize(("name", "column", "what"), IMPORTANCES)
def test_importances_of_models(ax, models, name, column, what):
    model, X = models[name]
    y = NAMES[(X3[:, 1] > 0) * 1] if name == "classifier" else X3[:, 1]
    plotting.plot_importances(model, X, y, ax, max_columns=2)
    assert ax.get_yticklabels()[-1].get_text() == column
    assert ax.get_xlabel() == f"{what} if shuffled" and ax.get_ylabel() == "2 of 3 columns"


def test_importances_are_those_of_scikit_learn(ax, models):
    from sklearn.inspection import permutation_importance

    net, defaults = models["network"][0], dict(n_repeats=5, random_state=0)
    by_r2 = dict(scoring="r2", n_repeats=3, random_state=1)

    def error(net, X, y, sample_weight=None):
        return -net.loss(X, y, sample_weight=sample_weight)

    for model, X, own, theirs, what in (
        (*models["pipeline"], by_r2, {}, "decrease of r2"),
        (net, X3, {}, defaults | dict(scoring=error), "increase of the loss"),
        (net, X3, dict(scoring=error), defaults, "decrease of the score"),
    ):
        ax.clear()
        plotting.plot_importances(model, X, X3[:, 0], ax, sample_weight=WEIGHT, **own)
        result = permutation_importance(model, X, X3[:, 0], sample_weight=WEIGHT, **own, **theirs)
        order = np.argsort(result.importances_mean)
        mean, std = result.importances_mean[order], result.importances_std[order]
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], mean)
        ends = [line[:, 0] for line in ax.collections[0].get_segments()]
        np.testing.assert_allclose(ends, np.stack([mean - std, mean + std], axis=1))
        assert ax.get_xlabel() == f"{what} if shuffled"
    wide = SimpleNamespace(feature_importances_=0.57 * (np.arange(40) // 20))
    ax = plotting.plot_importances(wide, ax=new())
    assert shown_ticks(ax.xaxis) == [0, 0.2, 0.4]
    assert [tick.get_text()[7:] for tick in ax.get_yticklabels()] == [*map(str, range(25, 40))]


def test_importances_of_held_out_rows(ax, models):
    model, _ = models["table"]
    plotting.plot_importances(model, ax=ax)
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, np.sort(model.feature_importances_))


def test_history_of_models(ax, models):
    net = fastnn.MLP([3, 2, 1], rng=0)
    net.fit(X3, n, epochs=4, validation_data=(X3, n))
    plotting.plot_history(net, ax)
    shown = [line.get_ydata().tolist() for line in ax.lines]
    assert shown == [net.history.loss, net.history.val_loss]
    pipeline, _ = models["pipeline"]
    ax = plotting.plot_history(pipeline, new())
    assert ax.lines[0].get_ydata().tolist() == pipeline[-1].loss_curve_
    table, _ = models["table"]
    ax = plotting.plot_history(table, new())
    n_networks = sum(len(member.networks) for member in table.model_.members)
    assert len(ax.lines) == 3 * n_networks  # two lines and a dot each
    assert texts(ax.get_legend()) == ["training", "held out"]


def test_weights_of_models(ax, models):
    net, _ = models["network"]
    with plotting.style():
        ax = plotting.plot_weights(net, new())
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), net.weights[0])
    assert (image.get_clim(), image.get_interpolation()) == ((-2, 2), "nearest")
    assert (ax.get_aspect(), ax.spines["top"].get_visible()) == ("auto", True)
    labels = ax.get_xlabel(), ax.get_ylabel(), ax.figure.axes[1].get_ylabel()
    assert labels == ("unit", "input", "weight")
    zeros = fastnn.MLP([2, 1])
    zeros.params[:] = 0
    assert plotting.plot_weights(zeros, new()).images[0].get_clim() == (-1, 1)
    pipeline, _ = models["pipeline"]
    ax = plotting.plot_weights(pipeline, new(), shape=(1, 3), units=[2, 0])
    assert len(ax.images) == 2
    for image, signs in zip(ax.images, np.sign(pipeline[-1].coefs_[0][:, [2, 0]].T)):
        red, blue = image.get_array()[0, :, [0, 2]]
        np.testing.assert_array_equal(np.sign(red - blue), signs)
    for n_units, has_all in ((30, True), (31, False)):
        ax = plotting.plot_weights(fastnn.MLP([2, n_units], rng=0), new())
        assert (ax.get_xticks().tolist() == [*range(n_units)]) == has_all
    ax = plotting.plot_weights(fastnn.MLP([2, 40], rng=0), new(), units=range(5, 40))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [str(i) for i in range(5, 40)]
    for columns, places in (None, [0, 1, 2, 0, 1]), (2, [0, 1, 0, 1, 0]):
        ax = plotting.plot_weights(fastnn.MLP([2, 5], rng=0), new(), shape=(1, 2), columns=columns)
        np.testing.assert_allclose([each.get_extent()[0] / 2.24 for each in ax.images], places)


def test_weights_have_the_names_of_columns(models):
    named = fastnn.MLPRegressor((2,), max_iter=1, tol=1e9, solver="lbfgs")
    named.fit(models["table"][1], X3[:, 0])
    ax = plotting.plot_weights(named, new())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["sin", "cos", "fast"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit", "")


def test_decision_of_estimators_and_more_classes(ax):
    y = NAMES[np.digitize(X3[:, 0], [-0.4, 0.4])]
    settings = dict(solver="lbfgs", alpha=0.1, max_iter=300, random_state=0)
    clf = pipelines.make_pipeline(StandardScaler(), fastnn.MLPClassifier((), **settings))
    frame = pytest.importorskip("pandas").DataFrame(X3[:, :2], columns=["east", "north"])
    plotting.plot_decision(clf.fit(frame, y), frame, y, ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("east", "north")
    assert texts(ax.get_legend()) == NAMES.tolist()
    for points, name in zip(ax.collections[-3:], NAMES):
        np.testing.assert_array_equal(points.get_offsets(), X3[y == name, :2])
    # on a boundary, two classes are equally probable and no other is more probable
    lines = [c for c in ax.collections if hasattr(c, "levels") and c.levels.tolist() == [0]]
    vertices = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    p = np.sort(clf.predict_proba(type(frame)(vertices, columns=frame.columns)), axis=1)
    assert len(lines) == 3 and np.abs(p[:, -1] - p[:, -2]).max() < 0.02


# ---- errors ----

MODEL = fastnn.MLP([3, 1], rng=0)
P_NAN = np.where(n[:, None] == 7, np.nan, P)


WRONG_CLASSES = [
    (MODEL, X3, {}, TypeError, "y_true must be an array, got MLP. Plots of predictions take"),
    (CODES, MODEL, {}, TypeError, "y_prob must be an array, got MLP"),
    (np.eye(3)[CODES], P, {}, ValueError, r"got \(60, 3\). For rows of 0 and 1 pass y_true.argm"),
    (CODES, SPARSE, {}, TypeError, "y_prob is a sparse matrix. Pass y_prob.toarray()"),
    (CODES, P_NAN, {}, ValueError, r"1 row, first in row 7 \(\[nan .*isfinite\(y_prob\).all\(axis"),
    (CODES, P - 0.002 * (P == P.min()) - P.min(), {}, ValueError, "from 0 to 1, got -0.002 to "),
    (n % 9, P, {}, ValueError, r"3 classes, but y_true has 9 \(0, 1, 2, 3, 4, 5 and 3 more\)"),
    (CODES, P[:5], {}, ValueError, "y_prob has 5 rows, but y_true has 60"),
    (CODES, 2 * P, {}, ValueError, "y_prob must hold probabilities from 0 to 1, got "),
    (CODES, P[:, 1], {}, ValueError, "is for 2 classes, but y_true has 3 .0, 1, 2.. Pass the"),
    (CODES % 2, P, {}, ValueError, "is for 3 classes, but y_true has 2 .0, 1.. Pass the class of"),
    (CODES, P, dict(labels="abc"), ValueError, "the class [012] in row 0, which is not one of"),
    (CODES, P, dict(labels=[0, 1]), ValueError, "labels must hold 3 different classes"),
    (CODES, P, dict(labels=[0, 1, 1]), ValueError, "labels must hold 3 different classes"),
    ([*CODES[1:], None], P, {}, ValueError, "y_true has a missing class in row 59"),
    ([np.nan, *CODES[1:]], P, {}, ValueError, "y_true has a missing class in row 0"),
    ([], np.zeros((0, 2)), {}, ValueError, "y_true has no rows"),
    (CODES, P, dict(ax=plt), TypeError, "ax must be a matplotlib Axes, got module"),
]


@pytest.mark.parametrize(("y", "prob", "options", "error", "message"), WRONG_CLASSES)
@pytest.mark.parametrize("name", ["roc", "precision_recall", "reliability", "confusion"])
def test_errors_of_classes(name, y, prob, options, error, message):
    if name == "confusion":
        if isinstance(prob, np.ndarray) and prob.ndim == 1:
            pytest.skip("one dimension holds classes")
        message = message.replace("y_prob", "y_pred")
    with pytest.raises(error, match=message):
        getattr(plotting, f"plot_{name}")(y, prob, **options)


INFINITE = np.where(n == 3, np.inf, n)
TWO_INPUTS = fastnn.MLP([2, 1], output="sigmoid", rng=0)
OF_3 = SimpleNamespace(predict_proba=None, classes_=[0, 1], n_features_in_=3)
OBJECTS = np.array([0, "a"], object)
X_NAN = np.where(n[:, None] == 5, np.nan, X3)
X2, NO_X, TWO_IMAGES = X3[:, :2], np.full((2, 2), np.nan), np.zeros((2, 3, 4))
CURVES, NUMBERS = "roc precision_recall", "predictions residuals"


ERRORS = {
    ValueError: [
        (CURVES, ([1, 1], [0.4, 0.6]), dict(labels=[0, 1]), "only the class 1. A curve needs two"),
        (CURVES, ([0, 1], [0, 1]), dict(sample_weight=[1, -1]), "weight must not be negative"),
        (CURVES, ([0, 1], [0, 1]), dict(sample_weight=[1]), r"weight must have shape \(2,\)"),
        ("confusion", ([0, 1], [0.4, 0.6]), {}, "y_pred must hold classes, got 0.4. Pass one col"),
        ("confusion", ([0, 1], [0]), {}, "y_pred has 1 rows, but y_true has 2"),
        ("confusion", (["a"], ["c"]), dict(labels=["a", "b"]), "y_pred has the class 'c' in row 0"),
        ("confusion", ([0], [0]), dict(normalize="rows"), "normalize must be 'true', 'pred'"),
        (NUMBERS, (n, P), {}, r"y_pred must have shape \(n,\), got \(60, 3\). Pass one column"),
        (NUMBERS, (n, n[:3]), {}, "y_pred has 3 rows, but y_true has 60"),
        (NUMBERS, (INFINITE, n), {}, r"first in row 3 \(inf\).*isfinite\(y_true\) selects"),
        (NUMBERS, ([], []), {}, r"y_true has shape \(0,\). Pass at least one row"),
        (NUMBERS, (P[None], n), {}, "y_true must have 1 or 2 dimensions, got 3 .shape .1, 60, 3.."),
        ("decision", (OF_3, X2, n), {}, "two features, but this SimpleNamespace was fitted to 3"),
        ("decision", (TWO_INPUTS, X3, n), {}, r"shape \(n, 2\), two features, got \(60, 3\)"),
        ("decision", (TWO_INPUTS, NO_X, [0, 1]), {}, "finite numbers only"),
        ("decision", (TWO_INPUTS, X2, n[:4]), {}, "y has 4 rows, but X has 60"),
        ("decision", (TWO_INPUTS, X2, n), {}, "the class 2 in row 2, .* not one of labels: 0, 1"),
        ("importances", (MODEL, X_NAN, X3[:, 1]), {}, r"finite number, got .*nan.* NaN\.$"),
        ("importances", (MODEL,), {}, "MLP has no feature_importances_. Pass rows"),
        ("importances", (MODEL, X3), {}, "needs X and y"),
        ("history", (MODEL,), {}, "this MLP has no history"),
        ("weights", (MODEL,), dict(shape=(2, 2)), "has 4 pixels, but the network has 3 inputs"),
        ("weights", (MODEL,), dict(units=[0, 5]), r"must list numbers from 0 to 0, got \[0, 5\]"),
        ("weights", (MODEL,), dict(columns=2), "columns needs shape"),
        ("images", (np.zeros((3, 4)),), {}, "images must have shape"),
        ("images", (np.zeros((2, 3, 4, 2)),), {}, "images must have shape"),
        ("images", (np.zeros((0, 3, 4)),), {}, "images has shape"),
        ("images", (TWO_IMAGES,), dict(columns=0), "columns must be a whole number .* 1, got 0"),
        ("images", (TWO_IMAGES,), dict(columns={}), "columns must be a whole number .* 1, got {}"),
        ("images", (TWO_IMAGES,), dict(titles=["a"]), "titles has 1 texts, but images has 2 im"),
    ],
    TypeError: [
        ("confusion", (OBJECTS, OBJECTS), {}, "types int, str, which cannot be sorted"),
        (NUMBERS, (n, MODEL), {}, "y_pred must be an array, got MLP"),
        (NUMBERS, (n.astype(str), n), {}, "y_true must hold numbers, got '0' in row 0"),
        ("decision", (fastnn.MLPRegressor(), X2, n), {}, "be an MLP or a fitted classifier"),
        ("history", ([1.0, 0.5],), {}, r"history must be a History.*got list"),
        ("images", (TWO_IMAGES,), dict(titles=5), "titles must be a list, got an int"),
        ("weights", (X3,), {}, "model must be an MLP, or a fitted MLPClassifier"),
        ("effect", ("age",), {}, r"what model.effect.* returns, got str"),
    ],
}


@pytest.mark.parametrize(
    ("error", "case", "name"),
    [(e, case, name) for e, cases in ERRORS.items() for case in cases for name in case[0].split()],
)
def test_errors(error, case, name):
    _, arguments, options, message = case
    with pytest.raises(error, match=message):
        getattr(plotting, f"plot_{name}")(*arguments, **options)


def test_without_scikit_learn_it_says_what_to_install(ax, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    curves = [plotting.plot_confusion, *OF_MODELS, plotting.plot_predictions]
    cases = dict.fromkeys(curves, (n, n)) | {plotting.plot_decision: (TWO_INPUTS, X2, n)}
    cases[plotting.plot_importances] = MODEL, n, n
    for plot, arguments in cases.items():
        with pytest.raises(ImportError, match=r"^this plot needs scikit-learn. Run: pip install"):
            plot(*arguments, ax)
    assert "sklearn" in sys.modules
