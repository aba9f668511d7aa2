"""src/generate.py: generated parts are up to date with src/operations.py and src/binding/ngrams.h."""

import importlib
import subprocess
import sys

import pytest
from places import SOURCES

SCRIPT = SOURCES / "generate.py"
if not SCRIPT.exists():
    pytest.skip("there is no src/ beside these tests", allow_module_level=True)


def test_generated_parts_are_up_to_date():
    result = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, f"run python src/generate.py:\n{result.stdout}{result.stderr}"


@pytest.fixture
def generate(monkeypatch):
    """The generator as a module. Other tests do not see its imports."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(SCRIPT.parent)
    yield importlib.import_module("generate")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("generate", "generator", "operations"):
            del sys.modules[name]


@pytest.fixture
def tree(generate, tmp_path, monkeypatch):
    """The generator, which works on a copy of the files that it reads, and the folder of the copy."""
    root = SCRIPT.parents[1]
    definitions = generate.rows.definitions(generate.LOSSES, generate.OPTIMIZERS)
    for path in {*generate.PATHS.values(), *(path for _, path, _ in definitions)}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((root / path).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    return generate, tmp_path


BY_HAND = [
    ("fastnn/kernels.pxd", "    LEAKY_RELU", "    LEAKY"),
    ("fastnn/kernels.pyi", "HUBER = 7", "HUBER = 8"),
    ("src/ops/activation.pxi", "forward_span(SILU,", "forward_span(GELU,"),
    ("src/ops/loss.pxi", "loss == HUBER or", "loss == POISSON or"),
    ("src/ops/update.pxi", "update_span(NADAM, 2", "update_span(NADAM, 3"),
    ("fastnn/losses/__init__.py", '    "mse": "MSE",\n', ""),
    ("fastnn/initializers.py", '    "gelu": he_normal', '    "gelu": glorot_normal'),
    ("fastnn/optimizers/__init__.py", "Dozat, 2016", "Dozat, 2017"),
    ("fastnn/mlp.py", "softplus, gelu", "gelu"),
    ("docs/guide.md", "Adagrad, Adadelta", "Adadelta"),
    ("fastnn/export/c_networks.py", '    "mish": ', '    "mush": '),
    ("fastnn/export/c_ngrams.py", "NGRAM_LONGEST 6", "NGRAM_LONGEST 5"),
    ("fastnn/export/onnx_file.py", '"LeakyRelu(z, ', '"LeakyReLU(z, '),
    ("fastnn/estimators/sequential.py", '    "ELU": {"alpha"', '    "ELU": {"a"'),
    ("fastnn/estimators/pytorch.py", "torch.exp(z)", "torch.exp(-z)"),
    ("fastnn/functional/updates.py", "optimizers.Lion, lr=lr", "optimizers.Lion, lr=0"),
    ("fastnn/functional/updates.py", "eps: float = 1e-10", "eps: float = 1e-8"),
    ("fastnn/tabular/targets.py", '    "huber": ', '    "Huber": '),
    ("fastnn/cli/train_options.py", '    "log_cosh",\n', ""),
    ("docs/model_file.md", "`tanh(z)`", "`sinh(z)`"),
    ("docs/api/functional.rst", "   huber\n", ""),
    ("docs/api/losses.rst", "   Huber\n   LogCosh\n", "   LogCosh\n   Huber\n"),
    ("docs/api/optimizers.rst", "   OneCycle\n", ""),
]


@pytest.mark.spread(4)
@pytest.mark.parametrize(("path", "before", "after"), BY_HAND)
def test_parts_changed_by_hand_are_found_and_rewritten(tree, path, before, after, capsys):
    generate, root = tree
    whole = (root / path).read_text(encoding="utf-8")
    assert before in whole
    (root / path).write_text(whole.replace(before, after), encoding="utf-8")
    assert generate.main(check=True)
    assert capsys.readouterr().out == f"stale: {path}\n"
    assert not generate.main(check=False) and not generate.main(check=True)
    assert (root / path).read_text(encoding="utf-8") == whole


def test_a_missing_anchor_is_named(tree):
    generate, root = tree
    path = root / "src/ops/update.pxi"
    path.write_text(path.read_text("utf-8").replace("# generated: rules", "# rules"), "utf-8")
    message = r"update\.pxi: expected one '# generated: rules', found 0"
    with pytest.raises(ValueError, match=message):
        generate.main(check=True)


def test_enum_values_are_consecutive(tree):
    generate, _ = tree
    generate.kernels.ENUMS["Rule"]["LION_KING"] = (100, "")
    with pytest.raises(ValueError, match="numbers of enum Rule must be 0, 1, 2"):
        generate.main(check=True)


LACKING = [  # table, row, fields that are taken away, the message
    ("ACTIVATIONS", "mish", dict(numpy=""), "ACTIVATIONS, mish: `numpy` is missing. Set it to an"),
    ("ACTIVATIONS", "mish", dict(c99=""), "ACTIVATIONS, mish: `c99` is missing. Set it to a C99"),
    ("ACTIVATIONS", "elu", dict(c99_slope=""), "ACTIVATIONS, elu: `c99_slope` is missing. Set it"),
    ("ACTIVATIONS", "softmax", dict(onnx=""), "ACTIVATIONS, softmax: `onnx` is missing. Set it"),
    ("ACTIVATIONS", "relu", dict(torch=""), "ACTIVATIONS, relu: `torch` is missing. Set it to the"),
    ("ACTIVATIONS", "elu", dict(onnx="Elu(z) + 1"), "ACTIVATIONS, elu: `onnx` must be calls of z"),
    ("ACTIVATIONS", "elu", dict(onnx="Elu(z"), "ACTIVATIONS, elu: `onnx` must be calls of z and"),
    ("LOSSES", "huber", dict(module=""), "LOSSES, huber: `module` is missing. Set it to the file"),
    ("LOSSES", "huber", dict(name=""), "LOSSES, Huber: `name` is missing. Set it to the value of"),
    ("LOSSES", "mae", dict(function=""), "LOSSES, mae: `function` is missing. Set it to the name"),
    ("LOSSES", "mae", dict(metric=""), "LOSSES, mae: `metric` is missing. Set it to the metric of"),
    ("LOSSES", "mae", dict(baseline=""), "LOSSES, mae: `baseline` is missing. Set it to the loss"),
    ("LOSSES", "mae", dict(output="tanh"), "LOSSES, mae: a mean of errors is for any output"),
    ("LOSSES", "mse", dict(label=""), "LOSSES, SQUARED_ERROR: no row of this kernel has a `label`"),
    ("OPTIMIZERS", "Lion", dict(source=""), "OPTIMIZERS, Lion: `source` is missing. Set it to the"),
    ("OPTIMIZERS", "Lion", dict(state=()), "OPTIMIZERS, Lion: `state` must list the 1 moments of"),
    ("OPTIMIZERS", "Lion", dict(compiled=()), "OPTIMIZERS, Lion: `compiled` is missing. Set it to"),
    ("OPTIMIZERS", "Adam", dict(example=("", "")), "OPTIMIZERS, Adam: `example` is missing. Set"),
]


def assert_incomplete(generate, message, capsys):
    assert generate.main(check=False)
    head, *problems = capsys.readouterr().out.splitlines()
    assert head == "src/operations.py is not complete:"
    assert any(problem.startswith(message) for problem in problems), problems


@pytest.mark.parametrize(("table", "name", "fields", "message"), LACKING)
def test_a_row_without_a_field_is_refused(table, name, fields, message, tree, monkeypatch, capsys):
    generate, _ = tree
    rows = getattr(generate, table)
    attribute = "cls" if table == "OPTIMIZERS" else "name"
    assert name in [getattr(row, attribute) for row in rows]
    changed = [row._replace(**fields) if getattr(row, attribute) == name else row for row in rows]
    monkeypatch.setattr(generate, table, changed)
    assert_incomplete(generate, message, capsys)


DEFINITIONS = [  # file, what is taken away, the message
    ("optimizers/sgd.py", "class Lion", "OPTIMIZERS, Lion: {} does not define Lion. Write it"),
    ("optimizers/lbfgs.py", "class LBFGS", "OPTIMIZERS, LBFGS: {} does not define LBFGS. Write"),
    ("reference/updates.py", "def sgd_step_", "OPTIMIZERS, SGD: {} does not define sgd_step_. Wr"),
    ("losses/regression.py", "class Huber", "LOSSES, huber: {} does not define Huber. Write it"),
    ("functional/losses.py", "def huber", "LOSSES, huber: {} does not define huber. Write it"),
    ("reference/losses.py", "def poisson_nll", "LOSSES, poisson: {} does not define poisson_nll."),
]


@pytest.mark.parametrize("is_file", [True, False], ids=["no definition", "no file"])
@pytest.mark.parametrize(("path", "definition", "message"), DEFINITIONS)
def test_a_row_without_its_class_or_function_is_refused(
    path, definition, message, is_file, tree, capsys
):
    generate, root = tree
    path = f"fastnn/{path}"
    text = (root / path).read_text("utf-8")
    assert f"\n{definition}(" in text
    (root / path).unlink()
    if is_file:
        (root / path).write_text(text.replace(definition, f"{definition}_"), encoding="utf-8")
    assert_incomplete(generate, message.format(path), capsys)
