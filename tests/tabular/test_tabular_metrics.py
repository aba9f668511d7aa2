"""The parameter `metric` of the estimators for tables, and what columns are worth by it."""

import pickle

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose
from sklearn import metrics as sk
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.tabular import metrics
from fastnn.tabular.fitting import out_of_fold
from fastnn.tabular.metrics import CLASS_METRICS, NUMBER_METRICS, MissingMetric, find_name
from fastnn.tabular.targets import TableClasses

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(4)
N = 80
X = rng.normal(size=(N, 2))
two = np.where(X[:, 0] + 0.5 * rng.normal(size=N) > 0.3, "yes", "no")
three = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + rng.normal(size=N), [-1, 0.5])]
numbers = np.exp(X[:, 0] + 0.3 * rng.normal(size=N))
weights = rng.uniform(0, 2, N) * (rng.random(N) < 0.9)

WEIGHTS = {"equal": None, "weighted": weights, "light": weights / 1000}

# ---- values ----


def by_sklearn(name, y, P, labels, weight):
    """The value of a metric of classes, by scikit-learn."""
    options = dict(sample_weight=weight)
    predicted = labels[P.argmax(axis=1)]
    if name == "log_loss":
        return sk.log_loss(y, P, **options)
    if name == "auc":
        aucs = [sk.roc_auc_score(y == label, p, **options) for label, p in zip(labels, P.T)]
        return np.mean(aucs)
    if name == "f1" and len(labels) == 2:
        return sk.f1_score(y, predicted, pos_label=labels[1], **options)
    if name == "f1":
        return sk.f1_score(y, predicted, average="macro", **options)
    return getattr(sk, f"{name}_score")(y, predicted, **options)


@pytest.mark.parametrize("name", CLASS_METRICS)
@pytest.mark.parametrize("y", [two, three], ids=["two classes", "three classes"])
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_values_of_classes_are_those_of_scikit_learn(name, y, weight):
    labels, codes = np.unique(y, return_inverse=True)
    P = np.random.default_rng(1).dirichlet(np.ones(len(labels)), N).round(2) + 0.01
    P /= P.sum(axis=1, keepdims=True)
    value = CLASS_METRICS[name].value(metrics.ScoredRows(TableClasses(labels), codes, P, weight))
    assert value == pytest.approx(by_sklearn(name, y, P, labels, weight))


NUMBERS = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "pinball": sk.mean_pinball_loss,
}


@pytest.mark.parametrize("name", ["auto", *NUMBER_METRICS])
def test_oof_score_is_the_metric_of_numbers(name):
    reg = TabularRegressor(metric=name, **SMALL).fit(X, numbers, sample_weight=weights)
    name = "r2" if name == "auto" else name
    expected = NUMBERS[name](numbers, reg.oof_prediction_, sample_weight=weights)
    assert reg.oof_score_ == pytest.approx(expected)
    assert reg.oof_score_name_ == f"weighted {NUMBER_METRICS[name].label}"
    assert reg.score(X, numbers) == pytest.approx(sk.r2_score(numbers, reg.predict(X)))


@pytest.mark.parametrize("name", ["auto", *CLASS_METRICS])
def test_oof_score_is_the_metric_of_classes(name):
    clf = TabularClassifier(metric=name, class_weight={"yes": 3}, **SMALL)
    clf.fit(X, two, sample_weight=weights)
    weight, name = weights * np.where(two == "yes", 3, 1), name.replace("auto", "accuracy")
    expected = by_sklearn(name, two, clf.oof_prediction_, clf.classes_, weight)
    assert clf.oof_score_ == pytest.approx(expected)
    assert clf.oof_score_name_ == f"weighted {CLASS_METRICS[name].label}"
    assert clf.score(X, two) == np.mean(clf.predict(X) == two)


def scores(known, y, P, weight=None):
    """Return {metric: its value} of classes or numbers."""
    labels = TableClasses(np.arange(np.shape(P)[1])) if known is CLASS_METRICS else None
    rows = metrics.ScoredRows(labels, np.array(y), np.array(P), weight)
    return {name: metric.value(rows) for name, metric in known.items()}


