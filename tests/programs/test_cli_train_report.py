"""fastnn train --report: one page that describes a table, a model and its training; and its parts."""

import html.parser
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import training_records
from browser import Browser, needs_chromium
from cli_cases import FAST, each_row, write_csv
from cli_models import interrupt_after, write_people, write_targets
from picture_layout import checked_pictures
from training_records import class_record, model_description, number_record

pytest.importorskip("matplotlib", reason="the extra plot is not installed")

import fastnn
from fastnn.cli import table_file
from fastnn.cli.console import file_name
from fastnn.cli.html_report import elements, model_sections, score_sections
from fastnn.cli.html_report.elements import section
from fastnn.tabular import intervals
from fastnn.tabular.columns import frames
from fastnn.web.templates import markup, render, table

pytestmark = pytest.mark.usefixtures("quick_recipe")
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


@pytest.fixture
def without_charts(monkeypatch):
    """Pages have no charts, which take longer than the trainings here."""
    monkeypatch.setattr(elements, "_render", lambda key, draw, size: ElementTree.Element("svg"))


@pytest.fixture(scope="module")
def pages():
    """The pages that `page_of` has made."""
    return {}


@pytest.fixture
def page_of(run, pages):
    """page_of(target): the page of a training of `write_targets`. Its charts can be read."""

    def page_of(target):
        if target not in pages:
            with checked_pictures():
                pages[target], _ = train(run, *write_targets(target), *FAST)
        return pages[target]

    return page_of


@pytest.mark.spread(1)
@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_a_page_is_valid_and_loads_nothing(page_of, target):
    page = page_of(target)
    head = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    assert page.source.startswith(head)
    assert f"<title>{target} in t.csv - fastnn report</title>" in page.source
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "url(http" not in page.source and "@import" not in page.source
    assert {*re.findall(r"url\(.([^)]*)\)", page.source)} <= {*page.ids}
    assert not page.tags & {"script", "iframe", "object", "embed", "link", "img", "form"}
    assert "default-src 'none'" in html.unescape(page.source)
    assert "prefers-color-scheme: dark" in page.source and len(page.source) < 300_000
    results = {"two": "Classes|Thresholds", "many": "Classes", "number": "Errors|Intervals"}[target]
    headings = re.findall(r"<h2 id=\"\w+\">([^<]*)</h2>", page.source)
    shown = [each for each in headings if each not in ("Rows to check", "Effects of the columns")]
    assert "|".join(shown) == f"Scores|{results}|Permutation importance|Data|Training|Command"


@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_charts_have_texts_and_the_colors_of_the_page(page_of, target):
    page = page_of(target)
    svgs = re.findall(r"<svg.*?</svg>", page.source, re.S)
    titles = [re.search(r"<title[^>]*>([^<]*)</title>", svg)[1] for svg in svgs]
    of_numbers = "True against predicted|Errors by prediction|Distribution of the errors"
    expected = {"number": of_numbers}.get(target, "ROC|Precision and recall|Reliability")
    assert "|".join(titles[:3]) == expected
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


@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_words_of_free_text(run, without_charts, target):
    words = np.array(["tasty", "cold", "\x9b31m\u202e"])[np.arange(90) % 3]
    three = np.array(["<b>", "b", "c"])[np.arange(90) % 3]
    number = 5.0 * (words == "tasty") + np.arange(90) / 90
    y = dict(two=words == "tasty", many=three, number=number)[target]
    name = "<i>text"
    write_csv("t.csv", **{name: [f"<s>{word} soup {i}" for i, word in enumerate(words)], "y": y})
    options = ("--folds", "3", "--hidden", "8", "--text", name)
    page, _ = train(run, "t.csv", "--target", "y", *options)
    head, *rows = page.tables[f"Words of {name}"]
    assert head == ["target" if target == "number" else "class", "raise it", "lower it"]
    expected = dict(two=["true"], many=["<b>", "b", "c"], number=["target"])[target]
    assert [row[0] for row in rows] == expected and "<i>" not in page.source
    assert rows[0][1].startswith("tasty +") and "cold -" in rows[0][2] and "\x9b" not in page.source
    assert "Words of free text" in page.text
    unit = "standard deviations of the target" if target == "number" else "logits of the class"
    assert unit in page.text


