"""The page at `/`: what the model predicts, a form to try it, and how to send rows.

It loads nothing but its style sheet and its script from the same server.
"""

import json
import shlex
from importlib import resources

from ..core.messages import join, plural, printable

#: No other page may show this one, and nothing of other servers is loaded.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def read_asset(name):
    """Return the text of page.css or page.js."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def make_page(facts, columns, example):
    """Return the HTML of the page.

    Parameters
    ----------
    facts : dict
        Those of `model_facts.describe_model`.
    columns : list of RequestColumn
    example : dict or list
        A row.
    """
    from ..cli.html_report.elements import element, paragraph, table, to_html

    title = f"Predict {printable(facts['target'] or 'with ' + facts['name'])}"
    rows = [
        [printable(column.name), column.kind, column.about, printable(json.dumps(column.example))]
        for column in columns
    ]
    return to_html(
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", name="color-scheme", content="light dark"),
                element("title", f"{title} - fastnn"),
                element("link", rel="stylesheet", href="page.css"),
                element("script", src="page.js", defer=""),
            ),
            element(
                "body",
                element("h1", title),
                paragraph(_lead(facts)),
                element("h2", "Try it"),
                _form(facts, columns, example),
                element("div", id="result", role="status"),
                element("h2", "From a program"),
                paragraph("Send a row, a list of rows, or columns as JSON:"),
                element(
                    "pre",
                    "curl ",
                    element("span", "localhost:8000", id="host"),
                    _arguments(example),
                ),
                paragraph(
                    "The schema for clients is in ",
                    element("a", "openapi.json", href="openapi.json"),
                    ", what the model is in ",
                    element("a", "model", href="model"),
                    ".",
                ),
                element("h2", "Columns"),
                table("What a row must have", ["column", "kind", "values", "example"], rows),
            ),
            lang="en",
        )
    )


def _lead(facts):
    classes, score = facts["classes"], facts.get("score")
    what = "a number" if classes is None else f"one of {plural(len(classes), 'class')}"
    if classes is not None:
        what = f"one of the classes {join(classes, 8, quoted=False)}"
    text = f"{printable(facts['name'])} predicts {what} from {plural(len(facts['columns']), 'column')}."
    if score is not None:
        text += f" Out of fold, its {score['name']} is {score['value']:.3g}."
    return text


def _form(facts, columns, example):
    from ..cli.html_report.elements import element, paragraph

    options = []
    if facts["task"] == "classes":
        options.append("proba=true")
    elif facts.get("has_intervals"):
        options.append("interval=0.9")
    if facts.get("has_explanations"):
        options.append("explain=true")
    return element(
        "form",
        *(_field(column, f"values-{i}") for i, column in enumerate(columns)),
        paragraph(element("button", "Predict", type="submit")),
        data_names="yes" if isinstance(example, dict) else "no",
        data_columns=str(len(example)),
        data_query="?" + "&".join(options),
    )


def _field(column, key):
    """Return a field with its label, and a list of categories. key : of the list"""
    from ..cli.html_report.elements import element

    choices = column.schema.get("examples", [])
    is_number = isinstance(column.example, (int, float))
    return element(
        "label",
        printable(column.name),
        element(
            "input",
            name=column.name,
            value="" if column.example is None else column.example,
            list=key if choices else None,
            data_json="number" if is_number else "text",
            autocomplete="off",
        ),
        element("datalist", *(element("option", value=x) for x in choices), id=key)
        if choices
        else None,
    )


def _arguments(example):
    return "/predict -d " + shlex.quote(json.dumps(example, ensure_ascii=False))
