"""fastnn train: which rows. --time, --group, --weight and --test-size; Parquet files and folders that are
read in parts; and sources as they are: folders, databases, other files."""

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_same_bits
from cli_cases import FAST, each_row, write_csv
from cli_models import interrupt_after, pa, pq, report_of, write_people

import fastnn
from fastnn.cli import column_roles, scores, text_report
from fastnn.cli.console import print_note
from fastnn.cli.record import TrainingRecord, read_json, read_setup
from fastnn.cli.scores import Evaluation
from fastnn.cli.train_options import TrainOptions
from fastnn.tables import arrow_files, read
from fastnn.tabular import stored_model
from fastnn.tabular.large import large_table

pytestmark = pytest.mark.usefixtures("quick_recipe")
N = 120
DAY = np.arange(N) // 4  # 30 days of four rows
rng = np.random.default_rng(3)
X = rng.normal(size=N)
DAYS = [f"2026-01-{d + 1:02}" for d in DAY]
SITE = [f"s{i % 6}" for i in range(N)]
COLUMNS = dict(day=DAYS, x=X, site=SITE, w=rng.integers(0, 3, N), y=X + DAY / 10)
OPTIONS = ("--target", "y", "--out", "m", "--folds", "3", "--hidden", "4", "--threads", "1")
ALL = ("--time", "day", "--group", "site", "--weight", "w")


@pytest.fixture
def days(run, quick_recipe):
    """t.csv, in which the target grows with the time."""
    write_csv("t.csv", **COLUMNS)
    quick_recipe(4)


def test_the_screen_of_times_and_weights(run, days):
    code, out, errors = run("train", "t.csv", *OPTIONS, "--time", "day", "--weight", "w")
    assert errors.splitlines()[-1].startswith("training on all rows  held-out R2 ")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert "split each fold is trained on the rows before those that it scores: 4 blocks of" in text
    assert "of 'day' from 2026-01-01 to 2026-01-30" in text
    assert "left out w: --weight" in text and "dates day" in text
    scored = int(np.isfinite(fastnn.load("m").oof_score_)) and text.count(" held out, weighted")
    assert scored == 1 and "out of fold" not in text
    text = " ".join(run.output("info", "m").split())
    assert "4 blocks of 'day' from 2026-01-01" in text and "--time day" in text
    write_csv("inputs.csv", day=DAYS, x=X, site=SITE)
    assert run.output("predict", "m", "inputs.csv") == run.output("predict", "m", "t.csv")


def test_the_record_and_the_scores(run, days):
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


def test_the_last_block_stands_beside_the_others(run, days):
    """The first two thirds hold noise; later rows follow x."""
    write_csv("t.csv", **COLUMNS | {"y": 3 * X + 5 * np.where(DAY < 20, rng.normal(size=N), 0)})
    code, out, _ = run("train", "t.csv", *OPTIONS, "--time", "day", "--report", "r.html")
    text = " ".join(out.split())
    assert code == 0 and "last block, 32 rows model baseline R2" in text
    record = json.loads(fastnn.load("m").metadata_["training"])
    last = record["last_block"]
    assert last["scores"]["rows"] == 32 and last["scores"]["baseline"]["r2"] == 0
    assert record["scores"]["rows"] > 32 and last["metric"] == "r2"
    assert " than the earlier ones by more than chance" in text or "no more than chance" in text
    assert "last block" in " ".join(run("info", "m")[1].split())
    assert "model, last block" in Path("r.html").read_text(encoding="utf-8")
    assert report_of(run, "t.csv", *OPTIONS)["last_block"] is None
    assert report_of(run, "t.csv", *OPTIONS, "--time", "day", "--folds", "1")["last_block"] is None


@pytest.mark.parametrize(("late", "expected"), [(0.3, True), (3, False), (0.32, None)])
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


def test_a_last_block_without_a_score_is_not_compared():
    block, y = np.repeat([0, 1], [30, 10]), np.append(np.arange(30.0), np.ones(10))
    model = SimpleNamespace(metric="auto", is_classifier=False, targets_=None)
    rows = SimpleNamespace(roles=column_roles.RowRoles({}))
    found = scores.compare_last_block(Evaluation(model, np.arange(40), y, y + 1, block=block), rows)
    assert (found.scores.values["r2"], found.is_better) == (None, None)
    assert found.earlier == pytest.approx(1 - 1 / np.var(np.arange(30)))