def test_texts_of_a_table_are_no_html(run, rng):
    x, n = rng.normal(size=90), 90
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>']
    names += ["$\\frac{a$ & $b$", "\x07"]
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


@pytest.mark.usefixtures("without_charts")
def test_the_sections_say_what_the_record_says(run):
    write_people()
    options = "--target buys --test-size 0.2 --drop income,group"
    page, record = train(run, "people.csv", *options.split(), *FAST)
    assert "trained on 240 rows" in page.text and "300 rows, 60 of them for the test" in page.text
    rows = page.tables["Columns that the model uses"]
    assert rows[0] == ["column", "taken for", "missing", "distinct", "values"]
    assert [row[:2] for row in rows[1:]] == [["age", "number"], ["city", "category"]]
    for row, share in zip(rows[1:], (0.05, 1 / 30)):
        assert abs(float(row[2].removesuffix(" %")) - 100 * share) < 2
    left_out = {row[0]: row[3] for row in page.tables["Columns that are left out"][1:]}
    assert left_out == record["left_out"] and left_out["income"] == "--drop"
    issues = page.tables.get("Rows to check", [[]])[1:]
    assert [row[0] for row in issues] == [s["place"] for s in record["label_issues"]]
    assert shlex.split(record["command"])[:5] == "fastnn train people.csv --target buys".split()
    assert " ".join(record["command"].split()) in page.text.replace(" \\ ", " ")
    assert f"fastnn {fastnn.__version__}, Python {sys.version.split()[0]}, numpy" in page.text
    assert "seed 0" in page.text and "then train on all rows" not in page.text


@pytest.mark.usefixtures("without_charts")
def test_a_page_warns(run, rng):
    y = rng.integers(0, 2, 80)
    write_csv("t.csv", x=rng.normal(size=80), copy=y, y=y)
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    assert record["data_checks"] and all(s["text"] in page.text for s in record["data_checks"])


@pytest.mark.spread(1)
@pytest.mark.parametrize("options", ["--loss poisson", "--loss absolute_error", "--log-target"])
def test_numbers_with_other_losses(run, rng, options):
    x = rng.normal(size=100)
    write_csv("t.csv", x=x, y=1 + rng.poisson(np.exp(1 + x)))
    options = ["--task", "number", *options.split(), *FAST]
    page, record = train(run, "t.csv", "--target", "y", *options)
    rows = page.tables["Scores of the model and of the baseline"]
    assert rows[1][:2] == ["R²", f"{record['scores']['r2']:.3f}"]
    assert "Half of the held-out errors are below" in page.text


def test_a_page_of_one_column_and_held_out_rows_of_one_class(run):
    write_csv("t.csv", x=range(20), y=["a"] * 19 + ["b"])
    page, record = train(run, "t.csv", "--target", "y", *FAST)
    assert len({i for i, c in enumerate(record["scores"]["classes"]) if c["rows"]}) == 1
    assert "Confusion matrix" in page.tables and "ROC" not in page.text
    assert len(page.tables["Columns that the model uses"]) == 2


@pytest.mark.slow("test_a_page_is_valid_and_loads_nothing")
def test_a_page_of_2000_columns_stays_small(run, quick_recipe):
    X = np.random.default_rng(0).normal(size=(60, 2000)).round(3)
    table = {f"column {i}": X[:, i] for i in range(2000)}
    table |= {f"same {i}": np.ones(60, int) for i in range(300)}
    write_csv("t.csv", **table, y=X[:, 7])
    page, _ = train(run, "t.csv", "--target", "y", *FAST)
    assert len(page.source) < 500_000
    used = page.tables["Columns that the model uses: the 200 most important of 2,000"]
    assert len(used) == 201 and len(page.tables["Columns that are left out: 200 of 300"]) == 201


# ---- the command ----


