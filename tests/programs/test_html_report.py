"""The parts of the page of fastnn train --report: columns, charts, elements and the command."""

import re
import shlex
import subprocess
import sys
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
from browser import Browser, needs_chromium
from training_records import model_description, number_record

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")
pytest.importorskip("matplotlib", reason="the extra plot is not installed")

import fastnn
from fastnn.cli import table_file
from fastnn.cli.console import file_name
from fastnn.cli.html_report import elements, model_sections, score_sections
from fastnn.cli.html_report.elements import section
from fastnn.tabular import predictions
from fastnn.tabular.columns import frames
from fastnn.web.templates import markup, render, table

PACKAGE = "fastnn.cli.html_report"


def page(*sections, title=""):
    """The source of a page with some sections."""
    values = dict(policy="", title=title, lead="", figures=[], kept=None)
    return render(PACKAGE, "report.html", sections=sections, **values)


def test_columns_are_summarized(quick_recipe):
    pd = pytest.importorskip("pandas")
    n = 40
    table = pd.DataFrame(
        {
            "number": [np.nan, *range(1, n)],
            "text": ["?", *["a"] * 19, *["b"] * 10, *["c"] * 6, *["d"] * 4],
            "date": [f"2026-01-{1 + i % 20:02}" for i in range(n)],
            "id": [None, None, *(f"n{i}" for i in range(n - 2))],
            "constant": [3.5] * n,
        }
    )
    reg = fastnn.TabularRegressor(2, hidden_layer_sizes=4, random_state=0)
    reg.fit(table, np.arange(n))
    found = table_file.summarize(frames.read(table), reg.model_.features)
    assert [(s.label, s.kind) for s in found] == [
        ("number", "number"), ("text", "category"), ("date", "date"), ("id", None), ("constant", None),
    ]  # fmt: skip
    assert [s.missing for s in found] == pytest.approx([1 / 40, 1 / 40, 0, 2 / 40, 0])
    assert [s.n_distinct for s in found] == [39, 4, 20, 38, 1]
    assert [s.text for s in found[:3]] == [
        "1 to 39, median 20", "a 48 %, b 25 %, c 15 %, ...", "2026-01-01 to 2026-01-20, median 2026-01-11",
    ]  # fmt: skip


def test_shares_have_few_digits():
    shares = 0, 0.0004, 0.001, 0.0456, 0.456, 0.9996, 1
    assert list(map(table_file.format_share, shares)) == [
        "0 %", "< 0.1 %", "0.1 %", "4.6 %", "46 %", "> 99.9 %", "100 %",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="the command is for bash")
def test_a_command_stays_the_same_in_bash():
    words = [
        "fastnn",
        "a b",
        "it's",
        'c"d',
        "$HOME `x`",
        "e\tf\n",
        "\xa0'\\",
        "<&>",
        "x" * 80,
        "--y",
    ]
    text = model_sections.quote_command(shlex.join(words))
    assert all(c.isprintable() or c == "\n" for c in text) and " \\\n    " in text
    result = subprocess.run(
        ["bash", "-c", f'printf "%s\\0" {text}'], capture_output=True, check=True
    )
    assert result.stdout.decode().split("\0")[:-1] == words


def test_texts_of_tables_are_escaped_and_printable():
    """In texts and attributes, also in HTML that is made of them."""
    bad = "<b>\x00\"&'\u202e\nb"
    cells = [bad, markup("<i>{}</i>", bad), markup("{:.1f}", 1.25)]
    source = page(
        section("rows", bad, text=bad, rows=table(bad, ["a", "#n", "c"], [cells])), title=bad
    )
    good = "&lt;b&gt;\ufffd&#34;&amp;&#39;\ufffd\nb"
    assert "<b>" not in source and "\x00" not in source and "\u202e" not in source
    for text in (
        *(f"<title>{good} - ", f"<h1>{good}</h1>", f">{good}</h2>", f"<p>{good} Look at"),
        *(f'aria-label="{good}"', f"<caption>{good}</caption>", f'<th scope="row">{good}</th>'),
        *(f'<td class="number"><i>{good}</i></td>', "<td>1.2</td>"),
    ):
        assert text in source, text


