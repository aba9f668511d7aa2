"""monotone: predictions never fall, or never rise, as a number grows; errors; what files say of it."""

import collections
import concurrent.futures
import pickle
import re
from dataclasses import replace
from fractions import Fraction

import c_program
import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from sklearn.base import clone

import fastnn
from fastnn import TabularClassifier, TabularRegressor, export, losses
from fastnn.tabular import guarantees, monotone
from fastnn.tabular.encoder import EncoderSettings

N = 300
rng = np.random.default_rng(0)
X = pd.DataFrame({"up": rng.normal(size=N)})
X["few"] = rng.integers(0, 12, N)  # bins from a tree, and values that may become categories
X["flag"], X["free"] = rng.random(N) < 0.5, rng.normal(size=N)
X["city"] = rng.choice([f"c{i}" for i in range(40)], N)  # has statistics
X["day"] = np.datetime64("2024-01-01") + rng.integers(0, 300, N).astype("timedelta64[D]")
X["same"] = 1.0
X.loc[rng.random(N) < 0.1, "up"] = None
#: The targets ask for the opposite of two of the rules.
Y = -2 * X["up"].fillna(3) - X["few"] / 2 + np.sin(3 * X["free"]) - X["flag"] + rng.normal(size=N)
RULES = {"up": 1, "few": -1, "flag": 1, "same": 1, "free": 0}
SMALL = dict(n_estimators=2, hidden_layer_sizes=(8, 6), random_state=0, monotone=RULES)


def regressor_case(**options):
    return TabularRegressor(**SMALL | options), Y


def classifier_case(**options):
    return TabularClassifier(**SMALL | options), np.where(Y > Y.median(), "b", "a")


#: (estimator, targets), and arguments of `fit`.
CASES = {
    "numbers": (regressor_case(), {}),
    "logarithms": ((regressor_case(log_target=True)[0], np.exp(Y / 4)), {}),
    "counts": ((regressor_case(loss="poisson")[0], np.round(np.exp(Y / 4))), {}),
    "quantiles": (regressor_case(loss=losses.Quantile((0.1, 0.9))), {}),
    "classes": (classifier_case(), {}),
    "f1": (classifier_case(metric="f1", class_weight="balanced", threshold="f1"), {}),
    "one layer": (regressor_case(hidden_layer_sizes=5), {}),
    "three layers": (regressor_case(hidden_layer_sizes=(5, 1, 4)), {}),
    "time": (regressor_case(), {"time": "day"}),
    "groups": (classifier_case(), {"groups": "city"}),
    "weights": (regressor_case(), {"sample_weight": rng.uniform(0, 2, N)}),
    "time limit": (regressor_case(time_limit=1.0), {}),
}


def predicted(model, rows):
    """Return predictions (n, k), the probability of the second class of classes."""
    if model.is_classifier:
        return model.predict_proba(rows)[:, 1:]
    return np.asarray(model.predict(rows)).reshape(len(rows), -1)


def rule_steps(rules=("up", "few", "flag")):
    """Yield tables of rows, and the same with one column, or all, further in their direction."""
    draw = np.random.default_rng(1)
    rows = X.iloc[draw.integers(N, size=4 * N)].reset_index(drop=True)
    rows["up"] = rows["up"].fillna(0) + draw.normal(0, 3, len(rows))
    rows["flag"] = False
    for columns in (*([name] for name in rules), rules):
        more = rows.copy()
        for name in columns:
            step = 1 if name == "flag" else draw.exponential(2, len(rows))
            more[name] = more[name].astype(float) + RULES[name] * step
        if "flag" in columns:
            more["flag"] = more["flag"] > 0
        yield rows, more


def assert_monotone(model):
    for before, after in rule_steps():
        low, high = predicted(model, before), predicted(model, after)
        assert ((low - high) / np.spacing(np.float32(np.maximum(1, abs(low))))).max() <= 4
        assert (low != high).any()


@pytest.mark.filterwarnings("ignore:time_limit")
@pytest.mark.parametrize("name", CASES)
def test_predictions_keep_the_rules(name, quick_recipe):
    quick_recipe(12)
    (model, y), arguments = CASES[name]
    model = clone(model).fit(X, y, **arguments)
    assert_monotone(model)
    assert guarantees.are_monotone(model.model_)
    assert not guarantees.is_monotone(model.model_, 3, 1)  # the free column
    assert model.facts().monotone == {"up": 1, "few": -1, "flag": 1}
    assert all(net.weight_bounds is None for net in model.model_.networks())


