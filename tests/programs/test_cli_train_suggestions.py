"""fastnn train suggests --group and --time where random folds promise too much."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import write_csv

OPTIONS = ("--target", "y", "--out", "m.safetensors", "--folds", "2", "--hidden", "2")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def short_training(quick_recipe):
    """Warnings about the table do not depend on the networks."""


def warnings_of(run, *arguments):
    code, out, errors = run("train", "t.csv", *OPTIONS, "--json", *arguments)
    assert code == 0, errors
    return {
        (issue["kind"], issue["column"]): issue["text"] for issue in json.loads(out)["data_checks"]
    }


def info_of(run):
    code, out, errors = run("info", "t.csv", "--target", "y", "--json")
    assert code == 0, errors
    return {
        (issue["kind"], issue["column"]): issue["text"] for issue in json.loads(out)["data_checks"]
    }


def test_groups(run):
    who = np.repeat(np.arange(50), 6)
    write_csv(
        "t.csv",
        patient=[f"p{i}" for i in who],
        x=RNG.normal(size=300),
        y=RNG.normal(size=50)[who] + 0.1 * RNG.normal(size=300),
    )
    found = warnings_of(run)
    assert list(found) == [("group", "patient")]
    assert info_of(run) == found
    assert found["group", "patient"].endswith("the scores are too good. Pass --group patient.")
    assert warnings_of(run, "--group", "patient") == {}


def test_times(run):
    days = np.datetime64("2026-01-01") + np.arange(300)
    write_csv(
        "t.csv",
        **{"the day": days, "x": RNG.normal(size=300), "y": np.sin(np.arange(300) / 30)},
    )
    found = warnings_of(run)
    assert list(found) == [("time", "the day")]
    assert info_of(run) == found
    assert found["time", "the day"].endswith("Pass --time 'the day'.")
    assert warnings_of(run, "--time", "the day") == {}


def test_columns_to_drop(run):
    x = RNG.normal(size=120).round(2)
    write_csv("t.csv", id=np.arange(120), x=x, copy=x, y=x + RNG.normal(size=120))
    found = warnings_of(run)
    assert found["id", "id"].endswith("Pass --drop id, unless it helps to predict new rows.")
    assert found["duplicate column", "copy"].endswith("one of them is enough. Pass --drop copy.")


def test_rows_of_other_groups_or_weights_are_no_copies(run):
    n = 300
    write_csv("t.csv", x=[0, 1, 2] * 100, y=[0.5, 1.5, 2.5, 3.5] * 75, who=range(n))
    assert ("duplicate rows", None) in warnings_of(run, "--drop", "who")
    for option in ("--group", "--weight"):
        assert ("duplicate rows", None) not in warnings_of(run, option, "who")
    write_csv("t.csv", x=[0, 1, 2] * 100, y=[0.5, 1.5, 2.5, 3.5] * 75, who=[1, 2, 3] * 100)
    assert ("duplicate rows", None) in warnings_of(run, "--group", "who")