@pytest.mark.parametrize(
    ("loss", "val_loss"),
    [
        ([1.0], [2.0]),
        ([1.0, 1.0], [1.0, 1.0]),
        ([1.0, np.nan], [2.0, np.inf]),
        ([np.nan], [np.nan]),
    ],
)
def test_curves_of_short_and_diverged_trainings_are_drawn(loss, val_loss):
    history = fastnn.state.History(loss, val_loss)
    report = SimpleNamespace(
        record=number_record(tuning=None, model=model_description(folds=3)),
        model=SimpleNamespace(
            facts=lambda: SimpleNamespace(weights=(0.5,)), histories_=[[history, None, history]]
        ),
        is_number=True,
    )
    source = page(model_sections.curves_section(report))
    assert "50 % of the prediction" in source and source.count("fold 1<") == 1
    assert source.count('class="legend"') == 1
    colors = re.findall(r"key solid\" style=\"--key: (var[^\"]+)", source)
    svg = re.search(r"<svg.*</svg>", source, re.S)[0]
    drawn = any(np.isfinite([*loss, *val_loss]))
    assert (colors[0] in svg and colors[2] in svg) or not drawn
    assert colors[1] not in svg  # of the network that is not trained


def test_charts_of_texts_without_a_glyph_have_no_warning():
    figure = elements.chart(
        "a", "title", "text", lambda ax: ax.set(xlabel="\N{HANGUL SYLLABLE GA}")
    )
    source = figure["svg"]
    assert "\N{HANGUL SYLLABLE GA}</text>" in source and 'id="a-title"' in source


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("../../data/telco.csv", "telco.csv"),
        ("C:\\data\\telco.csv", "telco.csv"),
        ("s3://bucket/parts/", "parts"),
        ("-", "standard input"),
        ("wine", "wine"),
    ],
)
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
    assert found.precision == pytest.approx(metrics.precision_score(y, chosen, **options))
    assert found.recall == pytest.approx(metrics.recall_score(y, chosen, **options))
    assert found.f1 == pytest.approx(metrics.f1_score(y, chosen, **options))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, chosen, **options))
    assert found.share == pytest.approx(np.average(chosen, weights=weight))


def test_a_threshold_that_no_row_reaches_has_no_precision():
    found = score_sections.score_threshold(np.array([0, 1]), np.array([0.2, 0.4]), 0.9)
    assert (found.precision, found.recall, found.f1, found.share) == (None, 0, 0, 0)


def test_coverage_of_held_out_rows_by_hand():
    errors = [np.array([[1.0], [2.0], [9.0]]), np.array([[3.0], [4.0], [5.0]])]
    # a half of 3 + 1 errors is the second one: 4 of the others' errors, and 2
    assert predictions.held_out_coverage(errors, [0.5]) == [pytest.approx(2 / 6)]
    # nine tenths of 3 + 1 errors are more than there are: all rows are inside
    assert predictions.held_out_coverage(errors, [0.9]) == [1.0]
    # forward in time, only the second fold has earlier errors: the second of 1, 2, 9
    assert predictions.held_out_coverage(errors, [0.5], is_forward=True) == [0.0]
    assert predictions.held_out_coverage(errors[:1], [0.5]) == [None]


def test_intervals_keep_their_promise_on_rows_like_the_others(rng):
    errors = [np.abs(rng.normal(size=(500, 1))) for _ in range(4)]
    found = predictions.held_out_coverage(errors, score_sections.COVERAGES)
    assert found == pytest.approx(score_sections.COVERAGES, abs=0.03)


def test_large_numbers_on_axes_are_written_as_in_tables():
    figure = elements.chart("a", "t", "d", lambda ax: ax.plot([0, 2e6], [0, 90_000]))
    source = figure["svg"]
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
    source = page(section("effects", "", text="", legend=legend, charts=[]))
    assert (
        source.count("<li>") == 3 and "--key: var(--blue)" in source and "a &lt; b</li>" in source
    )


# ---- colours ----


def palettes():
    """The variables of the style sheets on a light page, on a dark one and on paper."""
    base, dark, light, more, paper = (
        dict(re.findall(r"(--\w+): (#[0-9a-f]{6}|[\d ]+);", block))
        for package, name in (("fastnn.web", "base.css"), (PACKAGE, "report.css"))
        for block in re.findall(
            r":root \{(.*?)\}", resources.files(package).joinpath("pages", name).read_text(), re.S
        )
    )
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
    return (
        [int(text[i : i + 2], 16) for i in (1, 3, 5)]
        if text[0] == "#"
        else [*map(int, text.split())]
    )


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
def test_a_page_fits_every_screen(run, tmp_path, monkeypatch, scheme):
    """In Chromium: nothing is wider than a phone, no table is cut, and nothing is asked for."""
    pytest.importorskip("selenium", reason="Selenium is not installed")
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(
        *("train", "wine", "--target", "cultivar", "--folds", "2", "--hidden", "8"),
        *("--out", "m.safetensors", "--report", "r.html", "--test-size", "0.2", "--baselines"),
    )
    assert code == 0, errors
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