def split(*, test_size, times=None, groups=None, is_number=True, labels=None):
    target = SimpleNamespace(rows=np.arange(N), is_number=is_number)
    target.classes = lambda: np.unique(labels, return_inverse=True)
    roles = column_roles.RowRoles({}, times, groups)
    return column_roles.split_off_test(roles, target, print_note, TrainOptions(test_size=test_size))


def test_the_test_has_the_last_time_values_or_random_rows():
    train, test = split(test_size=0.2, times=DAY)
    assert DAY[train].max() < DAY[test].min() and len(test) == 24
    train, test = split(test_size=0.01, times=DAY)  # whole days
    assert len(test) == 4
    train, test = split(test_size=0.99, times=DAY)
    assert set(DAY[train]) == {0, 1} and len(train) + len(test) == N  # two to train on
    train, test = split(test_size=0.001)
    assert len(test) == 1 and len(train) == N - 1
    rare = np.arange(N) % 4 == 0
    train, test = split(test_size=0.2, is_number=False, labels=rare)
    assert (len(test), rare[test].sum()) == (24, 6) and (np.diff(test) > 0).all()
    train, test = split(test_size=0.2, is_number=False, labels=np.arange(N) == 7)
    assert len(test) in (23, 24) and 7 in train  # the only row of a class


def test_the_test_has_whole_groups_and_no_class_or_group_that_is_new(capsys):
    groups = np.arange(N) % 6
    train, test = split(test_size=0.3, groups=groups)
    assert len(test) == 40 and not set(groups[train]) & set(groups[test])
    assert len(train) + len(test) == N and capsys.readouterr().err == ""
    train, test = split(test_size=0.2, times=DAY, groups=groups)
    assert DAY[train].max() < DAY[test].min() and not set(groups[train]) & set(groups[test])
    left_out = N - len(train) - len(test)
    assert f"{left_out} of 120 rows are neither trained on nor tested" in capsys.readouterr().err
    # all groups of the test are new
    train, test = split(test_size=0.2, times=DAY, groups=np.where(DAY >= 24, 6 + groups, groups))
    assert len(test) == 24 and len(train) == 96
    labels = np.where(DAY == 29, "c", np.where(groups > 2, "a", "b"))
    train, test = split(test_size=0.2, times=DAY, is_number=False, labels=labels)
    assert len(test) == 20 and "4 rows of the test left out" in capsys.readouterr().err
    train, test = split(test_size=0.2, times=DAY, is_number=False, labels=groups > 2)
    assert len(test) == 24 and len(train) == 96 and capsys.readouterr().err == ""
    train, test = split(test_size=0.2, times=np.arange(N) % 3)  # three time values are enough
    assert len(test) == 40 and set(test % 3) == {2}


def test_rows_without_a_time_or_a_group(run, days):
    """They are not scored, and with --test-size they are in neither part."""
    write_csv("t.csv", **COLUMNS | {"day": ["soon", "", *DAYS[2:]], "site": ["", "", *SITE[2:]]})
    for option, column in (("--time", "day"), ("--group", "site")):
        code, _, errors = run("train", "t.csv", *OPTIONS, option, column)
        assert code == 0 and errors.count("note: 2 rows left out of") == 1
        assert f"{option} {column} is missing" in errors
        report = report_of(run, "t.csv", *OPTIONS, option, column, "--test-size", "0.3")
        assert report["rows"] == N - 2
        start = f"2 of 120 rows are neither trained on nor tested: {option}"
        assert any(note.startswith(start) for note in report["notes"])
        assert not any("left out of" in note for note in report["notes"])


def test_resume(run, days, monkeypatch):
    assert run("train", "t.csv", *OPTIONS, *ALL, "--quiet")[0] == 0
    whole = fastnn.load("m")
    interrupt_after(monkeypatch, 1)
    code, _, errors = run("train", "t.csv", *OPTIONS, *ALL)
    assert code == 130 and "Interrupted: m holds " in errors
    for options in (), ("--time", "day", "--group", "site"), ("--time", "x", "--weight", "w"):
        errors = run.error("train", "t.csv", *OPTIONS, *options, "--resume")
        assert "--resume continues a fit with the same rows" in errors
    assert run("train", "t.csv", *OPTIONS, *ALL, "--resume")[0] == 0
    inputs = pa.table(COLUMNS)
    assert_same_bits(fastnn.load("m").predict(inputs), whole.predict(inputs))


