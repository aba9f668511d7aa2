"""Explanations of the predictions of estimators for tables, compared with their own predictions."""

import sys
from functools import cache
from itertools import combinations
from math import comb
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose

from fastnn import DataError, TabularClassifier, TabularRegressor, losses
from fastnn.tabular import stored_model
from fastnn.tabular.encoder import FitRows
from fastnn.tabular.explaining import explanation as texts_of_explanations
from fastnn.tabular.explaining.mixtures import MOST_VALUES, Background

SMALL = dict(n_estimators=2, hidden_layer_sizes=4, random_state=0)
N = 90
rng = np.random.default_rng(0)
X = pd.DataFrame({"size": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N))})
X["town"] = rng.choice(["Rome", "Oslo", None], N)
X["day"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 500, N), "D")
X["same"] = 1  # left out
X["age"] = rng.integers(20, 60, N)
score = X["size"].fillna(1).to_numpy() + 2 * (X["town"] == "Oslo") + X["age"] / 40
WEIGHT = np.where(np.arange(N) % 3, 1.0, 0.0)
NEW = pd.DataFrame({"age": [30, 45], "target": ["yes", "no"]})  # the target is ignored
NEW["size"], NEW["town"] = [0.3, None], ["Paris", "Oslo"]  # Paris is new
NEW["day"] = pd.to_datetime(["2025-03-01", "2026-05-31"])

WIDE = pd.concat([X, pd.DataFrame(rng.normal(size=(N, 6)), columns=list("abcdef"))], axis=1)
COLUMNS = ["size", "town", "day", "age"]


def fit(kind, table=X):
    """Fit a small model of a kind."""
    if kind == "two classes":
        y = np.where(score > 2.5, "yes", "no")
        return TabularClassifier(**SMALL, threshold=0.3).fit(table, y)
    if kind == "three classes":
        return TabularClassifier(**SMALL).fit(table, np.digitize(score, [2.0, 3.0]), WEIGHT)
    if kind == "log target":
        return TabularRegressor(**SMALL, log_target=True).fit(table, np.exp(score))
    if kind == "quantiles":
        return TabularRegressor(**SMALL, loss=losses.Quantile((0.9, 0.1))).fit(table, score)
    return TabularRegressor(**SMALL).fit(table, 10 * score)


@pytest.fixture(scope="module")
def models():
    """models(kind) is fitted once."""
    return cache(fit)


@pytest.fixture(scope="module")
def wide():
    return TabularRegressor(**SMALL).fit(WIDE, score + WIDE["a"] * WIDE["b"])


def predict(model, table, scale):
    """The predictions of a model on a scale, (n, n_outputs)."""
    if scale == "target":
        return model.predict(table).reshape(len(table), -1)
    P = model.predict_proba(table)
    P = P if scale == "probability" else np.log(P / (1 - P))
    return P[:, 1:] if P.shape[1] == 2 else P


def by_enumeration(model, rows, others, scale):
    """The Shapley values (n, n_columns, n_outputs) of rows, from predictions of whole tables."""
    subsets = [s for k in range(5) for s in combinations(COLUMNS, k)]
    mixed = []
    for i in range(len(rows)):
        for subset in subsets:
            row = rows[list(subset)].iloc[np.full(len(others), i)].set_index(others.index)
            mixed.append(others[COLUMNS].drop(columns=list(subset)).join(row))
    P = predict(model, pd.concat(mixed, ignore_index=True), scale)
    P = P.reshape(len(rows), len(subsets), len(others), -1).mean(axis=2)
    values = dict(zip(subsets, np.moveaxis(P, 1, 0)))
    out = np.zeros((len(rows), 4, P.shape[-1]))
    for j, name in enumerate(COLUMNS):
        for s in subsets:
            if name not in s:
                grown = tuple(c for c in COLUMNS if c in s or c == name)
                out[:, j] += (values[grown] - values[s]) / comb(3, len(s)) / 4
    return out


SCALES = "probability", "log-odds"
CASES = [(kind, scale) for kind in ("two classes", "three classes") for scale in SCALES]
CASES += [(kind, "target") for kind in ("log target", "quantiles", "number")]


