"""What a command imports: most of the time of `fastnn predict` for one row."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_models import models_folder

models = pytest.fixture(models_folder, scope="module")
#: Run commands one after the other. Print their exit codes, and what they have imported.
CODE = """
import sys
from fastnn import cli
codes = [cli.main(arguments.split()) for arguments in sys.argv[1:]]
print(codes, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr, sep=";")
"""


def run(folder, *commands):
    """Return the exit codes of commands in one process, and the packages that they import."""
    result = subprocess.run(
        [sys.executable, "-c", CODE, *commands],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    codes, *packages = result.stderr.splitlines()[-1].split(";")
    return json.loads(codes), set(packages)


def test_help_and_errors_about_files_import_no_large_package(models):
    codes, packages = run(
        models,
        "",
        "info",
        "predict b.safetensors nothing.csv",
        "predict nothing.safetensors new.csv",
        "train nothing.csv --target a --out m.safetensors",
    )
    assert codes == [0, 0, 2, 2, 2]
    assert not {"sklearn", "scipy", "pandas", "pyarrow", "rich", "matplotlib"} & packages


def test_predictions_need_no_scikit_learn(models):
    codes, packages = run(
        models,
        "predict b.safetensors new.csv --proba",
        "predict n.safetensors new.csv --interval 0.8",
    )
    assert codes == [0, 0]
    assert not {"sklearn", "scipy"} & packages and "pyarrow" in packages


def test_training_loads_nothing_for_pages(models):
    state = '{"step":5,"settings":[[0,{}]]}'
    codes, packages = run(
        models,
        "train table.csv --target n --drop b,c --folds 2 --time-limit 1 --out t.safetensors",
        f"play --state {state} --out p.safetensors",
    )
    assert codes == [0, 0] and not {"jinja2", "starlette", "uvicorn"} & packages


def test_info_looks_at_times_without_scikit_learn(models):
    rows = "".join(f"{1700 + i},{i % 7},{i}\n" for i in range(220))
    Path(models, "years.csv").write_text(f"year,a,y\n{rows}", encoding="utf-8")
    codes, packages = run(models, "info years.csv --target y")
    assert codes == [0] and not {"sklearn", "scipy"} & packages