@pytest.mark.usefixtures("without_charts")
def test_all_notes_are_in_the_page_the_record_and_json(run):
    y = [str(i) for i in range(60)]
    rows = "".join(f"{i % 7} kg,{i},{t}\n" for i, t in enumerate(y[:-1])) + "n/v,3,\n"
    Path("t.csv").write_text("a,a,y\n" + rows, encoding="utf-8")
    options = ("t.csv", "--target", "y", "--out", "m", "--report", "r.html", "--json", *FAST)
    out, errors = run.ok("train", *options, "--skip-missing-target")
    notes, kept = json.loads(out)["notes"], json.loads(fastnn.load("m").metadata_["training"])
    lines = [line for line in errors.splitlines() if line.startswith("note: ")]
    assert lines == ["note: " + text for text in notes]
    reading, target = notes[:2]
    assert "the name of another one" in reading and target == "1 row without a target left out"
    assert kept["notes"] == notes and all(text in Page("r.html").text for text in notes)
    code, out, errors = run("predict", "m", "t.csv", "--json")
    notes = json.loads(out)["notes"]
    assert code == 0 and ["note: " + text for text in notes] == errors.splitlines()
    assert any("are not numbers" in text for text in notes)
    assert any("not scored" in text for text in notes)


@pytest.mark.usefixtures("without_charts")
def test_an_interrupted_training_has_a_page_and_a_resumed_one(run, monkeypatch, quick_recipe):
    write_csv("t.csv", x=range(100), y=[i > 50 for i in range(100)])
    arguments = ("t.csv", "--target", "y", "--folds", "3", "--hidden", "8", "--threads", "1")
    interrupt_after(monkeypatch, 1)
    page, record = train(run, *arguments, code=130)
    done = record["folds"]
    assert f"the model has {done} of 3 folds" in page.text and done < 3
    page, _ = train(run, *arguments, "--resume")
    assert "Ctrl-C" not in page.text
    shown = re.search(r"(\d+) networks? of an earlier run, before --resume, not shown\.", page.text)
    assert int(shown[1]) >= done  # at least one of each fold that was done


@each_row("""
    options | message
    --report no/r.html | no: no such folder. Create it first, or choose another --report.
    --report r.pdf | argument --report: the file name must end in .html, got 'r.pdf'
    --report .html/ | must end in .html
    --plot r.html --report r.html | must end in .png, .svg or .pdf
    --out r.html --report ./r.html | ./r.html: --report and --out are the same file.
    --report t.html | t.html: --report would overwrite an input file.
    --report folder.html | folder.html: --report is a folder.
""")
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
    find, target = importlib.util.find_spec, "importlib.util.find_spec"
    monkeypatch.setattr(target, lambda name: None if name == package else find(name))
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--report", "r.html")
    assert code == 2 and errors.count("\n") == 1
    assert f'Run: python -m pip install "fastnn-mlp[{extra}]"' in errors and not Path("m").exists()


@pytest.mark.usefixtures("without_charts")
def test_a_report_that_cannot_be_written_keeps_the_old_one(run, monkeypatch):
    write_csv("t.csv", x=range(20), y=[0, 1] * 10)
    Path("r.html").write_text("old")
    arguments = ("train", "t.csv", "--target", "y", "--out", "m", "--report", "r.html", *FAST)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", _replace_no_html)
        code, _, errors = run(*arguments)
    end = "r.html: cannot be written: No space left on device. The model is saved in m.\n"
    assert code == 2 and errors.endswith(end)
    assert Path("r.html").read_text() == "old" and fastnn.load("m").n_folds_ == 1
    assert sorted(path.name for path in Path().iterdir()) == ["m", "r.html", "t.csv"]
    assert run.output(*arguments).endswith("Saved r.html.\n") and Page("r.html").ids


def _replace_no_html(source, target):
    if target.endswith(".html"):
        raise OSError(28, "No space left on device")
    Path(source).rename(target)


# ---- parts of the page ----

PACKAGE = "fastnn.cli.html_report"


def page_with(*sections, title=""):
    """The source of a page with some sections."""
    values = dict(policy="", title=title, lead="", figures=[], kept=None)
    return render(PACKAGE, "report.html", sections=sections, **values)