@pytest.mark.filterwarnings("ignore:.*unknown")
@pytest.mark.parametrize(("kind", "scale"), CASES)
def test_values_are_those_of_whole_tables(kind, scale, models):
    model, others = models(kind), X[:7]
    found = model.explain(NEW, scale=scale, background=others)
    assert found.scale == scale and found.columns == COLUMNS and found.n_background == 7
    P = predict(model, NEW, scale)
    assert_allclose(found.predictions.reshape(2, -1), P, rtol=1e-12)
    base = predict(model, others, scale).mean(axis=0)
    assert_allclose(found.base_values.reshape(2, -1), [base, base], rtol=1e-12)
    expected = by_enumeration(model, NEW, others, scale)
    assert_allclose(found.values.reshape(2, 4, -1), expected, atol=1e-12 * np.abs(P).max())


@pytest.mark.parametrize(("kind", "scale"), CASES)
def test_contributions_add_up(kind, scale, models):
    for options in ({}, {"n_permutations": 4}):
        found = models(kind).explain(X, scale=scale, **options)
        total = found.base_values + found.values.sum(axis=1)
        assert_allclose(total, found.predictions, atol=1e-13 * np.abs(found.predictions).max())


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class():
    model = TabularClassifier(**SMALL).fit(X[:20], ["a"] * 20)
    found = model.explain(X[:3])
    assert found.values.shape == (3, 4) and not found.values.any()
    assert (found.predictions == 1).all() and (found.base_values == 1).all()
    assert found.n_background == 0 and model.explain([]).values.shape == (0, 4)
    assert not model.explain(X[:3], scale="log-odds").predictions.any()
    with pytest.raises(ValueError, match="one class"):
        model.effect("size")


def test_forward_folds_have_explanations():
    model = TabularRegressor(**SMALL).fit(X, score, time="day")
    found = model.explain(X[:3])
    assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(X[:3]))


def test_samples_agree_with_enumeration(models):
    exact = models("number").explain(X[:20])
    sampled = models("number").explain(X[:20], n_permutations=720)
    assert exact.n_permutations is None and sampled.n_permutations == 720
    z = (sampled.values - exact.values)[sampled.standard_errors > 0]
    z /= sampled.standard_errors[sampled.standard_errors > 0]
    assert np.abs(z).max() < 6 and np.sqrt((z**2).mean()) < 1.5


def test_a_column_that_no_network_reads_contributes_nothing():
    model = fit("number", WIDE)
    features = model.model_.features
    source = next(j for j in features.used() if features.columns[j].label == "a")
    for member in model.model_.members:
        encoder = model.model_.encoders[member.encoder]
        numbers, positions, codes = encoder.sources_of_parts(features.sources())
        bins = np.repeat(positions, [len(e) - 1 for e in encoder.edges if e])
        n_values = [len(v) for v in encoder.values if v] + [n for n in encoder.n_categories if n]
        inputs = np.concatenate([numbers, bins, np.repeat(codes, n_values)])
        for networks in member.networks:
            for net in networks:
                net.weights[0][inputs == source] = 0
    found = model.explain(WIDE[:5])
    assert found.n_permutations == 180
    j = found.columns.index("a")
    assert not found.values[:, j].any() and not found.standard_errors[:, j].any()
    assert found.values[:, found.columns.index("b")].all()


# ---- the same bits ----


