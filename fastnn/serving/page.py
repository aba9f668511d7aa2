"""The page at `/`: what the model predicts, a form to try it, and how to send rows.

It loads nothing but its style sheets and its script from the same server.
"""

import json
import shlex

from ..core.messages import join, plural, printable
from ..web.templates import render, table


def make_page(facts, columns, example):
    """Return the HTML of the page.

    Parameters
    ----------
    facts : dict
        Those of `served_model.describe_served`.
    columns : list of RequestColumn
    example : dict or list
        A row.
    """
    return render(
        __package__,
        "page.html",
        title=f"Predict {printable(facts['target'] or 'with ' + facts['name'])}",
        lead=_lead(facts),
        options="&".join(_options(facts)),
        columns=columns,
        has_names=isinstance(example, dict),
        n_columns=len(example),
        arguments="/predict -d " + shlex.quote(json.dumps(example, ensure_ascii=False)),
        rows=table(
            "What a row must have",
            ["column", "kind", "values", "example"],
            [
                [printable(each.name), each.kind, each.about, printable(json.dumps(each.example))]
                for each in columns
            ],
        ),
    )


def _lead(facts):
    classes, score = facts["classes"], facts.get("score")
    what = "a number"
    if classes is not None:
        what = f"one of the classes {join(classes, 8, quoted=False)}"
    text = f"{printable(facts['name'])} predicts {what} from {plural(len(facts['columns']), 'column')}."
    if score is not None:
        text += f" Out of fold, its {score['name']} is {score['value']:.3g}."
    return text


def _options(facts):
    if facts["task"] == "classes":
        yield "proba=true"
    elif facts.get("has_intervals"):
        yield "interval=0.9"
    if facts.get("has_explanations"):
        yield "explain=true"