def test_columns_are_summarized(quick_recipe):
    pd = pytest.importorskip("pandas")
    n = 40
    texts = ["?", *["a" * 25] * 19, *["b"] * 10, *["c"] * 6, *["d"] * 4]
    table = pd.DataFrame({"number": [np.nan, *range(1, n)], "text": texts})
    table["date"] = [f"2026-01-{1 + i % 20:02}" for i in range(n)]
    table["id"], table["constant"] = [None, None, *(24 * "n" + str(i) for i in range(n - 2))], 3.5
    reg = fastnn.TabularRegressor(2, hidden_layer_sizes=4, random_state=0)
    reg.fit(table, np.arange(n))
    found = table_file.summarize(frames.read(table), reg.model_.features)
    kinds = dict(number="number", text="category", date="date", id=None, constant=None)
    assert {each.label: each.kind for each in found} == kinds and [*kinds] == [*table]
    assert [s.missing for s in found] == pytest.approx([1 / 40, 1 / 40, 0, 2 / 40, 0])
    assert [s.n_distinct for s in found] == [39, 4, 20, 38, 1]
    texts = ["1 to 39, median 20", f"{21 * 'a'}... 48 %, b 25 %, c 15 %, ..."]
    texts += ["2026-01-01 to 2026-01-20, median 2026-01-11", f"such as {21 * 'n'}..."]
    assert [s.text for s in found[:4]] == texts


@pytest.mark.parametrize(("most", "text"), [(9999, "2000"), (1e4, "2,500"), (150_000, "40,000")])
def test_large_numbers_of_a_chart_have_commas(most, text):
    figure = pytest.importorskip("matplotlib.figure", reason="the extra plot is not installed")
    ax = figure.Figure().subplots()
    ax.set(xlim=(0, most), ylim=(2e4, 3e4), yticks=[2e4, 3e4], yticklabels=["low", "high"])
    elements._round_ticks(ax)
    assert ax.get_xticklabels()[1].get_text() == text
    assert [label.get_text() for label in ax.get_yticklabels()] == ["low", "high"]


def test_shares_have_few_digits():
    texts = " | ".join(map(table_file.format_share, (0, 0.0004, 0.001, 0.0456, 0.456, 0.9996, 1)))
    assert texts == "0 % | < 0.1 % | 0.1 % | 4.6 % | 46 % | > 99.9 % | 100 %"


@pytest.mark.skipif(sys.platform == "win32", reason="the command is for bash")
def test_a_command_stays_the_same_in_bash():
    words = [*"fastnn|a b|it's|c\"d|$HOME `x`|e\tf\n|\xa0'\\|<&>|--y".split("|"), "x" * 80]
    text = model_sections.quote_command(shlex.join(words))
    assert all(c.isprintable() or c == "\n" for c in text) and " \\\n    " in text
    output = subprocess.check_output(["bash", "-c", f'printf "%s\\0" {text}'])
    assert output.decode().split("\0")[:-1] == words
    a, b = "a" * 74, "b" * 75
    assert model_sections.quote_command(f"fastnn {a} c") == f"fastnn {a} \\\n    c"
    assert model_sections.quote_command(f"fastnn {b} c") == f"fastnn \\\n    {b} c"


def test_texts_of_tables_are_escaped_and_printable():
    """In texts and attributes, also in HTML that is made of them."""
    bad = "<b>\x00\"&'\u202e\nb"
    shown = table(bad, ["a", "#n", "c"], [[bad, markup("<i>{}</i>", bad), markup("{:.1f}", 1.25)]])
    source = page_with(section("rows", bad, text=bad, rows=shown), title=bad)
    good = "&lt;b&gt;\ufffd&#34;&amp;&#39;\ufffd\nb"
    assert "<b>" not in source and "\x00" not in source and "\u202e" not in source
    for text in (
        *(f"<title>{good} - ", f"<h1>{good}</h1>", f">{good}</h2>", f"<p>{good} Look at"),
        *(f'aria-label="{good}"', f"<caption>{good}</caption>", f'<th scope="row">{good}</th>'),
        *(f'<td class="number"><i>{good}</i></td>', "<td>1.2</td>"),
    ):
        assert text in source, text


LOSSES = [([1.0], [2.0]), ([1.0] * 2, [1.0] * 2), ([1.0, np.nan], [2.0, np.inf])]


@pytest.mark.parametrize(("loss", "val_loss"), [*LOSSES, ([np.nan], [np.nan])])
def test_curves_of_short_and_diverged_trainings_are_drawn(loss, val_loss):
    history = fastnn.state.History(loss, val_loss)
    model = SimpleNamespace(histories_=[[history, None, history]])
    model.facts = lambda: SimpleNamespace(weights=(0.5,))
    record = number_record(tuning=None, model=model_description(folds=3))
    report = SimpleNamespace(record=record, model=model, is_number=True)
    source = page_with(model_sections.curves_section(report))
    assert "50 % of the prediction" in source and source.count("fold 1<") == 1
    assert source.count('class="legend"') == 1
    colors = re.findall(r"key solid\" style=\"--key: (var[^\"]+)", source)
    svg = re.search(r"<svg.*</svg>", source, re.S)[0]
    assert (colors[0] in svg and colors[2] in svg) or not any(np.isfinite([*loss, *val_loss]))
    assert colors[1] not in svg  # of the network that is not trained