def assert_same(a, b):
    for name in ("values", "standard_errors", "base_values", "predictions"):
        assert_same_bits(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_and_rows_do_not_matter(wide, n_threads):
    wide.n_threads = n_threads
    found = wide.explain(WIDE[:6], n_permutations=8)
    assert_same(found, wide.explain(WIDE[:6], n_permutations=8))
    for i in (0, 5):
        alone = wide.explain(WIDE[i : i + 1], n_permutations=8)
        assert_same_bits(alone.values[0], found.values[i])
        assert_same_bits(alone.standard_errors[0], found.standard_errors[i])
    if n_threads == 2:
        wide.n_threads = 1
        assert_same(found, wide.explain(WIDE[:6], n_permutations=8))


def test_the_seed_chooses_the_orders(wide):
    options = [dict(n_permutations=8, random_state=seed) for seed in (0, 1)]
    a, b = (wide.explain(WIDE[:2], **some) for some in options)
    assert (a.values != b.values).any()
    assert_same(a, wide.explain(WIDE[:2], n_permutations=8))
    assert_same_bits(a.predictions, b.predictions)


# ---- training rows in the model ----


def test_a_file_has_training_rows(models, reload, tmp_path):
    model = models("two classes")
    for loaded in (reload(model), stored_model.load(tmp_path / "model")):
        assert_same(loaded.explain(NEW), model.explain(NEW))
        assert_same_bits(loaded.effect("size").curves, model.effect("size").curves)
    loaded = reload(model, background=False)
    with pytest.raises(DataError, match=r"keeps no training rows.*Pass .* as background"):
        loaded.explain(NEW)
    with pytest.raises(DataError, match=r"keeps no training rows.*Pass .* as X"):
        loaded.effect("size")
    assert_same(loaded.explain(NEW, background=X[:5]), model.explain(NEW, background=X[:5]))
    assert len(loaded.effect("size", X[:5]).curves) == 5
    assert_same_bits(loaded.predict_proba(NEW), model.predict_proba(NEW))


def test_kept_rows_are_training_rows_with_weight(models):
    model = models("three classes")
    kept = model.model_.background
    assert len(kept) == np.count_nonzero(WEIGHT)  # each once, none of weight 0
    features = model.model_.features
    labels = [features.columns[f.source].label for f in features.numbers]
    assert sorted(kept.numbers[labels.index("age")]) == sorted(X["age"][WEIGHT > 0])


def test_the_draw_follows_weights_and_size():
    n, weight = 2000, np.where(np.arange(2000) < 1000, 9.0, 1.0)
    rows = FitRows([np.arange(n) * 1.0], np.zeros((n, 0), np.int32), np.zeros(n), None)
    kept = Background.draw(rows, weight, 0)
    assert len(kept) == 128 and 100 < (kept.numbers[0] < 1000).sum() < 126
    assert (np.diff(kept.numbers[0]) > 0).all()  # in the order of the table
    assert_same_bits(kept.numbers[0], Background.draw(rows, weight, 0).numbers[0])
    many = FitRows(rows.numbers * (MOST_VALUES // 50), rows.codes, rows.y, None)
    assert len(Background.draw(many, None, 0)) == 50
    many = FitRows(rows.numbers * (MOST_VALUES // 20), rows.codes, rows.y, None)
    assert len(Background.draw(many, None, 0)) == 32
    assert len(Background.draw(rows, np.where(np.arange(n) < 3, 1.0, 0), 0)) == 3


def test_a_resumed_fit_keeps_the_same_rows(reload, quick_recipe, interrupt_after_a_fold):
    quick_recipe(2)
    whole = fit("number")
    model = TabularRegressor(**SMALL, n_threads=1)
    with interrupt_after_a_fold():
        model.fit(X, 10 * score)
    model = reload(model)
    assert model.n_folds_remaining_ == 1
    assert_same_bits(model.explain(NEW).data.shape, (2, 4))  # with the folds that are done
    assert_same(model.fit(X, 10 * score, resume=True).explain(NEW), whole.explain(NEW))


# ---- arguments and results ----


def test_no_rows_to_explain(models):
    found = models("number").explain([])
    assert found.values.shape == (0, 4) and found.importances().tolist() == [0] * 4


WRONG = {  # a kind of model, what is called, and the message
    "a probability": ("number", lambda m: m.explain(NEW, scale="probability"),
                      "scale='probability' is not a scale .* a number"),
    "a target": ("two classes", lambda m: m.explain(NEW, scale="target"),
                 "predicts classes. Pass 'probability' or 'log-odds'"),
    "odd": ("number", lambda m: m.explain(NEW, n_permutations=7), "n_permutations=7 must be even .* Pass 8"),
    "few": ("number", lambda m: m.explain(NEW, n_permutations=2), "at least 4"),
    "a fraction": ("number", lambda m: m.explain(NEW, n_permutations=4.5), "whole number"),
    "no background": ("number", lambda m: m.explain(NEW, background=X[:0]), "background has no rows"),
    "columns of a background": ("number", lambda m: m.explain(NEW, background=X[["size"]]), "X has no columns"),
    "a column of a background": ("number", lambda m: m.explain(X[:1], background=X.drop(columns="age")),
                                 "background: X has no column 'age'"),
    "a column": ("number", lambda m: m.explain(NEW.drop(columns="age")), "X has no column 'age'"),
    "an output": ("three classes", lambda m: m.explain(X[:4]).of(7),
                  r"output=7 is not an output .* Its outputs are 0, 1, 2"),
    "no output": ("three classes", lambda m: m.explain(X[:4]).to_frame(), "output"),
    "a column that is not used": ("number", lambda m: m.effect("same"), "does not use a column 'same'"),
    "no column": ("number", lambda m: m.effect("agee"), r"'agee'.* Did you mean 'age'"),
    "two columns": ("number", lambda m: m.effect(["age", "town"]),
                    r"does not use a column \['age', 'town'\]"),
    "no rows": ("number", lambda m: m.effect("age", X[:0]), "X has no rows"),
    "a number of columns": ("number", lambda m: m.effects(5.0), "columns must be a list, got a float"),
    "two scales": ("number", lambda m: m.effects(scale=np.array(["a", "b"])), "scale=array.* is not a scale of this"),
    "half a seed": ("number", lambda m: m.explain(NEW, random_state=0.5), "random_state must be None, an int of at least"),
    "one column twice": ("number", lambda m: m.pair_effect("day", "day"), "same column"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name, models):
    kind, call, message = WRONG[name]
    with pytest.raises(TypeError if name == "a number of columns" else ValueError, match=message):
        call(models(kind))


def test_shown_values(models):
    found = models("number").explain(NEW)
    rows = [[0.3, "Paris", "2025-03-01", 30.0], [None, "Oslo", "2026-05-31", 45.0]]
    assert found.data.tolist() == rows


def test_columns_without_names():
    model = TabularRegressor(**SMALL).fit(WIDE[["a", "b"]].to_numpy(), score)
    found = model.explain([[1.0, 2.0]])
    assert found.columns == [0, 1]
    assert_allclose(found.importances(), np.abs(found.values[0]))
    assert model.effect(1).column == 1
    assert found.to_frame().columns.tolist() == ["prediction", "base", 0, 1]


def test_results_as_tables(models):
    found = models("three classes").explain(X[:4])
    one = found.of(2)
    assert one.values.shape == (4, 4) and one.outputs == [2] and one.of(2) is one
    assert_same_bits(one.predictions, found.predictions[:, 2])
    frame = found.to_frame(2)
    assert_allclose(frame.drop(columns="prediction").sum(axis=1), frame["prediction"])
    assert_allclose(one.importances(), np.abs(one.values).mean(axis=0))
    assert repr(found) == "<Explanation 4 x 4 x 3: probability, exact, 60 background rows>"


def test_the_text_of_a_row(wide):
    found = wide.explain(WIDE[:2], n_permutations=8)
    lines = str(found).splitlines()
    assert lines[0].startswith("row 1: prediction ") and ", base " in lines[0]
    assert len(lines) == 2 * (1 + 8 + 1) + 1 and max(map(len, lines)) <= 80
    assert "2 other columns together" in lines[9]
    shown = [float(line.split("+-")[0].split()[-1]) for line in lines[1:9]]
    assert np.all(np.diff(np.abs(shown)) <= 0)
    assert len(found.to_text(n_columns=9).splitlines()[0:11]) == 11  # all ten
    assert "together" not in found.to_text(n_columns=9)


def test_text_of_strange_names():
    texts = ["long" * 90, "c\x1b[0m"] * 45
    table = pd.DataFrame({"a\nb" * 20: rng.normal(size=N), "x" * 300: texts})
    explanation = TabularRegressor(**SMALL).fit(table, score).explain(table[:2])
    for width, longest in ((60, 60), (40, 38), (1, 38)):
        lines = explanation.to_text(width=width).splitlines()
        assert "\x1b" not in "".join(lines) and len(lines) == 7
        assert max(map(len, lines)) == longest


LONG = "a very long name of a column that goes on and on"
CELLS = [("price", "12", 0.5, 0.1), (LONG, "Rome is a city of many hills", -0.25, 0.004),
         ("3 other columns together, which is long", "", 0.0, np.nan)]  # fmt: skip
LINES = {
    (80, True): """\
  price                       12                    +0.500  ++++++++++++++++
  a very long name of a c...  Rome is a city of...  -0.250  --------
  3 other columns together, which is long            0.000""",
    (80, False): """\
  price                       12                   +0.500 +-0.100 ++++++++++++++
  a very long name of a c...  Rome is a city o...  -0.250 +-0.004 -------
  3 other columns together, which is long           0.000""",
    (50, True): """\
  price                     12            +0.500
  a very long name of a...  Rome is a...  -0.250
  3 other columns together, which is ...   0.000""",
}


@pytest.mark.parametrize(("width", "is_exact"), LINES)
def test_lines_of_columns(width, is_exact):
    lines = texts_of_explanations._table(CELLS, is_exact, 3, width)
    assert "\n".join(lines) == LINES[width, is_exact]


LINE = f"    words (std): lovely +1.50, bread -0.25, {'w' * 27}... +0.10"
PIECES = [  # a function, its argument and what it returns
    *(("_find_decimals", [x], n) for x, n in [(0.0, 3), (1.0, 2), (-9.99, 2), (10, 1), (99.9, 1), (100, 0), (1e5, 0)]),
    *(("_find_decimals", [x], n) for x, n in [(0.1, 3), (0.05, 4), (1e-6, 8), (1e-9, 8)]),
    ("_find_decimals", [], 3), ("_find_decimals", [0.1, 10], 1),
    *(("_value_text", x, t) for x, t in [(None, "missing"), (1.0, "1"), (1e15, "1e+15"), (1e14, f"{10**14}")]),
    *(("_value_text", x, t) for x, t in [(2.5, "2.5"), (1 / 3, "0.333333"), ("a\x9b", "a\ufffd"), (7, "7")]),
    *(("_signed", x, t) for x, t in [(0.004, "0.00"), (-0.004, "0.00"), (0.006, "+0.01"), (-1234.5, "-1,234.50")]),
    ("_shorten", "abcdef", "ab..."), ("_shorten", "abcde", "abcde"),
    *(("_words_line", n, [line]) for n, line in [(len(LINE) + 1, LINE), (len(LINE), LINE[: LINE.index(", w")])]),
    ("_words_line", 25, []),
    *(("describe_output", ("target", q), t) for q, t in [(0.5, "quantile 0.5"), (None, "prediction")]),
    ("describe_output", ("probability", "yes"), "probability of 'yes'"),
    ("describe_output", ("log-odds", "x" * 31), f"log-odds of '{'x' * 27}...'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "expected"), PIECES)
def test_pieces_of_a_text(name, argument, expected):
    if name == "_words_line":
        words, shares = zip(*[("lovely", 1.5), ("bread", -0.25), ("none", 0.004), ("w" * 31, 0.1)])
        arguments = (words, np.array(shares)), "std", argument
    elif name == "describe_output":
        arguments = argument
    else:
        arguments = argument, *{"_signed": (2,), "_shorten": (5,)}.get(name, ())
    assert getattr(texts_of_explanations, name)(*arguments) == expected


def test_a_frame_needs_pandas(models, monkeypatch):
    found = models("number").explain(X[:1])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        ImportError, match=r"^to_frame needs pandas\. Run: pip install pandas\. Without it, use"
    ):
        found.to_frame()


def test_explanations_for_shap(models, monkeypatch):
    made = lambda values, **others: SimpleNamespace(values=values, **others)  # noqa: E731
    monkeypatch.setitem(sys.modules, "shap", SimpleNamespace(Explanation=made))
    found = models("three classes").explain(X[:4])
    shown = found.to_shap()
    assert shown.values is found.values and shown.base_values is found.base_values
    assert shown.data is found.data and shown.error_std is found.standard_errors
    assert shown.feature_names == COLUMNS and shown.output_names == ["0", "1", "2"]
    assert found.of(1).to_shap().output_names is None
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match="pip install shap"):
        found.to_shap()


@pytest.mark.slow("shap compiles for seconds; test_values_are_those_of_whole_tables is quick")
def test_shap_computes_the_same():
    shap = pytest.importorskip("shap", reason="shap is not installed")
    table = WIDE[["a", "b", "c"]]
    model = TabularRegressor(**SMALL).fit(table, score + table["a"] * table["b"])
    others = table[:12].to_numpy()

    def f(A):
        return model.predict(pd.DataFrame(A, columns=list("abc")))

    masker = shap.maskers.Independent(others, max_samples=12)
    theirs = shap.ExactExplainer(f, masker)(table[20:23].to_numpy())
    ours = model.explain(table[20:23], background=table[:12])
    assert_allclose(ours.values, theirs.values, atol=1e-6)
    assert_allclose(ours.base_values, theirs.base_values, rtol=1e-6)
    shown = ours.to_shap()
    assert isinstance(shown, shap.Explanation) and shown.shape == (3, 3)


# ---- effects ----


@pytest.mark.parametrize("name", ["size", "town", "day", "age"])
@pytest.mark.parametrize(("kind", "scale"), [CASES[1], CASES[2], CASES[6]])
def test_curves_are_predictions_of_changed_tables(name, kind, scale, models):
    model, rows = models(kind), X[:6]
    effect = model.effect(name, rows, scale=scale, n_points=7)
    kind = {"town": "category", "day": "date"}.get(name, "number")
    assert (effect.column, effect.kind) == (name, kind)
    assert len(effect.values) <= 7 and len(set(effect.values.tolist())) == len(effect.values)
    for k, value in enumerate(effect.values):
        changed = rows.copy()
        changed[name] = None if value == "missing" else value
        P = predict(model, changed, scale)
        assert_allclose(effect.curves[:, k].reshape(6, -1), P, rtol=1e-12)
    assert_allclose(effect.mean, effect.curves.mean(axis=0), rtol=1e-12)


def test_values_of_columns(models):
    day, town, age, size = models("number").effects(["day", "town", "age", "size"])
    assert day.values.dtype.kind == "M" and (day.values == day.values.astype("datetime64[D]")).all()
    assert town.values.tolist() == ["Oslo", "Rome", "missing"] and town.training_values is None
    assert len(day.values) == 40 > len(age.values) and {*age.values} == {*X["age"]}
    assert not np.isnan(size.training_values).any() and len(size.training_values) < N
    assert repr(town) == "<Effect of 'town': 90 rows, 3 values, target>"
    (few,) = models("number").effects("age", n_points=3)
    assert_allclose(np.diff(few.values), (few.values[-1] - few.values[0]) / 2)


def test_effects_of_two_columns(models):
    model, rows = models("number"), X[:6]
    effect = model.pair_effect("day", "town", rows, n_points=4)
    assert effect.columns == ("day", "town") and effect.kinds == ("date", "category")
    assert effect.mean.shape == (4, 3)
    for i, day in enumerate(effect.values[0]):
        for j, town in enumerate(effect.values[1]):
            changed = rows.assign(day=day, town=None if town == "missing" else town)
            assert_allclose(effect.mean[i, j], model.predict(changed).mean(), rtol=1e-12)
    assert repr(effect) == "<PairEffect of 'day' and 'town': 4 x 3 values, target>"
    assert model.pair_effect("day", "size", rows).mean.shape == (20, 20)
    counts = X["town"].fillna("missing").value_counts()
    towns = model.effect("town", n_points=2).values.tolist()
    assert towns == sorted(counts.index[:2], key=["Oslo", "Rome", "missing"].index)


def test_all_effects_at_once_are_the_same(models):
    model = models("three classes")
    for effect in model.effects():
        one = model.effect(effect.column)
        assert_same_bits(one.curves, effect.curves)
        assert_same_bits(one.of(1).mean, effect.mean[:, 1])
        assert one.of(1).outputs == [1]
    pair = model.pair_effect("size", "town", X[:3], n_points=3)
    assert_same_bits(pair.of(2).mean, pair.mean[..., 2])


def test_presence_is_a_category():
    table = X.assign(flag=[1.0, None] * (N // 2))
    effect = TabularRegressor(**SMALL).fit(table, score + table["flag"].isna()).effect("flag")
    assert effect.values.tolist() == ["present", "missing"] and effect.mean[1] > effect.mean[0]
