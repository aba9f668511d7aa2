"""What a command imports: most of the time of `fastnn predict` for one row."""

import json
from pathlib import Path

import processes
import pytest

#: Run commands one after the other. Print their exit codes, and what they have imported.
CODE = """
import sys
from fastnn import cli
codes = [cli.main(arguments.split()) for arguments in sys.argv[1:]]
print(codes, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr, sep=";")
"""


@pytest.fixture
def start(models):
    """start(*commands): the exit codes of commands in one process, and the packages that they import."""

    def start(*commands):
        codes, *packages = processes.run(CODE, *commands).stderr.splitlines()[-1].split(";")
        return json.loads(codes), set(packages)

    return start


def test_help_and_errors_about_files_import_no_large_package(start):
    wrong = ["predict b.safetensors nothing.csv", "predict nothing.safetensors new.csv"]
    wrong += ["train nothing.csv --target a --out m.safetensors"]
    codes, packages = start("", "info", *wrong)
    assert codes == [0, 0, 2, 2, 2]
    assert not {"sklearn", "scipy", "pandas", "pyarrow", "rich", "matplotlib"} & packages


def test_predictions_need_no_scikit_learn(start):
    options = "b.safetensors new.csv --proba", "n.safetensors new.csv --interval 0.8"
    codes, packages = start(*(f"predict {each}" for each in options))
    assert codes == [0, 0] and not {"sklearn", "scipy"} & packages and "pyarrow" in packages


def test_training_loads_nothing_for_pages(start):
    state = '{"step":5,"settings":[[0,{}]]}'
    codes, packages = start(
        "train table.csv --target n --drop b,c --folds 1 --hidden 2 --out t.safetensors",
        f"play --state {state} --out p.safetensors",
    )
    assert codes == [0, 0] and not {"jinja2", "starlette", "uvicorn"} & packages


def test_info_looks_at_times_without_scikit_learn(start):
    rows = "".join(f"{1700 + i},{i % 7},{i}\n" for i in range(220))
    Path("years.csv").write_text(f"year,a,y\n{rows}", encoding="utf-8")
    codes, packages = start("info years.csv --target y")
    assert codes == [0] and not {"sklearn", "scipy"} & packages