def test_charts_of_texts_without_a_glyph_have_no_warning():
    label = "\N{HANGUL SYLLABLE GA}"
    source = elements.chart("a", "title", "text", lambda ax: ax.set(xlabel=label))["svg"]
    assert f"{label}</text>" in source and 'id="a-title"' in source


@each_row(r"""
    path | title
    ../../data/telco.csv | telco.csv
    C:\data\telco.csv | telco.csv
    s3://bucket/parts/ | parts
    - | standard input
    wine | wine
""")
def test_the_title_is_the_name_of_the_file(path, title):
    assert file_name(path) == title


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.93])
def test_scores_at_a_threshold_are_those_of_scikit_learn(rng, threshold, weighted):
    from sklearn import metrics

    p = rng.uniform(size=300).round(2)
    y = (rng.uniform(size=300) < p).astype(int)
    weight = rng.uniform(0, 2, 300) if weighted else None
    found = score_sections.score_threshold(y, p, threshold, weight)
    chosen, options = (p >= threshold).astype(int), {"sample_weight": weight}
    for name in "precision", "recall", "f1", "accuracy":
        expected = getattr(metrics, f"{name}_score")(y, chosen, **options)
        assert getattr(found, name) == pytest.approx(expected), name
    assert found.share == pytest.approx(np.average(chosen, weights=weight))


def test_a_threshold_that_no_row_reaches_has_no_precision():
    found = score_sections.score_threshold(np.array([0, 1]), np.array([0.2, 0.4]), 0.9)
    assert (found.precision, found.recall, found.f1, found.share) == (None, 0, 0, 0)


def test_coverage_of_held_out_rows_by_hand():
    errors = [np.array([[1.0], [2.0], [9.0]]), np.array([[3.0], [4.0], [5.0]])]
    # a half of 3 + 1 errors is the second one: 4 of the others' errors, and 2
    assert intervals.held_out_coverage(errors, [0.5]) == [pytest.approx(2 / 6)]
    # nine tenths of 3 + 1 errors are more than there are: all rows are inside
    assert intervals.held_out_coverage(errors, [0.9]) == [1.0]
    # forward in time, only the second fold has earlier errors: the second of 1, 2, 9
    assert intervals.held_out_coverage(errors, [0.5], is_forward=True) == [0.0]
    assert intervals.held_out_coverage(errors[:1], [0.5]) == [None]
    # three quarters of 3 + 1 errors are the largest one: 9, and 5
    assert intervals.held_out_coverage([*errors, errors[0][:0]], [0.75]) == [pytest.approx(5 / 6)]
    # 55 of 99 + 1, although 0.55 * 100 is above 55 in floating point
    errors = [np.array([[55.5]]), np.arange(1.0, 100)[:, None]]
    assert intervals.held_out_coverage(errors, [0.55]) == [0.99]


@each_row("""
    target | metric | text
    number | | Its mean absolute error on held-out rows is 1.500, the baseline's 4.000.
    number | mae | Its mean absolute error on held-out rows is 1.500, the baseline's 4.000.
    number | rmse | Its RMSE on held-out rows is 2.000, the baseline's 4.000.
    number | mape | Its mean absolute error on held-out rows is 1.500, the baseline's 4.000.
    classes | | It is right in 90.0 % of held-out rows, the baseline in 50.0 %.
    classes | accuracy | It is right in 90.0 % of held-out rows, the baseline in 50.0 %.
    classes | cost | Its mean cost on held-out rows is 0.2500, the baseline's 1.000.
""")
def test_the_headline_has_the_metric(target, metric, text):
    """Here the MAPE is undefined."""
    record = {"number": number_record, "classes": class_record}[target]()
    record = replace(record, scores=replace(record.scores, metric=metric or None))
    report = SimpleNamespace(record=record, is_number=target == "number")
    assert score_sections.headline(report) == text