def test_a_config_and_parquet_in_parts(run, days):
    toml = 'target = "y"\nout = "m"\nfolds = 2\ntime = "day"\ngroup = "site"\nweight = "w"\n'
    Path("options.toml").write_text(toml)
    pq.write_table(pa.table(COLUMNS), "t.parquet", row_group_size=20)
    for more in ((), ("--window", "50"), ("--window", "50", "--test-size", "0.3")):
        report = report_of(run, "t.parquet", "--config", "options.toml", "--hidden", "4", *more)
        assert report["left_out"] == {"site": "--group", "w": "--weight"}
        assert "3 blocks of 'day' from 2026-01-01" in report["split"]
        assert ("--window" in more) == bool(report["sample"])
    assert report["test_rows"] > 0 and report["test_scores"]["r2"] is not None


def test_tune_chooses_on_later_rows(run, days):
    options = ("--target", "y", "--out", "m", "--folds", "1", "--time", "day", "--tune")
    report = report_of(run, "t.csv", *options)
    assert report["tuning"]["tried"]
    assert report["split"].startswith("the fold is trained on the rows")


@each_row("""
    options | message
    --time week | --time: t.csv has no column 'week'.
    --group y | --group names the target 'y'. Name another column.
    --weight w --drop w | column 'w' is in both --weight and --drop. --weight leaves it out
    --weight w --group w | column 'w' is in both --group and --weight. Name it once.
    --weight x | in line 2, but weights must be at least 0. Correct the value.
    --time day --test-size 0.9 --group site | --test-size 0.9 leaves
""")
def test_wrong_roles_of_columns(run, days, options, message):
    write_csv("t.csv", **COLUMNS | {"x": -np.abs(X) - 1})
    assert message in run.error("train", "t.csv", *OPTIONS, *options.split()).splitlines()[-1]


def test_the_time_may_be_left_out_of_the_inputs(run, days):
    report = report_of(run, "t.csv", *OPTIONS, "--time", "day", "--drop", "day")
    assert report["left_out"]["day"] == "--drop" and "blocks of 'day'" in report["split"]


# ---- Parquet files that are read in parts ----

N_PEOPLE = 600
BUYS = ("--target", "buys", "--drop", "group,income", "--out", "m.safetensors")
QUICK = (*BUYS, *FAST)


@pytest.fixture
def people(run, monkeypatch):
    """people.parquet, and the folder `people` with the same rows in three files. Parts have 50 rows."""
    write_people(n=N_PEOPLE)
    write_parquet(read("people.csv"))
    monkeypatch.setattr(arrow_files, "TRAINING_VALUES", 50 * 7)


def write_parquet(table, **changed):
    """Write both, with other values in some columns."""
    for name, values in changed.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))

    pq.write_table(table, "people.parquet")
    Path("people").mkdir(exist_ok=True)
    for i in range(3):
        pq.write_table(table.slice(i * 210, 210), f"people/{i}.parquet")


def test_a_note_is_printed_once(run, people):
    """A small Parquet file is opened for its size, and then read as a whole."""
    table = read("people.csv").append_column("__index_level_0__", pa.array(range(N_PEOPLE)))
    index = {"index_columns": ["__index_level_0__"], "columns": [], "column_indexes": []}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(index)}), "i.parquet")
    assert run.notes("train", "i.parquet", *QUICK).count("'__index_level_0__' left out") == 1


def read_parameters():
    """The bytes of the parameters of all networks of the model."""
    return [net.params.tobytes() for net in fastnn.load("m.safetensors").model_.networks()]


def without_time(report):
    return {k: v for k, v in report.items() if k not in ("seconds", "created", "command", "data")}


@pytest.mark.parametrize("data", ["people", "people.parquet"])
@pytest.mark.parametrize("window", [[], ["--window", "600"]])
def test_one_window_gives_the_model_of_the_table_in_memory(run, people, data, window, quick_recipe):
    options = (*BUYS, "--folds", "2", "--test-size", "0.2")
    expected = report_of(run, "people.csv", *options)
    parameters = read_parameters()
    assert without_time(report_of(run, data, *options, *window)) == without_time(expected)
    assert read_parameters() == parameters


