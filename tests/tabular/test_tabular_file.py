"""Files of estimators for tables: what they keep, and what damaged ones raise."""

import file_edits
import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from file_edits import flipped, join, setting, split
from scale import step
from sklearn.exceptions import NotFittedError

import fastnn
from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.estimators import spread
from fastnn.tabular.checkpoint import FitCheckpoint

pytestmark = [
    pytest.mark.usefixtures("quick_module", "few_errors"),
    pytest.mark.filterwarnings("ignore:y holds only the class"),
]
N = 30
SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
z = np.random.default_rng(5).normal(size=N)
X = pd.DataFrame({"number": z, "é\n": ["a", "b", None] * 10})
X["day"] = [f"{1 + i % 28:02d}.01.2020" for i in range(N)]
X["gap"] = [1.0, np.nan] * 15
X["same"] = 1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.fixture(scope="module")
def few_errors():
    """Few rows have networks that expect errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread, "MIN_ERRORS", 5)
        yield


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
def test_regressors(name, path, reload):
    reg = TabularRegressor(**SMALL | REGRESSORS[name]).fit(X, np.abs(z))
    other = reload(reg)
    assert_same_bits(other.predict(X, return_std=True), reg.predict(X, return_std=True))
    assert set(vars(reg)) - set(vars(other)) == {"oof_prediction_", "oof_rows_", "_fold_of_row"}
    for attribute in ("columns_", "left_out_", "oof_score_", "n_features_in_"):
        assert getattr(other, attribute) == getattr(reg, attribute)
    assert other.feature_names_in_.tolist() == reg.feature_names_in_.tolist()
    assert_same_bits(other.feature_importances_, reg.feature_importances_)
    assert_same_bits(other.predict_interval(X, 0.5), reg.predict_interval(X, 0.5))
    other.save(path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()
    assert np.isfinite(other.fit(X, np.abs(z)).predict(X)).all()


LABELS = {
    "texts": np.where(z > 0, "é", "\N{SNOWMAN}\n"),
    "objects": np.where(z > 0, "x", "y").astype(object), "ints": (z > 0).astype(int),
    "small ints": (z > 0).astype(np.int8), "truths": z > 0,
    "float32": np.where(z > 0, 1, 2).astype(np.float32), "one class": np.full(N, 7),
    "three classes": np.arange(N) % 3,
}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_classifiers(name, reload):
    clf = TabularClassifier(**SMALL, class_weight="balanced").fit(X, LABELS[name])
    other = reload(clf)
    assert other.classes_.dtype == clf.classes_.dtype
    assert other.predict(X).tolist() == clf.predict(X).tolist()
    assert_same_bits(other.predict_proba(X), clf.predict_proba(X))


def test_parameters_and_the_name_of_the_target(reload):
    table = X.assign(y=np.where(z > 0, "x", "y"))
    clf = TabularClassifier(**SMALL | dict(random_state=np.random.RandomState(0)))
    clf.set_params(class_weight={"x": 2, "y": 1.5}, threshold=0.3).fit(table, "y")
    other = reload(clf)
    assert other.get_params() == clf.get_params() | dict(random_state=None)
    assert_same_bits(other.predict_proba(table), clf.predict_proba(X))


def test_metadata(path, reload):
    clf = TabularClassifier(**SMALL).fit(X, z > 0)
    assert clf.metadata_ == {}
    clf.metadata_ = {"source": "é\n", "": "{}"}
    other = reload(clf)
    assert other.metadata_ == clf.metadata_ == {"source": "é\n", "": "{}"}
    assert other.fit(X, z > 0).metadata_ == {}
    before = path.read_bytes()
    clf.metadata_["rows"] = 3
    with pytest.raises(ValueError, match=r"^metadata_ must be a dict of str to str, got .*rows"):
        clf.save(path)
    assert path.read_bytes() == before


def test_an_array_has_no_names(reload):
    other = reload(TabularRegressor(**SMALL).fit([[x, "ab"[i % 2], 1] for i, x in enumerate(z)], z))
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
    clf = TabularClassifier(**SMALL).fit(X, np.array(["2020", "2021"] * 15, "datetime64[Y]"))
    with pytest.raises(ValueError, match=r"texts, numbers or Booleans, got .*date"):
        clf.save(path)
    assert not path.exists()


# ---- damaged files ----

FILES = ["TabularRegressor", "TabularClassifier", "stopped"]


@pytest.fixture(scope="module")
def contents(quick_module, few_errors, tmp_path_factory):
    """The bytes of a regressor, of a classifier, and of a regressor that Ctrl-C has stopped."""
    file, out = tmp_path_factory.mktemp("models") / "m", {}
    tiny = SMALL | dict(hidden_layer_sizes=1)
    for cls, y in ((TabularRegressor, z), (TabularClassifier, z > 0)):
        cls(**tiny).fit(X, y).save(file)
        out[cls.__name__] = file.read_bytes()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for name in ("SLICE_SECONDS", "TAIL_SECONDS"):
            patch.setattr(f"fastnn.training.pool.{name}", 0.0)
        reg = TabularRegressor(**tiny)
        reg.on_progress = interrupt
        reg.fit(X, z)
    reg.save(file)
    return out | {"stopped": file.read_bytes()}


def interrupt(progress):
    if progress.folds_done == 1:
        raise KeyboardInterrupt


def use_model(estimator):
    try:
        estimator.predict(X)
        if isinstance(estimator, TabularRegressor):
            estimator.predict_interval(X, 0.5)
    except ValueError as error:  # another name of a column, or another format of dates
        assert "names should match" in str(error) or "column" in str(error)


def loads_model(content, path):
    file_edits.write_anew(path, content)
    return file_edits.reads_or_is_refused(lambda: fastnn.load(path), use_model)


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_refused(name, contents, path):
    content = contents[name]
    assert loads_model(content, path)
    header = 8 + int.from_bytes(content[:8], "little")
    some = *range(0, header, step(97)), *range(header, len(content), step(1999))
    for n in (*some, *range(header - 8, header + 8), len(content) - 1):
        assert not loads_model(content[:n], path)
    assert not loads_model(content + b"\0", path)


@pytest.mark.spread(1)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:X ")
@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_loads_or_is_refused(name, contents, path):
    content = contents[name]
    header = 8 + int.from_bytes(content[:8], "little")
    places = *range(0, header, step(11)), *range(header, len(content), step(199))
    assert sum(not loads_model(damaged, path) for damaged in flipped(content, places)) > 300


def wrong_values(message, *places):
    """Return the cases in which a place of a file has a wrong value. places : keys and a list of values"""
    return {
        f"{'.'.join(map(str, keys))} = {value!r:.40}": (setting(*keys, value), message)
        for *keys, values in places
        for value in values
    }


BIG = 10**400
HARMFUL = {
    **wrong_values("n_features_in_", ("fitted", "n_features_in_", [4, 5.0, 2**40])),
    **wrong_values("oof_score_name_", ("fitted", "oof_score_name_", [1, "R" * 1001])),
    **wrong_values("metric", ("parameters", "metric", [{"function": 1}, {"function": "f" * 1001}])),
    **wrong_values("names", ("features", "names", [["a"], [1, 2, 3, 4, 5]])),
    **wrong_values("style", ("features", "columns", 2, "style", ["%c", ".||"]),
                   ("features", "columns", 0, "style", [";|.|"])),
    **wrong_values("positions", ("features", "positions", 0, [5, -1, 2]), ("features", "positions", [[]])),
    **wrong_values("source", ("features", "numbers", 0, "source", [5, True])),
    **wrong_values("levels", ("features", "categories", 0, "levels", [[1, 2], ["a", "a"]]),
                   ("features", "categories", 1, "levels", 0, ["-1", "1232", "00"]),
                   ("features", "categories", 2, "levels", [["a", "b"]])),
    **wrong_values("edges", ("encoders", 0, "edges", 0, [[1.0], [1.0, 1.0]])),
    **wrong_values("width", ("encoders", 0, "width", [0, 2**24 + 1])),
    **wrong_values("members", ("members", [[], "x"])),
    **wrong_values("hidden", ("members", 0, "hidden", [[], [0], [-1], [2**24 + 1], [1] * 100])),
    **wrong_values("share", ("members", 0, "share", [0.0, 1.5])),
    **wrong_values("shape of params0", ("header", "params0", "shape", [None, [2, 1], [10**9, 1, 1]])),
    **wrong_values("spread", ("spread", "hidden", [[0], [1, 1]]), ("spread", "unit", [0.0]),
                   ("spread", "largest", [BIG]), ("spread", "knots", [[]]), ("spread", "knots", 0, [1e9]),
                   ("spread", "factors", 0, [0.0]), ("header", "spread", "shape", [[2, 2, 17]])),
    **wrong_values("profile", ("profile", "n_rows", [7, -1]), ("profile", "columns", 0, [[3, "x"], 5])),
    "another estimator": (setting("estimator", "MLPRegressor"), "estimator"),
    **wrong_values("targets", ("targets", "scale", [0.0]), ("targets", "bounds", [[2.0, 1.0]]),
                   ("targets", "shift", [BIG])),
    "a log that is no truth": (setting("targets", "log", 0), "log"),
    "a score as a text": (setting("fitted", "oof_score_", "1"), "oof_score_"),
    "a target name as a number": (setting("fitted", "_target_name", 1), "_target_name"),
    **wrong_values("left_out", ("features", "left_out", "same", [1]), ("features", "left_out", "x", ["all"])),
    **wrong_values("columns", ("features", "columns", 0, "from_text", [1]),
                   ("features", "columns", 0, "kind", ["code"])),
    **wrong_values("part", ("features", "columns", 0, "kind", ["category"]),
                   ("features", "categories", 0, "part", ["weekday"]),
                   ("features", "categories", 0, "marks_missing", [1]),
                   ("features", "numbers", 0, "part", ["tan year"])),
    **wrong_values("n_levels", ("encoders", 0, "n_levels", 0, [9]), ("encoders", 0, "n_levels", [[]]),
                   ("spread", "encoder", "n_levels", 0, [9])),
    **wrong_values("scalings", ("encoders", 0, "scalings", 0, "factor", ["1"]),
                   ("encoders", 0, "scalings", 0, "marks_missing", [1])),
    **wrong_values("encoder", ("encoders", 0, "edges", [[[]]]), ("encoders", [[]]), ("members", 0, "encoder", [1])),
    "encoders as a mapping": (setting("encoders", {}), "encoders"),
    "another activation": (setting("activation", "tanh"), "activation"),
    "three networks each": (setting("header", "params0", "shape", [2, 3, 17]), "params0"),
    "many rows in a sketch": (setting("profile", "sketch", "n_unique", 10**9), "sketch"),
    "metadata that is no text": (setting("header", "__metadata__", "user", '{"a": 1}'), "metadata_ must"),
    "a newer version": (setting("header", "__metadata__", "format_version", "2"), "Install a newer"),
    "an unknown parameter": (setting("parameters", "evil", 1), "'evil'"),
    "a wrong parameter": (setting("parameters", "n_threads", "x"), "'n_threads'"),
    "a loss of classes": (setting("targets", "loss", {"loss": "bce"}), "loss must be one of"),
    "an unknown loss": (setting("targets", "loss", {"loss": "os"}), "no loss is called 'os'"),
    "logarithms of 0": (lambda header, model: model["targets"].update(log=True, bounds=[0.0, 1.0]), "log"),
    "a field of another class": (setting("encoders", 0, "scalings", 0, "x", 1), "'x'"),
    "no inputs": (lambda header, model: model["encoders"][0].update(
        n_levels=[0, 0, 0], scalings=[dict(median=0.0, factor=0.0, marks_missing=True)] * 2), "n_inputs"),
    "a huge layer": (setting("members", 0, "hidden", [2**24, 2**24]), "array params0"),
    "a huge array": (setting("header", "params0", "shape", [2, 1, 2**40]), "array params0"),
    "no errors": (lambda header, model: header.pop("errors") and None, "errors is missing"),
    "one more column in a profile": (lambda header, model: model["profile"]["columns"].append([0] * 3), "(profile)"),
    "a profile without columns": (setting("profile", "columns", []), "array profile_c"),
    "another size in a profile": (setting("profile", "columns", 0, [3, 0, 0]), "array profile_c"),
    "no profile": (setting("profile", None), "profile is missing or not a mapping"),
    "a long sketch": (setting("header", "profile_sketch", "shape", [10**12]), "shape of profile_sketch"),
    "a spread of nothing": (setting("spread", None), "spread is missing"),
    "a spread of other networks": (setting("spread", "hidden", [2]), "array spread"),
    "no spread": (lambda header, model: model.pop("spread") and None, "the file has the arrays"),
    "more networks of a spread": (setting("header", "spread", "shape", [3, 1, 4]), "array spread"),
    "counts in a profile that are no list": (setting("profile", "columns", 5), "(profile)"),
    "a count alone in a profile": (setting("profile", "columns", 0, [3]), "(profile)"),
    "more rows of others than rows": (setting("profile", "columns", 1, 2, 31), "(profile)"),
    "fewer rows than a profile counts": (setting("profile", "columns", 1, 1, 29), "(profile)"),
    "a sketch of fewer rows": (setting("profile", "sketch", dict(n_rows=5, n_unique=5)), "(sketch)"),
    "a split that is a list": (setting("split", []), "split is missing or not a mapping"),
    **{f"a split with {name} {value!r}": (setting("split", name, value), "(split)") for name, value in [
        ("kind", "os"), ("n_folds", -1), ("n_blocks", "2"), ("n_groups", True), ("first", 1),
        ("last", None), ("splitter", 2), ("time", 1), ("groups", []), ("weight", False)]},
    **{f"monotone columns {value}": (setting("monotone", value), "(monotone)") for value in [
        5, [0], [[0]], [[0, 2]], [["0", 1]], [[9, 1]], [[1, 1]], [[2, 1]], [[0, True]], [[0, 1]] * 2]},
    "a model that is a list": (lambda header, model: "[]", "model is missing or not a mapping"),
    "a model that is no JSON": (lambda header, model: "{", "model is not JSON"),
    "a model without end": (lambda header, model: "[" * 300_000, "model is not JSON"),
    "a model with two equal keys": (lambda header, model: '{"a": 1, "a": 2}', "duplicate keys"),
    "no model": (lambda header, model: 5, "model is missing"),
}  # fmt: skip


def unfinished(**fields):
    return lambda header, model: model["unfinished"].update(fields)


def on_all_rows(n_folds, *shapes):
    """Return an edit that adds networks of two members that train on all rows, after the one fold."""

    def edit(header, model):
        model["members"][1]["share"] = 1.0
        best = [[[0.5] * n] for n in (1, 2, 2)]
        model["unfinished"].update(n_folds=n_folds, n_final=2, best=best)
        model["unfinished"]["spare"] *= n_folds - 1
        header |= {f"final{i}": dict(shape=shape) for i, shape in enumerate(shapes)}

    return edit


STOPPED = {
    **wrong_values("folds", ("unfinished", "folds", [[2], [0, 0], []]), ("unfinished", "n_folds", ["2", 10_001])),
    **wrong_values("n_final", ("unfinished", "n_final", [-1, 10_001])),
    **wrong_values("used", ("unfinished", "used", [[0, 1, 3], [0, 0, 1], [0]]),
                   ("unfinished", "n_configurations", [0])),
    **wrong_values("spare",
                   ("unfinished", "spare", [[0], [[0, 0, []]], [[0, 2, []]], [[3, 1, []]], [[0, 1, []]] * 2]),
                   ("unfinished", "spare", 0, 2, [[0.5] * 3, [1.5], [-0.5]])),
    **wrong_values("spare0", ("header", "spare0", "shape", 2, ["17", 3, 2**24 + 4]),
                   ("unfinished", "spare", [[[0, 1, [0.5, 0.5]]]])),
    **wrong_values("best", ("unfinished", "best", [{}, [[]], [[[]]], [[[1.5]]]]), ("unfinished", "n_final", [1]),
                   ("unfinished", "final", [[[1]]])),
    **wrong_values("share of epochs", ("unfinished", "share", [1.5, -0.5, None])),
    **wrong_values("configurations", ("unfinished", "n_configurations", [101]), ("unfinished", "spare", [{}])),
    "members of other folds": (setting("header", "params1", "shape", [2, 2, 33]), "params"),
    **wrong_values("digests", ("unfinished", "digests", [{"X": "1"}]), ("unfinished", "digests", "table", [1])),
    "all folds": (unfinished(n_folds=1, spare=[]), "folds"),
    "more folds than networks": (unfinished(n_folds=3, folds=[0, 1], spare=[]), "folds"),
    "configurations of no members": (unfinished(used=None, spare=[]), "configurations"),
    "spare networks of no configurations": (unfinished(used=None, n_configurations=0), "configurations"),
    "no spare networks": (setting("unfinished", "spare", []), "the file has the arrays"),
    "more spare networks": (setting("unfinished", "spare", [[0, 1, []], [1, 1, []]]), "spare1 is missing"),
    "a best of one network and of two": (
        unfinished(n_folds=3, folds=[0, 1], spare=[], best=[[[0.5], [0.5, 0.5]]]), "best"),
    "more networks on all rows": (on_all_rows(1, [3, 1, 17], [3, 2, 33]), "final"),
    "more networks on all rows of a member": (on_all_rows(1, [1, 1, 17], [2, 2, 33]), "final"),
    "fewer snapshots on all rows": (on_all_rows(1, [1, 1, 17], [1, 1, 33]), "final"),
    "networks on all rows before the last fold": (on_all_rows(2, [1, 1, 17], [1, 2, 33]), "final"),
    "no digests": (setting("unfinished", "digests", []), "digests is missing"),
    "another field": (setting("unfinished", "x", 1), "'x'"),
    "nothing": (setting("unfinished", None), "unfinished is missing"),
    "no members": (lambda header, model: model.update(members=[]), "members"),
    "members that do not count": (lambda header, model: [
        member.update(share=0.0) for member in model["members"]] and None, "share"),
    "members of a complete fit": (lambda header, model: model.pop("unfinished") and None, "share"),
}  # fmt: skip


CLASSES = {
    **wrong_values("classes", ("targets", "classes", [[], [True, True], [0, 1]])),
    **wrong_values("dtype", ("targets", "dtype", ["V8", "f8,f8"])),
    "a temperature of 0": (setting("targets", "temperature", 0.0), "temperature"),
    "one class with networks": (setting("targets", "classes", [True]), "members"),
    **{f"a threshold {rule} {x}": (setting("targets", "threshold", {"rule": rule, "value": x}), "threshold)")
       for rule, x in [("f1", 1.0), ("f1", 0.0), ("f1", "0.5"), (1, 0.5)]},
}  # fmt: skip
DAMAGED = dict(zip(FILES, (HARMFUL, CLASSES, STOPPED)))


CHECKPOINTS = [  # its fields, what it describes, and how many folds and networks on all rows are left
    (dict(folds=[0, 1]), "2 of 3 folds", 1),
    (dict(folds=[0, 1], used=[0, 1], n_configurations=2), "2 of 3 folds", 1),
    (dict(folds=[0, 1], used=[1], n_configurations=2), "1 of 2 configurations on 2 of 3 folds", 3),
    (dict(folds=[], used=[0, 1], n_configurations=2), "2 of 2 configurations on 0 of 3 folds", 3),
    (dict(folds=[0, 1], n_final=4), "2 of 3 folds", 5),
    (dict(folds=[0, 1, 2], n_final=4), "all 3 folds, and 0 of 4 networks on all rows", 4),
    (dict(folds=[0, 1, 2], n_final=4, final=[[1], [2]]),
     "all 3 folds, and 1 of 4 networks on all rows", 3),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "text", "n_left"), CHECKPOINTS)
def test_what_a_checkpoint_has(fields, text, n_left):
    checkpoint = FitCheckpoint(n_folds=3, fraction=1.0, digests={}, **fields)
    assert (checkpoint.describe(), checkpoint.n_left) == (text, n_left)


ARRAYS = [  # an array of a file, what damages it, and the message
    *[("profile_cuts", f, "profile") for f in (lambda x: 0 * x, lambda x: np.r_[x[:-1], np.inf])],
    ("profile_counts", lambda x: x + np.r_[-100, 100, 0 * x[2:]], "profile"),
    ("profile_sketch", lambda x: 0 * x, "sketch"),
    *[("errors_fold", lambda x, fold=n: 0 * x + fold, "errors_fold") for n in (-1, 2)],
    *[("background_codes", lambda x, code=c: np.r_[code, x[1:]], "background_codes") for c in (-2, 3)],
    ("background_numbers", lambda x: np.r_[np.inf, x[1:]], "background_numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "damage", "message"), ARRAYS)
def test_arrays_with_other_values_are_refused(name, damage, message, contents, path):
    header, arrays = split(contents["TabularRegressor"])
    first, end = header[name]["data_offsets"]
    values = np.frombuffer(arrays[first:end], {"F64": "<f8", "I64": "<i8"}[header[name]["dtype"]])
    file_edits.write_anew(
        path, join(header, arrays[:first] + damage(values).tobytes() + arrays[end:])
    )
    file_edits.refused_with(f"({message})", path)


AT_LIMITS = [  # a file, an edit, an attribute, and its value
    ("stopped", lambda header, model: header.update(spare2=header.pop("spare0")) or
     model["unfinished"].update(spare=[[2, 1, []]]), "n_folds_remaining_", 1),
    ("stopped", unfinished(n_folds=10_000, n_configurations=100, share=0.0), "n_folds_remaining_", 10_000),
    *(("stopped", unfinished(spare=[[0, 1, [best]]]), "n_folds_remaining_", 1) for best in (0.0, 1.0)),
    ("TabularRegressor", setting("targets", "bounds", [1.0, 1.0]), "n_folds_remaining_", 0),
    ("TabularRegressor", setting("fitted", "oof_score_name_", "R" * 1000), "oof_score_name_", "R" * 1000),
]  # fmt: skip


@pytest.mark.parametrize(("file", "edit", "name", "value"), AT_LIMITS)
def test_values_at_their_limits_are_read(file, edit, name, value, contents, path):
    path.write_bytes(file_edits.change(contents[file], "model", edit))
    assert getattr(fastnn.load(path), name) == value


@pytest.mark.parametrize(("file", "name"), [(f, name) for f in FILES for name in DAMAGED[f]])
def test_harmful_files_are_refused_with_a_reason(file, name, contents, path):
    assert (b"unfinished" in contents[file]) == (file == "stopped")
    edit, message = DAMAGED[file][name]
    path.write_bytes(file_edits.change(contents[file], "model", edit))
    file_edits.refused_with(f"damaged ({message})" if message.isidentifier() else message, path)


LARGE_VALUES = {  # NumPy stores each text with the length of the longest
    "columns without names": (("fitted", "n_features_in_"), 3_000_000),
    "texts of classes": (("targets", "classes"), ["w" * 20_000, *map(str, range(1000))]),
}


@pytest.mark.parametrize(("keys", "value"), LARGE_VALUES.values(), ids=LARGE_VALUES)
def test_a_model_takes_no_more_memory_than_its_file(keys, value, path):
    rows = [[x, "ab"[i % 2]] for i, x in enumerate(z)]
    TabularClassifier(**SMALL).fit(rows, np.where(z > 0, "yes", "no")).save(path)
    path.write_bytes(file_edits.change(path.read_bytes(), "model", setting(*keys, value)))
    file_edits.refused_with(keys[-1], path)
