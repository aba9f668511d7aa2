"""fastnn train: from a table to a model file."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import report_of, write_people

import fastnn
from fastnn import cli

FAST = ("--members", "1", "--hidden", "8", "--time-limit", "1")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*arguments) -> (exit code, standard output, standard error), in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main(list(arguments))
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("target", "task"), [("buys", "binary"), ("group", "classes"), ("income", "number")]
)
def test_a_mixed_table_is_learned(run, target, task):
    write_people()
    others = ",".join({"buys", "group", "income"} - {target})
    report = report_of(
        run, "people.csv", "--target", target, "--drop", others, "--out", "m", "--members", "2",
        "--hidden", "16",
    )  # fmt: skip
    assert report["task"] == task and report["members"] == 2
    assert report["kinds"] == {"age": "number", "city": "category"}
    assert report["left_out"]["planet"] == "all values are equal"
    assert {report["left_out"][name] for name in others.split(",")} == {"--drop"}
    scores, baseline = report["scores"], report["scores"]["baseline"]
    assert scores["rows"] == 300
    if task == "number":
        assert scores["r2"] > 0.8 and scores["rmse"] < baseline["rmse"] / 2
    else:
        assert scores["accuracy"] > 0.9 and scores["log_loss"] < baseline["log_loss"] / 2
    model = fastnn.load("m")
    assert json.loads(model.metadata_["training"])["scores"] == scores
    assert np.isfinite(model.feature_importances_).all()