def test_the_section_about_baselines():
    record = number_record()

    def of(n_models, **changes):
        found = replace(record.baselines, models=record.baselines.models[:n_models], **changes)
        report = SimpleNamespace(record=replace(record, baselines=found))
        return score_sections.baselines_section(report)

    left_out = "Interrupted before these baselines were trained: xgboost."
    values = dict(verdicts=None, tables=[], not_installed="catboost", left_out=left_out)
    assert of(1) == section("baselines", "Baselines", **values)
    assert of(1, not_trained=[]) is None and of(2, not_trained=[])["left_out"] == ""
    both = of(2)["tables"]
    for model in record.baselines.models:
        del model["test_score"]
    assert of(2)["tables"] == both[:1] and len(both) == 2


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_confusions_of_some_classes_are_beside_the_matrix(n):
    scores = replace(class_record().scores, confusion=np.ones((n, n), int).tolist())
    labels = [f"class{i}" for i in range(n)]
    report = SimpleNamespace(record=class_record(classes=labels, scores=scores), y=np.zeros(3, int))
    found = score_sections.classes_section(report)
    assert not found["matrix"]["is_vertical"] and found["legend"] is None
    assert (found["is_beside"], found["confusions"] is not None) == (n <= 6, n >= 5)


def test_the_words_that_matter_most():
    found = model_sections._words_of_output([([f"w{i}" for i in range(15)], np.arange(-1.0, 14))])
    assert found == [", ".join(f"w{i} +{i - 1}.00" for i in range(14, 2, -1)), "w0 -1.00"]


def test_both_ends_of_a_range_have_the_same_digits():
    texts = [model_sections._range(*x) for x in ((0, 0), (-1234.5, 1), (9.5, 10), (-0.5, 0.25))]
    zeros = f"0.{12 * '0'} to 0.{12 * '0'}"
    assert texts == [zeros, "-1,234 to 1", "9.5 to 10.0", "-0.500 to 0.250"]


