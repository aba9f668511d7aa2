"""The parts of the page of fastnn train --report: columns, charts, elements and the command."""

import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")
pytest.importorskip("matplotlib", reason="the extra plot is not installed")

import fastnn
from fastnn.cli import table_facts
from fastnn.cli.html_report import charts, elements, training_sections
from fastnn.tabular.columns import frames


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
    found = table_facts.summarize(frames.read(table), reg.model_.features)
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
    assert list(map(table_facts.format_share, shares)) == [
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
    text = training_sections.quote_command(shlex.join(words))
    assert all(c.isprintable() or c == "\n" for c in text) and " \\\n    " in text
    result = subprocess.run(
        ["bash", "-c", f'printf "%s\\0" {text}'], capture_output=True, check=True
    )
    assert result.stdout.decode().split("\0")[:-1] == words


def test_elements_escape_texts_and_attributes():
    parts = "a < b", elements.element("b", "&"), "c", None
    assert elements.element("p", "\x00a\nb\u202e").text == "\ufffda\nb\ufffd"
    p = elements.element("p", *parts, class_='"x', aria_label="<", id=None)
    text = '<p class="&quot;x" aria-label="&lt;">a &lt; b<b>&amp;</b>c</p>'
    assert elements.to_html(p).removeprefix("<!DOCTYPE html>\n") == text.replace('&lt;">', '<">')


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
    history = fastnn.core.state.History(loss, val_loss)
    report = SimpleNamespace(
        record={
            **{"folds": 3, "networks": 3, "hidden": [8], "parameters": 9, "seconds": 1.0},
            **{"split": "3 folds", "time": None, "tuning": None},
        },
        model=SimpleNamespace(
            model_=SimpleNamespace(
                members=[SimpleNamespace(weight=0.5)], histories=lambda: [[history, None, history]]
            )
        ),
        is_number=True,
    )
    source = elements.to_html(training_sections.curves_section(report))
    assert "50 % of the prediction" in source and source.count("fold 1<") == 1
    assert source.count('class="legend"') == 1
    colors = re.findall(r"key solid\" style=\"--key: (var[^\"]+)", source)
    svg = re.search(r"<svg.*</svg>", source, re.S)[0]
    drawn = any(np.isfinite([*loss, *val_loss]))
    assert (colors[0] in svg and colors[2] in svg) or not drawn
    assert colors[1] not in svg  # of the network that is not trained


def test_charts_of_texts_without_a_glyph_have_no_warning():
    figure = charts.chart("a", "title", "text", lambda ax: ax.set(xlabel="\N{HANGUL SYLLABLE GA}"))
    source = elements.to_html(figure)
    assert "\N{HANGUL SYLLABLE GA}</text>" in source and 'id="a-title"' in source
