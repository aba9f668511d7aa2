"""What a served model is: its target, its columns with a JSON schema and an example each, its score."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import __version__
from ..tables.number_texts import PLAIN_STYLE
from ..tabular.columns.category import as_number
from ..tabular.columns.input_column import time_text
from ..tabular.typical_values import typical_values

MAX_EXAMPLES = 20  # categories in a schema


@dataclass
class ColumnFacts:
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


def describe_model(service, name):
    """Return the facts of `/model`, as a dict that JSON can hold.

    Parameters
    ----------
    service : TableService or NetworkService
    name : str
        The name of the file.
    """
    model = service.model
    classes = getattr(model, "classes_", None)
    facts = {
        "name": name,
        "fastnn": __version__,
        "estimator": getattr(model, "estimator_name", type(model).__name__),
        "target": None,
        "task": "number" if classes is None else "classes",
        "classes": None if classes is None else classes.tolist(),
    }
    if hasattr(model, "model_"):
        facts |= _describe_table_model(model, service.has_explanations)
    else:
        networks = [model] if service.is_network else model.networks_
        facts |= _describe_networks(networks)
    facts["columns"] = {str(column.name): column.kind for column in describe_columns(service)}
    return facts


def _describe_table_model(model, has_explanations):
    networks, score = model.model_.networks(), model.oof_score_
    threshold = getattr(model, "threshold_", None)
    quantiles = getattr(model.model_.targets.loss, "q", None)
    return {
        "target": model.model_.target_name,
        "threshold": None if threshold is None else float(threshold),
        "quantiles": None if quantiles is None else np.atleast_1d(quantiles).tolist(),
        "has_intervals": model.model_.errors is not None,
        "has_explanations": has_explanations,
        "score": None if score is None else {"name": model.oof_score_name_, "value": score},
        "folds": model.n_folds_,
        "folds_left": model.n_folds_remaining_,
        **_describe_networks(networks),
        "left_out": {str(name): reason for name, reason in model.left_out_.items()},
    }


def _describe_networks(networks):
    return {
        "networks": len(networks),
        "hidden": list(networks[0].layer_sizes[1:-1]) if networks else [],
        "parameters": sum(net.n_params for net in networks),
    }


# ---- columns ----


def describe_columns(service):
    """Return the ColumnFacts of the columns that requests must have, in the order of the table."""
    if not hasattr(service.model, "model_"):
        names = service.names or range(service.n_columns)
        return [_number(name, 0.0, False) for name in names]
    model = service.model.model_
    features = model.features
    typical = typical_values(model)
    categories = features.value_categories()
    found = []
    for j in features.used():
        column = features.columns[j]
        name = column.label if service.has_names else features.positions[j]
        if column.kind == "category":
            found.append(
                (features.positions[j], _category(name, column, categories[j], typical.get(j)))
            )
        elif column.kind == "date":
            found.append((features.positions[j], _date(name, column, typical.get(j, 0.0))))
        else:
            of_texts = column.style not in (None, PLAIN_STYLE)
            found.append(
                (features.positions[j], _number(name, typical.get(j, 1.0), True, of_texts))
            )
    return [facts for _, facts in sorted(found, key=lambda pair: pair[0])]


def example_row(service, columns):
    """Return a row as a client sends it. columns : list of ColumnFacts"""
    if service.has_names:
        return {column.name: column.example for column in columns}
    row = [None] * service.n_columns
    for column in columns:
        row[column.name] = column.example
    return row


def _number(name, median, may_be_missing, of_texts=False):
    example = float(f"{median:.4g}")
    if example.is_integer() and math.fabs(example) < 2**53:
        example = int(example)
    types = ["number", "string", "boolean", "null"] if may_be_missing else ["number", "boolean"]
    about = "a number"
    if may_be_missing:
        about += ", also as a text like those of the training table" if of_texts else ""
        about += "; null if it is missing"
    return ColumnFacts(name, "number", about, {"type": types}, example)


def _date(name, column, median):
    example = time_text(median)
    about = "a date such as 2026-01-31, with or without a time; null if it is missing"
    if column.style not in (None, "iso"):
        about = f"a date, written like those of the training table ({column.style}), or null"
        example = _format_date(example, column.style)
    types = ["string", "null"] if column.from_text else ["string", "number", "null"]
    return ColumnFacts(name, "date", about, {"type": types}, example)


def _format_date(text, style):
    """Return an ISO date in a format of `fastnn.tables.dates`."""
    if "%q" in style:
        quarter = (int(text[5:7]) + 2) // 3
        style = style.replace("%q", str(quarter))
    date = np.datetime64(text.replace(" ", "T"), "s").item()
    return date.strftime(style)


def _category(name, column, categories, typical):
    numbers = [as_number(text) for text in categories]
    is_text = column.from_text or any(map(math.isnan, numbers))
    values = categories if is_text else [int(x) if x.is_integer() else x for x in numbers]
    schema = {"type": ["string", "number", "boolean", "null"], "examples": values[:MAX_EXAMPLES]}
    more = len(values) - MAX_EXAMPLES
    about = f"one of {len(values):,} categories" + (f" ({more:,} are not listed)" * (more > 0))
    about += "; another one contributes nothing; null if it is missing"
    return ColumnFacts(name, "category", about, schema, dict(zip(categories, values)).get(typical))
