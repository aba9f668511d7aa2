"""fastnn train --report: one page that describes a table, a model and its training."""

import html.parser
import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")
pytest.importorskip("matplotlib", reason="the extra plot is not installed")

from cli_cases import FAST, interrupt_after, write_csv, write_people
from picture_layout import checked_pictures

import fastnn
from fastnn.cli import text_report
from fastnn.cli.record import TrainingRecord

VOID = {"meta", "br", "link", "img", "input"}  # elements without an end
CODE = {"style", "svg"}  # their text is not that of the page


class Page(html.parser.HTMLParser):
    """A page whose elements are well nested.

    Attributes
    ----------
    tags : set of str
    ids, links : list of str
    attributes : list of (tag, name, value)
    tables : dict of list of list of str
        Rows of cells, by caption.
    text : str
    """

    def __init__(self, path):
        super().__init__()
        self.tags, self.ids, self.links, self.attributes = set(), [], [], []
        self.tables, self.rows, self.stack, self.parts = {}, [], [], []
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.stack, f"not closed: {self.stack}"
        self.text = " ".join("".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names)
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            if tag == "th":
                assert "scope" in names
        if tag in ("h1", "h2", "p", "li", "table", "figcaption"):
            self.parts.append("\n")

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        if not CODE & set(self.stack):
            self.parts.append(data)
        if "caption" in self.stack:
            self.caption += data
        if {"td", "th"} & set(self.stack):
            self.rows[-1][-1] += data
            self.parts.append(" ")


def train(run, *arguments, code=0):
    """Train with --report and --json. Return the page and what --json prints."""
    found, out, errors = run("train", *arguments, "--out", "m", "--report", "r.html", "--json")
    assert found == code, errors
    return Page("r.html"), json.loads(out)


# ---- the page ----


def write_targets(n=150):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    write_csv(
        "t.csv", x=x, z=rng.normal(size=n), two=np.where(x + rng.normal(size=n) > 0, "a", "b"),
        many=[f"class {i % 25}" for i in range(n)],
        number=170_000 + 4_000 * (x + 0.1 * rng.normal(size=n)),
    )  # fmt: skip


@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_a_page_is_valid_and_loads_nothing(run, target):
    write_targets()
    others = ",".join({"two", "many", "number"} - {target})
    page, _ = train(run, "t.csv", "--target", target, "--drop", others, *FAST)
    assert page.source.startswith(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    )
    assert f"<title>{target} in t.csv - fastnn report</title>" in page.source
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "url(http" not in page.source and "@import" not in page.source
    for reference in re.findall(r"url\(([^)]*)\)", page.source):
        assert reference[1:] in page.ids
    assert not page.tags & {"script", "iframe", "object", "embed", "link", "img", "form"}
    assert (
        "default-src 'none'" in html.unescape(page.source)
        and "prefers-color-scheme: dark" in page.source
    )
    assert len(page.source) < 300_000
    results = {
        "two": ["Classes", "Thresholds"], "many": ["Classes"], "number": ["Errors", "Intervals"],
    }[target]  # fmt: skip
    headings = re.findall(r"<h2 id=\"\w+\">([^<]*)</h2>", page.source)
    assert [h for h in headings if h not in ("Rows to check", "Effects of the columns")] == [
        "Scores", *results, "Permutation importance", "Data", "Training", "Command",
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_charts_have_texts_and_the_colors_of_the_page(run, target):
    write_targets()
    others = ",".join({"two", "many", "number"} - {target})
    with checked_pictures():
        page, _ = train(run, "t.csv", "--target", target, "--drop", others, *FAST)
    svgs = re.findall(r"<svg.*?</svg>", page.source, re.S)
    titles = [re.search(r"<title[^>]*>([^<]*)</title>", svg)[1] for svg in svgs]
    assert titles[:3] == (
        ["True against predicted", "Errors by prediction", "Distribution of the errors"]
        if target == "number"
        else ["ROC", "Precision and recall", "Reliability"]
    )
    assert titles[-1].startswith(("Configuration ", "Loss of the networks"))
    assert ("Scores by threshold" in titles) == (target == "two")
    for svg in svgs:
        assert 'role="img"' in svg and "</desc>" in svg
        assert not re.search(r"#[0-9a-f]{6}\b|DejaVu", svg)  # else it is unreadable on a dark page
        for name in re.findall(r"var\((--\w+)\)", svg):
            assert f"{name}:" in page.source
        labels = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
        assert len(labels) > 6 and all(labels)
    assert "</metadata>" not in page.source and "<!--" not in page.source


def test_texts_of_a_table_are_no_html(run):
    rng = np.random.default_rng(0)
    x, n = rng.normal(size=90), 90
    names = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(2)>',
        "$\\frac{a$ & $b$",
        "\x07",
    ]
    labels = ["</style></svg><b>1</b>", "$x_$", "_hidden"]
    table = dict.fromkeys(names, x) | {names[1]: np.array(["<i>", "</table>"])[(x > 0) * 1]}
    table[names[2]], table[names[3]] = rng.normal(size=n), rng.normal(size=n)
    target = "<h1>\u202ey"
    write_csv("t.csv", **table, **{target: np.array(labels)[np.digitize(x, [-0.5, 0.5])]})
    page, _ = train(run, "t.csv", "--target", target, *FAST)
    assert not page.tags & {"script", "img", "b", "i"} and page.source.count("<h1") == 1
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    used = [row[0] for row in page.tables["Columns that the model uses"][1:]]
    assert used[:3] == names[:3] and used[3] == "\N{REPLACEMENT CHARACTER}"
    assert [row[0] for row in page.tables["Classes of the training rows"][1:]] == sorted(labels)
    assert "\u202e" not in page.source and "\x07" not in page.source
    for label in ("&lt;/style&gt;", "$x_$", " _hidden"):
        assert re.search(rf"</span>{re.escape(label.strip())}[^<]*</li>", page.source), label