@pytest.mark.spread(1)
@pytest.mark.parametrize("target", ["buys", "group", "income"])
@pytest.mark.parametrize("data", ["people", "people.parquet"])
def test_a_large_table_is_learned(run, people, data, target, quick_recipe):
    others = ",".join({"buys", "group", "income"} - {target})
    options = ["--target", target, "--drop", others, "--out", "m", "--folds", "2"]
    quick_recipe(60)
    report = report_of(run, data, *options, "--window", "400", "--test-size", "0.2")
    assert report["rows"] == N_PEOPLE
    assert report["test_rows"] == 120 == report["test_scores"]["rows"]
    assert 300 <= report["scores"]["rows"] <= 400
    assert report["sample"].startswith(f"{report['scores']['rows']} rows in memory decide about")
    scores = report["test_scores"]
    assert scores["r2"] > 0.8 if target == "income" else scores["accuracy"] > 0.85
    assert report["left_out"]["planet"] == "all values are equal"
    assert len(run.output("predict", "m", data).splitlines()) == N_PEOPLE + 1
    assert fastnn.load("m").model_.target_name == target


def test_the_screen_of_parts(run, people):
    out = run.output("train", "people", *QUICK, "--window", "300", "--report", "r.html")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0] == "people: 600 rows, 6 columns"
    assert lines[2].startswith("sample      2") and "decide about the columns" in lines[2]
    assert "rows in memory decide" in Path("r.html").read_text()


def test_rows_of_label_issues_are_those_of_the_file(run, people, quick_recipe):
    quick_recipe(60)
    table = read("people.csv")
    buys = table["buys"].to_pylist()
    sample = large_table.sample_numbers(N_PEOPLE, 500)
    is_young = [(age or 99) < 30 for age in table["age"].to_pylist()]
    row = int(next(i for i in sample[50:] if buys[i] == "no" and is_young[i]))
    buys[row] = "yes"
    write_parquet(table, buys=buys)
    options = ["--folds", "2", "--hidden", "16"]
    issue = report_of(run, "people", *QUICK, "--window", "500", *options)["label_issues"][0]
    assert issue["row"] == row and issue["place"] == f"row {row + 1}"
    assert issue["file"] == f"people/{row // 210}.parquet"
    assert issue["place_in_file"] == f"row {row % 210 + 1}"


def test_missing_targets_are_left_out(run, people):
    table = read("people.csv")
    buys = [None if i % 7 == 0 else value for i, value in enumerate(table["buys"].to_pylist())]
    write_parquet(table, buys=buys)
    errors = run.error("train", "people", *QUICK, "--window", "300")
    assert "people/0.parquet, row 1: the target 'buys' is missing (in 86 rows)" in errors
    report = report_of(run, "people", *QUICK, "--window", "300", "--skip-missing-target")
    assert report["rows"] == N_PEOPLE - 86


def test_a_text_among_numbers_is_missing(run, people):
    table = read("people.csv")
    age = [str(a or "") for a in table["age"].to_pylist()]
    row = int(np.setdiff1d(np.arange(450, N_PEOPLE), large_table.sample_numbers(N_PEOPLE, 100))[-1])
    age[row] = "unknown age"
    write_parquet(table, age=age)
    code, _, errors = run("train", "people", *QUICK, "--window", "100", "--folds", "2")
    assert code == 0 and errors.count("column 'age'") == 1
    note = f"column 'age': 1 of {sum(map(bool, age))} values are not numbers ('unknown age')"
    assert f"note: {note} and count as missing. Pass --category age to keep them" in errors


def test_a_wrong_value_of_the_sample_is_located(run, people):
    age = ["1"] * N_PEOPLE
    age[large_table.sample_numbers(N_PEOPLE, 100)[-1]] = "unknown age"
    write_parquet(read("people.csv"), age=age)
    arguments = ("train", "people.parquet", *QUICK, "--date", "age", "--window", "100")
    assert "--date names the column 'age', which holds '1'" in run.error(*arguments)


@pytest.mark.slow("test_tune_chooses_by_the_metric")
def test_tune_in_parts(run, people, quick_recipe):
    words = "people --target income --out m --window 300 --tune --folds 2 --time-limit 1000"
    assert len(report_of(run, *words.split())["tuning"]["tried"]) in (7, 8)


def test_interrupted_and_resumed(run, people, interrupt_after_a_fold, quick_recipe):
    options = ("people", *BUYS, "--window", "300", "--folds", "3")
    whole = report_of(run, *options)
    parameters = read_parameters()
    interrupt_after_a_fold()
    code, out, _ = run("train", *options, "--json")
    assert code == 130 and json.loads(out)["folds"] == 1
    assert report_of(run, *options, "--resume")["scores"] == whole["scores"]
    assert read_parameters() == parameters


