"""fastnn export: the files that it writes, and mistakes."""

import sys

import numpy as np
import pytest
from cli_cases import each_row

import fastnn


@pytest.fixture
def export(run):
    return lambda *arguments: run("export", *arguments)


@pytest.fixture
def model(export, tmp_path):
    """The name of a file that holds a network."""
    fastnn.MLP([3, 40, 2], rng=0).save(tmp_path / "net.safetensors")
    return "net.safetensors"


def test_c(export, model, tmp_path):
    code, out, errors = export(model, "--c", "tiny.c")
    n_bytes = (tmp_path / "tiny.c").stat().st_size
    assert (code, out, errors) == (0, f"Saved tiny.c ({n_bytes / 1000:.0f} kB).\n", "")
    fastnn.export.c(fastnn.load(tmp_path / model), tmp_path / "expected.c", name="tiny")
    assert (tmp_path / "tiny.c").read_bytes() == (tmp_path / "expected.c").read_bytes()
    assert export(model, "--c", "tiny.c", "--name", "small")[0] == 0
    assert "int small_predict(" in (tmp_path / "tiny.c").read_text()


def test_a_large_c_file_is_noted(export, model, monkeypatch, tmp_path):
    net, path = fastnn.load(tmp_path / model), tmp_path / "net.c"
    fastnn.export.c(net, path)  # no warning: it would be an error
    monkeypatch.setattr(fastnn.export, "LARGE", path.stat().st_size - 1)
    with pytest.warns(UserWarning, match="net.c has 0 MB of C.* fewer categories"):
        fastnn.export.c(net, path)
    code, _, errors = export(model, "--c", "net.c")
    assert code == 0 and errors.startswith("note: net.c has 0 MB of C") and errors.count("\n") == 1


def test_derivatives(export, model, tmp_path):
    net = fastnn.load(tmp_path / model)
    assert export(model, "--c", "net.c", "--derivatives", "2", "--casadi", "casadi.c")[0] == 0
    fastnn.export.c(net, tmp_path / "expected.c", name="net", derivatives=2)
    assert (tmp_path / "net.c").read_bytes() == (tmp_path / "expected.c").read_bytes()
    assert " jac_adj1_fastnn_net(" in (tmp_path / "casadi.c").read_text()
    assert export(model, "--casadi", "casadi.c", "--name", "f")[0] == 0
    assert " jac_adj1_f(" in (tmp_path / "casadi.c").read_text()
    code, out, errors = export(model, "--c", "net.c", "--derivatives", "3")
    assert (code, out) == (2, "") and "--derivatives" in errors


def test_both_formats(export, model, tmp_path):
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    code, out, errors = export(model, "--onnx", "net.onnx", "--c", "net.c")
    assert (code, errors) == (0, "")
    assert [line.split(" (")[0] for line in out.splitlines()] == ["Saved net.c", "Saved net.onnx"]
    fastnn.export.onnx(fastnn.load(tmp_path / model), tmp_path / "expected.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == (tmp_path / "expected.onnx").read_bytes()


def test_estimators_for_tables(export, tmp_path, quick_recipe):
    X = [[i / 30, "ab"[i % 2]] for i in range(30)]
    reg = fastnn.TabularRegressor(2, hidden_layer_sizes=2, random_state=0).fit(X, np.arange(30))
    reg.save(tmp_path / "m.safetensors")
    assert export("m.safetensors", "--c", "m.c", "--interval", "0.8")[0] == 0
    fastnn.export.c(reg, tmp_path / "expected.c", name="m", interval=0.8)
    assert (tmp_path / "m.c").read_bytes() == (tmp_path / "expected.c").read_bytes()
    assert "const char *x1;" in (tmp_path / "m.c").read_text()
    code, _, errors = export("m.safetensors", "--c", "m.c", "--interval", "0.99")
    assert code == 2 and "--interval 0.99 needs at least 99 held-out rows, got 30." in errors


@each_row("""
    arguments | message
    net.safetensors | no file to write. Pass --c FILE or --casadi FILE or --onnx FILE or
      --torch FILE.
    net.safetensors --casadi net.c --derivatives 1 | --derivatives are of a C file. Pass --c
    net.safetensors --onnx net.onnx --interval 0.9 | --interval is of a C file. Pass --c FILE
    net.safetensors --c net.c --interval 0.9 | --interval 0.9 needs an MLPRegressor or a
      TabularRegressor, but the model is a network. Leave --interval out.
    net.safetensors --c net.c --interval 1 | --interval
    net.safetensors --casadi net.c --name a-b | --name must be a C identifier, such as digits
    net.safetensors --onnx net.onnx --name a | --name is the name in a C file. Pass --c
    net.safetensors --c my-net.c | --name must be a C identifier, such as digits, got 'my-net'.
      By default it is the name of the file; pass --name digits, for example.
    net.safetensors --c net.safetensors | net.safetensors: --c would overwrite the model. Choose
      another name.
    net.safetensors --onnx ./net.safetensors | --onnx would overwrite the model.
    net.safetensors --onnx net.onnx | needs the package onnx. Run: pip install "fastnn-mlp[onnx]"
    net.safetensors --c missing/net.c | missing: no such folder. Create it first, or choose
      another --c.
    missing.safetensors --c a.c | missing.safetensors: No such file or directory. The models in
      this folder are
    table.csv --c a.c | table.csv:
""")
def test_mistakes(export, model, tmp_path, monkeypatch, arguments, message):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    before = (tmp_path / model).read_bytes()
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, out, errors = export(*arguments.split())
    assert (code, out) == (2, "") and errors.startswith("fastnn export: ")
    assert message in errors and errors.count("\n") == 1
    assert (tmp_path / model).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [model, "table.csv"]
