"""Files of estimators: what they keep, what they refuse, and what damaged ones raise."""

import io
import json
import pickle
import warnings
from copy import copy
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from file_edits import change, flipped, reads_or_is_refused, refused_with, setting
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import fastnn
from fastnn import MLPClassifier, MLPRegressor, ModelFileError, losses, schedules
from fastnn.estimators import file as estimator_file
from fastnn.files.safetensors import Reader

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:y holds only the class"),
]
rng = np.random.default_rng(1)
N = 60
X = rng.normal(size=(N, 3))
Y = np.column_stack([X[:, 0] * X[:, 1], np.abs(X[:, 2])])
CLASSES = np.array(["é", "\N{SNOWMAN}\n", "z"])[np.arange(N) % 3]
LABELS = (X > 0).astype(int)
SMALL = dict(hidden_layer_sizes=(3,), max_iter=8, random_state=0, learning_rate_init=0.01)
ENSEMBLE = SMALL | dict(n_estimators=3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def fitted(estimator):
    """The attributes that fit sets, of which a file keeps all but oof_prediction_."""
    names = set(vars(estimator)) - set(estimator.get_params()) - {"networks_", "_online"}
    values = {name: getattr(estimator, name) for name in names - {"oof_prediction_"}}
    values.setdefault("held_out_errors_", None)
    targets = values.pop("targets_")
    return values | {field.name: getattr(targets, field.name) for field in fields(targets)}


# ---- what a file keeps ----

ESTIMATORS = {
    "two classes": (MLPClassifier(**SMALL), CLASSES != "z"),
    "three classes": (MLPClassifier(**SMALL), CLASSES),
    "one class": (MLPClassifier(**SMALL), np.full(N, 7)),
    "labels": (MLPClassifier(**SMALL), LABELS),
    "early stopping": (MLPClassifier(**SMALL, early_stopping=True), CLASSES),
    "folds": (MLPClassifier(**ENSEMBLE), CLASSES),
    "bootstrap": (MLPClassifier(**ENSEMBLE, bagging="bootstrap", early_stopping=True), CLASSES),
    "float32": (MLPClassifier(**SMALL, dtype=np.float32), CLASSES),
    "a regression": (MLPRegressor(**SMALL), Y[:, 0]),
    "two targets": (MLPRegressor(**ENSEMBLE), Y),
    "weights of 0": (MLPRegressor(**ENSEMBLE), Y[:, 0]),
    "quantiles": (MLPRegressor(**ENSEMBLE, loss=losses.Quantile((0.1, 0.9))), Y),
    "noise": (MLPRegressor(**ENSEMBLE, loss="gaussian_nll"), Y[:, 0]),
    "counts": (MLPRegressor(**SMALL, loss="poisson"), Y[:, 1]),
    "L-BFGS": (MLPRegressor(**SMALL | dict(solver="lbfgs")), Y[:, 0]),
    "an average": (MLPRegressor(**SMALL | dict(solver=fastnn.Adam(average=0.9))), Y[:, 0]),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_loaded_estimator_is_the_saved_one(name, path, reload):
    estimator, y = ESTIMATORS[name]
    weight = (np.arange(N) % 5 > 0).astype(float) if name == "weights of 0" else None
    estimator = clone(estimator).fit(X, y, weight)
    loaded = reload(estimator)
    assert type(loaded) is type(estimator)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(estimator, method):
            assert_same_bits(getattr(loaded, method)(X), getattr(estimator, method)(X))
    if name in ("two targets", "weights of 0", "noise"):
        options = dict(return_std=True, return_noise=name == "noise")
        assert_same_bits(loaded.predict(X, **options), estimator.predict(X, **options))
        assert_same_bits(loaded.predict_interval(X, 0.5), estimator.predict_interval(X, 0.5))
    before, after = fitted(estimator), fitted(loaded)
    assert before.keys() == after.keys()
    for attribute, value in before.items():
        assert_same_bits(after[attribute], value, attribute)
    loaded.save(path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()


LABEL_TYPES = {
    "objects": np.where(X[:, 0] > 0, "x", "y").astype(object),
    "small ints": (X[:, 0] > 0).astype(np.int8),
    "truths": X[:, 0] > 0,
    "float32": np.where(X[:, 0] > 0, 1, 2).astype(np.float32),
}


@pytest.mark.parametrize("name", LABEL_TYPES)
def test_classes_keep_their_type(name, reload):
    clf = MLPClassifier(**SMALL).fit(X, LABEL_TYPES[name])
    loaded = reload(clf)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert loaded.predict(X).tolist() == clf.predict(X).tolist()


PARAMETERS = {
    "hidden_layer_sizes": [7, (4, 3), ()],
    "activation": ["gelu", ("tanh", "relu")],
    "solver": ["nadam", fastnn.AdamW(lr=schedules.OneCycle(0.1, 9), betas=(0.8, 0.9)), fastnn.LBFGS()],
    "batch_size": [8],
    "n_iter_no_change": [np.inf, 3],
    "alpha": [np.float32(0.5), np.int64(1)],
    "loss": ["mae", losses.Huber(np.float64(2.0)), losses.Quantile((0.1, 0.9))],
    "dropout": [0.25, (0.0, 0.5)],
    "schedule": [schedules.CosineDecay(0.1, 5)],
    "random_state": [None, np.int64(3)],
    "bagging": [None, "bootstrap"],
    "dtype": ["float32"],
    "verbose": [True],
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted_regressor():
    """Tests change its parameters alone."""
    with warnings.catch_warnings(action="ignore"):
        return MLPRegressor(**SMALL).fit(X, Y[:, 0])


NAMED = [(name, value) for name, values in PARAMETERS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), NAMED)
def test_parameters_are_kept(name, value, fitted_regressor, reload):
    reg = copy(fitted_regressor).set_params(**{name: value})
    loaded = reload(reg)
    assert loaded.get_params() == reg.get_params()
    clone(loaded)


def test_the_weights_of_classes_are_kept(reload):
    clf = MLPClassifier(**SMALL, class_weight={"é": 2, "z": 0.5}).fit(X, CLASSES)
    assert reload(clf).class_weight == clf.class_weight
    assert reload(clf.set_params(class_weight="balanced")).class_weight == "balanced"


def test_names_of_features_are_kept(reload):
    frame = pd.DataFrame(X, columns=["a", "é\n", "c"])
    loaded = reload(MLPRegressor(**SMALL).fit(frame, Y[:, 0]))
    assert loaded.feature_names_in_.tolist() == ["a", "é\n", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame.rename(columns={"a": "b"}))


def test_the_temperature_is_kept(reload):
    clf = MLPClassifier(**SMALL | dict(max_iter=300)).fit(X[:40], CLASSES[:40])
    clf.calibrate(X[40:], CLASSES[40:])
    loaded = reload(clf)
    assert loaded.temperature_ == clf.temperature_ != 1
    assert_same_bits(loaded.predict_proba(X), clf.predict_proba(X))


# ---- training after load ----


@pytest.mark.parametrize("settings", [SMALL, ENSEMBLE], ids=["one network", "ensemble"])
def test_partial_fit_continues(settings, reload):
    clf = MLPClassifier(**settings, dropout=0.2).fit(X, CLASSES)
    loaded = reload(clf)
    for a, b in ((0, 30), (30, 31), (31, 32)):  # the last one is a step on one row
        for each in (clf, loaded):
            each.partial_fit(X[a:b], CLASSES[a:b])
    assert_same_bits(loaded.predict_proba(X), clf.predict_proba(X))
    assert (loaded.loss_curve_, loaded.t_) == (clf.loss_curve_, clf.t_)


@pytest.mark.parametrize("random_state", [0, np.random.RandomState(3)], ids=["int", "RandomState"])
def test_warm_start_continues(random_state, reload):
    settings = ENSEMBLE | dict(warm_start=True, random_state=random_state)
    reg = MLPRegressor(**settings).fit(X, Y[:, 0])
    loaded = reload(reg)
    for each in (reg, loaded):
        each.fit(X, Y[:, 0])
    assert_same_bits(loaded.predict(X), reg.predict(X))
    assert_same_bits(loaded.predict_interval(X, 0.5), reg.predict_interval(X, 0.5))


def test_a_file_without_states_is_small_and_starts_anew(path, reload):
    reg = MLPRegressor(**SMALL | dict(hidden_layer_sizes=(100,))).fit(X, Y[:, 0])
    reg.save(path)
    size = path.stat().st_size
    loaded = reload(reg, state=False)
    assert path.stat().st_size < size / 2
    assert_same_bits(loaded.predict(X), reg.predict(X))
    assert loaded.network_.state is None
    reg.network_.state = None
    for each in (reg, loaded):
        each.partial_fit(X, Y[:, 0])
    assert_same_bits(loaded.predict(X), reg.predict(X))


# ---- what is refused when saving ----

REFUSED = {
    "callbacks": (dict(callbacks=lambda net, history: False), r"parameter callbacks.*callbacks=\(\)"),
    "validation_data": (dict(validation_data=(X, Y[:, 0])), "set_params.validation_data=None"),
    "a custom loss": (dict(loss=lambda P, y: (np.mean((P - y) ** 2), P - y)), "loss=<function"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_code_and_rows_are_refused(name, path, reload):
    parameters, message = REFUSED[name]
    reg = MLPRegressor(**SMALL, **parameters).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match=message):
        reg.save(path)
    assert not path.exists()
    (key,) = parameters
    reg.set_params(**{key: getattr(MLPRegressor(), key)})  # what the message says
    assert_same_bits(reload(reg).predict(X), reg.predict(X))


def test_a_loss_of_other_outputs_is_refused(path):
    reg = MLPRegressor(**SMALL, loss=REFUSED["a custom loss"][0]["loss"]).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="other outputs than the custom loss"):
        reg.set_params(loss="gaussian_nll").save(path)


def test_a_loss_set_after_fit_does_not_change_predictions(reload):
    reg = MLPRegressor(**SMALL, loss="gaussian_nll").fit(X, Y[:, 0]).set_params(loss="mae")
    loaded = reload(reg)
    assert loaded.loss == "mae"
    assert_same_bits(loaded.predict(X, return_noise=True), reg.predict(X, return_noise=True))


def test_other_labels_and_estimators_are_refused(path):
    with pytest.raises(NotFittedError):
        MLPRegressor().save(path)
    dates = np.array(["2020", "2021"] * (N // 2), "datetime64[Y]")
    with pytest.raises(ValueError, match=r"texts, numbers or Booleans, got .*date"):
        MLPClassifier(**SMALL).fit(X, dates).save(path)

    class Mine(MLPRegressor):
        pass

    with pytest.raises(TypeError, match="got the subclass Mine"):
        Mine(**SMALL).fit(X, Y[:, 0]).save(path)
    assert not path.exists()


def test_a_callback_cannot_save_before_the_first_fit_has_ended(path):
    def save(net, history):
        with pytest.raises(NotFittedError):
            reg.save(path)

    reg = MLPRegressor(**SMALL, callbacks=save)
    assert reg.fit(X, Y[:, 0]).n_iter_ == 8


# ---- files of other kinds ----


def test_load_says_how_to_read_other_files(path, fitted_regressor):
    for content, message in (
        (pickle.dumps(fitted_regressor), r"like a pickle: read it with joblib\.load"),
        (b"PK\x03\x04" + bytes(range(200)), r"torch\.load and convert .* fastnn\.from_torch"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=message):
            fastnn.load(path)
    fitted_regressor.save(path)
    with pytest.raises(ModelFileError, match=r"holds an estimator\. Read it with fastnn\.load\."):
        fastnn.load_many(path)


# ---- damaged files ----


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of a regressor with errors on held-out rows, and of a classifier."""
    file, out = tmp_path_factory.mktemp("estimators") / "file", {}
    tiny = dict(hidden_layer_sizes=(1,), max_iter=2, random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for estimator, y in (
        (MLPRegressor(**tiny, n_estimators=2, loss=losses.Huber(2.0)), Y[:, 0]),
        (MLPClassifier(**tiny, early_stopping=True, class_weight={"z": 2.0}), CLASSES),
    ):
        estimator.fit(frame, y).save(file)
        out[type(estimator).__name__] = file.read_bytes()
    return out


def use_estimator(estimator):
    estimator.predict(X)
    if hasattr(estimator, "classes_"):
        estimator.predict_log_proba(X)
    elif estimator.held_out_errors_ is not None and len(estimator.networks_) > 1:
        estimator.predict_interval(X, 0.5)


def loads_estimator(content):
    def read():
        return estimator_file.read_from(Reader(io.BytesIO(content), len(content)))

    return reads_or_is_refused(read, use_estimator)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", ["MLPRegressor", "MLPClassifier"])
def test_every_truncation_is_refused(name, contents):
    content = contents[name]
    assert loads_estimator(content)
    assert not any(loads_estimator(content[:n]) for n in range(0, len(content), 7))
    assert not any(loads_estimator(content + more) for more in (b"\0", bytes(8), content))


@pytest.mark.spread(1)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:X ")
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("name", ["MLPRegressor", "MLPClassifier"])
def test_every_flipped_byte_loads_or_is_refused(name, part, contents):
    content = contents[name]
    header = 8 + int.from_bytes(content[:8], "little")
    places = [*range(0, header, 3), *range(header, len(content), 37)][part::4]
    assert sum(not loads_estimator(damaged) for damaged in flipped(content, places)) > 250


BIG = 10**400
WRONG_STATE = json.loads(
    json.dumps(np.random.RandomState(0).get_state(legacy=False), default=lambda a: a.tolist())
) | {"has_gauss": 2}
HARMFUL = {
    "a newer version": (setting("header", "__metadata__", "format_version", "2"), "Install a newer"),
    "another estimator": (setting("estimator", "SVC"), "damaged (estimator)"),
    "an estimator as a list": (setting("estimator", []), "damaged"),
    "an unknown parameter": (setting("parameters", "evil", 1), "evil"),
    "callbacks": (setting("parameters", "callbacks", ["os.system"]), "callbacks"),
    "a wrong parameter": (setting("parameters", "n_threads", "x"), "n_threads"),
    "a parameter of two kinds": (setting("parameters", "alpha", {"x": 1}), "parameter alpha"),
    "no number": (setting("parameters", "alpha", {"float": "1e9999"}), "parameter alpha"),
    "a loss as a number": (setting("targets", "loss", 1), "description of a loss must be a mapping"),
    "an unknown loss": (setting("parameters", "loss", {"loss": "os"}), "no loss is called 'os'"),
    "a loss with another option": (setting("targets", "loss", "x", 1), "x"),
    "another loss": (setting("targets", "loss", {"loss": "poisson"}), "damaged (targets)"),
    "a loss of more outputs": (setting("targets", "loss", {"loss": "gaussian_nll"}), "(targets)"),
    "no target": (setting("targets", "n_targets", 0), "n_targets"),
    "more targets": (setting("targets", "n_targets", 2), "targets"),
    "no features": (setting("n_features_in", 0), "n_features_in"),
    "other features": (setting("n_features_in", 4), "feature_names_in"),
    "features of another network": (
        lambda header, e: e.update(n_features_in=4, feature_names_in=None), "damaged (n_features_in)"),
    "a random state that does not fit": (setting("parameters", "random_state", WRONG_STATE), "generator"),
    "features as a truth": (setting("n_features_in", True), "n_features_in"),
    "names that are no texts": (setting("feature_names_in", [1, 2, 3]), "feature_names_in"),
    "names as a text": (setting("feature_names_in", "abc"), "feature_names_in"),
    "no network": (setting("networks", []), "networks"),
    "networks as a mapping": (setting("networks", {}), "networks"),
    "a network as text": (setting("networks", 0, "x"), "networks is missing or not a mapping"),
    "networks of two shapes": (setting("networks", 1, "network", "layer_sizes", [3, 2, 1]), "network"),
    "networks of two dtypes": (setting("networks", 1, "network", "dtype", "float32"), "networks"),
    "no bias": (setting("networks", 0, "network", "bias", False), "networks"),
    "another activation": (setting("networks", 0, "network", "activations", ["os", "identity"]), "activ"),
    "an unknown optimizer": (setting("networks", 1, "state", "optimizer", "os"), "no optimizer"),
    "a generator without state": (setting("networks", 1, "rng", "state", None), "generator"),
    "no training": (lambda header, e: e["networks"][0].pop("training") and None, "training"),
    "a negative number of rows": (setting("networks", 0, "training", "n_seen", -1), "n_seen"),
    "a loss as text": (setting("networks", 0, "training", "loss", "1"), "training"),
    "a loss without end": (setting("networks", 0, "training", "best_loss", BIG), "training"),
    "scores as a number": (setting("networks", 0, "training", "has_scores", 1), "has_scores"),
    "a seed of another kind": (setting("fold_seed", "x"), "fold_seed"),
    "a seed that is too large": (setting("fold_seed", 2**31 + 1), "fold_seed"),
    "a negative number of epochs": (setting("n_iter", -1), "n_iter"),
    "too many epochs": (setting("n_iter", 2**62 + 1), "n_iter"),
    "too many rows": (setting("networks", 0, "training", "n_seen", 2**62 + 1), "n_seen"),
    "a temperature of 0": (setting("temperature", 0.0), "temperature"),
    "held_out as a number": (setting("held_out", 1), "held_out"),
    "errors of nothing": (setting("held_out", False), "held_out"),
    "a curve of another shape": (setting("header", "networks.0.loss_curve", "shape", [9]), "loss_curve"),
    "a curve without shape": (setting("header", "networks.0.loss_curve", "shape", None), "loss_curve"),
    "a curve of another dtype": (setting("header", "networks.0.loss_curve", "dtype", "I64"), "loss_curve"),
    "an unknown array": (setting("header", "networks.2.W0", {}), "the file has the arrays"),
    "a huge array": (setting("header", "errors_network", "shape", [2**40]), "errors_network"),
    "a huge layer": (setting("networks", 0, "network", "layer_sizes", [3, 2**24, 1]), "networks"),
    "an estimator that is a list": (lambda header, e: "[]", "estimator is missing or not a mapping"),
    "an estimator that is no JSON": (lambda header, e: "{", "estimator is not JSON"),
    "an estimator without end": (lambda header, e: "[" * 300_000, "estimator is not JSON"),
    "two equal keys": (lambda header, e: '{"a": 1, "a": 2}', "duplicate keys"),
    "no estimator": (lambda header, e: 5, "estimator is missing"),
}  # fmt: skip


CLASSIFIERS = {
    "no classes": (setting("targets", "classes", []), "classes"),
    "equal classes": (setting("targets", "classes", ["z", "z", "é"]), "classes"),
    "two classes": (setting("targets", "classes", ["y", "z"]), "classes"),
    "classes of another type": (setting("targets", "classes", [0, 1, 2]), "classes"),
    "a dtype with fields": (setting("targets", "dtype", "f8,f8"), "dtype"),
    "another type of targets": (setting("targets", "type", "binary"), "classes"),
    "an unknown type of targets": (setting("targets", "type", "ternary"), "ternary"),
    "labels that are texts": (setting("targets", "type", "multilabel-indicator"), "classes"),
    "a weight as text": (setting("parameters", "class_weight", [["z"]]), "damaged"),
    "scores without scores": (setting("networks", 0, "training", "has_scores", False), "has_scores"),
}  # fmt: skip


DAMAGED = {"MLPRegressor": HARMFUL, "MLPClassifier": CLASSIFIERS}


@pytest.mark.parametrize(("file", "name"), [(f, name) for f in DAMAGED for name in DAMAGED[f]])
def test_harmful_files_are_refused_with_a_reason(file, name, contents, path):
    edit, message = DAMAGED[file][name]
    path.write_bytes(change(contents[file], "estimator", edit))
    refused_with(message, path)


SPREADS = [
    dict(hidden=[16, 16]), dict(hidden=[0]), dict(hidden=[17]), dict(hidden=8), dict(unit=-1.0),
    dict(least=None), dict(largest="1"), dict(knots=[0.0]), dict(factors=None), dict(knots="1"), None,
]  # fmt: skip


@pytest.mark.parametrize("damage", SPREADS, ids=str)
def test_damaged_networks_of_errors_are_refused(damage, path):
    rng = np.random.default_rng(0)
    many = rng.normal(size=(300, 2))
    reg = MLPRegressor(**ENSEMBLE).fit(many, many[:, 0] * rng.normal(size=300))
    reg.save(path)
    assert fastnn.load(path).spread_.to_json() == reg.spread_.to_json()

    def edit(_, content):
        content["spread"] = damage and content["spread"] | damage

    path.write_bytes(change(path.read_bytes(), "estimator", edit))
    refused_with("spread", path)


def test_errors_of_an_unknown_network_are_refused(path):
    reg = MLPRegressor(**ENSEMBLE).fit(X, Y[:, 0])
    reg.held_out_errors_ = [*reg.held_out_errors_, np.zeros((1, 1))]
    reg.save(path)
    refused_with("errors_network", path)