def test_values_of_rows_that_lack_a_class_or_differences():
    P = np.array([[0.7, 0, 0.3], [0.2, 0, 0.8], [0, 1, 0], [0, 1, 0]])
    found = scores(CLASS_METRICS, [0, 0, 1, 1], P)
    log_loss = -np.log([0.7, 0.2]).sum() / 4
    expected = dict(accuracy=0.75, balanced_accuracy=0.75, log_loss=log_loss, auc=1, f1=5 / 6)
    assert found == pytest.approx(expected)
    found = scores(CLASS_METRICS, [0, 0], [[1.0, 0], [0, 1]])
    log_loss = -np.log(1e-15) / 2  # no probability counts as less
    expected = dict(accuracy=0.5, balanced_accuracy=0.5, log_loss=log_loss, auc=None, f1=None)
    assert found == pytest.approx(expected)
    assert str(scores(CLASS_METRICS, [1], [[0.0, 1]])["log_loss"]) == "0.0"
    weight = np.array([1.0, 3, 0])
    for y in ([2.0, 2, 2], [2.0, 2, 0]):
        expected = dict(rmse=1.5, mae=1.5, mape=0.75, r2=None, pinball=0.75)
        assert scores(NUMBER_METRICS, y, [3.5, 0.5, 9], weight) == pytest.approx(expected)


def test_names_of_scores():
    names = {}
    for metric in ("auto", "accuracy", "balanced_accuracy", "auc"):
        for weight in (None, "balanced", {"yes": 2}):
            clf = TabularClassifier(metric=metric, class_weight=weight, **SMALL).fit(X, two)
            names[metric, str(weight)[:3]] = clf.oof_score_name_
    for metric in ("auto", "accuracy"):
        found = [names[metric, weight] for weight in ("Non", "bal", "{'y")]
        assert found == ["accuracy", "balanced accuracy", "weighted accuracy"]
    assert {names["balanced_accuracy", w] for w in ("Non", "bal")} == {"balanced accuracy"}
    assert names["auc", "bal"] == "weighted AUC"


SPELLINGS = {
    "log-loss": "log_loss", "LogLoss": "log_loss", "neg_log_loss": "log_loss", "roc_auc": "auc", "F1": "f1",
    "balanced-accuracy": "balanced_accuracy", "neg_root_mean_squared_error": "rmse", "R^2": "r2", "quantile": "pinball",
}  # fmt: skip


def test_other_spellings():
    assert {text: find_name(text) for text in SPELLINGS} == SPELLINGS


def test_several_quantiles_have_the_pinball_loss():
    loss = losses.Quantile((0.1, 0.9))
    reg = TabularRegressor(metric="pinball", loss=loss, **SMALL).fit(X, numbers)
    pairs = zip(reg.oof_prediction_.T, loss.q)
    values = [sk.mean_pinball_loss(numbers, p, alpha=q) for p, q in pairs]
    assert reg.oof_score_ == pytest.approx(np.mean(values))
    assert len(reg.feature_score_drops_) == 2
    with pytest.raises(ValueError, match="metric='rmse' needs one prediction for each row, but"):
        reg.set_params(metric="rmse").fit(X, numbers)
    with pytest.raises(ValueError, match="score needs one prediction for each row"):
        reg.score(X, numbers)


# ---- the choice among configurations ----


def test_epochs_are_chosen_by_the_error_rate_for_accuracy_only():
    def monitors(metric):
        from fastnn.tabular.fitting import recipe

        task = TabularClassifier(metric=metric)._task()
        return {c.monitor for c in task.with_monitor(recipe.configurations(True, 2000, 2))}

    assert monitors("auto") == {"loss", "error_rate"} and monitors("accuracy") == {"error_rate"}
    assert {m for name in ("auc", "f1", "log_loss") for m in monitors(name)} == {"loss"}


class Found:
    """Out-of-fold predictions of two configurations, and a metric."""

    def __init__(self, name, y, known=CLASS_METRICS):
        self.task = type("Task", (), {"metric": known[name]})
        self.y = y

    def cost(self, P, rows=slice(None)):
        rows = metrics.ScoredRows(TableClasses(np.arange(2)), self.y[rows], P[rows])
        return self.task.metric.cost(rows)

    def loss(self, P):
        return -np.log(P[np.arange(len(self.y)), self.y]).mean()


