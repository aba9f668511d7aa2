"""The OpenAPI 3.1 document of a served model, for `/openapi.json`."""

from ..web.access import OPEN_PATHS
from ..web.application import JSON

ERRORS = {
    "400": "The body is not JSON, or the Host header is not allowed.",
    "413": "The body is too large, or has too many rows.",
    "422": "The rows or the options do not fit the model.",
    "503": "Too many rows wait.",
}
TOKEN_ERRORS = {"401": "The token is missing or wrong."}


def describe_api(routes, facts, columns, example, has_token=False):
    """Return the document as a dict that JSON can hold.

    Parameters
    ----------
    routes : list of Route
        Those of GET with a text about them have a reply in JSON that is any object.
    facts : dict
        Those of `served_model.describe_served`.
    columns : list of RequestColumn
    example : dict or list
        A row: an object, or an array if the columns have no names.
    has_token : bool, default False
        Whether requests need a token.
    """
    has_names = isinstance(example, dict)
    errors = {**(TOKEN_ERRORS if has_token else {}), **ERRORS}
    target = facts["target"] or "the target"
    document: dict = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{facts['name']}: predicts {target}",
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
            "schemas": {
                "Row": _row(columns, has_names),
                "Rows": _rows(columns, has_names),
                "Predictions": _predictions(),
                "Error": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "detail": {"type": "string", "description": "What to do"},
                        "column": {"type": ["string", "integer"]},
                        "row": {"type": "integer", "description": "Counted from 0"},
                    },
                },
            }
        },
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _predict(facts, example, errors):
    return {
        "summary": "Predict rows",
        "operationId": "predict",
        "parameters": _parameters(facts),
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": _reference("Rows"),
                    "examples": {
                        "one row": {"value": example},
                        "several rows": {"value": [example, example]},
                    },
                }
            },
        },
        "responses": {
            "200": _reply("The predictions", _reference("Predictions")),
            **{status: _reply(text, _reference("Error")) for status, text in errors.items()},
        },
    }


def _parameters(facts):
    found = []
    if facts["task"] == "classes":
        found.append(_option("proba", {"type": "boolean"}, "Add the probability of each class"))
    elif facts.get("has_intervals"):
        limits = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        about = "Add an interval that holds the true number with this probability"
        found.append(_option("interval", limits, about))
    if facts.get("has_explanations"):
        about = "Add what each column contributes to each prediction"
        found.append(_option("explain", {"type": "boolean"}, about))
    return found


def _option(name, schema, about):
    return {"name": name, "in": "query", "schema": schema, "description": about}


def _row(columns, has_names):
    if has_names:
        return {
            "type": "object",
            "required": [column.name for column in columns],
            "properties": {
                column.name: {**column.schema, "description": column.about} for column in columns
            },
        }
    return {
        "type": "array",
        "description": "One value for each column: null for those that the model does not use",
    }


def _rows(columns, has_names):
    forms = [_reference("Row"), {"type": "array", "items": _reference("Row")}]
    if has_names:
        forms.append(
            {
                "type": "object",
                "description": "Columns: arrays of the same length",
                "required": [column.name for column in columns],
                "additionalProperties": {"type": "array"},
            }
        )
    return {"anyOf": forms}


def _predictions():
    return {
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


def _get(summary, needs_token):
    operation = {"summary": summary, "responses": {"200": _reply(summary, {"type": "object"})}}
    if not needs_token:
        operation["security"] = []
    return {"get": operation}


def _reply(text, schema):
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _reference(name):
    return {"$ref": f"#/components/schemas/{name}"}