@each_row("""
    data | window | message
    people.csv | 300 | people.csv: --window is for Parquet files. Leave it out, or convert
    people | 3 | people: --window 3 puts 3 rows in memory, but 5 folds need at least 20. Pass a l
    people | 1 | argument --window
    nothing.parquet | 300 | nothing.parquet:
    people | 300 --baselines | --baselines needs all rows in memory,
""")
def test_wrong_windows(run, people, data, window, message):
    code, _, errors = run("train", data, *BUYS, *f"--hidden 8 --folds 5 --window {window}".split())
    assert code == 2 and errors.startswith(f"fastnn train: {message}") and "Traceback" not in errors


def test_an_empty_folder(run):
    Path("empty").mkdir()
    code, _, errors = run("train", "empty", *QUICK)
    assert code == 2 and errors.startswith("fastnn train: empty: is a folder without tables.")


# ---- other sources ----

Y_TO_M = ("--target", "y", "--out", "m", *FAST)
RNG = np.random.default_rng(0)
HALF = 60
CITY_X = RNG.normal(size=2 * HALF).round(3)
CITY = RNG.choice(["Rom", "Bonn"], 2 * HALF)
Y = np.where(CITY_X + (CITY == "Rom") > 0, "yes", "no")


def text(rows, header="x,city,y\n"):
    return header + "".join(f"{CITY_X[i]},{CITY[i]},{Y[i]}\n" for i in rows)


def columns(rows):
    return {"x": CITY_X[rows], "city": CITY[rows].tolist(), "y": Y[rows].tolist()}


def write_sources():
    """Write the same rows in several ways. Return the names."""
    first, second = np.arange(HALF), np.arange(HALF, 2 * HALF)
    Path("d").mkdir()
    Path("d/a.csv").write_text(text(first))
    Path("d/b.csv.gz").write_bytes(gzip.compress(text(second).encode()))
    for city in ("Rom", "Bonn"):
        Path(f"h/city={city}").mkdir(parents=True)
        rows = np.flatnonzero(CITY == city)
        table = pa.table({"x": CITY_X[rows], "y": Y[rows].tolist()})
        pq.write_table(table, f"h/city={city}/a.parquet")
    Path("p").mkdir()
    for name, rows in (("a", first), ("b", second)):
        pq.write_table(pa.table(columns(rows)), f"p/{name}.parquet")
    with closing(sqlite3.connect("t.db")) as connection:
        connection.execute("CREATE TABLE t(x, city, y)")
        rows = zip(CITY_X.tolist(), CITY.tolist(), Y.tolist())
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
    rows = pa.table(columns(np.arange(2 * HALF))).to_pylist()
    Path("t.json").write_text(json.dumps({"meta": {}, "data": rows}))
    Path("t.csv").write_text(text(range(2 * HALF)))
    return ["d", "p", "t.db", "t.json", "t.csv"]


@pytest.mark.filterwarnings("ignore:t.json")
def test_each_source_gives_the_same_model_and_predictions(run):
    sources = write_sources()
    outputs = []
    for i, source in enumerate(sources):
        same = ["--folds", "1", "--hidden", "4"]  # without a time limit
        run.ok("train", source, "--target", "y", "--out", f"{i}.safetensors", *same)
        outputs += [run.output("predict", f"{i}.safetensors", x, "--proba") for x in sources]
    assert outputs[-1].count("\n") == 2 * HALF + 1 and len({*outputs}) == 1
    model = stored_model.load("0.safetensors")
    P = model.predict_proba("d")
    assert P.shape == (2 * HALF, 2)
    assert all((P == model.predict_proba(s)).all() for s in sources[1:])


def test_partitions_of_hive(run, monkeypatch):
    write_sources()
    assert run("train", "h", *Y_TO_M)[0] == 0
    record = TrainingRecord.from_json(read_json(stored_model.load("m")))
    assert record.model.kinds == {"x": "number", "city": "category"}
    run.ok("train", "h", "--target", "y", "--out", "s", *FAST, "--window", "40")
    assert read_setup(stored_model.load("s")).sample
    assert run("predict", "m", "h")[1].count("\n") == 2 * HALF + 1
    assert run("predict", "s", "h", "--keep", "city")[1].count("\n") == 2 * HALF + 1
    out = run.output("predict", "s", "h", "--keep", "city,x")
    assert [line.split(",")[0] for line in out.split()[1:]] == sorted(CITY)


