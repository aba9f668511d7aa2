"""src/generate.py: generated parts are up to date with src/operations.py."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "src" / "generate.py"
if not SCRIPT.exists():
    pytest.skip("there is no src/ beside these tests", allow_module_level=True)


def check():
    return subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)


def test_generated_parts_are_up_to_date():
    result = check()
    assert result.returncode == 0, f"run python src/generate.py:\n{result.stdout}{result.stderr}"


@pytest.fixture
def tree(tmp_path):
    """A copy of the files that the generator reads, and its module, which works on the copy."""
    import importlib.util

    root = SCRIPT.parents[1]
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("generate", SCRIPT)
        generate = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(generate)
    finally:
        sys.path.remove(str(SCRIPT.parent))
        sys.modules.pop("operations", None)
    for path in generate.PATHS.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((root / path).read_text(encoding="utf-8"), encoding="utf-8")
    generate.ROOT = tmp_path
    return generate, tmp_path


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("fastnn/kernels.pxd", "    LEAKY_RELU", "    LEAKY"),
        ("fastnn/kernels.pyi", "HUBER = 7", "HUBER = 8"),
        ("src/ops/activation.pxi", "forward_span(SILU,", "forward_span(GELU,"),
        ("src/ops/loss.pxi", "loss == HUBER or", "loss == POISSON or"),
        ("src/ops/update.pxi", "update_span(NADAM, 2", "update_span(NADAM, 3"),
        ("fastnn/losses/__init__.py", "    MSE,\n    MAE,\n    Huber", "    MSE,\n    Huber"),
        ("fastnn/initializers.py", '    "gelu": he_normal', '    "gelu": glorot_normal'),
        ("fastnn/optimizers/__init__.py", "Dozat, 2016", "Dozat, 2017"),
        ("fastnn/mlp.py", "softplus, gelu", "gelu"),
        ("docs/features.md", "Adagrad, Adadelta", "Adadelta"),
    ],
)
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
    text = (root / "src/ops/update.pxi").read_text(encoding="utf-8")
    (root / "src/ops/update.pxi").write_text(
        text.replace("# generated: rules", "# rules"), encoding="utf-8"
    )
    with pytest.raises(
        ValueError, match=r"update\.pxi: expected one '# generated: rules', found 0"
    ):
        generate.main(check=True)


def test_enum_values_are_consecutive(tree):
    generate, _ = tree
    generate.ENUMS["Rule"]["LION_KING"] = (100, "")
    with pytest.raises(ValueError, match="numbers of enum Rule must be 0, 1, 2"):
        generate.main(check=True)