def test_the_sections_say_what_the_record_says(run):
    write_people()
    page, record = train(
        run,
        *("people.csv", "--target", "buys", "--test-size", "0.2", "--drop", "income,group"),
        *("--folds", "1", "--hidden", "8"),
    )
    assert "trained on 240 rows" in page.text and "300 rows, 60 of them for the test" in page.text
    rows = page.tables["Columns that the model uses"]
    assert rows[0] == ["column", "taken for", "missing", "distinct", "values"]
    assert [row[:2] for row in rows[1:]] == [["age", "number"], ["city", "category"]]
    for row, share in zip(rows[1:], (0.05, 1 / 30)):
        assert abs(float(row[2].removesuffix(" %")) - 100 * share) < 2
    left_out = {row[0]: row[3] for row in page.tables["Columns that are left out"][1:]}
    assert left_out == record["left_out"] and left_out["income"] == "--drop"
    scores, test = record["scores"], record["test_scores"]
    shown = page.tables["Scores of the model and of the baseline"]
    assert shown[0][1:5] == ["model, held out", "baseline", "model, test", "baseline, test"]
    for row, key in zip(shown[1:], ("accuracy", "balanced_accuracy", "log_loss", "auc")):
        values = (scores[key], scores["baseline"][key], test[key], test["baseline"][key])
        assert row[1:5] == [f"{value:.3f}" for value in values]
    confusion = page.tables["Confusion matrix"]
    assert confusion[0] == ["true", "predicted"] and confusion[1] == ["no", "yes"]
    assert [[int(n) for n in row[1:]] for row in confusion[2:]] == scores["confusion"]
    importances = page.tables["Importance of the columns"]
    (name, share), *_ = text_report.important_columns(TrainingRecord.from_json(record).model)
    assert share == max(record["importances"].values()) / sum(
        x for x in record["importances"].values() if x > 0
    )
    drop = text_report.format_drops(TrainingRecord.from_json(record).model)[name]
    assert importances[0][:3] == ["column", "share", record["drop_name"]]
    assert importances[1][:3] == [name, f"{100 * share:.0f} %", drop]
    issues = page.tables.get("Rows to check", [[]])[1:]
    assert [row[0] for row in issues] == [s["place"] for s in record["label_issues"]]
    assert shlex.split(record["command"])[:5] == [
        "fastnn",
        "train",
        "people.csv",
        "--target",
        "buys",
    ]
    assert " ".join(record["command"].split()) in page.text.replace(" \\ ", " ")
    assert f"fastnn {fastnn.__version__}, Python {sys.version.split()[0]}, numpy" in page.text
    assert "seed 0" in page.text


