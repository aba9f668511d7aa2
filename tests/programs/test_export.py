"""fastnn.export: models and arguments that are refused, in both formats, and files that are replaced."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import fastnn
from fastnn import MLP, EncodedTable, export
from fastnn.export.c_networks import split_weights
from fastnn.export.export_model import labels

FORMATS = {"c": export.c, "onnx": export.onnx}


@pytest.fixture(params=FORMATS)
def write(request):
    """write(model, path, **options): one of the formats."""
    if request.param == "onnx":
        pytest.importorskip("onnx", reason="the extra onnx is not installed")
    return FORMATS[request.param]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.c"


def test_networks_need_no_scikit_learn(write, path):
    code = f"""
import sys
sys.modules["sklearn"] = None
import fastnn
table = fastnn.EncodedTable(codes=[[1]], n_categories=3)
fastnn.export.{write.__name__}(fastnn.MLP([3, 1]), {str(path)!r}, layout=table.layout)
try:
    fastnn.export.{write.__name__}("model", {str(path)!r})
except TypeError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert path.exists() and "got str. Load the file first" in run.stdout


OTHER_OBJECTS = [
    ("model.safetensors", r"got str\. Load the file first: fastnn\.load\(path\)\."),
    (MLP, r"got type\. Pass a fitted object, not its class\."),
    (None, r"got NoneType\.$"),
    ([MLP([2, 1])], r"got list\.$"),
]


@pytest.mark.parametrize(("model", "advice"), OTHER_OBJECTS)
def test_other_objects(write, path, model, advice):
    with pytest.raises(TypeError, match=rf"model must be a fastnn\.MLP, MLPClassifier.*{advice}"):
        write(model, path)
    assert not path.exists()