@pytest.mark.filterwarnings("ignore:t.json")
@pytest.mark.usefixtures("quick_recipe")
def test_paths_in_python(run):
    found = []
    for source in [*write_sources(), "h"]:
        clf = fastnn.TabularClassifier(2, hidden_layer_sizes=4, random_state=0, n_threads=1)
        found.append(clf.fit(source, "y").predict_proba(source))
    assert all((P == found[0]).all() for P in found[:-1])  # the rows of h have another order
    assert read("h").num_rows == 2 * HALF


def test_the_query_is_that_of_the_training(run):
    write_sources()
    sql = "SELECT * FROM t WHERE x > -0.5"
    with closing(sqlite3.connect("t.db")) as connection:
        connection.execute("CREATE TABLE other(a)")
        connection.commit()
    errors = run.error("train", "t.db", *Y_TO_M)
    assert "contains 2 tables: 'other', 't'. Pass --sql 'SELECT * FROM other'." in errors
    Path("c.toml").write_text(f'sql = "{sql}"\ntarget = "y"\n')
    run.ok("train", "t.db", "--config", "c.toml", "--out", "m", *FAST)
    setup = read_setup(stored_model.load("m"))
    assert setup.reading == {"sql": sql} and f"--sql '{sql}'" in setup.command
    code, out, errors = run("predict", "m", "t.db")
    assert code == 0 and out.count("\n") == (CITY_X > -0.5).sum() + 1
    assert f"note: t.db is read like the training table: --sql '{sql}'" in errors
    code, out, errors = run("predict", "m", "t.csv")  # which has no queries
    assert code == 0 and out.count("\n") == 2 * HALF + 1 and "--sql" not in errors
    errors = run.error("predict", "m", "t.csv", "--sql", sql)
    assert "is not an SQLite or DuckDB file, so --sql cannot be used" in errors


def test_long_lines_are_skipped_by_predict_too(run):
    write_sources()
    wrong = "1,Rom,yes,x\n2,Rom\n"
    Path("t.csv").write_text(text(range(HALF)) + wrong + text(range(HALF, 2 * HALF), ""))
    code, _, errors = run("train", "t.csv", *Y_TO_M)
    assert code == 2 and f"t.csv, line {HALF + 2}: has 4 values" in errors
    assert "--skip-bad-lines leaves such lines out." in errors
    Path("c.toml").write_text("skip-bad-lines = true\nskip-missing-target = true\n")
    errors = run.notes("train", "t.csv", "--config", "c.toml", *Y_TO_M)
    assert f"line {HALF + 2}: has 4 values for 3 columns. It was left out." in errors
    code, out, errors = run("predict", "m", "t.csv")
    assert code == 0 and out.count("\n") == 2 * HALF + 2
    assert "is read like the training table: --skip-bad-lines" in errors


def test_errors_name_the_file_of_a_folder(run):
    write_sources()
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\n\n2,Rom,\n")
    assert "d/c.csv, line 4: the target 'y' is missing" in run.error("train", "d", *Y_TO_M)
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\n")
    assert run("train", "d", "--target", "x", "--out", "m", *FAST)[0] == 0
    assert run("train", "d", *Y_TO_M)[0] == 0
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\ninf,Rom,yes\n")
    code, _, errors = run("predict", "m", "d")
    assert code == 2 and "d/c.csv: " in errors and "line 3" in errors


def test_output_never_replaces_a_file_of_the_folder(run):
    write_sources()
    assert run("train", "d", *Y_TO_M)[0] == 0
    assert "d/a.csv" in run.error("predict", "m", "d", "--out", "d/a.csv")
    assert Path("d/a.csv").read_text() == text(range(HALF))


def test_the_encoding_that_was_guessed_is_tried_first(run):
    """A few bytes of a table to predict do not tell theirs."""
    pytest.importorskip("charset_normalizer", reason="the extra cli is not installed")
    cities = np.where(CITY == "Rom", "東京", "大阪")
    rows = [f"{x},{city},{y}" for x, city, y in zip(CITY_X, cities, Y)]
    Path("t.csv").write_text("\n".join(["x,city,y", *rows]), "cp932")
    code, _, errors = run("train", "t.csv", *Y_TO_M)
    assert code == 0 and "read as Shift-JIS (cp932), such as '" in errors
    assert read_setup(stored_model.load("m")).reading == {"guessed_encoding": "cp932"}
    for encoding in ("cp932", "utf-8"):
        Path("new.csv").write_text("x,city\n1,大阪\n", encoding)
        code, _, errors = run("predict", "m", "new.csv")
        assert code == 0 and "unknown" not in errors, errors
        assert ("Shift-JIS" in errors) == (encoding == "cp932")
