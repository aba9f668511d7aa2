"""Files of estimators for tables: what they keep, and what damaged ones raise."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from file_edits import change, refused_with, setting
from scale import step
from sklearn.exceptions import NotFittedError

import fastnn
from fastnn import ModelFileError, TabularClassifier, TabularRegressor, losses

pytestmark = [
    pytest.mark.usefixtures("quick_recipe"),
    pytest.mark.filterwarnings("ignore:y holds only the class"),
]
N = 30
SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
z = np.random.default_rng(5).normal(size=N)
X = pd.DataFrame(
    {
        "number": z,
        "é\n": ["a", "b", None] * 10,
        "day": [f"{1 + i % 28:02d}.01.2020" for i in range(N)],
        "gap": [1.0, np.nan] * 15,
        "same": 1,
    }
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ---- what a file keeps ----

REGRESSORS = {
    "means": {},
    "one network each": dict(n_estimators=1),
    "counts": dict(loss="poisson"),
    "logarithms": dict(log_target=True),
    "quantiles": dict(loss=losses.Quantile((0.1, 0.9))),
    "options": dict(
        loss=losses.Huber(2.0), categories=pd.Index(["gap"]), drop=0, dates=["day"],
        hidden_layer_sizes=np.array([3, 2]), time_limit=1000.0, n_estimators=np.int64(2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, path):
    reg = TabularRegressor(**SMALL | REGRESSORS[name]).fit(X, np.abs(z))
    reg.save(path)
    other = fastnn.load(path)
    for a, b in zip(other.predict(X, return_std=True), reg.predict(X, return_std=True)):
        assert_same_bits(a, b)
    assert set(vars(reg)) - set(vars(other)) == {"oof_prediction_", "oof_rows_", "_fold_of_row"}
    for attribute in ("columns_", "left_out_", "oof_score_", "n_features_in_"):
        assert getattr(other, attribute) == getattr(reg, attribute)
    assert other.feature_names_in_.tolist() == reg.feature_names_in_.tolist()
    assert_same_bits(other.feature_importances_, reg.feature_importances_)
    if name == "quantiles":
        with pytest.raises(ValueError, match=r"several quantiles"):
            other.predict_interval(X)
    else:
        for a, b in zip(other.predict_interval(X, 0.5), reg.predict_interval(X, 0.5)):
            assert_same_bits(a, b)
    other.save(path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()
    assert np.isfinite(other.fit(X, np.abs(z)).predict(X)).all()


def test_texts_are_read_in_the_style_of_fit(path, tmp_path):
    prices = pd.DataFrame({"z": z, "price": [f"1.{100 + i},50 €" for i in range(N)]})
    TabularRegressor(**SMALL).fit(prices, z).save(path)
    reg = fastnn.load(path)
    expected = reg.predict(pd.DataFrame({"z": z, "price": 1234.0}))
    rows = pd.DataFrame({"z": z, "price": "1.234"})  # 1.234 in another style
    assert_same_bits(reg.predict(rows), expected)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert_same_bits(reg.predict(tmp_path / "rows.csv"), expected)


LABELS = {
    "texts": np.where(z > 0, "é", "\N{SNOWMAN}\n"),
    "objects": np.where(z > 0, "x", "y").astype(object),
    "ints": (z > 0).astype(int),
    "small ints": (z > 0).astype(np.int8),
    "truths": z > 0,
    "float32": np.where(z > 0, 1, 2).astype(np.float32),
    "one class": np.full(N, 7),
    "three classes": np.arange(N) % 3,
}


@pytest.mark.parametrize("name", LABELS)
def test_classifiers(name, path):
    clf = TabularClassifier(**SMALL, class_weight="balanced").fit(X, LABELS[name])
    clf.save(path)
    other = fastnn.load(path)
    assert other.classes_.dtype == clf.classes_.dtype
    assert other.predict(X).tolist() == clf.predict(X).tolist()
    assert_same_bits(other.predict_proba(X), clf.predict_proba(X))


def test_parameters_and_the_name_of_the_target(path):
    table = X.assign(y=np.where(z > 0, "x", "y"))
    weight = {"x": 2, "y": 1.5}
    clf = TabularClassifier(**SMALL | dict(random_state=np.random.RandomState(0)))
    clf.set_params(class_weight=weight, threshold=0.3).fit(table, "y").save(path)
    other = fastnn.load(path)
    assert other.get_params() == clf.get_params() | dict(random_state=None)
    assert_same_bits(other.predict_proba(table), clf.predict_proba(X))


def test_metadata(path):
    clf = TabularClassifier(**SMALL).fit(X, z > 0)
    assert clf.metadata_ == {}
    clf.metadata_ = {"source": "é\n", "": "{}"}
    clf.save(path)
    other = fastnn.load(path)
    assert other.metadata_ == clf.metadata_ == {"source": "é\n", "": "{}"}
    assert other.fit(X, z > 0).metadata_ == {}
    before = path.read_bytes()
    clf.metadata_["rows"] = 3
    with pytest.raises(ValueError, match=r"^metadata_ must be a dict of str to str, got .*rows"):
        clf.save(path)
    assert path.read_bytes() == before


def test_an_array_has_no_names(path):
    rows = [[x, "ab"[i % 2], 1] for i, x in enumerate(z)]
    TabularRegressor(**SMALL).fit(rows, z).save(path)
    other = fastnn.load(path)
    assert other.columns_ == {0: "number", 1: "category"}
    assert other.left_out_ == {2: "all values are equal"}
    assert not hasattr(other, "feature_names_in_")


@pytest.mark.parametrize("name", ["features_", "targets_", "histories_"])
def test_what_programs_read_exists_after_fit(name):
    with pytest.raises(NotFittedError):
        getattr(TabularClassifier(), name)


def test_what_cannot_be_saved(path):
    with pytest.raises(NotFittedError):
        TabularClassifier().save(path)
    labels = np.array(["2020", "2021"] * 15, "datetime64[Y]")
    with pytest.raises(
        ValueError, match=r"classes that are texts, numbers or Booleans, got .*date"
    ):
        TabularClassifier(**SMALL).fit(X, labels).save(path)
    assert not path.exists()


def test_without_scikit_learn_the_message_says_how_to_get_it(path):
    TabularRegressor(**SMALL).fit(X, z).save(path)
    code = f"""