def mixes(n):
    """Probabilities of two classes: right in 60 % of the rows, with a low loss; in 90 %, with a
    higher one."""
    y = np.arange(n) % 2
    calm = np.where(np.arange(n) % 10 < 6, 0.6, 0.45)
    bold = np.where(np.arange(n) % 10 < 9, 0.51, 0.001)
    return y, [np.where(y[:, None] == [0, 1], p[:, None], 1 - p[:, None]) for p in (calm, bold)]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", sk.matthews_corrcoef])
def test_metrics_of_classes_judge_by_the_threshold(metric):
    y, p = np.array([0, 1, 1, 0]), np.array([0.2, 0.4, 0.4, 0.2])
    task = TabularClassifier(metric=metric, threshold=0.3)._task()
    held_out = out_of_fold.HeldOutMetric(task, TableClasses(np.arange(2)), y, None, None)
    assert held_out.cost(np.stack([1 - p, p], 1)) == -1


@pytest.mark.parametrize(("n", "is_certain"), [(7, False), (400, True)])
def test_a_metric_of_classes_must_be_better_for_certain(n, is_certain):
    y, P = mixes(n)
    assert (out_of_fold.improve(np.array([1.0, 0.0]), P, Found("accuracy", y))[1] > 0) == is_certain
    by_loss = np.array([0.0, 1])  # which chooses nothing anew
    assert out_of_fold.improve(by_loss, P, Found("log_loss", y)) is by_loss


def test_a_metric_of_numbers_chooses_in_any_case():
    y = np.arange(4.0)
    found = Found("mae", y, NUMBER_METRICS)
    P = [y + 0.1, y + 0.39 * (y > 2)]
    assert out_of_fold.improve(np.array([1.0, 0]), P, found).tolist() == [0, 1]


def test_the_loss_decides_between_equal_metrics(monkeypatch):
    y, P = mixes(100)
    monkeypatch.setattr(out_of_fold, "is_better_for_certain", lambda *_: True)
    # AUC and accuracy of both are 1
    P = [np.where(y[:, None] == [0, 1], p, 1 - p) for p in (0.6, 0.9)]
    assert out_of_fold.improve(np.array([0.5, 0.5]), P, Found("accuracy", y)).tolist() == [0, 1]


# ---- undefined metrics and wrong names ----


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_metric_that_is_undefined_is_a_warning():
    y = np.array([0] * (N - 1) + [1])
    clf = TabularClassifier(metric="auc", **SMALL | dict(n_estimators=1, random_state=1))
    undefined = "'auc' is undefined for the 16 rows that are held out: it needs rows of two classes"
    with pytest.warns(UndefinedMetricWarning, match=undefined):
        clf.fit(X, y)
    assert clf.oof_score_ is None and clf.feature_score_drops_ is None
    assert np.isfinite(clf.predict_proba(X)).all()
    with pytest.warns(UndefinedMetricWarning):
        clf.fit(X, np.zeros(N, int))
    assert clf.oof_score_ is None
    assert TabularClassifier(metric="f1", **SMALL).fit(X, np.zeros(N, int)).oof_score_ == 1


def test_zeros_of_weight_0_are_no_targets():
    y, weight = np.where(np.arange(N) < 5, 0, numbers), np.arange(N) >= 5
    reg = TabularRegressor(metric="mape", **SMALL).fit(X, y, sample_weight=weight)
    assert reg.oof_score_ > 0
    with pytest.raises(ValueError, match=r"metric='mape' divides .* is 0 in row 0"):
        reg.fit(X, y)


WRONG_METRICS = [
    ("rmse", r"metric='rmse' is for numbers\. metric can be auto, accuracy, "),
    ("acuracy", r"metric='acuracy' is unknown\. Did you mean 'accuracy'\?"),
    (sk.log_loss, r"metric=log_loss seems to be lower .*=make_scorer\(log_loss, greater"),
    (lambda y, p: "x", r"must return a number, got 'x'"),
    (lambda y, p: None, r"metric <lambda> failed: unsupported .* It must return a number\."),
]