def test_a_number_whose_values_are_inputs_has_no_direction(quick_recipe):
    table = pd.DataFrame({"v": np.arange(N) % 3, "x": Y})
    model = regressor_case(monotone=None)[0].fit(table, Y).model_
    for net in model.networks():
        net.params[:] = 0
    assert guarantees.is_monotone(model, 0, 1)
    encoders = [replace(encoder, values=[[1.0], []]) for encoder in model.encoders]
    assert not guarantees.is_monotone(replace(model, encoders=encoders), 0, 1)


def test_without_rules_nothing_changes(quick_recipe):
    """No rule, a rule of sign 0 and one for a column that networks do not read are the same."""
    plain = [regressor_case(monotone=m)[0].fit(X, Y) for m in (None, {}, {"up": 0}, {"same": 1})]
    for model in plain:
        assert model.model_.monotone == {}
        assert model.model_.networks()[0].activations[0] == "silu"
        assert_same_bits(model.predict(X), plain[0].predict(X))


def test_arrays_and_positions(quick_recipe):
    A = X[["up", "free"]].to_numpy(float)
    by_name = regressor_case(monotone={"up": 1})[0].fit(X[["up", "free"]], Y)
    arrays = [1, 0], np.array([1, 0], np.float32), pd.Series([0, 1], [1, 0])
    for rules in (*arrays, {-2: 1}, {np.int64(0): 1}, {0: 1}):
        model = regressor_case(monotone=rules)[0].fit(A, Y)
        assert_same_bits(model.predict(A), by_name.predict(X[["up", "free"]]))
    assert clone(model).get_params()["monotone"] == {0: 1}


@pytest.mark.parametrize("make", [regressor_case, classifier_case])
def test_files_pickles_workers_and_single_rows(make, quick_recipe, reload, tmp_path):
    model, y = make()
    expected = predicted(model.fit(X, y), X)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        in_workers = clone(model).fit(X, y, executor=pool)
    for other in (reload(model), pickle.loads(pickle.dumps(model)), in_workers):
        assert_same_bits(predicted(other, X), expected)
        assert other.model_.monotone == model.model_.monotone
        assert other.get_params()["monotone"] == RULES
        assert_same_bits(other.predict_derivatives(X), model.predict_derivatives(X))
    ones = [predicted(model, X[i : i + 1]) for i in range(5)]
    assert_same_bits(np.concatenate(ones), expected[:5])


STORED = [
    (collections.UserDict(up=1), {"up": 1}), ({}, {}),
    (pd.Series({c: int(c == "up") for c in sorted(X)}), {c: c == "up" for c in X}),
    (np.eye(7, dtype=int)[list(X).index("up")], [c == "up" for c in X]),
]  # fmt: skip


@pytest.mark.parametrize("rules, stored", STORED)
def test_files_hold_rules_of_any_kind(rules, stored, quick_recipe, reload):
    quick_recipe(12)
    assert reload(regressor_case(monotone=rules)[0].fit(X, Y)).get_params()["monotone"] == stored


def test_derivatives_have_the_sign(quick_recipe):
    quick_recipe(12)
    model = regressor_case()[0].fit(X, Y)
    for name in ("up", "few"):
        slopes = model.predict_derivatives(X, name)[:, 0]
        assert np.nanmin(RULES[name] * slopes) >= 0
        low, high = (model.predict(X.assign(**{name: X[name] + h})) for h in (-0.01, 0.01))
        errors = slopes - (high - low) / 0.02  # large where there is a kink
        assert np.nanmedian(abs(errors)) < 0.01 * np.nanmax(abs(slopes))


def test_a_file_whose_weights_break_the_rule_is_refused(quick_recipe, tmp_path):
    model = regressor_case()[0].fit(X, Y)
    for W in model.model_.networks()[0].weights:
        W[...] = -np.abs(W) - 0.1
    assert not guarantees.are_monotone(model.model_)
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(fastnn.ModelFileError, match="monotone"):
        fastnn.load(tmp_path / "m.safetensors")


def test_values_of_columns_with_rules_are_no_categories(quick_recipe):
    """Counts are also categories in one configuration, but not those of columns with rules."""
    table = pd.DataFrame({"a": X["few"], "b": rng.integers(0, 15, N)})
    model = regressor_case(monotone={"a": 1})[0].fit(table, Y)
    assert EncoderSettings(values=True) in model_settings(model, table)
    for encoder in model.model_.encoders:
        assert not encoder.values[0]