@pytest.mark.parametrize("name", training_records.REPORTS)
def test_the_texts_and_charts_of_a_page_are_those_on_record(name):
    text = (training_records.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert training_records.report_texts(name) == text


@pytest.mark.parametrize("facts", [dict(n_networks=0), dict(n_networks=2, n_background=0)])
def test_effects_need_networks_and_rows(facts):
    report = SimpleNamespace(model=SimpleNamespace(facts=lambda: SimpleNamespace(**facts)))
    assert model_sections._find_effects(report) == []


@each_row(r"""
    svg | adapted
    <s xmlns="n" width="1" height="1" version="1" x="0"><metadata>a</metadata><style/><g>b<text>c</text>d</g></s> |
      <s x="0"><g><text>c</text></g></s>
    <g id="a"><p id="b" x="url(#c)"/><p id="c"/><p href="#d"/><p href="d"/><p id="d"/></g> |
      <g><p x="url(#k-c)" /><p id="k-c" /><p href="#k-d" /><p href="d" /><p id="k-d" /></g>
    <g><p d="M 1.239 -0.5 L -2.001" x="1.239" y="0.999" transform="t(1.2345)" width="1.239"/></g> |
      <g><p d="M 1.23 -0.5 L -2.00" x="1.23" y="0.99" transform="t(1.23)" width="1.239" /></g>
    <g style="fill: #0072b2; stroke: #123456"/> | <g style="fill: var(--blue); stroke: #123456" />
    <g style="font: 10px 'Sans', x; fill: #000000"/> | <g style="font: 10px var(--font); fill: var(--ink)" />
    <g style="font-family: 'x'; a: b"/> | <g style="a: b" />
    <g><use style="a"/><use style="a"/></g> | <g style="a"><use /><use /></g>
    <g><use style="a"/><use style="b"/></g> | <g><use style="a" /><use style="b" /></g>
    <g><use style="a"/></g> | <g><use style="a" /></g>
    <g><use style="a"/><path style="a"/></g> | <g><use style="a" /><path style="a" /></g>
    <g style="b"><use style="a"/><use style="a"/></g> | <g style="b"><use style="a" /><use style="a" /></g>
    <g><use/><use/></g> | <g><use /><use /></g>
""")
def test_a_picture_becomes_a_part_of_the_page(svg, adapted):
    """Also, points share their style."""
    element = elements._adapt(ElementTree.fromstring(svg), "k")
    assert ElementTree.tostring(element, "unicode") == adapted


def test_large_numbers_on_axes_are_written_as_in_tables():
    source = elements.chart("a", "t", "d", lambda ax: ax.plot([0, 2e6], [0, 90_000]))["svg"]
    assert re.search(r">1,\d00,000</text>", source) and ">80,000</text>" in source
    assert "1e6" not in source


def test_a_legend_has_the_colors_of_the_lines():
    taken = {}

    def draw(ax):
        ax.plot([0, 1], color="#0072B2", label="a < b")
        ax.plot([1, 0], color="#D55E00", label=r"\$x")
        ax.legend()
        taken.update(elements.take_legend(ax))

    figure = elements.chart("a", "t", "d", draw)
    assert taken == {"a < b": "#0072b2", "$x": "#d55e00"} and "&lt;" not in figure["svg"]
    legend = elements.legend(taken, [("dotted", "c")])
    source = page_with(section("effects", "", text="", legend=legend, charts=[]))
    assert source.count("<li>") == 3
    assert "--key: var(--blue)" in source and "a &lt; b</li>" in source


# ---- colours ----


def palettes():
    """The variables of the style sheets on a light page, on a dark one and on paper."""
    sheets = ("fastnn.web", "base.css"), (PACKAGE, "report.css")
    texts = (resources.files(where).joinpath("pages", name).read_text() for where, name in sheets)
    blocks = re.findall(r":root \{(.*?)\}", "".join(texts), re.S)
    colors = [dict(re.findall(r"(--\w+): (#[0-9a-f]{6}|[\d ]+);", block)) for block in blocks]
    base, dark, light, more, paper = colors
    light |= base
    return {"light": light, "dark": light | dark | more, "paper": light | paper}


def luminance(rgb):
    c = np.array(rgb) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(c @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    """The contrast of two colours (WCAG 2): 4.5 is enough for texts, 3 for graphics."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def rgb(text):
    return [*bytes.fromhex(text[1:])] if text[0] == "#" else [*map(int, text.split())]


@pytest.mark.parametrize("page", ["light", "dark", "paper"])
def test_texts_and_charts_have_contrast(page):
    colors = {name: rgb(text) for name, text in palettes()[page].items()}
    for text, background in (
        *(("--ink", name) for name in ("--page", "--panel", "--warning")),
        *(("--muted", name) for name in ("--page", "--panel")),
        ("--blue", "--page"),  # links
    ):
        assert contrast(colors[text], colors[background]) >= 4.5, (text, background)
    for line in "--blue", "--orange", "--green", "--muted":
        assert contrast(colors[line], colors["--page"]) >= 3, line
    tint, white = np.array(colors["--tint"]), np.array(colors["--page"])
    assert contrast(colors["--ink"], 0.55 * tint + 0.45 * white) >= 4.5  # of the confusion matrix


@needs_chromium
@pytest.mark.slow("tests of elements, charts and contrast")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_every_screen(run, tmp_path, scheme):
    """In Chromium: nothing is wider than a phone, no table is cut, and nothing is asked for."""
    pytest.importorskip("selenium", reason="Selenium is not installed")
    options = "--target cultivar --folds 2 --hidden 8 --test-size 0.2 --baselines"
    train(run, "wine", *options.split())
    tables = "[...document.querySelectorAll('.scroll')]"
    cut = f"{tables}.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel)"
    with Browser() as page:
        page.requests()
        backgrounds = set()
        for width in 320, 390, 1280:
            page.open((tmp_path / "r.html").as_uri(), width=width, scheme=scheme)
            assert page.run("document.documentElement.scrollWidth") == width
            assert width == 320 or page.run(cut) == []
            backgrounds.add(page.run("getComputedStyle(document.documentElement).backgroundColor"))
            page.press("\ue004")  # Tab
            assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        r, g, b = map(int, re.findall(r"\d+", backgrounds.pop())[:3])
        assert not backgrounds and (luminance((r, g, b)) > 0.5) == (scheme == "light")
        assert page.requests() == [(tmp_path / "r.html").as_uri()] * 3 and page.problems() == []
        page.pdf(tmp_path / "r.pdf")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
