"""fastnn compare: paired differences of the scores of models, and what it refuses."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cli_cases import each_row, write_csv
from cli_models import SMALL, pa, pq
from training_records import training_setup

from fastnn import TabularClassifier, TabularRegressor, load
from fastnn.losses import Quantile
from fastnn.tables import read


@pytest.fixture(scope="module")
def folder(folder):
    """With a worse model for two targets, and rows that no model has seen."""
    rng = np.random.default_rng(5)
    a, city = rng.normal(size=300), rng.choice(["Köln", "Rom"], 300)
    columns = dict(a=a, city=city, b=np.where(a + (city == "Rom") > 0, "yes", "no"))
    columns |= dict(n=1000 + 50 * a, who=np.arange(300) // 10, w=rng.random(300))
    write_csv(folder / "rows.csv", **columns)
    table = read(str(folder / "table.csv"), ["id"])
    for target, estimator in (("b", TabularClassifier), ("n", TabularRegressor)):
        X = table.select(["city", target])
        estimator(**SMALL).fit(X, target).save(folder / f"worse_{target}.safetensors")
    shutil.copy(folder / "b.safetensors", folder / "copy.safetensors")
    table = table.select(["a", "city", "c"])
    X, y = table.drop_columns(["c"]), table["c"].to_numpy()
    TabularClassifier(**SMALL).fit(X, y).save(folder / "array.safetensors")
    TabularRegressor(**SMALL).fit(table, "c").save(folder / "number.safetensors")
    for name, seed in (("q", 0), ("r", 1)):
        quantiles = TabularRegressor(**SMALL | {"random_state": seed}, loss=Quantile((0.25, 0.75)))
        quantiles.fit(read(str(folder / "rows.csv")).select(["a", "n"]), "n")
        quantiles.save(folder / f"{name}.safetensors")
    model = load(folder / "b.safetensors")
    read_otherwise = training_setup(target="b", reading={"comment": "0"})
    model.metadata_ = {"training": json.dumps(read_otherwise.to_json())}
    model.save(folder / "comment.safetensors")
    model.metadata_ = {"training": json.dumps(training_setup(target="b").to_json())}
    model.model_ = replace(model.model_, profile=None)  # of an older version
    model.save(folder / "old.safetensors")
    (folder / "none.csv").write_text("a,city,b\n1,Rom,maybe\n2,Rom,\n")
    (folder / "yes.csv").write_text("a,city,b\n1,Rom,yes\n2,Rom,yes\n")
    write_csv(folder / "bare.csv", a=a, n=1000 + 50 * a)
    return folder


@pytest.fixture
def compare(run, models):
    return lambda *arguments: run("compare", *arguments)


@pytest.mark.parametrize(("target", "metric"), [("b", "log_loss"), ("n", "rmse")])
def test_the_better_model_is_named(compare, run, target, metric):
    names = f"worse_{target}.safetensors", f"{target}.safetensors"
    out, err = run.ok("compare", *names, "--data", "rows.csv")
    assert f"{names[1]} is better than {names[0]}." in out and err == ""
    report = json.loads(compare(*names, "--data", "rows.csv", "--json")[1])
    best, worse = report["models"]
    assert (report["metric"], report["rows"], best["model"]) == (metric, 300, names[1])
    assert worse["is_worse"] and worse["difference"] > 2 * worse["difference_error"] > 0
    assert worse["difference"] == pytest.approx(worse["score"] - best["score"])
    assert worse["difference_error"] < worse["error"] + best["error"]


def test_equal_models_cannot_be_told_apart(compare):
    equal = "b.safetensors", "copy.safetensors", "--data", "rows.csv"
    out = compare(*equal, "--metric", "auc")[1]
    assert "b.safetensors and copy.safetensors cannot be told apart" in out
    report = json.loads(compare(*equal, "--json")[1])
    assert report["models"][1]["difference"] == report["models"][1]["difference_error"] == 0.0


def test_groups_and_weights(compare):
    names = ("worse_n.safetensors", "n.safetensors", "--data", "rows.csv", "--json")
    plain = json.loads(compare(*names)[1])
    grouped = json.loads(compare(*names, "--group", "who")[1])
    weighted = json.loads(compare(*names, "--weight", "w")[1])
    assert compare(*names[:-1], "--group", "who")[2] == ""  # nothing is noted
    assert grouped["models"][0]["score"] == plain["models"][0]["score"]
    assert grouped["models"][0]["error"] != plain["models"][0]["error"]
    assert weighted["models"][0]["score"] != plain["models"][0]["score"]
    code, _, err = compare(*names[:-1], "--group", "x")
    assert code == 2 and "--group: rows.csv has no column 'x'." in err


def test_groups_are_read_like_the_training_table(run, tmp_path):
    lines = [f"{i},{3 * i},{i % 4}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    (tmp_path / "new.csv").write_text("\n".join(lines[5:30]))
    options = ["--no-header", "--group", "column_3", "--folds", "2", "--hidden", "2", "--quiet"]
    for model, more in (("a.safetensors", []), ("b.safetensors", ["--na", "2"])):
        run("train", "t.csv", "--target", "column_2", "--out", model, *options, *more)
    for more in ([], ["--weight", "column_3"]):  # without missing weights, as a reads it
        code, out, errors = run("compare", "a.safetensors", "b.safetensors", "new.csv", *more)
        assert code == 0 and "new.csv: 25 rows" in out and "column_3" not in errors


def test_rows_of_the_training_are_noted(compare):
    shutil.copy("table.csv", "renamed.csv")
    _, _, err = compare("b.safetensors", "copy.safetensors", "--data", "renamed.csv")
    note = "b.safetensors was trained on all of these rows, so its score is too good"
    assert f"note: {note}" in err
    _, out, err = compare("b.safetensors", "copy.safetensors", "--data", "renamed.csv", "--json")
    assert err == "" and json.loads(out)["notes"] == [note, note.replace("b.", "copy.", 1)]
    known = read("table.csv").select(["a", "city", "b"])
    for n_known, about in (6, None), (7, "about 6 %"), (60, "about 50 %"):
        new = read("rows.csv").select(["a", "city", "b"]).slice(0, 120 - n_known)
        pq.write_table(pa.concat_tables([known.slice(0, n_known), new]), "some.parquet")
        errors = compare("b.safetensors", "copy.safetensors", "some.parquet")[2]
        assert (f"b.safetensors was trained on {about} of these rows" in errors) == bool(about)
    old = "old.safetensors", "copy.safetensors"
    note = "note: this seems to be the table that old.safetensors was trained on, so its score is"
    assert compare(*old, "table.csv")[2].startswith(note)
    assert "old" not in compare(*old, "renamed.csv")[2]
    assert compare("b.safetensors", "copy.safetensors", "--data", "rows.csv")[2] == ""


def test_models_of_quantiles_have_a_pinball_loss(compare):
    report = json.loads(compare("q.safetensors", "r.safetensors", "rows.csv", "--json")[1])
    table = read("rows.csv")
    for found in report["models"]:
        errors = table["n"].to_numpy()[:, None] - load(found["model"]).predict(table)
        loss = np.maximum([0.25, 0.75] * errors, [-0.75, -0.25] * errors).mean()
        assert found["score"] == pytest.approx(loss)
    assert report["metric"] == "pinball"


def test_the_metric_is_undefined_for_these_rows(compare, run):
    names = ("b.safetensors", "copy.safetensors", "yes.csv", "--metric", "auc")
    out = run.output("compare", *names)
    assert out.startswith("yes.csv: 2 rows with the target b\n\nmodel ")
    assert out.endswith("\n\nThe metric is undefined for these rows.\n")
    report = json.loads(compare(*names, "--json")[1])
    assert [model["score"] for model in report["models"]] == [None, None] and not report["pairs"]


def test_columns_of_the_training_that_the_table_lacks(compare):
    table = read("rows.csv").select(["a", "n", "who", "w"])
    roles = dict(groups="who", sample_weight="w")
    TabularRegressor(**SMALL).fit(table, "n", **roles).save("roles.safetensors")
    names = ("roles.safetensors", "roles.safetensors")
    report = json.loads(compare(*names, "rows.csv", "--json")[1])
    assert (report["group"], report["weight"]) == ("who", "w")
    code, out, err = compare(*names, "bare.csv", "--json")
    report = json.loads(out)
    assert (code, err, report["group"], report["weight"]) == (0, "", None, None)
    what = "bare.csv has no column {!r}, the {} of the training: rows count {}"
    roles = ("who", "group", "as independent"), ("w", "weight", "equally")
    assert report["notes"][-2:] == [what.format(*role) for role in roles]


@each_row("""
    names | more | message
    b n | | n.safetensors predicts 'n', but b.safetensors predicts 'b'
    b | | compare needs at least two models
    b copy | --metric rmse | --metric rmse cannot score classes
    b copy | --group b | --group names the target 'b'. Name another
    b copy | --weight b | --weight names the target 'b'. Name
    b copy | --weight ww | no column 'ww'. Its columns are a, city
    b nothing | | No such file
    c c | | rows.csv: has no column 'c', the target of the models.
    b array | | array.safetensors: does not know the name of its target. Train it on a table with a n
    number c | | c.safetensors predicts classes, but number.safetensors predicts numbers. Pass models
    n q | | q.safetensors predicts the quantiles 0.25, 0.75, but n.safetensors predicts numbers. Pass
    q r | --metric rmse | --metric rmse cannot score the quantiles 0.25, 0.75. Choose pinball.
    b copy | --data none.csv | none.csv: no row has a target that can be scored.
    b comment | | rows.csv: has 205 rows for comment.safetensors, but 300 for b.safetensors, which reads
    b copy | --weight a | rows.csv: --weight a holds -0.801931 in line 2, but weights must be at least 0. Co