def model_settings(model, table):
    """Return the encodings of the configurations that a fit of the table trains."""
    from fastnn.tabular.fitting.options import FitArguments
    from fastnn.tabular.fitting.table_fit import TableFit

    passed = FitArguments(X=table, y=Y, sample_weight=None, groups=None, time=None, window=None)
    fit = TableFit(model._fit_options(None, False), passed)
    return [c.encoding for c in fit.configurations(N // 2)]


SIGNS = [([1, 0, -1], [0, 1, -1], [0, 1, -1], [1]), ([0, 1], [1, -1], [-1, 1])]


@pytest.mark.parametrize("signs", SIGNS, ids=str)
def test_bounds_of_weights_leave_what_they_can(signs):
    """Signs of units are kept along every weight, and all weights without need of a bound are free."""
    signs = [np.array(s, float) for s in signs]
    found = monotone.weight_bounds(signs[0], signs[1:-1], signs[-1])
    for before, after, (lower, upper) in zip(signs, signs[1:], found):
        for i, s in enumerate(before):
            for j, t in enumerate(after):
                allowed = [w for w in (-1, 0, 1) if lower[i, j] <= w <= upper[i, j]]
                assert allowed == {0: [-1, 0, 1]}.get(s, [0] if t == 0 else sorted([0, s * t]))


UNITS = {(8, 0.5): (2, 3, 3), (7, 0.5): (2, 3, 2), (4, 1): (2, 1, 1)}
UNITS |= {(1, 1): (0, 1, 0), (2, 0): (0, 1, 1)}


def test_signs_of_units():
    for arguments, counts in UNITS.items():
        assert monotone.unit_signs(*arguments).tolist() == np.repeat([0, 1, -1], counts).tolist()


def test_initial_outputs_of_hidden_layers_have_the_usual_variance_and_the_mean_0():
    net, free = (fastnn.MLP([3, 400, 400, 2], "relu", "softmax", rng=0) for _ in range(2))
    monotone.MonotoneInputs({}, 0.5).constrain(net, np.array([1.0, -1, 0]))
    W, b = net.weights[1], net.biases[1] - free.biases[1]
    assert np.var(W) == pytest.approx(np.var(free.weights[1]), rel=0.1)
    np.testing.assert_allclose(b, -W.sum(axis=0) / np.pi**0.5, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("activation", "slopes"), [("silu", (-0.1, 1.1)), ("relu", (0, 1))])
def test_bounds_of_derivatives(activation, slopes):
    """What the unit adds up grows by 2 or 3, or both; of two classes, the outputs by the difference."""
    for outputs, factors in (("softmax", [-5]), ("identity", [1, -4])):
        net = fastnn.MLP([2, 1, 2], activation, outputs)
        net.weights[0][:], net.weights[1][:] = [[2], [-3]], [[1, -4]]
        found = guarantees.derivative_bounds(net, np.array([1.0, -1.0]))
        np.testing.assert_allclose(np.transpose(found), np.sort(np.outer(factors, slopes) * 5))


# ---- limits of predictions ----


@pytest.mark.parametrize("bounds", [(-3.0, -2), (None, -3), np.array([-2, 30])])
@pytest.mark.parametrize("log", [False, True])
def test_predictions_stay_within_bounds(bounds, log, quick_recipe, reload):
    """Of a fit with times, whose predictions may leave the range of the targets."""
    quick_recipe(12)
    low, high = (np.exp(b / 4) if log and b is not None else b for b in bounds)
    model = TabularRegressor(2, hidden_layer_sizes=8, random_state=0, log_target=log)
    model.set_params(bounds=(low, high))
    y = np.exp(Y / 4) if log else Y
    model.fit(X, y, time="day")
    free = clone(model).set_params(bounds=None).fit(X, y, time="day")
    for fitted in (model, reload(model)):
        P = fitted.predict(X)
        assert_same_bits(P, np.clip(P, low, high))
        for ends in fitted.predict_interval(X, 0.99):
            assert_same_bits(ends, np.clip(ends, low, high))
        assert_same_bits(fitted.get_params()["bounds"][1], high)
    assert (free.predict(X) > high).any() or (low is not None and (free.predict(X) < low).any())


# ---- errors ----

A_CATEGORY = "column '{}' is a category"
KEYS = "monotone must hold names or positions of columns, got"
ERRORS = {
    "several classes": (dict(monotone={"up": 1}), "has 3 classes"),
    "category": (dict(monotone={"city": 1}), A_CATEGORY.format("city")),
    "declared category": (dict(monotone={"few": 1}, categories="few"), A_CATEGORY.format("few")),
    "date": (dict(monotone={"day": 1}), "column 'day' is a date.*days since"),
    "unknown": (dict(monotone={"upp": 1}), "'upp', which X does not have. Did you mean 'up'"),
    "sign": (dict(monotone={"up": 2}), "'up' is 2, but must be \\+1, -1 or 0"),
    "truth": (dict(monotone={"up": True}), "'up' is True"),
    "no sign": (dict(monotone=[None] * 7), "'up' is None, .* 0 without a rule"),
    "text": (dict(monotone={"up": "+1"}), "'up' is '\\+1'"),
    "dropped": (dict(monotone={"up": 1}, drop="up"), "it is named in drop"),
    "names": (dict(monotone=["up"]), "of the 7 columns, but has 1. .*but the target.*mapping"),
    "one column": (dict(monotone="up"), "'monotone' parameter .* must be an"),
    "fraction": (dict(bounds=(Fraction(1, 3), 5)), "bounds must be .low, high.*Fraction"),
    "no targets": (dict(bounds=(None, -99)), r"^bounds has none.*from -.*: it is \(None, -99.0\)"),
    "signs": (dict(monotone={"up": (1, -1)}), r"'up' is \(1, -1\), but"),
}
for key in (None, 1.0, ("up",), ("up", "few")):
    ERRORS[f"key {key}"] = dict(monotone={key: 1}), re.escape(f"{KEYS} {key!r} of type")
for wrong in ((1, 2, 3), (2, 2), (True, 3), (np.nan, 3)):
    ERRORS[f"bounds {wrong}"] = dict(bounds=wrong), "bounds must be .low, high. with low < high"


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_rules_and_bounds(name):
    options, text = ERRORS[name]
    model, y = regressor_case(**options)
    if name == "several classes":
        model, y = classifier_case(**options)[0], np.digitize(Y, [-2, 2])
    with pytest.raises(ValueError, match=text):
        model.fit(X, y)


def test_two_signs_for_a_column():
    with pytest.raises(ValueError, match="both \\+1 and -1 for column '0'"):
        TabularRegressor(monotone={0: 1, -2: -1}).fit(X[["up", "free"]].to_numpy(float), Y)


# ---- other formats ----


@pytest.mark.skipif(c_program.GCC is None, reason="gcc is not installed")
@pytest.mark.parametrize("make", [regressor_case, classifier_case])
def test_exported_c_files_keep_the_rules(make, quick_recipe, tmp_path):
    quick_recipe(12)
    columns = ["up", "few", "free"]
    model, y = make(monotone={"up": 1, "few": -1})
    model.fit(X[columns], y)
    export.c(model, tmp_path / "m.c")
    steps = [rows[columns].to_numpy(float) for pair in rule_steps(("up", "few")) for rows in pair]
    rows = c_program.Rows(list(map(tuple, np.concatenate(steps))), "double")
    P = c_program.predict(tmp_path, {"m": rows})["m"][1][:, -1].reshape(len(steps) // 2, 2, -1)
    for low, high in P:
        assert (low - high).max() <= 4 * np.spacing(np.float32(max(1, abs(low).max())))


@pytest.mark.filterwarnings("ignore::fastnn.tables.TableWarning")
@pytest.mark.parametrize("make", [regressor_case, classifier_case])
def test_tables_larger_than_memory_and_of_dask(make, quick_recipe, tmp_path):
    quick_recipe(12)
    # the extra dask may not be installed
    dask, dd = pytest.importorskip("dask"), pytest.importorskip("dask.dataframe")
    model, y = make()
    table = X.assign(y=y)
    table.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    assert_monotone(clone(model).fit(tmp_path / "t.parquet", "y", window=150))
    with dask.config.set(scheduler="synchronous"):
        assert_monotone(clone(model).fit(dd.from_pandas(table, npartitions=3), "y", window=150))


def test_free_text(quick_recipe):
    quick_recipe(12)
    words = np.array("good bad quick slow warm cold great small".split())
    texts = [" ".join(rng.choice(words, 6)) for _ in range(N)]
    model = regressor_case(texts="review")[0].fit(X.assign(review=texts), Y)
    for before, after in rule_steps():
        low, high = (model.predict(rows.assign(review=texts * 4)) for rows in (before, after))
        assert ((low - high) / np.spacing(np.float32(np.maximum(1, abs(low))))).max() <= 4