def test_pipelines_and_searches(write, path):
    linear = pytest.importorskip("sklearn.linear_model", reason="estimators need the extra sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    search = GridSearchCV(linear.LinearRegression(), {"fit_intercept": [True]}, cv=2)
    search.fit(np.eye(4), [0, 1, 0, 1])
    last = r"Pipeline\. Export its last step, pipeline\[-1\], and do"
    for model, advice in (
        (make_pipeline("passthrough", fastnn.MLPClassifier()), last),
        (search, r"GridSearchCV\. Export its best_estimator_\."),
        (search.best_estimator_, r"LinearRegression\.$"),
    ):
        with pytest.raises(TypeError, match=f"got {advice}"):
            write(model, path)


def test_estimators_that_are_not_fitted(write, path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    from sklearn.exceptions import NotFittedError

    for name in ("MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"):
        with pytest.raises(NotFittedError, match=name):
            write(getattr(fastnn, name)(), path)


def test_layouts(write, path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    table = EncodedTable(codes=[[1]], n_categories=3)
    clf = fastnn.MLPClassifier(max_iter=1).partial_fit(np.eye(3), [0, 1, 1], classes=[0, 1])
    not_one = "layout must be the layout of a fastnn.EncodedTable, got"
    for model, layout, error, message in (
        (MLP([3, 1]), table, TypeError, rf"{not_one} EncodedTable\. Pass table\.layout\."),
        (MLP([3, 1]), 3, TypeError, rf"{not_one} int\.$"),
        (MLP([4, 1]), table.layout, ValueError, "stands for 3 inputs, but the network expects 4"),
        (clf, table.layout, TypeError, "type MLPClassifier, which has its own encoding"),
    ):
        with pytest.raises(error, match=message):
            write(model, path, layout=layout)


def test_intervals_that_a_model_does_not_have(path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    clf = fastnn.MLPClassifier(max_iter=1).partial_fit(np.eye(3), [0, 1, 1], classes=[0, 1])
    reg = fastnn.MLPRegressor(max_iter=1).partial_fit(np.eye(3), [0, 1, 1])
    needed = r"interval=0.9 needs an MLPRegressor or a TabularRegressor, but the model is"
    for model, interval, message in (
        (MLP([3, 1]), 0.9, rf"{needed} a network\. Leave interval out\."),
        (clf, 0.9, f"{needed} a classifier"),
        (reg, 0.9, r"predict_interval needs the errors of networks .* n_estimators of at least 2"),
        (reg, 1, "interval must be a finite number above 0 and below 1, got 1"),
        (reg, "0.9", "interval must be a finite number"),
    ):
        with pytest.raises(ValueError, match=message):
            export.c(model, path, interval=interval)
    assert not path.exists()


def test_parameters_that_are_not_finite(write, path):
    net = MLP([2, 3, 1], rng=0)
    net.params[3] = np.nan
    with pytest.raises(ValueError, match=r"parameters that are NaN or infinite.*Train it again"):
        write(net, path)
    assert not path.exists()


def test_a_threshold_that_was_set_after_fit(write, path, quick_recipe):
    clf = fastnn.TabularClassifier(2, hidden_layer_sizes=2)
    clf.fit(np.arange(30)[:, None], [0, 1, 2] * 10)
    write(clf.set_params(threshold=None), path)
    with pytest.raises(ValueError, match=r"threshold=0\.5 needs two classes"):
        write(clf.set_params(threshold=0.5), path)


def test_files(write, tmp_path, path):
    path.write_text("old")
    net = MLP([2, 1], rng=0)
    net.params[0] = np.inf
    with pytest.raises(ValueError):
        write(net, path)
    assert path.read_text() == "old"
    write(MLP([2, 1], rng=0), str(path))
    assert path.stat().st_size > 100 and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="No such folder"):
        write(MLP([2, 1]), tmp_path / "missing" / "model.c")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="Pass the name of a file in it"):
        write(MLP([2, 1]), tmp_path / "folder")


def test_labels():
    for classes, dtype in (
        (np.array(["b", "a"]), object),
        (np.array([True, False]), np.int64),
        (np.array([1, 2], np.int8), np.int64),
        (np.array([1, True], object), np.int64),
        (np.array([0.5, 2]), np.float64),
        (np.array([1, 2**63], np.uint64), np.float64),
    ):
        found = labels(classes)
        assert found.dtype == dtype and found.tolist() == classes.tolist()
    large = np.array([1, 2**63 + 1], np.uint64)
    for bad, shown in ((np.array([b"a", b"b"]), "b'a' of type bytes"), (large, "1 of")):
        with pytest.raises(ValueError, match=f"texts, numbers or Booleans, got {shown}.*Convert y"):
            labels(bad)


def test_cells_give_what_dense_inputs_give(rng):
    numbers, positions = rng.normal(size=(9, 1)), rng.uniform(0, 3, (9, 2))
    codes = rng.integers(0, 2, (9, 2))
    table = EncodedTable(numbers, positions, [3, 4], [2, 0.5], codes, [2, 3], [1, 3], "float64")
    W = rng.normal(size=(2, table.n_inputs, 5))
    numbers, knots, levels = split_weights(W, table.layout)
    k = np.minimum(table.positions.astype(int), np.array([3, 4]) - 1)
    f = (table.positions - k)[..., None]
    first = k + np.array([0, 4])
    codes = table.codes + np.array([0, 2])
    for network in range(2):
        K = knots[network]
        z = table.numbers @ numbers[network] + ((1 - f) * K[first] + f * K[first + 1]).sum(1)
        z += levels[network][codes].sum(1)
        np.testing.assert_allclose(z, table.to_dense() @ W[network], rtol=1e-12)


def test_members_of_a_fit_that_was_stopped(write, path, quick_recipe):
    """Configurations that are not used, and their encoders, are not in the file."""
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60.0)
    reg = fastnn.TabularRegressor(2, hidden_layer_sizes=3, random_state=0).fit(X, y)
    write(reg, path)
    before = path.read_bytes()
    encoders, members = reg.model_.encoders, reg.model_.members
    last = len(encoders) - 1
    unused = replace(members[0], encoder=last + 1, weight=0.0)
    others = [replace(member, encoder=last - member.encoder) for member in members]
    encoders = [*encoders[::-1], encoders[0]]
    reg.model_ = replace(reg.model_, encoders=encoders, members=[unused, *others])
    write(reg, path)
    assert path.read_bytes() == before