def test_a_page_warns(run):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    write_csv("t.csv", x=rng.normal(size=80), copy=y, y=y)
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    assert record["data_checks"] and all(s["text"] in page.text for s in record["data_checks"])
    write_csv("t.csv", x=rng.normal(size=80), y=rng.normal(size=80))
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    is_useless = record["scores"]["r2"] <= 0
    assert ("no better than the baseline: the columns" in page.text) == is_useless


@pytest.mark.parametrize(
    "options", [("--loss", "poisson"), ("--loss", "absolute_error"), ("--log-target",)]
)
def test_numbers_with_other_losses(run, options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    write_csv("t.csv", x=x, y=1 + rng.poisson(np.exp(1 + x)))
    page, record = train(run, "t.csv", "--target", "y", "--task", "number", *options, *FAST)
    rows = page.tables["Scores of the model and of the baseline"]
    assert rows[1][:2] == ["R²", f"{record['scores']['r2']:.3f}"]
    assert "Half of the held-out errors are below" in page.text


def test_a_page_says_how_rows_count_and_what_the_baseline_knows(run, quick_recipe):
    n = 60
    write_csv("t.csv", x=range(n), y=np.arange(n) % 7 + 0.5, w=np.arange(n) % 3 + 1)
    options = ["--time", "x", "--weight", "w", *FAST]
    command = ["train", "t.csv", "--target", "y", "--out", "m", "--report", "r.html", *options]
    assert run(*command)[0] == 0
    text = Page("r.html").text
    assert "Rows count by their weights, the column 'w'." in text
    assert "the median for the mean absolute error, of each block of time, as R² does." in text


def test_a_page_of_one_column_and_held_out_rows_of_one_class(run):
    write_csv("t.csv", x=range(20), y=["a"] * 19 + ["b"])
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    assert len({i for i, c in enumerate(record["scores"]["classes"]) if c["rows"]}) == 1
    assert "Confusion matrix" in page.tables and "ROC" not in page.text
    assert len(page.tables["Columns that the model uses"]) == 2


def test_a_page_of_2000_columns_stays_small(run, quick_recipe):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2000)).round(3)
    table = {f"column {i}": X[:, i] for i in range(2000)}
    table |= {f"same {i}": np.ones(60, int) for i in range(300)}
    write_csv("t.csv", **table, y=X[:, 7])
    page, _ = train(run, "t.csv", "--target", "y", *FAST)
    assert len(page.source) < 500_000
    used = page.tables["Columns that the model uses: the 200 most important of 2,000"]
    assert len(used) == 201
    assert len(page.tables["Columns that are left out: 200 of 300"]) == 201


def test_many_classes_are_limited(run):
    n, k = 280, 40
    codes = np.arange(n) % k
    codes[:60] = 3
    write_csv(
        "t.csv", x=codes + np.random.default_rng(0).normal(size=n), y=[f"c{i:02}" for i in codes]
    )
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    rows = page.tables["Confusion matrix of the 20 most frequent of 40 classes"]
    assert len(rows) == 22 and rows[2][0] == "c03"
    assert int(rows[2][1]) == record["scores"]["confusion"][3][3]
    assert len(page.tables["Most frequent confusions"]) == 11
    caption = "Scores of each class against the others: 20 of 40 classes, lowest F1 first"
    assert len(page.tables[caption]) == 21


# ---- the command ----


def test_all_notes_are_in_the_page_the_record_and_json(run):
    y = [str(i) for i in range(60)]
    rows = "".join(f"{i % 7} kg,{i},{t}\n" for i, t in enumerate(y[:-1])) + "n/v,3,\n"
    Path("t.csv").write_text("a,a,y\n" + rows, encoding="utf-8")
    options = ("t.csv", "--target", "y", "--out", "m", "--report", "r.html", "--json", *FAST)
    code, out, errors = run("train", *options, "--skip-missing-target")
    assert code == 0, errors
    notes, kept = json.loads(out)["notes"], json.loads(fastnn.load("m").metadata_["training"])
    assert ["note: " + text for text in notes] == [
        line for line in errors.splitlines() if line.startswith("note: ")
    ]
    reading, target = notes[:2]
    assert "the name of another one" in reading and target == "1 row without a target left out"
    assert kept["notes"] == notes and all(text in Page("r.html").text for text in notes)
    code, out, errors = run("predict", "m", "t.csv", "--json")
    notes = json.loads(out)["notes"]
    assert code == 0 and ["note: " + text for text in notes] == errors.splitlines()
    assert any("are not numbers" in text for text in notes)
    assert any("not scored" in text for text in notes)