""")
def test_what_cannot_be_compared(compare, names, more, message):
    models = [f"{name}.safetensors" for name in names.split()]
    code, out, err = compare(*models, "--data", "rows.csv", *more.split())
    assert (code, out) == (2, "") and message in err


def test_the_table_may_be_the_last_argument(compare):
    models = "b.safetensors", "copy.safetensors"
    by_option = compare(*models, "--data", "rows.csv", "--json")
    assert compare(*models, "rows.csv", "--json") == by_option
    for arguments in (models, ("rows.csv",)):
        code, out, err = compare(*arguments)
        assert (code, out) == (2, "")
        assert "fastnn compare a.safetensors b.safetensors new.csv" in err


def test_standard_input_is_refused(compare):
    code, _, err = compare("b.safetensors", "copy.safetensors", "--data", "-")
    assert code == 2 and "--data: standard input can be read only once" in err


def test_other_classes_are_refused(compare):
    table = read("table.csv", ["id"]).select(["a", "city", "n", "b"]).to_pandas()
    table["b"] = np.where(table["n"] > 1000, "yes", "maybe")
    TabularClassifier(**SMALL).fit(table, "b").save("other.safetensors")
    code, _, err = compare("b.safetensors", "other.safetensors", "--data", "rows.csv")
    message = "other.safetensors and b.safetensors predict other classes: only one of them has"
    advice = "Pass models of the same classes."
    assert (code, err) == (2, f"fastnn compare: {message} 'maybe', 'no'. {advice}\n")


def test_classes_that_are_numbers_in_one_model_and_texts_in_the_other(compare, rng):
    """They are sorted otherwise: 9 < 10, but "10" < "9"."""
    m = rng.integers(8, 12, 300)
    table = {"a": (m + rng.normal(0, 0.1, 300)).tolist(), "m": m.tolist()}
    write_csv("months.csv", **table)
    names = ["int.safetensors", "str.safetensors"]
    for kind, name in zip((int, str), names):
        TabularClassifier(**SMALL).fit(pd.DataFrame(table).astype({"m": kind}), "m").save(name)
    for order in (names, names[::-1]):
        report = json.loads(compare(*order, "--data", "months.csv", "--metric", "f1", "--json")[1])
        assert report["models"][0]["score"] == pytest.approx(report["models"][1]["score"], abs=0.05)
        assert report["models"][0]["score"] > 0.9
