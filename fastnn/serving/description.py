"""Descriptions of a served model: its facts and columns, OpenAPI for programs, the page for people."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from ..config import __version__
from ..core.messages import join, plural, printable
from ..web.application import JSON
from ..web.requests import OPEN_PATHS
from ..web.templates import render, table
from .request import show_value

TOKEN_ERRORS = {"401": "The token is missing or wrong."}
ERRORS = {
    "400": "The body is not JSON, or the Host header is not allowed.",
    "413": "The body is too large, or has too many rows.",
    "422": "The rows or the options do not fit the model.",
    "503": "Too many rows wait.",
}
#: The schema of each option of a request, and what it does.
OPTIONS = {
    "proba": ({"type": "boolean"}, "Add the probability of each class"),
    "interval": (
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "Add an interval that holds the true number with this probability",
    ),
    "explain": ({"type": "boolean"}, "Add what each column contributes to each prediction"),
}
#: The schemas of replies.
PREDICTIONS = {
    "type": "object",
    "required": ["predictions", "notes"],
    "properties": {
        "predictions": {
            "description": "A list with an object for each row. If the request has columns, an "
            "object of lists.",
            "anyOf": [
                {"type": "array", "items": {"type": "object"}},
                {"type": "object", "additionalProperties": {"type": "array"}},
            ],
        },
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}
ERROR = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string", "description": "What to do"},
        "column": {"type": ["string", "integer"]},
        "row": {"type": "integer", "description": "Counted from 0"},
    },
}


@dataclass
class RequestColumn:
    """A column that requests must have.

    Attributes
    ----------
    name : str or int
    kind : str
    about : str
        What its values are.
    schema : dict
        Of a value, as OpenAPI has it.
    example : object
    """

    name: Any
    kind: str
    about: str
    schema: dict
    example: Any


def describe_served(service, columns, name):
    """Return the facts of `/model`, as a dict that JSON can hold.

    Parameters
    ----------
    service : TableService or NetworkService
    columns : list of RequestColumn
    name : str
        The name of the file.
    """
    facts = service.facts
    size = {
        "networks": facts.n_networks,
        "hidden": list(facts.hidden_sizes),
        "parameters": facts.n_params,
    }
    return {
        "name": name,
        "fastnn": __version__,
        "estimator": facts.estimator,
        "target": facts.target,
        "task": facts.task,
        "classes": None if facts.classes is None else list(facts.classes),
        **(_describe_training(facts, size) if facts.is_table else size),
        "columns": {str(column.name): column.kind for column in columns},
    }


def _describe_training(facts, size):
    """Return what only a model of a table knows, and the size of its networks."""
    score = None if facts.score is None else {"name": facts.score_name, "value": facts.score}
    return {
        "threshold": facts.threshold,
        "quantiles": None if facts.quantiles is None else list(facts.quantiles),
        "has_intervals": facts.has_intervals,
        "has_explanations": facts.has_explanations,
        "score": score,
        "folds": facts.n_folds,
        "folds_left": facts.n_folds_left,
        **size,
        "left_out": dict(facts.left_out),
    }


# ---- columns ----


def describe_columns(service):
    """Return the RequestColumn of the columns that requests must have, in the order of the table."""
    if not service.facts.is_table:
        schema = {"type": ["number", "boolean"]}
        return [RequestColumn(name, "number", "a number", schema, 0) for name in service.names]
    features = service.model.features_
    categories = features.value_categories()
    found = []
    pairs = zip(service.facts.columns, features.used())
    for facts, j in sorted(pairs, key=lambda pair: pair[0].position):
        name = facts.name if service.has_names else facts.position
        described = features.columns[j].describe_json(categories.get(j), facts.typical)
        found.append(RequestColumn(name, facts.kind, *described))
    return found


def example_row(service, columns):
    """Return a row as a client sends it. columns : list of RequestColumn"""
    if service.has_names:
        return {column.name: column.example for column in columns}
    row = [None] * service.n_columns
    for column in columns:
        row[column.name] = column.example
    return row


# ---- OpenAPI ----


def describe_api(routes, facts, columns, example, has_token):
    """Return the OpenAPI 3.1 document as a dict that JSON can hold.

    Parameters
    ----------
    routes : list of Route
        Those of GET with a text about them have a reply in JSON that is any object.
    facts : dict
        Those of `describe_served`.
    columns : list of RequestColumn
    example : dict or list
        A row: an object, or an array if the columns have no names.
    has_token : bool
        Whether requests need a token.
    """
    errors = {**(TOKEN_ERRORS if has_token else {}), **ERRORS}
    row, rows = _row_schemas(columns, isinstance(example, dict))
    document: dict = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{facts['name']}: predicts {facts['target'] or 'the target'}",
            "version": facts["fastnn"],
            "description": "A fastnn model. A reply has one prediction for each row, in order, and "
            "notes about values that were not as expected.",
        },
        "paths": {
            "/predict": {"post": _predict(facts, example, errors)},
            **{
                each.path: _get(each.about, has_token and each.path not in OPEN_PATHS)
                for each in routes
                if each.method == "GET" and each.about
            },
        },
        "components": {
            "schemas": {"Row": row, "Rows": rows, "Predictions": PREDICTIONS, "Error": ERROR}
        },
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _predict(facts, example, errors):
    examples = {"one row": {"value": example}, "several rows": {"value": [example, example]}}
    return {
        "summary": "Predict rows",
        "operationId": "predict",
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": about}
            for name, (schema, about) in OPTIONS.items()
            if name in _options_of(facts)
        ],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _reference("Rows"), "examples": examples}},
        },
        "responses": {
            "200": _reply("The predictions", _reference("Predictions")),
            **{status: _reply(text, _reference("Error")) for status, text in errors.items()},
        },
    }


def _options_of(facts):
    """Return the options of a request that a model allows, each with an example of its value.

    facts : dict, those of `describe_served`
    """
    found = {}
    if facts["task"] == "classes":
        found["proba"] = "true"
    elif facts.get("has_intervals"):
        found["interval"] = "0.9"
    if facts.get("has_explanations"):
        found["explain"] = "true"
    return found


def _row_schemas(columns, has_names):
    """Return the schemas of a row and of a body."""
    forms: list = [_reference("Row"), {"type": "array", "items": _reference("Row")}]
    if not has_names:
        about = "One value for each column: null for those that the model does not use"
        return {"type": "array", "description": about}, {"anyOf": forms}
    required = [column.name for column in columns]
    properties = {each.name: {**each.schema, "description": each.about} for each in columns}
    forms.append(
        {
            "type": "object",
            "description": "Columns: arrays of the same length",
            "required": required,
            "additionalProperties": {"type": "array"},
        }
    )
    row = {"type": "object", "required": required, "properties": properties}
    return row, {"anyOf": forms}


def _get(summary, needs_token):
    operation = {"summary": summary, "responses": {"200": _reply(summary, {"type": "object"})}}
    if not needs_token:
        operation["security"] = []
    return {"get": operation}


def _reply(text, schema):
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


# ---- the page ----


def make_page(facts, columns, example):
    """Return the HTML of the page at `/`: what the model predicts, a form to try it, and how to send rows.

    It loads nothing but its style sheets and its script from the same server.

    Parameters
    ----------
    facts : dict
        Those of `describe_served`.
    columns : list of RequestColumn
    example : dict or list
        A row.
    """
    return render(
        __package__,
        "page.html",
        title=f"Predict {printable(facts['target'] or 'with ' + facts['name'])}",
        lead=_lead(facts),
        options="&".join(f"{name}={value}" for name, value in _options_of(facts).items()),
        columns=columns,
        has_names=isinstance(example, dict),
        n_columns=len(example),
        arguments="/predict -d " + shlex.quote(json.dumps(example, ensure_ascii=False)),
        rows=table(
            "What a row must have",
            ["column", "kind", "values", "example"],
            [[printable(e.name), e.kind, e.about, show_value(e.example)] for e in columns],
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