def test_an_interrupted_training_has_a_page_and_a_resumed_one(run, monkeypatch, quick_recipe):
    write_csv("t.csv", x=range(100), y=[i > 50 for i in range(100)])
    arguments = ("t.csv", "--target", "y", "--folds", "3", "--hidden", "8", "--threads", "1")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        page, record = train(run, *arguments, code=130)
    done = record["folds"]
    assert f"the model has {done} of 3 folds" in page.text and done < 3
    page, _ = train(run, *arguments, "--resume")
    assert "Ctrl-C" not in page.text
    shown = re.search(r"(\d+) networks? of an earlier run, before --resume, not shown\.", page.text)
    assert int(shown[1]) >= done  # at least one of each fold that was done


def test_tuning_is_in_the_page(run, quick_recipe):
    write_csv("t.csv", x=range(60), y=[i > 30 for i in range(60)])
    page, record = train(run, "t.csv", "--target", "y", "--folds", "1", "--tune")
    tried = page.tables["Settings that --tune tried"][1:]
    assert [row[0] for row in tried] == [t["options"] for t in record["tuning"]["tried"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--report no/r.html", "no: no such folder. Create it first, or choose another --report."),
        ("--report r.pdf", "argument --report: the file name must end in .html, got 'r.pdf'"),
        ("--report .html/", "must end in .html"),
        ("--plot r.html --report r.html", "must end in .png, .svg or .pdf"),
        ("--out r.html --report ./r.html", "./r.html: --report and --out are the same file."),
        ("--report t.html", "t.html: --report would overwrite an input file."),
        ("--report folder.html", "folder.html: --report is a folder."),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_training(run, monkeypatch, options, message):
    write_csv("t.html", x=range(20), y=[0, 1] * 10)
    Path("folder.html").mkdir()
    monkeypatch.setattr(fastnn.cli.trained_models, "fit_estimator", None)
    code, out, errors = run("train", "t.html", "--target", "y", "--out", "m", *options.split())
    assert (code, out) == (2, "") and message in errors and errors.count("\n") == 1
    assert not Path("m").exists() and not Path("r.html").exists()


@pytest.mark.parametrize(("package", "extra"), [("matplotlib", "plot"), ("jinja2", "web")])
def test_the_report_needs_its_packages_before_training(run, monkeypatch, package, extra):
    write_csv("t.csv", x=range(20), y=[0, 1] * 10)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
    )
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--report", "r.html")
    assert code == 2 and errors.count("\n") == 1
    assert f'Run: python -m pip install "fastnn-mlp[{extra}]"' in errors
    assert not Path("m").exists()


def test_a_report_that_cannot_be_written_keeps_the_old_one(run, monkeypatch):
    write_csv("t.csv", x=range(20), y=[0, 1] * 10)
    Path("r.html").write_text("old")
    arguments = ("train", "t.csv", "--target", "y", "--out", "m", "--report", "r.html", *FAST)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", _replace_no_html)
        code, _, errors = run(*arguments)
    assert code == 2 and errors.endswith(
        "r.html: cannot be written: No space left on device. The model is saved in m.\n"
    )
    assert Path("r.html").read_text() == "old" and fastnn.load("m").n_folds_ == 1
    assert sorted(path.name for path in Path().iterdir()) == ["m", "r.html", "t.csv"]
    code, out, _ = run(*arguments)
    assert code == 0 and out.endswith("Saved r.html.\n") and Page("r.html").ids


def _replace_no_html(source, target):
    if target.endswith(".html"):
        raise OSError(28, "No space left on device")
    Path(source).rename(target)
