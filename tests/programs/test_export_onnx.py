"""fastnn.export.onnx: what ONNX Runtime predicts with the files, their names and types."""

import sys

import export_cases
import numpy as np
import pytest
from export_cases import assert_close, passed

import fastnn
from fastnn import export

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def session(path, case):
    """Export a case, and open it in ONNX Runtime."""
    export.onnx(case.model, path, **case.options)
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def feeds(case):
    """The inputs of a case by name."""
    if isinstance(case.X, fastnn.EncodedTable):
        table = case.X.astype("float32")
        parts = dict(numbers=table.numbers, positions=table.positions, codes=table.codes)
        return {name: part for name, part in parts.items() if part.shape[1]}
    if hasattr(case.model, "columns_"):
        return {name: column(values) for name, values in passed(case.model, case.X).items()}
    return dict(X=np.asarray(case.X, "float32"))


def column(values):
    is_text = any(isinstance(x, str) for x in values)
    values = [x or "" for x in values] if is_text else values
    return np.array(values, object if is_text else float)[:, None]


def names(values):
    return [value.name for value in values]


def run(session, inputs):
    return dict(zip(names(session.get_outputs()), session.run(None, inputs)))


@pytest.mark.parametrize("name", export_cases.networks())
def test_networks(name, tmp_path):
    case = export_cases.networks()[name]
    out = run(session(tmp_path / "net.onnx", case), feeds(case))
    assert list(out) == ["Y"] and out["Y"].dtype == np.float32
    assert_close(out["Y"], case.expected)


def check(path, case):
    s, inputs = session(path, case), feeds(case)
    assert set(names(s.get_inputs())) == set(inputs)
    out = run(s, inputs)
    if case.labels is None:
        assert list(out) == ["variable"]
        assert_close(out["variable"], case.expected)
    else:
        assert list(out) == ["label", "probabilities"]
        assert_close(out["probabilities"], case.expected)
        assert out["label"].tolist() == case.labels.tolist()  # True is 1
    for n in (0, 1, 7):  # any number of rows; with 0, TopK crashes in ONNX Runtime 1.20
        part = s.run(None, {key: values[:n] for key, values in inputs.items()})
        for a, b in zip(part, out.values()):
            assert len(a) == n
            if a.dtype == np.float32:
                np.testing.assert_allclose(a, b[:n], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["estimators", "tabular"])
def test_estimators(kind, tmp_path):
    for name, case in getattr(export_cases, kind)().items():
        check(tmp_path / f"{name}.onnx", case)


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class(tmp_path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    X = np.eye(2)
    clf = fastnn.MLPClassifier(max_iter=1).partial_fit(X, [3, 3], classes=[3])
    case = export_cases.Case(clf, X, np.ones((2, 1)))
    out = run(session(tmp_path / "a.onnx", case), feeds(case))
    assert out["label"].tolist() == [3, 3] and out["probabilities"].tolist() == [[1], [1]]
    clf = fastnn.TabularClassifier().fit([[0.5, "a"], [1.5, "b"]] * 3, ["x"] * 6)
    inputs = dict(x0=np.zeros((3, 1)), x1=np.array([["a"], ["b"], [""]], object))
    out = run(session(tmp_path / "b.onnx", export_cases.Case(clf, None, None)), inputs)
    assert out["label"].tolist() == ["x"] * 3 and out["probabilities"].tolist() == [[1]] * 3


# ---- the file ----


def test_versions_and_title(tmp_path):
    export.onnx(fastnn.MLP([2, 1], rng=0), tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert {x.domain: x.version for x in model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert model.ir_version == 8 and model.doc_string.startswith("MLP([2, 1]")
    assert (model.producer_name, model.producer_version) == ("fastnn", fastnn.__version__)


def test_types_and_shapes(tmp_path):
    s = session(tmp_path / "a.onnx", export_cases.tabular()["table_ints"])
    inputs = {value.name: (value.type, value.shape) for value in s.get_inputs()}
    assert inputs["int"] == ("tensor(string)", ["n", 1])
    assert inputs["INT"] == inputs["listed"] == ("tensor(double)", ["n", 1])
    types = {"label": ("tensor(int64)", ["n"]), "probabilities": ("tensor(float)", ["n", 3])}
    assert {value.name: (value.type, value.shape) for value in s.get_outputs()} == types


def test_columns_with_the_names_of_outputs_and_nodes(tmp_path):
    pd = pytest.importorskip("pandas", reason="data frames need pandas")
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    wanted = ["label", "probabilities", "output_label", "MatMul", "constant", " ", "x5", "X"]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, len(wanted))), columns=wanted)
    clf = fastnn.TabularClassifier(2, hidden_layer_sizes=3, random_state=0).fit(X, X["X"] > 0)
    s = session(tmp_path / "a.onnx", export_cases.Case(clf, X, None))
    assert names(s.get_inputs()) == [*wanted[:5], "x5", "x5_", "X"]
    assert names(s.get_outputs()) == ["output_output_label", "output_probabilities"]
    inputs = dict(zip(names(s.get_inputs()), X.to_numpy().T[:, :, None]))
    assert_close(run(s, inputs)["output_probabilities"], clf.predict_proba(X))


def test_equal_constants_are_stored_once(tmp_path):
    net = fastnn.MLP([3, 3, 3], "gelu", rng=0)
    net.weights[1] = net.weights[0]
    export.onnx(net, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    assert sorted(a.size for a in arrays) == [1, 1, 3, 9]  # sqrt(1/2), 1/2, both b and both W


# ---- errors ----


def test_numbers_that_float32_cannot_hold(tmp_path):
    net = fastnn.MLP([2, 1], dtype="float64", rng=0)
    net.params[0] = 1e39
    with pytest.raises(ValueError, match=r"parameters that float32 cannot hold.*export\.c"):
        export.onnx(net, tmp_path / "net.onnx")
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    y = np.linspace(0, 1e39, 20)
    reg = fastnn.TabularRegressor(2, hidden_layer_sizes=2).fit(np.arange(20)[:, None], y)
    with pytest.raises(ValueError, match=r"targets of the model are too large .*export\.c"):
        export.onnx(reg, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_a_limit(tmp_path, monkeypatch):
    net = fastnn.MLP([2, 1], rng=0)
    export.onnx(net, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    monkeypatch.setattr("fastnn.export.onnx_nodes.MAX_BYTES", model.ByteSize())
    export.onnx(net, tmp_path / "net.onnx")
    monkeypatch.setattr("fastnn.export.onnx_nodes.MAX_BYTES", model.ByteSize() - 1)
    with pytest.raises(ValueError) as caught:
        export.onnx(net, tmp_path / "other.onnx")
    message = "the model has 0.0 GB, but an ONNX file has at most 2 GB."
    assert str(caught.value) == f"{message} Train fewer or smaller networks."
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_without_onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastnn-mlp\[onnx\]"'):
        export.onnx(fastnn.MLP([2, 1]), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