@pytest.mark.parametrize(("metric", "message"), WRONG_METRICS)
def test_wrong_metrics(metric, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TabularClassifier(metric=metric, **SMALL).fit(X, two)


# ---- metrics of the user ----


def share_of_right(y_true, y_pred):
    return np.mean(y_true == y_pred)


def test_a_function_of_the_user(reload, tmp_path):
    clf = TabularClassifier(metric=sk.matthews_corrcoef, class_weight={"yes": 2}, **SMALL)
    clf.fit(X, two)
    weight = np.where(two == "yes", 2, 1)
    predicted = clf.classes_[clf.oof_prediction_.argmax(axis=1)]
    expected = sk.matthews_corrcoef(two, predicted, sample_weight=weight)
    assert clf.oof_score_ == pytest.approx(expected)
    assert clf.oof_score_name_ == "weighted matthews_corrcoef"
    other = reload(clf)
    assert_same_bits(other.predict_proba(X), clf.predict_proba(X))
    assert other.metric == clone(other).metric == MissingMetric("matthews_corrcoef")
    assert (other.oof_score_, other.oof_score_name_) == (clf.oof_score_, clf.oof_score_name_)
    assert_same_bits(other.feature_score_drops_, clf.feature_score_drops_)
    other.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    with pytest.raises(ValueError, match=r"'matthews_corrcoef' of the user.*set_params\(metric="):
        other.fit(X, two)
    with pytest.raises(ValueError, match=r"^the function 'matthews_corrcoef' is not in the mod"):
        other.metric(two, two)
    other.set_params(metric=sk.matthews_corrcoef).fit(X, two)
    assert_same_bits(other.oof_prediction_, clf.oof_prediction_)
    assert pickle.loads(pickle.dumps(clf)).oof_score_ == clf.oof_score_


def test_weights_need_a_function_that_takes_them():
    clf = TabularClassifier(metric=share_of_right, **SMALL).fit(X, two)
    assert 0 < clf.oof_score_ <= 1
    with pytest.raises(TypeError, match=r"share_of_right has no parameter sample_weight"):
        clf.fit(X, two, sample_weight=np.ones(N))


def test_functions_with_any_options_and_without_a_value():
    clf = TabularClassifier(metric=lambda y, p, **options: len(options), **SMALL)
    assert clf.fit(X, two, sample_weight=np.ones(N)).oof_score_ == 1
    with pytest.warns(UndefinedMetricWarning):
        assert clf.set_params(metric=lambda y, p: np.inf).fit(X, two).oof_score_ is None


def test_a_function_of_several_quantiles():
    def share_inside(y, bounds):
        return np.mean((bounds[:, 0] <= y) & (y <= bounds[:, 1]))

    loss = losses.Quantile([0.1, 0.9])
    reg = TabularRegressor(loss=loss, metric=share_inside, **SMALL).fit(X, numbers)
    assert 0 < reg.oof_score_ == share_inside(numbers, reg.oof_prediction_)


def test_scorers_of_probabilities_and_of_errors():
    scorer = sk.make_scorer(sk.log_loss, greater_is_better=False, response_method="predict_proba")
    for y in (two, three):
        clf = TabularClassifier(metric=scorer, **SMALL).fit(X, y)
        assert clf.oof_score_ == pytest.approx(-sk.log_loss(y, clf.oof_prediction_))
    scorer = sk.make_scorer(sk.median_absolute_error, greater_is_better=False)
    reg = TabularRegressor(metric=scorer, **SMALL).fit(X, numbers)
    assert reg.oof_score_ == -sk.median_absolute_error(numbers, reg.oof_prediction_)


# ---- what columns are worth ----


def test_score_drops_are_falls_of_the_score(quick_recipe):
    quick_recipe(30)
    for model, y in (
        (TabularRegressor(**SMALL), numbers),
        (TabularRegressor(metric="mae", **SMALL), numbers),
        (TabularClassifier(metric="f1", threshold="f1", **SMALL), two),
    ):
        drops = model.fit(X, y).feature_score_drops_
        assert drops[0] > 0.05 and drops[0] > 3 * abs(drops[1])
    rare = numbers.copy()
    rare[3] = 1e6  # R2 is that of the rows that are shuffled
    assert np.isfinite(TabularRegressor(**SMALL).fit(X, rare).feature_score_drops_).all()
    assert_allclose(  # the loss is the squared error in units of the variance
        TabularRegressor(**SMALL).fit(X, numbers).feature_score_drops_,
        TabularRegressor(**SMALL).fit(X, numbers).feature_importances_,
        rtol=1e-6,
    )
