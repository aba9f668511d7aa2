"""docs/model_file.md is enough to read a file: here the safetensors library and NumPy follow it."""

import datetime
import json
import math
import re

import numpy as np
import pytest
from checks import assert_within
from places import DOCS

import fastnn
from fastnn import MLP, losses
from fastnn.activations import ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("ignore:y holds only the class")

safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")
X = np.random.default_rng(0).normal(size=(40, 3))
PAGE = DOCS / "model_file.md"
if not PAGE.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
NAMES = {name: getattr(np, name) for name in ("exp", "log", "maximum", "sqrt", "tanh", "where")}
NAMES |= dict(erf=np.vectorize(math.erf), sum=lambda z: np.sum(z, axis=1, keepdims=True))
FUNCTIONS = {  # of the table of the page, which has an expression of z for each name
    name: eval(f"lambda z: {expression}", NAMES)
    for name, expression in re.findall(r"^\| `(\w+)` \| `(.+)` \|$", PAGE.read_text("utf-8"), re.M)
}


def read(path):
    """The text metadata and the arrays of a file."""
    with safetensors.safe_open(path, "numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def split(flat, sizes, bias):
    """{"W0": array, ...} of the parameters of a network in one array."""
    layers, offset = {}, 0
    for i, (k, m) in enumerate(zip(sizes, sizes[1:])):
        layers[f"W{i}"] = flat[offset : offset + k * m].reshape(k, m)
        offset += k * m
        if bias:
            layers[f"b{i}"] = flat[offset : offset + m]
            offset += m
    assert offset == len(flat)
    return layers


def outputs(network, layers, a):
    """The outputs of a network. layers: {"W0": array, ...}."""
    for i, name in enumerate(network["activations"]):
        z = a @ layers[f"W{i}"].astype(float)
        if network["bias"]:
            z = z + layers[f"b{i}"]
        a = FUNCTIONS[name](z)
    return a


def assert_close(actual, expected):
    bound = 1e-5 if actual.dtype == "float32" else 1e-12
    assert_within(actual.astype(float), expected, bound * np.abs(expected).max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network(activation, bias, dtype, path):
    hidden = "tanh" if activation == "softmax" else activation
    net = MLP([3, 5, 2], hidden, activation, bias, dtype, rng=0)
    net.save(path)
    metadata, arrays = read(path)
    assert (metadata["format"], metadata["format_version"]) == ("fastnn", "1")
    network = json.loads(metadata["network"])
    assert network["layer_sizes"] == [3, 5, 2] and network["dtype"] == dtype.name
    assert_close(net.forward(X.astype(dtype)), outputs(network, arrays, X))


def test_many_networks(path):
    nets = [MLP([3, 4, 1], rng=0), MLP([3, 2], bias=False, rng=1), MLP([3, 4, 1], rng=2)]
    fastnn.save_many(nets, path)
    metadata, arrays = read(path)
    assert metadata["format"] == "fastnn-networks"
    networks, seen = json.loads(metadata["networks"]), [0, 0]
    for net, group in zip(nets, arrays["groups"].tolist(), strict=True):
        network, params = networks[group], arrays[f"params{group}"][seen[group]]
        seen[group] += 1
        layers = split(params, network["layer_sizes"], network["bias"])
        assert_close(net.forward(X.astype("float32")), outputs(network, layers, X))


CLASSES = np.array(["no", "perhaps", "yes"])[np.arange(40) % 3]
Y = np.column_stack([X[:, 0] ** 2, np.abs(X[:, 1])])
SETTINGS = dict(hidden_layer_sizes=(4,), max_iter=5, random_state=0, n_iter_no_change=np.inf)
TARGETS = {
    "binary": (CLASSES == "no", {}),
    "one class": (np.full(40, 7), {}),
    "multiclass": (CLASSES, dict(n_estimators=3)),
    "labels": ((X > 0).astype(int), dict(n_estimators=2)),
    "numbers": (Y, dict(n_estimators=2, dtype="float32")),
    "noise": (Y, dict(loss="gaussian_nll")),
    "quantiles": (Y, dict(loss=losses.Quantile((0.1, 0.5, 0.9)))),
    "counts": (Y[:, 1], dict(loss="poisson")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_an_estimator(name, path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    y, options = TARGETS[name]
    is_classifier = name in ("binary", "one class", "multiclass", "labels")
    cls = fastnn.MLPClassifier if is_classifier else fastnn.MLPRegressor
    estimator = cls(**SETTINGS, **options).fit(X, y)
    estimator.save(path)
    metadata, arrays = read(path)
    assert metadata["format"] == "fastnn-estimator"
    content = json.loads(metadata["estimator"])
    targets, networks = content["targets"], content["networks"]
    predicted = []
    for i, net in enumerate(networks):
        layers = {key.removeprefix(f"networks.{i}."): a for key, a in arrays.items()}
        predicted.append(outputs(net["network"], layers, X))
    A = np.mean(predicted, axis=0)
    assert len(networks) == estimator.n_estimators
    if is_classifier:
        classes = np.array(targets["classes"], targets["dtype"])
        if targets["type"] == "multiclass":
            P, predicted = A, classes[A.argmax(axis=1)]
        elif targets["type"] == "multilabel-indicator":
            P, predicted = A, A > 0.5
        elif len(classes) == 2:
            P, predicted = np.hstack([1 - A, A]), classes[(A[:, 0] > 0.5).astype(int)]
        else:
            P, predicted = np.ones((len(X), 1)), classes[[0] * len(X)]
        assert_close(estimator.predict_proba(X), P)
        np.testing.assert_array_equal(estimator.predict(X), predicted)
    else:
        if targets["loss"]["loss"] == "gaussian_nll":
            A = A[:, : targets["n_targets"]]
        assert_close(estimator.predict(X), A[:, 0] if A.shape[1] == 1 else A)
    curve = estimator.loss_curve_ if len(networks) == 1 else estimator.loss_curve_[1]
    assert arrays[f"networks.{len(networks) > 1:d}.loss_curve"].tolist() == curve


def test_held_out_errors(path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    reg = fastnn.MLPRegressor(**SETTINGS, n_estimators=2).fit(X, Y)
    reg.save(path)
    metadata, arrays = read(path)
    assert json.loads(metadata["estimator"])["held_out"] is True
    for i in range(2):
        errors = arrays["errors"][arrays["errors_network"] == i]
        np.testing.assert_array_equal(errors, reg.held_out_errors_[i], strict=True)


# ---- estimators for tables ----

N = 120
rng = np.random.default_rng(1)
AGE, SIZE = rng.normal(40, 15, N).round(1), rng.integers(1, 9, N) / 1.0
CITY = np.array(["Bern", "Rom", "Wien", None])[rng.integers(0, 4, N)]
DAY = np.datetime64("2020-01-06") + rng.integers(0, 700, N)


def table():
    pd = pytest.importorskip("pandas", reason="tables are data frames here")
    age = np.where(np.arange(N) % 9 == 0, np.nan, AGE)
    return pd.DataFrame({"age": age, "same": 1, "city": CITY, "size": SIZE, "day": DAY})


def values_of(column, frame):
    values = frame[column["label"]]
    if column["kind"] == "category":
        return [None if text != text else text for text in values]
    if column["kind"] == "date":
        return (values.to_numpy() - np.datetime64(0, "us")) / np.timedelta64(1, "s")
    return values.to_numpy(float)


TEXT_OF_DATE = {
    "weekday": lambda date: str(date.weekday()),
    "month": lambda date: str(date.month),
    "day of year": lambda date: str(100 * date.month + date.day),
}


def date_of(seconds, part, missing):
    """A part of the date that is so many seconds after 1970."""
    if math.isnan(seconds):
        return missing
    return part(datetime.date(1970, 1, 1) + datetime.timedelta(seconds // 86400))


def features_of(features, frame):
    """The numbers and the codes of the rows."""
    columns = [values_of(column, frame) for column in features["columns"]]
    numbers, codes = [], []
    for number in features["numbers"]:
        x = columns[number["source"]]
        if number["part"] == "day of month":
            x = np.array([date_of(seconds, lambda d: d.day, np.nan) for seconds in x])
        elif number["part"] != "value":
            function, cycle = number["part"].split()
            period = {"year": 365.2425 * 86400, "day": 86400}[cycle]
            angle = 2 * np.pi * np.mod(x, period) / period
            x = (np.sin if function == "sin" else np.cos)(angle).round(9)
        numbers.append(x)
    for category in features["categories"]:
        levels, x = category["levels"], columns[category["source"]]
        missing = len(levels) if category["marks_missing"] else -1
        if category["part"] == "presence":
            codes.append(np.where(np.isnan(x), missing, 0))
            continue
        if category["part"] != "value":
            x = [date_of(seconds, TEXT_OF_DATE[category["part"]], None) for seconds in x]
        numbers_of = {text: i for i, text in enumerate(levels)} | {None: missing}
        codes.append(np.array([numbers_of.get(text, -1) for text in x], int))
    return numbers, codes


def inputs_of(encoder, numbers, codes):
    """The inputs of the networks, up to the factor sqrt(width / number of inputs)."""
    plain, bins, levels = [], [], []
    of_number = zip(encoder["scalings"], encoder["edges"], encoder["values"], numbers, strict=True)
    for scaling, edges, values, x in of_number:
        missing = np.isnan(x)
        x = np.where(missing, scaling["median"], x)
        if scaling["factor"]:
            z = (x - scaling["median"]) * scaling["factor"]
            plain.append(z / np.sqrt(1 + (z / 3) ** 2))
            if scaling["marks_missing"]:
                plain.append(2.0 * missing)
        for low, high in zip(edges, edges[1:]):
            bins.append(np.clip(2 * (x - low) / (high - low) - 1, -1, 1))
        for value in values:
            levels.append((x == value) * 1.66 * min(1, 3 / math.sqrt(len(values))))
    for k, code in zip(encoder["n_levels"], codes, strict=True):
        for level in range(k):
            levels.append((code == level) * 1.66 * min(1, 3 / math.sqrt(k)))
    inputs = np.column_stack([*plain, *bins, *levels])
    return inputs * math.sqrt(encoder["width"] / inputs.shape[1])


def of_member(member, params, X, output, n_out):
    """The mean outputs of the networks of a member in each fold."""
    sizes = [X.shape[1], *member["hidden"], n_out]
    network = dict(activations=["silu"] * len(member["hidden"]) + [output], bias=True)
    return [
        np.mean([outputs(network, split(flat, sizes, True), X) for flat in fold], axis=0)
        for fold in params
    ]


def finish(A, targets):
    if "classes" in targets:
        n = len(targets["classes"])
        s = min(0.1, 0.3 / n)
        P = np.maximum((A - s / n) / (1 - s), 0.01 / n)
        return P / P.sum(axis=1, keepdims=True)
    y = A * targets["scale"] + targets["shift"]
    y = np.clip(np.exp(y) if targets.get("log") else y, *targets["bounds"])
    if y.shape[1] == 1:
        return y[:, 0]
    return np.sort(y, axis=1)[:, np.argsort(np.argsort(targets["loss"]["q"]))]


TABLES = {
    "classes": (np.where(AGE > 40, "old", "young"), "softmax", 2, {}),
    "numbers": (AGE + SIZE, "identity", 1, {}),
    "quantiles": (AGE, "identity", 2, dict(loss=losses.Quantile((0.9, 0.1)))),
    "counts": (SIZE, "exponential", 1, dict(loss="poisson")),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_estimator_for_tables(name, path, quick_recipe):
    quick_recipe(20)
    y, output, n_out, options = TABLES[name]
    cls = fastnn.TabularClassifier if name == "classes" else fastnn.TabularRegressor
    estimator = cls(n_estimators=2, random_state=0, **options).fit(table(), y)
    estimator.save(path)
    metadata, arrays = read(path)
    assert (metadata["format"], metadata["format_version"]) == ("fastnn-tabular", "1")
    model = json.loads(metadata["model"])
    assert model["features"]["left_out"] == {"same": "all values are equal"}
    features = features_of(model["features"], table())
    folds = 0
    for i, member in enumerate(model["members"]):
        X = inputs_of(model["encoders"][member["encoder"]], *features)
        A = of_member(member, arrays[f"params{i}"], X, output, n_out)
        folds += member["share"] * np.stack([finish(each, model["targets"]) for each in A])
    predicted = folds.mean(axis=0)
    if name == "classes":
        predicted = predicted ** (1 / model["targets"]["temperature"])
        predicted /= predicted.sum(axis=1, keepdims=True)
    expected = estimator.predict_proba(table()) if name == "classes" else estimator.predict(table())
    assert_within(predicted, expected, 1e-5 * np.abs(expected).max())
