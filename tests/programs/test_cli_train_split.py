"""fastnn train: --time, --group and --weight, and what --test-size makes of them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import pyarrow as pa
import pyarrow.parquet as pq
from checks import assert_same_bits
from cli_cases import interrupt_after, report_of, write_csv

import fastnn
from fastnn.cli import column_roles, scores, text_report
from fastnn.cli.console import print_note
from fastnn.cli.scores import Evaluation
from fastnn.cli.train_options import TrainOptions

N = 120
DAY = np.arange(N) // 4  # 30 days of four rows
rng = np.random.default_rng(3)
X = rng.normal(size=N)
DAYS = [f"2026-01-{d + 1:02}" for d in DAY]
SITE = [f"s{i % 6}" for i in range(N)]
WEIGHT = rng.integers(0, 3, N)
COLUMNS = dict(day=DAYS, x=X, site=SITE, w=WEIGHT, y=X + DAY / 10)
OPTIONS = ("--target", "y", "--out", "m", "--folds", "3", "--hidden", "4", "--threads", "1")
ALL = ("--time", "day", "--group", "site", "--weight", "w")


@pytest.fixture(autouse=True)
def table(run, quick_recipe):
    write_csv("t.csv", **COLUMNS)
    quick_recipe(4)


def test_the_screen(run):
    code, out, errors = run("train", "t.csv", *OPTIONS, "--time", "day", "--weight", "w")
    assert errors.splitlines()[-1].startswith("training on all rows  held-out R2 ")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert (
        "split each fold is trained on the rows before those that it scores: 4 blocks of 'day' "
        "from 2026-01-01 to 2026-01-30"
    ) in text
    assert "left out w: --weight" in text and "dates day" in text
    scored = int(np.isfinite(fastnn.load("m").oof_score_)) and text.count(" held out, weighted")
    assert scored == 1 and "out of fold" not in text
    code, out, _ = run("info", "m")
    text = " ".join(out.split())
    assert code == 0 and "4 blocks of 'day' from 2026-01-01" in text and "--time day" in text
    code, out, _ = run("predict", "m", "t.csv")
    write_csv("inputs.csv", day=DAYS, x=X, site=SITE)
    assert code == 0 and run("predict", "m", "inputs.csv")[1] == out


def test_the_record_and_the_scores(run):
    report = report_of(run, "t.csv", *OPTIONS, *ALL, "--test-size", "0.2")
    assert (report["time"], report["group"], report["weight"]) == ("day", "site", "w")
    assert report["left_out"] == {"site": "--group", "w": "--weight"}
    assert report["split"].startswith("each fold is trained on the rows of other values of 'site'")
    model = fastnn.load("m")
    assert json.loads(model.metadata_["training"])["split"] == report["split"] == model.split_
    assert report["scores"]["r2"] == pytest.approx(model.oof_score_)
    assert 0 < report["scores"]["rows"] < report["rows"] - report["test_rows"]
    other = report_of(run, "t.csv", *OPTIONS, "--weight", "w")
    assert other["scores"]["rows"] == N and other["time"] is None
    assert other["scores"]["r2"] == pytest.approx(fastnn.load("m").oof_score_)
    assert other["split"] == "3 folds, drawn at random"


def test_the_last_block_stands_beside_the_others(run):
    """The first two thirds hold noise; later rows follow x."""
    noise = np.where(DAY < 20, rng.normal(size=N), 0) * 5
    write_csv("t.csv", **COLUMNS | {"y": 3 * X + noise})
    code, out, _ = run("train", "t.csv", *OPTIONS, "--time", "day", "--report", "r.html")
    text = " ".join(out.split())
    assert code == 0 and "last block, 32 rows model baseline R2" in text
    record = json.loads(fastnn.load("m").metadata_["training"])
    last = record["last_block"]
    assert last["scores"]["rows"] == 32 and last["scores"]["baseline"]["r2"] == 0
    assert record["scores"]["rows"] > 32 and last["metric"] == "r2"
    assert " than the earlier ones by more than chance" in text or "no more than chance" in text
    assert "last block" in " ".join(run("info", "m")[1].split())
    with open("r.html", encoding="utf-8") as file:
        assert "model, last block" in file.read()
    assert report_of(run, "t.csv", *OPTIONS)["last_block"] is None
    assert report_of(run, "t.csv", *OPTIONS, "--time", "day", "--folds", "1")["last_block"] is None


@pytest.mark.parametrize(("late", "expected"), [(0.01, True), (3, False), (0.5, None)])
def test_a_difference_beyond_chance_is_said(late, expected):
    """Errors of 0.5, and of other sizes in the last block."""
    n, random = 400, np.random.default_rng(0)
    block = np.repeat([0, 1], [300, 100])
    y = random.normal(size=n)
    P = y + random.normal(size=n) * np.where(block == 1, late, 0.5)
    model = SimpleNamespace(metric="auto", is_classifier=False, targets_=None)
    held_out = Evaluation(model, np.arange(n), y, P, block=block)
    found = scores.compare_last_block(held_out, SimpleNamespace(roles=column_roles.RowRoles({})))
    assert found.is_better is expected and found.scores.rows == 100
    text = text_report.describe_last_block(found)
    assert {True: "is better", False: "is worse", None: "no more than chance"}[expected] in text


def split(*, test_size, times=None, groups=None, is_number=True, labels=None):
    target = SimpleNamespace(
        rows=np.arange(N),
        is_number=is_number,
        classes=lambda: np.unique(labels, return_inverse=True),
    )
    roles = column_roles.RowRoles({}, times, groups)
    return column_roles.split_off_test(roles, target, print_note, TrainOptions(test_size=test_size))


def test_the_test_has_the_last_time_values_or_whole_groups(capsys):
    train, test = split(test_size=0.2, times=DAY)
    assert DAY[train].max() < DAY[test].min() and len(test) == 24
    train, test = split(test_size=0.01, times=DAY)  # whole days
    assert len(test) == 4
    groups = np.arange(N) % 6
    train, test = split(test_size=0.3, groups=groups)
    assert len(test) == 40 and not set(groups[train]) & set(groups[test])
    assert len(train) + len(test) == N and capsys.readouterr().err == ""
    train, test = split(test_size=0.2, times=DAY, groups=groups)
    assert DAY[train].max() < DAY[test].min() and not set(groups[train]) & set(groups[test])
    left_out = N - len(train) - len(test)
    assert f"{left_out} of 120 rows are neither trained on nor tested" in capsys.readouterr().err
    new = np.where(DAY >= 24, 6 + groups, groups)  # all groups of the test are new
    train, test = split(test_size=0.2, times=DAY, groups=new)
    assert len(test) == 24 and len(train) == 96
    labels = np.where(DAY == 29, "c", np.where(groups > 2, "a", "b"))
    train, test = split(test_size=0.2, times=DAY, is_number=False, labels=labels)
    assert len(test) == 20 and "4 rows of the test left out" in capsys.readouterr().err


def test_rows_without_a_time_or_a_group(run):
    """They are not scored, and with --test-size they are in neither part."""
    gaps = {
        "day": [*("soon", ""), *map(str, DAYS[2:])],
        "site": ["", "", *SITE[2:]],
    }
    write_csv("t.csv", **COLUMNS | gaps)
    for option, column in (("--time", "day"), ("--group", "site")):
        code, _, errors = run("train", "t.csv", *OPTIONS, option, column)
        assert code == 0 and errors.count("note: 2 rows left out of") == 1
        assert f"{option} {column} is missing" in errors
        report = report_of(run, "t.csv", *OPTIONS, option, column, "--test-size", "0.3")
        assert report["rows"] == N - 2
        assert any(
            note.startswith("2 of 120 rows are neither trained on nor tested: " + option)
            for note in report["notes"]
        )
        assert not any("left out of" in note for note in report["notes"])


def test_resume(run, monkeypatch, quick_recipe):
    assert run("train", "t.csv", *OPTIONS, *ALL, "--quiet")[0] == 0
    whole = fastnn.load("m")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        code, _, errors = run("train", "t.csv", *OPTIONS, *ALL)
    assert code == 130 and "Interrupted: m holds " in errors
    other = OPTIONS, ("--time", "day", "--group", "site"), ("--time", "x", "--weight", "w")
    for options in other:
        code, _, errors = run("train", "t.csv", *OPTIONS, *options, "--resume")
        assert code == 2 and "--resume continues a fit with the same rows" in errors
    assert run("train", "t.csv", *OPTIONS, *ALL, "--resume")[0] == 0
    inputs = pa.table(COLUMNS)
    assert_same_bits(fastnn.load("m").predict(inputs), whole.predict(inputs))


def test_a_config_and_parquet_in_parts(run):
    with open("options.toml", "w", encoding="utf-8") as file:
        file.write(
            'target = "y"\nout = "m"\nfolds = 2\ntime = "day"\ngroup = "site"\nweight = "w"\n'
        )
    pq.write_table(pa.table(COLUMNS), "t.parquet", row_group_size=20)
    for more in ((), ("--window", "50"), ("--window", "50", "--test-size", "0.3")):
        report = report_of(run, "t.parquet", "--config", "options.toml", "--hidden", "4", *more)
        assert report["left_out"] == {"site": "--group", "w": "--weight"}
        assert "3 blocks of 'day' from 2026-01-01" in report["split"]
        assert ("--window" in more) == bool(report["sample"])
    assert report["test_rows"] > 0 and report["test_scores"]["r2"] is not None


def test_tune_chooses_on_later_rows(run):
    options = ("--target", "y", "--out", "m", "--folds", "1", "--time", "day", "--tune")
    report = report_of(run, "t.csv", *options)
    assert report["tuning"]["tried"] and report["split"].startswith(
        "the fold is trained on the rows"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--time week", "--time: t.csv has no column 'week'. "),
        ("--group y", "--group names the target 'y'. Name another column."),
        (
            "--weight w --drop w",
            "column 'w' is in both --weight and --drop. --weight leaves it out",
        ),
        ("--weight w --group w", "column 'w' is in both --group and --weight. Name it once."),
        ("--weight x", "in line 2, but weights must be at least 0. Correct the value."),
        ("--time day --test-size 0.9 --group site", "--test-size 0.9 leaves "),
    ],
)
def test_errors(run, options, message):
    write_csv("t.csv", **COLUMNS | {"x": -np.abs(X) - 1})
    code, _, errors = run("train", "t.csv", *OPTIONS, *options.split())
    assert code == 2 and message in errors.splitlines()[-1]


def test_the_time_may_be_left_out_of_the_inputs(run):
    report = report_of(run, "t.csv", *OPTIONS, "--time", "day", "--drop", "day")
    assert report["left_out"]["day"] == "--drop" and "blocks of 'day'" in report["split"]