import sys
sys.modules["sklearn"] = None
import fastnn
try:
    fastnn.load({str(path)!r})
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'needs scikit-learn. Run: pip install "fastnn-mlp[sklearn]"' in run.stdout


# ---- damaged files ----

FILES = ["TabularRegressor", "TabularClassifier", "stopped"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of a regressor, of a classifier, and of a regressor that Ctrl-C has stopped."""
    file, out = tmp_path_factory.mktemp("models") / "m", {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastnn.tabular.fitting.recipe.n_epochs", lambda configuration, n: 2)
        for cls, y in ((TabularRegressor, z), (TabularClassifier, z > 0)):
            cls(**SMALL | dict(hidden_layer_sizes=1)).fit(X, y).save(file)
            out[cls.__name__] = file.read_bytes()
        for name in ("SLICE_SECONDS", "TAIL_SECONDS"):
            patch.setattr(f"fastnn.training.pool.{name}", 0.0)
        reg = TabularRegressor(**SMALL | dict(hidden_layer_sizes=1))
        reg.on_progress = interrupt
        with pytest.raises(KeyboardInterrupt):
            reg.fit(X, z)
        reg.save(file)
        out["stopped"] = file.read_bytes()
    return out


def interrupt(progress):
    if progress.folds_done == 1:
        raise KeyboardInterrupt


def loads_or_is_refused(content, path):
    """Whether a file loads and predicts. Only ModelFileError may be raised."""
    path.write_bytes(content)
    try:
        estimator = fastnn.load(path)
    except ModelFileError as error:
        assert "\n" not in str(error).replace(str(path), "")
        return False
    try:
        estimator.predict(X)
    except ValueError as error:  # another name of a column, or another format of dates
        assert "names should match" in str(error) or "column" in str(error)
    return True


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_refused(name, contents, path):
    content = contents[name]
    assert loads_or_is_refused(content, path)
    header = 8 + int.from_bytes(content[:8], "little")
    for n in [
        *range(0, header, step(97)),
        *range(header - 8, header + 8),
        *range(header, len(content), step(1999)),
        len(content) - 1,
    ]:
        assert not loads_or_is_refused(content[:n], path)
    assert not loads_or_is_refused(content + b"\0", path)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:X ")
@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_loads_or_is_refused(name, contents, path):
    content, refused = contents[name], 0
    header = 8 + int.from_bytes(content[:8], "little")
    for i in [*range(0, header, step(11)), *range(header, len(content), step(199))]:
        for byte in {content[i] ^ 1, content[i] ^ 0x10, *b"9-"} - {content[i]}:
            refused += not loads_or_is_refused(content[:i] + bytes([byte]) + content[i + 1 :], path)
    assert refused > 300


BIG = 10**400
HARMFUL = {
    "metadata that is no text": (setting("header", "__metadata__", "user", '{"a": 1}'), "metadata_"),
    "a newer version": (setting("header", "__metadata__", "format_version", "2"), "Install a newer"),
    "another estimator": (setting("estimator", "MLPRegressor"), "estimator"),
    "an unknown parameter": (setting("parameters", "evil", 1), "evil"),
    "a wrong parameter": (setting("parameters", "n_threads", "x"), "n_threads"),
    "a loss of classes": (setting("targets", "loss", {"loss": "bce"}), "loss must be one of"),
    "an unknown loss": (setting("targets", "loss", {"loss": "os"}), "loss"),
    "a scale of 0": (setting("targets", "scale", 0.0), "targets"),
    "logarithms of 0": (setting("targets", "log", True), "log"),
    "a log that is no truth": (setting("targets", "log", 0), "log"),
    "bounds in disorder": (setting("targets", "bounds", [2.0, 1.0]), "targets"),
    "a shift without end": (setting("targets", "shift", BIG), "targets"),
    "a score as a text": (setting("fitted", "oof_score_", "1"), "oof_score_"),
    "many columns": (setting("fitted", "n_features_in_", 2**40), "n_features_in_"),
    "other columns": (setting("fitted", "n_features_in_", 4), "n_features_in_"),
    "other names": (setting("features", "names", ["a"]), "names"),
    "a name that is no text": (setting("features", "names", [1, 2, 3, 4, 5]), "names"),
    "a weekday below 0": (setting("features", "categories", 1, "levels", 0, "-1"), "levels"),
    "a day after the last": (setting("features", "categories", 1, "levels", 0, "1232"), "levels"),
    "a weekday with a zero before it": (
        setting("features", "categories", 1, "levels", 0, "00"),
        "levels",
    ),
    "a position out of range": (setting("features", "positions", 0, 9), "positions"),
    "a negative position": (setting("features", "positions", 0, -1), "positions"),
    "another position": (setting("features", "positions", 0, 2), "positions"),
    "an unknown kind": (setting("features", "columns", 0, "kind", "code"), "columns"),
    "another kind": (setting("features", "columns", 0, "kind", "category"), "part"),
    "a weekday of a category": (setting("features", "categories", 0, "part", "weekday"), "part"),
    "missing values as a number": (setting("features", "categories", 0, "marks_missing", 1), "part"),
    "an unknown format": (setting("features", "columns", 2, "style", "%c"), "style"),
    "an unknown part": (setting("features", "numbers", 0, "part", "tan year"), "part"),
    "an unknown source": (setting("features", "numbers", 0, "source", 7), "source"),
    "a source as a truth": (setting("features", "numbers", 0, "source", True), "source"),
    "unknown marks": (setting("features", "columns", 0, "style", ";|.|"), "style"),
    "a style of numbers": (setting("features", "columns", 2, "style", ".||"), "style"),
    "levels that are no texts": (setting("features", "categories", 0, "levels", [1, 2]), "levels"),
    "equal levels": (setting("features", "categories", 0, "levels", ["a", "a"]), "levels"),
    "more levels": (setting("encoders", 0, "n_levels", 0, 9), "n_levels"),
    "a factor that is no number": (setting("encoders", 0, "scalings", 0, "factor", "1"), "scalings"),
    "a field of another class": (setting("encoders", 0, "scalings", 0, "x", 1), "x"),
    "one edge": (setting("encoders", 0, "edges", 0, [1.0]), "edges"),
    "edges in disorder": (setting("encoders", 0, "edges", 0, [1.0, 0.0]), "edges"),
    "a width of 0": (setting("encoders", 0, "width", 0), "width"),
    "no encoder": (setting("encoders", []), "encoder"),
    "no member": (setting("members", []), "members"),
    "a huge layer": (setting("members", 0, "hidden", [2**24, 2**24]), "params0"),
    "too huge a layer": (setting("members", 0, "hidden", [2**62]), "hidden"),
    "a negative layer": (setting("members", 0, "hidden", [-1]), "hidden"),
    "a share of 0": (setting("members", 0, "share", 0.0), "share"),
    "an encoder out of range": (setting("members", 0, "encoder", 5), "encoder"),
    "a huge array": (setting("header", "params0", "shape", [2, 1, 2**40]), "params0"),
    "many folds": (setting("header", "params0", "shape", [10**9, 1, 1]), "shape of params0"),
    "no shape": (setting("header", "params0", "shape", None), "shape of params0"),
    "a model that is a list": (lambda header, model: "[]", "model is missing or not a mapping"),
    "a model that is no JSON": (lambda header, model: "{", "model is not JSON"),
    "a model without end": (lambda header, model: "[" * 300_000, "model is not JSON"),
    "a model with two equal keys": (lambda header, model: '{"a": 1, "a": 2}', "duplicate keys"),
    "no model": (lambda header, model: 5, "model is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_with_a_reason(name, contents, path):
    edit, message = HARMFUL[name]
    path.write_bytes(change(contents["TabularRegressor"], "model", edit))
    refused_with(message, path)


def test_columns_without_names_take_no_more_memory_than_their_file(path):
    rows = [[x, "ab"[i % 2]] for i, x in enumerate(z)]
    TabularClassifier(**SMALL).fit(rows, z > 0).save(path)
    edit = setting("fitted", "n_features_in_", 3_000_000)
    path.write_bytes(change(path.read_bytes(), "model", edit))
    refused_with("n_features_in_", path)


def test_texts_of_classes_take_little_memory(path):
    """NumPy stores each text with the length of the longest."""
    TabularClassifier(**SMALL).fit(X, np.where(z > 0, "yes", "no")).save(path)
    labels = ["w" * 20_000, *map(str, range(1000))]
    edit = setting("targets", "classes", labels)
    path.write_bytes(change(path.read_bytes(), "model", edit))
    refused_with("classes", path)


STOPPED = {
    "all folds": (lambda header, model: model["unfinished"].update(
        n_folds=1, spare=[]), "folds"),
    "no number of folds": (setting("unfinished", "n_folds", "2"), "folds"),
    "many folds": (setting("unfinished", "n_folds", 10**9), "folds"),
    "another fold": (setting("unfinished", "folds", [2]), "folds"),
    "a fold twice": (setting("unfinished", "folds", [0, 0]), "folds"),
    "folds without networks": (setting("unfinished", "folds", []), "folds"),
    "more folds than networks": (lambda header, model: model["unfinished"].update(
        n_folds=3, folds=[0, 1], spare=[]), "folds"),
    "no configurations": (setting("unfinished", "n_configurations", 0), "used"),
    "many configurations": (setting("unfinished", "n_configurations", 10**9), "configurations"),
    "another configuration": (setting("unfinished", "used", [0, 1, 3]), "used"),
    "a configuration twice": (setting("unfinished", "used", [0, 0, 1]), "used"),
    "fewer configurations than members": (setting("unfinished", "used", [0]), "used"),
    "spare networks of the members": (setting("unfinished", "spare", [[0, 0, []]]), "spare"),
    "no spare networks": (setting("unfinished", "spare", []), "spare0"),
    "more spare networks": (setting("unfinished", "spare", [[0, 1, []], [1, 1, []]]), "spare1"),
    "spare networks of another fold": (setting("unfinished", "spare", [[0, 2, []]]), "spare"),
    "spare networks that are no list": (setting("unfinished", "spare", [0]), "spare"),
    "spare networks twice": (setting("unfinished", "spare", [[0, 1, []]] * 2), "spare"),
    "spare networks with three best": (setting("unfinished", "spare", [[0, 1, [0.5] * 3]]), "spare"),
    "spare networks with a best of 2": (setting("unfinished", "spare", [[0, 1, [2]]]), "spare"),
    "a share above 1": (setting("unfinished", "share", 1.5), "share of epochs"),
    "no share": (setting("unfinished", "share", None), "share of epochs"),
    "no digests": (setting("unfinished", "digests", []), "digests"),
    "another digest": (setting("unfinished", "digests", {"X": "1"}), "digests"),
    "a digest that is no text": (setting("unfinished", "digests", "table", 1), "digests"),
    "another field": (setting("unfinished", "x", 1), "x"),
    "nothing": (setting("unfinished", None), "unfinished"),
    "no members": (lambda header, model: model.update(members=[]), "members"),
    "members that do not count": (lambda header, model: [
        member.update(share=0.0) for member in model["members"]] and None, "share"),
    "members of a complete fit": (lambda header, model: model.pop("unfinished") and None, "share"),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED)
def test_harmful_files_of_a_stopped_fit_are_refused_with_a_reason(name, contents, path):
    edit, message = STOPPED[name]
    assert b"unfinished" in contents["stopped"] and loads_or_is_refused(contents["stopped"], path)
    path.write_bytes(change(contents["stopped"], "model", edit))
    with pytest.raises(ModelFileError, match=message):
        fastnn.load(path)


CLASSES = {
    "no classes": (setting("targets", "classes", []), "classes"),
    "a temperature of 0": (setting("targets", "temperature", 0.0), "temperature"),
    "equal classes": (setting("targets", "classes", [True, True]), "classes"),
    "another type": (setting("targets", "classes", [0, 1]), "classes"),
    "an unknown dtype": (setting("targets", "dtype", "V8"), "dtype"),
    "a dtype with fields": (setting("targets", "dtype", "f8,f8"), "dtype"),
    "one class with networks": (setting("targets", "classes", [True]), "members"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_harmful_classes_are_refused_with_a_reason(name, contents, path):
    edit, message = CLASSES[name]
    path.write_bytes(change(contents["TabularClassifier"], "model", edit))
    with pytest.raises(ModelFileError, match=f"damaged .{message}"):
        fastnn.load(path)
